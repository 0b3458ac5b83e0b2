"""`import`: takes issues in from files."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import ImportFormatError, UsageError

if TYPE_CHECKING:
    from issuetrack.connectors.files import FileReader
    from issuetrack.engine.sync.service import ImportReport
    from issuetrack.engine.workspace import Workspace

FormatName = Literal["auto", "jsonl", "csv", "github", "jira"]
COLUMNS = (
    "source",
    "created",
    "updated",
    "unchanged",
    "comments",
    "resolutions",
    "skipped",
    "quarantined",
)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "import",
        needs="import",
        examples="issuetrack import incidents.jsonl\n"
        "issuetrack import tickets.csv --map 'Ticket No=key' --map 'What=title'\n"
        "issuetrack import issues.jsonl comments.jsonl --format github --source shop",
    )
    def import_files(
        run: Invocation,
        files: Annotated[list[Path], typer.Argument(metavar="FILE...")],
        form: Annotated[
            FormatName, typer.Option("--format", help="What the records are.")
        ] = "auto",
        source: Annotated[
            str | None,
            typer.Option(
                "--source", help="Keys are unique within it [default: the file's name]."
            ),
        ] = None,
        columns: Annotated[
            list[str] | None,
            typer.Option("--map", help="CSV: COLUMN=FIELD, may be repeated."),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Count, and write nothing.")
        ] = False,
        strict: Annotated[
            bool, typer.Option("--strict", help="Stop at the first bad record.")
        ] = False,
        no_index: Annotated[
            bool, typer.Option("--no-index", help="Leave indexing for later.")
        ] = False,
    ) -> None:
        """Take issues in from JSON lines, CSV, or raw GitHub or Jira objects.

        Running it again changes only what has changed. Bad records are put aside, with
        their line and the reason; the exit code is then 6.
        """
        from issuetrack.connectors.files import FileFormat, FileReader

        mapping = _mapping(columns or [])
        readers = [FileReader(path, FileFormat(form), mapping) for path in files]
        name = source or files[0].stem
        with run.workspace() as workspace:
            report = _import(workspace, readers, name, form, dry_run, strict)
            if not (dry_run or no_index):
                with diagnostics.progress("Indexing") as advance:
                    workspace.drain_index(advance)
        for problem in report.problems:
            where = (
                problem.origin
                if problem.line is None
                else (f"{problem.origin} line {problem.line}")
            )
            run.warn(f"{where}: {problem.reason}")
        _refuse_all_bad(report)
        counts = asdict(report)
        data = {name: counts[name] for name in ("source", "dry_run", "read")} | counts
        run.show(Result(data, COLUMNS))
        if report.quarantined:
            raise typer.Exit(diagnostics.PARTIAL)


def _mapping(columns: list[str]) -> dict[str, str]:
    mapping = {}
    for entry in columns:
        column, separator, field = entry.rpartition("=")
        if not separator or not column or not field:
            raise UsageError(
                f"--map {entry!r} is not COLUMN=FIELD", "for example: --map 'No=key'"
            )
        mapping[column] = field
    return mapping


def _import(
    workspace: "Workspace",
    readers: "list[FileReader]",
    name: str,
    form: str,
    dry_run: bool,
    strict: bool,
) -> "ImportReport":
    sizes = [r.path.stat().st_size if r.path.is_file() else 0 for r in readers]
    with diagnostics.progress(f"Importing {name}", "bytes") as advance:
        return workspace.imports.run(
            workspace.actor,
            name,
            form,
            (item for reader in readers for item in reader.items()),
            dry_run=dry_run,
            strict=strict,
            progress=lambda _: advance(sum(r.position for r in readers), sum(sizes)),
        )


def _refuse_all_bad(report: "ImportReport") -> None:
    taken = report.created + report.updated + report.unchanged + report.comments
    if report.quarantined and not taken:
        first = report.problems[0]
        where = "" if first.line is None else f" line {first.line}"
        raise ImportFormatError(
            f"no record could be taken in; the first, {first.origin}{where}: "
            f"{first.reason}",
            "check the file, or name its format with --format",
        )
