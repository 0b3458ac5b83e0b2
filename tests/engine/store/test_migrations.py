"""Bringing tables up to date: all of a version or nothing of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlmodel import SQLModel

from issuetrack.engine.errors import SchemaTooNew
from issuetrack.engine.store import database as module
from issuetrack.engine.store import index_tables, reading_tables
from issuetrack.engine.store.database import SCHEMA_VERSION, Database
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.migrations import runner
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.sqlcipher import create_file
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret
from issuetrack.engine.workspace import Workspace
from older_schemas import TO_0005

KEY = "0123456789abcdef0123456789abcdef"
VERSIONS = Path("versions")
NewDatabase = Callable[..., Database]
Schema = list[tuple[object, ...]]

NEXT_VERSION = f"{int(SCHEMA_VERSION) + 1:04}"
STEP = f"""
import sqlalchemy as sa
from alembic import op

revision = "{NEXT_VERSION}"
down_revision = "{SCHEMA_VERSION}"


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("issue", sa.Column("later", sa.String(), nullable=True))
    op.execute("INSERT INTO setting(key, value) VALUES ('later', 'yes')")
"""
FAILS = '    raise RuntimeError("in the middle of a migration")\n'


def schema_of(database: Database) -> Schema:
    """Return every table and index with its statement."""
    with database.read() as uow:
        return uow.sql("SELECT type, name, sql FROM sqlite_master ORDER BY name")


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Database]:
    """Return a database that no migration has seen."""
    path = tmp_path / "empty.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    recovery = recovery_secret(new_recovery_key())
    file, private = KeyFile.create("owner", lambda _: [secret], recovery)
    file.save(key_file_path(path))
    keychain = Keychain(key_file_path(path), file, private)
    ((salt, page_key),) = keychain.keys.page_keys.items()
    create_file(path, page_key, salt)
    database = Database(path, keychain)
    yield database
    database.close()


@pytest.fixture
def add_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what makes the program one schema version newer."""

    def add(step: str) -> None:
        home = tmp_path / "migrations"
        shutil.copytree(Path(runner.__file__).parent, home)
        (home / VERSIONS / "v_later.py").write_text(step, encoding="utf-8")
        monkeypatch.setattr(runner, "__file__", str(home / "runner.py"))
        monkeypatch.setattr(module, "SCHEMA_VERSION", NEXT_VERSION)

    return add


def test_empty_file_is_brought_up_to_date(empty: Database) -> None:
    """A new file goes from no version to the program's; again changes nothing."""
    assert empty.schema_version() is None
    empty.migrate()
    assert empty.schema_version() == SCHEMA_VERSION
    before = schema_of(empty)
    empty.migrate()

    assert schema_of(empty) == before


def test_failed_first_migration_leaves_an_empty_file(
    empty: Database, add_step: Callable[[str], None]
) -> None:
    """When the second of two steps fails, nothing of the first is there."""
    add_step(STEP + FAILS)
    with pytest.raises(RuntimeError, match="in the middle"):
        empty.migrate()

    assert schema_of(empty) == []
    assert empty.schema_version() is None


def test_failed_migration_leaves_the_old_version(
    database: Database, add_step: Callable[[str], None]
) -> None:
    """A file of the older version is still one, with all that is in it."""
    with database.write() as uow:
        uow.set_setting("kept", "yes")
    before = schema_of(database)
    add_step(STEP + FAILS)
    with pytest.raises(RuntimeError, match="in the middle"):
        database.migrate()

    assert schema_of(database) == before
    assert database.schema_version() == SCHEMA_VERSION
    with database.read() as uow:
        assert (uow.setting("kept"), uow.setting("later")) == ("yes", None)


def test_migration_that_works_is_kept(
    database: Database, add_step: Callable[[str], None]
) -> None:
    """The same step without its fault is applied once, with its version."""
    add_step(STEP)
    database.migrate()
    database.migrate()

    assert database.schema_version() == NEXT_VERSION
    with database.read() as uow:
        assert uow.sql("SELECT count(*) FROM later") == [(0,)]
        assert uow.setting("later") == "yes"


def test_newer_file_is_refused(database: Database) -> None:
    """An older program says what to do, and leaves a newer file alone."""
    with database.write() as uow:
        uow.sql("UPDATE alembic_version SET version_num = '9999'")
    before = schema_of(database)
    with pytest.raises(SchemaTooNew, match="schema 9999") as raised:
        database.migrate()
    with pytest.raises(SchemaTooNew):
        Workspace.open(database.path, Unlock(environment_key=KEY))

    assert "upgrade" in (raised.value.hint or "")
    assert schema_of(database) == before
    assert key_file_path(database.path).exists()


def test_tables_of_schema_0005_are_brought_up_to_date(database: Database) -> None:
    """They come out as those of a new file."""
    before = schema_of(database)
    with database.write() as uow:
        for statement in TO_0005:
            uow.sql(statement)
    database.migrate()

    assert before == schema_of(database)
    assert database.schema_version() == SCHEMA_VERSION


def test_migrations_make_the_tables_of_the_program(database: Database) -> None:
    """Columns, indexes, keys and uniqueness are those that the modules of tables tell of."""
    ours = set(SQLModel.metadata.tables)
    assert index_tables.Chunk.__tablename__ in ours
    assert reading_tables.Seen.__tablename__ in ours
    with database._engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": False,
                "include_name": lambda name, kind, _: kind != "table" or name in ours,
            },
        )
        assert compare_metadata(context, SQLModel.metadata) == []


def test_columns_agree(database: Database) -> None:
    """Each column has the name, the need and the kind of key that was declared."""
    declared = {
        (table, column.name, not column.nullable, column.primary_key)
        for table, of in SQLModel.metadata.tables.items()
        for column in of.columns
    }
    with database.read() as uow:
        found = {
            (table, name, bool(need), key > 0)
            for table in SQLModel.metadata.tables
            for name, need, key in uow.sql(
                'SELECT name, "notnull", pk FROM pragma_table_info(?)', table
            )
        }

    assert found == declared


def test_there_is_no_table_that_nobody_declared(database: Database) -> None:
    """Beside the declared tables there are the search indexes and the version."""
    with database.read() as uow:
        names = {
            str(row[0])
            for row in uow.sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
    extra = names - set(SQLModel.metadata.tables)

    assert {name for name in extra if not name.startswith(("chunk_", "sqlite_"))} == {
        "alembic_version"
    }
