"""`import`: takes issues and documents in from files and folders."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.probable import warn_of_new
from issuetrack.cli.registration import command
from issuetrack.engine.errors import ImportFormatError, UsageError

if TYPE_CHECKING:
    from issuetrack.connectors.files.opening import DocumentReader, IssueReader
    from issuetrack.engine.sync.documents import DocumentReport
    from issuetrack.engine.sync.ports import Item
    from issuetrack.engine.sync.service import ImportReport
    from issuetrack.engine.workspace import Workspace

FormatName = Literal[
    "auto", "jsonl", "csv", "github", "jira", "servicenow", "pages", "slack"
]
DateFormat = Literal["auto", "dmy", "mdy", "ymd"]
COLUMNS = (
    "source",
    "created",
    "updated",
    "unchanged",
    "removed",
    "comments",
    "resolutions",
    "skipped",
    "quarantined",
)
HIDDEN = ("kept",)
SHOWN_PASSED = 20


@dataclass(frozen=True)
class How:
    """How an import goes about.

    Attributes:
        form: what was said that the records are.
        name: of the source.
    """

    form: str
    name: str
    dry_run: bool
    strict: bool


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "import",
        needs="import",
        examples="issuetrack import incidents.jsonl\n"
        "issuetrack import tickets.csv --map 'Ticket No=key' --map 'What=title'\n"
        "issuetrack import issues.jsonl comments.jsonl --format github --source shop\n"
        "issuetrack import jira-export.csv --date-format dmy\n"
        "issuetrack import ~/wiki --source runbooks\n"
        "issuetrack import slack-export.zip",
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
                "--source",
                help="Keys are unique within it "
                "[default: the name of the file or folder].",
            ),
        ] = None,
        columns: Annotated[
            list[str] | None,
            typer.Option("--map", help="CSV: COLUMN=FIELD, may be repeated."),
        ] = None,
        dates: Annotated[
            DateFormat,
            typer.Option(
                "--date-format", help="Jira, ServiceNow: order of day, month, year."
            ),
        ] = "auto",
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
        """Take issues in from JSON lines, CSV or raw tracker objects, pages from folders.

        Issues: JSON lines, CSV, Jira's and ServiceNow's CSV exports, raw GitHub or Jira
        objects. Documents: a folder of Markdown, HTML and text files, or a Slack
        export. Running it again changes only what has changed. Bad records are put
        aside, with their line and the reason; the exit code is then 6.
        """
        mapping = _mapping(columns or [])
        how = How(form, source or _name(files[0]), dry_run, strict)
        document_form = _document_form(files, form)
        if document_form is not None and mapping:
            raise UsageError("--map is for CSV files", "leave it away")
        indexes = not (dry_run or no_index)
        with run.workspace() as workspace:
            last = workspace.duplicates.last_issue(workspace.actor) if indexes else 0
            if document_form is None:
                report = _import_issues(workspace, files, mapping, dates, how)
            else:
                report = _import_documents(run, workspace, files, document_form, how)
            if indexes:
                with diagnostics.progress("Indexing") as advance:
                    workspace.drain_index(advance)
                warn_of_new(run, workspace, last)
        _show(run, report)


def _name(path: Path) -> str:
    return path.resolve().name if path.is_dir() else path.stem


def _document_form(files: Sequence[Path], form: str) -> str | None:
    """Return what kind of documents the files hold; None for issues.

    Raises:
        UsageError: they hold several kinds, or there are several folders.
    """
    from issuetrack.connectors.files.opening import DOCUMENTS, format_of
    from issuetrack.connectors.files.reader import FileFormat

    forms = {format_of(path, FileFormat(form)) for path in files}
    documents = [form for form in forms if form in DOCUMENTS]
    if not documents:
        return None
    if len(forms) > 1:
        raise UsageError(
            "pages, Slack threads and issues do not go together",
            "import them one after the other",
        )
    wholes = documents[0] == FileFormat.SLACK or any(path.is_dir() for path in files)
    if wholes and len(files) > 1:
        raise UsageError(
            "a folder is a source of its own", "import one folder after the other"
        )
    return documents[0]


def _show(run: Invocation, report: "ImportReport") -> None:
    for problem in report.problems:
        line = "" if problem.line is None else f" line {problem.line}"
        run.warn(f"{problem.origin}{line}: {problem.reason}")
    _refuse_all_bad(report)
    counts = asdict(report)
    first = {name: counts[name] for name in ("source", "dry_run", "read")}
    rest = {name: value for name, value in counts.items() if name not in HIDDEN}
    run.show(Result(first | rest, COLUMNS))
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


def _import_issues(
    workspace: "Workspace",
    files: Sequence[Path],
    mapping: dict[str, str],
    dates: DateFormat,
    how: How,
) -> "ImportReport":
    from issuetrack.connectors.files.csv_dates import DateOrder
    from issuetrack.connectors.files.opening import issue_reader
    from issuetrack.connectors.files.reader import FileFormat

    order = None if dates == "auto" else DateOrder(dates)
    form = FileFormat(how.form)
    readers = [issue_reader(path, form, mapping, order) for path in files]
    with diagnostics.progress(f"Importing {how.name}", "bytes") as advance:
        return workspace.imports.run(
            workspace.actor,
            how.name,
            how.form,
            (item for reader in readers for item in reader.items()),
            dry_run=how.dry_run,
            strict=how.strict,
            progress=lambda _: advance(*_how_far(readers)),
        )


def _how_far(readers: "Sequence[IssueReader | DocumentReader]") -> tuple[int, int]:
    """Return how many bytes were read, and how many there are."""
    sizes = (
        r.size or (r.path.stat().st_size if r.path.is_file() else 0) for r in readers
    )
    return sum(reader.position for reader in readers), sum(sizes)


@dataclass(frozen=True)
class _Together:
    """Several readers of documents as one."""

    readers: "Sequence[DocumentReader]"

    @property
    def whole(self) -> bool:
        return all(reader.whole for reader in self.readers)

    @property
    def spared(self) -> set[str]:
        return {key for reader in self.readers for key in reader.spared}

    def items(self) -> "Iterator[Item]":
        return (item for reader in self.readers for item in reader.items())


def _import_documents(
    run: Invocation,
    workspace: "Workspace",
    files: Sequence[Path],
    form: str,
    how: How,
) -> "DocumentReport":
    from issuetrack.connectors.files.opening import document_reader
    from issuetrack.connectors.files.reader import FileFormat

    readers = [document_reader(path, FileFormat(form)) for path in files]
    with diagnostics.progress(f"Importing {how.name}", "bytes") as advance:
        report = workspace.document_imports.run(
            workspace.actor,
            how.name,
            form,
            _Together(readers),
            dry_run=how.dry_run,
            strict=how.strict,
            progress=lambda _: advance(*_how_far(readers)),
        )
    passed = [line for reader in readers for line in reader.passed]
    for line in passed[:SHOWN_PASSED]:
        run.warn(f"left out {line}")
    if len(passed) > SHOWN_PASSED:
        run.warn(f"left out {len(passed) - SHOWN_PASSED} more")
    if report.kept:
        run.warn(
            f"{report.kept} other documents of {how.name} were kept, for it looks like "
            "another folder: import it under another --source"
        )
    return report


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
