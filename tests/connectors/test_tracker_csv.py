"""Exports of Jira and ServiceNow: columns, journals, encodings, dates."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from issuetrack.connectors.files.csv_dates import DateEvidence, DateOrder, moment
from issuetrack.connectors.files.opening import issue_reader
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.connectors.files.tracker_csv import TrackerCsvReader
from issuetrack.engine.errors import ImportFormatError, UsageError
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    IssueType,
    LinkKind,
    Priority,
)
from issuetrack.engine.sync.ports import BadRecord, RemoteIssue

JIRA = (
    ("Summary", "Boiler 3 stops"),
    ("Issue key", "HEAT-7"),
    ("Issue id", "10107"),
    ("Issue Type", "Bug"),
    ("Status", "Waiting for the vendor"),
    ("Status Category", "In Progress"),
    ("Project key", "HEAT"),
    ("Project name", "Heating"),
    ("Priority", "Highest"),
    ("Resolution", ""),
    ("Assignee", "ines"),
    ("Reporter", "tarek"),
    ("Created", "31/Jan/26 9:05 AM"),
    ("Updated", "01/Feb/26 12:30 PM"),
    ("Resolved", ""),
    ("Component/s", "boiler"),
    ("Component/s", "pumps"),
    ("Labels", "heat"),
    ("Labels", "plant-2"),
    ("Labels", ""),
    ("Description", "h2. Log\n{code}\nE42\n{code}\nfrom *unit 3*"),
    ("Attachment", "31/Jan/26 9:06 AM;ines;log; of unit 3.txt;https://j.example/1"),
    ("Attachment", "31/Jan/26 9:07 AM;ines;b.png;https://j.example/2"),
    ("Outward issue link (Duplicate)", "HEAT-3"),
    ("Outward issue link (Relates)", "HEAT-4"),
    ("Inward issue link (Problem/Incident)", "HEAT-5"),
    ("Comment", "31/Jan/26 10:00 AM;tarek;Fixed by {{valve reset}}; done;\nall good"),
    ("Comment", ""),
    ("Comment", "no date here"),
)
NOW = (
    ("Number", "INC0010007"),
    ("Opened", "2026-01-31 09:05:12"),
    ("Short description", "Mixer stops"),
    ("Caller", "Ines Roth"),
    ("Priority", "2 - High"),
    ("State", "6"),
    ("Category", "Plant"),
    ("Assignment group", "Plant IT"),
    ("Assigned to", ""),
    ("Configuration item", "MIX-3"),
    ("Location", "Hall 2"),
    ("Updated", "2026-02-01 08:00:00"),
    ("Resolved", "2026-02-01 08:00:00"),
    ("Description", "'=sum() in the display"),
    ("Close notes", "Root cause: worn belt. Fix: new belt fitted."),
    (
        "Work notes",
        "2026-02-01 07:59:00 - Tarek B. (Work notes)\nBelt is worn.\nSee photo.\n\n"
        "2026-01-31 10:00:00 - Ines Roth (Work notes)\nLooking - (maybe) belt\n\n",
    ),
    (
        "Additional comments",
        "2026-01-31 11:00:00 - Ines Roth (Additional comments)\nPlease wait.\n\n",
    ),
)
HALF_A_LETTER = "Number\tShort description\r\nINC1\tx".encode("utf-16")[:-1]
Columns = Sequence[tuple[str, str]]


def written(
    path: Path,
    columns: Columns,
    *changes: dict[str, str],
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Path:
    """Write an export with a record for each set of changes, one at least."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter)
    writer.writerow([name for name, _ in columns])
    for change in changes or ({},):
        writer.writerow([change.get(name, cell) for name, cell in columns])
    path.write_bytes(buffer.getvalue().encode(encoding))
    return path


def items(path: Path, form: FileFormat = FileFormat.AUTO, **said: Any) -> list[Any]:
    """Return what an export holds."""
    return list(
        issue_reader(path, form, said.get("columns", {}), said.get("order")).items()
    )


def issue(path: Path, form: FileFormat = FileFormat.AUTO, **said: Any) -> RemoteIssue:
    """Return the only issue of an export."""
    (found,) = items(path, form, **said)
    assert isinstance(found, RemoteIssue), found
    return found


