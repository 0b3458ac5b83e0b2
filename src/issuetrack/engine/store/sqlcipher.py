"""SQLCipher: connections to encrypted files, and what its errors mean.

The only module that knows the driver and the vector extension. Every connection is
keyed before anything else is said to it.
"""

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as driver
from sqlalchemy.exc import DBAPIError

from issuetrack.engine.errors import (
    DiskFull,
    IssueTrackError,
    StoreError,
    TamperedError,
    WrongKeyError,
)
from issuetrack.engine.store.file_system import refuse_network

OLDEST_SQLITE = (3, 51, 3)
OPEN_ATTEMPTS = 8
COPY_PAGES = 2000
JOURNAL_BYTES = 64 * 1024 * 1024
PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32000",
    f"PRAGMA journal_size_limit = {JOURNAL_BYTES}",
)
Error = driver.Error
REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
DRIVER = driver


def check_library() -> None:
    """Refuse a SQLite that can corrupt a write-ahead log.

    Raises:
        StoreError: the library is older than 3.51.3.
    """
    if driver.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"SQLite {driver.sqlite_version} can corrupt its log on reset",
            "pip install --upgrade sqlcipher3",
        )


def library_versions() -> dict[str, str]:
    """Return the versions of the database libraries in use."""
    connection = driver.connect(":memory:")
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        return {
            "sqlite": driver.sqlite_version,
            "sqlcipher": connection.execute("PRAGMA cipher_version").fetchone()[0],
            "sqlite-vec": version("sqlite-vec"),
        }
    finally:
        connection.close()


def connect(path: Path, page_key: bytes, salt: bytes = b"") -> Any:
    """Open an existing file.

    Args:
        path: the file.
        page_key: 32 bytes.
        salt: 16 bytes to begin an empty file with; a file with content has its own.
    """
    connection = driver.connect(
        f"file:{_uri_path(path)}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=30.0,
    )
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{page_key.hex()}{salt.hex()}'\"")
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.enable_load_extension(True)
        connection.load_extension(_vector_extension())
        connection.enable_load_extension(False)
    except BaseException:
        connection.close()
        raise
    return connection


@cache
def _vector_extension() -> str:
    """Return the path of sqlite-vec; to import its package would import numpy."""
    found = find_spec("sqlite_vec")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).with_name("vec0"))


def salt_of(connection: Any) -> bytes:
    """Return the salt of the file as it was when the connection was opened."""
    return bytes.fromhex(connection.execute("PRAGMA cipher_salt").fetchone()[0])


def _uri_path(path: Path) -> str:
    text = str(path.resolve())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def open_retrying(path: Path, page_key: bytes) -> Any:
    """Open an existing file, again where another process is just at its log."""
    for attempt in range(OPEN_ATTEMPTS):
        try:
            return connect(path, page_key)
        except driver.OperationalError as error:
            busy = "locked" in str(error) or "busy" in str(error)
            if not busy or attempt == OPEN_ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)
    raise AssertionError


def translate(error: BaseException, path: Path) -> IssueTrackError:
    """Return the engine's error for one of the driver."""
    text = str(getattr(error, "orig", error))
    if "file is not a database" in text:
        return WrongKeyError(
            f"the key does not open {path}",
            "check --db and --key-file: they must belong together",
        )
    if "disk image is malformed" in text:
        return TamperedError(
            f"the database {path} is damaged", "restore the last backup"
        )
    if "disk is full" in text:
        return DiskFull(
            f"no space left where {path.name} is kept; nothing was changed",
            f"free some space on {path.parent} and try again",
        )
    if "readonly database" in text or "unable to open database" in text:
        return StoreError(
            f"the database {path} cannot be opened for writing",
            f"check the permissions of {path.parent}, or choose another place "
            "with --db",
        )
    if "is locked" in text or "is busy" in text:
        return StoreError(
            f"another process kept {path.name} busy for too long", "try again"
        )
    if "disk I/O error" in text:
        return StoreError(
            f"the file system failed while {path.name} was used; nothing was changed",
            f"check the disk under {path.parent}",
        )
    if "out of memory" in text:
        return StoreError(
            "there is not enough memory; nothing was changed", "close other programs"
        )
    return StoreError(f"the database refused: {text}", "run: issuetrack doctor")


def cannot_create(path: Path, error: OSError) -> IssueTrackError:
    """Return the engine's error for a file that cannot be made."""
    if error.errno == errno.ENOSPC:
        return translate(Exception("disk is full"), path)
    return StoreError(f"cannot create {path}: {error.strerror}", "choose another --db")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the driver and the file system raise into the engine's errors."""
    try:
        yield
    except (DBAPIError, driver.Error) as error:
        raise translate(error, path) from error
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        raise translate(Exception("unable to open database"), path) from error


def create_file(path: Path, page_key: bytes, salt: bytes) -> None:
    """Make an empty encrypted database in write-ahead mode.

    Raises:
        StoreError: the folder cannot be written to, or is on a network.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_network(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise cannot_create(path, error) from error
    os.close(descriptor)
    try:
        connection = connect(path, page_key, salt)
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        finally:
            connection.close()
    except driver.Error as error:
        raise translate(error, path) from error
    if mode != "wal":
        raise StoreError(
            f"the file system of {path} does not support shared memory",
            "choose a local file system with --db",
        )


def empty_log(connection: Any, path: Path) -> None:
    """Bring the write-ahead log into the file, and make its emptiness durable.

    Raises:
        StoreError: somebody is still using it.
    """
    busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    if busy:
        raise translate(Exception("database is busy"), path)
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(f"{path}-wal", os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def copy_content(
    source: Any, target: Path, page_key: bytes, salt: bytes, progress: Any = None
) -> None:
    """Write one state of an open database to a new file, encrypted anew.

    Page for page, through SQLite's backup interface: others may write meanwhile.

    Args:
        source: a connection.
        target: where the copy will be; nothing must be there.
        page_key: the page key of the copy.
        salt: its salt.
        progress: called with how many pages are done, and how many there are.

    Raises:
        StoreError: there is no room for it.
    """

    def told(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(total - remaining, total)

    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = connect(target, page_key, salt)
        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_master").fetchone()
            source.backup(copy, pages=COPY_PAGES, progress=told, sleep=0)
        finally:
            if source.in_transaction:
                source.execute("ROLLBACK")
            copy.close()
        for end in ("-wal", "-shm", "-journal"):
            Path(f"{target}{end}").unlink(missing_ok=True)
        descriptor = os.open(target, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except driver.Error as error:
        target.unlink(missing_ok=True)
        raise translate(error, target) from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
