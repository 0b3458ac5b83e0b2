"""The audit trail: who did what, each entry chained to the one before and signed.

The hash of an entry covers all its fields and the hash before it (SHA-256); the
signature of the actor (Ed25519) covers the hash. The readable change is sealed to
the admins. An entry is written in the transaction of the change it tells of.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlmodel import col, select

from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

GENESIS = b"\0" * 32


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
    fields = (
        str(entry.sequence),
        entry.at.isoformat(),
        entry.actor,
        entry.role.value,
        entry.action,
        entry.entity_type,
        entry.entity_id,
        entry.change.hex(),
        (entry.before_digest or b"").hex(),
        (entry.after_digest or b"").hex(),
        entry.previous_hash.hex(),
    )
    return digest({"entry": fields})


def record(
    uow: UnitOfWork,
    actor: Actor,
    now: datetime,
    action: str,
    entity: tuple[str, str],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry to the chain.

    Args:
        uow: the transaction of the change itself.
        actor: who acts; signs the entry.
        now: when.
        action: what was done, as `noun.verb`.
        entity: the type and name of what it was done to.
        before: the values that the change replaced.
        after: the values it put there.
    """
    last = uow.session.exec(
        select(AuditEntry.sequence, AuditEntry.hash)
        .order_by(col(AuditEntry.sequence).desc())
        .limit(1)
    ).first()
    sequence = 1 if last is None else last[0] + 1
    change = json.dumps({"before": before, "after": after}, default=str)
    entry = AuditEntry(
        sequence=sequence,
        at=now,
        actor=actor.principal,
        role=actor.role,
        action=action,
        entity_type=entity[0],
        entity_id=entity[1],
        change=uow.seal("audit_entry", "change", str(sequence), change, Role.ADMIN),
        before_digest=None if before is None else digest(before),
        after_digest=None if after is None else digest(after),
        previous_hash=GENESIS if last is None else last[1],
        hash=b"",
        signature=b"",
    )
    entry.hash = _entry_hash(entry)
    entry.signature = actor.signing.sign(entry.hash)
    uow.session.add(entry)
    uow.session.flush()


def verify(uow: UnitOfWork, signing_keys: Mapping[str, bytes]) -> Verification:
    """Walk the chain from its first entry and check every link and signature.

    Args:
        uow: what to read through.
        signing_keys: the public keys of those who may have signed, by principal, from
            the key file: whoever can edit the tables must not choose them.
    """
    signers = {
        principal: Ed25519PublicKey.from_public_bytes(key)
        for principal, key in signing_keys.items()
    }
    previous, good = GENESIS, 0
    numbers = [row[0] for row in uow.sql("SELECT sequence FROM audit_entry ORDER BY 1")]
    for number in numbers:
        try:
            entry = uow.session.get_one(AuditEntry, number)
            reason = _fault(entry, previous, good, signers)
        except (LookupError, TypeError, ValueError, AttributeError):
            return Verification(good, number, "it cannot be read")
        if reason is not None:
            return Verification(good, number, reason)
        previous, good = entry.hash, good + 1
        uow.session.expunge(entry)
    return Verification(good)


def _fault(
    entry: AuditEntry,
    previous: bytes,
    good: int,
    signers: Mapping[str, Ed25519PublicKey],
) -> str | None:
    """Return what is wrong with an entry, if anything."""
    if entry.sequence != good + 1:
        return f"entry {good + 1} is missing"
    if entry.previous_hash != previous:
        return "it does not follow the entry before it"
    if entry.hash != _entry_hash(entry):
        return "its content was changed"
    if entry.actor not in signers:
        return "nobody known signed it"
    try:
        signers[entry.actor].verify(entry.signature, entry.hash)
    except InvalidSignature:
        return "its signature does not fit"
    return None