def at(*parts: int) -> datetime:
    """Return a moment in UTC."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize("form", [FileFormat.AUTO, FileFormat.JIRA])
def test_jira_columns(tmp_path: Path, form: FileFormat) -> None:
    """Columns that repeat are read together; words become ours."""
    found = issue(written(tmp_path / "j.csv", JIRA), form)

    assert (found.key, found.id, found.title) == ("HEAT-7", "10107", "Boiler 3 stops")
    assert (found.type, found.status) == (IssueType.BUG, IssueStatus.IN_PROGRESS)
    assert (found.priority, found.service, found.category) == (
        Priority.P1,
        "boiler",
        "Heating",
    )
    assert found.labels == ("heat", "plant-2")
    assert (found.assignee, found.reporter) == ("ines", "tarek")
    assert (found.created_at, found.updated_at) == (
        at(2026, 1, 31, 9, 5),
        at(2026, 2, 1, 12, 30),
    )
    assert found.duplicate_of == "HEAT-3"
    assert [(link.kind, link.target) for link in found.links] == [
        (LinkKind.RELATES_TO, "HEAT-4"),
        (LinkKind.CAUSED_BY, "HEAT-5"),
    ]
    assert found.attachments == ("log", "b.png")
    assert "## Log" in found.body
    assert "```\nE42\n```" in found.body
    assert "**unit 3**" in found.body


def test_jira_comments(tmp_path: Path) -> None:
    """A comment is cut at its first two semicolons only; one without a date is kept."""
    first, second = issue(written(tmp_path / "j.csv", JIRA)).comments

    assert (first.author, first.created_at) == ("tarek", at(2026, 1, 31, 10, 0))
    assert first.body == "Fixed by `valve reset`; done;\nall good"
    assert (second.author, second.body) == (None, "no date here")
    assert second.created_at == at(2026, 1, 31, 9, 5)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"Status": "Done"}, IssueStatus.RESOLVED),
        ({"Status": "Odd", "Status Category": "Done"}, IssueStatus.RESOLVED),
        ({"Status": "Odd", "Status Category": "Odd"}, IssueStatus.OPEN),
        (
            {"Status": "Odd", "Status Category": "", "Resolved": "01/Feb/26 1:00 PM"},
            IssueStatus.RESOLVED,
        ),
    ],
)
def test_jira_status(tmp_path: Path, said: dict[str, str], status: IssueStatus) -> None:
    """A status of one's own is told by its category, then by the resolution date."""
    assert issue(written(tmp_path / "j.csv", JIRA, said)).status is status


def test_servicenow_columns(tmp_path: Path) -> None:
    """Labels of columns, numbers as states, a group where there is no person."""
    found = issue(written(tmp_path / "s.csv", NOW))

    assert (found.key, found.title) == ("INC0010007", "Mixer stops")
    assert (found.type, found.status) == (IssueType.INCIDENT, IssueStatus.RESOLVED)
    assert (found.priority, found.service, found.site, found.category) == (
        Priority.P2,
        "MIX-3",
        "Hall 2",
        "Plant",
    )
    assert (found.reporter, found.assignee) == ("Ines Roth", "Plant IT")
    assert found.body == "=sum() in the display"
    assert found.resolution == "Root cause: worn belt. Fix: new belt fitted."
    assert (found.created_at, found.resolved_at) == (
        at(2026, 1, 31, 9, 5, 12),
        at(2026, 2, 1, 8, 0),
    )


def test_servicenow_journals(tmp_path: Path) -> None:
    """Each entry is a comment of its own; work notes stay for engineers."""
    found = issue(written(tmp_path / "s.csv", NOW)).comments

    assert [(c.created_at, c.author, c.kind, c.body) for c in found] == [
        (
            at(2026, 2, 1, 7, 59),
            "Tarek B.",
            CommentKind.WORK_NOTE,
            "Belt is worn.\nSee photo.",
        ),
        (
            at(2026, 1, 31, 10, 0),
            "Ines Roth",
            CommentKind.WORK_NOTE,
            "Looking - (maybe) belt",
        ),
        (at(2026, 1, 31, 11, 0), "Ines Roth", CommentKind.PUBLIC, "Please wait."),
    ]


def test_mixed_journal_tells_by_its_labels(tmp_path: Path) -> None:
    """What is not said to be a comment is a work note, so is text without a head."""
    journal = (
        "stray text\n2026-01-31 09:00:00 - A (Additional comments)\none\n\n"
        "2026-01-31 10:00:00 - B (Work notes)\ntwo\n\n"
        "2026-01-31 11:00:00 - C (Arbeitsnotizen)\nthree\n\n"
    )
    columns = [*NOW[:-2], ("Comments and Work notes", journal)]
    found = issue(written(tmp_path / "s.csv", columns)).comments

    assert [(c.body, c.kind) for c in found] == [
        ("stray text", CommentKind.WORK_NOTE),
        ("one", CommentKind.PUBLIC),
        ("two", CommentKind.WORK_NOTE),
        ("three", CommentKind.WORK_NOTE),
    ]


