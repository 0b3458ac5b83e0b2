"""One open database: hands out units of work.

Transactions begin explicitly, writing ones with BEGIN IMMEDIATE, so that a failed
migration leaves nothing behind.
"""

import contextlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine
from sqlmodel import Session

from issuetrack.engine.errors import (
    ConflictError,
    NotFoundError,
    SchemaTooNew,
    StoreError,
    TamperedError,
)
from issuetrack.engine.store import sqlcipher
from issuetrack.engine.store.audit_head import Head, HeadFile
from issuetrack.engine.store.connections import WRITE, Connections, Progress
from issuetrack.engine.store.file_guard import SALT_BYTES
from issuetrack.engine.store.file_system import refuse_network
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.sqlcipher import translated
from issuetrack.engine.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from issuetrack.engine.store.key_changes import KeyChanges

SCHEMA_VERSION, SCHEMA_WITHOUT_HEAD = "0006", "0001"
REVISION, HEAD, CONTENT = "keys.revision", "keys.head", "keys.content"


class Database:
    """One open database file: hands out units of work.

    Args:
        path: the file.
        keychain: the keys of whoever opens it.

    Raises:
        NotFoundError: there is no such file.
        StoreError: it is on a network file system, or cannot be written to.
    """

    def __init__(self, path: Path, keychain: Keychain) -> None:
        sqlcipher.check_library()
        if not path.exists():
            raise NotFoundError(
                f"there is no workspace at {path}", "create one: issuetrack init"
            )
        refuse_network(path)
        self.path = path
        self.keychain = keychain
        self.head = HeadFile(path)
        self.audited = False
        self._connections = Connections(path, keychain)

    @property
    def _engine(self) -> Engine:
        return self._connections.engine

    def _unit(self, session: Session) -> UnitOfWork:
        cipher = self.keychain.cipher
        return UnitOfWork(session, cipher, self.head, self._meet_keys)

    @contextmanager
    def read(self) -> Iterator[UnitOfWork]:
        """Give a unit of work that sees one state of the database."""
        with translated(self.path), Session(self._engine) as session:
            yield self._unit(session)

    @contextmanager
    def write(self) -> Iterator[UnitOfWork]:
        """Give a unit of work that is committed whole at the end, or not at all.

        Raises:
            LockedError: somebody changed what the principal may do.
        """
        with translated(self.path), self._engine.connect() as connection:
            connection = connection.execution_options(**WRITE)
            with Session(connection, expire_on_commit=False) as session:
                uow = self._unit(session)
                self._meet_keys(uow)
                yield uow
                session.commit()
        if uow.audited is not None:
            self.audited = True
            with contextlib.suppress(OSError):
                self.head.advance(uow.audited)

    @contextmanager
    def change_keys(self) -> "Iterator[tuple[UnitOfWork, KeyChanges]]":
        """Give a unit of work that changes the key file too.

        The new key file is committed to the database first and written beside it
        then; whoever opens the database next writes it, should this process be
        killed between the two.
        """
        from issuetrack.engine.store.key_changes import KeyChanges

        with self.write() as uow:
            file = self.keychain.file.copy(revision=self.keychain.file.revision + 1)
            yield uow, KeyChanges.by(self.keychain.keys, file)
            self.keep_keys(uow, file)
        try:
            file.save(self.keychain.path)
        except OSError as error:
            raise StoreError(
                f"the change is made, but {self.keychain.path} cannot be written: "
                f"{error.strerror}",
                "free some space; the next command writes it",
            ) from error
        self.keychain.adopt(file, own=True)

    @staticmethod
    def keep_keys(uow: UnitOfWork, file: KeyFile) -> None:
        """Keep the text of the key file in the database."""
        uow.set_setting(REVISION, str(file.revision))
        uow.set_setting(HEAD, file.state.head)
        uow.set_setting(CONTENT, file.dump())

    def _meet_keys(self, uow: UnitOfWork, *, opening: bool = False) -> None:
        """Bring the keychain to the key file that the database knows.

        Args:
            uow: what to read through.
            opening: nobody acts yet, so that a change of role is no surprise.

        Raises:
            TamperedError: the database is older than the key file, or knows another.
        """
        kept = self._kept(uow, REVISION) if self._has_tables(uow) else None
        if kept is None:
            return
        if int(kept) == self.keychain.file.revision:
            if self._kept(uow, HEAD) != self.keychain.file.state.head:
                raise TamperedError(
                    f"{self.keychain.path.name} does not hold the keys that "
                    f"{self.path.name} knows",
                    "put back both from one backup: issuetrack db restore",
                )
            return
        if int(kept) < self.keychain.file.revision:
            raise TamperedError(
                f"{self.path.name} is older than {self.keychain.path.name}: "
                "an old copy of one of them was put back",
                "put back both from one backup: issuetrack db restore",
            )
        file = KeyFile.parse(self._kept(uow, CONTENT) or "")
        self.keychain.adopt(file, own=opening)

    @staticmethod
    def _has_tables(uow: UnitOfWork) -> bool:
        found = "SELECT 1 FROM sqlite_master WHERE name = 'setting'"
        return bool(uow.sql(found))

    @staticmethod
    def _kept(uow: UnitOfWork, key: str) -> str | None:
        rows = uow.sql("SELECT value FROM setting WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    def settle_keys(self) -> None:
        """Meet the key file that the database knows, and write it if it is newer.

        Raises:
            TamperedError: database and key file are not of one time.
            LockedError: the principal may not open the workspace any more.
        """
        on_disk = self.keychain.file.revision
        with self.read() as uow:
            self._meet_keys(uow, opening=True)
            known = uow.setting(REVISION) is not None
        if not known:
            with self.write() as uow:
                self.keep_keys(uow, self.keychain.file)
        if self.keychain.file.revision != on_disk:
            self.keychain.file.save(self.keychain.path)

    def schema_version(self) -> str | None:
        """Return the version the file's tables are at; None before any migration."""
        with translated(self.path), self._engine.connect() as connection:
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
        if version == SCHEMA_WITHOUT_HEAD:
            self._begin_head()
        from issuetrack.engine.store.migrations.runner import upgrade

        with translated(self.path), self._engine.connect() as connection:
            connection = connection.execution_options(**WRITE)
            with connection.begin():
                upgrade(connection)

    def _begin_head(self) -> None:
        """Write the head file that a program of schema 0001 did not have."""
        with self.read() as uow:
            last = uow.sql(
                "SELECT sequence, hash FROM audit_entry ORDER BY sequence DESC LIMIT 1"
            )
        for sequence, digest in last:
            self.head.advance(Head(sequence, digest))

    @contextmanager
    def raw(self) -> Iterator[Any]:
        """Give a connection of the driver, outside any transaction."""
        with translated(self.path):
            proxy = self._engine.raw_connection()
            try:
                yield proxy.driver_connection
            finally:
                proxy.close()

    def integrity_problems(self) -> list[str]:
        """Return what SQLite and SQLCipher find wrong with the file; empty if sound.

        The log is brought into the file first: after a crash only the two together
        are whole.
        """
        with self.raw() as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with translated(self.path), self._engine.connect() as connection:
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

    @property
    def page_key_id(self) -> str:
        """Return the name of the page key that the file is under."""
        return self.keychain.page_key_id(self._connections.salt())

    def snapshot(self, target: Path, progress: Progress | None = None) -> None:
        """Copy the database to a new file under the same key, while others write."""
        with self.raw() as connection:
            salt = self._connections.salt()
            key = self.keychain.page_key(salt)
            sqlcipher.copy_content(connection, target, key, salt, progress)

    def compact(self) -> None:
        """Give free pages back to the file system."""
        with self.raw() as connection:
            connection.execute(
                "INSERT INTO chunk_lexical(chunk_lexical) VALUES ('optimize')"
            )
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def rekey(self, key: bytes, salt: bytes, progress: Progress | None = None) -> None:
        """Put the file under another page key, while nobody else uses it.

        Args:
            key: the new page key; must be in the key file already.
            salt: the salt of the file under it.
            progress: called with the pages copied, and how many there are.

        Raises:
            ConflictError: somebody else changed the keys meanwhile, and dropped it.
        """

        def check(source: Any) -> None:
            statement = "SELECT value FROM setting WHERE key = ?"
            file = KeyFile.parse(source.execute(statement, (CONTENT,)).fetchone()[0])
            if file.revision > self.keychain.file.revision:
                self.keychain.adopt(file)
            if salt not in self.keychain.keys.page_keys:
                raise ConflictError(
                    "somebody else changed the keys at the same time", "try again"
                )

        self._connections.rekey(key, salt, check, progress)

    @staticmethod
    def new_salt() -> bytes:
        """Return a salt that no file has yet."""
        return secrets.token_bytes(SALT_BYTES)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()
