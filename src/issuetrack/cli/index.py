"""`index`: the search index, how far it is and how to mend it."""

from dataclasses import asdict

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command, invoke


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
            what = "issues or documents" if data["documents"] else "issues"
            run.warn(f"{data['queued']} {what} wait: issuetrack index update")
        if not data["model_matches"]:
            run.warn("another model made the index: issuetrack index rebuild")
        run.show(Result(data, tuple(data)))

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

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, status, "status")
