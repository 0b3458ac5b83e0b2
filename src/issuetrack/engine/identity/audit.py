"""The audit trail: who did what, each entry chained to the one before and signed.

The hash of an entry covers all its fields and the hash before it (SHA-256); the
signature of the actor (Ed25519) covers the hash. The readable change is sealed to
the admins, with secrets and personal data masked; its digest, and those of the values
before and after, are salted, so that they tell nothing to others. An entry is written
in the transaction of the change it tells of.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from issuetrack.engine.errors import PermissionDenied, TamperedError
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.audit_head import Head
from issuetrack.engine.store.key_log import Tenure
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

GENESIS = b"\0" * 32
TOLD_BY_KEYS = {
    *("user.add", "user.role", "user.disable", "user.enable", "user.remove"),
    *("user.renew", "key.renew_recovery"),
}
LONGEST_SHOWN = 2000


@dataclass(frozen=True)
class Verification:
    """What a walk over the chain found.

    Attributes:
        entries: how many entries were good.
        broken_at: the sequence of the first bad entry; None if all are good.
        reason: what is wrong with it.
    """

    entries: int
    broken_at: int | None = None
    reason: str | None = None


def digest(content: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of a mapping in canonical JSON."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _entry_hash(entry: AuditEntry) -> bytes:
    """Return the hash that the next entry and the signature go by.

    An entry without a digest of its change is of schema 0001 and covers the sealed
    change itself.
    """
    fields = (
        str(entry.sequence),
        entry.at.astimezone(UTC).isoformat(),
        entry.actor,
        entry.role.value,
        entry.action,
        entry.entity_type,
        entry.entity_id,
        (entry.change_digest or entry.change).hex(),
        (entry.before_digest or b"").hex(),
        (entry.after_digest or b"").hex(),
        entry.previous_hash.hex(),
    )
    return digest({"entry": fields})


def _committed(salt: str, content: Mapping[str, Any] | None) -> bytes | None:
    """Return a digest that tells nothing to whoever does not know the salt."""
    return None if content is None else digest({"salt": salt, "content": content})


def _shown(value: Any) -> Any:
    """Return a value as the trail shows it: masked, and long texts cut."""
    if isinstance(value, str):
        from issuetrack.engine.redaction import redact

        cut = value[:LONGEST_SHOWN]
        left = len(value) - len(cut)
        return redact(cut) + (f" (and {left} characters)" if left else "")
    if isinstance(value, Mapping):
        return {key: _shown(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(part) for part in value]
    return value


def record(
    uow: UnitOfWork,
    actor: Actor,
    now: datetime,
    action: str,
    entity: tuple[str, str],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Append an entry to the chain, and return its sequence number.

    Args:
        uow: the transaction of the change itself.
        actor: who acts; signs the entry.
        now: when.
        action: what was done, as `noun.verb`.
        entity: the type and name of what it was done to.
        before: the values that the change replaced.
        after: the values it put there.

    Raises:
        TamperedError: the chain is not the one that was there before.
    """
    last = uow.audited or last_entry(uow)
    if uow.audited is None:
        _check_head(uow, uow.head.read(), last)
    sequence = last.sequence + 1
    salt = secrets.token_hex(16)
    change = json.dumps(
        {"salt": salt, "before": _shown(before), "after": _shown(after)}, default=str
    )
    entry = AuditEntry(
        sequence=sequence,
        at=now,
        actor=actor.principal,
        role=actor.role,
        action=action,
        entity_type=entity[0],
        entity_id=entity[1],
        change=uow.seal("audit_entry", "change", str(sequence), change, Role.ADMIN),
        change_digest=_change_digest(change),
        before_digest=_committed(salt, before),
        after_digest=_committed(salt, after),
        previous_hash=last.hash,
        hash=b"",
        signature=b"",
    )
    entry.hash = _entry_hash(entry)
    entry.signature = actor.signing.sign(entry.hash)
    uow.session.add(entry)
    uow.session.flush()
    uow.audited = Head(sequence, entry.hash)
    return sequence


def _change_digest(change: str) -> bytes:
    return hashlib.sha256(change.encode("utf-8", "surrogatepass")).digest()


