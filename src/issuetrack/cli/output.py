"""How results are written: one envelope, five formats, nothing but data on stdout."""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from issuetrack.terminal_safety import clean, clean_cell, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

SCHEMA = "issuetrack/v1"
Row = Mapping[str, Any]


class OutputFormat(StrEnum):
    """The forms that a result can take."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    MARKDOWN = "markdown"


@dataclass(frozen=True)
class Result:
    """What a command found, and how a person would like to see it.

    Attributes:
        data: what goes into the envelope: a list of rows or one object.
        columns: the columns that a table shows of rows.
        table: renders the result for a person; None for the plain table of rows.
        markdown: renders the result as Markdown; None for a table of rows.
        warnings: what went less than well.
        fields: every field of a row, where there may be no row to tell them.
    """

    data: Any
    columns: Sequence[str] = ()
    table: "Callable[[], RenderableType] | None" = None
    markdown: Callable[[], str] | None = None
    warnings: Sequence[str] = ()
    fields: Sequence[str] = ()

    @property
    def rows(self) -> list[Row]:
        """Return the data as rows; one object is one row."""
        return self.data if isinstance(self.data, list) else [self.data]


def to_json(value: Any) -> Any:
    """Return what JSON writes for a value it does not know."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _dump(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=True, default=to_json, **options)


def cell(value: Any) -> str:
    """Return a value as a person reads it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, Mapping):
        return _dump(value)
    return str(value)


def console_width() -> int:
    """Return how many columns the terminal has; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def plain_table(rows: Sequence[Row], columns: Sequence[str]) -> "RenderableType":
    """Return rows as a table for the terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        wide = column in ("title", "detail", "reason", "remedy", "text")
        table.add_column(
            column.replace("_", " ").upper(),
            overflow="fold" if wide else "ellipsis",
            no_wrap=not wide,
        )
    for row in rows:
        cells = [Text(clean_line(cell(row.get(column)))) for column in columns]
        table.add_row(*cells)
    return table


def markdown_table(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return rows as a Markdown table."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |"

    shown = [
        line([clean_line(cell(row.get(column))) for column in columns]) for row in rows
    ]
    rule = "|" + "|".join("---" for _ in columns) + "|"
    return "\n".join([line(list(columns)), rule, *shown])


def csv_text(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return rows as CSV with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row.get(column) for column in columns)
        writer.writerow(
            [
                value.isoformat()
                if isinstance(value, datetime)
                else value
                if isinstance(value, int | float)
                else clean_cell(cell(value))
                for value in values
            ]
        )
    return buffer.getvalue().rstrip("\n")


def render(result: Result, command: str, form: OutputFormat) -> None:
    """Write a result to stdout."""
    if form is OutputFormat.TABLE:
        print_rich(
            result.table() if result.table else plain_table(result.rows, result.columns)
        )
        return
    write(as_text(result, command, form))


def as_text(result: Result, command: str, form: OutputFormat) -> str:
    """Return a result in one of the forms for programs."""
    if form is OutputFormat.JSON:
        envelope = {
            "schema": SCHEMA,
            "command": command,
            "data": result.data,
            "warnings": list(result.warnings),
        }
        return _dump(envelope, indent=2)
    if form is OutputFormat.JSONL:
        return "\n".join(_dump(row) for row in result.rows)
    columns = list(result.columns) or list(result.rows[0] if result.rows else ())
    if form is OutputFormat.CSV:
        every = list(result.rows[0]) if result.rows else list(result.fields)
        return csv_text(result.rows, every or columns)
    if result.markdown is not None:
        return clean(result.markdown())
    return markdown_table(result.rows, columns)


def error_envelope(command: str, code: str, message: str, hint: str | None) -> str:
    """Return the JSON that a failed command writes."""
    error = {"code": code, "message": message, "hint": hint}
    return _dump({"schema": SCHEMA, "command": command, "error": error}, indent=2)


def json_line(row: Row) -> str:
    """Return one row as a line of JSON."""
    return _dump(row)


def write(text: str) -> None:
    """Write a text and a line break to stdout."""
    if text:
        sys.stdout.write(text + "\n")


def print_rich(content: "RenderableType") -> None:
    """Write something for a person to stdout, through PAGER if that is set."""
    from rich.console import Console

    class PipedConsole(Console):
        """Leaves a reader that went away to the program."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    console = PipedConsole(
        markup=False,
        highlight=False,
        emoji=False,
        width=None if sys.stdout.isatty() else console_width(),
    )
    if sys.stdout.isatty() and os.environ.get("PAGER"):
        with console.pager(styles=not console.no_color):
            console.print(content)
        return
    console.print(content)
