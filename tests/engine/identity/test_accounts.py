"""Users: what an admin changes about them, and which keys they hold then."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import MEMBERS, Team, key_of, secret_of
from issuetrack.engine.errors import (
    AuthenticationError,
    ConflictError,
    LockedError,
    NotFoundError,
    PermissionDenied,
    StoreError,
    TamperedError,
    UsageError,
    WrongKeyError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.keyslots import KeyFile, key_file_path
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.tables import User
from issuetrack.engine.store.types import PrincipalKind, Role
from issuetrack.engine.store.unlock import Unlock, new_passphrase_secret
from issuetrack.engine.workspace import Workspace

FIRST = {"page-1", "viewer-1", "engineer-1", "admin-1"}
Change = Callable[[Workspace, str], object]


def sealed_to(team: Team, name: str) -> set[str]:
    """Return the keys that the key file holds for a principal."""
    file = KeyFile.load(key_file_path(team.path))
    principal = file.state.named(name)
    assert principal is not None
    return set(file.sealed(principal.uuid))


def new_secret(_: str) -> SlotSecret:
    """Return what opens the slot of somebody new."""
    return secret_of("new")


def test_members_are_listed_with_their_slots(team: Team) -> None:
    """Everybody sees who else may open the workspace, and how."""
    viewer = team.open("viewer")
    found = viewer.accounts.every(viewer.actor)

    assert [(a.name, a.role) for a in found] == [
        ("owner", Role.ADMIN),
        ("recovery", Role.ADMIN),
        ("second", Role.ADMIN),
        ("engineer", Role.ENGINEER),
        ("viewer", Role.VIEWER),
        ("exporter", Role.NONE),
    ]
    assert [a.kind for a in found[1::4]] == [
        PrincipalKind.RECOVERY,
        PrincipalKind.SERVICE,
    ]
    assert found[0].slots == (SlotKind.ENVIRONMENT,)
    assert viewer.accounts.get(viewer.actor, "owner") == found[0]
    assert viewer.accounts.own(viewer.actor).name == "viewer"
    with pytest.raises(NotFoundError, match="no user nobody"):
        viewer.accounts.get(viewer.actor, "nobody")


def test_service_without_role_sees_only_itself(team: Team) -> None:
    """A program that only counts is told who it is, and nothing else."""
    exporter = team.open("exporter")

    assert exporter.accounts.own(exporter.actor).role is Role.NONE
    with pytest.raises(PermissionDenied):
        exporter.accounts.every(exporter.actor)


def test_members_hold_the_keys_of_their_roles(team: Team) -> None:
    """To each the page key, and the role keys up to their role."""
    assert {name: sealed_to(team, name) for name in (*MEMBERS, "recovery")} == {
        "owner": FIRST,
        "second": FIRST,
        "engineer": FIRST - {"admin-1"},
        "viewer": {"page-1", "viewer-1"},
        "exporter": {"page-1"},
        "recovery": FIRST,
    }


def test_new_user_can_open_the_workspace(team: Team) -> None:
    """A user who was added acts under their own name and role."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one", body="older than the user"))
    added = owner.accounts.add(owner.actor, "new", Role.ENGINEER, new_secret)
    opened = team.open("new")

    assert (added.name, added.role, added.disabled) == ("new", Role.ENGINEER, False)
    assert (opened.actor.name, opened.actor.role) == ("new", Role.ENGINEER)
    assert opened.issues.get(opened.actor, "1").body == "older than the user"
    assert opened.verify_audit().broken_at is None


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a b", "a\n", "a/b", "ü", "a" * 65, "\x1b[31m", "a:b"]
)
def test_name_of_a_user_is_plain(team: Team, name: str) -> None:
    """A name is shown, typed and put into rules: it has no tricks in it."""
    owner = team.open("owner")
    with pytest.raises(UsageError, match="is not a name for a user"):
        owner.accounts.add(owner.actor, name, Role.VIEWER, new_secret)


