"""Reading files: which format, which line, how far."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuetrack.connectors.files import reader as files
from issuetrack.connectors.files.reader import CSV_HEADERS, FileFormat, FileReader
from issuetrack.engine.errors import ImportFormatError, NotFoundError
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteComment,
    RemoteIssue,
    SkippedRecord,
)

OWN = {"key": "A", "title": "a"}
GITHUB = {
    "url": "https://api.github.com/repos/acme/shop/issues/7",
    "number": 7,
    "title": "b",
    "state": "open",
    "created_at": "2026-01-01T00:00:00Z",
}
JIRA = {
    "key": "J-1",
    "fields": {"summary": "c", "created": "2026-01-01T00:00:00.000+0000"},
}


def read(
    path: Path, form: FileFormat = FileFormat.AUTO, columns: Any = None
) -> list[Item]:
    """Return what a file holds."""
    return list(FileReader(path, form, columns or {}).items())


def keys(items: Sequence[Item]) -> list[str]:
    """Return the keys of the issues among items."""
    return [item.key for item in items if isinstance(item, RemoteIssue)]


def written(path: Path, content: str | bytes) -> Path:
    """Write a file, and return its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(*records: Any) -> str:
    """Return records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    "content",
    [
        lines(OWN, GITHUB, JIRA),
        "\n\n" + lines(OWN) + "\n" + lines(GITHUB) + "  \n" + lines(JIRA),
        lines(OWN, GITHUB, JIRA).rstrip("\n"),
        lines(OWN, GITHUB, JIRA).replace("\n", "\r\n"),
        "\ufeff" + lines(OWN, GITHUB, JIRA),
        json.dumps([OWN, GITHUB, JIRA]),
        "\ufeff" + json.dumps([OWN, GITHUB, JIRA], indent=1),
        json.dumps({"issues": [OWN, GITHUB, JIRA]}, indent=1),
        json.dumps({"total": 3, "items": [OWN, GITHUB, JIRA]}, indent=1),
        json.dumps({"items": [OWN, GITHUB, JIRA]}),
    ],
    ids=[
        "lines",
        "blank lines",
        "no last break",
        "windows",
        "bom",
        "array",
        "bom and array",
        "issues",
        "items",
        "items on one line",
    ],
)
def test_records_are_found_in_every_shape(tmp_path: Path, content: str) -> None:
    """Lines, an array, or a list inside an object: the records are the same."""
    items = read(written(tmp_path / "a.json", content))
    assert keys(items) == ["A", "acme/shop#7", "J-1"]


def test_one_object_over_several_lines_is_one_issue(tmp_path: Path) -> None:
    """A single issue may be written with line breaks."""
    path = written(tmp_path / "a.json", json.dumps(OWN, indent=2))
    assert keys(read(path)) == ["A"]


def test_named_format_is_not_guessed(tmp_path: Path) -> None:
    """With --format a record of another tracker is a bad one."""
    path = written(tmp_path / "a.jsonl", lines(OWN, JIRA))
    (own, jira) = read(path, FileFormat.JIRA)
    assert isinstance(own, BadRecord)
    assert isinstance(jira, RemoteIssue)
    (own, jira) = read(path, FileFormat.JSONL)
    assert isinstance(own, RemoteIssue)
    assert isinstance(jira, BadRecord)


def test_bad_record_keeps_what_it_was(tmp_path: Path) -> None:
    """A bad record has its file, line, reason and text."""
    path = written(tmp_path / "a.jsonl", lines(OWN) + "{broken \xff\n")
    bad = read(path)[1]
    assert isinstance(bad, BadRecord)
    assert (bad.origin, bad.line) == ("a.jsonl", 2)
    assert bad.content == "{broken \xff\n"


def test_text_of_a_bad_record_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a huge bad record only the beginning is kept."""
    # FAULTS 24
    monkeypatch.setattr(files, "SHOWN_CONTENT", 100)
    path = written(tmp_path / "a.jsonl", lines({"a": "x" * 100_000}, OWN))
    bad = read(path)[0]
    assert isinstance(bad, BadRecord)
    assert len(bad.content) == 100


def test_position_reaches_the_size(tmp_path: Path) -> None:
    """The reader tells how far it is, for a progress bar."""
    for name, content in (
        ("a.jsonl", lines(*[OWN] * 50)),
        ("a.json", json.dumps([OWN] * 50)),
    ):
        reader = FileReader(written(tmp_path / name, content), FileFormat.AUTO, {})
        seen = [reader.position for _ in reader.items()]
        assert seen == sorted(seen)
        assert reader.position == reader.size == len(content)


