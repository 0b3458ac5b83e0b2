"""`sync`: reads what changed in trackers."""

import gc
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.probable import warn_of_new
from issuetrack.cli.registration import command
from issuetrack.cli.source_view import SYNC_FIELDS, sync_data, sync_line
from issuetrack.engine.errors import IssueTrackError, ModelError, UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.sync.runs import SyncReport, Wish
    from issuetrack.engine.workspace import Workspace

GARBAGE_THRESHOLD = 5_000
UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "sync",
        needs="synchronise",
        examples="issuetrack sync github\n"
        "issuetrack sync all --output json\n"
        "issuetrack sync jira --key OPS-17\n"
        "issuetrack sync github --full\n"
        "*/5 * * * * issuetrack sync all --no-input >/dev/null",
    )
    def sync(
        run: Invocation,
        name: Annotated[
            str,
            typer.Argument(
                metavar="NAME", help="A source, github, jira, servicenow or all."
            ),
        ],
        since: Annotated[
            str | None,
            typer.Option("--since", help="A date, or 7d, 12h, 2w: read from there."),
        ] = None,
        full: Annotated[
            bool, typer.Option("--full", help="Read everything; find what is gone.")
        ] = False,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Count, and write nothing.")
        ] = False,
        key: Annotated[
            str | None, typer.Option("--key", help="Read one issue only.")
        ] = None,
        limit: Annotated[
            int | None, typer.Option("--limit", "-n", help="Stop after so many issues.")
        ] = None,
        wait: Annotated[
            bool, typer.Option("--wait", help="Wait for a sync that is at it already.")
        ] = False,
        no_index: Annotated[
            bool, typer.Option("--no-index", help="Leave indexing for later.")
        ] = False,
    ) -> None:
        """Read what changed in trackers since the last time.

        Stopped anywhere, the same command goes on from there. With something missing
        the exit code is 6; what is missing is told.
        """
        from issuetrack.engine.sync.runs import Wish

        wish = Wish(moment(since, datetime.now(UTC)), full, dry_run, key, limit)
        wish.check()
        gc.set_threshold(GARBAGE_THRESHOLD)
        with run.workspace() as workspace:
            sources = workspace.sources.named(workspace.actor, name)
            one = len(sources) == 1 and name != "all"
            indexes = not (dry_run or no_index)
            last = workspace.duplicates.last_issue(workspace.actor) if indexes else 0
            reports, errors = [], {}
            for record in sources:
                source = record.settings.name
                try:
                    reports.append(_sync(workspace, source, wish, wait=wait))
                except IssueTrackError as error:
                    if one:
                        raise
                    errors[source] = error
            if indexes and _index(run, workspace):
                warn_of_new(run, workspace, last)
        _show(run, reports, errors, one=one)


def moment(text: str | None, now: datetime) -> datetime | None:
    """Return the moment of `--since`: a date, or how long ago.

    Raises:
        UsageError: it is neither.
    """
    from issuetrack.connectors import vocabulary

    if text is None:
        return None
    ago = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if ago:
        return now - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        return vocabulary.moment(text)
    except ValueError as error:
        raise UsageError(
            f"--since {text!r} is no date", "as 2026-01-31, or 7d, 12h, 2w"
        ) from error


def _sync(
    workspace: "Workspace", source: str, wish: "Wish", *, wait: bool
) -> "SyncReport":
    from issuetrack.connectors import registry

    with diagnostics.progress(f"Reading {source}") as advance:

        def told(report: "SyncReport") -> None:
            note = f"{report.pages} pages, {report.comments} comments"
            if report.rate_remaining is not None:
                note += f", {report.rate_remaining} requests left"
            met = report.issues + report.skipped
            advance(met, max(report.total or 0, met), note)

        return workspace.sync.run(
            workspace.actor,
            source,
            registry.connect,
            wish,
            environment=os.environ,
            waiting=lambda why, s: advance(0, 0, f"{why}; waiting {s:.0f} s"),
            progress=told,
            wait=wait,
        )


def _index(run: Invocation, workspace: "Workspace") -> bool:
    """Index what was read; return whether there was anything, and it worked."""
    if not workspace.index_waits():
        return False
    try:
        with diagnostics.progress("Indexing") as advance:
            workspace.drain_index(advance)
    except ModelError as error:
        run.warn(f"what was read cannot be found yet: {error.message}")
        return False
    return True


def _show(
    run: Invocation,
    reports: "list[SyncReport]",
    errors: dict[str, IssueTrackError],
    *,
    one: bool,
) -> None:
    for report in reports:
        for reason in report.reasons:
            run.warn(f"{report.source}: {reason}")
        if report.hint:
            diagnostics.say(f"  try: {report.hint}")
        for notice in report.notices:
            run.warn(f"{report.source}: {notice}")
        for problem in report.problems:
            run.warn(f"{report.source}: {problem.origin}: {problem.reason}")
    for source, error in errors.items():
        run.warn(f"{source}: {error.message}; try: {error.hint or 'source test'}")
    rows: list[dict[str, Any]] = [
        sync_data(report) | {"error": None} for report in reports
    ]
    rows += [
        dict.fromkeys(rows[0] if rows else SYNC_FIELDS)
        | {"source": source, "partial": True, "error": error.code}
        for source, error in errors.items()
    ]
    run.show(
        Result(rows[0] if one else rows, SYNC_FIELDS, table=lambda: _lines(reports))
    )
    if errors or any(report.partial for report in reports):
        raise typer.Exit(diagnostics.PARTIAL)


def _lines(reports: "list[SyncReport]") -> "RenderableType":
    from rich.text import Text

    return Text("\n".join(sync_line(report) for report in reports))
