"""One alert to one address of somebody's own: where it may go is judged by the very number that is then called.

A name is looked up once, so that none can be another number when it is called; no redirect is followed, and no proxy of
the environment is used, which would look names up by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from ..config import Settings
from ..errors import TaskFailed
from ..jobs.alert_addresses import AlertAddressRow
from ..worker import within

if TYPE_CHECKING:
    import httpx

CALL_SECONDS = 5.0
ANSWER_SECONDS = 10.0
"""So long one try may take in all, the look for the name's number included."""

_TITLE = "jobs_server"
_PRIORITY = 5  # from which on Gotify's app makes a sound
Number = IPv4Address | IPv6Address


def may_reach(settings: Settings, address: AlertAddressRow) -> Callable[[Number], bool]:
    """Return whether alerts to an address may go to a number: one of the internet, or of a network that is set."""
    networks = [ip_network(each, strict=False) for each in settings.own_alert_networks]

    def may(number: Number) -> bool:
        plain = getattr(number, "ipv4_mapped", None) or number
        is_public = plain.is_global and not plain.is_multicast
        return bool(address.may_reach_all) or is_public or any(plain in network for network in networks)

    return may


def post(settings: Settings, address: AlertAddressRow, sentence: str, seconds: float = ANSWER_SECONDS) -> None:
    """Send a text to an address, once. Raises TaskFailed with the reason, in which nothing of the address is secret."""
    import httpx

    client = httpx.Client(timeout=min(CALL_SECONDS, seconds), trust_env=False, follow_redirects=False)
    try:
        with client:
            call = partial(_call, client, address, sentence, may_reach(settings, address))
            answer = within(seconds, call, client.close)
    except (TimeoutError, httpx.TimeoutException):
        raise TaskFailed("it did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        raise TaskFailed(_why(error)) from None
    if answer.is_redirect:
        raise TaskFailed(f"it answered {answer.status_code} and leads elsewhere, where no alert follows")
    if not answer.is_success:
        raise TaskFailed(f"it answered {answer.status_code}")


def _call(
    client: httpx.Client, address: AlertAddressRow, sentence: str, may: Callable[[Number], bool]
) -> httpx.Response:
    import httpx

    url = httpx.URL(address.url)
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    number = _chosen(socket.getaddrinfo(url.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM), may)
    headers, body = _written(address.kind, sentence)
    request = client.build_request(
        "POST",
        url.copy_with(host=str(number)),
        headers={"Host": url.netloc.decode("ascii"), **headers},
        extensions={"sni_hostname": url.raw_host.decode("ascii")},
        **body,
    )
    return client.send(request)


def _chosen(found: Iterable[tuple[Any, ...]], may: Callable[[Number], bool]) -> Number:
    """Return the first number that may be called. Raises TaskFailed when none may."""
    numbers = [ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
    chosen = next((number for number in numbers if may(number)), None)
    if chosen is None:
        raise TaskFailed("it is in a network to which no alerts of people's own are sent (JOBS_OWN_ALERT_NETWORKS)")
    return chosen


def _written(kind: str, sentence: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the headers and the body of an alert, as each kind of receiver reads it."""
    if kind == "ntfy":
        return {"Title": _TITLE, "Content-Type": "text/plain; charset=utf-8"}, {"content": sentence.encode()}
    if kind == "gotify":
        return {}, {"json": {"title": _TITLE, "message": sentence, "priority": _PRIORITY}}
    return {}, {"json": {"title": _TITLE} | dict.fromkeys(("message", "text", "content"), sentence)}


def _why(error: BaseException) -> str:
    """Return why nothing came of a call: by its kind, since some of their texts hold the whole address."""
    if isinstance(error, socket.gaierror):
        return "no such name is known"
    if type(error).__name__ == "ConnectError":
        return "it could not be reached"
    return f"the call failed ({type(error).__name__})"
