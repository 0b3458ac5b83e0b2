"""One encrypted file: its key, its transactions, its limits."""

import errno
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as driver

from engine.store.conftest import keychain_of
from issuetrack.engine.errors import (
    DiskFull,
    IssueTrackError,
    LockedError,
    NotFoundError,
    StoreError,
    TamperedError,
    WorkspaceExists,
    WrongKeyError,
)
from issuetrack.engine.store import sqlcipher as module
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.sqlcipher import (
    check_library,
    create_file,
    library_versions,
    translate,
)
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
SALT = bytes(range(16))
NewDatabase = Callable[..., Database]


def bytes_of(path: Path) -> dict[str, bytes]:
    """Return the content of a database, its log and its key file."""
    names = (path, Path(f"{path}-wal"), key_file_path(path))
    return {name.name: name.read_bytes() for name in names if name.exists()}


def put(database: Database, key: str, value: str) -> None:
    """Keep a value in a transaction of its own."""
    with database.write() as uow:
        uow.set_setting(key, value)


def got(database: Database, key: str) -> str | None:
    """Return a kept value."""
    with database.read() as uow:
        return uow.setting(key)


def wrong_keychain(database: Database, page_key: bytes) -> Keychain:
    """Return a keychain that has another page key for a database."""
    keychain = keychain_of(database.path)
    pages = dict.fromkeys(keychain.keys.page_keys, page_key)
    keychain._keys = replace(keychain.keys, page_keys=pages)
    return keychain


# FAULTS 29
@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(Database.schema_version, id="look"),
        pytest.param(Database.migrate, id="migrate"),
        pytest.param(Database.integrity_problems, id="check"),
        pytest.param(lambda d: put(d, "a", "b"), id="write"),
        pytest.param(lambda d: got(d, "a"), id="read"),
    ],
)
@pytest.mark.parametrize("page_key", [bytes(32), b"\xff" * 32], ids=["zeros", "ones"])
def test_wrong_page_key_changes_nothing(
    database: Database, attempt: Callable[[Database], Any], page_key: bytes
) -> None:
    """With a wrong key nothing is read, and not one byte is written."""
    put(database, "secret", "value")
    before = bytes_of(database.path)
    assert len(before) == 3
    wrong = Database(database.path, wrong_keychain(database, page_key))
    try:
        with pytest.raises(WrongKeyError):
            attempt(wrong)
    finally:
        wrong.close()

    assert bytes_of(database.path) == before
    assert got(database, "secret") == "value"


# FAULTS 29
def test_wrong_secret_changes_nothing(database: Database) -> None:
    """A workspace that does not open is left as it was."""
    put(database, "secret", "value")
    before = bytes_of(database.path)

    with pytest.raises(WrongKeyError):
        Workspace.open(database.path, Unlock(environment_key="wrong" * 8))
    assert bytes_of(database.path) == before


# FAULTS 29
@pytest.mark.parametrize("missing", ["secret", "key file"])
def test_missing_key_changes_nothing(database: Database, missing: str) -> None:
    """Without a key there is an error, no plain text and no changed byte."""
    put(database, "secret", "canary")
    unlock = Unlock()
    if missing == "key file":
        key_file_path(database.path).rename(database.path.with_name("away"))
        unlock = Unlock(environment_key=KEY)
    before = bytes_of(database.path)

    with pytest.raises(LockedError):
        Workspace.open(database.path, unlock)
    assert bytes_of(database.path) == before
    assert all(b"canary" not in data for data in before.values())


# FAULTS 29
def test_key_file_of_another_workspace_does_not_open(
    database: Database, new_database: NewDatabase
) -> None:
    """Files that do not belong together are told by both their options."""
    other = new_database("other.db")
    key_file_path(other.path).replace(key_file_path(database.path))
    before = bytes_of(database.path)

    with pytest.raises(TamperedError, match="no key for the database") as raised:
        Workspace.open(database.path, Unlock(environment_key=KEY))
    assert "from one backup" in (raised.value.hint or "")
    assert bytes_of(database.path) == before


def test_missing_file_is_not_made(database: Database, tmp_path: Path) -> None:
    """Opening what is not there is an error, and leaves nothing there."""
    absent = tmp_path / "absent.db"
    with pytest.raises(NotFoundError, match=r"absent\.db"):
        Database(absent, database.keychain)
    with pytest.raises(NotFoundError):
        Workspace.open(absent, Unlock(environment_key=KEY))

    assert list(tmp_path.glob("absent*")) == []


def test_file_that_goes_away_is_not_made_anew(
    new_database: NewDatabase, tmp_path: Path
) -> None:
    """A database that vanishes before its first use is not replaced by an empty one."""
    path = new_database().path
    database = new_database()
    path.unlink()

    with pytest.raises(StoreError, match="cannot be opened"):
        got(database, "a")
    assert not path.exists()


