"""`document`: imported pages and threads, listed, shown and removed."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts
from issuetrack.cli.issue_view import screenful
from issuetrack.cli.output import Result, cell, plain_table
from issuetrack.cli.registration import command
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.issues.knowledge import DocumentRecord, DocumentSummary

COLUMNS = ("document", "source", "key", "updated_at", "title")
Name = Annotated[
    str, typer.Argument(metavar="DOCUMENT", help="D5, 5, its key or its url.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Imported pages and threads: list, show and remove.", rich_markup_mode=None
    )
    app.add_typer(noun, name="document")
    _register_reading(noun)

    @command(noun, "remove", needs="import", examples="issuetrack document remove D5")
    def remove(run: Invocation, document: Name) -> None:
        """Remove a document; importing it again brings it back."""
        with run.workspace() as workspace:
            summary = workspace.documents.remove(workspace.actor, document)
        run.show(Result(asdict(summary), COLUMNS, table=lambda: _table([summary])))


def _register_reading(noun: typer.Typer) -> None:
    @command(
        noun,
        "list",
        needs="read",
        examples="issuetrack document list\nissuetrack document list restart broker",
    )
    def list_documents(
        run: Invocation,
        query: Annotated[
            list[str] | None, typer.Argument(help="Words that must all occur.")
        ] = None,
        limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000)] = 50,
    ) -> None:
        """List documents, the latest first."""
        with run.workspace() as workspace:
            found, total = workspace.documents.matching(
                workspace.actor, " ".join(query or ()), limit
            )
        if total > len(found):
            run.warn(f"{len(found)} of {total} shown; see more with --limit {total}")
        rows = [asdict(summary) for summary in found]
        run.show(Result(rows, COLUMNS, table=lambda: _table(found), fields=_fields()))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            from issuetrack.cli.registration import invoke

            invoke(context, list_documents, "list", query=None, limit=50)

    @command(
        noun,
        "show",
        needs="read",
        examples="issuetrack document show D5\n"
        "issuetrack document show runbooks/broker.md --output markdown",
    )
    def show(run: Invocation, document: Name) -> None:
        """Show a document with its text."""
        with run.workspace() as workspace:
            record = workspace.documents.get(workspace.actor, document)
        run.show(
            Result(
                asdict(record.summary) | {"body": record.body},
                COLUMNS,
                table=lambda: _panel(record),
                markdown=lambda: _markdown(record),
            )
        )


def _fields() -> list[str]:
    from issuetrack.engine.issues.knowledge import DocumentSummary

    return [field.name for field in fields(DocumentSummary)]


def _table(found: "list[DocumentSummary]") -> "RenderableType":
    rows = [asdict(s) | {"document": f"D{s.document}"} for s in found]
    return plain_table(rows, COLUMNS)


def _heading(summary: "DocumentSummary") -> str:
    return clean_line(f"D{summary.document}  {summary.title}")


def _known(summary: "DocumentSummary") -> dict[str, Any]:
    return {
        "source": summary.source,
        "key": summary.key,
        "url": summary.url,
        "updated": summary.updated_at,
        "imported": summary.created_at,
    }


def _panel(record: "DocumentRecord") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    return Group(
        Text(_heading(record.summary), style="bold"),
        facts(_known(record.summary)),
        Text(),
        Text(screenful(record.body)),
    )


def _markdown(record: "DocumentRecord") -> str:
    known = _known(record.summary).items()
    lines = [f"- {name}: {clean_line(cell(v))}" for name, v in known if v is not None]
    heading = f"# {_heading(record.summary)}"
    return "\n".join([heading, "", *lines, "", clean(record.body)])
