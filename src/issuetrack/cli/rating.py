"""`rate`: says how good a recommendation or a procedure was."""

from dataclasses import asdict
from typing import Annotated

import typer

from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "rate",
        needs="rate",
        examples="issuetrack rate R12 5\n"
        "issuetrack rate S3 4\n"
        "issuetrack rate R12 5 --source '#17'\n"
        "issuetrack rate R12 2 --feedback 'step 3 does not exist on version 14'",
    )
    def rate(
        run: Invocation,
        name: Annotated[
            str, typer.Argument(metavar="R12|S3", help="A recommendation or an SOP.")
        ],
        stars: Annotated[int, typer.Argument(help="1 (useless) to 5 (it was that).")],
        feedback: Annotated[
            str | None, typer.Option("--feedback", "-f", help="Say why; - is stdin.")
        ] = None,
        source: Annotated[
            str | None,
            typer.Option(
                "--source", help="Judge one cited source only: '#17', D5 or S3."
            ),
        ] = None,
    ) -> None:
        """Rate a recommendation or an SOP with 1 to 5 stars.

        Of the ratings that you give the same thing the last one counts.
        """
        with run.workspace() as workspace:
            rating = workspace.feedback.rate(
                workspace.actor,
                name,
                stars,
                text_argument(feedback) if feedback else None,
                source,
            )
        data = asdict(rating)
        run.show(Result(data, tuple(data)))
