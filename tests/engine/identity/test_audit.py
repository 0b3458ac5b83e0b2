"""The audit chain: whatever is changed in it is found, at the first bad entry."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import col, select

from conftest import MakeWorkspace, Team, copy_files, secret_of
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.errors import PermissionDenied, StoreError, TamperedError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.audit_head import Head, HeadFile, head_file_path
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import CommentKind, IssueStatus, OutcomeResult, Role
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret
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
    ("change", b"\1\7admin-9" + bytes(40)),
    ("change_digest", bytes(32)),
    ("change_digest", None),
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
    path = copy_files(template, tmp_path / "worked.db")
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
    copy = copy_files(template, worked.path.with_name("copy.db"))
    other = Workspace.open(copy, Unlock(environment_key=KEY))
    for workspace, title in ((worked, "here"), (other, "there")):
        workspace.issues.edit(workspace.actor, "1", {"title": title})
        workspace.issues.edit(workspace.actor, "1", {"title": f"{title} too"})
    columns = "at, change, change_digest, before_digest, after_digest, previous_hash, hash, signature"
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


# FAULTS 35
@pytest.mark.parametrize("cut", [1, 3, ENTRIES])
def test_entries_cut_off_the_end_are_missed(worked: Workspace, cut: int) -> None:
    """The head file knows how far the chain went, to its very first entry."""
    sql(worked, "DELETE FROM audit_entry WHERE sequence > ?", ENTRIES - cut)
    found = worked.verify_audit()

    assert found.entries == ENTRIES - cut
    assert found.broken_at == ENTRIES - cut + 1
    with pytest.raises(TamperedError, match=r"ends at entry|missing"):
        worked.issues.assign(worked.actor, "2", "somebody")


# FAULTS 35
@pytest.mark.parametrize("head", ["gone", "rewritten"])
def test_chain_deleted_with_its_head_is_missed(worked: Workspace, head: str) -> None:
    """A workspace has one entry from its first moment on."""
    sql(worked, "DELETE FROM audit_entry")
    if head == "gone":
        head_file_path(worked.path).unlink()
    else:
        HeadFile(worked.path).write(Head(0, audit.GENESIS))
    found = worked.verify_audit()

    assert (found.broken_at, found.reason) == (1, "entry 1 is missing")


# FAULTS 35
@pytest.mark.parametrize(
    ("content", "broken_at", "words"),
    [
        (None, ENTRIES + 1, "missing or unreadable"),
        ("", ENTRIES + 1, "missing or unreadable"),
        (Head(ENTRIES + 5, bytes(32)).text, ENTRIES + 1, "it had 13"),
        (Head(ENTRIES, bytes(32)).text, ENTRIES + 1, "is not the one"),
    ],
    ids=["deleted", "emptied", "too far", "another entry"],
)
def test_changed_head_file_is_found(
    worked: Workspace, content: str | None, broken_at: int, words: str
) -> None:
    """Without its head the end of the chain proves nothing, and nobody writes on."""
    path = head_file_path(worked.path)
    path.unlink()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    found = worked.verify_audit()

    assert (found.entries, found.broken_at) == (ENTRIES, broken_at)
    assert words in (found.reason or "")
    with pytest.raises(TamperedError, match=words):
        worked.issues.assign(worked.actor, "2", "somebody")


# FAULTS 35
def test_accepted_head_is_gone_on_from(worked: Workspace) -> None:
    """An admin takes the chain as it is, and that is an entry of its own."""
    sql(worked, "DELETE FROM audit_entry WHERE sequence = ?", ENTRIES)
    assert worked.verify_audit().broken_at == ENTRIES
    accepted = worked.trail.accept(worked.actor)
    (entry,) = worked.trail.entries(worked.actor, AuditFilter(action="audit.accept"))

    assert accepted == entry.sequence == ENTRIES
    assert entry.before["sequence"] == ENTRIES
    assert entry.after == {}
    assert worked.verify_audit() == audit.Verification(ENTRIES)
    worked.issues.assign(worked.actor, "2", "somebody")
    assert worked.verify_audit() == audit.Verification(ENTRIES + 1)


def test_missing_head_is_accepted_as_none(worked: Workspace) -> None:
    """Where no head was left the entry says so."""
    head_file_path(worked.path).unlink()
    worked.trail.accept(worked.actor)
    (entry,) = worked.trail.entries(worked.actor, AuditFilter(action="audit.accept"))

    assert entry.before["sequence"] == 0
    assert worked.verify_audit() == audit.Verification(ENTRIES + 1)


# FAULTS 35
def test_broken_chain_is_not_mended_by_accepting(worked: Workspace) -> None:
    """Only the end can be accepted; an edited entry stays found."""
    sql(worked, "UPDATE audit_entry SET action = 'issue.none' WHERE sequence = 4")
    worked.trail.accept(worked.actor)

    assert worked.verify_audit().broken_at == 4


# FAULTS 35
@pytest.mark.parametrize("name", ["engineer", "viewer", "exporter"])
def test_only_admins_accept(team: Team, name: str) -> None:
    """Whoever might have cut the chain does not declare it whole."""
    head_file_path(team.path).unlink()
    lower = team.open(name)
    # The refusal itself cannot be recorded on a chain without its head.
    with pytest.raises((PermissionDenied, TamperedError)):
        lower.trail.accept(lower.actor)

    assert not head_file_path(team.path).exists()


# FAULTS 35
def test_exchanged_change_is_found_by_whoever_may_read_it(team: Team) -> None:
    """The text of a change is bound to its entry, though the hash covers a digest."""
    owner, viewer = team.open("owner"), team.open("viewer")
    ((change,),) = sql(owner, "SELECT change FROM audit_entry WHERE sequence = 3")
    with owner._database.write() as uow:
        text = json.loads(uow.open("audit_entry", "change", "3", change))
        text["after"] = {"role": "viewer"}
        forged = uow.seal("audit_entry", "change", "3", json.dumps(text), Role.ADMIN)
        uow.sql("UPDATE audit_entry SET change = ? WHERE sequence = 3", forged)
    found = owner.verify_audit()

    assert (found.broken_at, found.reason) == (3, "its readable change was exchanged")
    assert viewer.verify_audit().broken_at is None


# FAULTS 35
def test_change_under_a_key_that_there_is_not_is_found(team: Team) -> None:
    """Passing a change off as one of an unknown key does not stop the check."""
    owner = team.open("owner")
    sql(
        owner,
        "UPDATE audit_entry SET change = ? WHERE sequence = 2",
        b"\1\7admin-9" + bytes(40),
    )
    found = owner.verify_audit()

    assert (found.broken_at, found.reason) == (2, "its readable change was exchanged")


# FAULTS 35
@pytest.mark.parametrize("rewrite_head", [True, False])
def test_viewer_with_the_page_key_cannot_forge_the_chain(
    team: Team, rewrite_head: bool
) -> None:
    """Recomputed hashes with a viewer's own signatures are found at the first."""
    viewer = team.open("viewer")
    sql(viewer, "UPDATE audit_entry SET action = 'issue.none' WHERE sequence = 3")
    _rehash(viewer, 3, viewer.actor.signing)
    if rewrite_head:
        with viewer._database.read() as uow:
            HeadFile(team.path).write(audit.last_entry(uow))
    found = team.open("owner").verify_audit()

    assert (found.broken_at, found.reason) == (3, "its signature does not fit")


