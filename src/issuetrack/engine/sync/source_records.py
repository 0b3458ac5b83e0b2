"""Sources and their runs as other rooms see them: frozen, without secrets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import col, func, select

from issuetrack.engine.errors import NotFoundError, TamperedError, UsageError
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.locking import is_locked
from issuetrack.engine.store.tables import (
    Issue,
    IssueOverride,
    Quarantine,
    Source,
    SyncRun,
)
from issuetrack.engine.store.types import Role, SyncOutcome
from issuetrack.engine.store.unit_of_work import UnitOfWork
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource


@dataclass(frozen=True)
class RunRecord:
    """One run of a source."""

    source: str
    outcome: SyncOutcome
    full: bool
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, int]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class SourceRecord:
    """A source as people see it; the token is never among it.

    Attributes:
        connected: it is a tracker that can be synchronised, not a file import.
        token: where its token comes from; None without one.
        issues: how many issues it brought.
        gone: how many of these its tracker no longer has.
        pending: how many local edits are not upstream.
        quarantined: how many records were put aside.
        succeeded_at: when everything was last read without a failure.
        running: a run is at it now.
    """

    settings: SourceSettings
    scope: str | None
    connected: bool
    token: CredentialFrom | None
    paused: bool
    write_back: bool
    cursor: str | None
    issues: int
    gone: int
    pending: int
    quarantined: int
    created_at: datetime
    succeeded_at: datetime | None
    last_run: RunRecord | None
    running: bool = False


def find_source(uow: UnitOfWork, name: str) -> Source:
    """Return the row of a source.

    Raises:
        NotFoundError: there is none of that name.
    """
    row = uow.session.exec(
        select(Source).where(Source.name == clean_line(name))
    ).first()
    if row is None:
        raise NotFoundError(
            f"there is no source {name}", "list them: issuetrack source list"
        )
    return row


def settings_of(row: Source) -> SourceSettings:
    """Return what a person said of a source."""
    return SourceSettings(
        row.name,
        row.kind,
        row.base_url or "",
        row.username,
        dict(row.options),
        tuple(row.mapping),
    )


def credential_of(uow: UnitOfWork, row: Source) -> CredentialSource | None:
    """Return where the token of a source comes from.

    Raises:
        PermissionDenied: the principal may not use it.
        TamperedError: it was given for another scheme, host or port.
    """
    if row.token is None or row.base_url is None:
        return None
    text = uow.open_credential("source", "token", row.uuid, row.token, row.base_url)
    return CredentialSource.parse(text)


def record(uow: UnitOfWork, row: Source, database: Path) -> SourceRecord:
    """Return a source as people see it."""

    def count(column: Any, *conditions: Any) -> int:
        return uow.session.exec(select(func.count(column)).where(*conditions)).one()

    mine = Issue.source_id == row.id
    running = is_locked(lock_path(database, row.id or 0))
    runs = (
        select(SyncRun)
        .where(SyncRun.source_id == row.id)
        .order_by(col(SyncRun.id).desc())
        .limit(1)
    )
    last = uow.session.exec(runs).first()
    done = uow.session.exec(runs.where(SyncRun.outcome == SyncOutcome.DONE)).first()
    return SourceRecord(
        settings_of(row),
        row.scope,
        row.base_url is not None,
        token_kind(uow, row),
        row.paused,
        row.write_back,
        row.cursor,
        count(Issue.number, mine),
        count(Issue.number, mine, col(Issue.gone).is_not(None)),
        count(IssueOverride.id, IssueOverride.issue_number == Issue.number, mine),
        count(Quarantine.id, Quarantine.source_id == row.id),
        row.created_at,
        done.finished_at if done else None,
        run_record(last, row.name, running=running) if last else None,
        running,
    )


def token_kind(uow: UnitOfWork, row: Source) -> CredentialFrom | None:
    """Return where the token of a source is kept, as far as may be known here."""
    if row.token is None:
        return None
    if not uow.can_read(Role.ENGINEER):
        return CredentialFrom.STORED
    try:
        found = credential_of(uow, row)
    except (TamperedError, UsageError):
        return CredentialFrom.STORED
    return found.kind if found else None


def lock_path(database: Path, source: int) -> Path:
    """Return the lock file of a source."""
    return database.with_name(f"{database.name}.sync-{source}.lock")


def run_record(row: SyncRun, source: str, *, running: bool) -> RunRecord:
    """Return a run as people see it; only the last one of a source can be running."""
    outcome = row.outcome
    if outcome is SyncOutcome.RUNNING and not running:
        outcome = SyncOutcome.KILLED
    return RunRecord(
        source,
        outcome,
        row.full,
        row.started_at,
        row.finished_at,
        dict(row.counts),
        tuple(row.reasons),
    )
