"""A Markdown file cut at its headings: ATX, setext, bold lines and labels."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from issuetrack.engine.assistant.sops.markdown_blocks import opaque
from issuetrack.engine.assistant.sops.markdown_headings import Kind, kind_of

LABEL = 7
DEEPEST = 6
MOST_HEADINGS = 5_000
_ATX = re.compile(r" {0,3}(?P<marks>#{1,6})(?:(?=[ \t])|$|(?<=##)(?=[^\W\d]))")
_UNDERLINE = re.compile(r" {0,3}(?:(?P<first>=+)|-{2,})[ \t]*$")
_CANDIDATE = re.compile(r" {0,3}(?:[#=]|--|\*\*|__|[^\W\d][^:*`]{1,40}:[ \t]*$)")
_NO_TITLE = re.compile(r"[ \t]{4}|\t|[ \t]*(?:[-*+>|#=]|\d+[.)]|$)")
_LABEL = re.compile(
    r"(?:\*\*(?P<star>[^*]{1,60})\*\*|__(?P<under>[^_]{1,60})__"
    r"|(?P<plain>[^\W\d][^:*`]{1,40})(?=:[ \t]*$))(?P<rest>.*)$"
)


@dataclass(frozen=True)
class Part:
    """A heading and what stands under it, up to the next heading.

    Attributes:
        level: 0 above the first heading, 1 to 6, 7 for a bold line or label.
        heading: its words, with emphasis and links.
        body: the text under it; with the label in it where there is one.
        kind: what it announces.
    """

    level: int
    heading: str
    body: str
    kind: Kind | None

    def text(self, base: int = 0) -> str:
        """Return heading and body, the heading at least at a level."""
        if not self.heading or self.level == LABEL:
            return self.body
        marks = "#" * min(DEEPEST, max(base, self.level))
        return f"{marks} {self.heading}\n\n{self.body}".rstrip()


@dataclass(frozen=True)
class _Mark:
    """A heading: the line it stands on, and the first line under it."""

    start: int
    body: int
    level: int
    heading: str
    kind: Kind | None


def parts(text: str) -> list[Part]:
    """Return the parts of a text; the first is what stands above all headings.

    After MOST_HEADINGS of them, the rest belongs to the last.
    """
    lines = text.split("\n")
    marks = [_Mark(0, 0, 0, "", None), *_marks(lines)]
    ends = [*(mark.start for mark in marks[1:]), len(lines)]
    return [
        Part(mark.level, mark.heading, _body(lines[mark.body : end]), mark.kind)
        for mark, end in zip(marks, ends, strict=True)
    ]


def _body(lines: Sequence[str]) -> str:
    text = "\n".join(lines)
    start = len(text) - len(text.lstrip())
    return text[text.rfind("\n", 0, start) + 1 :].rstrip()


def _marks(lines: Sequence[str]) -> Iterator[_Mark]:
    hidden, found, end = opaque(lines), 0, 0
    for place, line in enumerate(lines):
        if hidden[place] or not _CANDIDATE.match(line):
            continue
        mark = _mark(lines, place, hidden, end)
        if mark:
            found, end = found + 1, mark.body
            yield mark
        if found == MOST_HEADINGS:
            return


def _mark(
    lines: Sequence[str], place: int, hidden: Sequence[int], end: int
) -> _Mark | None:
    """Return the heading at a line; end: the first line under the heading before."""
    line = lines[place]
    if atx := _ATX.match(line):
        heading = _without_closing(line[atx.end() :])
        return _Mark(place, place + 1, len(atx["marks"]), heading, kind_of(heading))

    def is_fresh(at: int) -> bool:
        return at == end or bool(hidden[at - 1]) or not lines[at - 1].strip()

    underline = _UNDERLINE.match(line) if place > end else None
    above = lines[place - 1] if underline and not hidden[place - 1] else ""
    if underline and above and is_fresh(place - 1) and not _NO_TITLE.match(above):
        heading, level = above.strip(), 1 if underline["first"] else 2
        return _Mark(place - 1, place + 1, level, heading, kind_of(heading))
    return _label(place, line) if is_fresh(place) else None


def _without_closing(heading: str) -> str:
    """Return a heading without the marks that may close it."""
    stripped = heading.strip()
    bare = stripped.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else stripped


def _label(place: int, line: str) -> _Mark | None:
    """Return the heading that a bold line or label is, if it is a usual one."""
    match = _LABEL.match(line)
    if match is None:
        return None
    words = match["star"] or match["under"] or match["plain"]
    alone = not match["rest"].strip(" \t:.")
    if not alone and not (words[-1] in ":." or match["rest"].startswith(":")):
        return None
    kind = kind_of(words.strip(" :."))
    if kind in (None, Kind.NOTES):
        return None
    return _Mark(place, place, LABEL, words.strip(" :."), kind)
