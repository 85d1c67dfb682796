"""What all devices behind INDI share: two connections, the keeper that connects the device, and the end of a move."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar
from urllib.parse import unquote

from ...client.backoff import Backoff
from ..errors import DeviceError, DeviceGone, NotPossible, NotStopped, Refused, TimedOut, WrongEnd
from ..indi import PORT, Blobs, IndiConnection
from ..indi_vectors import Value, Vector
from .interfaces import Device, State
from .motion import Agreement, Motion
from .settings import Settings

_ADDRESS = re.compile(r"indi://(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d{1,5}))?/(?P<device>.+)")
_QUIET_SECONDS = 0.4  # no property came for so long: the device has described itself


def place_of(driver: str) -> tuple[str, int, str]:
    """Return host, port and device of `indi://HOST:PORT/Device Name`; raise ValueError when it is none."""
    found = _ADDRESS.fullmatch(driver)
    if found is None or int(found["port"] or PORT) > 65535:
        raise ValueError(f"{driver!r} is no address of an INDI device: indi://HOST:7624/Device Name is expected")
    return found["host"].strip("[]"), int(found["port"] or PORT), unquote(found["device"])


class IndiDevice(Motion):
    """A device behind INDI.

    Moves go over one connection; stops, states and the sight of rest over another one, which gets no BLOBs.
    """

    needed: ClassVar[tuple[str, ...]] = ()  # one of these must be there
    moving: ClassVar[tuple[str, ...]] = ()  # it moves while one of these is Busy
    watched: ClassVar[tuple[str, ...]] = ()  # these change while it moves, whatever the driver says
    abort: ClassVar[tuple[str, str]] = ("", "ABORT")
    blobs: ClassVar[Blobs] = "Never"

    def __init__(self, name: str, driver: str, settings: Settings) -> None:
        """Take the name that jobs carry, the address, and the settings; raise ValueError when it is no address."""
        super().__init__(name, driver, settings)
        host, port, device = place_of(driver)
        silence = settings.silence_seconds
        self._main = IndiConnection(host, port, device, blobs=self.blobs, silence_seconds=silence)
        self._watch = IndiConnection(host, port, device, silence_seconds=silence)
        self._set_before: dict[str, dict[str, Value]] = {}
        self._generation = -1
        self._status = ""

    def start(self, on_change: Callable[[Device], None] | None = None) -> None:
        """Begin to connect, in a thread of the device."""
        self._start_telling(on_change)
        self._watch.on_change(self._look_at_status)
        self._main.start()
        self._watch.start()
        threading.Thread(target=self._keep, name=f"keeper of {self.name}", daemon=True).start()

    def close(self) -> None:
        """End the device's threads and connections; what moves is left to move."""
        self._closed.set()
        self._tell()
        self._main.close()
        self._watch.close()

    def is_moving(self) -> bool:
        """Whether something moves, asked for by whomever."""
        self._check_watched()
        return any(self._is_busy(name) for name in self.moving)

    def about(self) -> Mapping[str, str]:
        """Return the driver's name and version; empty when it is not connected."""
        info = self._main.vector("DRIVER_INFO")
        if info is None:
            return {}
        return {"driver": info.text("DRIVER_NAME"), "version": info.text("DRIVER_VERSION")}

    def state(self) -> State:
        """Return what is known now."""
        state: State = {"connected": self.is_ready}
        if not self.is_ready:
            return state | {"message": self._reason}
        with contextlib.suppress(DeviceError):
            state |= self._known()
        return state

    @abstractmethod
    def _known(self) -> State:
        """Return the kind's own keys of the state."""

    def _prepare(self) -> None:
        """Set what the kind needs after each connect; what was set before is set again already."""

    def _number(self, vector: str, member: str) -> float | None:
        """Return a number as it stands; None when it is not known."""
        found = self._main.vector(vector)
        return None if found is None else found.number(member)

    def _has(self, vector: str, member: str | None = None) -> bool:
        found = self._main.vector(vector)
        return found is not None and (member is None or member in found.values)

    def _vector(self, name: str) -> Vector | None:
        return self._main.vector(name)

    def _needs(self, vector: str, deed: str) -> Vector:
        """Return a property of the moves' connection; raise NotPossible with the deed when there is none."""
        if (found := self._main.vector(vector)) is None:
            self._check_there()
            raise NotPossible(f"{self.name} cannot {deed}: its driver has no {vector}")
        return found

    def _is_busy(self, vector: str) -> bool:
        found = self._watch.vector(vector)
        return found is not None and found.state == "Busy"

    def _check_watched(self) -> None:
        """Raise DeviceGone unless the device is connected and has described itself: what is not known is no rest."""
        connection = self._watch.vector("CONNECTION")
        if not self._watch.is_up or connection is None:
            raise DeviceGone(f"{self.name} cannot be read: {self._watch.reason}")
        if not connection.is_on("CONNECT"):
            raise DeviceGone(f"{self.name} cannot be read: it is not connected by its driver")
        if self.needed and not any(self._watch.vector(name) for name in self.needed):
            raise DeviceGone(f"{self.name} cannot be read: it has not described itself yet")

    # Stops

    def _abort(self) -> None:
        name, member = self.abort
        self._heard_at_abort = self._watch.heard
        if self._watch.vector(name) is not None:
            self._watch.send(name, {member: True})
            return
        self._check_watched()
        if not self._ready.is_set():  # the properties come one by one, and the abort may be the last
            raise DeviceGone(f"{self.name} is not there: {self._reason}")
        if self._is_under_way or self.is_moving():
            raise NotStopped(f"{self.name} cannot be stopped: its driver has no abort")
        self._watch.ask()  # a sign of life, so that rest is not taken from an old reading

    def _look(self) -> object:
        self._check_watched()
        if self._watch.heard == self._heard_at_abort:
            return None
        vectors = [self._watch.vector(name) for name in self.watched]
        return tuple(_rounded(vector) for vector in vectors if vector is not None)

    # Moves

    def _begin_move(self) -> None:
        self._generation = self._main.generation
        self._mark = self._main.mark()

    def _check_there(self) -> None:
        if self._generation != self._main.generation or not self._main.is_up:
            raise DeviceGone(f"{self.name} is gone: {self._main.reason}")
        connection = self._main.vector("CONNECTION")
        if connection is not None and not connection.is_on("CONNECT"):
            raise DeviceGone(f"{self.name} was disconnected from its driver")

    def _pause(self, seconds: float) -> None:
        self._main.pause(seconds)

    def _drive(
        self,
        vector: str,
        values: Mapping[str, Value],
        seconds: float,
        differs: Callable[[], str | None],
    ) -> None:
        """Ask for a move, and return when the driver said its end and `differs` says nothing more.

        `differs` returns what was asked and what is read, in words, or None when the two agree.
        """
        before = self._needs(vector, self._doing)
        self._mark = self._main.mark()
        self._ask(lambda: self._main.send(vector, values))
        self._await_answer(before, min(seconds, self.settings.answer_seconds))
        agreement = Agreement(self.settings.settle_seconds)
        self._until(lambda: self._has_ended(vector, differs, agreement), seconds, f"the end ({self._doing})")
        self._catch_up()

    def _catch_up(self) -> None:
        """Return when the connection of stops has heard of the end too, lest the next move finds this one going on."""
        with contextlib.suppress(TimedOut):
            self._watch.wait_for(lambda: not self.is_moving(), self.settings.settle_seconds, "rest")

    def _await_answer(self, before: Vector, seconds: float) -> Vector:
        def answered() -> Vector | None:
            vector = self._main.vector(before.name)
            return vector if vector is not None and vector.sets > before.sets else None

        return self._until(answered, seconds, f"an answer of the driver to {before.name}")

    def _has_ended(self, vector: str, differs: Callable[[], str | None], agreement: Agreement) -> bool:
        state = self._needs(vector, self._doing).state
        if state == "Busy":
            agreement.moves()
            return False
        if state == "Alert":
            raise Refused(f"{self.name} failed: {self._said() or f'its driver reports an alert ({self._doing})'}")
        difference = differs()
        if difference is not None and agreement.lags():
            return False
        if difference is not None:
            said = self._said()
            raise WrongEnd(f"{self.name}: {difference}" + (f"; its driver said: {said}" if said else ""))
        return True

    def _said(self) -> str:
        """Return what the driver said last since the move began, without its marks."""
        messages = self._main.messages_since(self._mark)
        return re.sub(r"^\[[A-Z]+\]\s*", "", messages[-1]).strip()[:200] if messages else ""

    def _set(self, vector: str, values: Mapping[str, Value], seconds: float | None = None) -> None:
        """Set what is no move, see that it was taken, and keep it to be set again after a reconnect."""
        self._apply(vector, values, seconds)
        self._set_before[vector] = {**self._set_before.get(vector, {}), **values}

    def _apply(self, vector: str, values: Mapping[str, Value], seconds: float | None = None) -> None:
        before = self._needs(vector, f"set {vector}")
        mark = self._main.mark()
        self._main.send(vector, values)
        limit = self.settings.answer_seconds if seconds is None else seconds

        def taken() -> Vector | None:
            now = self._main.vector(vector)
            return now if now is not None and now.sets > before.sets and now.state != "Busy" else None

        now = self._main.wait_for(taken, limit, f"an answer to {vector}")
        said = (self._main.messages_since(mark) or [""])[-1]
        if now.state == "Alert":
            raise Refused(f"{self.name} refused {vector}: {said or 'its driver reports an alert'}")
        for member, value in values.items():
            if (read := now.values.get(member)) != value and not _close(read, value):
                raise WrongEnd(f"{self.name}: {vector} {member} was to be {value} and is {read}")

    # The keeper: connects the device behind its server, and again after each loss.

    def _keep(self) -> None:
        backoff = Backoff(longest=5.0)
        while not self._closed.is_set():
            try:
                self._connect()
                backoff.reset()
                self._await_loss()
            except DeviceError as error:
                self._set_ready(ready=False, reason=str(error))
            except Exception as error:  # without this thread the device never comes back
                self._note_unforeseen(error)
            self._closed.wait(backoff.pause() or 5.0)
        self._set_ready(ready=False, reason="it was closed")

    def _connect(self) -> None:
        seconds = self.settings.connect_seconds
        for connection in (self._watch, self._main):
            connection.wait_up(seconds)
        with self._connecting():
            self._make_ready(seconds)
            self._set_ready(ready=True)

    def _make_ready(self, seconds: float) -> None:
        generation = self._main.generation
        described = self._main.wait_for(lambda: self._main.vector("CONNECTION"), seconds, "the device")
        if not described.is_on("CONNECT"):
            self._switch_on(seconds)
        self._await_properties(self._main, seconds)
        self._await_properties(self._watch, seconds)
        for vector, values in list(self._set_before.items()):
            self._apply(vector, values)
        self._prepare()
        self._generation = generation
        if generation != self._main.generation:
            raise DeviceGone(f"{self.name} was lost while it was connected")

    def _switch_on(self, seconds: float) -> None:
        mark = self._main.mark()
        before = self._main.send("CONNECTION", {"CONNECT": True})

        def answered() -> Vector | None:
            now = self._main.vector("CONNECTION")
            over = now is not None and now.sets > before.sets and now.state != "Busy"
            return now if over else None

        if not self._main.wait_for(answered, seconds, "the device's connection").is_on("CONNECT"):
            said = (self._main.messages_since(mark) or ["its driver does not say why"])[-1]
            raise DeviceGone(f"{self.name} cannot be connected by its driver: {said}")

    def _await_properties(self, connection: IndiConnection, seconds: float) -> None:
        """Return when what is needed was described, and nothing more came for a moment: there is no mark of the end."""
        needed = " or ".join(self.needed)
        connection.wait_for(
            lambda: not self.needed or any(connection.vector(name) for name in self.needed), seconds, needed
        )
        deadline = time.monotonic() + seconds
        count = -1
        while (now := len(connection.vectors())) != count and time.monotonic() < deadline:
            count = now
            time.sleep(_QUIET_SECONDS)

    def _await_loss(self) -> None:
        """Return never: raise DeviceGone when a connection was lost, or somebody disconnected the device."""
        for connection in (self._main, self._watch):
            if not connection.is_up:
                raise DeviceGone(f"{self.name} is gone: {connection.reason}")
        generations = self._main.generation, self._watch.generation

        def lost() -> str | None:
            if (self._main.generation, self._watch.generation) != generations:
                return self._main.reason if not self._main.is_up else self._watch.reason
            connection = self._watch.vector("CONNECTION")
            off = connection is not None and not connection.is_on("CONNECT")
            return "somebody disconnected it from its driver" if off else None

        while (reason := lost()) is None and not self._closed.is_set():
            self._watch.pause(0.5)
        raise DeviceGone(f"{self.name} is gone: {reason or 'it was closed'}")

    def _look_at_status(self) -> None:
        """Tell of a status that changed, in the reading thread."""
        if not self._ready.is_set():
            return
        status = ""
        with contextlib.suppress(DeviceError):
            status = self._brief()
        if status != self._status:
            self._status = status
            self._tell()

    def _brief(self) -> str:
        """Return the status in a word, from what is known, without a question."""
        return "moving" if self.is_moving() else "idle"


def _rounded(vector: Vector) -> tuple[object, ...]:
    return (vector.name, *(round(value, 3) if isinstance(value, float) else value for value in vector.values.values()))


def _close(read: Value | None, asked: Value) -> bool:
    if isinstance(read, bool) or isinstance(asked, bool) or not isinstance(read, float):
        return False
    return isinstance(asked, int | float) and abs(read - asked) <= 1e-6 * max(1.0, abs(asked))
