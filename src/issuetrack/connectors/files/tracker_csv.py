"""Reads the CSV exports of trackers: columns that repeat, encodings, dates.

A file is read twice: first for its encoding and the order of its dates, then for its
records.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from issuetrack.connectors.files.csv_dates import DateEvidence, DateOrder
from issuetrack.engine.errors import ImportFormatError, NotFoundError
from issuetrack.engine.sync.ports import BadRecord, Item, RemoteIssue

MOST_CELL = 64 * 1024 * 1024
MOST_HEADER = 1024 * 1024
LONGEST_KEY = 500
SHOWN_CONTENT = 65536
DELIMITERS = ",;\t|^"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
WINDOWS = "cp1252"
_RAW = re.compile("[\udc80-\udcff]")
_ESCAPED = re.compile(r"\A'(?=[=+\-@\t\r])")


@dataclass(frozen=True)
class Row:
    """One record: the cells that are not empty, by the lower-case names of columns."""

    cells: Mapping[str, Sequence[str]]

    def first(self, *names: str) -> str | None:
        """Return the first cell there is under one of the names."""
        return next(iter(self.every(*names)), None)

    def every(self, *names: str) -> list[str]:
        """Return the cells under the names, in the order of the names."""
        return [cell for name in names for cell in self.cells.get(name, ())]


class TrackerCsv(Protocol):
    """What is particular to the exports of one tracker."""

    name: str

    def knows(self, header: Sequence[str]) -> bool:
        """Tell whether lower-case column names are those of an export."""
        ...

    def moments(self, row: Row) -> Iterable[str]:
        """Return the dates of a record, as they are written."""
        ...

    def issue(self, row: Row, order: DateOrder | None) -> RemoteIssue:
        """Return the issue that a record tells of.

        Raises:
            ValueError: a field is missing, or not what it should be.
        """
        ...


@dataclass(frozen=True)
class Layout:
    """How a file is written."""

    encoding: str
    delimiter: str
    header: tuple[str, ...]


def layout_of(path: Path, tracker: TrackerCsv) -> Layout | None:
    """Return how a file is written; None if it is no export of the tracker.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(MOST_HEADER)
    encoding = "utf-16" if start.startswith(UTF_16) else "utf-8-sig"
    whole = start[: len(start) // 2 * 2]
    text = whole.decode(
        encoding, "surrogateescape" if encoding != "utf-16" else "replace"
    )
    for delimiter in DELIMITERS:
        try:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            found = next(row for row in rows if any(cell.strip() for cell in row))
        except (csv.Error, StopIteration):
            continue
        header = tuple(cell.strip().lower() for cell in found)
        if tracker.knows(header):
            return Layout(encoding, delimiter, header)
    return None


@dataclass
class _Letters:
    """Which letters beyond ASCII a file has: whole ones, or bytes of another encoding."""

    whole: bool = False
    raw: bool = False

    def see(self, cells: Iterable[str]) -> None:
        for cell in cells:
            if not cell.isascii():
                raw = bool(_RAW.search(cell))
                self.raw = self.raw or raw
                self.whole = self.whole or not raw

    @property
    def is_windows(self) -> bool:
        """Tell whether all of it must be Windows-1252."""
        return self.raw and not self.whole


@dataclass
class TrackerCsvReader:
    """Reads one file; `position` of `size` bytes tells how far it is."""

    path: Path
    tracker: TrackerCsv
    order: DateOrder | None = None
    size: int = 0
    position: int = 0
    letters: _Letters = field(default_factory=_Letters)

    def items(self) -> Iterator[Item]:
        """Yield the records of the file; bad ones as `BadRecord`.

        Raises:
            NotFoundError: there is no such file.
            ImportFormatError: it is no such export, or its dates are not clear.
        """
        try:
            layout = layout_of(self.path, self.tracker)
            if layout is None:
                raise ImportFormatError(
                    f"{self.path} has not the columns of a {self.tracker.name} export",
                    "leave --format away, or use --format csv with --map COLUMN=FIELD",
                )
            self.size = 2 * self.path.stat().st_size
            evidence = self._first_reading(layout)
            self.order = self.order or evidence.order(self.path.name)
            for line, cells in self._rows(layout, self.size // 2):
                yield self._item(line, cells, layout.header)
        except FileNotFoundError as error:
            raise NotFoundError(
                f"there is no file {self.path}", "check the name"
            ) from error
        except UnicodeError as error:
            raise ImportFormatError(
                f"{self.path} is not whole UTF-16", "export it again"
            ) from error
        except OSError as error:
            raise ImportFormatError(
                f"cannot read {self.path}: {error.strerror}", "check the file"
            ) from error

    def _first_reading(self, layout: Layout) -> DateEvidence:
        evidence = DateEvidence()
        for _, cells in self._rows(layout, 0):
            self.letters.see(cells)
            if len(cells) == len(layout.header):
                for text in self.tracker.moments(_row(cells, layout.header)):
                    evidence.see(text)
        return evidence

    def _rows(self, layout: Layout, before: int) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(MOST_CELL)
        errors = "strict" if layout.encoding == "utf-16" else "surrogateescape"
        with self.path.open("rb") as file:
            text = io.TextIOWrapper(file, layout.encoding, errors, newline="")
            reader = csv.reader(text, delimiter=layout.delimiter)
            try:
                next(row for row in reader if any(cell.strip() for cell in row))
                for row in reader:
                    self.position = before + min(self.size // 2, file.tell())
                    if row:
                        yield reader.line_num, row
            except (csv.Error, StopIteration) as error:
                raise ImportFormatError(
                    f"{self.path} line {reader.line_num}: {error}", "check the file"
                ) from error

    def _item(self, line: int, cells: list[str], header: Sequence[str]) -> Item:
        content = _content(cells)
        if len(cells) != len(header):
            reason = f"it has {len(cells)} columns, the header has {len(header)}"
            return self._bad(line, reason, content)
        try:
            issue = self.tracker.issue(_row(self._decoded(cells), header), self.order)
        except UnicodeError:
            return self._bad(line, "it is not UTF-8", content)
        except (ValueError, OverflowError) as error:
            return self._bad(line, str(error), content)
        if len(issue.key) > LONGEST_KEY:
            return self._bad(line, "its key is too long", content)
        return issue

    def _decoded(self, cells: list[str]) -> list[str]:
        """Return cells without bytes of another encoding.

        Raises:
            UnicodeError: the encoding cannot be told.
        """
        if not any(_RAW.search(cell) for cell in cells):
            return cells
        encoding = WINDOWS if self.letters.is_windows else "utf-8"
        raw = (cell.encode("utf-8", "surrogateescape") for cell in cells)
        return [cell.decode(encoding) for cell in raw]

    def _bad(self, line: int, reason: str, content: str) -> BadRecord:
        return BadRecord(self.path.name, line, reason, content)


def _content(cells: Sequence[str]) -> str:
    """Return cells as the quarantine keeps them."""
    raw = ",".join(cells)[:SHOWN_CONTENT].encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "replace")


def _row(cells: Sequence[str], header: Sequence[str]) -> Row:
    found: dict[str, list[str]] = {}
    for name, cell in zip(header, cells, strict=True):
        if cell.strip():
            found.setdefault(name, []).append(_ESCAPED.sub("", cell))
    return Row(found)
