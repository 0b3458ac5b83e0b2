"""`suggest`: what to do about an issue, every line cited."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics, suggestion_view
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.cli.searching import TextOption, question_for, warn_of_backlog

if TYPE_CHECKING:
    from issuetrack.engine.assistant.suggestions import Suggestion
    from issuetrack.engine.retrieval.search import Question
    from issuetrack.engine.workspace import Workspace

Explain = Annotated[
    bool,
    typer.Option(
        "--explain", help="Show evidence, features, weights, and what was left out."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "suggest",
        needs="suggest",
        examples="issuetrack suggest 17\n"
        "issuetrack suggest --text 'checkout: too many clients already'\n"
        "tail -50 app.log | issuetrack suggest --text - --output markdown\n"
        "issuetrack suggest 17 --no-llm --explain",
    )
    def suggest(
        run: Invocation,
        issue: Annotated[
            str | None, typer.Argument(help="#17, 17, a key or a url.")
        ] = None,
        text: TextOption = None,
        explain: Explain = False,
        no_llm: Annotated[
            bool, typer.Option("--no-llm", help="Only quote; ask no language model.")
        ] = False,
    ) -> None:
        """Suggest causes, steps, checks and a way back from past issues and documents.

        Every line rests on one of them; E1 and so on name the quotes. A language model
        is asked where one is in use (issuetrack models use); of what it says only that
        is shown which the quotes bear out. Ctrl+C stops it. Rate the suggestion with:
        issuetrack rate R12 5.
        """
        with run.workspace(model_soon=issue is None) as workspace:
            question = question_for(workspace, issue, text)
            suggestion = _suggested(workspace, question, llm=not no_llm)
            for warning in suggestion.trace.warnings:
                run.warn(warning)
            warn_of_backlog(run, workspace)
        run.show(result(suggestion, explain=explain))


def _suggested(
    workspace: "Workspace", question: "Question", *, llm: bool
) -> "Suggestion":
    from issuetrack.engine.assistant.drafting import Wish

    actor = workspace.actor
    if not (llm and workspace.has_chat):
        return workspace.suggestions.suggest(actor, question, Wish(model=False))
    title = "the model drafts, not verified yet"
    with stopped_by_interrupt() as cancel, diagnostics.growing(title) as on_token:
        wish = Wish(on_token=on_token, cancel=cancel)
        return workspace.suggestions.suggest(actor, question, wish)


@contextmanager
def stopped_by_interrupt() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl+C sets; the second ends the program."""
    cancel = threading.Event()

    def stop(number: int, frame: Any) -> None:
        if cancel.is_set():
            signal.default_int_handler(number, frame)
        cancel.set()

    if threading.current_thread() is not threading.main_thread():
        yield cancel
        return
    before = signal.signal(signal.SIGINT, stop)
    try:
        yield cancel
    finally:
        signal.signal(signal.SIGINT, before)


def result(suggestion: "Suggestion", *, explain: bool = False) -> Result:
    """Return a suggestion as a result in every form."""
    data: dict[str, Any] = suggestion_view.suggestion_data(suggestion, explain=explain)
    return Result(
        data,
        ("recommendation", "issue", "confidence", "summary"),
        table=lambda: suggestion_view.suggestion_panel(data),
        markdown=lambda: suggestion_view.suggestion_markdown(data),
    )
