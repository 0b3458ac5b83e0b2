"""Keeps records that could not be taken in, for a second look."""

import hashlib
from datetime import datetime

from sqlmodel import select

from issuetrack.engine.store.tables import Quarantine
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.ports import BadRecord

QUARANTINED_CHARACTERS = 65536


def put_aside(uow: UnitOfWork, source: int, bad: BadRecord, now: datetime) -> bool:
    """Keep a record unless it is kept already; return whether it is new."""
    uuid = new_uuid()
    content = bad.content[:QUARANTINED_CHARACTERS]
    digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()
    known = uow.session.exec(
        select(Quarantine.id).where(
            Quarantine.source_id == source,
            Quarantine.origin == bad.origin,
            Quarantine.record_digest == digest,
        )
    ).first()
    if known is not None:
        return False
    row = {
        "uuid": uuid,
        "source_id": source,
        "origin": bad.origin,
        "line": bad.line,
        "reason": bad.reason,
        "record_digest": digest,
        "record": uow.seal("quarantine", "record", uuid, content, Role.ENGINEER),
        "created_at": now,
    }
    uow.insert(Quarantine, [row])
    return True
