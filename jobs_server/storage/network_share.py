"""On what kind of file system a folder is: SQLite's locks do not hold on a network share."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_DRIVE_REMOTE = 4
"""What GetDriveType of Windows returns for a network drive."""
_NETWORK = re.compile(
    r"nfs4?|cifs|smb\d?|smbfs|ncpfs|afs|9p|ceph|glusterfs|lustre|gfs2|ocfs2|davfs"
    r"|fuse\.(sshfs|s3fs|rclone|davfs2?|glusterfs|cifs|smbnetfs|gvfsd-fuse)"
)


def network_share(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the kind of network share that a folder is on; None for a disk of this machine, or where it is unknown."""
    if sys.platform == "win32":
        return _windows_share(folder)
    kind = mounted_as(folder.absolute(), mounts.read_text(encoding="utf-8")) if mounts.exists() else ""
    return kind if _NETWORK.fullmatch(kind) else None


def mounted_as(folder: Path, mounts: str) -> str:
    """Find the type of the file system that a folder is on, in the words of /proc/self/mountinfo; empty when unknown.

    Source: proc_pid_mountinfo(5). Of several mounts at one place the last is on top.
    """
    real = os.path.realpath(folder)
    found: tuple[int, str] = (0, "")
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        place = _unescaped(before.split(" ")[4])
        if (real + "/").startswith(place.rstrip("/") + "/") and len(place) >= found[0]:
            found = (len(place), after.split(" ")[0])
    return found[1]


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)


def _windows_share(folder: Path) -> str | None:
    drive = folder.absolute().drive
    if drive.startswith("\\\\"):
        return "Windows share"
    import ctypes

    kind = ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\")  # type: ignore[attr-defined,unused-ignore]
    return "Windows network drive" if kind == _DRIVE_REMOTE else None