@pytest.mark.parametrize(
    ("role", "service", "words"),
    [
        (Role.ADMIN, True, "a service cannot be an admin"),
        (Role.NONE, False, "a person needs a role"),
    ],
)
def test_role_fits_what_is_added(
    team: Team, role: Role, service: bool, words: str
) -> None:
    """A service is never an admin; a person is never nothing."""
    owner = team.open("owner")
    with pytest.raises(UsageError, match=words):
        owner.accounts.add(owner.actor, "new", role, new_secret, service=service)
    name = "exporter" if service else "viewer"
    with pytest.raises(UsageError, match=words):
        owner.accounts.set_role(owner.actor, name, role)


@pytest.mark.parametrize("name", ["viewer", "gone", "recovery"])
def test_names_are_never_used_again(team: Team, name: str) -> None:
    """Neither a name that is there nor that of somebody who left."""
    owner = team.open("owner")
    owner.accounts.add(owner.actor, "gone", Role.VIEWER, new_secret)
    owner.accounts.remove(owner.actor, "gone")
    before = owner.verify_audit().entries
    with pytest.raises(ConflictError, match=f"the name {name} was used before"):
        owner.accounts.add(owner.actor, name, Role.VIEWER, new_secret)

    assert owner.verify_audit().entries == before


def test_key_belongs_to_one_user(team: Team) -> None:
    """Two users with one key would be one: who acts must be clear."""
    owner = team.open("owner")
    for act in (
        lambda: owner.accounts.add(
            owner.actor, "new", Role.VIEWER, lambda _: secret_of("viewer")
        ),
        lambda: owner.accounts.renew(
            owner.actor, "engineer", lambda _: secret_of("viewer")
        ),
        lambda: owner.keys.add_slot(owner.actor, lambda _: secret_of("viewer")),
    ):
        with pytest.raises(ConflictError, match="opens the workspace for viewer"):
            act()
    phrase = new_passphrase_secret("four unrelated words")
    for name in ("anna", "otto"):
        owner.accounts.add(owner.actor, name, Role.VIEWER, lambda _: phrase)
    account = owner.accounts.renew(
        owner.actor, "engineer", lambda _: secret_of("engineer")
    )

    assert account.name == "engineer"
    assert team.open("viewer").actor.name == "viewer"
    with pytest.raises(NotFoundError):
        owner.accounts.get(owner.actor, "new")


def test_demoted_admin_loses_the_keys_above(team: Team) -> None:
    """What a demoted member could read is under new keys from now on."""
    owner = team.open("owner")
    account = owner.accounts.set_role(owner.actor, "second", Role.VIEWER)

    assert account.role is Role.VIEWER
    assert sealed_to(team, "second") == {"page-1", "viewer-1"}
    assert sealed_to(team, "owner") == FIRST | {"engineer-2", "admin-2"}
    assert sealed_to(team, "engineer") == {
        "page-1",
        "viewer-1",
        "engineer-1",
        "engineer-2",
    }
    assert team.open("second").actor.role is Role.VIEWER


def test_promoted_member_gets_the_keys(team: Team) -> None:
    """Nobody loses anything by it, so no key is made anew."""
    owner = team.open("owner")
    owner.accounts.set_role(owner.actor, "viewer", Role.ADMIN)

    assert sealed_to(team, "viewer") == FIRST
    promoted = team.open("viewer")
    promoted.accounts.set_role(promoted.actor, "owner", Role.VIEWER)
    assert team.open("owner").actor.role is Role.VIEWER


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        (lambda w, n: w.accounts.disable(w.actor, n), "may not open"),
        (lambda w, n: w.accounts.remove(w.actor, n), "no user engineer"),
    ],
    ids=["disable", "remove"],
)
def test_one_who_left_holds_no_key(team: Team, leave: Change, words: str) -> None:
    """Disabled or removed: nothing is sealed to them, and all they held is new."""
    owner = team.open("owner")
    leave(owner, "engineer")
    with pytest.raises(AuthenticationError, match=words):
        team.open("engineer")
    with pytest.raises((LockedError, WrongKeyError)):
        Workspace.open(team.path, Unlock(environment_key=key_of("engineer")))

    assert sealed_to(team, "owner") == FIRST | {"viewer-2", "engineer-2"}
    assert sealed_to(team, "viewer") == {"page-1", "viewer-1", "viewer-2"}
    file = KeyFile.load(key_file_path(team.path))
    gone = next(t.principal for t in file.state.tenures if t.name == "engineer")
    assert file.sealed(gone) == {}


