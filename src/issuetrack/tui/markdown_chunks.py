"""Markdown cut into its paragraphs and list items, each with its commands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown_it.token import Token

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.text import parser, shown

_NUMBER = re.compile(r"^(\s*)\d+")
_PROMPT = re.compile(r"^\s*\$ ")


@dataclass(frozen=True)
class Chunk:
    """A paragraph, a list item or another block of a text.

    Attributes:
        text: its Markdown, cleaned.
        item: whether it is an item of a list.
        commands: what somebody would type, in order: the blocks of code, and the
            code in a sentence that is more than one word.
    """

    text: str
    item: bool
    commands: tuple[str, ...]


def chunks(markdown: str) -> Iterator[Chunk]:
    """Yield the pieces of a text as far as a screen shows it."""
    text = shown(markdown)
    lines, rules = text.split("\n"), parser()
    for token, number in _starts(rules.parse(text)):
        start, end = token.map or (0, 0)
        piece = "\n".join(lines[start:end]).rstrip()
        if number is not None:
            piece = _NUMBER.sub(rf"\g<1>{number}", piece, count=1)
        found = tuple(_commands(rules.parse(piece)))
        yield Chunk(piece, token.type == "list_item_open", found)


def _starts(tokens: list[Token]) -> Iterator[tuple[Token, int | None]]:
    """Yield what opens a piece, and the number of an item of a numbered list."""
    number: int | None = None
    for token in tokens:
        if token.map is None or token.type == "inline":
            continue
        if token.level == 0 and token.type.endswith("_list_open"):
            first = int(token.attrs.get("start", 1))
            number = first if token.type.startswith("ordered") else None
        elif token.level == 1 and token.type == "list_item_open":
            yield token, number
            number = None if number is None else number + 1
        elif token.level == 0:
            yield token, None


def _commands(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type in ("fence", "code_block"):
            yield _without_prompts(token.content)
        for child in token.children or ():
            code = clean_line(child.content)
            if child.type == "code_inline" and " " in code:
                yield code


def _without_prompts(block: str) -> str:
    """Return the lines after a prompt, where there are some, else all."""
    lines = block.rstrip().split("\n")
    typed = [_PROMPT.sub("", line) for line in lines if line.lstrip()[:2] == "$ "]
    return "\n".join(typed or lines)
