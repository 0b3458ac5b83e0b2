"""The signed log of keys: who counts as an admin, and what nobody can slip in."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conftest import secret_of
from issuetrack.engine.errors import LockedError, TamperedError
from issuetrack.engine.store import key_log
from issuetrack.engine.store.key_changes import KeyChanges
from issuetrack.engine.store.key_log import Event, KeyState, Signer
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.private_keys import (
    PrivateKeys,
    new_private_keys,
    public_halves,
)
from issuetrack.engine.store.slots import SlotKind, encode
from issuetrack.engine.store.types import PrincipalKind, Role
from issuetrack.engine.store.unlock import new_recovery_key, recovery_secret

DATABASE = "d" * 32
RECOVERY = recovery_secret(new_recovery_key())
PERSON, SERVICE = PrincipalKind.PERSON, PrincipalKind.SERVICE


class Story:
    """A key file to which everything happened that can, and the keys of all in it."""

    def __init__(self) -> None:
        self.file, owner = KeyFile.create(
            "owner", lambda _: [secret_of("owner")], RECOVERY
        )
        self.private = {"owner": owner}
        changes = KeyChanges.by(self.file.unseal(owner), self.file)
        for name, role in (
            ("second", Role.ADMIN),
            ("gone", Role.ADMIN),
            ("off", Role.ADMIN),
            ("demoted", Role.ADMIN),
            ("viewer", Role.VIEWER),
        ):
            changes.add(name, PERSON, role, [secret_of(name)], self.audit)
        changes.add(
            "service", SERVICE, Role.ENGINEER, [secret_of("service")], self.audit
        )
        for principal in self.file.principals():
            secret = secret_of(principal.name)
            found = self.file.open_slot(secret, [principal])
            if found is not None:
                self.private[principal.name] = found
        changes.remove(self.principal("gone"), self.audit)
        changes.disable(self.principal("second"), self.audit)
        changes.enable(self.principal("second"), self.audit)
        changes.disable(self.principal("off"), self.audit)
        changes.set_role(self.principal("demoted"), Role.VIEWER, self.audit)
        changes.rekey(self.principal("viewer"), [secret_of("viewer")], self.audit)
        changes.new_page_key(bytes(range(16)))

    @property
    def audit(self) -> int:
        """Return the sequence of the audit entry that would tell of a change now."""
        return len(self.file.log)

    def principal(self, name: str) -> key_log.Principal:
        """Return somebody in the file."""
        found = self.file.state.named(name)
        assert found is not None
        return found

    def signer(self, name: str) -> Signer:
        """Return somebody as one who signs, or who would like to."""
        return self.private[name].signer


@pytest.fixture(scope="module")
def told() -> Story:
    """Return the story, not to be changed."""
    return Story()


@pytest.fixture
def log(told: Story) -> list[Event]:
    """Return the events of the story, for a test to change."""
    return copy.deepcopy(list(told.file.log))


def refused(told: Story, log: list[Event]) -> None:
    """Assert that a log is not taken."""
    with pytest.raises(TamperedError):
        key_log.read(told.file.database, log)


def test_every_type_of_event_is_told(told: Story, log: list[Event]) -> None:
    """The story that the other tests change leaves nothing out."""
    assert {event["type"] for event in log} == set(key_log._APPLY)
    assert key_log.read(told.file.database, log) == told.file.state


def test_events_come_to_who_there_is(told: Story) -> None:
    """Names, roles and whether they are disabled, in the order they were added."""
    assert [
        (p.name, p.kind, p.role, p.disabled, p.is_admin) for p in told.file.principals()
    ] == [
        ("owner", PERSON, Role.ADMIN, False, True),
        ("recovery", PrincipalKind.RECOVERY, Role.ADMIN, False, True),
        ("second", PERSON, Role.ADMIN, False, True),
        ("off", PERSON, Role.ADMIN, True, False),
        ("demoted", PERSON, Role.VIEWER, False, False),
        ("viewer", PERSON, Role.VIEWER, False, False),
        ("service", SERVICE, Role.ENGINEER, False, False),
    ]


def test_events_come_to_who_signed_when(told: Story) -> None:
    """A tenure ends where the next begins; one who is removed or disabled has none."""
    tenures: dict[str, list[tuple[Role, int, int | None]]] = {}
    for t in told.file.state.tenures:
        tenures.setdefault(t.name, []).append((t.role, t.first, t.last))
    for name in ("gone", "off"):
        ((role, first, last),) = tenures[name]
        assert role is Role.ADMIN
        assert last is not None
        assert first < last
    (_, _, was_off), (_, on_again, open_end) = tenures["second"]
    assert was_off is not None
    assert (was_off < on_again, open_end) == (True, None)
    (admin, _, until), (viewer, since, _) = tenures["demoted"]
    assert until is not None
    assert (admin, viewer, since) == (Role.ADMIN, Role.VIEWER, until + 2)
    (_, _, before), (_, after, _) = tenures["viewer"]
    assert before is not None
    assert after == before + 2
    old, new = (t for t in told.file.state.tenures if t.name == "viewer")
    assert old.signing_key != new.signing_key


def _edits(event: Event) -> Iterator[tuple[str, Any]]:
    """Yield every field of an event with another value that could stand there."""
    for name, value in event.items():
        if isinstance(value, int):
            yield name, value + 1
            yield name, value - 1
        elif name == "role":
            yield from ((name, role.value) for role in Role if role.value != value)
        elif name == "kind":
            yield from ((name, k.value) for k in PrincipalKind if k.value != value)
        elif name == "type":
            yield from ((name, other) for other in key_log._APPLY if other != value)
        elif name in ("sealing_key", "signing_key", "public", "signature"):
            yield name, encode(Ed25519PrivateKey.generate().private_bytes_raw())
            yield name, "?"
        else:
            yield name, "0" * 32
        yield name, None
        yield name, ...


def test_edited_event_is_refused(told: Story, log: list[Event]) -> None:
    """No field of any event can be changed, put in or left out."""
    tried, state = 0, KeyState(told.file.database)
    for event in log:
        for name, value in [*_edits(event), ("added", 1)]:
            edited = {**event, name: value}
            if value is ...:
                del edited[name]
            with pytest.raises(TamperedError):
                key_log.follow(state, edited)
            tried += 1
        state = key_log.follow(state, event)
    assert tried > 400


def test_removed_event_is_refused(told: Story, log: list[Event]) -> None:
    """No event but the last can be left out; that one is missed elsewhere."""
    for place in range(len(log) - 1):
        refused(told, log[:place] + log[place + 1 :])


def test_reordered_events_are_refused(told: Story, log: list[Event]) -> None:
    """No two events can change places."""
    for one in range(len(log)):
        for two in range(one + 1, len(log)):
            other = list(log)
            other[one], other[two] = other[two], other[one]
            refused(told, other)


def test_repeated_event_is_refused(told: Story, log: list[Event]) -> None:
    """A signed event cannot be used once more, wherever."""
    for number, event in enumerate(log):
        for place in (0, number, number + 1, len(log)):
            refused(told, [*log[:place], event, *log[place:]])


def test_event_of_another_database_is_refused(told: Story, log: list[Event]) -> None:
    """What an admin signed for one database does not count in another."""
    with pytest.raises(TamperedError):
        key_log.read(DATABASE, log)


def forged(told: Story, signer: Signer, what: str, **details: str | int) -> None:
    """Assert that an event that somebody signed and appended is refused."""
    state = told.file.state
    event = key_log.append(state, signer, what, **details)
    with pytest.raises(TamperedError, match="not signed by an admin"):
        key_log.follow(state, event)


STRANGER = Signer("0" * 32, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("name", ["gone", "off", "demoted", "viewer", "service", None])
@pytest.mark.parametrize("what", sorted(key_log._APPLY))
def test_event_signed_by_no_admin_is_refused(
    told: Story, what: str, name: str | None
) -> None:
    """Neither a viewer nor a service nor a former admin can change anything."""
    signer = STRANGER if name is None else told.signer(name)
    new = PrivateKeys("1" * 32, new_private_keys(None), SlotKind.RECOVERY)
    details: dict[str, dict[str, str | int]] = {
        "add": {
            "uuid": new.principal,
            "name": "intruder",
            "kind": "person",
            "role": "admin",
            "audit": told.audit,
            **public_halves(new),
        },
        "role_key": {"id": "admin-9", "role": "admin", "public": encode(bytes(32))},
        "page_key": {"id": "page-9", "salt": "00" * 16},
    }
    uuid = told.principal("viewer").uuid
    own: dict[str, str | int] = {"uuid": uuid, "audit": told.audit, "role": "admin"}
    forged(told, signer, what, **details.get(what, {**own, **public_halves(new)}))


@pytest.mark.parametrize("name", ["viewer", "gone", "off"])
def test_event_signed_in_the_name_of_an_admin_is_refused(
    told: Story, name: str
) -> None:
    """The signature must be that of whom the event names."""
    signer = Signer(told.principal("owner").uuid, told.signer(name).key)
    uuid = told.principal("viewer").uuid

    forged(told, signer, "role", uuid=uuid, role="admin", audit=told.audit)


def test_admin_cannot_be_made_by_the_event_that_it_signs(told: Story) -> None:
    """Only the very first event is signed by the one that it adds."""
    new = PrivateKeys("1" * 32, new_private_keys(None), SlotKind.RECOVERY)
    forged(
        told,
        new.signer,
        "add",
        uuid=new.principal,
        name="intruder",
        kind="person",
        role="admin",
        audit=0,
        **public_halves(new),
    )


@pytest.mark.parametrize(
    ("what", "details"),
    [
        pytest.param("add", {"name": "gone"}, id="name of somebody removed"),
        pytest.param("add", {"name": "viewer"}, id="name of somebody there"),
        pytest.param("add", {"uuid": "viewer"}, id="uuid of somebody there"),
        pytest.param("add", {"uuid": "gone"}, id="uuid of somebody removed"),
        pytest.param("add", {"role": "king"}, id="no role"),
        pytest.param("add", {"kind": "thing"}, id="no kind"),
        pytest.param("add", {"sealing_key": "?"}, id="no key"),
        pytest.param("role", {"uuid": "gone"}, id="role of somebody removed"),
        pytest.param("remove", {"uuid": "gone"}, id="removed twice"),
        pytest.param("rekey", {"uuid": "gone"}, id="rekey of somebody removed"),
        pytest.param("role_key", {"id": "admin-1"}, id="generation twice"),
        pytest.param("role_key", {"role": "none"}, id="key for no role"),
        pytest.param("page_key", {"id": "page-1"}, id="page key twice"),
        pytest.param("page_key", {"salt": "salt"}, id="no salt"),
        pytest.param("nothing", {}, id="unknown type"),
    ],
)
def test_event_that_makes_no_sense_is_refused(
    told: Story, what: str, details: dict[str, str]
) -> None:
    """Not even an admin can put such an event into the log."""
    uuids = {t.name: t.principal for t in told.file.state.tenures}
    new = PrivateKeys("1" * 32, new_private_keys(None), SlotKind.RECOVERY)
    full: dict[str, str | int] = {
        "uuid": new.principal,
        "name": "new",
        "kind": "person",
        "role": "viewer",
        "id": "new-1",
        "public": encode(bytes(32)),
        "salt": "00",
        "audit": told.audit,
        **public_halves(new),
        **{k: uuids.get(v, v) if k == "uuid" else v for k, v in details.items()},
    }
    event = key_log.append(told.file.state, told.signer("owner"), what, **full)

    with pytest.raises(TamperedError):
        key_log.follow(told.file.state, event)


@pytest.mark.parametrize(
    ("what", "role"), [("add", "viewer"), ("add", "none"), ("page_key", "admin")]
)
def test_log_begins_with_an_admin(what: str, role: str) -> None:
    """The first event adds an admin, or the log is none."""
    first = PrivateKeys("1" * 32, new_private_keys(None), SlotKind.RECOVERY)
    state = KeyState(DATABASE)
    event = key_log.append(
        state,
        first.signer,
        what,
        uuid=first.principal,
        name="first",
        kind="person",
        role=role,
        audit=0,
        id="page-1",
        salt="00",
        **public_halves(first),
    )
    with pytest.raises(TamperedError):
        key_log.read(DATABASE, [event])


Rewrite = Callable[["Intruder"], None]


class Intruder:
    """Somebody who rewrites a whole key file with keys of their own."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.content = json.loads(story.file.dump())
        self.content["log"] = []
        self.own = PrivateKeys("e" * 32, new_private_keys(None), SlotKind.RECOVERY)
        self.file = KeyFile(self.content)

    def add_self(self, audit: int) -> None:
        """Begin the log as its first admin."""
        changes = KeyChanges(self.file, self.own, {})
        changes.add("intruder", PERSON, Role.ADMIN, [], audit, self.own)

    def add_owner(self, halves: dict[str, str], audit: int) -> None:
        """Let the owner be there too, under whatever public keys."""
        event = key_log.append(
            self.file.state,
            self.own.signer,
            "add",
            uuid=self.story.principal("owner").uuid,
            name="owner",
            kind="person",
            role="admin",
            audit=audit,
            **halves,
        )
        self.file.follow(event)

    def add_keys(self) -> None:
        """Give everybody role keys that the intruder knows."""
        changes = KeyChanges(self.file, self.own, {})
        for role in (Role.VIEWER, Role.ENGINEER, Role.ADMIN):
            changes.new_role_key(role)