# FAULTS 35
def test_viewer_cannot_sign_in_a_higher_role(team: Team) -> None:
    """The role in an entry is the one that the key log says."""
    viewer = team.open("viewer")
    raised = replace(viewer.actor, role=Role.ADMIN)
    with viewer._database.write() as uow:
        sequence = audit.record(uow, raised, viewer._clock(), "user.add", ("user", "x"))
    found = team.open("owner").verify_audit()

    assert (found.broken_at, found.reason) == (
        sequence,
        "viewer was viewer, not admin",
    )


# FAULTS 35
@pytest.mark.parametrize("how", ["removed", "disabled"])
def test_entry_signed_after_leaving_is_found(team: Team, how: str) -> None:
    """Whoever left kept a signing key, but cannot sign anything any more."""
    engineer = team.open("engineer")
    owner = team.open("owner")
    leave = owner.accounts.remove if how == "removed" else owner.accounts.disable
    leave(owner.actor, "engineer")
    with owner._database.write() as uow:
        now = owner._clock()
        sequence = audit.record(uow, engineer.actor, now, "issue.edit", ("issue", "1"))
    found = owner.verify_audit()

    assert (found.broken_at, found.reason) == (
        sequence,
        "engineer could not sign at that time",
    )


# FAULTS 35
def test_entry_that_told_of_leaving_is_not_replaced(team: Team) -> None:
    """Not even the last entry, with a head to it, can be the leaver's own."""
    engineer = team.open("engineer")
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "engineer")
    last = owner.verify_audit().entries
    sql(owner, "DELETE FROM audit_entry WHERE sequence = ?", last)
    with owner._database.read() as uow:
        HeadFile(team.path).write(audit.last_entry(uow))
    assert owner.verify_audit().reason == f"entry {last} is missing"
    with owner._database.write() as uow:
        audit.record(uow, engineer.actor, owner._clock(), "issue.edit", ("issue", "1"))
    found = owner.verify_audit()

    assert (found.broken_at, found.reason) == (
        last,
        "engineer could not sign at that time",
    )


