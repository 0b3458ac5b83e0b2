"""The audit chain: whatever is changed in it is found, at the first bad entry."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import col, select

from issuetrack.engine.errors import PermissionDenied, StoreError
from issuetrack.engine.identity import audit
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.keyslots import SlotKind, SlotSecret, key_file_path
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "0123456789abcdef0123456789abcdef"
ENTRIES = 8
EDITS: list[tuple[str, object]] = [
    ("at", "2020-01-01 00:00:00.000000"),
    ("actor", "somebody else"),
    ("role", "viewer"),
    ("action", "issue.delete"),
    ("entity_type", "source"),
    ("entity_id", "99"),
    ("change", b"\1\7admin-1" + bytes(40)),
    ("before_digest", bytes(32)),
    ("after_digest", bytes(32)),
    ("previous_hash", b"\1" * 32),
    ("hash", bytes(32)),
    ("signature", bytes(64)),
    ("signature", b""),
]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a closed workspace in which eight things were done."""
    path = tmp_path_factory.mktemp("audit") / "template.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY))
    actor, issues = workspace.actor, workspace.issues
    issues.create(actor, IssueDraft("one", body="the body"))
    issues.create(actor, IssueDraft("two"))
    issues.edit(actor, "1", {"body": "a new body", "labels": ["db"]})
    issues.comment(actor, "1", "what was seen", CommentKind.WORK_NOTE)
    issues.set_status(actor, "1", IssueStatus.IN_PROGRESS)
    issues.resolve(actor, "1", "turn it off and on again")
    issues.assign(actor, "2", "nobody")
    workspace.close()
    return path


@pytest.fixture
def worked(template: Path, tmp_path: Path) -> Iterator[Workspace]:
    """Return a copy of that workspace, open."""
    path = tmp_path / "worked.db"
    shutil.copy(template, path)
    shutil.copy(key_file_path(template), key_file_path(path))
    workspace = Workspace.open(path, Unlock(environment_key=KEY))
    yield workspace
    workspace.close()


