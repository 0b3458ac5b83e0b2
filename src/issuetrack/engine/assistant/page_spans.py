"""What an imported page tells about a question: the part that is about it, as spans.

A long page holds a section for each of many problems. Where several of its sections
tell steps, only the one that is most about the question is read.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection

from issuetrack.engine.assistant.grounding import Section, Span, names_section, spans
from issuetrack.engine.retrieval.lexical_index import words

MOST_SECTIONS = 400
READ_CHARACTERS = 20_000
MOST_READ = 200_000
TOLD = (Section.CAUSE, Section.STEP, Section.VALIDATION, Section.ROLLBACK)
_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADING = re.compile(r"^(?P<marks>#{1,6})\s+(?P<text>\S.*)$")


def _headings(lines: list[str]) -> list[tuple[int, int, str]]:
    """Return the headings outside of code: line, level, text."""
    found, fence = [], None
    for place, line in enumerate(lines):
        opened = _FENCE.match(line)
        if opened and fence in (None, opened[1]):
            fence = None if fence else opened[1]
        heading = _HEADING.match(line) if fence is None else None
        if heading:
            found.append((place, len(heading["marks"]), heading["text"]))
    return found[:MOST_SECTIONS]


def sections(text: str) -> list[str]:
    """Return the parts of a page that are about one thing each; the page if it is one.

    The headings of the parts are the highest that there are several of, unless they
    only name what a page on one thing has, such as Fix and Rollback.
    """
    lines = text.splitlines()
    headings = _headings(lines)
    levels = Counter(level for _, level, _ in headings)
    several = [level for level in sorted(levels) if levels[level] > 1]
    if not several:
        return [text]
    tops = [(place, title) for place, level, title in headings if level == several[0]]
    if sum(names_section(title) for _, title in tops) * 2 > len(tops):
        return [text]
    starts = [place for place, _ in tops]
    ends = [*starts[1:], len(lines)]
    before = "\n".join(lines[: starts[0]])
    parts = ["\n".join(lines[a:b]) for a, b in zip(starts, ends, strict=True)]
    return [part for part in (before, *parts) if part.strip()]


def about(text: str, asked: Collection[str]) -> str:
    """Return the part of a page that holds most of the words asked for.

    A page of which at most one part tells steps is about one thing.
    """
    parts = sections(text[:MOST_READ])
    telling = [part for part in parts if _tells(part)]
    if len(telling) < 2:  # noqa: PLR2004 - the word of the docstring
        return text[:READ_CHARACTERS]
    return max(telling, key=_share_of(asked))[:READ_CHARACTERS]


def _tells(part: str) -> bool:
    found = spans(part[:READ_CHARACTERS])
    return any(span.section is Section.STEP for span in found)


def _share_of(asked: Collection[str]) -> Callable[[str], int]:
    return lambda part: len(set(asked) & set(words(part[:READ_CHARACTERS])))


def told_spans(text: str) -> list[Span]:
    """Return what a page tells to do, check and undo, and why; none without steps."""
    found = [span for span in spans(text) if span.section in TOLD]
    return found if any(span.section is Section.STEP for span in found) else []
