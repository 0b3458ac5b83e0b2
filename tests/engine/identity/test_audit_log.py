"""Reading the trail: filters, pages, the export, and the head in the keyring."""

import json
from collections.abc import Iterator
from datetime import timedelta

import keyring
import pytest
from keyring.backend import KeyringBackend

from conftest import Team, copy_files
from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity import audit_log
from issuetrack.engine.identity.audit_log import AuditFilter, AuditRecord
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.audit_head import HeadFile, keyring_head
from issuetrack.engine.store.slots import SlotKind
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unlock import Unlock, new_keyring_secret
from issuetrack.engine.workspace import Workspace


def found(team: Team, wanted: AuditFilter, limit: int = 50) -> list[AuditRecord]:
    """Return the entries that fit, as an admin sees them."""
    owner = team.open("owner")
    return owner.trail.entries(owner.actor, wanted, limit)


@pytest.fixture
def busy(team: Team) -> Team:
    """Return a workspace in which two people did four things."""
    for name in ("engineer", "second"):
        workspace = team.open(name)
        workspace.issues.create(workspace.actor, IssueDraft(f"by {name}"))
        workspace.issues.comment(workspace.actor, "1", f"by {name}")
    return team


def test_newest_entries_come_first(busy: Team) -> None:
    """With their names, their roles and what was changed."""
    newest, *_ = entries = found(busy, AuditFilter(), 3)

    assert [e.sequence for e in entries] == [9, 8, 7]
    assert (newest.actor, newest.role) == ("second", Role.ADMIN)
    assert (newest.action, newest.entity) == ("issue.comment", "issue:1")
    assert newest.after == {"kind": "public", "body": "by second"}
    assert newest.before is None
    assert newest.previous_hash == entries[1].hash
    assert len(bytes.fromhex(newest.signature)) == 64
    assert newest.before_digest is None
    assert newest.after_digest is not None


@pytest.mark.parametrize(
    ("wanted", "sequences"),
    [
        (AuditFilter(actor="engineer"), [7, 6]),
        (AuditFilter(actor="nobody"), []),
        (AuditFilter(action="issue.create"), [8, 6]),
        (AuditFilter(action="issue"), [9, 8, 7, 6]),
        (AuditFilter(action="iss"), []),
        (AuditFilter(action="%"), []),
        (AuditFilter(entity="issue"), [9, 8, 7, 6]),
        (AuditFilter(entity="issue:2"), [8]),
        (AuditFilter(entity="user:viewer"), [4]),
        (AuditFilter(entity="issue:1", actor="second"), [9]),
    ],
    ids=str,
)
def test_filters_pick_entries(
    busy: Team, wanted: AuditFilter, sequences: list[int]
) -> None:
    """By actor, action or its noun, entity or its type; together they narrow."""
    assert [e.sequence for e in found(busy, wanted)] == sequences


def test_times_pick_entries(busy: Team) -> None:
    """From one moment on, and before another."""
    entries = found(busy, AuditFilter())
    moments = {e.sequence: e.at for e in entries}
    since = found(busy, AuditFilter(since=moments[8]))
    until = found(busy, AuditFilter(until=moments[8]))

    assert [e.sequence for e in since] == [9, 8]
    assert [e.sequence for e in until] == [7, 6, 5, 4, 3, 2, 1]
    far = moments[9] + timedelta(days=1)
    assert found(busy, AuditFilter(since=far)) == []


def test_export_has_every_entry_and_tells_of_itself(
    busy: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, oldest first; what was written meanwhile comes along."""
    monkeypatch.setattr(audit_log, "PAGE", 3)
    owner = busy.open("owner")
    entries = list(owner.trail.every(owner.actor))

    assert [e.sequence for e in entries] == list(range(1, 11))
    assert entries[-1].action == "audit.export"
    assert entries[0].action == "workspace.create"
    assert [e.previous_hash for e in entries[1:]] == [e.hash for e in entries[:-1]]
    assert owner.verify_audit().entries == 10


def test_removed_user_keeps_the_name_in_the_trail(busy: Team) -> None:
    """Who did it is told long after they left."""
    owner = busy.open("owner")
    owner.accounts.remove(owner.actor, "engineer")

    assert [e.sequence for e in found(busy, AuditFilter(actor="engineer"))] == [7, 6]


@pytest.mark.parametrize("name", ["engineer", "viewer", "exporter"])
def test_trail_is_read_by_admins_only(busy: Team, name: str) -> None:
    """Others may check it, and not read it."""
    lower = busy.open(name)
    with pytest.raises(PermissionDenied):
        lower.trail.entries(lower.actor, AuditFilter())
    with pytest.raises(PermissionDenied):
        next(lower.trail.every(lower.actor))
    if name == "exporter":
        with pytest.raises(PermissionDenied):
            lower.verify_audit()
    else:
        assert lower.verify_audit().broken_at is None


class MemoryKeyring(KeyringBackend):
    """A keyring that keeps secrets while the test runs."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        """Return what was kept."""
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        self.kept[service, username] = password


@pytest.fixture
def by_keyring(team: Team) -> Iterator[Workspace]:
    """Return a workspace that its owner opens with the system keyring."""
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    owner = team.open("owner")
    owner.keys.add_slot(owner.actor, new_keyring_secret)
    yield open_by_keyring(team)
    keyring.set_keyring(before)


def open_by_keyring(team: Team) -> Workspace:
    """Open a workspace with what the keyring holds."""
    workspace = Workspace.open(team.path, Unlock(user="owner"), clock=team.clock)
    team.opened.append(workspace)
    assert workspace.opened_by is SlotKind.KEYRING
    return workspace


# FAULTS 35
def test_keyring_shows_that_all_files_are_old(
    team: Team, by_keyring: Workspace
) -> None:
    """Database, keys and head of one old time fit together; the keyring knows."""
    database = by_keyring._database.keychain.file.database
    team.close()
    old = copy_files(team.path, team.path.with_name("old") / "team.db")
    workspace = open_by_keyring(team)
    workspace.issues.create(workspace.actor, IssueDraft("lost"))
    last = workspace.verify_audit().entries
    team.close()
    assert keyring_head(database) == HeadFile(team.path).read()
    copy_files(old, team.path)
    workspace = open_by_keyring(team)
    verified = workspace.verify_audit()

    assert (verified.entries, verified.broken_at) == (last - 1, last)
    assert f"knows entry {last}" in (verified.reason or "")
    assert team.open("owner").verify_audit().broken_at is None
    workspace.trail.accept(workspace.actor)
    assert open_by_keyring(team).verify_audit().broken_at is None


def test_keyring_is_left_alone_by_others(team: Team, by_keyring: Workspace) -> None:
    """Only those who are opened by it write to it, and only after a change."""
    database = by_keyring._database.keychain.file.database
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("one"))
    team.close()

    assert keyring_head(database) is None
    reader = open_by_keyring(team)
    reader.issues.matching(reader.actor)
    reader.close()
    assert keyring_head(database) is None


def test_changes_are_json(busy: Team) -> None:
    """What is exported can be read by other programs."""
    for entry in found(busy, AuditFilter()):
        assert json.loads(json.dumps(entry.after)) == entry.after
