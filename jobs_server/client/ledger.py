"""What a site has in its hands, on disk: what was claimed, what has begun, which ends are still to be reported.

A small JSON file, written anew for each change that must survive (temporary file, fsync, atomic replace).
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .claim_ids import ClaimIds
from .errors import SiteClientError
from .job import Job, read_job

_VERSION = 1
_REPLACE_SECONDS = 2.0  # how long another program, such as a virus scanner, may hold the file on Windows


class Stage(StrEnum):
    """How far a job has come at the site."""

    RECEIVED = "received"  # nothing has moved
    STARTED = "started"  # something may have moved
    ENDED = "ended"  # its end is still to be reported


@dataclass(frozen=True, slots=True)
class Entry:
    """One job in the site's hands. `received_ms` is by this machine's clock."""

    job: Job
    claim_id: str
    received_ms: int
    stage: Stage = Stage.RECEIVED
    status: str = ""
    message: str | None = None
    result: Mapping[str, Any] | None = None

    def text(self) -> str:
        """Return the entry as JSON."""
        fields = {name: getattr(self, name) for name in ("claim_id", "received_ms", "stage", "status", "message")}
        fields |= {} if self.result is None else {"result": self.result}
        return json.dumps({"job": dict(self.job.wire)} | fields)


class Ledger:
    """The file of one site's program; no second program may use it at the same time."""

    def __init__(self, path: Path, site: str, *, alternate_queue: bool = False, with_stop_ids: bool = False) -> None:
        """Open or make the file. Raises SiteClientError when another program has it, or it is another site's.

        `with_stop_ids` when a second poll asks for stops alone; else what such a poll of an earlier run may have got is
        asked for by the first.
        """
        self._path = path
        self._whose = {"version": _VERSION, "site": site, "alternate_queue": alternate_queue}
        self._mutex = threading.Lock()
        self._held = FileLock(f"{path}.lock", timeout=0, thread_local=False)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._held.acquire()
            self.ids, stop_ids, self._entries = self._read()
            if not with_stop_ids and stop_ids.was_there:
                self.ids.retired |= stop_ids.retired | {stop_ids.current}
            self.stop_ids = stop_ids if with_stop_ids else None
            self._texts = {ulid: entry.text() for ulid, entry in self._entries.items()}
            self._write()
        except Timeout:
            raise SiteClientError(f"another program that takes jobs for {site} runs already: it holds {path}") from None
        except BaseException as error:
            self._held.release()
            if isinstance(error, OSError):
                raise SiteClientError(f"{path} cannot be used: {error}") from error
            raise

    def entries(self) -> list[Entry]:
        """Return what is in the site's hands, in the order in which it came."""
        with self._mutex:
            return list(self._entries.values())

    def take(self, jobs: Iterable[Job], claim_id: str) -> list[Entry]:
        """Keep what a claim brought, draw the next claim id, and return the entries that are new."""
        received_ms = time.time_ns() // 1_000_000
        with self._mutex:
            new = [Entry(job, claim_id, received_ms) for job in jobs if job.ulid not in self._entries]
            ids = self._series(claim_id)
            if ids is not None:
                ids.renew()
            try:
                self._change({entry.job.ulid: entry for entry in new})
            except OSError:
                if ids is not None:
                    ids.go_back(claim_id)
                raise
        return new

    def retire(self, claim_id: str) -> None:
        """Go on with a new claim id, and remember that the old one may still bring jobs."""
        with self._mutex:
            ids = self._series(claim_id)
            if ids is not None:
                ids.retire()
                try:
                    self._write()
                except OSError:
                    ids.go_back(claim_id)
                    raise

    def started(self, entry: Entry) -> None:
        """Keep that a job begins: from here on something may have moved."""
        with self._mutex:
            self._change({entry.job.ulid: replace(entry, stage=Stage.STARTED)})

    def ended(self, entry: Entry, status: str, message: str | None, result: Mapping[str, Any] | None = None) -> None:
        """Keep how a job ended and what came of the job, until the service knows."""
        with self._mutex:
            ended = replace(entry, stage=Stage.ENDED, status=status, message=message, result=result)
            self._change({entry.job.ulid: ended})

    def forget(self, ulid: str) -> None:
        """Forget a job. This is not written at once: an end that is reported twice does no harm."""
        with self._mutex:
            self._entries.pop(ulid, None)
            self._texts.pop(ulid, None)

    def close(self) -> None:
        """Write what is left, and release the file to other programs."""
        try:
            with self._mutex:
                self._write()
        finally:
            self._held.release()

    def _series(self, claim_id: str) -> ClaimIds | None:
        """Return the ids whose present one this is."""
        both = (self.ids, self.stop_ids)
        return next((ids for ids in both if ids is not None and ids.current == claim_id), None)

    def _change(self, entries: Mapping[str, Entry]) -> None:
        before = self._texts
        self._texts = before | {ulid: entry.text() for ulid, entry in entries.items()}
        try:
            self._write()
        except OSError:
            self._texts = before
            raise
        self._entries.update(entries)

    def _read(self) -> tuple[ClaimIds, ClaimIds, dict[str, Entry]]:
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            entries = {entry.job.ulid: entry for entry in map(_entry, content["entries"])}
            ids = ClaimIds(content["claim_id"], content["retired"])
            stop_ids = ClaimIds(content.get("stop_claim_id"), content.get("stops_retired", ()))
            whose = {name: content[name] for name in self._whose}
        except FileNotFoundError:
            return ClaimIds(), ClaimIds(), {}
        except (ValueError, KeyError, TypeError, AttributeError, SiteClientError) as error:
            raise SiteClientError(
                f"{self._path} cannot be read ({error}): see what the telescope does, then move the file away"
            ) from None
        if whose != self._whose:
            raise SiteClientError(f"{self._path} is for {whose}, not for {self._whose}; name another file")
        return ids, stop_ids, entries

    def _write(self) -> None:
        of_ids: dict[str, Any] = {"claim_id": self.ids.current, "retired": sorted(self.ids.retired)}
        if self.stop_ids is not None:
            of_ids |= {"stop_claim_id": self.stop_ids.current, "stops_retired": sorted(self.stop_ids.retired)}
        head = json.dumps(self._whose | of_ids)
        entries = ",\n".join(self._texts.values())
        text = f'{head[:-1]}, "entries": [\n{entries}\n]}}\n'
        temporary = self._path.with_name(f"{self._path.name}.new")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _replace(temporary, self._path)


def _entry(value: Mapping[str, Any]) -> Entry:
    stage = Stage(value["stage"])
    job = read_job(value["job"])
    return Entry(
        job, value["claim_id"], value["received_ms"], stage, value["status"], value["message"], value.get("result")
    )


def _replace(temporary: Path, path: Path) -> None:
    deadline = time.monotonic() + _REPLACE_SECONDS
    while True:
        try:
            temporary.replace(path)
            break
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if os.name == "posix":  # the new name must survive a power cut too; Windows has no call for this
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
