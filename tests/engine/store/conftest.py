"""Databases without a workspace around them, and the keys that open them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuetrack.engine.store.database import Database
from issuetrack.engine.store.keyslots import (
    KeyFile,
    SlotKind,
    SlotSecret,
    UnlockedKeys,
    key_file_path,
)
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

KeysOf = Callable[[Path], UnlockedKeys]
NewDatabase = Callable[..., Database]


@pytest.fixture
def keys_of() -> KeysOf:
    """Return what opens the key file beside a database."""

    def open_keys(path: Path) -> UnlockedKeys:
        file = KeyFile.load(key_file_path(path))
        offered = Unlock(environment_key=KEY).offered(file.database, file.slot_kinds())
        return file.unlock(offered)

    return open_keys


@pytest.fixture
def new_database(tmp_path: Path, keys_of: KeysOf) -> Iterator[NewDatabase]:
    """Return a maker of open migrated databases; a name twice opens one twice."""
    opened: list[Database] = []

    def make(name: str = "bare.db") -> Database:
        path = tmp_path / name
        if not path.exists():
            secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
            Workspace.create(path, "owner", lambda _: [secret], lambda: NOW)
        keys = keys_of(path)
        opened.append(Database(path, keys.page_key, keys.cipher))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """Return one open migrated database."""
    return new_database()
