"""Templates as they were compiled by an earlier start: to compile those of one page takes a tenth of a second."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile

import jinja2
from jinja2.bccache import Bucket

FOLDER = "templates.compiled"
"""In the instance folder; may be deleted at any time."""
_DIGEST_BYTES = 32


class CompiledTemplates(jinja2.BytecodeCache):
    """Keep compiled templates in a folder, as Python keeps modules; where nothing can be kept, nothing is."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get_cache_key(self, name: str, filename: str | None = None) -> str:  # noqa: ARG002  Jinja passes it
        """Return the name of a template's file, one for all versions of the template."""
        return f"{sha256(name.encode()).hexdigest()[:32]}.jinja"

    def get_source_checksum(self, source: str) -> str:
        """Return what a compiled template hangs on beside Python: its source, and what compiles it."""
        return sha256(f"{jinja2.__version__}\n{source}".encode()).hexdigest()

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read a template, if its file is there, whole and of this source."""
        with suppress(OSError):
            written = (self._folder / bucket.key).read_bytes()
            found, body = written[:_DIGEST_BYTES], written[_DIGEST_BYTES:]
            if sha256(body).digest() == found:
                bucket.bytecode_from_string(body)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a template whole or not at all: the disk may be full, and others may read."""
        body = bucket.bytecode_to_string()
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            self._write(self._folder / bucket.key, sha256(body).digest() + body)

    def _write(self, path: Path, content: bytes) -> None:
        with NamedTemporaryFile(dir=self._folder, delete=False) as file:
            new = Path(file.name)
        try:
            new.write_bytes(content)
            new.replace(path)
        except OSError:
            new.unlink()