# FAULTS 35
def test_entry_from_before_a_role_is_found(team: Team) -> None:
    """Entries of a time in which somebody was not there yet are not theirs."""
    owner = team.open("owner")
    owner.accounts.add(owner.actor, "new", Role.ADMIN, lambda _: secret_of("new"))
    new = team.open("new")
    with new._database.write() as uow:
        entry = uow.session.get_one(AuditEntry, 3)
        entry.actor = new.actor.principal
        uow.session.add(entry)
    _rehash(new, 3, new.actor.signing)

    assert owner.verify_audit().reason == "new could not sign at that time"


# FAULTS 35
def test_rightly_changed_roles_verify(team: Team) -> None:
    """What each signed in each role stays good, whatever became of them."""
    owner, engineer = team.open("owner"), team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("as engineer"))
    owner.accounts.set_role(owner.actor, "engineer", Role.ADMIN)
    promoted = team.open("engineer")
    promoted.accounts.disable(promoted.actor, "second")
    owner.accounts.set_role(owner.actor, "engineer", Role.VIEWER)
    owner.accounts.remove(owner.actor, "engineer")
    owner.accounts.enable(owner.actor, "second")
    again = team.open("second")
    again.issues.create(again.actor, IssueDraft("as admin again"))

    for name in ("owner", "second", "viewer"):
        assert team.open(name).verify_audit().broken_at is None


# FAULTS 35
def test_database_and_head_of_an_old_time_are_refused(team: Team) -> None:
    """With newer keys, the old database tells itself."""
    old = copy_files(team.path, team.path.with_name("old") / "team.db")
    owner = team.open("owner")
    owner.accounts.disable(owner.actor, "viewer")
    team.close()
    shutil.copy(old, team.path)
    shutil.copy(head_file_path(old), head_file_path(team.path))

    with pytest.raises(TamperedError, match="is older than"):
        team.open("owner")


