"""Pieces of Markdown, written so that their content stays as it is."""

import re
from collections.abc import Sequence

_BACKTICKS = re.compile(r"`+")
_NO_LANGUAGE = re.compile(r"[^\w+#.-]")
_BARE_PIPE = re.compile(r"(?<!\\)\|")


def code_block(code: str, language: str = "") -> str:
    """Return a fenced block that holds code unchanged."""
    fence = "`" * max(3, _longest_backticks(code) + 1)
    return f"{fence}{_NO_LANGUAGE.sub('', language)}\n{code}\n{fence}"


def code_span(code: str) -> str:
    """Return code within a line."""
    longest = _longest_backticks(code)
    pad = " " if longest else ""
    return pad.join(("`" * (longest + 1), code.replace("\n", " "), "`" * (longest + 1)))


def link(label: str, target: str) -> str:
    """Return a link; the bare target where the label says no more."""
    if not target or label == target:
        return label or target
    return f"[{label}]({link_target(target)})"


def link_target(target: str) -> str:
    """Return an address in the form that stands between the brackets of a link."""
    target = target.replace("\n", "%0A")
    if any(letter in target for letter in " ()\t"):
        return "<" + target.replace("<", "%3C").replace(">", "%3E") + ">"
    return target


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of Markdown cells as a table; as a list if there is code in one."""
    rows = [row for row in rows if row]
    if any("```" in cell and "\n" in cell for row in rows for cell in row):
        bodies = ("\n\n".join(cell for cell in row if cell) for row in rows)
        return "\n".join(f"- {indented(body, '  ')[2:]}" for body in bodies if body)
    if not rows:
        return ""
    width = max(map(len, rows))
    head = [*rows[0], *[""] * (width - len(rows[0]))]
    return "\n".join(map(_table_row, (head, ["---"] * width, *rows[1:])))


def quoted(text: str) -> str:
    """Return text as a quotation."""
    return "\n".join(f"> {line}" if line else ">" for line in text.split("\n"))


def indented(text: str, prefix: str) -> str:
    """Return text with a prefix before all lines that are not empty."""
    return "\n".join(prefix + line if line else "" for line in text.split("\n"))


def _longest_backticks(code: str) -> int:
    return max(map(len, _BACKTICKS.findall(code)), default=0)


def _table_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_table_cell, cells))} |"


def _table_cell(text: str) -> str:
    lines = (line.strip() for line in text.split("\n"))
    return _BARE_PIPE.sub(r"\\|", " <br> ".join(line for line in lines if line))
