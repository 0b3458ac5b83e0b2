"""Slots and the recovery key: more ways to open a workspace, and fewer."""

from pathlib import Path

import pytest

from conftest import Team, key_of, secret_of
from issuetrack.engine.errors import (
    NotFoundError,
    PermissionDenied,
    UsageError,
    WrongKeyError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unlock import (
    Unlock,
    make_key_file,
    new_passphrase_secret,
    new_recovery_key,
    recovery_secret,
)
from issuetrack.engine.workspace import Workspace

PHRASE, NEW_PHRASE = "correct horse battery", "staple paper window"


def slots_of(team: Team, name: str) -> list[str]:
    """Return the ids of the slots that somebody has in the key file."""
    file = KeyFile.load(key_file_path(team.path))
    principal = file.state.named(name)
    assert principal is not None
    return [slot["id"] for slot in file.slots(principal.uuid)]


def opens_with(team: Team, unlock: Unlock) -> str:
    """Open the workspace with what is offered; return who it was opened for."""
    workspace = Workspace.open(team.path, unlock, clock=team.clock)
    team.opened.append(workspace)
    return workspace.actor.name


def phrase_file(folder: Path, text: str) -> Path:
    """Return a file with a passphrase."""
    path = folder / f"{text[:5]}.txt"
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def test_added_slot_opens_for_its_owner(team: Team, tmp_path: Path) -> None:
    """A viewer adds a key file of their own; the slot from before stays."""
    path = tmp_path / "viewer.key"
    viewer = team.open("viewer")
    secret = SlotSecret(SlotKind.KEY_FILE, make_key_file(path))
    line = viewer.keys.add_slot(viewer.actor, lambda _: secret)

    assert (line.user, line.kind) == ("viewer", SlotKind.KEY_FILE)
    assert slots_of(team, "viewer")[1].startswith(line.slot)
    assert opens_with(team, Unlock(key_file=path)) == "viewer"
    assert team.open("viewer").actor.role is Role.VIEWER
    status = viewer.keys.status(viewer.actor)
    assert [(s.user, s.kind) for s in status.slots if s.user == "viewer"] == [
        ("viewer", SlotKind.ENVIRONMENT),
        ("viewer", SlotKind.KEY_FILE),
    ]


def test_removed_slot_opens_no_more(team: Team) -> None:
    """A slot goes by the beginning of its id; another is needed first."""
    viewer = team.open("viewer")
    (first,) = slots_of(team, "viewer")
    with pytest.raises(UsageError, match="the last slot of viewer"):
        viewer.keys.remove_slot(viewer.actor, first)
    viewer.keys.add_slot(viewer.actor, lambda _: secret_of("new"))
    viewer.keys.remove_slot(viewer.actor, first[:8])
    with pytest.raises(WrongKeyError):
        team.open("viewer")

    assert opens_with(team, Unlock(environment_key=key_of("new"))) == "viewer"
    with pytest.raises(UsageError, match="the last slot"):
        viewer.keys.remove_slot(viewer.actor, slots_of(team, "viewer")[0])


@pytest.mark.parametrize("slot", ["0" * 33, "no slot"])
def test_unknown_slot_is_told(team: Team, slot: str) -> None:
    """What fits no slot removes none."""
    viewer = team.open("viewer")
    with pytest.raises(NotFoundError, match="viewer has no slot"):
        viewer.keys.remove_slot(viewer.actor, slot)


def test_no_name_of_a_slot_removes_none(team: Team) -> None:
    """An empty beginning fits every slot, and is not taken for any."""
    owner = team.open("owner")
    owner.keys.add_slot(owner.actor, lambda _: secret_of("new"))
    with pytest.raises(NotFoundError):
        owner.keys.remove_slot(owner.actor, "")

    assert len(slots_of(team, "owner")) == 2


def test_only_admins_remove_slots_of_others(team: Team) -> None:
    """An engineer cannot lock anybody out; an admin takes a stolen key away."""
    viewer = team.open("viewer")
    viewer.keys.add_slot(viewer.actor, lambda _: secret_of("new"))
    stolen = slots_of(team, "viewer")[0]
    engineer = team.open("engineer")
    with pytest.raises(PermissionDenied):
        engineer.keys.remove_slot(engineer.actor, stolen)
    assert stolen in slots_of(team, "viewer")
    owner = team.open("owner")
    owner.keys.remove_slot(owner.actor, stolen)

    assert stolen not in slots_of(team, "viewer")
    with pytest.raises(WrongKeyError):
        team.open("viewer")
    found = owner.trail.entries(owner.actor, AuditFilter(entity="user:viewer"), 2)
    assert [(e.action, e.actor, e.after) for e in found] == [
        ("key.remove_slot", "owner", {"slot": None}),
        ("key.add_slot", "viewer", {"slot": "environment"}),
    ]


def test_new_passphrase_leaves_other_slots(team: Team, tmp_path: Path) -> None:
    """`passwd` puts one passphrase in the place of all before it, and only those."""
    viewer = team.open("viewer")
    for _ in range(2):
        viewer.keys.add_slot(viewer.actor, lambda _: new_passphrase_secret(PHRASE))
    before = slots_of(team, "viewer")
    viewer.keys.change_passphrase(
        viewer.actor, lambda _: new_passphrase_secret(NEW_PHRASE)
    )
    after = slots_of(team, "viewer")

    assert after[0] == before[0]
    assert len(after) == 2
    assert set(after).isdisjoint(before[1:])
    with pytest.raises(WrongKeyError):
        opens_with(team, Unlock(passphrase_file=phrase_file(tmp_path, PHRASE)))
    new = Unlock(passphrase_file=phrase_file(tmp_path, NEW_PHRASE))
    assert opens_with(team, new) == "viewer"
    assert team.open("viewer").actor.name == "viewer"


def test_service_without_role_changes_its_passphrase_only(team: Team) -> None:
    """It may not look at keys, and not add ways to open the workspace."""
    exporter = team.open("exporter")
    exporter.keys.change_passphrase(
        exporter.actor, lambda _: new_passphrase_secret(PHRASE)
    )

    assert len(slots_of(team, "exporter")) == 2
    with pytest.raises(PermissionDenied):
        exporter.keys.status(exporter.actor)
    with pytest.raises(PermissionDenied):
        exporter.keys.add_slot(exporter.actor, lambda _: secret_of("new"))
    with pytest.raises(PermissionDenied):
        exporter.keys.remove_slot(exporter.actor, "00")


def test_old_recovery_key_opens_nothing(team: Team) -> None:
    """A recovery key that was seen by somebody is replaced as a whole."""
    path = key_file_path(team.path)
    stolen = Unlock(recovery_key=team.recovery_key).open(KeyFile.load(path))
    old, written = team.recovery_key, new_recovery_key()
    owner = team.open("owner")
    owner.keys.renew_recovery(owner.actor, recovery_secret(written))
    with pytest.raises(WrongKeyError):
        opens_with(team, Unlock(recovery_key=old))
    with pytest.raises(Exception, match="the keys of recovery were replaced"):
        KeyFile.load(path).unseal(stolen)
    team.recovery_key = written
    recovery = team.open("recovery")

    assert recovery.actor.name == "recovery"
    assert recovery.verify_audit().broken_at is None
    with pytest.raises(PermissionDenied, match="cannot replace itself"):
        recovery.keys.renew_recovery(recovery.actor, recovery_secret(written))
    second = team.open("second")
    recovered = recovery.accounts.renew(
        recovery.actor, "owner", lambda _: secret_of("new")
    )
    assert recovered.slots == (SlotKind.ENVIRONMENT,)
    assert opens_with(team, Unlock(environment_key=key_of("new"))) == "owner"
    assert second.verify_audit().broken_at is None


def test_recovery_key_gets_no_other_slot(team: Team) -> None:
    """It is no user: nobody works with it day by day."""
    recovery = team.open("recovery")
    with pytest.raises(UsageError, match="the recovery key is no user"):
        recovery.keys.add_slot(recovery.actor, lambda _: secret_of("new"))
    with pytest.raises(UsageError, match="the recovery key is no user"):
        recovery.keys.change_passphrase(
            recovery.actor, lambda _: new_passphrase_secret(PHRASE)
        )

    assert len(slots_of(team, "recovery")) == 1


@pytest.mark.parametrize("name", ["engineer", "viewer", "exporter"])
def test_only_admins_renew_the_recovery_key(team: Team, name: str) -> None:
    """It opens everything: nobody else makes one."""
    lower = team.open(name)
    with pytest.raises(PermissionDenied):
        lower.keys.renew_recovery(lower.actor, recovery_secret(new_recovery_key()))

    assert team.open("recovery").actor.name == "recovery"


def test_status_tells_what_is_under_each_key(team: Team) -> None:
    """Keys, whose values they protect, how many; and that all is done."""
    viewer = team.open("viewer")
    status = viewer.keys.status(viewer.actor)

    assert [(k.key, k.role, k.current, k.rows) for k in status.keys] == [
        ("page-1", None, True, None),
        ("viewer-1", Role.VIEWER, True, 0),
        ("engineer-1", Role.ENGINEER, True, 0),
        ("admin-1", Role.ADMIN, True, viewer.verify_audit().entries),
    ]
    assert not status.unfinished
    assert len(status.slots) == 6
    assert {len(s.slot) for s in status.slots} == {8}
