"""`rate`: says how good a recommendation was."""

from dataclasses import asdict
from typing import Annotated

import typer

from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "rate",
        needs="rate",
        examples="issuetrack rate R12 5\n"
        "issuetrack rate R12 2 --feedback 'step 3 does not exist on version 14'",
    )
    def rate(
        run: Invocation,
        recommendation: Annotated[str, typer.Argument(help="R12 or 12.")],
        stars: Annotated[int, typer.Argument(help="1 (useless) to 5 (it was that).")],
        feedback: Annotated[
            str | None, typer.Option("--feedback", "-f", help="Say why; - is stdin.")
        ] = None,
    ) -> None:
        """Rate a recommendation with 1 to 5 stars."""
        number = recommendation.upper().removeprefix("R")
        from issuetrack.engine.issues.records import is_number

        if not is_number(number):
            raise UsageError(
                f"{recommendation!r} is not a recommendation", "name it like R12"
            )
        with run.workspace() as workspace:
            rating = workspace.suggestions.rate(
                workspace.actor,
                int(number),
                stars,
                text_argument(feedback) if feedback else None,
            )
        data = asdict(rating)
        run.show(Result(data, tuple(data)))
