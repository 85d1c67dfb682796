"""A crowd in one thread: the software of many sites, each waiting for jobs, and viewers who follow them; raw sockets.

People post jobs at a steady rate, whatever becomes of the earlier ones: a job's time runs from when it was due to be
sent. A site's software asks with a waiting poll, reports each job complete, and asks again.
"""

from __future__ import annotations

import heapq
import itertools
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import orjson

from .contenders import COMMAND
from .load import post

_WAIT_SECONDS = 50
_PAUSE_SECONDS = 1.0  # after a refusal
_CONNECT_SECONDS = 30.0
_PATIENCE_SECONDS = 60.0


@dataclass
class Seen:
    """What the crowd has sent and got so far, in seconds of `perf_counter`."""

    sent: dict[str, float] = field(default_factory=dict)
    """When each job was due to be sent."""
    delivered: dict[str, float] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    watched: list[tuple[str, float]] = field(default_factory=list)
    """Each new job as each viewer saw it."""
    refused: Counter[int] = field(default_factory=Counter)
    doubled: int = 0
    """Jobs that were handed over a second time."""


class Line(Protocol):
    """One connection of the crowd."""

    connection: socket.socket

    def read(self) -> None:
        """Take what is there, and do what follows."""


_Any = TypeVar("_Any", bound=Line)
_Later = Callable[[float, Callable[[], None]], None]


