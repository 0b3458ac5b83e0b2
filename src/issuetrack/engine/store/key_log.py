"""The signed log of who may open a database, and under which keys.

Each event names the one before it by its hash and is signed (Ed25519) by somebody who
was an enabled admin just before it; the first is signed by the principal that it adds.
Whoever edits the key file can therefore add nobody that others would trust. Audit
sequence numbers in the events say during which entries a signing key and a role held.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from issuetrack.engine.errors import TamperedError
from issuetrack.engine.store.encryption import length_prefixed
from issuetrack.engine.store.slots import damaged, decode, encode
from issuetrack.engine.store.types import READER_ROLES, PrincipalKind, Role

Event = dict[str, Any]
GENESIS = "0" * 64


@dataclass(frozen=True)
class Principal:
    """What everybody may know of somebody who may open the database."""

    uuid: str
    name: str
    kind: PrincipalKind
    role: Role
    sealing_key: bytes
    signing_key: bytes
    disabled: bool = False

    @property
    def is_admin(self) -> bool:
        """Tell whether this principal may sign events."""
        return self.role is Role.ADMIN and not self.disabled


@dataclass(frozen=True)
class Tenure:
    """Audit entries `first` to `last` that a principal may have signed in a role.

    Attributes:
        last: the last sequence number; None while it goes on.
    """

    principal: str
    name: str
    role: Role
    signing_key: bytes
    first: int
    last: int | None = None


@dataclass(frozen=True)
class Generation:
    """The public half of one generation of a role's keys."""

    key_id: str
    role: Role
    public: bytes


@dataclass(frozen=True)
class PageKey:
    """One generation of the page key, and the salt of the file under it."""

    key_id: str
    salt: bytes


@dataclass(frozen=True)
class KeyState:
    """What the events so far come to."""

    database: str
    events: int = 0
    head: str = GENESIS
    principals: dict[str, Principal] = field(default_factory=dict)
    tenures: tuple[Tenure, ...] = ()
    generations: tuple[Generation, ...] = ()
    page_keys: tuple[PageKey, ...] = ()

    def current(self, role: Role) -> str:
        """Return the id of the newest key of a role."""
        return [g.key_id for g in self.generations if g.role is role][-1]

    def named(self, name: str) -> Principal | None:
        """Return the principal of a name, if there is one."""
        return next((p for p in self.principals.values() if p.name == name), None)


@dataclass(frozen=True)
class Signer:
    """Who signs events, and with what."""

    principal: str
    key: Ed25519PrivateKey = field(repr=False)


def read(database: str, events: Sequence[Event]) -> KeyState:
    """Check every event and return what they come to.

    Raises:
        TamperedError: an event was changed, left out, or signed by no admin.
    """
    state = KeyState(database)
    for event in events:
        state = _checked(state, event)
    return state


def append(
    state: KeyState, signer: Signer, what: str, /, **details: str | int
) -> Event:
    """Return a new event that follows a state, signed."""
    event: Event = {
        "number": state.events + 1,
        "type": what,
        **details,
        "by": signer.principal,
        "previous": state.head,
    }
    signature = signer.key.sign(_signed_bytes(state.database, event))
    return event | {"signature": encode(signature)}


def follow(state: KeyState, event: Event) -> KeyState:
    """Return the state after one more event, which is checked.

    Raises:
        TamperedError: it does not follow, or is signed by no admin.
    """
    return _checked(state, event)


