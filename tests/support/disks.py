"""Small disks that can be filled."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

DISK_BYTES = 8 * 1024 * 1024


@contextmanager
def mounted(folder: Path, size_bytes: int = DISK_BYTES) -> Iterator[Path]:
    """Mount a small file system in memory."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("mounting a small disk needs root on Linux; the limited file stands for it")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def ext4(folder: Path, image: Path, block_bytes: int, size_bytes: int = 48 * 1024 * 1024) -> Iterator[Path]:
    """Mount a small ext4 that lies in a file."""
    with image.open("wb") as file:
        file.truncate(size_bytes)
    folder.mkdir()
    make = ["mkfs.ext4", "-q", "-F", "-b", str(block_bytes), str(image)]
    for command in (make, ["mount", "-o", "loop", str(image), str(folder)]):
        if not shutil.which(command[0]) or subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip(f"{command[0]} of an ext4 in a file is not allowed here, or not installed")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


_TAKES = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    while True:
        for size in (65536, 4096, 512, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass
        print("full", flush=True)
        time.sleep(0.0005)
"""


@contextmanager
def another_takes_what_is_freed(folder: Path) -> Iterator[None]:
    """Fill a disk, and keep it full by a program that takes each byte that becomes free."""
    command = [sys.executable, "-c", _TAKES, str(folder / "taken")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as taker:
        assert taker.stdout is not None
        assert taker.stdout.readline() == b"full\n"
        reads = threading.Thread(target=taker.stdout.read, daemon=True)  # lest the pipe fills up too
        reads.start()
        try:
            yield
        finally:
            taker.kill()
            reads.join()


def fill(folder: Path, name: str = "ballast") -> None:
    """Fill the disk up to its last byte with a file that may be deleted."""
    with (folder / name).open("ab", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)
