"""`index`: the search index, how far it is and how to mend it."""

from dataclasses import asdict
from typing import Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke

STATUS = (
    *("issues", "indexed", "queued", "chunks", "documents", "sops", "model_matches"),
    *("pairs", "adapted_from", "mrr_plain", "mrr_adapted"),
)
ADAPTED = ("pairs", "adapted_from", "not_adapted_because")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="The search index.", rich_markup_mode=None)
    app.add_typer(noun, name="index")

    @command(noun, "status", needs="read", examples="issuetrack index status")
    def status(run: Invocation) -> None:
        """Show how far the index is, and which model made it."""
        with run.workspace() as workspace:
            data = asdict(workspace.index_status())
        if data["queued"]:
            run.warn(f"{data['queued']} to be indexed: issuetrack index update")
        if not data["model_matches"]:
            run.warn("another model made the index: issuetrack index rebuild")
        if data["not_adapted_because"]:
            run.warn(f"it is not adapted: {data['not_adapted_because']}")
        run.show(Result(data, STATUS, table=lambda: facts(data)))

    @command(noun, "update", needs="index", examples="issuetrack index update")
    def update(run: Invocation) -> None:
        """Index what has changed."""
        with (
            run.workspace() as workspace,
            diagnostics.progress("Indexing") as advance,
        ):
            report = asdict(workspace.drain_index(advance))
        run.show(Result(report, ("issues", "documents", "chunks", "embedded")))

    @command(noun, "rebuild", needs="index", examples="issuetrack index rebuild")
    def rebuild(run: Invocation) -> None:
        """Make the index anew; texts already embedded are not embedded again."""
        with (
            run.workspace() as workspace,
            diagnostics.progress("Indexing") as advance,
        ):
            report = asdict(workspace.rebuild_index(advance))
        run.show(Result(report, ("issues", "documents", "chunks", "embedded")))

    @command(
        noun,
        "adapt",
        needs="index",
        examples="issuetrack index adapt\nissuetrack index adapt --off",
    )
    def adapt(
        run: Invocation,
        off: Annotated[
            bool, typer.Option("--off", help="Count vectors as the model gives them.")
        ] = False,
    ) -> None:
        """Adapt the search to this workspace's own texts now, or no longer."""
        with run.workspace() as workspace:
            data = asdict(workspace.adapt_index(off=off))
        run.show(Result({name: data[name] for name in ADAPTED}, ADAPTED))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, status, "status")