@pytest.mark.parametrize("audit", [0, 1, 5])
@pytest.mark.parametrize("owner_audit", [0, 1])
def test_log_that_begins_with_another_admin_is_refused(
    told: Story, audit: int, owner_audit: int
) -> None:
    """Whom to trust first is in the slot, not in the file; no number gets round it."""
    intruder = Intruder(told)
    intruder.add_self(audit)
    intruder.add_owner(public_halves(told.private["owner"]), owner_audit)
    intruder.add_keys()
    file = KeyFile.parse(intruder.file.dump())

    with pytest.raises(TamperedError, match="the log of keys is not signed"):
        file.unseal(told.private["owner"])


def test_empty_log_is_refused(told: Story) -> None:
    """A file without any event has no first admin to trust."""
    with pytest.raises(TamperedError, match="the log of keys is not signed"):
        Intruder(told).file.unseal(told.private["owner"])


def test_exchanged_public_key_is_refused(told: Story) -> None:
    """A new admin under the owner's name is not the owner."""
    other = PrivateKeys(
        told.principal("owner").uuid, new_private_keys(None), SlotKind.RECOVERY
    )
    file, _ = KeyFile.create("owner", lambda _: [], RECOVERY)
    content = json.loads(file.dump()) | {"database": told.file.database}
    content["log"] = []
    new = KeyFile(content)
    KeyChanges(new, other, {}).add("owner", PERSON, Role.ADMIN, [], 0, other)

    with pytest.raises(TamperedError):
        new.unseal(told.private["owner"])