def _signed_bytes(database: str, event: Event) -> bytes:
    bare = {name: value for name, value in event.items() if name != "signature"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"))
    return length_prefixed(database, "key event", text)


def _checked(state: KeyState, event: Event) -> KeyState:
    try:
        return _followed(state, event)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise damaged() from error


def _followed(state: KeyState, event: Event) -> KeyState:
    signed = _signed_bytes(state.database, event)
    if event["number"] != state.events + 1 or event["previous"] != state.head:
        raise damaged()
    after = _APPLY[event["type"]](state, event)
    signer = state.principals.get(event["by"])
    if state.events == 0:
        signer = after.principals[event["by"]]
    if signer is None or not signer.is_admin:
        raise unsigned(_subject(event))
    try:
        public = Ed25519PublicKey.from_public_bytes(signer.signing_key)
        public.verify(decode(event["signature"]), signed)
    except InvalidSignature as error:
        raise unsigned(_subject(event)) from error
    head = hashlib.sha256(signed).hexdigest()
    return replace(after, events=event["number"], head=head)


def _subject(event: Event) -> str:
    named = event.get("name") or event.get("id") or event.get("uuid")
    return f"the key event {event['number']} ({event['type']} {named})"


def unsigned(what: str) -> TamperedError:
    """Return the error for something that no admin vouches for."""
    return TamperedError(
        f"{what} is not signed by an admin", "put the key file back from a backup"
    )


def _put(state: KeyState, principal: Principal) -> KeyState:
    return replace(state, principals=state.principals | {principal.uuid: principal})


def _begin(state: KeyState, principal: Principal, audit: int) -> KeyState:
    begun = Tenure(
        principal.uuid, principal.name, principal.role, principal.signing_key, audit + 1
    )
    return replace(state, tenures=(*state.tenures, begun))


def _end(state: KeyState, uuid: str, audit: int) -> KeyState:
    """End a tenure before the entry that tells of it, which another one signs."""
    ended = tuple(
        replace(t, last=audit - 1) if t.principal == uuid and t.last is None else t
        for t in state.tenures
    )
    return replace(state, tenures=ended)


def _add(state: KeyState, event: Event) -> KeyState:
    taken = {t.name for t in state.tenures} | {t.principal for t in state.tenures}
    if event["name"] in taken or event["uuid"] in taken:
        raise damaged()
    principal = Principal(
        event["uuid"],
        event["name"],
        PrincipalKind(event["kind"]),
        Role(event["role"]),
        decode(event["sealing_key"]),
        decode(event["signing_key"]),
    )
    return _begin(_put(state, principal), principal, event["audit"])


def _changed(state: KeyState, event: Event, **changes: Any) -> KeyState:
    principal = replace(state.principals[event["uuid"]], **changes)
    ended = _end(state, principal.uuid, event["audit"])
    after = _put(ended, principal)
    return after if principal.disabled else _begin(after, principal, event["audit"])


def _role(state: KeyState, event: Event) -> KeyState:
    return _changed(state, event, role=Role(event["role"]))


def _disable(state: KeyState, event: Event) -> KeyState:
    return _changed(state, event, disabled=True)


def _enable(state: KeyState, event: Event) -> KeyState:
    return _changed(state, event, disabled=False)


def _rekey(state: KeyState, event: Event) -> KeyState:
    return _changed(
        state,
        event,
        sealing_key=decode(event["sealing_key"]),
        signing_key=decode(event["signing_key"]),
    )


def _remove(state: KeyState, event: Event) -> KeyState:
    left = {u: p for u, p in state.principals.items() if u != event["uuid"]}
    if len(left) == len(state.principals):
        raise damaged()
    return replace(_end(state, event["uuid"], event["audit"]), principals=left)


def _role_key(state: KeyState, event: Event) -> KeyState:
    role = Role(event["role"])
    if role not in READER_ROLES:
        raise damaged()
    made = Generation(event["id"], role, decode(event["public"]))
    if made.key_id in {g.key_id for g in state.generations}:
        raise damaged()
    return replace(state, generations=(*state.generations, made))


def _page_key(state: KeyState, event: Event) -> KeyState:
    made = PageKey(event["id"], bytes.fromhex(event["salt"]))
    if made.key_id in {p.key_id for p in state.page_keys}:
        raise damaged()
    return replace(state, page_keys=(*state.page_keys, made))


_APPLY = {
    "add": _add,
    "role": _role,
    "disable": _disable,
    "enable": _enable,
    "rekey": _rekey,
    "remove": _remove,
    "role_key": _role_key,
    "page_key": _page_key,
}