def sql(workspace: Workspace, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement as somebody would who holds the page key."""
    with workspace._database.write() as uow:
        return uow.sql(statement, *values)


def test_chain_of_all_actions_is_whole(worked: Workspace) -> None:
    """Every action adds one entry, and the untouched chain verifies."""
    assert worked.verify_audit() == audit.Verification(ENTRIES)
    assert [
        row[0]
        for row in sql(worked, "SELECT action FROM audit_entry ORDER BY sequence")
    ] == [
        "workspace.create",
        "issue.create",
        "issue.create",
        "issue.edit",
        "issue.comment",
        "issue.in_progress",
        "issue.resolve",
        "issue.edit",
    ]


def test_hostile_values_are_chained_like_others(worked: Workspace) -> None:
    """Any text and any kind of value can be told of in an entry."""
    with worked._database.write() as uow:
        audit.record(
            uow,
            worked.actor,
            worked._clock(),
            "issue.test",
            ("issue", "1"),
            before={"text": "\ud800\0"},
            after={"when": worked._clock(), "role": Role.ADMIN, "none": None},
        )

    assert worked.verify_audit() == audit.Verification(ENTRIES + 1)


# FAULTS 35
@pytest.mark.parametrize(
    ("column", "value"),
    [pytest.param(*edit, id=f"{n} {edit[0]}") for n, edit in enumerate(EDITS)],
)
def test_edited_column_is_found(worked: Workspace, column: str, value: object) -> None:
    """No column of any entry can be changed unseen."""
    for sequence in range(1, ENTRIES + 1):
        ((before,),) = sql(
            worked, f"SELECT {column} FROM audit_entry WHERE sequence = ?", sequence
        )
        statement = f"UPDATE audit_entry SET {column} = ? WHERE sequence = ?"
        sql(worked, statement, value, sequence)
        found = worked.verify_audit()

        assert (found.broken_at, found.entries) == (sequence, sequence - 1)
        assert found.reason
        sql(worked, statement, before, sequence)
    assert worked.verify_audit() == audit.Verification(ENTRIES)


def test_every_column_is_edited_above() -> None:
    """A column added later is added to the test of edits as well."""
    assert {column for column, _ in EDITS} | {"sequence"} == set(
        AuditEntry.model_fields
    )


# FAULTS 35
@pytest.mark.parametrize("deleted", [1, 5, ENTRIES - 1])
def test_deleted_entry_is_found(worked: Workspace, deleted: int) -> None:
    """A gap in the chain is told where it begins."""
    sql(worked, "DELETE FROM audit_entry WHERE sequence = ?", deleted)
    found = worked.verify_audit()

    assert (found.broken_at, found.entries) == (deleted + 1, deleted - 1)
    assert found.reason == f"entry {deleted} is missing"


# FAULTS 35
def test_closed_gap_is_found(worked: Workspace) -> None:
    """Numbering the entries anew after a deletion does not hide it."""
    sql(worked, "DELETE FROM audit_entry WHERE sequence = 4")
    for number in range(5, ENTRIES + 1):
        sql(
            worked,
            "UPDATE audit_entry SET sequence = ? WHERE sequence = ?",
            number - 1,
            number,
        )

    assert worked.verify_audit().broken_at == 4


# FAULTS 35
@pytest.mark.parametrize(("one", "two"), [(1, 2), (2, 7)])
def test_reordered_entries_are_found(worked: Workspace, one: int, two: int) -> None:
    """Two entries in each other's place are noticed at the first of them."""
    for before, after in ((one, 99), (two, one), (99, two)):
        sql(
            worked,
            "UPDATE audit_entry SET sequence = ? WHERE sequence = ?",
            after,
            before,
        )

    assert worked.verify_audit().broken_at == one


# FAULTS 35
def test_entry_of_another_history_is_found(worked: Workspace, template: Path) -> None:
    """An entry that was rightly signed, in a copy of the file, does not fit here."""
    copy = worked.path.with_name("copy.db")
    shutil.copy(template, copy)
    shutil.copy(key_file_path(template), key_file_path(copy))
    other = Workspace.open(copy, Unlock(environment_key=KEY))
    for workspace, title in ((worked, "here"), (other, "there")):
        workspace.issues.edit(workspace.actor, "1", {"title": title})
        workspace.issues.edit(workspace.actor, "1", {"title": f"{title} too"})
    columns = "at, change, before_digest, after_digest, previous_hash, hash, signature"
    (values,) = sql(other, f"SELECT {columns} FROM audit_entry WHERE sequence = 10")
    other.close()
    marks = ", ".join("?" * len(values))
    sql(
        worked,
        f"UPDATE audit_entry SET ({columns}) = ({marks}) WHERE sequence = 10",
        *values,
    )
    found = worked.verify_audit()

    assert (found.broken_at, found.reason) == (
        10,
        "it does not follow the entry before it",
    )


def _rehash(workspace: Workspace, start: int, key: Ed25519PrivateKey | None) -> None:
    """Recompute the chain from an entry on, as the program itself would."""
    with workspace._database.write() as uow:
        previous = audit.GENESIS
        entries = uow.session.exec(
            select(AuditEntry).order_by(col(AuditEntry.sequence))
        )
        for entry in entries.all():
            if entry.sequence >= start:
                entry.previous_hash = previous
                entry.hash = audit._entry_hash(entry)
                if key is not None:
                    entry.signature = key.sign(entry.hash)
                uow.session.add(entry)
            previous = entry.hash


# FAULTS 35
@pytest.mark.parametrize(
    "forger", [None, Ed25519PrivateKey.generate()], ids=["unsigned", "own key"]
)
def test_recomputed_chain_is_found(
    worked: Workspace, forger: Ed25519PrivateKey | None
) -> None:
    """Hashes can be recomputed by anybody; the signatures cannot."""
    sql(worked, "UPDATE audit_entry SET action = 'issue.none' WHERE sequence = 4")
    _rehash(worked, 4, forger)
    found = worked.verify_audit()

    assert (found.broken_at, found.reason) == (4, "its signature does not fit")


# FAULTS 35
def test_entry_of_an_unknown_actor_is_found(worked: Workspace) -> None:
    """An entry that an unregistered principal signed does not count."""
    stranger = replace(worked.actor, principal="0" * 32)
    with worked._database.write() as uow:
        audit.record(uow, stranger, worked._clock(), "issue.test", ("issue", "1"))
    found = worked.verify_audit()

    assert (found.broken_at, found.reason) == (ENTRIES + 1, "nobody known signed it")


# FAULTS 35
def test_entry_signed_for_another_actor_is_found(worked: Workspace) -> None:
    """One principal cannot sign in the name of another."""
    ((recovery,),) = sql(worked, "SELECT uuid FROM user WHERE name = 'recovery'")
    forged = replace(worked.actor, principal=recovery)
    with worked._database.write() as uow:
        audit.record(uow, forged, worked._clock(), "issue.test", ("issue", "1"))

    assert worked.verify_audit().broken_at == ENTRIES + 1


# FAULTS 35
def test_chain_signed_with_an_exchanged_key_is_found(worked: Workspace) -> None:
    """A chain made anew with a key that was put into the tables does not verify."""
    forger = Ed25519PrivateKey.generate()
    sql(
        worked,
        "UPDATE user SET signing_key = ?",
        forger.public_key().public_bytes_raw(),
    )
    sql(worked, "UPDATE audit_entry SET action = 'issue.none' WHERE sequence = 4")
    _rehash(worked, 1, forger)

    assert worked.verify_audit().broken_at is not None


# FAULTS 35
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE audit_entry SET role = 'king'", id="role"),
        pytest.param("UPDATE audit_entry SET at = 'yesterday'", id="at"),
        pytest.param("UPDATE audit_entry SET change = 'text'", id="change"),
        pytest.param("UPDATE audit_entry SET signature = 'text'", id="signature"),
    ],
)
def test_unreadable_entry_is_found(worked: Workspace, statement: str) -> None:
    """What cannot even be read is a finding as well."""
    sql(worked, statement)

    assert worked.verify_audit().broken_at == 1


