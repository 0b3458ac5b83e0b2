"""Keeps a database file from being re-encrypted under a transaction.

Every unit of work holds the lock file `<database>.lock` shared; whoever replaces the
content of the file holds it exclusively, and announces that in the lock file so that
new units wait. The first 16 bytes of a SQLCipher file are its salt, which says which
page key it is under.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar

from issuetrack.engine.errors import StoreError, WrongKeyError

try:
    import fcntl
except ImportError:
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

SALT_BYTES = 16
BLOCK = 1024 * 1024
SHARED_FIRST, SHARED_SIZE = 0x40000002, 510
POLITE_SECONDS = 5.0
ANNOUNCED_SECONDS = 2.0
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120.0


def lock_file_path(database: Path) -> Path:
    """Return the path of a database's lock file."""
    return database.with_name(database.name + ".lock")


def spool_path(database: Path) -> Path:
    """Return the path of a database's spool of failed unlocks."""
    return database.with_name(database.name + ".denied")


def restored_path(database: Path) -> Path:
    """Return the path of a restored workspace that waits to be put in place."""
    return database.with_name(database.name + ".restored")


@contextmanager
def exclusively(file: IO[str]) -> Iterator[None]:
    """Hold a small file alone during the block."""
    if not HAS_LOCKS:
        yield
        return
    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
        file.flush()
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def is_open_elsewhere(database: Path) -> bool:
    """Tell whether another process has a database open.

    SQLite holds a shared lock on 510 bytes of the file as long as a connection in
    write-ahead mode is open (os_unix.c). This process must have none open itself.
    """
    if not HAS_LOCKS:
        return False
    descriptor = os.open(database, os.O_RDWR)
    try:
        whole = fcntl.LOCK_EX | fcntl.LOCK_NB
        fcntl.lockf(descriptor, whole, SHARED_SIZE, SHARED_FIRST)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


class FileGuard:
    """One holder of the lock on a database file."""

    def __init__(self, database: Path) -> None:
        self._name = database.name
        self._lock = os.open(lock_file_path(database), os.O_RDWR | os.O_CREAT, 0o600)

    def share(self) -> None:
        """Hold the lock beside others; let somebody go first who waits to be alone."""
        if not HAS_LOCKS:
            return
        until = time.monotonic() + POLITE_SECONDS
        while self._announced() and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    @contextmanager
    def alone(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Hold the lock alone during the block.

        Raises:
            StoreError: others did not finish in time.
        """
        if not HAS_LOCKS:
            raise StoreError(
                "this platform cannot keep others off the file", "use Linux or macOS"
            )
        until = time.monotonic() + patience
        try:
            while not self._taken_alone():
                if time.monotonic() > until:
                    raise StoreError(
                        f"another process kept {self._name} busy for too long",
                        "close other issuetrack programs and try again",
                    )
                self._announce(str(time.time()))
                time.sleep(POLL_SECONDS)
            yield
        finally:
            self._announce("")
            self.release()

    def _taken_alone(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _announced(self) -> bool:
        written = os.pread(self._lock, 32, 0)
        try:
            return abs(time.time() - float(written or b"0")) < ANNOUNCED_SECONDS
        except ValueError:
            return False

    def _announce(self, text: str) -> None:
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, text.encode(), 0)

    def release(self) -> None:
        """Let go of the lock."""
        if HAS_LOCKS:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the lock file, letting go of the lock."""
        os.close(self._lock)


class FileHeader:
    """The beginning of a database file, held open while connections are.

    Closing any descriptor of a file drops the locks that SQLite holds on it in the
    same process (POSIX), so one descriptor is kept for each file until nobody uses it.
    """

    _open: ClassVar[dict[tuple[int, int], tuple[int, int]]] = {}
    _mutex = threading.Lock()

    def __init__(self, database: Path) -> None:
        self._path = database
        with self._mutex:
            found = database.stat()
            self._key = (found.st_dev, found.st_ino)
            descriptor, users = self._open.get(self._key, (-1, 0))
            if users == 0:
                descriptor = os.open(database, os.O_RDWR)
            self._open[self._key] = (descriptor, users + 1)
            self._descriptor = descriptor

    def salt(self) -> bytes:
        """Return the salt that the file has now.

        Raises:
            WrongKeyError: the file is too short to be a database.
        """
        found = os.pread(self._descriptor, SALT_BYTES, 0)
        if len(found) < SALT_BYTES:
            raise WrongKeyError(
                f"the key does not open {self._path}",
                "the file is no database: restore the last backup",
            )
        return found

    def replace_content(self, other: Path) -> None:
        """Put the bytes of another file in the place of this one's, durably."""
        place = 0
        with other.open("rb") as file:
            while block := file.read(BLOCK):
                place += os.pwrite(self._descriptor, block, place)
        os.ftruncate(self._descriptor, place)
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the descriptor up; a second time does nothing."""
        with self._mutex:
            if self._descriptor < 0:
                return
            self._descriptor = -1
            descriptor, users = self._open[self._key]
            if users > 1:
                self._open[self._key] = (descriptor, users - 1)
            else:
                del self._open[self._key]
                os.close(descriptor)
