"""One object for a person: a line for each of its facts."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from issuetrack.cli.output import cell
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

UNIT, STEP = ("bytes", "KiB", "MiB", "GiB"), 1024


def facts(data: Mapping[str, Any]) -> "RenderableType":
    """Return lines of names and values; what is not known has no line."""
    from rich.table import Table
    from rich.text import Text

    lines = Table.grid(padding=(0, 2))
    lines.add_column(no_wrap=True)
    lines.add_column(overflow="fold")
    for name, value in data.items():
        if value is not None:
            shown = Text(clean_line(cell(value)))
            lines.add_row(Text(name.replace("_", " "), style="dim"), shown)
    return lines


def words(names: Iterable[str]) -> str:
    """Return the names of kinds of slot as a person says them."""
    return ", ".join(name.replace("_", " ") for name in names)


def size(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    value, unit = float(count), 0
    while value >= STEP and unit < len(UNIT) - 1:
        value, unit = value / STEP, unit + 1
    return f"{value:.0f} {UNIT[unit]}" if unit == 0 else f"{value:.1f} {UNIT[unit]}"