def test_servicenow_names_of_fields(tmp_path: Path) -> None:
    """A raw export has names of fields, in any order."""
    columns = (
        ("sys_updated_on", "2026-02-01 08:00:00"),
        ("short_description", "Disk full"),
        ("number", "PRB0000003"),
        ("opened_at", "2026-01-31 09:05:12"),
        ("state", "103"),
        ("cmdb_ci", "db-1"),
        ("caller_id", "ines"),
        ("work_notes", "2026-01-31 10:00:00 - A (Work notes)\nnote"),
    )
    found = issue(written(tmp_path / "s.csv", columns))

    assert (found.type, found.status) == (IssueType.PROBLEM, IssueStatus.IN_PROGRESS)
    assert [c.kind for c in found.comments] == [CommentKind.WORK_NOTE]


@pytest.mark.parametrize(
    ("number", "state", "status"),
    [
        ("INC1", "1", IssueStatus.OPEN),
        ("INC1", "2", IssueStatus.IN_PROGRESS),
        ("INC1", "3", IssueStatus.IN_PROGRESS),
        ("INC1", "7", IssueStatus.CLOSED),
        ("INC1", "8", IssueStatus.CLOSED),
        ("INC1", "New", IssueStatus.OPEN),
        ("INC1", "On Hold", IssueStatus.IN_PROGRESS),
        ("INC1", "Canceled", IssueStatus.CLOSED),
        ("INC1", "Something else", IssueStatus.RESOLVED),
        ("CHG1", "-5", IssueStatus.OPEN),
        ("CHG1", "3", IssueStatus.CLOSED),
        ("RITM1", "Closed Complete", IssueStatus.CLOSED),
        ("PRB1", "107", IssueStatus.CLOSED),
    ],
)
def test_servicenow_states(
    tmp_path: Path, number: str, state: str, status: IssueStatus
) -> None:
    """Numbers mean what they mean in their own table."""
    path = written(tmp_path / "s.csv", NOW, {"Number": number, "State": state})
    assert issue(path).status is status


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        ("utf-8", ","),
        ("utf-8-sig", ";"),
        ("cp1252", ","),
        ("cp1252", ";"),
        ("utf-16", ","),
        ("utf-16", "\t"),
    ],
)
def test_encodings(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """Umlauts come through from each encoding, with each separator."""
    path = written(
        tmp_path / "s.csv",
        NOW,
        {"Short description": "Rührwerk zu heiß"},
        encoding=encoding,
        delimiter=delimiter,
    )
    assert issue(path).title == "Rührwerk zu heiß"


def test_mixed_encodings_are_put_aside(tmp_path: Path) -> None:
    """Where some records are UTF-8, one that is not is not guessed at."""
    path = written(tmp_path / "s.csv", NOW, {"Short description": "heiß"})
    other = written(tmp_path / "o.csv", NOW, {"Caller": "Jörg"}, encoding="cp1252")
    path.write_bytes(path.read_bytes() + other.read_bytes().split(b"\r\n", 1)[1])
    good, bad = items(path)

    assert good.title == "heiß"
    assert bad.reason == "it is not UTF-8"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Number,Short description\r\n", None),
        (HALF_A_LETTER, "not whole UTF-16"),
        (b"One,Two\r\n1,2\r\n", "has not the columns of a ServiceNow export"),
        (b"", "is empty"),
        (b'[{"number": "INC1"}]', "no CSV file"),
    ],
)
def test_what_is_no_export(tmp_path: Path, content: bytes, message: str | None) -> None:
    """A wrong header, a cut file and JSON are refused by name."""
    path = tmp_path / "s.csv"
    path.write_bytes(content)
    if message is None:
        assert items(path, FileFormat.SERVICENOW) == []
        return
    with pytest.raises(ImportFormatError, match=message):
        items(path, FileFormat.SERVICENOW)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Number": ""}, "number is missing"),
        ({"Short description": " "}, "short description is missing"),
        ({"Opened": "yesterday"}, "'yesterday' is not a date"),
        ({"Number": "I" * 501}, "its key is too long"),
    ],
)
def test_bad_record_is_put_aside(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    """A record that cannot be read is named with its line; others go on."""
    path = written(tmp_path / "s.csv", NOW, change, {})
    bad, good = items(path)

    assert isinstance(bad, BadRecord)
    assert bad.reason == reason
    assert bad.origin == "s.csv"
    assert bad.line
    assert isinstance(good, RemoteIssue)


def test_cut_file_keeps_what_is_whole(tmp_path: Path) -> None:
    """A record that breaks off is put aside."""
    path = written(tmp_path / "s.csv", NOW, {}, {"Number": "INC2"})
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"Root cause")])
    good, bad = items(path)

    assert isinstance(good, RemoteIssue)
    assert "columns, the header has" in bad.reason


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (("31/01/26 09:05", "03/04/26 10:00"), at(2026, 4, 3, 10, 0)),
        (("01/31/26 9:05 PM", "03/04/26 10:00 AM"), at(2026, 3, 4, 10, 0)),
        (("2026-01-31 09:05", "2026-03-04 10:00"), at(2026, 3, 4, 10, 0)),
        (("31.01.2026 09:05", "03.04.2026 10:00"), at(2026, 4, 3, 10, 0)),
        (("Jan/31/26", "Mar/04/26"), at(2026, 3, 4)),
        (("31/Jan/26 9:05 AM", "04/Mär/26 12:00 AM"), at(2026, 3, 4, 0, 0)),
        (("31-01-2026 09:05:12", "05-05-2026"), at(2026, 5, 5)),
        (("05/05/26", "06/06/26"), at(2026, 6, 6)),
        (("2026-01-31T09:05:00+02:00", "2026-03-04T10:00:00Z"), at(2026, 3, 4, 10, 0)),
    ],
)
def test_dates_of_a_file_tell_their_order(
    tmp_path: Path, dates: tuple[str, str], expected: datetime
) -> None:
    """A date that could be two is read as the others of the file must be."""
    path = written(
        tmp_path / "j.csv",
        JIRA[:-3],
        {"Created": dates[0], "Updated": dates[1]},
    )
    assert issue(path).updated_at == expected


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("03/04/26", "05/06/26", "may be day or month first"),
        ("31/01/26", "01/31/26", "dates in two orders"),
    ],
)
def test_unclear_dates_are_refused(
    tmp_path: Path, first: str, second: str, message: str
) -> None:
    """The whole file is refused, and the remedy is an option."""
    path = written(tmp_path / "j.csv", JIRA[:-3], {"Created": first, "Updated": second})
    with pytest.raises(ImportFormatError, match=message) as raised:
        items(path)

    assert "--date-format" in (raised.value.hint or "")
    said = items(path, order=DateOrder.MDY)
    if message.startswith("may"):
        assert said[0].created_at == at(2026, 3, 4)
    else:
        assert said[0].reason == "'31/01/26' is not a date"


