"""What people and site software do with plans, in domain words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .observatory import Observatory, Reply

WHO = {"user_name": "Vera", "user_id": "auth0|vera"}


def a_step(action: str = "expose", device: str = "camera", instance: str = "camera_1_1", **changed: Any) -> Any:
    """A step of a plan, as a page sends it."""
    step: dict[str, Any] = {"device": device, "instance": instance, "action": action}
    if action == "expose":
        step |= {"required_params": {"time": 1.5, "image_type": "light"}, "optional_params": {"count": 1}}
    return step | changed


SLEW = a_step("go", "mount", "mount1", required_params={"ra": 5.59, "dec": -5.4})
SERIES = [SLEW, a_step(), a_step(optional_params={"filter": "V"})]


def asks_for_plan(site: Observatory, steps: Any = None, key: str | None = None, **changed: Any) -> Reply:
    """Somebody sends a plan."""
    body = {"site": site.site, "title": "M42", "steps": SERIES if steps is None else steps} | WHO | changed
    return site.posts("newplan", body, {} if key is None else {"Idempotency-Key": key})


def plans(site: Observatory, steps: Any = None, **changed: Any) -> dict[str, Any]:
    """Somebody sends a plan, and it is taken."""
    return asks_for_plan(site, steps, **changed).job


def shows(site: Observatory, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Somebody looks at a plan."""
    return site.posts("getplan", {"site": site.site, "id": plan["id"]}).job


def does(site: Observatory, deed: str, plan: Mapping[str, Any], **more: Any) -> Reply:
    """Somebody does something with a plan, such as `pauseplan`."""
    return site.posts(deed, {"site": site.site, "id": plan["id"]} | WHO | more)


def carries_out(site: Observatory, end: str = "COMPLETE", **options: Any) -> dict[str, Any]:
    """The site takes one job, begins it and says how it ended."""
    (job,) = site.polls(**options)
    assert site.starts(job).status == 200
    assert site.reports(job, end).status == 200
    return job
