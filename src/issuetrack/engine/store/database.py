"""Connections to one encrypted database file.

The only module that knows SQLCipher and the vector extension. Every connection is
keyed before anything else is said to it; transactions begin explicitly, writing ones
with BEGIN IMMEDIATE, so that a failed migration leaves nothing behind.
"""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlcipher3.dbapi2 as driver
import sqlite_vec
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlmodel import Session

from issuetrack.engine.errors import (
    DiskFull,
    IssueTrackError,
    NotFoundError,
    SchemaTooNew,
    StoreError,
    TamperedError,
    WrongKeyError,
)
from issuetrack.engine.store.encryption import FieldCipher
from issuetrack.engine.store.unit_of_work import UnitOfWork

SCHEMA_VERSION = "0001"
OLDEST_SQLITE = (3, 51, 3)
OPEN_ATTEMPTS = 8
WRITE = {"issuetrack_write": True}
PRAGMAS = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32000",
)


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
            "sqlite-vec": sqlite_vec.__version__,
        }
    finally:
        connection.close()


def _connect(path: Path, page_key: bytes) -> Any:
    connection = driver.connect(
        f"file:{_uri_path(path)}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10.0,
    )
    try:
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute(f"PRAGMA key = \"x'{page_key.hex()}'\"")
        for pragma in PRAGMAS:
            connection.execute(pragma)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.enable_load_extension(True)
        sqlite_vec.load(connection)
        connection.enable_load_extension(False)
    except BaseException:
        connection.close()
        raise
    return connection


def _uri_path(path: Path) -> str:
    text = str(path.resolve())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _open_retrying(path: Path, page_key: bytes) -> Any:
    for attempt in range(OPEN_ATTEMPTS):
        try:
            return _connect(path, page_key)
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
    return StoreError(f"the database refused: {text}", "run: issuetrack doctor")


def create_file(path: Path, page_key: bytes) -> None:
    """Make an empty encrypted database in write-ahead mode.

    Raises:
        StoreError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise translate(Exception("disk is full"), path) from error
        raise StoreError(
            f"cannot create {path}: {error.strerror}", "choose another --db"
        ) from error
    os.close(descriptor)
    try:
        connection = _connect(path, page_key)
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


class Database:
    """One open database file: hands out units of work."""

    def __init__(self, path: Path, page_key: bytes, cipher: FieldCipher) -> None:
        check_library()
        if not path.exists():
            raise NotFoundError(
                f"there is no workspace at {path}", "create one: issuetrack init"
            )
        self.path = path
        self._cipher = cipher
        self._engine = self._make_engine(page_key)

    def _make_engine(self, page_key: bytes) -> Engine:
        engine = create_engine(
            "sqlite://",
            creator=lambda: _open_retrying(self.path, page_key),
            module=driver,
            poolclass=QueuePool,
            max_overflow=-1,
        )

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writing = connection.get_execution_options().get("issuetrack_write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Give a unit of work that sees one state of the database."""
        with self._translated(), Session(self._engine) as session:
            yield UnitOfWork(session, self._cipher)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        """Give a unit of work that is committed whole at the end, or not at all."""
        with self._translated(), self._engine.connect() as connection:
            connection = connection.execution_options(**WRITE)
            with Session(connection, expire_on_commit=False) as session:
                yield UnitOfWork(session, self._cipher)
                session.commit()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, driver.Error) as error:
            raise translate(error, self.path) from error

    def schema_version(self) -> str | None:
        """Return the version the file's tables are at; None before any migration."""
        with self._translated(), self._engine.connect() as connection:
            exists = connection.exec_driver_sql(
                "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            ).first()
            if exists is None:
                return None
            row = connection.exec_driver_sql(
                "SELECT version_num FROM alembic_version"
            ).first()
            return None if row is None else str(row[0])

    def migrate(self) -> None:
        """Bring the tables to this program's version, in one transaction.

        Raises:
            SchemaTooNew: the file was written by a newer program.
        """
        version = self.schema_version()
        if version == SCHEMA_VERSION:
            return
        if version is not None and version > SCHEMA_VERSION:
            raise SchemaTooNew(
                f"the workspace has schema {version}; this program knows up to "
                f"{SCHEMA_VERSION}",
                "upgrade: pipx upgrade issuetrack",
            )
        from issuetrack.engine.store.migrations.runner import upgrade

        with self._translated(), self._engine.connect() as connection:
            connection = connection.execution_options(**WRITE)
            with connection.begin():
                upgrade(connection)

    def integrity_problems(self) -> list[str]:
        """Return what SQLite and SQLCipher find wrong with the file; empty if sound.

        The log is brought into the file first: after a crash only the two together
        are whole.
        """
        with self._translated():
            raw = self._engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                raw.close()
        with self._translated(), self._engine.connect() as connection:
            problems = [
                str(row[0])
                for statement in (
                    "PRAGMA cipher_integrity_check",
                    "PRAGMA integrity_check",
                )
                for row in connection.exec_driver_sql(statement)
                if row[0] != "ok"
            ]
            problems += [
                f"row {row[1]} of {row[0]} refers to a missing row of {row[2]}"
                for row in connection.exec_driver_sql("PRAGMA foreign_key_check")
            ]
            return problems

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
