"""Locks that one process at a time can hold, and that end with it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from issuetrack.engine.store.file_guard import HAS_LOCKS, POLL_SECONDS

with suppress(ImportError):
    import fcntl


@contextmanager
def alone(path: Path, patience: float = 0.0) -> Iterator[bool]:
    """Hold a lock file during the block, where nobody else does.

    Args:
        path: the lock file; made if it is not there, and left there.
        patience: for how many seconds to wait for it.

    Yields:
        whether it is held; False if somebody else has it.
    """
    with path.open("a", encoding="ascii") as file:
        yield _locked(file.fileno(), patience)


def _locked(descriptor: int, patience: float) -> bool:
    if not HAS_LOCKS:
        return True
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def is_locked(path: Path) -> bool:
    """Tell whether somebody holds a lock file."""
    if not path.exists():
        return False
    with alone(path) as mine:
        return not mine
