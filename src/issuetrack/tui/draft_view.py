"""How the answer of a model is drawn while it is written."""

import json
import re
from collections.abc import Iterator, Sequence

from rich.text import Text

from issuetrack.terminal_safety import clean_line
from issuetrack.tui.widgets.reader import Block

TITLE = "the model drafts, not verified yet"
BELOW = "the model drafts below, not verified yet"
SEARCHES = "looking through past issues, documents and SOPs"
READS = "the model reads the evidence; the first word takes the longest"
SIGNS = {"summary": "", "cause": "cause: ", "action": "- ", "command": "  "}
_PART = re.compile(r'"(summary|cause|action|command)"\s*:\s*"((?:[^"\\]|\\.)*)')
MOST_CHARACTERS = 6_000


def stage(*, asked: bool, text: str) -> str:
    """Return what a suggestion that is being made waits for."""
    if not asked:
        return SEARCHES
    return TITLE if text else READS


def blocks(
    called: str,
    text: str,
    seconds: float,
    *,
    asked: bool,
    quoted: Sequence[Block] = (),
) -> Iterator[Block]:
    """Yield a suggestion that is being made.

    Args:
        called: what the issue is called.
        text: what the model has written, unverified.
        seconds: how long it has taken so far.
        asked: whether the model is asked already.
        quoted: what the evidence says in its own words.
    """
    told = stage(asked=asked, text=text)
    title = Text(f"For {clean_line(called)}", "heading")
    yield Block(title.append(f"  {seconds:.0f} s", "quiet"), name="title")
    yield Block(Text(BELOW if quoted else told, "warn"))
    yield Block(Text("Esc cancels", "quiet"))
    yield Block("")
    if quoted:
        yield from quoted
        yield Block("")
        yield Block(Text(told, "warn"), name="draft")
    for part in _parts(text[-MOST_CHARACTERS:]):
        yield Block(Text(part, "quiet"), 2)


def _parts(text: str) -> Iterator[str]:
    """Yield what is said in JSON that goes on; other text as it is."""
    found = list(_PART.finditer(text))
    if not found and text.strip():
        yield clean_line(text)
    for match in found:
        yield SIGNS[match[1]] + clean_line(_unquoted(match[2]))


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
