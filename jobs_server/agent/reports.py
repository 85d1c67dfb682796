"""What the agent says of the site: the state of all devices, what they can do, and pictures of jobs."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..client import Job, Refused, SiteClient, SiteClientError
from .devices.interfaces import Device, State
from .errors import DeviceError
from .observatory import Observatory

log = logging.getLogger(__name__)

STATE_SECONDS = 5.0
_SHORTEST_SECONDS = 0.25  # between two states that are sent
_MOST_PICTURES = 8  # that wait to be sent

AddToState = Callable[[Device, State], Mapping[str, Any]]
Abilities = Callable[[Observatory], Mapping[str, Mapping[str, Any]]]


class SiteReports:
    """Sends what is known of the devices, each read in a thread of its own; the desk may be away."""

    def __init__(self, client: SiteClient, observatory: Observatory, abilities: Abilities, add: AddToState) -> None:
        """Take the desk, the devices, what says what these can do, and what adds to a device's state."""
        self._client, self._observatory = client, observatory
        self._abilities, self._add = abilities, add
        self._states: dict[str, State] = {}
        self._wakes = {key: threading.Event() for key in observatory.devices}
        self._news, self._able_news = threading.Event(), threading.Event()
        self._pictures: queue.Queue[tuple[Job, bytes, str]] = queue.Queue()
        self._closed = threading.Event()
        self._is_away = False

    def start(self) -> None:
        """Begin to read and to send."""
        for device in self._observatory.devices.values():
            threading.Thread(target=self._read, args=(device,), name=f"state of {device.name}", daemon=True).start()
        for deed in (self._send_states, self._send_abilities, self._send_pictures):
            threading.Thread(target=deed, name=deed.__name__.strip("_"), daemon=True).start()

    def close(self) -> None:
        """Read and send no more."""
        self._closed.set()
        for event in (*self._wakes.values(), self._news, self._able_news):
            event.set()

    def changed(self, device: Device) -> None:
        """Read a device's state and send it now."""
        self._wakes[device.key].set()
        self._able_news.set()

    def show(self, job: Job, picture: bytes, name: str) -> None:
        """Send a picture of a job as soon as possible; when too many wait, the oldest is left out."""
        while self._pictures.qsize() >= _MOST_PICTURES:
            with suppress(queue.Empty):
                self._pictures.get_nowait()
                self._pictures.task_done()
        self._pictures.put((job, picture, name))

    def await_pictures(self, seconds: float) -> None:
        """Wait until no picture waits to be sent, at most so long."""
        deadline = time.monotonic() + seconds
        while self._pictures.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.02)

    def _read(self, device: Device) -> None:
        wake, before = self._wakes[device.key], ""
        while not self._closed.is_set():
            wake.clear()
            state = self._state_of(device)
            self._states[device.key] = state
            if (status := f"{state.get('connected')} {state.get('status')}") != before:
                before = status
                self._news.set()
            wake.wait(STATE_SECONDS)

    def _state_of(self, device: Device) -> State:
        try:
            return device.state()
        except Exception as error:  # without this thread the desk would believe an old state for ever
            log.exception("the state of %s cannot be read", device.name)
            return {"connected": False, "message": f"what {device.name} says is not understood: {error!r}"}

    def _send_states(self) -> None:
        while not self._closed.is_set():
            self._news.wait(STATE_SECONDS)
            self._news.clear()
            self._try(self._say_states)
            self._closed.wait(_SHORTEST_SECONDS)

    def _say_states(self) -> None:
        devices, states = self._observatory.devices, dict(self._states)
        self._client.state({key: {**state, **self._add(devices[key], state)} for key, state in states.items()})

    def _send_abilities(self) -> None:
        sent: dict[str, int] = {}
        while not self._closed.is_set():
            self._able_news.wait(STATE_SECONDS)
            self._able_news.clear()
            ready = {key: device.times_ready for key, device in self._observatory.devices.items() if device.is_ready}
            if ready and ready != sent and self._try(self._say_abilities):
                sent = ready

    def _say_abilities(self) -> None:
        self._client.capabilities(self._abilities(self._observatory))

    def _send_pictures(self) -> None:
        while not self._closed.is_set():
            try:
                job, picture, name = self._pictures.get(timeout=1.0)
            except queue.Empty:
                continue
            try:
                self._client.preview(job, picture, name=name)
            except (SiteClientError, OSError) as error:
                log.warning("the picture %s of %s cannot be sent: %s", name, job, error)
            finally:
                self._pictures.task_done()

    def _try(self, send: Callable[[], object]) -> bool:
        """Send; return whether that went well, and log the first failure of a row."""
        try:
            send()
        except (SiteClientError, DeviceError) as error:
            if not self._is_away or isinstance(error, Refused):
                log.warning("the desk cannot be told how the devices are: %s", error)
            self._is_away = True
            return False
        self._is_away = False
        return True
