"""Reads issues from files, a record at a time.

JSON lines and CSV are streamed. A file that is one JSON document (a list, or an
object with a list called `issues` or `items`) is read whole.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from issuetrack.connectors.fields import Record
from issuetrack.connectors.files import interchange
from issuetrack.connectors.github import records as github
from issuetrack.connectors.jira import records as jira
from issuetrack.engine.errors import ImportFormatError, NotFoundError
from issuetrack.engine.sync.ports import BadRecord, Item, RemoteIssue

LONGEST_KEY = 500
MOST_RECORD = 64 * 1024 * 1024
MOST_DOCUMENT = 512 * 1024 * 1024
SHOWN_CONTENT = 65536
SAMPLE = 64 * 1024


class FileFormat(StrEnum):
    """What the records of a file are."""

    AUTO = "auto"
    JSONL = "jsonl"
    CSV = "csv"
    GITHUB = "github"
    JIRA = "jira"
    SERVICENOW = "servicenow"
    PAGES = "pages"
    SLACK = "slack"


CSV_HEADERS = {
    "key": ("key", "issue key", "id", "number", "ticket", "ticket id"),
    "title": ("title", "summary", "short_description", "short description", "subject"),
    "body": ("body", "description"),
    "type": ("type", "issue type", "issuetype"),
    "status": ("status", "state"),
    "priority": ("priority",),
    "service": ("service", "component/s", "components", "business_service", "cmdb_ci"),
    "site": ("site", "location"),
    "category": ("category",),
    "labels": ("labels", "tags"),
    "reporter": ("reporter", "opened_by", "caller_id", "creator"),
    "assignee": ("assignee", "assigned_to", "assigned to"),
    "url": ("url", "link"),
    "created_at": ("created_at", "created", "opened_at", "opened", "sys_created_on"),
    "updated_at": ("updated_at", "updated", "sys_updated_on"),
    "resolved_at": ("resolved_at", "resolved"),
    "closed_at": ("closed_at", "closed"),
    "duplicate_of": ("duplicate_of", "duplicate of"),
    "resolution": ("resolution", "close_notes", "close notes", "resolution notes"),
}


@dataclass
class FileReader:
    """Reads one file; `position` of `size` bytes tells how far it is."""

    path: Path
    format: FileFormat
    columns: Mapping[str, str]
    size: int = 0
    position: int = 0

    def items(self) -> Iterator[Item]:
        """Yield the records of the file; bad ones as `BadRecord`.

        Raises:
            NotFoundError: there is no such file.
            ImportFormatError: it is not what its format promises.
        """
        try:
            with self.path.open("rb") as file:
                self.size = self.path.stat().st_size
                yield from self._read(file)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no file {self.path}", "check the name"
            ) from error
        except OSError as error:
            raise ImportFormatError(
                f"cannot read {self.path}: {error.strerror}", "check the file"
            ) from error

    def _read(self, file: BufferedReader) -> Iterator[Item]:
        sample = file.peek(SAMPLE)[:SAMPLE]
        if not sample.strip():
            raise ImportFormatError(f"{self.path} is empty", "check the file")
        start = sample.lstrip(b"\xef\xbb\xbf \t\r\n")
        starts_json = start.startswith((b"{", b"["))
        if b"\0" in sample[:1024] and not starts_json:
            raise ImportFormatError(
                f"{self.path} is not a text file", "export it as JSON lines or CSV"
            )
        if self.format is FileFormat.CSV or (
            self.format is FileFormat.AUTO and not starts_json
        ):
            yield from self._csv(file)
        elif start.startswith(b"[") or _is_document(start):
            yield from self._document(file)
        else:
            yield from self._lines(file)

    def _lines(self, file: BinaryIO) -> Iterator[Item]:
        number = 0
        while line := file.readline(MOST_RECORD + 1):
            number += 1
            self.position += len(line)
            if len(line) > MOST_RECORD:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_RECORD)
                    self.position += len(line)
                yield self._bad(number, "the line is longer than 64 MiB", b"")
                continue
            if not line.strip():
                continue
            try:
                record = json.loads(
                    line.decode("utf-8-sig" if number == 1 else "utf-8")
                )
            except UnicodeDecodeError as error:
                reason = f"byte {error.start + 1} is not UTF-8"
                yield self._bad(number, reason, line)
            except (ValueError, RecursionError) as error:
                yield self._bad(number, f"it is not JSON: {_brief(error)}", line)
            else:
                for inner in _inner_records(record):
                    yield self._item(number, inner, line)

    def _document(self, file: BinaryIO) -> Iterator[Item]:
        content = file.read(MOST_DOCUMENT + 1)
        if len(content) > MOST_DOCUMENT:
            raise ImportFormatError(
                f"{self.path} is one JSON document over 512 MiB",
                "write one object a line",
            )
        self.position = len(content)
        try:
            document = json.loads(content.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise ImportFormatError(
                f"{self.path} is not JSON: {_brief(error)}", "check the file"
            ) from error
        records = document if isinstance(document, list) else _inner_records(document)
        for number, record in enumerate(records, start=1):
            yield self._item(number, record, json.dumps(record).encode())

    def _csv(self, file: BinaryIO) -> Iterator[Item]:
        csv.field_size_limit(MOST_RECORD)
        text = io.TextIOWrapper(
            file, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        reader = csv.reader(text, strict=False)
        try:
            header = next(row for row in reader if any(cell.strip() for cell in row))
            columns = self._csv_columns(header)
            for row in reader:
                self.position = min(self.size, file.tell())
                if row:
                    yield self._csv_item(reader.line_num, row, len(header), columns)
        except (csv.Error, StopIteration) as error:
            raise ImportFormatError(
                f"{self.path} line {reader.line_num}: {_brief(error)}",
                "check the file, or name its format with --format",
            ) from error
        finally:
            text.detach()

    def _csv_columns(self, header: list[str]) -> dict[str, int]:
        places = {name.strip().lower(): i for i, name in reversed([*enumerate(header)])}
        columns: dict[str, int] = {}
        for field, names in CSV_HEADERS.items():
            found = next((places[name] for name in names if name in places), None)
            if found is not None:
                columns[field] = found
        for column, field in self.columns.items():
            if field not in CSV_HEADERS:
                raise ImportFormatError(
                    f"there is no field {field!r} to map {column!r} to",
                    f"fields are: {', '.join(CSV_HEADERS)}",
                )
            if column.strip().lower() not in places:
                raise ImportFormatError(
                    f"{self.path} has no column {column!r}",
                    f"columns are: {', '.join(header)}",
                )
            columns[field] = places[column.strip().lower()]
        missing = [field for field in ("key", "title") if field not in columns]
        if missing:
            raise ImportFormatError(
                f"{self.path} has no column for {' and '.join(missing)}",
                f'map one: --map "{header[0]}={missing[0]}" '
                f"(columns are: {', '.join(header)})",
            )
        return columns

    def _csv_item(
        self, line: int, row: list[str], width: int, columns: Mapping[str, int]
    ) -> Item:
        content = ",".join(row).encode("utf-8", "surrogateescape")
        if len(row) != width:
            reason = f"it has {len(row)} columns, the header has {width}"
            return self._bad(line, reason, content)
        values: dict[str, Any] = {name: row[place] for name, place in columns.items()}
        if any("\udc80" <= letter <= "\udcff" for value in row for letter in value):
            return self._bad(line, "it is not UTF-8", content)
        labels = values.get("labels", "")
        values["labels"] = [part for part in labels.replace(",", " ").split() if part]
        return self._item(line, values, content, FileFormat.JSONL)

    def _item(
        self, line: int, record: Any, content: bytes, known: FileFormat | None = None
    ) -> Item:
        if not isinstance(record, dict):
            return self._bad(line, "it is not a JSON object", content)
        mapper = _mapper(record, known or self.format)
        if mapper is None:
            return self._bad(line, "it is not an issue of a known format", content)
        try:
            item = mapper(record)
        except (ValueError, OverflowError) as error:
            return self._bad(line, str(error), content)
        if isinstance(item, RemoteIssue) and len(item.key) > LONGEST_KEY:
            return self._bad(line, "its key is too long", content)
        return item

    def _bad(self, line: int, reason: str, content: bytes) -> BadRecord:
        shown = content[:SHOWN_CONTENT].decode("utf-8", "replace")
        return BadRecord(self.path.name, line, reason, shown)


def _mapper(record: Record, known: FileFormat) -> Callable[[Record], Item] | None:
    if known is FileFormat.GITHUB:
        return github.item
    if known is FileFormat.JIRA:
        return jira.issue
    if known in (FileFormat.JSONL, FileFormat.CSV):
        return interchange.issue
    if jira.looks_like(record):
        return jira.issue
    if github.looks_like(record):
        return github.item
    return interchange.issue if interchange.looks_like(record) else None


def _is_document(start: bytes) -> bool:
    """Tell whether a file is one JSON document over several lines.

    Only a short first line that ends in the middle of a value says so: a record on a
    line of its own ends with its bracket.
    """
    line, ended, _ = start.partition(b"\n")
    return bool(ended) and line.rstrip().endswith((b"{", b"[", b",", b":"))


def _inner_records(record: Any) -> list[Any]:
    """Return the records of a search answer, or the record itself."""
    if isinstance(record, dict) and "title" not in record:
        for name in ("issues", "items"):
            if isinstance(record.get(name), list):
                return list(record[name])
    return [record]


def _brief(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error) or "it has no header").splitlines()[0]
