"""Sealed values in a real database: moved about with raw SQL, read by others."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuetrack.engine.errors import PermissionDenied, TamperedError
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueDraft, IssueService
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.encryption import FieldCipher
from issuetrack.engine.store.keyslots import UnlockedKeys
from issuetrack.engine.store.types import CommentKind, Role

NOW = datetime(2026, 11, 1, tzinfo=UTC)
KeysOf = Callable[[Path], UnlockedKeys]
NewDatabase = Callable[..., Database]


def service_of(database: Database) -> IssueService:
    """Return the issues of a database."""
    return IssueService(database, lambda: NOW)


def lowered(keys: UnlockedKeys, role: Role) -> FieldCipher:
    """Return a cipher of the same database that lacks the roles above one."""
    full = keys.cipher
    held = {
        name: key if role.includes(key.role) else replace(key, secret=None)
        for name, key in full._keys.items()
    }
    return FieldCipher(full._database, held, full._current)


@pytest.fixture
def actor(database: Database, keys_of: KeysOf) -> Actor:
    """Return the owner of the database."""
    return Actor.from_keys(keys_of(database.path))


# FAULTS 30
@pytest.mark.parametrize(
    "move",
    [
        pytest.param(
            "UPDATE issue SET body = (SELECT body FROM issue WHERE number = 2) "
            "WHERE number = 1",
            id="another row",
        ),
        pytest.param(
            "UPDATE issue SET body = (SELECT body FROM comment) WHERE number = 1",
            id="another table",
        ),
        pytest.param(
            "UPDATE issue SET body = (SELECT text FROM resolution) WHERE number = 1",
            id="another column",
        ),
        pytest.param(
            "UPDATE comment SET body = (SELECT body FROM issue WHERE number = 1)",
            id="body as comment",
        ),
        pytest.param(
            "UPDATE resolution SET text = (SELECT body FROM issue WHERE number = 1)",
            id="body as resolution",
        ),
        pytest.param("UPDATE issue SET body = x'' WHERE number = 1", id="emptied"),
        pytest.param(
            "UPDATE issue SET uuid = 'other' WHERE number = 1", id="row renamed"
        ),
    ],
)
def test_moved_value_is_noticed(database: Database, actor: Actor, move: str) -> None:
    """Somebody who can write the tables cannot put one text in place of another."""
    issues = service_of(database)
    issues.create(actor, IssueDraft("one", body="the body of one"))
    issues.create(actor, IssueDraft("two", body="the body of two"))
    issues.comment(actor, "1", "a comment on one")
    issues.resolve(actor, "1", "turn it off and on again")
    with database.write() as uow:
        uow.sql(move)

    with pytest.raises(TamperedError):
        issues.get(actor, "1")


# FAULTS 30
def test_value_moved_to_another_database_is_noticed(
    database: Database, new_database: NewDatabase, actor: Actor, keys_of: KeysOf
) -> None:
    """A row copied whole into another workspace does not open there."""
    other = new_database("other.db")
    there = Actor.from_keys(keys_of(other.path))
    service_of(database).create(actor, IssueDraft("one", body="mine"))
    service_of(other).create(there, IssueDraft("one", body="theirs"))
    with database.read() as uow:
        ((uuid, body),) = uow.sql("SELECT uuid, body FROM issue")
    with other.write() as uow:
        uow.sql("UPDATE issue SET uuid = ?, body = ?", uuid, body)

    with pytest.raises(TamperedError):
        service_of(other).get(there, "1")


def test_text_in_place_of_a_sealed_value_is_noticed(
    database: Database, actor: Actor
) -> None:
    """Plain text written into a sealed column is not taken for what was there."""
    issues = service_of(database)
    issues.create(actor, IssueDraft("one", body="the body of one"))
    with database.write() as uow:
        uow.sql("UPDATE issue SET body = 'plain'")

    with pytest.raises(TamperedError):
        issues.get(actor, "1")


# FAULTS 33
def test_viewer_with_raw_sql_cannot_read_work_notes(
    database: Database, actor: Actor, keys_of: KeysOf
) -> None:
    """The page key and the viewer key together do not open an engineer's note."""
    issues = service_of(database)
    issues.create(actor, IssueDraft("one", body="for all"))
    issues.comment(actor, "1", "for engineers", CommentKind.WORK_NOTE)
    keys = keys_of(database.path)
    viewing = Database(database.path, keys.page_key, lowered(keys, Role.VIEWER))
    try:
        with viewing.read() as uow:
            ((uuid, note),) = uow.sql("SELECT uuid, body FROM comment")
            with pytest.raises(PermissionDenied):
                uow.open("comment", "body", uuid, note)
        shown = service_of(viewing).get(replace(actor, role=Role.VIEWER), "1")
    finally:
        viewing.close()

    assert b"for engineers" not in note
    assert (shown.body, shown.comments[0].body) == ("for all", None)


def test_viewer_writes_what_only_engineers_read(
    database: Database, keys_of: KeysOf
) -> None:
    """A text sealed to the engineers by a viewer opens for an engineer."""
    keys = keys_of(database.path)
    viewing = Database(database.path, keys.page_key, lowered(keys, Role.VIEWER))
    engineering = Database(database.path, keys.page_key, lowered(keys, Role.ENGINEER))
    try:
        with viewing.write() as uow:
            sealed = uow.seal("rating", "feedback", "r", "to them", Role.ENGINEER)
            with pytest.raises(PermissionDenied):
                uow.open("rating", "feedback", "r", sealed)
        with engineering.read() as uow:
            assert uow.open("rating", "feedback", "r", sealed) == "to them"
    finally:
        viewing.close()
        engineering.close()


def test_absent_and_empty_texts_are_not_stored(database: Database) -> None:
    """There is nothing to seal in an empty optional text."""
    with database.read() as uow:
        assert uow.seal_optional("issue", "body", "r", None) is None
        assert uow.seal_optional("issue", "body", "r", "") is None
        assert uow.open_optional("issue", "body", "r", None) is None
        sealed = uow.seal_optional("issue", "body", "r", "x")
        assert uow.open_optional("issue", "body", "r", sealed) == "x"
