"""Sealed values in a real database: moved about with raw SQL, read by others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlcipher3.dbapi2 as driver

from conftest import Team
from engine.store.conftest import keychain_of
from issuetrack.engine.errors import PermissionDenied, TamperedError, UsageError
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueDraft, IssueService
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.encryption import (
    FieldCipher,
    Place,
    RoleKey,
    key_id_of,
    origin_of,
)
from issuetrack.engine.store.types import CommentKind, Role
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NewDatabase = Callable[..., Database]
NOTE = "for engineers only"


def service_of(database: Database) -> IssueService:
    """Return the issues of a database."""
    return IssueService(database, lambda: NOW)


def actor_of(database: Database) -> Actor:
    """Return whoever opened a database."""
    return Actor.from_keys(database.keychain.keys)


@pytest.fixture
def actor(database: Database) -> Actor:
    """Return the owner of the database."""
    return actor_of(database)


@contextmanager
def raw(workspace: Workspace) -> Iterator[Any]:
    """Give a connection that needs nothing but the page key of a member."""
    ((_, page_key),) = workspace._database.keychain.keys.page_keys.items()
    connection = driver.connect(workspace.path)
    try:
        connection.execute(f"PRAGMA key = \"x'{page_key.hex()}'\"")
        yield connection
        connection.commit()
    finally:
        connection.close()


def with_note(team: Team) -> Workspace:
    """Return the workspace, open as an engineer who wrote a work note."""
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("one", body="for all"))
    engineer.issues.comment(engineer.actor, "1", NOTE, CommentKind.WORK_NOTE)
    return engineer


def tries_every_key(workspace: Workspace, uuid: str, value: bytes) -> list[str]:
    """Return what a sealed comment opens to under all keys that somebody holds.

    Each secret is also passed off as the key that the value names.
    """
    keychain = workspace._database.keychain
    held = {k: key for k, key in keychain.keys.role_keys.items() if key.secret}
    named = key_id_of(value)
    secrets = [key.secret for key in held.values()]
    secrets += [*keychain.keys.page_keys.values(), keychain.keys.private.payload[:32]]
    found = []
    for secret in secrets:
        for keys in (held, {named: disguised(keychain.keys.role_keys[named], secret)}):
            cipher = FieldCipher(keychain.file.database, keys, {})
            try:
                found.append(cipher.open(value, Place("comment", "body", uuid)))
            except (PermissionDenied, TamperedError):
                continue
    return found


def disguised(key: RoleKey, secret: bytes | None) -> RoleKey:
    """Return a key with another secret in it."""
    return RoleKey(key.key_id, key.role, key.public, secret)


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
    database: Database, new_database: NewDatabase, actor: Actor
) -> None:
    """A row copied whole into another workspace does not open there."""
    other = new_database("other.db")
    there = actor_of(other)
    service_of(database).create(actor, IssueDraft("one", body="mine"))
    service_of(other).create(there, IssueDraft("one", body="theirs"))
    with database.read() as uow:
        ((uuid, body),) = uow.sql("SELECT uuid, body FROM issue")
    with other.write() as uow:
        uow.sql("UPDATE issue SET uuid = ?, body = ?", uuid, body)

    with pytest.raises(TamperedError):
        service_of(other).get(there, "1")


# FAULTS 30
@pytest.mark.parametrize("name", [b"viewer-2", b"engineer-1", b"admin-1"])
def test_value_moved_to_another_key_is_noticed(team: Team, name: bytes) -> None:
    """A value cannot be passed off as one of a later key, or of another role's."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="under viewer-1"))
    with owner._database.change_keys() as (_, changes):
        changes.new_role_key(Role.VIEWER)
    with owner._database.write() as uow:
        ((body,),) = uow.sql("SELECT body FROM issue")
        assert body[1:10] == b"\x08viewer-1"
        moved = body[:1] + bytes((len(name),)) + name + body[10:]
        uow.sql("UPDATE issue SET body = ?", moved)

    with pytest.raises(TamperedError):
        owner.issues.get(owner.actor, "1")


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
@pytest.mark.parametrize("name", ["viewer", "exporter"])
def test_lower_role_with_raw_sql_cannot_read_work_notes(team: Team, name: str) -> None:
    """The page key and every key of a viewer together do not open a work note."""
    with_note(team)
    lower = team.open(name)
    with raw(lower) as connection:
        ((uuid, note),) = connection.execute("SELECT uuid, body FROM comment")
        everything = b"".join(
            bytes(str(value), "utf-8", "replace") if isinstance(value, str) else value
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' "
                "AND sql NOT LIKE 'CREATE VIRTUAL%'"
            ).fetchall()
            for row in connection.execute(f'SELECT * FROM "{table}"')
            for value in row
            if isinstance(value, str | bytes)
        )

    assert key_id_of(note) == "engineer-1"
    assert NOTE.encode() not in everything
    assert tries_every_key(lower, uuid, note) == []
    assert set(tries_every_key(team.open("engineer"), uuid, note)) == {NOTE}


