"""What people and site software do, in domain words, over any HTTP client with `post`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Reply:
    """A reply of the service: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def job(self) -> dict[str, Any]:
        """The job that a good reply holds."""
        assert self.status == 200, (self.status, self.text)
        job: dict[str, Any] = self.json
        return job

    @property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs that a good reply holds."""
        assert self.status == 200, (self.status, self.text, self.headers)
        jobs: list[dict[str, Any]] = self.json
        return jobs


class Post(Protocol):
    def __call__(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply: ...


class Observatory:
    """People and the software of one site, posting to one service."""

    def __init__(self, post: Post, site: str = "wmd") -> None:
        self._post = post
        self.site = site

    def posts(self, route: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Post anything; bytes go out as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._post(f"/jobs/{route}", raw, headers or {})

    def asks(self, action: str = "expose", **changed: Any) -> Reply:
        """Somebody asks for a job."""
        return self.posts("newjob", a_command(action, site=self.site) | changed)

    def sends(self, action: str = "expose", **changed: Any) -> dict[str, Any]:
        """Somebody asks for a job and gets it."""
        return self.asks(action, **changed).job

    def polls(self, **options: Any) -> list[dict[str, Any]]:
        """The site asks for what waits."""
        return self.posts("getnewjobs", {"site": self.site} | options).jobs

    def reports(self, job: Mapping[str, Any], status: str, **options: Any) -> Reply:
        """The site reports on a job."""
        body = {"site": job["site"], "ulid": job["ulid"], "newStatus": status} | options
        return self.posts("updatejobstatus", body)

    def starts(self, job: Mapping[str, Any], **options: Any) -> Reply:
        """The site reports that a job has begun."""
        return self.posts("startjob", {"site": job["site"], "ulid": job["ulid"]} | options)

    def asks_to_cancel(self, job: Mapping[str, Any]) -> Reply:
        """Somebody asks for a job to be canceled."""
        who = {"user_id": "auth0|vera", "user_name": "Vera"}
        return self.posts("canceljob", {"site": job["site"], "ulid": job["ulid"]} | who)

    def shows(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Somebody looks at a job and its history."""
        return self.posts("getjob", {"site": job["site"], "ulid": job["ulid"]}).job

    def history(self, job: Mapping[str, Any]) -> list[str]:
        """What the history tells on the queue that everybody reads: the statuses, and what is special."""
        events = [event for event in self.shows(job)["history"] if not event["alternateQueue"]]
        return [f"{event['to']} ({event['mark']})" if "mark" in event else str(event["to"]) for event in events]

    def lists(self, **options: Any) -> list[dict[str, Any]]:
        """Somebody lists the recent jobs."""
        return self.posts("getrecentjobs", {"site": self.site} | options).jobs

    def status(self, job: Mapping[str, Any]) -> str:
        """The status that the list shows for a job."""
        listed = next(each for each in self.lists() if each["ulid"] == job["ulid"])
        return str(listed["statusId"]).split("#")[0]


def site_named(text: str) -> str:
    """Return a site code of a test's own, made of its name: as long as one may be."""
    return text if len(text) <= 64 else f"{text[:51]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def a_command(action: str = "expose", **changed: Any) -> dict[str, Any]:
    """A good command, as a user interface sends it."""
    command = {
        "site": "wmd",
        "device": "camera",
        "instance": "camera_1_1",
        "action": action,
        "user_name": "Vera",
        "user_id": "auth0|vera",
        "required_params": {"time": 1.5, "image_type": "light"},
        "optional_params": {"count": 2, "filter": "R"},
    }
    return command | changed