def test_change_is_readable_by_admins_only(worked: Workspace) -> None:
    """What was changed to what is kept, sealed to the admins."""
    rows = sql(worked, "SELECT change FROM audit_entry WHERE sequence = 4")
    with worked._database.read() as uow:
        change = uow.open("audit_entry", "change", "4", rows[0][0])

    assert "the body" in change
    assert "a new body" in change
    assert rows[0][0][2:9] == b"admin-1"


def test_digests_are_of_the_values() -> None:
    """A digest is that of canonical JSON: order and spacing do not matter."""
    expected = hashlib.sha256(b'{"a":1,"b":"x"}').digest()

    assert audit.digest({"b": "x", "a": 1}) == expected
    assert audit.digest({"a": 2, "b": "x"}) != expected


REFUSED = (
    "CREATE TRIGGER refused BEFORE INSERT ON audit_entry "
    "BEGIN SELECT RAISE(ABORT, 'no more entries'); END"
)
TABLES = (
    "issue",
    "comment",
    "issue_event",
    "resolution",
    "index_queue",
    "rating",
    "quarantine",
    "source",
)


# FAULTS 36
@pytest.mark.parametrize(
    "action",
    [
        pytest.param(
            lambda w: w.issues.create(w.actor, IssueDraft("three", body="x")),
            id="create",
        ),
        pytest.param(lambda w: w.issues.edit(w.actor, "1", {"title": "x"}), id="edit"),
        pytest.param(lambda w: w.issues.comment(w.actor, "1", "x"), id="comment"),
        pytest.param(
            lambda w: w.issues.set_status(w.actor, "2", IssueStatus.CLOSED, "done"),
            id="status",
        ),
        pytest.param(
            lambda w: w.issues.resolve(w.actor, "2", "turn it off and on again"),
            id="resolve",
        ),
    ],
)
def test_action_that_cannot_be_recorded_is_not_done(
    worked: Workspace, action: Callable[[Workspace], object]
) -> None:
    """No audit entry, no change: the two are one transaction."""

    def state() -> list[object]:
        found: list[object] = [
            sql(worked, f"SELECT * FROM {table}") for table in TABLES
        ]
        return found

    before = state()
    sql(worked, REFUSED)
    with pytest.raises(StoreError, match="no more entries"):
        action(worked)

    assert state() == before
    sql(worked, "DROP TRIGGER refused")
    assert worked.verify_audit() == audit.Verification(ENTRIES)
    action(worked)
    assert worked.verify_audit() == audit.Verification(ENTRIES + 1)


def test_refused_action_leaves_no_entry(worked: Workspace) -> None:
    """What an actor may not do is neither done nor recorded as done."""
    viewer = replace(worked.actor, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        worked.issues.create(viewer, IssueDraft("three"))

    assert worked.verify_audit() == audit.Verification(ENTRIES)