# FAULTS 35
@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.accounts.set_role(w.actor, "engineer", Role.VIEWER),
        lambda w: w.accounts.disable(w.actor, "engineer"),
        lambda w: w.accounts.remove(w.actor, "second"),
        lambda w: w.accounts.renew(w.actor, "engineer", _new),
        lambda w: w.accounts.add(w.actor, "new", Role.VIEWER, _new),
        lambda w: w.keys.renew_recovery(w.actor, recovery_secret(new_recovery_key())),
    ],
    ids=["demoted", "disabled", "removed", "renewed", "added", "recovery"],
)
def test_old_keys_put_back_with_the_page_key_are_found(
    team: Team, change: Callable[[Workspace], object]
) -> None:
    """Somebody demoted may roll the keys back, tables included: the trail knows."""
    path = key_file_path(team.path)
    old = path.read_bytes()
    owner = team.open("owner")
    kept = sql(owner, "SELECT value, key FROM setting WHERE key LIKE 'keys.%'")
    change(owner)
    last = owner.verify_audit().entries
    with owner._database.raw() as connection:
        connection.executemany("UPDATE setting SET value = ? WHERE key = ?", kept)
    team.close()
    path.write_bytes(old)
    found = team.open("owner").verify_audit()

    assert (found.broken_at, found.entries) == (last, last - 1)
    assert found.reason == "the keys do not know of it: an old key file was put back"


# FAULTS 35
def test_old_database_alone_is_found(team: Team) -> None:
    """Where the keys did not change, its head tells that entries were lost."""
    old = team.path.read_bytes()
    engineer = team.open("engineer")
    last = engineer.verify_audit().entries
    engineer.issues.create(engineer.actor, IssueDraft("lost"))
    team.close()
    team.path.write_bytes(old)
    engineer = team.open("engineer")
    found = engineer.verify_audit()

    assert (found.entries, found.broken_at) == (last, last + 1)
    assert f"it had {last + 1}" in (found.reason or "")
    with pytest.raises(TamperedError, match="an old copy of the database"):
        engineer.issues.create(engineer.actor, IssueDraft("not written"))
    assert engineer.issues.matching(engineer.actor)[1] == 0


# FAULTS 10
@pytest.mark.parametrize(
    "shift",
    [timedelta(days=-1), timedelta(days=-3650), timedelta(hours=-1), timedelta(days=9)],
    ids=["a day back", "ten years back", "an hour back", "ahead"],
)
def test_clock_that_jumps_does_not_break_the_chain(
    team: Team, shift: timedelta
) -> None:
    """Entries are in the order of their numbers, whatever time they tell."""
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("one"))
    team.clock.now += shift
    engineer.issues.assign(engineer.actor, "1", "somebody")
    team.clock.now -= 2 * shift
    engineer.issues.comment(engineer.actor, "1", "and on")
    owner = team.open("owner")
    found = owner.trail.entries(owner.actor, AuditFilter(entity="issue:1"))

    assert owner.verify_audit().broken_at is None
    assert [e.action for e in found] == ["issue.comment", "issue.edit", "issue.create"]
    moments = [e.at for e in found]
    assert (moments[1] < moments[2]) == (shift < timedelta())
    every = [e.sequence for e in owner.trail.every(owner.actor)]
    assert every == list(range(1, len(every) + 1))


# FAULTS 10
def test_hour_that_comes_twice_is_told_apart(team: Team) -> None:
    """At the end of summer time each entry keeps its own moment, in UTC."""
    berlin = ZoneInfo("Europe/Berlin")
    moments = [
        datetime(2026, 10, 25, 2, 30, tzinfo=berlin),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=berlin),
        datetime(2026, 3, 29, 2, 30, tzinfo=berlin),
    ]
    engineer = team.open("engineer")
    for number in range(len(moments)):
        engineer.issues._clock = partial(moments.__getitem__, number)
        engineer.issues.create(engineer.actor, IssueDraft(f"issue {number}"))
    owner = team.open("owner")
    found = owner.trail.entries(owner.actor, AuditFilter(action="issue.create"))[::-1]

    assert [e.at for e in found] == [m.astimezone(UTC) for m in moments]
    assert found[1].at - found[0].at == timedelta(hours=1)
    assert owner.verify_audit().broken_at is None


