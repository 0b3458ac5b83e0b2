"""Which part of a runbook is which field of a procedure.

A section takes along what is nested in it. Under a heading that says nothing, such as
the name of one problem of several, usual headings count by themselves and keep that
name as context.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from issuetrack.engine.assistant.grounding import Section as Told
from issuetrack.engine.assistant.grounding import spans
from issuetrack.engine.assistant.sops.markdown_blocks import paragraphs
from issuetrack.engine.assistant.sops.markdown_headings import Kind, is_one_step
from issuetrack.engine.assistant.sops.markdown_parts import LABEL, Part
from issuetrack.engine.assistant.sops.procedure import FIELDS

BASE = 3
READ_CHARACTERS = 1_500
MOST_READ = 40
LONG_HEADING = 3
_KEEP_ALL = (
    Kind.SYMPTOMS,
    Kind.CAUSE,
    Kind.STEPS,
    Kind.VALIDATION,
    Kind.ROLLBACK,
    Kind.NOTES,
)
_MAY_LEAVE = (Kind.VALIDATION, Kind.ROLLBACK)
_ASIDE = re.compile(
    r"(?i)\s*(?:<!--|\[\[?_?toc_?\]|\*\*(?:table of )?contents\*\*)"
    r"|(?:\s*(?:[-*+]|\d+[.)])[ \t]+\[[^\]\n]*\]\(#[^)\n]*\)[ \t]*(?:\n|$))+$"
)


@dataclass
class _Section:
    """A part and what is nested in it; above: the section that gives it context."""

    kind: Kind | None
    parts: list[Part]
    above: "_Section | None" = None
    is_context: bool = False

    @property
    def head(self) -> Part:
        return self.parts[0]

    @property
    def is_bare(self) -> bool:
        """Tell whether there is nothing in it but its heading."""
        return len(self.parts) == 1 and not self.head.body


@dataclass
class _Fields:
    """The pieces of each field so far, in their order."""

    pieces: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    above: dict[str, _Section | None] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def add(self, name: str, section: _Section) -> None:
        """Add a section to a field, with its context where that is another one."""
        if section.is_context and section.is_bare:
            return
        base = BASE + (section.above is not None)
        if section.above and self.above.get(name) is not section.above:
            self.pieces[name].append(f"{'#' * BASE} {section.above.head.heading}")
        self.above[name] = section.above
        shift = max(0, base - section.head.level)
        first = section.head.body if self._says(name, section.head) else None
        for part in section.parts:
            text = part.text(part.level + shift) if first is None else first
            self.pieces[name].append(text)
            first = None

    def _says(self, name: str, part: Part) -> bool:
        """Tell whether a heading is the name of its field, for the first time."""
        says = part.level != LABEL and part.heading.casefold() == name
        if says and name not in self.said:
            self.said.add(name)
            return True
        return False

    def texts(self) -> dict[str, str]:
        return {
            name: "\n\n".join(piece for piece in pieces if piece)
            for name, pieces in self.pieces.items()
        }


def fields_of(parts: Sequence[Part], first: str) -> dict[str, str]:
    """Return the text of each field but the title, and the notes.

    Args:
        parts: the parts of the file; the first is what stands above all headings.
        first: what the problem starts with, "" for nothing.
    """
    sections = _sections(parts[1:])
    kinds = {section.kind for section in sections}
    told = _Fields()
    told.pieces["problem"].append(first)
    unordered = not kinds & {Kind.STEPS, Kind.INVESTIGATION}
    _add_opening(told, parts[0].body, split=unordered)
    for number, section in enumerate(sections):
        name = _field(section.kind, kinds)
        if name is None:
            acts = unordered and number < MOST_READ and _acts(section)
            name = "steps" if acts else "notes"
        told.add(name, section)
    return told.texts()


def _sections(parts: Sequence[Part]) -> list[_Section]:
    """Return the sections of a file in order."""
    sections: list[_Section] = []
    open_: list[tuple[int, _Section]] = []
    counts = Counter(part.kind for part in parts)
    for part in parts:
        while open_ and open_[-1][0] >= part.level:
            open_.pop()
        level, around = open_[-1] if open_ else (0, None)
        if around and _stays(part, around, level, counts):
            section = around
            section.parts.append(part)
        else:
            above = around if around and around.kind is None else None
            section = _Section(part.kind, [part], above)
            sections.append(section)
            if above:
                above.is_context = True
        open_.append((part.level, section))
    return sections


def _stays(
    part: Part, around: _Section, level: int, counts: Counter[Kind | None]
) -> bool:
    """Tell whether a part belongs to the section that it is nested in."""
    if part.kind is None or part.kind is around.kind:
        return True
    if around.kind is not None and is_one_step(part.heading):
        return True
    if around.kind not in _KEEP_ALL:
        return False
    own = part.kind in _MAY_LEAVE and counts[part.kind] == 1
    return not (own and level == around.head.level)


def _field(kind: Kind | None, kinds: set[Kind | None]) -> str | None:
    """Return the field that a kind of section goes to in a file of these kinds.

    How to find the cause is told under the cause where the file has steps apart, and
    is the steps where it has none.
    """
    if kind is Kind.INVESTIGATION:
        apart = Kind.STEPS in kinds and Kind.CAUSE not in kinds
        return "cause" if apart else "steps"
    if kind is Kind.PREPARATION:
        return "steps"
    if kind is None or kind is Kind.NOTES or kind.value in FIELDS:
        return kind and kind.value
    raise AssertionError(kind)


def _add_opening(told: _Fields, text: str, *, split: bool) -> None:
    """Add what stands above all sections; split: it may hold the steps as well."""
    pieces = list(paragraphs(text))
    asides = [x for x in pieces if _is_aside(x)]
    told.pieces["notes"] += asides
    rest = [x for x in pieces if not _is_aside(x)]
    read = enumerate(rest[1:MOST_READ], 1) if split else ()
    steps = next((i for i, piece in read if _tells_steps(piece)), len(rest))
    if steps < len(rest) and rest[steps - 1].endswith(":"):
        steps -= 1
    told.pieces["problem"] += rest[:steps]
    told.pieces["steps"] += rest[steps:]


def _acts(section: _Section) -> bool:
    """Tell whether a section tells steps, in its heading or below."""
    heading = section.head.heading
    if len(heading.split()) >= LONG_HEADING and _tells_steps(heading):
        return True
    text, size = [], 0
    for part in section.parts:
        text.append(part.text())
        size += len(text[-1])
        if size > READ_CHARACTERS:
            break
    return _tells_steps("\n\n".join(text))


def _tells_steps(text: str) -> bool:
    return any(span.section is Told.STEP for span in spans(text[:READ_CHARACTERS]))


def _is_aside(piece: str) -> bool:
    """Tell whether a piece is a comment or a table of contents."""
    return _ASIDE.match(piece) is not None