def test_everybody_trusts_the_first_admin(told: Story) -> None:
    """Each slot, those made anew included, holds the same anchor."""
    anchor = told.private["owner"].anchor
    own = told.private["owner"].signing.public_key().public_bytes_raw()
    again = told.file.open_slot(secret_of("viewer"), [told.principal("viewer")])
    assert again is not None

    assert anchor == own
    assert {p.anchor for p in told.private.values()} == {anchor}
    assert again.anchor == anchor


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "this user may not open this workspace any more"),
        ("off", "off may not open this workspace any more"),
        ("viewer", "the keys of viewer were replaced"),
    ],
)
def test_private_keys_that_count_no_more_open_nothing(
    told: Story, name: str, words: str
) -> None:
    """Who was removed, disabled or given new keys is told so."""
    with pytest.raises(LockedError, match=words):
        told.file.unseal(told.private[name])


def test_old_log_does_not_extend_the_new_one(told: Story) -> None:
    """A log goes on from another if it begins with all of its events."""
    content = json.loads(told.file.dump())
    older = KeyFile({**content, "log": content["log"][:-1]})
    state = older.state
    event = key_log.append(
        state, told.signer("owner"), "page_key", id="page-7", salt="00" * 16
    )
    branch = KeyFile({**content, "log": [*content["log"][:-1], event]})

    assert told.file.extends(older.state)
    assert told.file.extends(told.file.state)
    assert not older.extends(told.file.state)
    assert not branch.extends(told.file.state)
    assert branch.extends(older.state)


def test_errors_name_the_event(told: Story) -> None:
    """Whoever looks for what was done to a file is told where."""
    event = key_log.append(
        told.file.state,
        told.signer("viewer"),
        "role",
        uuid=told.principal("viewer").uuid,
        role="admin",
        audit=told.audit,
    )
    number = told.file.state.events + 1
    with pytest.raises(TamperedError, match=rf"the key event {number} \(role "):
        key_log.follow(told.file.state, event)


def test_newest_key_of_a_role_is_the_current_one(told: Story) -> None:
    """Every loss of a role made one more generation of its keys."""
    made = {
        role: sum(g.role is role for g in told.file.state.generations) for role in Role
    }

    assert told.file.state.current(Role.ADMIN) == f"admin-{made[Role.ADMIN]}"
    assert made[Role.ADMIN] == 1 + 4
    assert told.file.state.named("nobody") is None
    assert replace(told.file.state).events == len(told.file.log)
