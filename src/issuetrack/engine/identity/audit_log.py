"""Reading, checking and exporting the audit trail."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import col, select

from issuetrack.engine.identity import audit
from issuetrack.engine.identity.audit import Verification
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store import denial_spool
from issuetrack.engine.store.audit_head import Head, keep_in_keyring
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.slots import SlotKind
from issuetrack.engine.store.tables import AuditEntry
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

PAGE = 500


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are wanted; None leaves a field open.

    Attributes:
        action: the action, or its noun: `user` is every `user.*`.
        entity: a type, or `type:name`.
    """

    actor: str | None = None
    action: str | None = None
    entity: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self, names: Mapping[str, str]) -> list[ColumnElement[bool]]:
        """Return the filter as SQL.

        Args:
            names: the names of principals, by uuid.
        """
        found: list[ColumnElement[bool]] = []
        if self.actor is not None:
            own = [uuid for uuid, name in names.items() if name == self.actor]
            found.append(col(AuditEntry.actor).in_(own))
        if self.action is not None:
            exact = col(AuditEntry.action) == self.action
            found.append(
                exact
                | col(AuditEntry.action).startswith(f"{self.action}.", autoescape=True)
            )
        if self.entity is not None:
            kind, _, name = self.entity.partition(":")
            found.append(col(AuditEntry.entity_type) == kind)
            if name:
                found.append(col(AuditEntry.entity_id) == name)
        if self.since is not None:
            found.append(col(AuditEntry.at) >= self.since)
        if self.until is not None:
            found.append(col(AuditEntry.at) < self.until)
        return found


@dataclass(frozen=True)
class AuditRecord:
    """One entry, opened.

    Attributes:
        before, after: the readable change, secrets and personal data masked.
    """

    sequence: int
    at: datetime
    actor: str
    role: Role
    action: str
    entity: str
    before: Any
    after: Any
    hash: str
    signature: str
    previous_hash: str
    before_digest: str | None
    after_digest: str | None


class AuditService:
    """The audit trail of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def _names(self) -> dict[str, str]:
        tenures = self._database.keychain.file.state.tenures
        return {tenure.principal: tenure.name for tenure in tenures}

    def take_failed_unlocks(self, actor: Actor) -> None:
        """Take the failed unlocks that wait in their spool into the trail."""
        with denial_spool.taken(self._database.path) as attempts:
            if not attempts:
                return
            entity = ("workspace", self._database.keychain.file.database)
            with self._database.write() as uow:
                for attempt in attempts:
                    now, after = self._clock(), asdict(attempt)
                    audit.record(uow, actor, now, "unlock.failed", entity, after=after)

    def entries(
        self, actor: Actor, wanted: AuditFilter, limit: int = 50
    ) -> list[AuditRecord]:
        """Return the newest entries that fit, newest first."""
        authorize(actor, Permission.READ_AUDIT)
        names = self._names()
        with self._database.read() as uow:
            rows = uow.session.exec(
                select(AuditEntry)
                .where(*wanted.conditions(names))
                .order_by(col(AuditEntry.sequence).desc())
                .limit(limit)
            ).all()
            return [_opened(uow, row, names) for row in rows]

    def every(self, actor: Actor) -> Iterator[AuditRecord]:
        """Yield all entries, oldest first; that it was done is written down."""
        authorize(actor, Permission.READ_AUDIT)
        with self._database.write() as uow:
            audit.record(
                uow, actor, self._clock(), "audit.export", ("audit", "all"), after={}
            )
        names, last = self._names(), 0
        while True:
            with self._database.read() as uow:
                rows = uow.session.exec(
                    select(AuditEntry)
                    .where(col(AuditEntry.sequence) > last)
                    .order_by(col(AuditEntry.sequence))
                    .limit(PAGE)
                ).all()
                page = [_opened(uow, row, names) for row in rows]
            if not page:
                return
            yield from page
            last = page[-1].sequence

    def verify(self, actor: Actor) -> Verification:
        """Check the chain from its first entry to the head that was kept."""
        authorize(actor, Permission.VERIFY)
        keychain = self._database.keychain
        with self._database.read() as uow:
            found = audit.verify(uow, lambda: keychain.file.state.tenures)
        if found.broken_at is None and self._by_keyring:
            database = keychain.file.database
            reason = self._database.head.differs_from_keyring(database)
            if reason is not None:
                return Verification(found.entries, found.entries + 1, reason)
        return found

    @property
    def _by_keyring(self) -> bool:
        return self._database.keychain.keys.private.opened_by is SlotKind.KEYRING

    def keep_head(self) -> None:
        """Keep the head in the system keyring too, where that opened the workspace."""
        head = self._database.head.read()
        if self._by_keyring and head is not None:
            keep_in_keyring(self._database.keychain.file.database, head)

    def accept(self, actor: Actor) -> int:
        """Take the end of the chain as it is for its head; return its sequence.

        For when files were put back on purpose; that it was done is written down.
        """
        authorize(actor, Permission.MANAGE_KEYS)
        with self._database.write() as uow:
            known = uow.head.read() or Head(0, audit.GENESIS)
            uow.audited = audit.last_entry(uow)
            accepted = audit.record(
                uow,
                actor,
                self._clock(),
                "audit.accept",
                ("audit", "head"),
                before={"sequence": known.sequence, "hash": known.hash.hex()},
                after={},
            )
            head = audit.last_entry(uow)
        self._database.head.write(head)
        self.keep_head()
        return accepted


def _opened(uow: UnitOfWork, row: AuditEntry, names: Mapping[str, str]) -> AuditRecord:
    sequence = str(row.sequence)
    change = json.loads(uow.open("audit_entry", "change", sequence, row.change))
    return AuditRecord(
        row.sequence,
        row.at,
        names.get(row.actor, row.actor),
        row.role,
        row.action,
        f"{row.entity_type}:{row.entity_id}",
        change["before"],
        change["after"],
        row.hash.hex(),
        row.signature.hex(),
        row.previous_hash.hex(),
        row.before_digest.hex() if row.before_digest else None,
        row.after_digest.hex() if row.after_digest else None,
    )
