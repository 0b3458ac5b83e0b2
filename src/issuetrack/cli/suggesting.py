"""`suggest`: what to do about an issue, every line cited."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import suggestion_view
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.cli.searching import Explain, TextOption, question_for, warn_of_backlog

if TYPE_CHECKING:
    from issuetrack.engine.assistant.suggestions import Suggestion


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "suggest",
        needs="suggest",
        examples="issuetrack suggest 17\n"
        "issuetrack suggest --text 'checkout: too many clients already'\n"
        "tail -50 app.log | issuetrack suggest --text - --output markdown",
    )
    def suggest(
        run: Invocation,
        issue: Annotated[
            str | None, typer.Argument(help="#17, 17, a key or a url.")
        ] = None,
        text: TextOption = None,
        explain: Explain = False,
    ) -> None:
        """Suggest causes, steps, checks and a way back from past issues and documents.

        Every line quotes one of them; E1 and so on name the quotes. Rate it with:
        issuetrack rate R12 5.
        """
        with run.workspace(model_soon=issue is None) as workspace:
            question = question_for(workspace, issue, text)
            suggestion = workspace.suggestions.suggest(workspace.actor, question)
            warn_of_backlog(run, workspace)
        run.show(result(suggestion, explain=explain))


def result(suggestion: "Suggestion", *, explain: bool = False) -> Result:
    """Return a suggestion as a result in every form."""
    data: dict[str, Any] = suggestion_view.suggestion_data(suggestion, explain=explain)
    return Result(
        data,
        ("recommendation", "issue", "confidence", "summary"),
        table=lambda: suggestion_view.suggestion_panel(data),
        markdown=lambda: suggestion_view.suggestion_markdown(data),
    )
