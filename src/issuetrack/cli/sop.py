"""`sop`: procedures, from the draft to what is approved, and what became of them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from issuetrack.cli import sop_deciding, sop_files, sop_view, sop_writing
from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke
from issuetrack.cli.sop_view import Name, VersionOption

if TYPE_CHECKING:
    from issuetrack.engine.store.types import SopStatus

StatusName = Literal["draft", "in_review", "approved", "deprecated"]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Standard operating procedures: draft, approve, find, import.",
        rich_markup_mode=None,
    )
    app.add_typer(noun, name="sop")
    _register_list(noun)
    _register_showing(noun)
    _register_search(noun)
    _register_statistics(noun)
    sop_writing.register(noun)
    sop_deciding.register(noun)
    sop_files.register(noun)


def _register_list(noun: typer.Typer) -> None:
    @command(
        noun,
        "list",
        needs="read",
        examples="issuetrack sop list\n"
        "issuetrack sop list --status in_review\n"
        "issuetrack sop list --tag database --output json",
    )
    def list_sops(
        run: Invocation,
        status: Annotated[
            StatusName | None,
            typer.Option("--status", help="Versions in this state."),
        ] = None,
        tag: Annotated[
            list[str] | None,
            typer.Option("--tag", help="Which it must have; may be repeated."),
        ] = None,
        limit: Limit = 50,
    ) -> None:
        """List SOPs, the latest changed first; deprecated ones only if asked for."""
        with run.workspace() as workspace:
            found, total = workspace.sops.matching(
                workspace.actor, _status(status), tag or (), limit
            )
        if total > len(found):
            run.warn(f"{len(found)} of {total} shown; see more with --limit {total}")
        run.show(sop_view.list_result(found))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, list_sops, "list", status=None, tag=None, limit=50)


def _status(name: str | None) -> "SopStatus | None":
    from issuetrack.engine.store.types import SopStatus

    return None if name is None else SopStatus(name)


def _register_showing(noun: typer.Typer) -> None:
    @command(
        noun,
        "show",
        needs="read",
        examples="issuetrack sop show S3\n"
        "issuetrack sop show S3 --version 2\n"
        "issuetrack sop show S3 --output markdown",
    )
    def show(run: Invocation, sop: Name, version: VersionOption = None) -> None:
        """Show the version of an SOP that is in force, or another one."""
        with run.workspace() as workspace:
            record = workspace.sops.get(workspace.actor, sop, version)
        if version is None and record.summary.latest > record.summary.version:
            newer = record.summary.latest
            run.warn(
                f"there is a version {newer}: issuetrack sop diff S{record.summary.sop}"
            )
        run.show(sop_view.record_result(record))

    @command(noun, "history", needs="read", examples="issuetrack sop history S3")
    def history(run: Invocation, sop: Name) -> None:
        """Show what was done with the versions of an SOP, by whom and why."""
        with run.workspace() as workspace:
            versions, events = workspace.sops.history(workspace.actor, sop)
        run.show(sop_view.history_result(versions, events))

    @command(
        noun,
        "diff",
        needs="read",
        examples="issuetrack sop diff S3\nissuetrack sop diff S3 --from 1 --to 3",
    )
    def diff(
        run: Invocation,
        sop: Name,
        old: Annotated[
            int | None,
            typer.Option(
                "--from", min=1, help="[default: what the other was made from]"
            ),
        ] = None,
        new: Annotated[
            int | None, typer.Option("--to", min=1, help="[default: the newest]")
        ] = None,
    ) -> None:
        """Show what is different between two versions, field by field."""
        with run.workspace() as workspace:
            before, after, changes = workspace.sops.diff(workspace.actor, sop, old, new)
        run.show(sop_view.diff_result(before, after, changes))


def _register_search(noun: typer.Typer) -> None:
    @command(
        noun,
        "search",
        needs="read",
        examples="issuetrack sop search 'disk full' --output json\n"
        "issuetrack sop search 'disk full' --status approved --limit 1 -o jsonl",
    )
    def search(
        run: Invocation,
        text: Annotated[list[str], typer.Argument(help="Words, or - for stdin.")],
        status: Annotated[
            Literal["approved", "all"],
            typer.Option("--status", help="all: drafts too; never deprecated ones."),
        ] = "all",
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100)] = 10,
    ) -> None:
        """Search SOPs by words and by meaning; by words alone without a model."""
        words = text_argument(" ".join(text))
        with run.workspace(model_soon=True) as workspace:
            from issuetrack.engine.retrieval.scope import SopScope
            from issuetrack.engine.retrieval.search import Question

            scope = SopScope.ALL if status == "all" else SopScope.APPROVED
            question = Question.from_text(words)
            found = workspace.sops.search(workspace.actor, question, scope, limit)
            waits = workspace.index_waits()
        if found.by_words_only is not None:
            run.warn(f"searched by words only: {found.by_words_only}")
        if waits:
            run.warn("not everything is indexed yet: issuetrack index update")
        run.show(sop_view.found_result(found))


def _register_statistics(noun: typer.Typer) -> None:
    @command(
        noun,
        "stats",
        needs="read",
        examples="issuetrack sop stats\nissuetrack sop stats S3 --output json",
    )
    def stats(
        run: Invocation,
        sop: Annotated[
            str | None, typer.Argument(metavar="[SOP]", help="S3, 3 or its key.")
        ] = None,
    ) -> None:
        """Show how SOPs did: used, rated, last success, and what looks stale."""
        with run.workspace() as workspace:
            found = workspace.sops.statistics(workspace.actor, sop)
        rows: list[dict[str, Any]] = [sop_view.statistics_data(each) for each in found]
        data = rows[0] if sop is not None else rows
        run.show(
            Result(
                data,
                sop_view.STATISTICS_COLUMNS,
                table=lambda: sop_view.statistics_table(rows),
                fields=sop_view.STATISTICS_FIELDS,
            )
        )
