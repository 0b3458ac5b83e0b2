"""The connections to one database file, and changing the page key under them.

A connection is used only while the file is under the page key that it was opened with,
and holds the lock file shared from check-out to check-in.
"""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from issuetrack.engine.errors import StoreError
from issuetrack.engine.store import sqlcipher
from issuetrack.engine.store.file_guard import SALT_BYTES, FileGuard, FileHeader
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import sync_folder

WRITE = {"issuetrack_write": True}
Progress = Callable[[int, int], None]


class Connections:
    """The connections to one database file.

    Args:
        path: the file.
        keychain: the keys of whoever opens it.
    """

    def __init__(self, path: Path, keychain: Keychain) -> None:
        self._path = path
        self._keychain = keychain
        self._made = path.with_name(f"{path.name}.rekeying")
        self._ready = path.with_name(f"{path.name}.rekeyed")
        with sqlcipher.translated(path):
            self._header = FileHeader(path)
        self._opening = threading.local()
        self.engine = self._make_engine()
        try:
            if self._ready.exists():
                self._finish_rekey()
            elif self._made.exists():
                self._drop_unfinished()
        except BaseException:
            self.close()
            raise

    def _make_engine(self) -> Engine:
        engine = create_engine(
            "sqlite://",
            creator=self._open,
            module=sqlcipher.DRIVER,
            poolclass=QueuePool,
            max_overflow=-1,
        )

        @event.listens_for(engine, "connect")
        def connect(connection: Any, record: Any) -> None:
            record.info["salt"] = sqlcipher.salt_of(connection)
            record.info["guard"] = self._opening.guard
            record.info["entered"] = True

        @event.listens_for(engine, "checkout")
        def checkout(_connection: Any, record: Any, _proxy: Any) -> None:
            guard = record.info["guard"]
            if not record.info.pop("entered", False):
                self._enter(guard)
            if record.info["salt"] != self.salt():
                guard.close()
                record.info.clear()
                raise DisconnectionError

        @event.listens_for(engine, "checkin")
        def checkin(_connection: Any, record: Any) -> None:
            guard = record.info.get("guard")
            if guard is not None:
                guard.release()

        @event.listens_for(engine, "close")
        def close(_connection: Any, record: Any) -> None:
            guard = record.info.pop("guard", None)
            if guard is not None:
                guard.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            writing = connection.get_execution_options().get("issuetrack_write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine

    def _open(self) -> Any:
        """Open a connection; the lock is held until it is checked in."""
        guard = self._opening.guard = FileGuard(self._path)
        try:
            self._enter(guard)
            key = self._keychain.page_key(self.salt())
            return sqlcipher.open_retrying(self._path, key)
        except BaseException:
            guard.close()
            raise

    def _enter(self, guard: FileGuard) -> None:
        """Hold the lock beside others, once no change of the page key is unfinished."""
        guard.share()
        while self._ready.exists():
            guard.release()
            self._finish_rekey()
            guard.share()

    def salt(self) -> bytes:
        """Return the salt of the file, which tells its page key."""
        return self._header.salt()

    def rekey(
        self,
        key: bytes,
        salt: bytes,
        check: Callable[[Any], None],
        progress: Progress | None = None,
    ) -> None:
        """Put the file under another page key, while nobody else uses it.

        A re-encrypted copy is made and made durable before the first byte of the file
        is touched; then its pages replace those of the file, which stays the same file
        for those who have it open. Killed before, the copy is thrown away; killed
        after, whoever uses the file next finishes.

        Args:
            key: the new page key; must be in the key file already.
            salt: the salt of the file under it.
            check: looks at the file once nobody else can change it, and may refuse.
            progress: called with the pages copied, and how many there are.
        """
        self.engine.dispose()
        guard = FileGuard(self._path)
        try:
            with guard.alone(), sqlcipher.translated(self._path):
                self._made.unlink(missing_ok=True)
                old = self._keychain.page_key(self.salt())
                source = sqlcipher.open_retrying(self._path, old)
                try:
                    check(source)
                    sqlcipher.empty_log(source, self._path)
                    sqlcipher.copy_content(source, self._made, key, salt, progress)
                finally:
                    source.close()
                self._keychain.file.save(self._keychain.path)
                self._made.replace(self._ready)
                sync_folder(self._path.parent)
                self._swap_in()
        finally:
            guard.close()

    def _finish_rekey(self) -> None:
        """Finish a change of the page key that was killed after its copy was ready."""
        with contextlib.suppress(FileNotFoundError), self._ready.open("rb") as file:
            self._keychain.page_key(file.read(SALT_BYTES))
        guard = FileGuard(self._path)
        try:
            with guard.alone():
                if self._ready.exists():
                    self._swap_in()
        finally:
            guard.close()

    def _drop_unfinished(self) -> None:
        """Remove the copy of a change of the page key that was killed meanwhile."""
        guard = FileGuard(self._path)
        try:
            with contextlib.suppress(StoreError), guard.alone(patience=0):
                self._made.unlink(missing_ok=True)
        finally:
            guard.close()

    def _swap_in(self) -> None:
        """Put the pages of the finished copy in the place of the file's own."""
        self._header.replace_content(self._ready)
        self._ready.unlink()
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
        self._header.close()