def test_created_files_are_private_and_encrypted(database: Database) -> None:
    """The database and its log are for their owner, and nothing in them is plain."""
    put(database, "canary", "canary")
    for end in ("", "-wal", "-shm"):
        path = Path(f"{database.path}{end}")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert b"canary" not in path.read_bytes()
        assert b"SQLite format 3" not in path.read_bytes()
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(database.path).execute("SELECT * FROM sqlite_master")


def test_existing_file_is_not_created_over(tmp_path: Path) -> None:
    """Neither a database nor a key file is ever written over."""
    path = tmp_path / "taken.db"
    path.write_bytes(b"precious")
    with pytest.raises(StoreError, match="cannot create"):
        create_file(path, bytes(32), SALT)
    with pytest.raises(WorkspaceExists):
        Workspace.create(path, "owner", lambda _: [])
    path.rename(tmp_path / "new.db.keys")
    with pytest.raises(WorkspaceExists):
        Workspace.create(tmp_path / "new.db", "owner", lambda _: [])

    assert [p.name for p in tmp_path.glob("*.db*")] == ["new.db.keys"]
    assert (tmp_path / "new.db.keys").read_bytes() == b"precious"


def test_folders_are_made_for_a_new_file(tmp_path: Path) -> None:
    """A path into folders that are not there yet is fine; through a file it is not."""
    create_file(tmp_path / "a" / "b" / "new.db", bytes(32), SALT)

    with pytest.raises(StoreError, match="cannot create"):
        create_file(tmp_path / "a" / "b" / "new.db" / "c.db", bytes(32), SALT)


@pytest.mark.parametrize("name", ["what?.db", "50%20.db", "a#b.db", "ü b.db", "a&b=c"])
def test_every_file_name_is_taken_as_it_is(
    new_database: NewDatabase, tmp_path: Path, name: str
) -> None:
    """No character of a path means anything to SQLite."""
    database = new_database(name)
    put(database, "a", "b")
    database.close()

    assert got(new_database(name), "a") == "b"
    assert {p.name for p in tmp_path.iterdir()} >= {name, f"{name}.keys"}


@pytest.mark.parametrize("number", [1, 3])
def test_connections_are_set_up(database: Database, number: int) -> None:
    """Each connection of the pool syncs fully and keeps what it deletes secret."""
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "temp_store": 2,
        "busy_timeout": 30000,
    }

    def check(left: int) -> None:
        with database.read() as uow:
            found = {name: uow.sql(f"PRAGMA {name}")[0][0] for name in wanted}
            assert found == wanted
            if left:
                check(left - 1)

    check(number - 1)


def test_rows_must_refer_to_rows(database: Database) -> None:
    """A comment on an issue that is not there is refused."""
    statement = (
        "INSERT INTO comment(uuid, issue_number, kind, body, carries_fix, created_at)"
        " VALUES ('u', 99, 'public', x'00', 0, '2026-11-01 00:00:00')"
    )

    with (
        pytest.raises(StoreError, match="FOREIGN KEY"),
        database.write() as uow,
    ):
        uow.sql(statement)


def test_reader_sees_one_state(database: Database) -> None:
    """What others write meanwhile is seen by the next unit of work only."""
    put(database, "n", "1")
    with database.read() as uow:
        assert uow.setting("n") == "1"
        put(database, "n", "2")
        assert uow.setting("n") == "1"

    assert got(database, "n") == "2"


def test_reader_in_another_connection_sees_commits_only(
    database: Database, new_database: NewDatabase
) -> None:
    """A transaction that is not finished shows nothing outside."""
    other = new_database()
    with database.write() as uow:
        uow.set_setting("n", "1")
        uow.session.flush()
        assert got(other, "n") is None

    assert got(other, "n") == "1"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, StoreError])
def test_failed_unit_of_work_writes_nothing(
    database: Database, error: type[BaseException]
) -> None:
    """Whatever ends a unit of work early takes back all of it."""
    with pytest.raises(error), database.write() as uow:  # noqa: PT012 - in the middle
        uow.set_setting("a", "1")
        uow.session.flush()
        uow.sql("INSERT INTO setting(key, value) VALUES ('b', '2')")
        raise error("in the middle")

    assert (got(database, "a"), got(database, "b")) == (None, None)
    put(database, "a", "later")
    assert got(database, "a") == "later"


