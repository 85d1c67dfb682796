"""What all devices behind Alpaca share: three connections, the keeper that connects the device, the end of a move."""

from __future__ import annotations

import math
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar

from ...client.backoff import Backoff
from ..alpaca import INVALID_OPERATION, NOT_IMPLEMENTED, PARKED, AlpacaConnection, AlpacaRefused
from ..errors import BadReply, DeviceError, DeviceGone, NotPossible, NotStopped, WrongEnd
from .interfaces import Device, State
from .motion import Agreement, Motion
from .settings import Settings

_ADDRESS = re.compile(
    r"alpaca(?P<tls>s?)://(?P<host>\[[^\]]+\]|[^:/\s]+)(?::(?P<port>\d{1,5}))?/(?P<kind>\w+)/(?P<number>\d{1,6})"
)
PORT = 11111
_STATE_SECONDS = 2.0


def place_of(driver: str) -> tuple[str, str, int]:
    """Return server, type and number of `alpaca://HOST:PORT/camera/0`; raise ValueError when it is none."""
    found = _ADDRESS.fullmatch(driver)
    if found is None or int(found["port"] or PORT) > 65535:
        raise ValueError(f"{driver!r} is no address of an Alpaca device: alpaca://HOST:11111/camera/0 is expected")
    return f"http{found['tls']}://{found['host']}:{found['port'] or PORT}", found["kind"].lower(), int(found["number"])


