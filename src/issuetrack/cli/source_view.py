"""How sources and their runs look."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from issuetrack.cli.facts import facts
from issuetrack.cli.output import Result, cell

if TYPE_CHECKING:
    from issuetrack.engine.sync.connector import Access
    from issuetrack.engine.sync.runs import SyncReport
    from issuetrack.engine.sync.source_records import RunRecord, SourceRecord

LIST_COLUMNS = ("name", "kind", "scope", "issues", "state", "succeeded_at")
STATUS_COLUMNS = (
    "name",
    "state",
    "succeeded_at",
    "issues",
    "gone",
    "pending",
    "quarantined",
    "detail",
)
LOG_COLUMNS = (
    "started_at",
    "source",
    "outcome",
    "seconds",
    "pages",
    "created",
    "updated",
    "requests",
    "detail",
)
RUN_COUNTS = (
    "pages",
    "requests",
    "created",
    "updated",
    "unchanged",
    "comments",
    "quarantined",
)
SYNC_FIELDS = (
    "source",
    "pages",
    "created",
    "updated",
    "unchanged",
    "comments",
    "quarantined",
    "requests",
    "cursor",
    "partial",
)


def state(record: "SourceRecord") -> str:
    """Say in a word how a source is."""
    if record.running:
        return "running"
    if record.paused:
        return "paused"
    if not record.connected:
        return "import"
    return record.last_run.outcome if record.last_run else "never run"


def run_data(run: "RunRecord") -> dict[str, Any]:
    """Return a run as a row."""
    took = run.finished_at - run.started_at if run.finished_at else None
    return {
        "source": run.source,
        "outcome": run.outcome,
        "full": run.full,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "seconds": round(took.total_seconds(), 1) if took else None,
        **{name: run.counts.get(name) for name in RUN_COUNTS},
        "reasons": list(run.reasons),
        "detail": "; ".join(run.reasons) or None,
    }


def source_data(record: "SourceRecord") -> dict[str, Any]:
    """Return a source as one object; its token is never in it."""
    settings = record.settings
    return {
        "name": settings.name,
        "kind": settings.kind,
        "base_url": settings.base_url or None,
        "scope": record.scope,
        "state": state(record),
        "username": settings.username,
        "token": record.token,
        "options": dict(settings.options),
        "mapping": list(settings.mapping),
        "write_back": record.write_back,
        "paused": record.paused,
        "issues": record.issues,
        "gone": record.gone,
        "pending": record.pending,
        "quarantined": record.quarantined,
        "created_at": record.created_at,
        "succeeded_at": record.succeeded_at,
        "last_run": run_data(record.last_run) if record.last_run else None,
        "cursor": record.cursor,
    }


def status_data(record: "SourceRecord") -> dict[str, Any]:
    """Return how a source is as a row."""
    data = source_data(record)
    last = record.last_run
    data["detail"] = "; ".join(last.reasons) if last and last.reasons else None
    return {name: data[name] for name in (*STATUS_COLUMNS, "kind", "last_run")}


def source_result(record: "SourceRecord") -> Result:
    """Return a source to be shown."""
    data = source_data(record)
    told = {k: v for k, v in data.items() if k not in ("cursor", "last_run")}
    told["options"] = [f"{k}={v}" for k, v in record.settings.options.items()] or None
    told["mapping"] = data["mapping"] or None
    if record.last_run is not None:
        told["last run"] = f"{record.last_run.outcome}, " + cell(
            record.last_run.started_at
        )
    return Result(data, LIST_COLUMNS, table=lambda: facts(told))


def access_result(name: str, access: "Access") -> Result:
    """Return what a source may do, to be shown."""
    data = {"source": name} | asdict(access)
    data |= {"may": list(access.may), "may_not": list(access.may_not)}
    left = None
    if access.rate_remaining is not None:
        left = f"{access.rate_remaining} of {access.rate_limit or '?'} requests left"
        if access.rate_reset_at:
            left += f" until {access.rate_reset_at:%H:%M} UTC"
    told = {
        "source": name,
        "server": access.server,
        "account": access.account or "none (no token)",
        "may": "; ".join(access.may) or None,
        "may not": "; ".join(access.may_not) or None,
        "issues": access.issues,
        "rate limit": left,
    }
    return Result(data, tuple(data), table=lambda: facts(told))


def sync_data(report: "SyncReport") -> dict[str, Any]:
    """Return what a run did as one object."""
    found = asdict(report)
    rest = ("dry_run", "full", "gone", "resolutions", "skipped", "reasons")
    last = ("notices", "problems", "already_running", "rate_remaining")
    return {name: found[name] for name in (*SYNC_FIELDS, *rest, *last)}


def sync_line(report: "SyncReport") -> str:
    """Say in one line what a run did."""
    if report.already_running:
        return f"{report.source}: already running elsewhere"
    counts = (
        f"{report.created} new",
        f"{report.updated} changed",
        f"{report.unchanged} as they were",
        f"{report.comments} comments",
        f"{report.gone} gone" if report.gone else "",
        f"{report.quarantined} put aside" if report.quarantined else "",
        f"{report.requests} requests",
    )
    how = " (nothing was written)" if report.dry_run else ""
    how += " (incomplete)" if report.partial else ""
    return f"{report.source}: {', '.join(c for c in counts if c)}{how}"