def verify(uow: UnitOfWork, tenures: Callable[[], Sequence[Tenure]]) -> Verification:
    """Walk the chain from its first entry and check every link and signature.

    Whoever may read the changes also checks that each is the one that was written.

    Args:
        uow: what to read through; it has seen nothing of the database yet.
        tenures: who may have signed which entries, in which role, from the key file:
            whoever can edit the tables must not choose them.
    """
    head = uow.head.read()
    uow.meet_keys()
    signers = {t: Ed25519PublicKey.from_public_bytes(t.signing_key) for t in tenures()}
    told = _told_by_keys(signers.keys())
    previous, good = GENESIS, 0
    numbers = [row[0] for row in uow.sql("SELECT sequence FROM audit_entry ORDER BY 1")]
    for number in numbers:
        try:
            entry = uow.session.get_one(AuditEntry, number)
            reason = _fault(uow, entry, previous, good, signers)
        except (LookupError, TypeError, ValueError, AttributeError):
            return Verification(good, number, "it cannot be read")
        if reason is None and entry.action in TOLD_BY_KEYS and number not in told:
            reason = "the keys do not know of it: an old key file was put back"
        if reason is not None:
            return Verification(good, number, reason)
        previous, good = entry.hash, good + 1
        uow.session.expunge(entry)
    if good < max(told):
        return Verification(good, good + 1, f"entry {good + 1} is missing")
    try:
        _check_head(uow, head, Head(good, previous))
    except TamperedError as error:
        return Verification(good, good + 1, error.message)
    return Verification(good)


def _check_head(uow: UnitOfWork, head: Head | None, last: Head) -> None:
    """Compare the head that was kept with the chain, which may have gone on from it.

    Raises:
        TamperedError: the chain does not hold the entry that was its last.
    """
    uow.head.compare(head, last.sequence, last.hash)
    if head is not None and 0 < head.sequence < last.sequence:
        statement = "SELECT hash FROM audit_entry WHERE sequence = ?"
        ((there,),) = uow.sql(statement, head.sequence) or [(b"",)]
        uow.head.compare(head, head.sequence, there)


def _told_by_keys(tenures: Collection[Tenure]) -> set[int]:
    """Return the entries that the log of keys tells of."""
    ended = {t.last + 1 for t in tenures if t.last is not None}
    return ended | {t.first - 1 for t in tenures if t.first > 1} | {1}


def last_entry(uow: UnitOfWork) -> Head:
    """Return the end of the chain as the database has it."""
    rows = uow.sql(
        "SELECT sequence, hash FROM audit_entry ORDER BY sequence DESC LIMIT 1"
    )
    return Head(*rows[0]) if rows else Head(0, GENESIS)


def _fault(
    uow: UnitOfWork,
    entry: AuditEntry,
    previous: bytes,
    good: int,
    signers: Mapping[Tenure, Ed25519PublicKey],
) -> str | None:
    """Return what is wrong with an entry, if anything."""
    if entry.sequence != good + 1:
        return f"entry {good + 1} is missing"
    if entry.previous_hash != previous:
        return "it does not follow the entry before it"
    if entry.hash != _entry_hash(entry):
        return "its content was changed"
    return _unsigned(entry, signers) or _other_change(uow, entry)


def _unsigned(
    entry: AuditEntry, signers: Mapping[Tenure, Ed25519PublicKey]
) -> str | None:
    """Return what is wrong with the signature of an entry, if anything."""
    own = [t for t in signers if t.principal == entry.actor]
    if not own:
        return "nobody known signed it"
    for tenure in own:
        if tenure.first <= entry.sequence <= (tenure.last or entry.sequence):
            if entry.role is not tenure.role:
                return f"{tenure.name} was {tenure.role}, not {entry.role}"
            try:
                signers[tenure].verify(entry.signature, entry.hash)
            except InvalidSignature:
                return "its signature does not fit"
            return None
    return f"{own[-1].name} could not sign at that time"


def _other_change(uow: UnitOfWork, entry: AuditEntry) -> str | None:
    """Return what is wrong with the readable change, if it can be read here."""
    if entry.change_digest is None or not uow.can_read(Role.ADMIN):
        return None
    sequence = str(entry.sequence)
    try:
        change = uow.open("audit_entry", "change", sequence, entry.change)
    except (TamperedError, PermissionDenied):
        return "its readable change was exchanged"
    if _change_digest(change) != entry.change_digest:
        return "its readable change was exchanged"
    return None
