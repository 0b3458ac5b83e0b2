"""`backtest`: how well past issues would have been served, and how sure one may be."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.cli.synchronising import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from issuetrack.engine.assistant.backtest_report import BacktestReport

Since = Annotated[
    str | None,
    typer.Option("--since", help="Only issues opened since a date, or 90d, 2w."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "backtest",
        needs="backtest",
        examples="issuetrack backtest\n"
        "issuetrack backtest --since 2026-01-01 --no-fit --output json",
    )
    def backtest(
        run: Invocation,
        since: Since = None,
        limit: Annotated[
            int, typer.Option("--limit", "-n", min=1, help="The newest so many.")
        ] = 600,
        fit: Annotated[
            bool, typer.Option("--fit/--no-fit", help="Calibrate with what it finds.")
        ] = True,
    ) -> None:
        """Replay past issues, each with only what was known when it was opened.

        Tells how often what helped was found, and fits the confidence of suggestions
        to what came true.
        """
        from issuetrack.cli import backtest_view
        from issuetrack.engine.assistant.backtest import Request

        request = Request(moment(since, datetime.now(UTC)), limit, fit)
        with run.workspace() as workspace:
            with diagnostics.progress("Replaying past issues") as advance:
                found = workspace.backtest.run(workspace.actor, request, advance)
            status = workspace.index_status()
        if status.queued:
            run.warn(f"{status.queued} are not indexed yet: issuetrack index update")
        for warning in _warnings(found, fit=fit):
            run.warn(warning)
        run.show(
            Result(
                asdict(found),
                ("total", "reliability", "calibrated", "seconds"),
                table=lambda: backtest_view.table(found),
                markdown=lambda: backtest_view.markdown(found),
            )
        )


def _warnings(found: "BacktestReport", *, fit: bool) -> "Iterator[str]":
    if not found.finished:
        yield "no issue is resolved yet: import some, or resolve with issuetrack resolve"
    elif not found.total.issues:
        yield "no resolved issue was opened since then"
    elif found.missing is not None and fit:
        yield f"not calibrated: that takes at least {found.missing}"
    if found.total.issues and not found.truth.fixes:
        yield "no past issue says what fixed it: see issuetrack resolution review"
    duplicates = found.duplicates
    if duplicates is not None and duplicates.missing is not None and fit:
        yield f"duplicates are not calibrated: that takes at least {duplicates.missing}"
    if found.adaptation_off:
        yield "adaptation does harm here and is off now: issuetrack index adapt"
