"""Databases without a workspace around them, and the keys that open them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conftest import copy_files
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)

NewDatabase = Callable[..., Database]


def keychain_of(path: Path, unlock: Unlock | None = None) -> Keychain:
    """Open the key file beside a database."""
    file = KeyFile.load(key_file_path(path))
    private = (unlock or Unlock(environment_key=KEY)).open(file)
    return Keychain(key_file_path(path), file, private)


def _create(path: Path) -> Path:
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret], lambda: NOW)
    return path


@pytest.fixture(scope="session")
def bare_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a closed empty workspace, to be copied."""
    return _create(tmp_path_factory.mktemp("bare") / "bare.db")


@pytest.fixture
def new_database(tmp_path: Path, bare_template: Path) -> Iterator[NewDatabase]:
    """Return a maker of open migrated databases; a name twice opens one twice."""
    opened: list[Database] = []

    def make(name: str = "bare.db") -> Database:
        path = tmp_path / name
        if not path.exists() and name == bare_template.name:
            copy_files(bare_template, path)
        elif not path.exists():
            _create(path)
        opened.append(Database(path, keychain_of(path)))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    """Return one open migrated database."""
    return new_database()