def test_refused_statement_takes_back_the_others(database: Database) -> None:
    """An error of SQLite itself is the engine's error, and nothing is half done."""
    with (  # noqa: PT012 - in the middle
        pytest.raises(StoreError, match="UNIQUE"),
        database.write() as uow,
    ):
        uow.sql("INSERT INTO setting(key, value) VALUES ('a', '1')")
        uow.sql("INSERT INTO setting(key, value) VALUES ('a', '2')")

    assert got(database, "a") is None


def test_writers_begin_by_locking(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second writer is refused before it has read anything stale."""
    monkeypatch.setattr(module, "PRAGMAS", ("PRAGMA busy_timeout = 20",))
    one, two = new_database(), new_database()
    with one.write() as first:
        first.setting("a")
        with (
            pytest.raises(StoreError, match="busy for too long"),
            two.write() as second,
        ):
            second.setting("a")

    put(two, "a", "1")
    assert got(one, "a") == "1"


def test_old_library_is_refused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SQLite that can corrupt its log is not used."""
    monkeypatch.setattr(driver, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(StoreError, match="can corrupt its log"):
        check_library()
    with pytest.raises(StoreError, match="can corrupt its log"):
        Database(database.path, database.keychain)
    monkeypatch.setattr(driver, "sqlite_version_info", (3, 51, 3))
    check_library()


def test_versions_are_told() -> None:
    """A report of a fault can name the libraries in use."""
    versions = library_versions()

    assert set(versions) == {"sqlite", "sqlcipher", "sqlite-vec"}
    assert tuple(map(int, versions["sqlite"].split("."))) >= (3, 51, 3)
    assert versions["sqlcipher"].startswith("4.")


@pytest.mark.parametrize(
    ("message", "error", "words"),
    [
        ("file is not a database", WrongKeyError, "the key does not open"),
        ("database disk image is malformed", IssueTrackError, "is damaged"),
        ("database or disk is full", DiskFull, "no space left"),
        ("attempt to write a readonly database", StoreError, "opened for writing"),
        ("unable to open database file", StoreError, "opened for writing"),
        ("database is locked", StoreError, "busy for too long"),
        ("disk I/O error", StoreError, "file system failed"),
        ("out of memory", StoreError, "not enough memory"),
        ("no such table: issue", StoreError, "no such table: issue"),
    ],
)
def test_words_of_the_driver_are_translated(
    message: str, error: type[Exception], words: str
) -> None:
    """Each condition has its own error, with a remedy."""
    told = translate(sqlite3.OperationalError(message), Path("folder/team.db"))

    assert isinstance(told, error)
    assert words in told.message
    assert told.hint


def test_value_in_a_message_is_not_taken_for_the_condition() -> None:
    """A constraint whose name says `full` does not fill the disk."""
    told = translate(
        sqlite3.IntegrityError("CHECK constraint failed: full_name"), Path("a.db")
    )

    assert type(told) is StoreError


def test_sound_file_has_no_problems(database: Database) -> None:
    """A fresh database passes its own checks."""
    assert database.integrity_problems() == []


def test_broken_reference_is_a_problem(database: Database) -> None:
    """A row that refers to nothing is told with its table."""
    with database.write() as uow:
        uow.sql("PRAGMA defer_foreign_keys = ON")
    engine = database._engine
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(
            "INSERT INTO link(issue_number, kind, target) VALUES (99, 'x', 'y')"
        )
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        connection.exec_driver_sql("BEGIN")

    assert database.integrity_problems() == [
        "row 1 of link refers to a missing row of issue"
    ]


# FAULTS 7
def test_damaged_page_is_a_problem(new_database: NewDatabase) -> None:
    """One changed byte in the middle of the file is found."""
    database = new_database()
    database.close()
    data = bytearray(database.path.read_bytes())
    data[len(data) // 2] ^= 1
    database.path.write_bytes(data)

    try:
        problems = new_database().integrity_problems()
    except IssueTrackError as error:
        problems = [error.message]
    assert problems != []


def test_failed_creation_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workspace that could not be made whole is not there at all."""

    def refuse(_: str) -> list[SlotSecret]:
        raise ValueError("no secret")

    with pytest.raises(ValueError, match="no secret"):
        Workspace.create(tmp_path / "new.db", "owner", refuse)
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())

    def full(file: KeyFile, path: Path) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(KeyFile, "save", full)
    with pytest.raises(OSError, match="no space left"):
        Workspace.create(tmp_path / "new.db", "owner", lambda _: [secret])

    assert list(tmp_path.glob("new*")) == []


def test_database_closed_twice_lets_others_go_on(new_database: NewDatabase) -> None:
    """Only the first close of a database gives its descriptor up."""
    one, two = new_database(), new_database()
    put(two, "a", "1")
    one.close()
    one.close()

    assert got(two, "a") == "1"
    assert two.page_key_id == "page-1"
