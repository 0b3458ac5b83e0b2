"""`feedback`: what people said of recommendations and procedures."""

import re
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result, plain_table
from issuetrack.cli.registration import command, invoke
from issuetrack.cli.synchronising import moment
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.assistant.feedback_log import FeedbackEntry

COLUMNS = ("of", "kind", "at", "by", "stars", "result", "issue", "counts", "text")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Ratings and outcomes.", rich_markup_mode=None)
    app.add_typer(noun, name="feedback")

    @command(
        noun,
        "list",
        needs="read feedback",
        examples="issuetrack feedback list\n"
        "issuetrack feedback list S3 --since 30d\n"
        "issuetrack feedback list --stars 1..2 --output csv",
    )
    def list_feedback(
        run: Invocation,
        name: Annotated[
            str | None,
            typer.Argument(metavar="R12|S3", help="Of this one only."),
        ] = None,
        since: Annotated[
            str | None, typer.Option("--since", help="A date, or 7d, 12h, 2w.")
        ] = None,
        stars: Annotated[
            str | None, typer.Option("--stars", help="Ratings of 5, or of 1..2 stars.")
        ] = None,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)] = 50,
    ) -> None:
        """List ratings and outcomes with what was written, the latest first."""
        from issuetrack.engine.assistant.feedback_log import FeedbackFilter
        from issuetrack.engine.assistant.targets import Target

        wanted = FeedbackFilter(
            Target.named(name) if name else None,
            moment(since, datetime.now(UTC)),
            _stars(stars) if stars else None,
        )
        with run.workspace() as workspace:
            found = workspace.feedback.entries(workspace.actor, wanted, limit + 1)
        if len(found) > limit:
            run.warn(f"the latest {limit} shown; see more with --limit")
        _show(run, found[:limit])

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            given = {"name": None, "since": None, "stars": None}
            invoke(context, list_feedback, "list", **given, limit=50)


def _stars(text: str) -> tuple[int, int]:
    """Return the fewest and the most stars of `2` or `1..2`.

    Raises:
        UsageError: it is neither.
    """
    found = re.fullmatch(r"([1-5])(?:\.\.([1-5]))?", text.strip())
    if found is None:
        raise UsageError(f"--stars {text!r} is no number of stars", "as 5, or 1..2")
    least = int(found[1])
    return least, int(found[2] or least)


def _show(run: Invocation, found: "list[FeedbackEntry]") -> None:
    from issuetrack.engine.assistant.feedback_log import FeedbackEntry

    rows = [asdict(entry) for entry in found]
    names = [field.name for field in fields(FeedbackEntry)]
    run.show(
        Result(
            rows,
            COLUMNS,
            table=lambda: plain_table([_told(row) for row in rows], COLUMNS),
            fields=names,
        )
    )


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a person reads it."""
    named = f"R{row['recommendation']}" if row["sop"] is None else f"S{row['sop']}"
    source, issue = row["source"], row["issue"]
    return row | {
        "of": f"{named} ({source})" if source else named,
        "issue": None if issue is None else f"#{issue}",
    }