def test_entry_of_schema_0001_covers_its_sealed_change(team: Team) -> None:
    """Such an entry has no digest; it verifies, and any edit of it is found."""
    owner = team.open("owner")
    with owner._database.write() as uow:
        audit.record(uow, owner.actor, owner._clock(), "issue.old", ("issue", "1"))
        entry = uow.session.get_one(AuditEntry, uow.audited.sequence)  # type: ignore[union-attr]
        entry.change_digest = None
        entry.hash = audit._entry_hash(entry)
        entry.signature = owner.actor.signing.sign(entry.hash)
        uow.session.add(entry)
        uow.session.flush()
        uow.audited = audit.last_entry(uow)
        last = entry.sequence
    assert owner.verify_audit() == audit.Verification(last)
    owner.keys.rotate(owner.actor)
    status = owner.keys.status(owner.actor)

    assert owner.verify_audit().broken_at is None
    assert {k.key: k.rows for k in status.keys}["admin-1"] == 1
    assert "viewer-1" not in {k.key for k in status.keys}
    assert not status.unfinished
    sql(owner, "UPDATE audit_entry SET change = x'00' WHERE sequence = ?", last)
    assert owner.verify_audit().broken_at == last


def test_personal_data_and_secrets_are_masked_in_changes(team: Team) -> None:
    """The readable change is for admins, and still shows no password."""
    engineer = team.open("engineer")
    body = "password=hunter2secret, mail anna.smith@example.org "
    engineer.issues.create(
        engineer.actor,
        IssueDraft("x" * 100, body=body + "z" * 3000, labels=("a@example.org",)),
    )
    owner = team.open("owner")
    (entry,) = owner.trail.entries(owner.actor, AuditFilter(entity="issue"))
    shown = json.dumps([entry.before, entry.after])

    assert "hunter2secret" not in shown
    assert "example.org" not in shown
    assert "characters)" in entry.after["body"]
    assert engineer.issues.get(engineer.actor, "1").body == body + "z" * 3000


def test_digests_tell_nothing_without_their_salt(team: Team) -> None:
    """Equal values have different digests; with the salt they can be proven."""
    engineer = team.open("engineer")
    for _ in range(2):
        engineer.issues.create(engineer.actor, IssueDraft("the same"))
    owner = team.open("owner")
    one, two = owner.trail.entries(owner.actor, AuditFilter(entity="issue"))
    ((change,),) = sql(
        owner, "SELECT change FROM audit_entry WHERE sequence = ?", one.sequence
    )
    with owner._database.read() as uow:
        text = json.loads(uow.open("audit_entry", "change", str(one.sequence), change))

    assert one.after_digest != two.after_digest
    proof = audit.digest({"salt": text["salt"], "content": one.after})
    assert proof.hex() == one.after_digest
    assert one.before_digest is None


REFUSED = (
    "CREATE TRIGGER refused BEFORE INSERT ON audit_entry "
    "BEGIN SELECT RAISE(ABORT, 'no more entries'); END"
)


def state_of(workspace: Workspace) -> list[object]:
    """Return every row of every table, and the files beside the database."""
    found: list[object] = []
    with workspace._database.read() as uow:
        for (table,) in uow.sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' "
            "AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        ):
            found.append((table, uow.sql(f'SELECT * FROM "{table}"')))
    for path in (key_file_path(workspace.path), head_file_path(workspace.path)):
        found.append(path.read_bytes())
    found.append(sorted(p.name for p in workspace.path.parent.rglob("*Z")))
    found.append(workspace.path.read_bytes()[:16])
    return found


