"""What kind of file system a path is on."""

import re
from pathlib import Path

from issuetrack.engine.errors import StoreError

NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"}
NETWORK |= {"fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "lustre"}
MOUNTS = Path("/proc/self/mountinfo")
ESCAPED = re.compile(r"\\([0-7]{3})")


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the network file system that a path is on, if it is on one.

    Args:
        path: a file or folder.
        mounts: the kernel's table of mounts (proc(5)); where there is none, nothing
            is known and None is returned.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    folder = str(path.resolve())
    best, found = "", ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = ESCAPED.sub(_unescaped, before.split()[4]).rstrip("/")
        inside = folder == point or folder.startswith(f"{point}/")
        if inside and len(point) >= len(best):
            best, found = point, after.split()[0]
    return found if found in NETWORK else None


def refuse_network(path: Path, mounts: Path = MOUNTS) -> None:
    """Refuse a database on a network file system: its locks do not hold there.

    Raises:
        StoreError: it is on one.
    """
    kind = network_file_system(path.parent, mounts)
    if kind is not None:
        raise StoreError(
            f"{path} is on a network file system ({kind}), where locks do not hold",
            "choose a local disk with --db; for others to use it, log in there",
        )
