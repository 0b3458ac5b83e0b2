"""Keys while they change under a running program, and changes that are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import Team, secret_of
from engine.store.conftest import keychain_of
from issuetrack.engine.errors import LockedError, TamperedError
from issuetrack.engine.store.encryption import Place
from issuetrack.engine.store.file_guard import HAS_LOCKS, FileGuard
from issuetrack.engine.store.key_changes import KeyChanges
from issuetrack.engine.store.keychain import Keychain
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role

PLACE = Place("issue", "body", "row")


def chain(team: Team, name: str) -> Keychain:
    """Return the keychain of a member."""
    return keychain_of(team.path, team.unlock(name))


def changed(keychain: Keychain) -> tuple[KeyFile, KeyChanges]:
    """Return the next key file, and what changes it."""
    file = keychain.file.copy(revision=keychain.file.revision + 1)
    return file, KeyChanges.by(keychain.keys, file)


def with_new_keys(keychain: Keychain) -> KeyFile:
    """Return the next key file with a new key for every role."""
    file, changes = changed(keychain)
    for role in READER_ROLES:
        changes.new_role_key(role)
    return file


def test_value_under_an_unknown_key_makes_the_file_be_read_again(team: Team) -> None:
    """A program that was not there at a rotation reads what came after it."""
    owner, viewer = chain(team, "owner"), chain(team, "viewer")
    file = with_new_keys(owner)
    file.save(owner.path)
    owner.adopt(file, own=True)
    sealed = owner.cipher.seal("later", PLACE, Role.VIEWER)

    assert sealed[2:10] == b"viewer-2"
    assert viewer.cipher.current(Role.VIEWER) == "viewer-1"
    assert viewer.cipher.open(sealed, PLACE) == "later"
    assert viewer.cipher.current(Role.VIEWER) == "viewer-2"
    assert viewer.cipher.seal("x", PLACE, Role.VIEWER)[2:10] == b"viewer-2"


def test_file_of_the_same_revision_is_not_read_again(team: Team) -> None:
    """Only a newer file is adopted; an older one is left alone."""
    viewer = chain(team, "viewer")
    before = viewer.file
    viewer.file.copy(revision=1).save(viewer.path)
    viewer.reload()

    assert viewer.file is before


def test_page_key_is_found_by_salt(team: Team) -> None:
    """The salt in the file says which page key it is under."""
    viewer = chain(team, "viewer")
    salt = team.path.read_bytes()[:16]

    assert len(viewer.page_key(salt)) == 32
    assert (viewer.page_key_id(salt), viewer.page_key_id(bytes(16))) == (
        "page-1",
        "none",
    )
    with pytest.raises(TamperedError, match="has no key for the database beside it"):
        viewer.page_key(bytes(16))


def test_page_key_made_meanwhile_is_found(team: Team) -> None:
    """A key for a salt that was not known is looked for in the file."""
    owner, viewer = chain(team, "owner"), chain(team, "viewer")
    file, changes = changed(owner)
    key = changes.new_page_key(bytes(16))
    file.save(owner.path)

    assert viewer.page_key(bytes(16)) == key


def test_file_that_goes_another_way_is_not_adopted(team: Team) -> None:
    """Neither an older log, nor another branch, nor another database."""
    owner = chain(team, "owner")
    first, second = with_new_keys(owner), with_new_keys(owner)
    owner.adopt(first, own=True)
    for other in (
        second,
        second.copy(revision=9),
        KeyFile.load(owner.path).copy(revision=99),
    ):
        with pytest.raises(TamperedError, match="does not go on from the keys"):
            owner.adopt(other)
    elsewhere, _ = KeyFile.create("owner", lambda _: [], secret_of("recovery"))
    with pytest.raises(TamperedError, match="does not go on from the keys"):
        owner.adopt(elsewhere)

    assert owner.file is first


def test_shorter_log_is_not_adopted_from_disk(team: Team) -> None:
    """The last event cannot be cut off a file that a program has seen."""
    owner = chain(team, "owner")
    content = json.loads(owner.file.dump())
    content["log"].pop()
    content["revision"] += 1
    owner.path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(TamperedError, match="does not go on from the keys"):
        owner.reload()


@pytest.mark.parametrize("own", [True, False])
def test_change_of_role_by_others_is_told(team: Team, own: bool) -> None:
    """A program does not go on in a role that it was not started in."""
    owner, viewer = chain(team, "owner"), chain(team, "viewer")
    file, changes = changed(owner)
    changes.set_role(viewer.principal, Role.ENGINEER, 99)
    if own:
        viewer.adopt(file, own=True)
        assert viewer.principal.role is Role.ENGINEER
        assert viewer.cipher.can_read(Role.ENGINEER)
    else:
        with pytest.raises(LockedError, match="viewer is engineer now"):
            viewer.adopt(file)
        assert viewer.principal.role is Role.VIEWER
        assert not viewer.cipher.can_read(Role.ENGINEER)


def test_removed_principal_does_not_adopt(team: Team) -> None:
    """Whoever is gone keeps what they had, and gets nothing more."""
    owner, viewer = chain(team, "owner"), chain(team, "viewer")
    file, changes = changed(owner)
    changes.remove(viewer.principal, 99)
    with pytest.raises(LockedError, match="this user may not open"):
        viewer.adopt(file)

    assert viewer.file.state.named("viewer") is not None


def test_retired_key_that_nobody_has_is_no_matter(team: Team) -> None:
    """Retiring twice, or what the admin does not hold, changes nothing."""
    owner = chain(team, "owner")
    file, changes = changed(owner)
    changes.retire(["viewer-1", "never-1"])
    again, more = changed(owner)
    more.retire(["viewer-1"])
    more.retire(["viewer-1"])

    for retired in (file, again):
        sealed = {k for p in retired.principals() for k in retired.sealed(p.uuid)}
        assert sealed == {"page-1", "engineer-1", "admin-1"}


def test_changes_are_made_by_whoever_may(team: Team) -> None:
    """A viewer who changes a copy of the file is stopped by the log itself."""
    viewer = chain(team, "viewer")
    acts: list[Callable[[KeyChanges], object]] = [
        lambda c: c.add("new", PrincipalKind.PERSON, Role.ADMIN, [], 99),
        lambda c: c.set_role(viewer.principal, Role.ADMIN, 99),
        lambda c: c.new_role_key(Role.ENGINEER),
        lambda c: c.new_page_key(bytes(16)),
    ]
    for act in acts:
        _, changes = changed(viewer)
        with pytest.raises(TamperedError, match="is not signed by an admin"):
            act(changes)


def test_key_sealed_by_a_stranger_is_not_used(team: Team) -> None:
    """The public half of a role key is signed: another secret does not fit it."""
    owner = chain(team, "owner")
    content = json.loads(owner.file.dump())
    file = KeyFile(content)
    file.seal_key(owner.principal, "viewer-1", bytes(32))
    with pytest.raises(TamperedError, match="the key viewer-1 is not signed"):
        file.unseal(owner.keys.private)


def test_keys_do_not_show_themselves(team: Team) -> None:
    """A log line with a keychain's keys gives nothing away."""
    keys = chain(team, "owner").keys
    shown = repr(keys)

    for secret in (*keys.page_keys.values(), keys.private.payload):
        assert repr(secret) not in shown
    assert repr(replace(keys)) == shown


@pytest.mark.skipif(not HAS_LOCKS, reason="this platform has no locks on files")
def test_guard_is_held_by_one_alone_or_by_many(tmp_path: Path) -> None:
    """Whoever replaces a file waits for all who use it, not for ever."""
    path = tmp_path / "a.db"
    one, two, three = (FileGuard(path) for _ in range(3))
    one.share()
    two.share()
    with pytest.raises(Exception, match="busy for too long"), three.alone(0.05):
        pytest.fail("it is in use")
    one.release()
    two.release()
    with three.alone(0.05), pytest.raises(Exception, match="busy"), one.alone(0.05):
        pytest.fail("it is held alone")
    for guard in (one, two, three):
        guard.close()


def test_key_file_lies_where_the_keychain_says(team: Team) -> None:
    """Errors about keys name the file that is meant."""
    assert chain(team, "viewer").path == key_file_path(team.path)