# FAULTS 33
def test_viewer_is_shown_what_is_for_viewers(team: Team) -> None:
    """Through the program a viewer sees the issue, and that there is a note."""
    with_note(team)
    viewer = team.open("viewer")
    shown = viewer.issues.get(viewer.actor, "1")

    assert (shown.body, shown.comments[0].body) == ("for all", None)


# FAULTS 33
def test_demoted_engineer_cannot_read_later_work_notes(team: Team) -> None:
    """Notes written after the demotion open with no key the former engineer has."""
    kept = team.open("engineer")._database.keychain
    owner = team.open("owner")
    owner.accounts.set_role(owner.actor, "engineer", Role.VIEWER)
    owner.issues.create(owner.actor, IssueDraft("one", body="for all"))
    owner.issues.comment(owner.actor, "1", NOTE, CommentKind.WORK_NOTE)
    demoted = team.open("engineer")
    with raw(demoted) as connection:
        ((uuid, note),) = connection.execute("SELECT uuid, body FROM comment")

    assert key_id_of(note) == "engineer-2"
    assert tries_every_key(demoted, uuid, note) == []
    key = demoted._database.keychain.keys.role_keys["engineer-2"]
    for old in kept.keys.role_keys.values():
        cipher = FieldCipher(
            kept.file.database, {"engineer-2": disguised(key, old.secret)}, {}
        )
        with pytest.raises((PermissionDenied, TamperedError)):
            cipher.open(note, Place("comment", "body", uuid))


# FAULTS 33
def test_demoted_engineer_cannot_read_earlier_work_notes_after_rotation(
    team: Team,
) -> None:
    """Once the values are under the new key, the old ones open nothing at all."""
    engineer = with_note(team)
    kept = engineer._database.keychain.keys.role_keys
    owner = team.open("owner")
    owner.accounts.set_role(owner.actor, "engineer", Role.VIEWER)
    assert owner.keys.finish(owner.actor) == 1
    demoted = team.open("engineer")
    with raw(demoted) as connection:
        ((uuid, note),) = connection.execute("SELECT uuid, body FROM comment")

    assert key_id_of(note) == "engineer-2"
    assert tries_every_key(demoted, uuid, note) == []
    cipher = FieldCipher(demoted._database.keychain.file.database, kept, {})
    with pytest.raises(PermissionDenied):
        cipher.open(note, Place("comment", "body", uuid))


def test_viewer_writes_what_only_engineers_read(team: Team) -> None:
    """A text sealed to the engineers by a viewer opens for an engineer."""
    with team.open("viewer")._database.write() as uow:
        sealed = uow.seal("rating", "feedback", "r", "to them", Role.ENGINEER)
        with pytest.raises(PermissionDenied):
            uow.open("rating", "feedback", "r", sealed)
        assert (uow.can_read(Role.VIEWER), uow.can_read(Role.ENGINEER)) == (True, False)
    with team.open("engineer")._database.read() as uow:
        assert uow.open("rating", "feedback", "r", sealed) == "to them"