class Viewer:
    """Somebody who follows a site, and the numbers of the events that came."""

    def __init__(self, port: int, site: str, seen: Seen) -> None:
        self.site = site
        self.seqs: list[int] = []
        self.since: int | None = None
        """The number after which the stream began."""
        self.begun = self.ended = False
        self.connection = _connect(port)
        self._seen = seen
        self._rest = b""
        # By the older protocol, so that what comes is the stream itself and not cut into chunks.
        self.connection.sendall(f"GET /stream?site={site} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())

    def read(self) -> None:
        """Read messages as a browser does (WHATWG HTML, 9.2.6)."""
        piece = self.connection.recv(64 * 1024)
        self.ended = not piece
        self._rest += piece
        if not self.begun and b"\r\n\r\n" in self._rest:
            head, _, self._rest = self._rest.partition(b"\r\n\r\n")
            assert head.split(b" ", 2)[1] == b"200", head
            self.begun = True
        if self.begun:
            *messages, self._rest = self._rest.split(b"\n\n")
            for message in messages:
                self._take(message)

    def misses(self, happened: Sequence[int]) -> int:
        """Count the events of the site that are still to come."""
        return len({seq for seq in happened if seq > (self.since or 0)} - set(self.seqs))

    def _take(self, message: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in message.split(b"\n") if b": " in line)
        assert b"event" not in fields, message  # a reset, or dropped
        seq = int(fields.get(b"id", b"-0").partition(b"-")[2])
        if self.since is None:
            self.since = seq
        if b"data" not in fields:
            return
        data = orjson.loads(fields[b"data"])
        if data["topic"] != "jobs":
            return
        assert data["site"] == self.site
        self.seqs.append(seq)
        if data["data"]["statusId"].startswith("UNREAD#"):
            self._seen.watched.append((data["data"]["ulid"], time.perf_counter()))


class Asker:
    """Somebody who sends one request at a time on a connection that is kept."""

    def __init__(self, port: int, seen: Seen, later: _Later) -> None:
        self.connection = _connect(port)
        self._seen, self._later = seen, later
        self._reply = b""

    def ask(self, route: str, body: dict[str, Any]) -> None:
        """Send a request."""
        self._reply = b""
        self._asked = (route, body)
        self.connection.sendall(post(f"/jobs/{route}", orjson.dumps(body)))

    def read(self) -> None:
        """Take what is there; a refusal is sent again after a pause."""
        piece = self.connection.recv(256 * 1024)
        assert piece, "a server closed a connection"
        self._reply += piece
        head, found, body = self._reply.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        status = int(head.split(b" ", 2)[1])
        if status == 200:
            self.answered(orjson.loads(body))
        else:
            self._seen.refused[status] += 1
            self._later(_PAUSE_SECONDS, lambda: self.ask(*self._asked))

    def answered(self, answer: Any) -> None:
        """Go on after a good answer."""
        raise NotImplementedError


class Site(Asker):
    """The software of a site."""

    def __init__(self, port: int, site: str, seen: Seen, later: _Later) -> None:
        super().__init__(port, seen, later)
        self.site = site
        self._todo = deque[str]()
        self._next()

    def answered(self, answer: Any) -> None:
        """Note what was handed over; each job is done at once."""
        if isinstance(answer, list):
            now = time.perf_counter()
            for job in answer:
                self._seen.doubled += job["ulid"] in self._seen.delivered
                self._seen.delivered[job["ulid"]] = now
                self._todo.append(job["ulid"])
        else:
            self._seen.reported.add(self._todo.popleft())
        self._next()

    def _next(self) -> None:
        if self._todo:
            said = {"site": self.site, "ulid": self._todo[0], "newStatus": "COMPLETE"}
            self.ask("updatejobstatus", said | {"secondsUntilComplete": 0})
        else:
            self.ask("getnewjobs", {"site": self.site, "waitSeconds": _WAIT_SECONDS})


class Person(Asker):
    """Somebody who posts jobs."""

    due: float | None = None

    def sends(self, site: str, due: float) -> None:
        """Post a job that is due now, or was."""
        self.due = due
        self.ask("newjob", COMMAND | {"site": site})

    def answered(self, answer: Any) -> None:
        """Note the job; the next may be sent."""
        assert self.due is not None
        self._seen.sent[answer["ulid"]], self.due = self.due, None


class Crowd:
    """All of them."""

    def __init__(self, ports: Sequence[int], sites: int, people: int) -> None:
        self.seen = Seen()
        self.codes = [f"site-{number:03}" for number in range(sites)]
        self.viewers: list[Viewer] = []
        self._ports = ports
        self._selector = selectors.DefaultSelector()
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._overdue = deque[tuple[str, float]]()
        self.people = deque(self._add(Person(self._port(n), self.seen, self._do_later)) for n in range(people))
        self._next_site = itertools.cycle(self.codes)

    def wait_for_jobs(self, count: int) -> None:
        """Have the software of each site wait, the polls spread over sites and servers."""
        for number in range(count):
            code = self.codes[number % len(self.codes)]
            self._add(Site(self._port(number), code, self.seen, self._do_later))
        self.run(0.5)

    def watch(self, count: int) -> None:
        """Open streams; those of one site are on different servers."""
        sites = len(self.codes)
        for number in range(count):
            port = self._port(number + number // sites)
            self.viewers.append(self._add(Viewer(port, self.codes[number % sites], self.seen)))
        assert self.until(lambda: all(viewer.begun for viewer in self.viewers)), "a stream did not begin"

    def run(self, seconds: float, rate: float = 0) -> None:
        """Let people post so many jobs a second, over all sites by turns, for a while."""
        began = time.perf_counter()
        due = (began + number / rate for number in range(round(seconds * rate))) if rate else iter(())
        following = next(due, None)
        while (now := time.perf_counter()) < began + seconds:
            while following is not None and following <= now:
                self._overdue.append((next(self._next_site), following))
                following = next(due, None)
            self._send_overdue()
            self._serve(min(following or began + seconds, began + seconds) - now)
        self._overdue.extend((next(self._next_site), late) for late in (following, *due) if late is not None)

    def settle(self) -> bool:
        """Wait until each job was sent, handed over, reported and seen; False when patience is over before."""
        return self.until(lambda: not self._overdue and self.is_settled())

    def is_settled(self) -> bool:
        """Whether all that was sent has been handed over and reported."""
        sent = self.seen.sent.keys()
        return all(person.due is None for person in self.people) and sent <= self.seen.reported

    def until(self, done: Callable[[], bool]) -> bool:
        """Go on until something holds, or patience is over."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                return False
            self._send_overdue()
            self._serve(0.05)
        return True

    def close(self) -> None:
        """Hang up."""
        for key in list(self._selector.get_map().values()):
            key.data.connection.close()
        self._selector.close()

    def _send_overdue(self) -> None:
        for person in tuple(self.people):
            if not self._overdue:
                return
            self.people.rotate(-1)  # a connection that nobody uses for long would be closed
            if person.due is None:
                person.sends(*self._overdue.popleft())

    def _serve(self, seconds: float) -> None:
        for key, _ in self._selector.select(min(0.05, max(0.0, seconds))):
            line: Line = key.data
            line.read()
            if isinstance(line, Viewer) and line.ended:
                self._selector.unregister(line.connection)
        while self._later and self._later[0][0] <= time.monotonic():
            heapq.heappop(self._later)[2]()

    def _do_later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), what))

    def _port(self, number: int) -> int:
        return self._ports[number % len(self._ports)]

    def _add(self, line: _Any) -> _Any:
        self._selector.register(line.connection, selectors.EVENT_READ, line)
        return line


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), _CONNECT_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _length(head: bytes) -> int:
    return next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