class AlpacaDevice(Motion):
    """A device behind Alpaca.

    Moves, stops, and looks at what the device does each go over a connection of their own, so that none waits for
    another one's answer.
    """

    types: ClassVar[tuple[str, ...]] = ()  # as Alpaca calls them
    moving: ClassVar[tuple[str, ...]] = ()  # it moves while one of these is true
    watched: ClassVar[tuple[str, ...]] = ()  # these change while it moves, whatever the driver says
    aborts: ClassVar[tuple[str, ...]] = ()  # methods that stop it, tried one after the other

    def __init__(self, name: str, driver: str, settings: Settings) -> None:
        """Take the name that jobs carry, the address, and the settings; raise ValueError when it is no such device."""
        super().__init__(name, driver, settings)
        base, kind, number = place_of(driver)
        if kind not in self.types:
            raise ValueError(f"{driver!r} is no {self.kind.replace('_', ' ')}: {' or '.join(self.types)} is expected")
        self._main, self._watch, self._stopping = (AlpacaConnection(base, kind, number) for _ in range(3))
        self._settings_before: dict[str, dict[str, object]] = {}
        self._constants: dict[str, Any] = {}
        self._status = ""

    def start(self, on_change: Callable[[Device], None] | None = None) -> None:
        """Begin to connect, in a thread of the device."""
        self._start_telling(on_change)
        threading.Thread(target=self._keep, name=f"keeper of {self.name}", daemon=True).start()

    def close(self) -> None:
        """End the device's threads and connections; what moves is left to move."""
        self._closed.set()
        self._tell()

    def is_moving(self) -> bool:
        """Whether something moves, asked for by whomever."""
        return self._moves_by(self._watch)

    def _moves_by(self, connection: AlpacaConnection) -> bool:
        return any(self._says(name, connection) for name in self.moving)

    def _says(self, name: str, connection: AlpacaConnection) -> bool:
        """Whether something is so; no where the device has no such property, and an error where it cannot be read."""
        try:
            return connection.get(name, self.settings.answer_seconds) is True
        except AlpacaRefused as error:
            if error.number in {NOT_IMPLEMENTED, 0}:
                return False
            raise DeviceGone(f"{self.name} cannot be read: {error}") from error

    def about(self) -> Mapping[str, str]:
        """Return the driver's name and version; empty when it is not connected."""
        words = {"driver": "name", "version": "driverversion"}
        with suppress(DeviceError):
            return {key: str(self._watch.get(name)) for key, name in words.items()}
        return {}

    def state(self) -> State:
        """Return what is known now."""
        if not self.is_ready:
            return {"connected": False, "message": self._reason}
        try:
            return {"connected": True, **self._known()}
        except DeviceError as error:
            return {"connected": False, "message": str(error)}

    @abstractmethod
    def _known(self) -> State:
        """Return the kind's own keys of the state; raise DeviceGone when the device cannot be read."""

    def _prepare(self) -> None:
        """Set what the kind needs after each connect."""

    def _try(self, name: str, connection: AlpacaConnection | None = None, **parameters: object) -> Any:
        """Return a value that not every device has; None when it refuses."""
        seconds = _STATE_SECONDS if connection is None else self.settings.answer_seconds
        try:
            return (connection or self._watch).get(name, seconds, **parameters)
        except AlpacaRefused:
            return None

    def _number(self, name: str, **parameters: object) -> float | None:
        """Return a number that not every device has; None when it refuses, and for NaN and infinities."""
        return number(self._try(name, None, **parameters))

    def _constant(self, name: str) -> Any:
        """Return what does not change while a device is connected, None where it refuses; asked once."""
        if name not in self._constants:
            self._constants[name] = self._try(name)
        return self._constants[name]

    def _can(self, name: str) -> bool:
        return self._constant(name) is True

    def _get_number(self, name: str, what: str) -> float:
        """Return a number of the moves' connection; raise BadReply when it is none."""
        value = number(self._main.get(name, self.settings.answer_seconds))
        if value is None:
            raise BadReply(f"{self.name} does not say {what}")
        return value

    # Stops

    def _abort(self) -> None:
        """Send the first abort that the device has; one that is refused since nothing moves is rest."""
        if any(self._took(name) for name in self.aborts):
            return
        if self._is_under_way or self._moves_by(self._stopping):
            raise NotStopped(f"{self.name} cannot be stopped: its driver has no abort")

    def _took(self, name: str) -> bool:
        """Whether the device took an abort, or refused it since nothing moves; False where it has no such method."""
        try:
            self._stopping.put(name, self.settings.answer_seconds)
        except AlpacaRefused as error:
            if error.number not in {PARKED, INVALID_OPERATION, NOT_IMPLEMENTED, 0}:
                raise
            return error.number in {PARKED, INVALID_OPERATION}
        return True

    def _look(self) -> object:
        return tuple(self._rounded(name) for name in self.watched)

    def _rounded(self, name: str) -> object:
        value = self._try(name, connection=self._stopping)
        return round(value, 3) if isinstance(value, float) else value

    def _is_moving_still(self) -> bool:
        return self._moves_by(self._stopping)

    # Moves

    def _check_there(self) -> None:
        """Do nothing: each question says whether the device is there."""

    def _pause(self, seconds: float) -> None:
        with self._news:  # a stop ends the pause
            self._news.wait(min(seconds, self.settings.poll_seconds))

    def _put(self, name: str, **parameters: object) -> Any:
        """Begin a move; raise NotPossible where the device has no such method."""
        try:
            return self._ask(lambda: self._main.put(name, self.settings.answer_seconds, **parameters))
        except AlpacaRefused as error:
            if error.number == NOT_IMPLEMENTED:
                raise NotPossible(str(error)) from error
            raise

    def _drive(self, name: str, seconds: float, differs: Callable[[], str | None], **parameters: object) -> None:
        """Begin a move, and return when the driver says that nothing moves and `differs` says nothing more."""
        self._put(name, **parameters)
        self._settle(seconds, differs)

    def _settle(self, seconds: float, differs: Callable[[], str | None]) -> None:
        agreement = Agreement(self.settings.settle_seconds)
        self._until(lambda: self._has_ended(differs, agreement), seconds, f"the end ({self._doing})")

    def _has_ended(self, differs: Callable[[], str | None], agreement: Agreement) -> bool:
        if self._moves_by(self._main):
            agreement.moves()
            return False
        difference = differs()
        if difference is not None and agreement.lags():
            return False
        if difference is not None:
            raise WrongEnd(f"{self.name}: {difference}")
        return True

    def _set(self, name: str, value: object, *, member: str) -> None:
        """Set a property, and see that it was taken; raise WrongEnd when it reads otherwise."""
        self._main.put(name, self.settings.answer_seconds, **{member: value})
        read = self._main.get(name, self.settings.answer_seconds)
        same = (
            math.isclose(read, value) if isinstance(value, float) and isinstance(read, int | float) else read == value
        )
        if not same:
            raise WrongEnd(f"{self.name}: {member} was to be {value} and is {read}")

    # The keeper: connects the device behind its server, and again after each loss.

    def _keep(self) -> None:
        backoff = Backoff(longest=5.0)
        pause = 0.0
        while not self._closed.wait(pause):
            try:
                self._look_after()
                backoff.reset()
                pause = self.settings.check_seconds
            except DeviceError as error:
                self._set_ready(ready=False, reason=str(error))
                pause = backoff.pause() or 5.0
            except Exception as error:  # without this thread the device never comes back
                self._note_unforeseen(error)
                pause = backoff.pause() or 5.0
        self._set_ready(ready=False, reason="it was closed")
        for connection in (self._main, self._watch, self._stopping):
            with suppress(RuntimeError):  # a request of another thread is under way, and ends by itself
                connection.close()

    def _look_after(self) -> None:
        """See whether the device is there and connected; connect and prepare it when it is not, or was away."""
        seconds = self.settings.silence_seconds
        connected = self._watch.get("connected", seconds)
        if connected is not True or not self._ready.is_set():
            with self._connecting():
                self._make_ready(connected, seconds)
        elif (status := str(self._known().get("status", ""))) != self._status:
            self._status = status
            self._tell()

    def _make_ready(self, connected: object, seconds: float) -> None:
        if connected is not True:
            self._set_ready(ready=False, reason=f"{self.name} was not connected by its driver")
            self._watch.put("connected", self.settings.connect_seconds, Connected=True)
            if self._watch.get("connected", seconds) is not True:
                raise DeviceGone(f"{self.name} is not connected by its driver")
        self._constants.clear()
        self._prepare()
        self._set_ready(ready=True)


def number(value: object) -> float | None:
    """Return a number of an answer; None when it is none, NaN or infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
