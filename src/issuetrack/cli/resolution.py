"""`resolution`: the fixes that are known, and a person's judgement of mined ones."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from issuetrack.cli import resolution_view
from issuetrack.cli.context import Invocation, edited, text_argument
from issuetrack.cli.issue import Name
from issuetrack.cli.output import OutputFormat, Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from issuetrack.engine.issues.review import FixEntry, FixReview
    from issuetrack.engine.workspace import Workspace

CandidateOption = Annotated[
    int | None,
    typer.Option("--candidate", "-c", min=1, help="Its number in `resolution show`."),
]
PublicOption = Annotated[
    bool,
    typer.Option("--public", help="Let everybody read what is from a work note."),
]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="What fixed past issues: list, review, confirm, edit and reject.",
        rich_markup_mode=None,
    )
    app.add_typer(noun, name="resolution")
    _register_reading(noun)
    _register_judging(noun)


def _register_reading(noun: typer.Typer) -> None:
    @command(
        noun,
        "list",
        needs="read",
        examples="issuetrack resolution list\nissuetrack resolution list --how mined",
    )
    def list_resolutions(
        run: Invocation,
        how: Annotated[
            Literal["stated", "mined", "confirmed"] | None,
            typer.Option("--how", help="Only those that are known this way."),
        ] = None,
        limit: LimitOption = 50,
    ) -> None:
        """List what fixed issues, the latest first."""
        from issuetrack.engine.store.types import ResolutionHow

        with run.workspace() as workspace:
            found, total = workspace.review.fixes(
                workspace.actor, ResolutionHow(how) if how else None, limit
            )
        _show_list(run, found, total)

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            from issuetrack.cli.registration import invoke

            invoke(context, list_resolutions, "list", how=None, limit=50)

    @command(
        noun,
        "show",
        needs="curate fixes",
        examples="issuetrack resolution show 17\n"
        "issuetrack resolution show OPS-116 --output json",
    )
    def show(run: Invocation, issue: Name) -> None:
        """Show what fixed an issue, and what else in it may have."""
        with run.workspace() as workspace:
            review = workspace.review.get(workspace.actor, issue)
        _show(run, review)

    @command(
        noun,
        "review",
        needs="curate fixes",
        examples="issuetrack resolution review\n"
        "issuetrack resolution review --no-input --output json",
    )
    def review(run: Invocation, limit: LimitOption = 50) -> None:
        """Judge mined fixes, the least certain and most used first.

        On a terminal it asks for one key each; otherwise it lists what waits.
        """
        with run.workspace() as workspace:
            found, total = workspace.review.queue(workspace.actor, limit)
            if run.interactive and run.format is OutputFormat.TABLE:
                _judge_each(run, workspace, found, total)
                return
        _show_list(run, found, total)


def _show_list(run: Invocation, found: "list[FixEntry]", total: int) -> None:
    if total > len(found):
        run.warn(f"{len(found)} of {total} shown; see more with --limit {total}")
    rows = [resolution_view.entry_data(entry) for entry in found]
    fields = resolution_view.FIELDS
    run.show(Result(rows, resolution_view.COLUMNS, fields=fields))


def _show(run: Invocation, review: "FixReview") -> None:
    run.show(
        Result(
            resolution_view.review_data(review),
            table=lambda: resolution_view.review_panel(review),
            markdown=lambda: resolution_view.review_markdown(review),
        )
    )


def _register_judging(noun: typer.Typer) -> None:
    @command(
        noun,
        "confirm",
        needs="curate fixes",
        examples="issuetrack resolution confirm 17\n"
        "issuetrack resolution confirm 17 --candidate 2 --public",
    )
    def confirm(
        run: Invocation,
        issue: Name,
        candidate: CandidateOption = None,
        public: PublicOption = False,
    ) -> None:
        """Confirm what fixed an issue: nothing replaces it but another person."""
        with run.workspace() as workspace:
            review = workspace.review.confirm(
                workspace.actor, issue, candidate, public=public
            )
            run.index_one(workspace, review.issue.number)
        _show(run, review)

    @command(
        noun,
        "edit",
        needs="curate fixes",
        examples="issuetrack resolution edit 17          (opens EDITOR)\n"
        "issuetrack resolution edit 17 --text - < what-fixed-it.md",
    )
    def edit(
        run: Invocation,
        issue: Name,
        text: Annotated[
            str | None, typer.Option("--text", "-t", help="What fixed it; - is stdin.")
        ] = None,
    ) -> None:
        """Write what fixed an issue in your words; everybody may read it."""
        with run.workspace() as workspace:
            words = text_argument(text) if text else _written(run, workspace, issue)
            review = workspace.review.edit(workspace.actor, issue, words)
            run.index_one(workspace, review.issue.number)
        _show(run, review)

    @command(
        noun,
        "reject",
        needs="curate fixes",
        examples="issuetrack resolution reject 17\n"
        "issuetrack resolution reject 17 --candidate 2",
    )
    def reject(run: Invocation, issue: Name, candidate: CandidateOption = None) -> None:
        """Say that a text did not fix an issue; the next best takes its place."""
        with run.workspace() as workspace:
            review = workspace.review.reject(workspace.actor, issue, candidate)
            run.index_one(workspace, review.issue.number)
        _show(run, review)


def _written(run: Invocation, workspace: "Workspace", issue: str) -> str:
    """Let a person write what fixed an issue, starting from what is known.

    Raises:
        InputNeeded: nobody can be asked.
    """
    if not run.interactive:
        raise UsageError(
            "no text was given", "issuetrack resolution edit ISSUE --text -"
        )
    review = workspace.review.get(workspace.actor, issue)
    return edited(resolution_view.best_text(review))


def _judge_each(
    run: Invocation, workspace: "Workspace", found: "list[FixEntry]", total: int
) -> None:
    from issuetrack.cli.resolution_keys import Judge

    judged = Judge(run, workspace, total).judge([e.issue.number for e in found])
    run.show(Result(asdict(judged), tuple(asdict(judged))))
