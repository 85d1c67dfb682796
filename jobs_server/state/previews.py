"""Pictures of what came of jobs: files in a folder, which several servers share, and a row for each.

A file is named by chance and written before its row, so that what a row names is there, and whole. A file without a row
is of a program that was killed in between; the daily work deletes it.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import BigInteger, bindparam, delete, func, insert, select

from ..clock import DAY_MS, Now
from ..errors import BadRequest, NotFound, TooMany, Unavailable, shown
from ..jobs import queries
from ..jobs.limits import MovingWindow
from ..jobs.sql import at_most
from ..storage.database import Database
from ..storage.models import Preview
from ..storage.statement import Connection, Statement
from . import picture_format
from .picture_format import NoPicture
from .storing import OURS

A_MINUTE = 10
"""How many pictures of one job are taken a minute."""
_MINUTE_MS = 60_000
_MB = 1_000_000
_UNNAMED_SECONDS = 3600.0
"""A file that no row names is left alone for so long: its row may be on the way."""
_SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
MEDIA = {".png": "image/png", ".jpg": "image/jpeg"}
_REMEMBERED = 50
_REMEMBERED_SITES = 500


class PreviewRow(NamedTuple):
    """One row of the table `preview`; see `models.Preview`."""

    id: int
    job_id: int
    site: str
    ulid: str
    name: str
    file: str
    width: int
    height: int
    size_bytes: int
    at_ms: int

    @property
    def address(self) -> str:
        """Return where the picture is served, below the address of the service."""
        return f"/previews/{self.file}"


_ALL = tuple(getattr(Preview, name) for name in PreviewRow._fields)
_NEW = tuple(name for name in PreviewRow._fields if name != "id")
_INSERT = Statement(insert(Preview).values({name: bindparam(name) for name in _NEW}).returning(*_ALL))
_OF_JOB = Preview.job_id == bindparam("of_job")
_NEWEST_FIRST = Preview.id.desc()
_SAME_NAME = Statement(
    delete(Preview).where(_OF_JOB, Preview.name == bindparam("called")).returning(Preview.file, Preview.id)
)
_SINCE_MS, _NOW_MS = (bindparam(name, type_=BigInteger) for name in ("since_ms", "now_ms"))
_LATELY = Statement(
    select(func.count()).select_from(Preview).where(_OF_JOB, Preview.at_ms > _SINCE_MS, Preview.at_ms <= _NOW_MS)
)
_BY_JOB = Statement(select(*_ALL).where(_OF_JOB).order_by(_NEWEST_FIRST).limit(at_most("count")))
_BY_SITE = Statement(
    select(*_ALL).where(Preview.site == bindparam("of_site")).order_by(_NEWEST_FIRST).limit(at_most("count"))
)
_BETWEEN = Statement(
    select(*_ALL)
    .where(Preview.site == bindparam("of_site"), Preview.at_ms >= _SINCE_MS, Preview.at_ms < _NOW_MS)
    .order_by(Preview.id)
    .limit(at_most("count"))
)
_BY_FILE = Statement(select(*_ALL).where(Preview.ulid == bindparam("of_ulid"), Preview.file == bindparam("called")))
_AFTER = Statement(
    select(*_ALL).where(Preview.id > bindparam("after", type_=BigInteger)).order_by(Preview.id).limit(at_most("count"))
)
_NEWEST_ID = Statement(select(func.max(Preview.id)))
_TOTALS = Statement(select(func.count(), func.sum(Preview.size_bytes)))
_OLDEST = Statement(select(Preview.id, Preview.file, Preview.size_bytes).order_by(Preview.id).limit(at_most("count")))
_TOO_OLD = Statement(
    select(Preview.id, Preview.file, Preview.size_bytes)
    .where(Preview.at_ms < bindparam("before_ms", type_=BigInteger))
    .order_by(Preview.id)
    .limit(at_most("count"))
)
_DELETE = Statement(delete(Preview).where(Preview.id == bindparam("which")))
_FILES = Statement(select(Preview.file))
_PIECE = 200


class Previews:
    """Keep the pictures of one installation."""

    def __init__(self, database: Database, folder: Path, most_mb: int) -> None:
        """Take the folder of the files, and how many MB all pictures together may have."""
        self.folder = folder
        self.on_news: list[Callable[[str], None]] = []
        """Called with each site of which a picture came."""
        self._database = database
        self._most_bytes = most_mb * _MB
        self._window = MovingWindow(A_MINUTE, "minute")
        self._latest = _Latest()

    def admit(self, site: str, ulid: str, now: Now) -> int:
        """Return the id of the job of which a picture is sent, before the picture is read.

        Raises NotFound when the site has no such job, TooMany when it sent too many of that job within a minute.
        """
        with self._database.reading() as connection:
            job = queries.job(connection, site, ulid)
            if job is None:
                raise NotFound(f"Error: site {shown(site)} has no job {shown(ulid)}")
            self._check_rate(connection, job.id, now)
        if wait_seconds := self._window.hit(job.ulid):
            raise _too_many(wait_seconds)
        return job.id

    def keep(self, site: str, ulid: str, job_id: int, name: str, data: bytes, now: Now) -> PreviewRow:
        """Keep a picture of a job, in the place of the one that the job has under this name.

        Raises BadRequest when these bytes are no picture that may be shown, TooMany, NotFound, and Unavailable when it
        cannot be written.
        """
        try:
            picture = picture_format.read(data)
        except NoPicture as error:
            raise BadRequest(f"Error: the picture {error}") from None
        file = f"{ulid[:4]}/{ulid}-{secrets.token_hex(8)}{_SUFFIXES[picture.kind]}"
        self._write(file, picture.data)
        values = (job_id, site, ulid, name, file, picture.width, picture.height, len(picture.data), now.wall_ms)
        try:
            row, replaced = self._insert(dict(zip(_NEW, values, strict=True)), now)
        except BaseException:
            self._delete_files([file])
            raise
        self._delete_files(replaced)
        self._make_room()
        self._latest.add(row)
        self._announce({site})
        return row

    def since(self, site: str, preview_id: int) -> list[PreviewRow]:
        """Return the pictures of a site that came after one, oldest first: the last few of those that came lately."""
        return self._latest.since(site, preview_id)

    def number(self, site: str) -> int:
        """Return the id of the newest picture of a site of those that came lately; 0 when none did."""
        return max((row.id for row in self._latest.since(site, 0)), default=0)

    def newest_id(self, connection: Connection) -> int:
        """Return the id of the newest picture of all; 0 when there is none."""
        return connection.rows(_NEWEST_ID)[0][0] or 0

    def look(self, connection: Connection) -> None:
        """Read what pictures other servers took."""
        if self._latest.newest is None:
            self._latest.newest = self.newest_id(connection)
            return
        rows = [PreviewRow._make(row) for row in connection.rows(_AFTER, after=self._latest.newest, count=_PIECE)]
        news = {row.site for row in rows if self._latest.add(row)}
        if rows:
            self._latest.newest = rows[-1].id
        self._announce(news)

    def content(self, row: PreviewRow) -> bytes:
        """Return a picture. Raises NotFound when its file has gone."""
        try:
            return (self.folder / row.file).read_bytes()
        except OSError:
            raise NotFound("Error: this picture is not kept any more") from None

    def prune(self, before_ms: int) -> int:
        """Delete the pictures from before a time, and the files that no row names; return how many pictures."""
        count = self._delete_rows(lambda connection: connection.rows(_TOO_OLD, before_ms=before_ms, count=_PIECE))
        self._make_room()
        self._delete_unnamed()
        return count

    def _insert(self, values: dict[str, object], now: Now) -> tuple[PreviewRow, list[str]]:
        with self._database.transaction(OURS) as connection:
            self._check_rate(connection, int(str(values["job_id"])), now)
            same = connection.rows(_SAME_NAME, of_job=values["job_id"], called=values["name"])
            row = PreviewRow._make(connection.rows(_INSERT, **values)[0])
        return row, [file for file, _ in same]

    def _check_rate(self, connection: Connection, job_id: int, now: Now) -> None:
        since_ms = now.wall_ms - _MINUTE_MS
        if connection.rows(_LATELY, of_job=job_id, since_ms=since_ms, now_ms=now.wall_ms)[0][0] >= A_MINUTE:
            raise _too_many(_MINUTE_MS / 1000 / A_MINUTE)

    def _write(self, file: str, data: bytes) -> None:
        """Have the disk keep a file, which has its name only when it is whole."""
        path = self.folder / file
        part = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as output:
                output.write(data)
                output.flush()
                os.fsync(output.fileno())
            part.replace(path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise Unavailable(f"Error: the picture cannot be kept: {error.strerror or 'its disk failed'}") from error

    def _make_room(self) -> None:
        """Delete the oldest pictures past what all together may have."""
        with self._database.reading() as connection:
            _, total = totals(connection)
        left = [total - self._most_bytes]

        def oldest(connection: Connection) -> list[tuple[int, str, int]]:
            found = []
            for preview_id, file, size in connection.rows(_OLDEST, count=_PIECE) if left[0] > 0 else ():
                if left[0] > 0:
                    found.append((preview_id, file, size))
                    left[0] -= size
            return found

        self._delete_rows(oldest)

    def _delete_rows(self, choose: Callable[[Connection], Iterable[tuple[object, ...]]]) -> int:
        """Delete what is chosen, a little at a time: first the rows, then the files."""
        count = 0
        while True:
            with self._database.reading() as connection:
                chosen = list(choose(connection))
            if not chosen:
                return count
            with self._database.transaction(OURS) as connection:
                connection.run_many(_DELETE, [{"which": each[0]} for each in chosen])
            self._delete_files(str(each[1]) for each in chosen)
            count += len(chosen)

    def _delete_files(self, files: Iterable[str]) -> None:
        for file in files:
            with suppress(OSError):
                (self.folder / file).unlink()

    def _delete_unnamed(self) -> None:
        """Delete files that no row names any more, of programs that were killed and of jobs that were pruned."""
        with self._database.reading() as connection:
            named = files_named(connection)
        for path in files_in(self.folder):
            with suppress(OSError):
                is_old = time.time() - path.stat().st_mtime > _UNNAMED_SECONDS
                if is_old and path.relative_to(self.folder).as_posix() not in named:
                    path.unlink()

    def _announce(self, sites: Iterable[str]) -> None:
        for site in sites:
            for announce in self.on_news:
                announce(site)


class _Latest:
    """The last few pictures of each site, for streams."""

    def __init__(self) -> None:
        self.newest: int | None = None
        """The number up to which all pictures of other servers were read; None before the first look."""
        self._lock = threading.Lock()
        self._sites: dict[str, deque[PreviewRow]] = {}

    def add(self, row: PreviewRow) -> bool:
        """Remember a picture; return False for one that is remembered already."""
        with self._lock:
            known = self._sites.pop(row.site, None) or deque(maxlen=_REMEMBERED)
            is_new = all(each.id != row.id for each in known)
            if is_new:
                known.append(row)
            self._sites[row.site] = known
            if len(self._sites) > _REMEMBERED_SITES:
                del self._sites[next(iter(self._sites))]
        return is_new

    def since(self, site: str, preview_id: int) -> list[PreviewRow]:
        """Return the pictures of a site after a number."""
        with self._lock:
            return [row for row in self._sites.get(site, ()) if row.id > preview_id]


def of_job(connection: Connection, job_id: int, count: int = 100) -> list[PreviewRow]:
    """List the pictures of a job, newest first."""
    return [PreviewRow._make(row) for row in connection.rows(_BY_JOB, of_job=job_id, count=count)]


def of_site(connection: Connection, site: str, count: int = 1) -> list[PreviewRow]:
    """List the newest pictures of a site, newest first."""
    return [PreviewRow._make(row) for row in connection.rows(_BY_SITE, of_site=site, count=count)]


def between(connection: Connection, site: str, from_ms: int, to_ms: int, count: int = 500) -> list[PreviewRow]:
    """List the pictures of a site that came within a span of time, oldest first."""
    rows = connection.rows(_BETWEEN, of_site=site, since_ms=from_ms, now_ms=to_ms, count=count)
    return [PreviewRow._make(row) for row in rows]


def find(connection: Connection, file: str) -> PreviewRow:
    """Return the row of a file. Raises NotFound."""
    ulid = file.partition("/")[2].partition("-")[0]
    row = connection.row(_BY_FILE, of_ulid=ulid, called=file)
    if row is None:
        raise NotFound("Error: there is no such picture, or it is not kept any more")
    return PreviewRow._make(row)


def totals(connection: Connection) -> tuple[int, int]:
    """Return how many pictures are kept, and how many bytes they have."""
    count, size = connection.rows(_TOTALS)[0]
    return count, int(size or 0)


def files_named(connection: Connection) -> set[str]:
    """Return the files of all pictures, below their folder."""
    return {str(file) for (file,) in connection.rows(_FILES)}


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder of pictures."""
    return (path for path in folder.glob("*/*") if path.is_file())


def before_days(now_ms: int, days: int) -> int:
    """Return the time before which pictures are too old, in ms since 1970 UTC."""
    return now_ms - days * DAY_MS


def public(row: PreviewRow) -> dict[str, object]:
    """Return a picture as a public object."""
    kept = {"ulid": row.ulid, "name": row.name, "url": row.address, "at_ms": row.at_ms}
    return kept | {"width": row.width, "height": row.height, "bytes": row.size_bytes}


def _too_many(wait_seconds: float) -> TooMany:
    return TooMany(
        f"Error: at most {A_MINUTE} pictures of a job are taken a minute",
        retry_after_seconds=max(1, round(wait_seconds + 0.5)),
    )