def test_enabled_member_gets_all_keys_back(team: Team) -> None:
    """What was written meanwhile can be read then, too."""
    owner = team.open("owner")
    owner.accounts.disable(owner.actor, "engineer")
    owner.issues.create(owner.actor, IssueDraft("one", body="written meanwhile"))
    with pytest.raises(ConflictError, match="disabled already"):
        owner.accounts.disable(owner.actor, "engineer")
    owner.accounts.enable(owner.actor, "engineer")
    with pytest.raises(ConflictError, match="is not disabled"):
        owner.accounts.enable(owner.actor, "engineer")
    engineer = team.open("engineer")

    assert engineer.issues.get(engineer.actor, "1").body == "written meanwhile"
    engineer.issues.comment(engineer.actor, "1", "back again")
    assert sealed_to(team, "engineer") == {
        "page-1",
        *("viewer-1", "viewer-2"),
        *("engineer-1", "engineer-2"),
    }
    assert owner.verify_audit().broken_at is None


def test_recovery_key_opens_what_was_made_without_it(team: Team) -> None:
    """The paper in the safe receives every new key though it is never there."""
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "engineer")
    owner.keys.rotate(owner.actor)
    owner.keys.rekey(owner.actor)
    owner.issues.create(owner.actor, IssueDraft("one", body="after all of it"))
    recovery = team.open("recovery")

    assert sealed_to(team, "recovery") == sealed_to(team, "owner")
    assert recovery.issues.get(recovery.actor, "1").body == "after all of it"
    assert recovery.verify_audit().broken_at is None


CHANGES: list[Change] = [
    lambda w, n: w.accounts.set_role(w.actor, n, Role.VIEWER),
    lambda w, n: w.accounts.disable(w.actor, n),
    lambda w, n: w.accounts.remove(w.actor, n),
]
SELF: list[Change] = [
    *CHANGES,
    lambda w, n: w.accounts.enable(w.actor, n),
    lambda w, n: w.accounts.renew(w.actor, n, new_secret),
]


@pytest.mark.parametrize("change", CHANGES, ids=["role", "disable", "remove"])
def test_last_admin_stays(team: Team, change: Change) -> None:
    """Without any person who is an admin nobody could be added any more."""
    recovery = team.open("recovery")
    change(recovery, "second")
    with pytest.raises(ConflictError, match="owner is the last admin"):
        change(recovery, "owner")

    assert team.open("owner").actor.role is Role.ADMIN


@pytest.mark.parametrize("change", CHANGES, ids=["role", "disable", "remove"])
def test_disabled_admin_does_not_count_as_one(team: Team, change: Change) -> None:
    """The last admin who can act stays, whoever else was one."""
    recovery = team.open("recovery")
    recovery.accounts.disable(recovery.actor, "second")
    with pytest.raises(ConflictError, match="the last admin"):
        change(recovery, "owner")


@pytest.mark.parametrize("change", SELF)
def test_nobody_changes_themselves(team: Team, change: Change) -> None:
    """No admin takes away their own role, or gives themselves new keys."""
    owner = team.open("owner")
    with pytest.raises(UsageError, match="nobody changes this about themselves"):
        change(owner, "owner")


@pytest.mark.parametrize("change", SELF)
def test_recovery_key_is_no_user(team: Team, change: Change) -> None:
    """The recovery principal is changed by its own command only."""
    owner = team.open("owner")
    with pytest.raises(UsageError, match="the recovery key is no user"):
        change(owner, "recovery")


@pytest.mark.parametrize("change", SELF)
@pytest.mark.parametrize("name", ["engineer", "viewer", "exporter"])
def test_only_admins_change_users(team: Team, name: str, change: Change) -> None:
    """Everybody else is refused, and that is written down."""
    lower = team.open(name)
    with pytest.raises(PermissionDenied):
        change(lower, "owner")
    with pytest.raises(PermissionDenied):
        lower.accounts.add(lower.actor, "new", Role.ADMIN, new_secret)
    owner = team.open("owner")
    found = owner.trail.entries(owner.actor, AuditFilter(action="access.denied"))

    assert [(e.actor, e.after["role"]) for e in found] == [(name, MEMBERS[name])] * 2
    assert set(sealed_to(team, "owner")) == FIRST