def _import(workspace: Workspace) -> object:
    path = workspace.path.with_name("more.jsonl")
    path.write_text('{"key": "B-1", "title": "new"}\n{"key": "B-2", "title": ""}\n')
    reader = FileReader(path, FileFormat.JSONL, {})
    return workspace.imports.run(
        workspace.actor, "more", FileFormat.JSONL, reader.items()
    )


def _new(_: str) -> SlotSecret:
    return secret_of("new")


Action = Callable[[Workspace], object]
ACTIONS: dict[str, Action] = {
    "create": lambda w: w.issues.create(w.actor, IssueDraft("three", body="x")),
    "edit": lambda w: w.issues.edit(w.actor, "1", {"title": "x"}),
    "assign": lambda w: w.issues.assign(w.actor, "1", "x"),
    "comment": lambda w: w.issues.comment(w.actor, "1", "x"),
    "status": lambda w: w.issues.set_status(w.actor, "2", IssueStatus.CLOSED, "done"),
    "resolve": lambda w: w.issues.resolve(w.actor, "2", "turn it off and on again"),
    "import": _import,
    "suggest": lambda w: w.suggestions.suggest(w.actor, Question("the node is down")),
    "rate": lambda w: w.feedback.rate(w.actor, "R1", 4, "thanks"),
    "outcome": lambda w: w.feedback.outcome(w.actor, "R1", OutcomeResult.PARTLY),
    "link": lambda w: w.linking.link(w.actor, "2", "1"),
    "unset policy": lambda w: w.policies.unset(w.actor, "duplicates.warn"),
    "rebuild": lambda w: w.rebuild_index(),
    "user add": lambda w: w.accounts.add(w.actor, "new", Role.VIEWER, _new),
    "user role": lambda w: w.accounts.set_role(w.actor, "viewer", Role.ENGINEER),
    "user disable": lambda w: w.accounts.disable(w.actor, "viewer"),
    "user enable": lambda w: w.accounts.enable(w.actor, "exporter"),
    "user remove": lambda w: w.accounts.remove(w.actor, "viewer"),
    "user renew": lambda w: w.accounts.renew(w.actor, "viewer", _new),
    "add slot": lambda w: w.keys.add_slot(w.actor, _new),
    "passwd": lambda w: w.keys.change_passphrase(w.actor, _new),
    "remove slot": lambda w: w.keys.remove_slot(w.actor, _slot_of(w, "second")),
    "recovery": lambda w: w.keys.renew_recovery(
        w.actor, recovery_secret(new_recovery_key())
    ),
    "rotate": lambda w: w.keys.rotate(w.actor),
    "rekey": lambda w: w.keys.rekey(w.actor),
    "backup": lambda w: w.maintenance.backup(w.actor),
    "compact": lambda w: w.maintenance.compact(w.actor),
    "export audit": lambda w: next(w.trail.every(w.actor)),
    "accept": lambda w: w.trail.accept(w.actor),
}


def _slot_of(workspace: Workspace, name: str) -> str:
    file = KeyFile.load(key_file_path(workspace.path))
    principal = file.state.named(name)
    assert principal is not None
    return str(file.slots(principal.uuid)[-1]["id"])


@pytest.fixture(scope="module")
def busy_template(
    team_template: Team, tmp_path_factory: pytest.TempPathFactory, embedder: Any
) -> Path:
    """Return a closed workspace in which there is something to change everywhere."""
    path = copy_files(team_template.path, tmp_path_factory.mktemp("busy") / "busy.db")
    owner = Workspace.open(path, team_template.unlock("owner"), embedder)
    owner.issues.create(owner.actor, IssueDraft("the node is down", body="one"))
    owner.issues.create(owner.actor, IssueDraft("the node is down again"))
    owner.drain_index()
    owner.suggestions.suggest(owner.actor, Question("the node is down"))
    owner.accounts.disable(owner.actor, "exporter")
    owner.close()
    second = Workspace.open(path, team_template.unlock("second"), embedder)
    second.keys.add_slot(second.actor, lambda _: secret_of("second, spare"))
    second.close()
    return path


