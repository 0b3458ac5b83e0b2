"""`recommendation`: suggestions that were given, and how each came about."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import suggestion_view
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke
from issuetrack.cli.suggesting import Explain
from issuetrack.cli.suggestion_reasons import dropped_data
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.assistant.recommendations import (
        RecommendationSummary,
        Replay,
    )

COLUMNS = ("recommendation", "issue", "kind", "confidence", "composer", "created_at")
FIELDS = (*COLUMNS, "model")
Number = Annotated[str, typer.Argument(help="R12 or 12.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=1000)]
IssueOption = Annotated[
    str | None, typer.Option("--issue", help="Only those for #17, 17, a key or a url.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Suggestions that were given, and how each came about.",
        rich_markup_mode=None,
    )
    app.add_typer(group, name="recommendation")

    @group.callback(invoke_without_command=True)
    def default(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, list_recommendations, "list", limit=50, issue=None)

    @command(
        group,
        "list",
        needs="read",
        examples="issuetrack recommendation list\n"
        "issuetrack recommendation list --issue 17 --output json",
    )
    def list_recommendations(
        run: Invocation, limit: Limit = 50, issue: IssueOption = None
    ) -> None:
        """List the latest recommendations."""
        with run.workspace() as workspace:
            number = None
            if issue is not None:
                asked = workspace.finding.question_of(workspace.actor, issue)
                number = asked.exclude
            found = workspace.recommendations.latest(workspace.actor, limit, number)
        run.show(Result([_row(row) for row in found], COLUMNS, fields=FIELDS))

    @command(
        group,
        "show",
        needs="read",
        examples="issuetrack recommendation show R12\n"
        "issuetrack recommendation show R12 --explain --output json",
    )
    def show(run: Invocation, recommendation: Number, explain: Explain = False) -> None:
        """Show a recommendation as it was given."""
        with run.workspace() as workspace:
            number = recommendation_number(recommendation)
            stored = workspace.recommendations.show(workspace.actor, number)
        if explain and stored.trace is None:
            run.warn("what it was made of was not kept, or is not for your role")
        data = suggestion_view.stored_data(stored, explain=explain)
        run.show(
            Result(
                data,
                ("recommendation", "issue", "confidence", "summary"),
                table=lambda: suggestion_view.suggestion_panel(data),
                markdown=lambda: suggestion_view.suggestion_markdown(data),
            )
        )

    @command(
        group,
        "replay",
        needs="suggest",
        examples="issuetrack recommendation replay R12\n"
        "issuetrack recommendation replay R12 --output json",
    )
    def replay(run: Invocation, recommendation: Number) -> None:
        """Make a recommendation again, and say what is not as it was.

        The evidence is that which was kept with it; the model, where one was asked, is
        asked the same with the same seed.
        """
        with run.workspace() as workspace:
            number = recommendation_number(recommendation)
            again = workspace.recommendations.replay(workspace.actor, number)
        data = _replay_data(again)
        run.show(
            Result(
                data,
                ("recommendation", "equal"),
                table=lambda: _replay_panel(data),
            )
        )


def recommendation_number(name: str) -> int:
    """Return the number of a recommendation that a person named.

    Raises:
        UsageError: it is no name of one.
    """
    from issuetrack.engine.issues.records import is_number

    digits = name.strip().upper().removeprefix("R")
    if not is_number(digits):
        raise UsageError(f"{name!r} is not a recommendation", "name it like R12")
    return int(digits)


def _row(found: "RecommendationSummary") -> dict[str, Any]:
    extractive = found.model == "extractive"
    return {
        "recommendation": found.recommendation,
        "issue": found.issue,
        "kind": found.kind,
        "confidence": found.confidence,
        "composer": "extractive" if extractive else "llm",
        "created_at": found.created_at,
        "model": None if extractive else found.model,
    }


def _replay_data(again: "Replay") -> dict[str, Any]:
    return {
        "recommendation": again.recommendation,
        "equal": again.equal,
        "differences": list(again.differences),
        **suggestion_view.composition_data(again.composition),
        "evidence": suggestion_view.evidence_data(again.composition),
        "dropped": dropped_data(again.dropped, explain=False),
    }


def _replay_panel(data: dict[str, Any]) -> Any:
    from rich.console import Group
    from rich.text import Text

    from issuetrack.terminal_safety import clean_line

    told = "reads as it did" if data["equal"] else "reads otherwise"
    lines = [Text(f"R{data['recommendation']} {told}.", style="bold")]
    lines += [Text(f"- {clean_line(line)}") for line in data["differences"]]
    return Group(*lines)