def test_renewed_keys_replace_the_old_ones(team: Team) -> None:
    """Who lost every key gets new ones; who found the old ones gets nothing."""
    old = KeyFile.load(key_file_path(team.path))
    stolen = Unlock(environment_key=key_of("engineer")).open(old)
    owner = team.open("owner")
    account = owner.accounts.renew(owner.actor, "engineer", new_secret)
    renewed = Workspace.open(team.path, Unlock(environment_key=key_of("new")))
    team.opened.append(renewed)

    assert account.slots == (SlotKind.ENVIRONMENT,)
    assert (renewed.actor.name, renewed.actor.role) == ("engineer", Role.ENGINEER)
    with pytest.raises(WrongKeyError):
        team.open("engineer")
    with pytest.raises(LockedError, match="the keys of engineer were replaced"):
        KeyFile.load(key_file_path(team.path)).unseal(stolen)
    renewed.issues.create(renewed.actor, IssueDraft("signed with the new key"))
    assert owner.verify_audit().broken_at is None


def test_tables_mirror_the_key_file(team: Team) -> None:
    """Roles, keys and who is locked out can be read with SQL, too."""
    owner = team.open("owner")
    owner.accounts.disable(owner.actor, "viewer")
    owner.accounts.set_role(owner.actor, "second", Role.ENGINEER)
    owner.accounts.remove(owner.actor, "exporter")
    owner.accounts.renew(owner.actor, "engineer", new_secret)
    with owner._database.read() as uow:
        rows = {
            p.uuid: uow.session.get_one(User, p.uuid)
            for p in owner._database.keychain.file.principals()
        }
        for principal in owner._database.keychain.file.principals():
            row = rows[principal.uuid]
            assert (row.name, row.kind, row.role, row.disabled) == (
                principal.name,
                principal.kind,
                principal.role,
                principal.disabled,
            )
            assert row.sealing_key == principal.sealing_key
            assert row.signing_key == principal.signing_key
        assert uow.sql("SELECT name, disabled FROM user WHERE name = 'exporter'") == [
            ("exporter", 1)
        ]


def test_every_change_is_in_the_trail(team: Team) -> None:
    """Who changed what about whom is told, oldest last."""
    owner = team.open("owner")
    actor, accounts = owner.actor, owner.accounts
    accounts.add(actor, "new", Role.VIEWER, new_secret)
    accounts.set_role(actor, "new", Role.ENGINEER)
    accounts.disable(actor, "new")
    accounts.enable(actor, "new")
    accounts.renew(actor, "new", new_secret)
    accounts.remove(actor, "new")
    found = owner.trail.entries(actor, AuditFilter(entity="user:new"))

    assert [(e.action, e.actor, e.before, e.after) for e in reversed(found)] == [
        ("user.add", "owner", None, {"role": "viewer", "kind": "person"}),
        ("user.role", "owner", {"role": "viewer"}, {"role": "engineer"}),
        ("user.disable", "owner", None, {}),
        ("user.enable", "owner", None, {}),
        ("user.renew", "owner", None, {}),
        ("user.remove", "owner", {"role": "engineer"}, None),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda w, n: w.accounts.set_role(w.actor, n, Role.VIEWER),
            "engineer is viewer now",
        ),
        (
            lambda w, n: w.accounts.set_role(w.actor, n, Role.ADMIN),
            "engineer is admin now",
        ),
        (lambda w, n: w.accounts.disable(w.actor, n), "may not open"),
        (lambda w, n: w.accounts.remove(w.actor, n), "may not open"),
        (
            lambda w, n: w.accounts.renew(w.actor, n, new_secret),
            "the keys of engineer were replaced",
        ),
    ],
    ids=["demoted", "promoted", "disabled", "removed", "renewed"],
)
def test_running_program_of_a_changed_user_is_refused(
    team: Team, change: Change, words: str
) -> None:
    """It is refused at its next write, and at every one after, nothing written."""
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("before"))
    owner = team.open("owner")
    change(owner, "engineer")
    before = owner.verify_audit().entries
    for _ in range(2):
        with pytest.raises(LockedError, match=words):
            engineer.issues.create(engineer.actor, IssueDraft("after"))

    assert owner.issues.matching(owner.actor)[1] == 1
    assert owner.verify_audit().entries == before