def test_reading_is_lazy(tmp_path: Path) -> None:
    """JSON lines are read one by one, not all at once."""
    path = written(tmp_path / "a.jsonl", lines(*[OWN | {"body": "x" * 1000}] * 1000))
    reader = FileReader(path, FileFormat.AUTO, {})
    items = reader.items()
    next(items)
    assert reader.position < reader.size / 100
    items.close()  # type: ignore[attr-defined]


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """A missing file is not found; a folder cannot be read."""
    with pytest.raises(NotFoundError, match="there is no file"):
        read(tmp_path / "no.jsonl")
    with pytest.raises(ImportFormatError, match="cannot read"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"\n \n", b"\xff\xfe{\0}\0", b"\0" * 2000, b"[1, 2", b'{\n"a":']
)
def test_file_of_no_format_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing is read of a file that is not text, or not whole."""
    # FAULTS 15
    with pytest.raises(ImportFormatError):
        read(written(tmp_path / "a.json", content))


@pytest.mark.parametrize("content", [b"\nkey,title\nA,a\n", b"\r\x01"])
def test_csv_may_begin_with_a_blank_line(tmp_path: Path, content: bytes) -> None:
    """A blank line before the header of a CSV does not crash the program."""
    # FAULTS 15
    try:
        items = read(written(tmp_path / "a.csv", content), FileFormat.CSV)
    except ImportFormatError:
        assert b"key" not in content
    else:
        assert keys(items) == ["A"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Whatever a file holds, reading ends, with items or with one typed error."""
    # FAULTS 15
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(content.lstrip(b"\r\n"))
    for form in FileFormat:
        try:
            items = read(path, form)
        except ImportFormatError:
            continue
        assert all(isinstance(item, Item) for item in items)


NAMES = st.sampled_from([*CSV_HEADERS, "fields", "state"])
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10)
FLAT = SCALAR | st.lists(SCALAR, max_size=3) | st.dictionaries(NAMES, SCALAR)
JSON = SCALAR | st.lists(FLAT, max_size=3) | st.dictionaries(NAMES, FLAT)
RECORD = st.dictionaries(
    st.sampled_from(
        [*CSV_HEADERS, "comments", "number", "state", "fields", "issue_url", "user"]
    ),
    JSON,
)


@given(RECORD, st.sampled_from(list(FileFormat)))
def test_any_record_is_an_item(
    tmp_path_factory: pytest.TempPathFactory, record: Any, form: FileFormat
) -> None:
    """Whatever an object holds, it becomes an issue or a bad record."""
    # FAULTS 15
    if form is FileFormat.CSV:
        return
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    path.write_text(json.dumps(OWN) + "\n" + json.dumps(record) + "\n")
    items = read(path, form)
    assert len(items) == 2
    kinds = RemoteIssue | RemoteComment | BadRecord | SkippedRecord
    assert isinstance(items[1], kinds)


@pytest.mark.parametrize("field", CSV_HEADERS)
def test_every_header_of_a_field_is_known(tmp_path: Path, field: str) -> None:
    """Each usual name of a column leads to its field, whatever its case."""
    for header in CSV_HEADERS[field]:
        others = [name for name in ("key", "title") if name != field]
        path = written(
            tmp_path / "a.csv", f"{header.upper()},{','.join(others)}\n,x,y\n"
        )
        reader = FileReader(path, FileFormat.CSV, {})
        assert reader._csv_columns([header.upper(), *others])[field] == 0


def test_first_of_two_equal_columns_counts(tmp_path: Path) -> None:
    """Jira repeats columns; the first one is taken."""
    path = written(tmp_path / "a.csv", "key,title,title\nA,first,second\n")
    (item,) = read(path)
    assert isinstance(item, RemoteIssue)
    assert item.title == "first"


def test_cells_become_fields(tmp_path: Path) -> None:
    """A ServiceNow export has its own headers, dates, priorities and states."""
    header = "number,short_description,state,priority,opened_at,assigned_to,close_notes"
    row = "INC1,Mail is down,Closed,2 - High,2026-01-31 12:00:00,oncall,Restarted it"
    (item,) = read(written(tmp_path / "a.csv", f"{header}\n{row}\n"))
    assert isinstance(item, RemoteIssue)
    assert (item.key, item.title, item.status) == ("INC1", "Mail is down", "closed")
    assert (item.priority, item.assignee) == ("P2", "oncall")
    assert item.created_at == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert item.resolution == "Restarted it"


@pytest.mark.parametrize("cell", ["Waiting for vendor", "???"])
def test_unknown_words_in_a_csv_are_bad_records(tmp_path: Path, cell: str) -> None:
    """A status that is not known is told with its line."""
    path = written(tmp_path / "a.csv", f"key,title,status\nA,a,open\nB,b,{cell}\n")
    bad = read(path)[1]
    assert isinstance(bad, BadRecord)
    assert (bad.line, bad.reason) == (3, f"unknown status {cell!r}")


def test_csv_of_a_spreadsheet_with_semicolons_is_told(tmp_path: Path) -> None:
    """A file with another separator names the one column it seems to have."""
    path = written(tmp_path / "a.csv", "key;title\nA;a\n")
    with pytest.raises(ImportFormatError) as caught:
        read(path)
    assert "columns are: key;title" in (caught.value.hint or "")
