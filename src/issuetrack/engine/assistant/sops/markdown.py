"""Procedures as Markdown files: any common runbook in, one canonical form out.

What `write` writes, `read` gives back to the letter. Its front matter names the schema;
under it stands one level-2 heading for each field. Inside a field, a line that would
be taken for such a heading, or for the start of a code block or comment that nothing
closes, carries one more backslash than in the field.

From any other Markdown no word is lost: what belongs to no field is in the notes, and
headings in other words than ours stay in the text of their field.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from issuetrack.engine.assistant.sops import markdown_front as front_matter
from issuetrack.engine.assistant.sops.markdown_blocks import OPENING, opaque
from issuetrack.engine.assistant.sops.markdown_front import FrontMatter
from issuetrack.engine.assistant.sops.markdown_headings import plain
from issuetrack.engine.assistant.sops.markdown_parts import Part, parts
from issuetrack.engine.assistant.sops.markdown_sections import BASE, fields_of
from issuetrack.engine.assistant.sops.procedure import FIELDS, Procedure
from issuetrack.engine.errors import ImportFormatError

TEXTS = (*FIELDS[1:], "notes")
LONGEST_TITLE = 300
MOST_CONTROLS = 0.02
_RISKY = re.compile(r"#|[ \t]*[\\`~<]")
_HEADING = re.compile(r"(?P<slashes>\\*)(?P<marks>#{1,2})(?=[ \t]|$)")
_SLASHED = re.compile(r"[ \t]*\\+(?:`{3}|~{3}|<!--)")
_LINE_BREAK = re.compile(r"\r\n?")
_CONTROL = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f\ufffd\ud800-\udfff]")
_WORD = re.compile(r"\w+")
_TICKS = re.compile(r"`{3,}")
_SEPARATORS = re.compile(r"[-_\s]+")
_INDEX_NAMES = ("readme", "index", "_index")


def read(markdown: str, name: str) -> Procedure:
    """Return the procedure that a Markdown file tells.

    Args:
        markdown: the text of the file.
        name: its path or name, of which the title is made where there is none.

    Raises:
        ImportFormatError: the file is empty or no text.
    """
    text = _LINE_BREAK.sub("\n", markdown.removeprefix("\ufeff"))
    front, body = front_matter.split(text)
    _refuse_what_is_no_text(text, name, trusted=front.canonical)
    procedure = _canonical(front, body) if front.canonical else _any(front, body, name)
    return replace(procedure, notes=f"{procedure.notes}\n\n{_rest(front)}")


def write(procedure: Procedure) -> str:
    """Return a procedure as canonical Markdown; `read` gives the same procedure."""
    pieces = [front_matter.write(procedure.title, procedure.tags)]
    for name in TEXTS:
        text = procedure.field(name)
        if text or name != "notes":
            pieces.append(f"\n## {name.capitalize()}\n")
        if text:
            pieces.append(f"\n{_escaped(text)}\n")
    return "".join(pieces)


def _refuse_what_is_no_text(text: str, name: str, *, trusted: bool) -> None:
    """Raise unless this is text; one that is trusted may hold control characters."""
    if not text.strip():
        raise ImportFormatError(
            f"{name} is empty", "name a Markdown file that holds a runbook"
        )
    controls = 0 if trusted else len(_CONTROL.findall(text))
    if "\x00" in text or controls > MOST_CONTROLS * len(text):
        raise ImportFormatError(
            f"{name} is no text file", "save the runbook as Markdown in UTF-8"
        )


def _rest(front: FrontMatter) -> str:
    """Return the lines of a front matter that no field holds, as a block of code."""
    if not front.rest:
        return ""
    text = "\n".join(front.rest)
    longest = max((len(run) for run in _TICKS.findall(text)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{front.language}\n{text}\n{ticks}"


def _canonical(front: FrontMatter, body: str) -> Procedure:
    """Return what a file with our own front matter tells; nothing is guessed."""
    texts: dict[str, list[str]] = {name: [] for name in TEXTS}
    lines, field = body.split("\n"), "problem"
    hidden = opaque(lines)
    for place, line in enumerate(lines):
        if hidden[place] or not _RISKY.match(line):
            texts[field].append(line)
            continue
        heading = _HEADING.match(line)
        if heading is None or heading["slashes"]:
            texts[field].append(_unescaped(line))
            continue
        named = line[heading.end() :].strip().casefold()
        field = named if named in TEXTS and len(heading["marks"]) > 1 else "notes"
        if named != field:
            texts[field] += ["", f"{'#' * BASE} {line[heading.end() :].strip()}"]
    written = {name: "\n".join(text) for name, text in texts.items()}
    return Procedure(front.title or "", **written, tags=front.tags)


def _escaped(text: str) -> str:
    lines = text.split("\n")
    hidden = opaque(lines)
    return "\n".join(
        line if hidden[place] or not _RISKY.match(line) else _escaped_line(line)
        for place, line in enumerate(lines)
    )


def _escaped_line(line: str) -> str:
    if _HEADING.match(line):
        return f"\\{line}"
    if _SLASHED.match(line) or OPENING.match(line):
        indent = len(line) - len(line.lstrip(" \t"))
        return f"{line[:indent]}\\{line[indent:]}"
    return line


def _unescaped(line: str) -> str:
    """Return a line as it was before `_escaped_line`."""
    if _SLASHED.match(line) or _HEADING.match(line):
        return line.replace("\\", "", 1)
    return line


def _any(front: FrontMatter, body: str, name: str) -> Procedure:
    """Return what a file of any other form tells."""
    found = parts(body)
    titled = _title_place(found)
    heading = found[titled] if titled else None
    title = front.title or (plain(heading.heading[:LONGEST_TITLE]) if heading else "")
    first = ""
    if heading is not None:
        above = "\n\n".join(filter(None, (found[0].body, heading.body)))
        found = [replace(found[0], body=above), *found[2:]]
        is_cut = len(heading.heading) > LONGEST_TITLE
        if front.title or is_cut or _words(heading.heading) - _words(title):
            first = f"{'#' * BASE} {heading.heading}"
    texts = fields_of(found, first)
    given = title or _title_from(name) or body.strip().split("\n")[0][:LONGEST_TITLE]
    return Procedure(given, **texts, tags=front.tags)


def _title_place(found: Sequence[Part]) -> int | None:
    """Return 1 if the first heading is the title of the file, else None.

    It is if it stands above all others, and says nothing else.
    """
    if len(found) == 1 or found[1].level > BASE:
        return None
    level, others = found[1].level, [part.level for part in found[2:]]
    alone = all(other > level for other in others)
    if found[1].kind is not None:
        return 1 if level == 1 and alone and others else None
    return 1 if level == 1 or (alone and not found[0].body) else None


def _title_from(name: str) -> str:
    """Return a title made of the name of a file."""
    path = PurePath(name)
    stem = path.stem
    if stem.casefold() in _INDEX_NAMES and path.parent.name:
        stem = path.parent.name
    return _SEPARATORS.sub(" ", stem).strip()


def _words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(text))
