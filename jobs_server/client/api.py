"""The calls of one site's software to the service, each with its typed reply."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from .errors import BadReply
from .http import REPLY_SECONDS, Calls, Connections, MakeTransport, Reply
from .job import Job, read_job
from .readings import Preview, plain, read_preview

PATIENCE_SECONDS = 30.0
DAY_SECONDS = 24 * 60 * 60.0
_OF_BYTES = {"Content-Type": "application/octet-stream"}


class Claimed(NamedTuple):
    """What a claim got."""

    jobs: list[Job]
    spent: bool  # its id got jobs before, none of them is to be run any more, and it gets no others
    held: bool  # jobs that its id got before are held back by a lock-out, and come when it is lifted
    stops_alone: bool = False  # the service knows of polls for stops alone, and this was one


class SiteApi:
    """Call the service for one site.

    All calls may come from any thread. They raise `Refused` (by status: `Conflict`, `NotFound`, ...) with the service's
    own sentence, `Unreachable` when no answer came within `patience_seconds`, and `BadReply` when something else
    answers. What is safe to repeat is tried again until then, with growing pauses.
    """

    def __init__(
        self,
        url: str,
        site: str,
        *,
        token: str | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        name: str = "SiteClient",
        transport: MakeTransport | None = None,
    ) -> None:
        """Take the service's address, such as `http://192.168.1.5:5000`, and the site code.

        `name` tells the service which program this is. `token` is sent where sign-in is set.
        """
        headers = {"User-Agent": f"{name} jobs_server/{_version()}", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._calls = Calls(Connections(url, headers, transport), patience_seconds)
        self.url = url
        self.site = site

    def poll(
        self,
        *,
        claim_id: str | None = None,
        limit: int | None = None,
        wait_seconds: float = 0,
        stops_only: bool = False,
        alternate_queue: bool = False,
    ) -> list[Job]:
        """Take the waiting jobs, stop commands first, each in the order of the service: that is the order of work.

        With a `claim_id` the call is repeatable: the same id gives the same jobs again, and it is spent by a reply with
        jobs. Without one a lost reply is a lost job, so such a poll is not tried again (`Unreachable`, with
        `may_have_arrived`). Whoever asks again with an id whose jobs were all canceled or ended meanwhile gets none,
        now and for ever: take a new id then (`claims` does). `wait_seconds` (0 to 60) lets the service hold the answer
        back until a job is there. `stops_only` asks for stop commands alone; an older service answers with any job.
        """
        return self.claim(
            claim_id,
            limit=limit,
            wait_seconds=wait_seconds,
            stops_only=stops_only,
            alternate_queue=alternate_queue,
        ).jobs

    def claim(
        self,
        claim_id: str | None,
        *,
        limit: int | None = None,
        wait_seconds: float = 0,
        stops_only: bool = False,
        only: str | None = None,
        alternate_queue: bool = False,
    ) -> Claimed:
        """Take the waiting jobs as `poll` does, and return how the claim id stands too.

        `only` is the ULID of one job to take; an older service takes the next one.
        """
        body = {
            "claimId": claim_id,
            "limit": limit,
            "waitSeconds": wait_seconds or None,
            "stopsOnly": stops_only or None,
            "only": only,
        }
        reply_seconds = REPLY_SECONDS + wait_seconds
        queue = {"alternateQueue": True} if alternate_queue else {}
        reply = self._ask("getnewjobs", body | queue, repeatable=claim_id is not None, reply_seconds=reply_seconds)
        if not isinstance(reply.content, list):
            raise BadReply("the service sent something that is no list of jobs")
        jobs = [read_job(each, alternate_queue=alternate_queue) for each in reply.content]
        jobs.sort(key=lambda job: not job.is_stop)
        return Claimed(
            jobs,
            spent="X-Claim-Spent" in reply.headers,
            held="X-Claim-Held" in reply.headers,
            stops_alone=stops_only and "X-Stops-Only" in reply.headers,
        )

    def waiting(self, *, limit: int = 50, alternate_queue: bool = False) -> list[Job]:
        """Return what a poll would get now, in the order of work, and take none of it.

        Raises NotFound where the service is older and has no such route.
        """
        queue = {"alternateQueue": True} if alternate_queue else {}
        content = self._post("getwaitingjobs", {"limit": limit} | queue, repeatable=True)
        return [read_job(each, alternate_queue=alternate_queue) for each in content]

    def start(
        self,
        job: Job | str,
        *,
        claim_id: str | None = None,
        seconds_until_complete: float | None = None,
        alternate_queue: bool = False,
    ) -> Job:
        """Report that a job begins; with the claim id it came by, ask first whether it still may.

        Raises Conflict when it must not begin any more: then nothing may move.
        """
        body = _report(job, seconds_until_complete, alternate_queue) | {"claimId": claim_id}
        return read_job(self._post("startjob", body, repeatable=True), alternate_queue=alternate_queue)

    def update(
        self,
        job: Job | str,
        status: str,
        *,
        seconds_until_complete: float | None = None,
        message: str | None = None,
        result: Mapping[str, Any] | None = None,
        alternate_queue: bool = False,
    ) -> Job:
        """Report a job's status; look at `cancel_requested` of what comes back.

        `result` says what came of the job, up to 16 KiB: what is said of a key stands until it is said anew.
        Raises Conflict when the job has ended otherwise, NotFound when there is none such.
        """
        said = {"newStatus": status, "message": message, "result": None if result is None else plain(result)}
        body = _report(job, seconds_until_complete, alternate_queue) | said
        return read_job(self._post("updatejobstatus", body, repeatable=True), alternate_queue=alternate_queue)

    def recent(self, *, seconds: float = DAY_SECONDS) -> list[Job]:
        """Return the jobs of the last while (default one day), oldest first."""
        return [read_job(each) for each in self._post("getrecentjobs", {"timeRange": seconds * 1000}, repeatable=True)]

    def get(self, job: Job | str, *, alternate_queue: bool = False) -> Job:
        """Return one job with its status and `history` on one of the two queues; `wire` holds what happened on both."""
        queue = {"alternateQueue": True} if alternate_queue else {}
        reply = self._post("getjob", {"ulid": _ulid(job)} | queue, repeatable=True)
        return read_job(reply, alternate_queue=alternate_queue)

    def submit(
        self,
        device: str,
        instance: str,
        action: str,
        required_params: Mapping[str, Any] | None = None,
        optional_params: Mapping[str, Any] | None = None,
        *,
        user_name: str,
        user_id: str,
        expires_in_seconds: float | None = None,
        not_before_seconds: float | None = None,
        not_before: datetime | None = None,
        goes_next: bool = False,
        idempotency_key: str | None = None,
    ) -> Job:
        """Send a command. It carries an Idempotency-Key, so that a retry makes no second job.

        With `goes_next` it goes before what waits. It is not handed over before `not_before`, a time with its zone and
        at most 36 hours ahead.

        Give a key of your own (1 to 255 visible characters) to be safe across a restart of your program as well.
        """
        body = {
            "device": device,
            "instance": instance,
            "action": action,
            "user_name": user_name,
            "user_id": user_id,
            "required_params": required_params or {},
            "optional_params": optional_params or {},
            "expiresInSeconds": expires_in_seconds,
            "notBeforeSeconds": not_before_seconds,
            "notBefore": None if not_before is None else not_before.isoformat(),
            "next": goes_next or None,
        }
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return read_job(self._post("newjob", body, repeatable=True, headers=headers))

    def cancel(self, job: Job | str, *, user_name: str, user_id: str) -> Job:
        """Cancel a job that has not begun, or ask the site to end one that has; the reply's status tells which.

        Raises Conflict when it has ended.
        """
        body = {"ulid": _ulid(job), "user_name": user_name, "user_id": user_id}
        return read_job(self._post("canceljob", body, repeatable=True))

    def move(self, job: Job | str, to: Job | str, *, user_name: str, user_id: str) -> Job:
        """Move a job that waits; `to` is "first", "last", or the job to go before.

        Raises Conflict when one of them waits no more.
        """
        body = {"ulid": _ulid(job), "to": _ulid(to), "user_name": user_name, "user_id": user_id}
        return read_job(self._post("movejob", body, repeatable=True))

    def edit(
        self,
        job: Job | str,
        *,
        required_params: Mapping[str, Any] | None = None,
        optional_params: Mapping[str, Any] | None = None,
        instance: str | None = None,
        user_name: str,
        user_id: str,
    ) -> Job:
        """Change what a job asks for that waits; what is None stays. Raises Conflict when it waits no more."""
        changed = {"required_params": required_params, "optional_params": optional_params, "instance": instance}
        body = {"ulid": _ulid(job), "user_name": user_name, "user_id": user_id} | changed
        return read_job(self._post("editjob", body, repeatable=True))

    def pause_queue(self, note: str, *, user_name: str, user_id: str) -> None:
        """Have stop commands alone handed over and begin, until `resume_queue`. Raises Conflict when that is so."""
        self._post("pausequeue", {"note": note, "user_name": user_name, "user_id": user_id}, repeatable=False)

    def resume_queue(self, *, user_name: str, user_id: str) -> None:
        """Let the queue go on. Raises Conflict when it is not paused."""
        self._post("resumequeue", {"user_name": user_name, "user_id": user_id}, repeatable=False)

    def state(self, devices: Mapping[str, Mapping[str, Any] | None]) -> None:
        """Say how devices are, such as `{"mount/mount1": {"status": "tracking"}}`; None forgets a device.

        Each replaces what was said of that device before. Call it as often as once a second. A number that is none
        (NaN) is sent as null, a date as text. It is tried once: the next report says more than this one.
        """
        content = json.dumps({"site": self.site, "devices": plain(devices)}).encode()
        Calls(self._calls.connections, 0).post_bytes("devicestate", content, repeatable=False)

    def capabilities(self, devices: Mapping[str, Mapping[str, Any]]) -> None:
        """Say what the site has and can do, in the place of all that was said before.

        By `type/instance`: `actions`, `filters`, `binnings` (lists), `limits` (an object), anything else.
        """
        self._post("capabilities", {"devices": plain(devices)}, repeatable=True)

    def preview(self, job: Job | str, picture: bytes | str | Path, *, name: str | None = None) -> Preview:
        """Send a picture of a job: the bytes of a PNG or JPEG, or the path of its file.

        At most 2 MiB and 16 megapixels, 10 a minute and job. One of the same name takes the place of the one before.
        """
        if not isinstance(picture, bytes):
            name = name or Path(picture).name
            picture = Path(picture).read_bytes()
        query = {"site": self.site, "ulid": _ulid(job)} | ({"name": name} if name else {})
        reply = self._calls.post_bytes("preview", picture, repeatable=True, query=query, headers=_OF_BYTES)
        return read_preview(reply.content)

    def server_time_ms(self) -> int | None:
        """Return the time by the service's own clock (ms since 1970 UTC); None before its first reply."""
        return self._calls.connections.server_time_ms()

    def with_patience(self, seconds: float) -> Self:
        """Return the same calls with another patience; they share the connections."""
        other = object.__new__(type(self))
        other._calls = Calls(self._calls.connections, seconds)
        other.url, other.site = self.url, self.site
        return other

    def close(self) -> None:
        """Close the connections."""
        self._calls.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, route: str, body: Mapping[str, Any], **options: Any) -> Any:
        return self._ask(route, body, **options).content

    def _ask(self, route: str, body: Mapping[str, Any], **options: Any) -> Reply:
        given = {name: value for name, value in body.items() if value is not None}
        return self._calls.post(route, {"site": self.site} | given, **options)


def _report(job: Job | str, seconds: float | None, alternate_queue: bool) -> dict[str, Any]:
    queue = {"alternateQueue": True} if alternate_queue else {}
    return {"ulid": _ulid(job), "secondsUntilComplete": seconds} | queue


def _ulid(job: Job | str) -> str:
    return job if isinstance(job, str) else job.ulid


def _version() -> str:
    try:
        return version("jobs_server")
    except PackageNotFoundError:
        return "unknown"
