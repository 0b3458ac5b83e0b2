"""Cut documents into pieces of at most so many model tokens.

A piece is a run of whole blocks. A block is a paragraph, a heading with what
follows it, a fenced code block or a stack trace; it is divided only when it is
longer than a piece by itself.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CountTokens = Callable[[str], int]
LONGEST_COUNTED = 4096

FENCE = re.compile(r"^\s*(```|~~~|\{code[^}]*\}|\{noformat[^}]*\})")
HEADING = re.compile(r"^(#{1,6}\s+|h[1-6]\.\s+)(?P<text>\S.*)$")
STACK_LINE = re.compile(
    r'^\s*(at [\w.$<>/]+\(|File ".*", line \d+|Caused by: |\.\.\. \d+ more|'
    r"Traceback \(most recent call last\)|goroutine \d+ |\s+at \S+:\d+)"
)


@dataclass(frozen=True)
class Block:
    """A run of lines that belongs together."""

    text: str
    heading: str | None
    starts_section: bool = False


@dataclass(frozen=True)
class Chunk:
    """A piece of a document: its place, the heading above it and its text."""

    ordinal: int
    heading: str | None
    text: str


def _closing(opening: str) -> str:
    """Return the mark that ends a block of code."""
    if opening.startswith("{noformat"):
        return "{noformat}"
    return "{code}" if opening.startswith("{") else opening


class _Blocks:
    """Collects lines into blocks."""

    def __init__(self) -> None:
        self._heading: str | None = None
        self._lines: list[str] = []
        self._starts_section = False
        self._fence: str | None = None
        self._in_trace = False
        self._has_trace = False

    def take(self) -> Iterator[Block]:
        """Yield what has been collected as a block, if it is anything."""
        content = "\n".join(self._lines).strip("\n")
        self._lines.clear()
        self._has_trace = False
        if content.strip():
            yield Block(content, self._heading, self._starts_section)
            self._starts_section = False

    def read(self, line: str) -> Iterator[Block]:
        """Take in one line, yielding the block that it ends."""
        if self._fence is not None:
            yield from self._inside_fence(line)
        elif opened := FENCE.match(line):
            yield from self.take()
            self._lines.append(line)
            self._fence = opened[1]
            if line.rstrip().endswith(_closing(self._fence), opened.end()):
                self._fence = None
                yield from self.take()
        elif title := HEADING.match(line):
            yield from self.take()
            self._heading = title["text"].strip(" #*")
            self._starts_section = True
            self._lines.append(line)
        elif line.strip():
            is_trace = bool(STACK_LINE.match(line))
            if is_trace and not self._has_trace:
                yield from self._before_trace()
                self._has_trace = True
            self._in_trace = is_trace
            self._lines.append(line)
        else:
            only_heading = self._starts_section and len(self._lines) == 1
            if not self._in_trace and not only_heading:
                yield from self.take()
            self._in_trace = False

    def _before_trace(self) -> Iterator[Block]:
        """Part a trace, with the line that names the error, from what is above it."""
        name = self._lines.pop() if self._lines else None
        yield from self.take()
        if name is not None:
            self._lines.append(name)

    def _inside_fence(self, line: str) -> Iterator[Block]:
        assert self._fence is not None
        self._lines.append(line)
        mark = _closing(self._fence)
        wiki = mark.startswith("{")
        if line.strip().startswith(mark) or (wiki and line.rstrip().endswith(mark)):
            self._fence = None
            yield from self.take()


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown or Jira wiki text in order."""
    collected = _Blocks()
    for line in text.splitlines():
        yield from collected.read(line)
    yield from collected.take()


def _divide(text: str, limit: int, count: CountTokens) -> Iterator[str]:
    """Divide one oversized block at lines, and an oversized line at words."""
    part: list[str] = []
    size = 0
    for line in text.splitlines():
        length = count(line)
        if length > limit:
            if part:
                yield "\n".join(part)
            part, size = [], 0
            yield from _divide_line(line, limit, count)
            continue
        if part and size + length > limit:
            yield "\n".join(part)
            part, size = [], 0
        part.append(line)
        size += length
    if part:
        yield "\n".join(part)


def _divide_line(line: str, limit: int, count: CountTokens) -> Iterator[str]:
    part: list[str] = []
    size = 0
    for word in re.findall(r"\S+\s*", line):
        length = count(word)
        if part and size + length > limit:
            yield "".join(part).rstrip()
            part, size = [], 0
        if length > limit:
            yield from _divide_word(word.rstrip(), limit, count)
            continue
        part.append(word)
        size += length
    if part:
        yield "".join(part).rstrip()


def _divide_word(word: str, limit: int, count: CountTokens) -> Iterator[str]:
    """Halve a word without a border until the halves fit."""
    if len(word) == 1 or (len(word) <= LONGEST_COUNTED and count(word) <= limit):
        yield word
        return
    middle = len(word) // 2
    yield from _divide_word(word[:middle], limit, count)
    yield from _divide_word(word[middle:], limit, count)


def chunks(
    text: str, *, limit: int, count: CountTokens, most: int | None = None
) -> list[Chunk]:
    """Cut a text into chunks of at most `limit` tokens as `count` counts them.

    Args:
        text: Markdown, Jira wiki markup or plain text.
        limit: tokens a chunk may hold.
        count: the number of model tokens of a text.
        most: stop after so many chunks; the rest of the text is left out.
    """
    out: list[Chunk] = []
    parts: list[str] = []
    heading: str | None = None
    size = 0

    def close() -> None:
        nonlocal size
        if parts:
            out.append(Chunk(len(out), heading, "\n\n".join(parts)))
        parts.clear()
        size = 0

    for block in blocks(text):
        length = count(block.text)
        if parts and (
            size + length > limit or (block.starts_section and size > limit // 2)
        ):
            close()
        if most is not None and len(out) >= most:
            return out[:most]
        if not parts:
            heading = block.heading
        if length <= limit:
            parts.append(block.text)
            size += length
            continue
        for piece in _divide(block.text, limit, count):
            parts.append(piece)
            close()
            heading = block.heading
            if most is not None and len(out) >= most:
                return out[:most]
    close()
    return out if most is None else out[:most]
