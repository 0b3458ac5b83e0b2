"""Tells what a file or folder is, and gives what reads it."""

from collections.abc import Mapping
from pathlib import Path

from issuetrack.connectors.files.csv_dates import DateOrder
from issuetrack.connectors.files.jira_csv import JiraCsv
from issuetrack.connectors.files.pages import PageReader, is_page
from issuetrack.connectors.files.reader import (
    CSV_HEADERS,
    SAMPLE,
    FileFormat,
    FileReader,
)
from issuetrack.connectors.files.servicenow_csv import ServiceNowCsv
from issuetrack.connectors.files.slack import SlackReader
from issuetrack.connectors.files.slack_files import CHANNELS
from issuetrack.connectors.files.tracker_csv import (
    TrackerCsv,
    TrackerCsvReader,
    layout_of,
)
from issuetrack.engine.errors import ImportFormatError, UsageError

IssueReader = FileReader | TrackerCsvReader
DocumentReader = PageReader | SlackReader
TRACKERS: dict[FileFormat, TrackerCsv] = {
    FileFormat.JIRA: JiraCsv(),
    FileFormat.SERVICENOW: ServiceNowCsv(),
}
DOCUMENTS = (FileFormat.PAGES, FileFormat.SLACK)
ZIP = b"PK\x03\x04"


def format_of(path: Path, said: FileFormat) -> FileFormat:
    """Return whether something holds pages, Slack threads or, as was said, issues.

    Raises:
        ImportFormatError: it is a folder, and issues were to be read.
    """
    if path.is_dir():
        if said is FileFormat.AUTO:
            slack = (path / CHANNELS).is_file()
            return FileFormat.SLACK if slack else FileFormat.PAGES
        if said not in DOCUMENTS:
            raise ImportFormatError(
                f"{path} is a folder", f"name a file with {said} records in it"
            )
        return said
    if said is not FileFormat.AUTO:
        return said
    start = _start(path)
    if start.startswith(ZIP):
        return FileFormat.SLACK
    return FileFormat.PAGES if is_page(path) and not _has_issues(path, start) else said


def document_reader(path: Path, form: FileFormat) -> DocumentReader:
    """Return what reads pages or threads."""
    return SlackReader(path) if form is FileFormat.SLACK else PageReader(path)


def issue_reader(
    path: Path,
    form: FileFormat,
    columns: Mapping[str, str],
    order: DateOrder | None = None,
) -> IssueReader:
    """Return what reads the issues of a file.

    Args:
        path: the file.
        form: what was said of its records.
        columns: which column is which field; then it is a CSV file of any kind.
        order: how its dates are written, where that was said.

    Raises:
        UsageError: columns were given for an export whose columns are known.
        ImportFormatError: it is JSON, and a CSV export was meant.
    """
    if columns and form in TRACKERS:
        raise UsageError(
            f"--map does not go with --format {form}", "use --format csv with --map"
        )
    start = _start(path)
    if start and not columns and not _starts_json(start):
        for kind, tracker in TRACKERS.items():
            if form is kind or (form is FileFormat.AUTO and _is_export(path, tracker)):
                return TrackerCsvReader(path, tracker, order)
    if start and form is FileFormat.SERVICENOW:
        raise ImportFormatError(f"{path} is no CSV file", "export the list as CSV")
    return FileReader(path, form, columns)


def _start(path: Path) -> bytes:
    """Return the first bytes of a file; none where it can be read only once, or not."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(SAMPLE)
    except OSError:
        return b""


def _starts_json(start: bytes) -> bool:
    return start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))


def _is_export(path: Path, tracker: TrackerCsv) -> bool:
    try:
        return layout_of(path, tracker) is not None
    except OSError:
        return False


def _has_issues(path: Path, start: bytes) -> bool:
    """Tell whether a text file holds records: JSON, or CSV with a known header."""
    if path.suffix.lower() != ".txt":
        return False
    line = start.decode("utf-8", "replace").lstrip("\ufeff \r\n").partition("\n")[0]
    names = {cell.strip(' \r"').lower() for cell in line.split(",")}
    known = all(names & set(CSV_HEADERS[field]) for field in ("key", "title"))
    return known or _starts_json(start)
