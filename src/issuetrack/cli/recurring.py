"""`issue recurring`: the problems that come back."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result, plain_table
from issuetrack.cli.registration import command
from issuetrack.cli.synchronising import moment

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.assistant.recurring import Cluster

COLUMNS = ("times", "last", "gap", "lost", "services", "issue", "sop", "fix", "title")
FIELDS = (
    "exemplar",
    "title",
    "times",
    "first_at",
    "last_at",
    "mean_gap_seconds",
    "time_lost_seconds",
    "resolved",
    "services",
    "issues",
    "fix",
    "sop",
)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def register(noun: typer.Typer) -> None:
    """Add the command to the noun `issue`."""

    @command(
        noun,
        "recurring",
        needs="read",
        examples="issuetrack issue recurring\n"
        "issuetrack issue recurring --since 90d --least 3 --output json",
    )
    def recurring(
        run: Invocation,
        since: Annotated[
            str | None,
            typer.Option("--since", help="Opened since a date, or 90d, 12h, 2w."),
        ] = None,
        least: Annotated[
            int, typer.Option("--least", min=2, help="Happened so often or oftener.")
        ] = 2,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)] = 20,
    ) -> None:
        """Show the problems that come back: how often, the time lost, what helps.

        Time lost is the time from opening to resolving, of the issues that are resolved.
        """
        day = moment(since, datetime.now(UTC))
        with run.workspace() as workspace:
            with diagnostics.progress("Comparing") as advance:
                found = workspace.recurring.clusters(
                    workspace.actor, day, least, limit, advance
                )
            waits = workspace.index_waits()
        if found.left_out:
            run.warn(
                f"the latest {found.looked_at} issues were compared, "
                f"{found.left_out} older ones were not: see --since"
            )
        if waits:
            run.warn("not every issue is indexed yet: issuetrack index update")
        if found.total > len(found.clusters):
            run.warn(
                f"{len(found.clusters)} of {found.total} shown; "
                f"see more with --limit {found.total}"
            )
        rows = [_row(cluster) for cluster in found.clusters]
        run.show(Result(rows, COLUMNS, table=lambda: _table(rows), fields=FIELDS))


def _row(cluster: "Cluster") -> dict[str, Any]:
    return {
        "exemplar": cluster.exemplar,
        "title": cluster.title,
        "times": cluster.times,
        "first_at": cluster.first,
        "last_at": cluster.last,
        "mean_gap_seconds": round(cluster.mean_gap.total_seconds()),
        "time_lost_seconds": round(cluster.time_lost.total_seconds()),
        "resolved": cluster.resolved,
        "services": list(cluster.services),
        "issues": list(cluster.issues),
        "fix": asdict(cluster.fix) if cluster.fix else None,
        "sop": asdict(cluster.sop) if cluster.sop else None,
    }


def _table(rows: list[dict[str, Any]]) -> "RenderableType":
    from rich.text import Text

    if not rows:
        return Text("Nothing has come back.")
    return plain_table([_told(row) for row in rows], COLUMNS)


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a person reads it."""
    fix, sop = row["fix"], row["sop"]
    return {
        "times": row["times"],
        "last": row["last_at"].date().isoformat(),
        "gap": _span(row["mean_gap_seconds"]),
        "lost": _span(row["time_lost_seconds"]) if row["resolved"] else "",
        "services": row["services"],
        "issue": f"#{row['exemplar']}",
        "sop": f"S{sop['sop']} ({sop['how']})" if sop else "",
        "fix": f"#{fix['issue']} ({fix['how']})" if fix else "",
        "title": row["title"],
    }


def _span(seconds: int) -> str:
    """Return a time as a person reads it: days, hours or minutes."""
    span = timedelta(seconds=seconds)
    if span >= 2 * DAY:
        return f"{span / DAY:.0f} d"
    return f"{span / HOUR:.1f} h" if span >= HOUR else f"{seconds / 60:.0f} min"
