"""The lines of Markdown in which a mark means nothing: code and comments.

A fence or comment that nothing closes is a line like any other, so that a forgotten
mark hides no heading below it.
"""

import re
from collections.abc import Iterator, Sequence

LONGEST_FENCE = 99
OPENING = re.compile(
    r"[ \t]*(?:(?P<fence>`{3,99}(?=[^`]*$)|~{3,99}(?!~))|(?P<comment><!--))"
)
_CLOSING = re.compile(r"[ \t]*(`{3,99}|~{3,99})[ \t]*$")


class _Closings:
    """Where the last line stands that closes a fence of a length, or a comment."""

    def __init__(self, lines: Sequence[str], marked: Sequence[int]) -> None:
        self._fences = {mark: [-1] * (LONGEST_FENCE + 2) for mark in "`~"}
        self._comment = -1
        for place in marked:
            closing = _CLOSING.match(lines[place])
            if closing:
                self._fences[closing[1][0]][len(closing[1])] = place
            if "-->" in lines[place]:
                self._comment = place
        for places in self._fences.values():
            for length in range(LONGEST_FENCE, 0, -1):
                places[length] = max(places[length], places[length + 1])

    def after(self, place: int, opening: re.Match[str]) -> bool:
        """Tell whether what opens at a line is closed below it."""
        if opening["comment"]:
            return self._comment > place
        return self._fences[opening["fence"][0]][len(opening["fence"])] > place


def opaque(lines: Sequence[str]) -> bytearray:
    """Return (n,) 1 for each line of a fenced block or comment, marks included."""
    mask = bytearray(len(lines))
    marked = [i for i, x in enumerate(lines) if "```" in x or "~~~" in x or "--" in x]
    closings = _Closings(lines, marked)
    inside: tuple[int, re.Match[str]] | None = None
    for place in marked:
        if inside is None:
            opening = OPENING.match(lines[place])
            if opening and _opens_and_closes(lines[place], opening):
                mask[place] = 1
            elif opening and closings.after(place, opening):
                inside = place, opening
        elif _closes(lines[place], inside[1]):
            start, inside = inside[0], None
            mask[start : place + 1] = b"\1" * (place + 1 - start)
    return mask


def _opens_and_closes(line: str, opening: re.Match[str]) -> bool:
    return bool(opening["comment"]) and "-->" in line[opening.end() :]


def _closes(line: str, opening: re.Match[str]) -> bool:
    if opening["comment"]:
        return "-->" in line
    closing = _CLOSING.match(line)
    return closing is not None and closing[1].startswith(opening["fence"])


def paragraphs(text: str) -> Iterator[str]:
    """Yield the pieces of a text between blank lines outside of code and comments."""
    lines = text.split("\n")
    hidden, piece = opaque(lines), []
    for place, line in enumerate(lines):
        if hidden[place] or line.strip():
            piece.append(line)
        elif piece:
            yield "\n".join(piece)
            piece = []
    if piece:
        yield "\n".join(piece)