@pytest.fixture
def busy(
    busy_template: Path, team_template: Team, tmp_path: Path, embedder: Any
) -> Iterator[Workspace]:
    """Return a copy of that workspace, open as its owner."""
    path = copy_files(busy_template, tmp_path / "busy.db")
    workspace = Workspace.open(path, team_template.unlock("owner"), embedder)
    yield workspace
    workspace.close()


# FAULTS 36
@pytest.mark.parametrize("name", list(ACTIONS))
def test_action_that_cannot_be_recorded_is_not_done(busy: Workspace, name: str) -> None:
    """No audit entry, no change: neither in the tables nor in the files beside."""
    entries = busy.verify_audit().entries
    before = state_of(busy)
    sql(busy, REFUSED)
    with pytest.raises(StoreError, match="no more entries"):
        ACTIONS[name](busy)

    assert state_of(busy) == before
    sql(busy, "DROP TRIGGER refused")
    assert busy.verify_audit() == audit.Verification(entries)
    ACTIONS[name](busy)
    found = busy.verify_audit()
    assert found.broken_at is None
    assert found.entries > entries


# FAULTS 36
def test_refusal_that_cannot_be_recorded_stays_one(team: Team) -> None:
    """Who may not is not let in because the trail is full."""
    viewer = team.open("viewer")
    sql(viewer, REFUSED)
    with pytest.raises(StoreError, match="no more entries"):
        viewer.issues.create(viewer.actor, IssueDraft("no"))

    assert viewer.issues.matching(viewer.actor)[1] == 0


# FAULTS 36
def test_head_that_cannot_be_written_stops_nobody(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain is in the database; a head left behind is what a crash leaves."""
    engineer = team.open("engineer")

    def full(self: HeadFile, head: Head) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(HeadFile, "write", full)
        engineer.issues.create(engineer.actor, IssueDraft("one"))
    assert engineer.verify_audit().broken_at is None
    engineer.issues.create(engineer.actor, IssueDraft("two"))
    with engineer._database.read() as uow:
        assert HeadFile(team.path).read() == audit.last_entry(uow)


def test_refused_action_is_told_as_refused(worked: Workspace) -> None:
    """What an actor may not do is not done, and recorded as denied."""
    viewer = replace(worked.actor, role=Role.VIEWER)
    with pytest.raises(PermissionDenied):
        worked.issues.create(viewer, IssueDraft("three"))
    (entry,) = worked.trail.entries(worked.actor, AuditFilter(action="access"))

    assert worked.verify_audit() == audit.Verification(ENTRIES + 1)
    assert (entry.sequence, entry.action) == (ENTRIES + 1, "access.denied")
    assert entry.entity == "permission:write issues"


# FAULTS 35
def test_tail_cut_off_and_gone_on_from_is_found(
    make_workspace: MakeWorkspace, tmp_path: Path
) -> None:
    """A chain that is longer than the head but does not hold its entry is refused."""
    workspace = make_workspace()
    workspace.issues.create(workspace.actor, IssueDraft("one"))
    workspace.close()
    old = copy_files(tmp_path / "test.db", tmp_path / "old/test.db")
    workspace = make_workspace()
    workspace.issues.create(workspace.actor, IssueDraft("hidden"))
    workspace.close()
    head = (tmp_path / "test.db.head").read_bytes()

    copy_files(old, tmp_path / "test.db")
    workspace = make_workspace()
    for number in range(3):
        workspace.issues.create(workspace.actor, IssueDraft(f"put there {number}"))
    workspace.close()
    (tmp_path / "test.db.head").write_bytes(head)
    workspace = make_workspace()

    found = workspace.verify_audit()
    assert "entry 3 of the audit trail is not the one" in (found.reason or "")
    with pytest.raises(TamperedError, match="entry 3"):
        workspace.issues.create(workspace.actor, IssueDraft("four"))