def test_order_that_is_said_does_not_hide_the_encoding(tmp_path: Path) -> None:
    """Windows-1252 is told also where the order of dates is given."""
    path = written(tmp_path / "s.csv", NOW, {"Caller": "Jörg"}, encoding="cp1252")
    assert issue(path, order=DateOrder.YMD).reporter == "Jörg"


@pytest.mark.parametrize(
    "text",
    [
        "31/02/26",
        "13/13/26",
        "31/Foo/26",
        "1/1/1/1",
        "26/01/31 25:00",
        "9 AM",
        "٣/٤/٢٦x",
    ],
)
def test_what_is_no_date(text: str) -> None:
    """A day that there is not is no date in any order."""
    evidence = DateEvidence()
    evidence.see(text)
    assert evidence == DateEvidence()
    for order in (None, DateOrder.DMY, DateOrder.MDY):
        with pytest.raises(ValueError, match="is not a date"):
            moment(text, order)


def test_other_csv_files_are_read_as_before(tmp_path: Path) -> None:
    """Columns that are mapped, and headers of no tracker, go the general way."""
    path = written(tmp_path / "j.csv", JIRA)
    mapped = issue_reader(path, FileFormat.AUTO, {"Summary": "title"})
    plain = written(tmp_path / "p.csv", (("key", "A"), ("title", "a")))

    assert isinstance(mapped, FileReader)
    assert isinstance(issue_reader(plain, FileFormat.AUTO, {}), FileReader)
    assert isinstance(issue_reader(path, FileFormat.AUTO, {}), TrackerCsvReader)
    assert isinstance(issue_reader(path, FileFormat.CSV, {}), FileReader)
    with pytest.raises(UsageError, match="--map"):
        issue_reader(path, FileFormat.JIRA, {"Summary": "title"})