def test_keychain_of_another_member_opens_the_same_file(team: Team) -> None:
    """Whoever has a slot has the page key, and only the role keys of the role."""
    held = {}
    for name in ("owner", "engineer", "viewer", "exporter", "recovery"):
        keys = keychain_of(team.path, team.unlock(name)).keys
        held[name] = {key for key, value in keys.role_keys.items() if value.secret}
        assert len(keys.page_keys) == 1

    assert held == {
        "owner": {"viewer-1", "engineer-1", "admin-1"},
        "engineer": {"viewer-1", "engineer-1"},
        "viewer": {"viewer-1"},
        "exporter": set(),
        "recovery": {"viewer-1", "engineer-1", "admin-1"},
    }


def test_absent_and_empty_texts_are_not_stored(database: Database) -> None:
    """There is nothing to seal in an empty optional text."""
    with database.read() as uow:
        assert uow.seal_optional("issue", "body", "r", None) is None
        assert uow.seal_optional("issue", "body", "r", "") is None
        assert uow.open_optional("issue", "body", "r", None) is None
        sealed = uow.seal_optional("issue", "body", "r", "x")
        assert uow.open_optional("issue", "body", "r", sealed) == "x"


TRACKER = "https://jira.example.com/rest"


def sealed_token(database: Database) -> bytes:
    """Return a credential that is meant for one tracker."""
    with database.read() as uow:
        return uow.seal_credential("source", "token", "s", "S3CR3T", TRACKER)


@pytest.mark.parametrize(
    "url",
    [
        "https://jira.example.com",
        "https://jira.example.com:443/other/path?q=1#f",
        "HTTPS://JIRA.Example.COM./rest",
    ],
)
def test_credential_opens_for_its_own_origin(database: Database, url: str) -> None:
    """Path, letter case, the default port and a last dot make no other server."""
    with database.read() as uow:
        found = uow.open_credential("source", "token", "s", sealed_token(database), url)

    assert found == "S3CR3T"


# FAULTS 30
@pytest.mark.parametrize(
    "url",
    [
        "http://jira.example.com",
        "http://jira.example.com:443",
        "https://jira.example.com:8443",
        "https://example.com",
        "https://jira.example.com.evil.example",
        "https://evil.example/jira.example.com",
        "https://jira-example.com",
        "https://[::1]",
    ],
)
def test_credential_is_not_sent_anywhere_else(database: Database, url: str) -> None:
    """Somebody who edits the address of a tracker is not given its token."""
    sealed = sealed_token(database)
    with database.read() as uow, pytest.raises(TamperedError):
        uow.open_credential("source", "token", "s", sealed, url)


# FAULTS 30
def test_credential_does_not_open_as_a_text(database: Database) -> None:
    """A token moved to a column that is shown stays sealed."""
    sealed = sealed_token(database)
    with database.read() as uow:
        assert b"S3CR3T" not in sealed
        with pytest.raises(TamperedError):
            uow.open("source", "token", "s", sealed)
        with pytest.raises(TamperedError):
            uow.open_credential("source", "token", "other", sealed, TRACKER)


def test_credential_is_for_engineers(team: Team) -> None:
    """A viewer does not hold the key of a tracker's token."""
    sealed = sealed_token(team.open("engineer")._database)
    with team.open("viewer")._database.read() as uow, pytest.raises(PermissionDenied):
        uow.open_credential("source", "token", "s", sealed, TRACKER)


@pytest.mark.parametrize(
    "url",
    [
        "https://jira.example.com@evil.example",
        "https://user:word@jira.example.com",
        "https://@jira.example.com",
        "ftp://jira.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "jira.example.com",
        "https://",
        "https://:443",
        "https://jira.example.com:port",
        "https://jira.example.com:99999",
        "https://a..b",
        "https://[::1",
        "",
    ],
)
def test_credential_is_bound_to_web_addresses_only(
    database: Database, url: str
) -> None:
    """A url with a user name in it, or of another kind, is refused as such."""
    with database.read() as uow, pytest.raises(UsageError):
        uow.seal_credential("source", "token", "s", "S3CR3T", url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://Host", "http://host:80"),
        ("http://host:8080/x", "http://host:8080"),
        ("https://[::1]:9/x", "https://[::1]:9"),
        ("https://bücher.example", "https://xn--bcher-kva.example:443"),
    ],
)
def test_origin_is_written_one_way(url: str, origin: str) -> None:
    """Scheme, host and port of a url, the port written out."""
    assert origin_of(url) == origin
