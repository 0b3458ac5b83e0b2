"""`outcome`: says what became of a recommendation or a procedure."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command

ResultName = Literal["accepted", "rejected", "partly"]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "outcome",
        needs="rate",
        examples="issuetrack outcome R12 accepted\n"
        "issuetrack outcome S3 partly --issue 17 --note 'step 4 was not needed'\n"
        "issuetrack outcome R12 rejected",
    )
    def outcome(
        run: Invocation,
        name: Annotated[
            str, typer.Argument(metavar="R12|S3", help="A recommendation or an SOP.")
        ],
        result: Annotated[ResultName, typer.Argument(help="How it ended.")],
        issue: Annotated[
            str | None,
            typer.Option("--issue", help="For which issue: #17, 17, a key or a url."),
        ] = None,
        note: Annotated[
            str | None, typer.Option("--note", help="Say more; - is stdin.")
        ] = None,
    ) -> None:
        """Say what became of a recommendation or an SOP that was followed.

        Of a recommendation the issue is known where it was made for one.
        """
        from issuetrack.engine.store.types import OutcomeResult

        with run.workspace() as workspace:
            kept = workspace.feedback.outcome(
                workspace.actor,
                name,
                OutcomeResult(result),
                issue,
                text_argument(note) if note else None,
            )
        data = asdict(kept)
        run.show(Result(data, tuple(data)))