def test_running_program_of_another_user_goes_on(team: Team) -> None:
    """Changes to others are met at the next write, without any error."""
    engineer, viewer = team.open("engineer"), team.open("viewer")
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "second")
    owner.accounts.set_role(owner.actor, "exporter", Role.VIEWER)
    engineer.issues.create(engineer.actor, IssueDraft("one", body="under the new key"))

    with owner._database.read() as uow:
        ((body,),) = uow.sql("SELECT body FROM issue")
    assert body[2:10] == b"viewer-2"
    assert viewer.issues.get(viewer.actor, "1").body == "under the new key"
    assert owner.issues.get(owner.actor, "1").body == "under the new key"


def without_room(file: KeyFile, path: Path) -> None:
    """Fail as a full disk does."""
    raise OSError(28, "No space left on device")


def test_key_file_that_could_not_be_written_is_written_by_the_next(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between commit and save, the change holds: it is in the database."""
    owner, viewer = team.open("owner"), team.open("viewer")
    path = key_file_path(team.path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(KeyFile, "save", without_room)
        with pytest.raises(StoreError, match="the change is made, but") as raised:
            owner.accounts.add(owner.actor, "new", Role.VIEWER, new_secret)
    assert "the next command writes it" in (raised.value.hint or "")
    assert path.read_bytes() == before
    with pytest.raises(AuthenticationError, match="no user new"):
        team.open("new")
    team.open("second")

    assert KeyFile.load(path).state.named("new") is not None
    assert team.open("new").actor.role is Role.VIEWER
    for running in (owner, viewer):
        running._database.keychain.reload()
    owner.accounts.disable(owner.actor, "new")
    assert owner.verify_audit().broken_at is None


def test_key_file_put_back_is_made_current_for_whoever_may_open(team: Team) -> None:
    """With an old key file the database knows better; a removed user stays out."""
    path = key_file_path(team.path)
    old = team.path.with_name("old.keys")
    shutil.copy(path, old)
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "engineer")
    team.close()
    current = path.read_bytes()
    shutil.copy(old, path)
    with pytest.raises(LockedError, match="may not open"):
        team.open("engineer")
    assert path.read_bytes() == old.read_bytes()
    team.open("viewer")

    assert path.read_bytes() == current


@pytest.mark.parametrize("running", [True, False], ids=["running", "opened anew"])
def test_old_log_under_a_new_revision_is_refused(team: Team, running: bool) -> None:
    """The number in a key file is not signed; the log that the database knows is."""
    path = key_file_path(team.path)
    old = KeyFile.load(path)
    owner = team.open("owner")
    owner.accounts.set_role(owner.actor, "engineer", Role.VIEWER)
    revision = KeyFile.load(path).revision
    if not running:
        team.close()
    old.copy(revision=revision + running).save(path)

    if running:
        with pytest.raises(TamperedError, match="does not go on from the keys"):
            owner._database.keychain.reload()
    else:
        for name in ("owner", "engineer"):
            with pytest.raises(TamperedError, match="does not hold the keys"):
                team.open(name)


def test_old_database_is_refused(team: Team) -> None:
    """A database older than its key file was put back: it is not used."""
    old = team.path.with_name("old.db")
    shutil.copy(team.path, old)
    owner = team.open("owner")
    owner.accounts.remove(owner.actor, "viewer")
    team.close()
    shutil.copy(old, team.path)

    with pytest.raises(TamperedError, match="is older than"):
        team.open("owner")


def test_keys_of_an_older_program_are_put_into_the_database(team: Team) -> None:
    """A database that knows no key file yet takes the one beside it."""
    owner = team.open("owner")
    with owner._database.write() as uow:
        uow.sql("DELETE FROM setting WHERE key LIKE 'keys.%'")
    team.close()
    owner = team.open("owner")

    with owner._database.read() as uow:
        assert Database._kept(uow, "keys.revision") == str(
            owner._database.keychain.file.revision
        )
