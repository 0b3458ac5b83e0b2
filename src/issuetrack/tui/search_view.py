"""How what a search found is drawn: in the list, to be read, explained."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.text import Text

from issuetrack.engine.retrieval.subjects import SubjectKind
from issuetrack.terminal_safety import clean_line
from issuetrack.tui.issue_view import STATUS
from issuetrack.tui.text import age, markdown
from issuetrack.tui.widgets.reader import Block

if TYPE_CHECKING:
    from issuetrack.engine.issues.finding import Found
    from issuetrack.engine.issues.knowledge import DocumentRecord
    from issuetrack.engine.retrieval.fusion import Contribution
    from issuetrack.engine.retrieval.indexing import IndexStatus
    from issuetrack.engine.retrieval.passages import Passage
    from issuetrack.engine.retrieval.search import Match

NUMBERS = ("Rank", "Weight", "Adds", "Strength", "Score")
WIDTHS = (5, 7, 7, 9, 7)
UNRESOLVED = ("open", "in_progress")
KEY_WIDTH, ROOMY = 10, 56
LEGS = {
    "lexical_title": "words, by the title",
    "lexical_text": "words, by all of it",
    "lexical_name": "words, in its name",
    "vector_title": "meaning, of the title",
    "vector_text": "meaning, of the text",
    "ratings": "stars",
    "outcomes": "outcomes",
    "this question's ratings": "stars, this question",
    "approved SOP": "approved SOP",
}
HOW = (
    "Each leg gives what it finds a strength: BM25 for words, the cosine for meaning. "
    "The strengths become standard scores among all candidates and are weighted such "
    "that words and meaning count alike. Stars, outcomes and approval are added; "
    "together they cannot turn more than what is close."
)
WELCOME = (
    "Say what is wrong, paste an error message, or a few words of what you remember.",
    "Issues with their fixes and comments, SOPs and documents are searched, by words "
    "and by meaning.",
)


@dataclass(frozen=True)
class Hit:
    """One thing that was found.

    Attributes:
        place: 1 for the best.
    """

    found: "Found"
    match: "Match"
    place: int


def head(width: int) -> Text:
    """Return the line above the list."""
    key = f"{'Key':<{KEY_WIDTH}} " if width >= ROOMY else ""
    return Text(f" {'Score':>5}  {'Name':<7}{'State':<6} {key}Title"[:width], "quiet")


def entry(hit: Hit, width: int) -> Text:
    """Return what was found as one line of the list; ! marks what is not resolved."""
    from rich.cells import cell_len, set_cell_size

    state, colour, mark = _state(hit)
    text = Text(no_wrap=True)
    text.append(f" {hit.match.score:>5.2f}  ", "accent")
    text.append(f"{hit.match.subject.name:<7}", "quiet")
    text.append(f"{state:<5}", colour).append(f"{mark:<2}", "warn")
    if width >= ROOMY:
        key = clean_line(hit.found.key or "")
        text.append(set_cell_size(key, KEY_WIDTH) + " ", "quiet")
    left, title = max(width - len(text), 8), clean_line(hit.found.title)
    if cell_len(title) > left:
        title = set_cell_size(title, left - 1) + "~"
    return text.append(title, "text")


def _state(hit: Hit) -> tuple[str, str, str]:
    kind, status = hit.match.subject.kind, getattr(hit.found, "status", None)
    if kind is SubjectKind.SOP:
        return "SOP", "good", ""
    if kind is SubjectKind.DOCUMENT or status is None:
        return "page", "quiet", ""
    return *STATUS[status], "!" if status in UNRESOLVED else ""


def document_blocks(record: "DocumentRecord", now: datetime) -> Iterator[Block]:
    """Yield an imported document."""
    summary = record.summary
    title = Text(f"D{summary.document}  ", style="quiet")
    yield Block(title.append(clean_line(summary.title), "heading"), name="title")
    facts = ("document", summary.key, f"from {summary.source}", summary.url)
    told = [clean_line(fact) for fact in facts if fact]
    told.append(f"changed {age(summary.updated_at, now)} ago")
    yield Block(Text(" | ".join(told), "quiet"))
    yield Block("")
    yield Block(markdown(record.body), name="document")


def document_markdown(record: "DocumentRecord") -> str:
    """Return an imported document as Markdown."""
    return f"# {clean_line(record.summary.title)}\n\n{record.body.strip()}\n"


def welcome() -> Iterator[Block]:
    """Yield what stands there before anything was looked for."""
    for paragraph in WELCOME:
        yield Block(Text(paragraph, "quiet"))
        yield Block("")


def spoken(passage: "Passage") -> str:
    """Return a passage as it reads once its Markdown is drawn."""
    lines = (
        re.sub(r"^\s*(?:[#>*+-]+|\d+[.)])\s+", "", line)
        for line in passage.text.splitlines()
    )
    return re.sub(r"[`*]|\[|\]\([^)]*\)", "", " ".join(lines)).strip()


def part_of(passage: "Passage") -> str:
    """Return the name of the block that a passage of an issue or document is in."""
    comment = passage.comment
    return str(passage.kind) if comment is None else f"comment:{comment}"


def explanation(
    hit: Hit, total: int, by: str, status: "IndexStatus | None"
) -> Iterator[Block]:
    """Yield why something stands where it does."""
    match = hit.match
    title = Text(f"Why {match.subject.name} is number {hit.place} of {total}: ")
    title.stylize("heading")
    yield Block(title.append(clean_line(hit.found.title), "strong"))
    cosine = "" if match.similarity is None else f" | cosine {match.similarity:.2f}"
    told = f"score {match.score:.2f}{cosine} | by {by} | e goes back to the text"
    yield Block(Text(told, "quiet"))
    yield Block("")
    yield Block(_columns("Leg", NUMBERS, "heading"))
    for part in match.contributions:
        yield Block(_row(part))
    yield Block(_columns("Sum", ("", "", f"{match.score:+.2f}"), "strong"))
    yield Block(Text(f"\n{HOW}", "quiet"))
    if status is not None:
        yield Block(Text(f"\n{clean_line(_adapted(status))}", "quiet"))


def _columns(leg: str, numbers: Sequence[str], style: str) -> Text:
    cells = (f"{n:>{w}}" for n, w in zip(numbers, WIDTHS, strict=False))
    return Text(f"{leg:<22}{''.join(cells)}", style, no_wrap=True, overflow="crop")


def _row(part: "Contribution") -> Text:
    rank = "-" if part.rank is None else str(part.rank)
    strength = "-" if part.strength is None else f"{part.strength:.2f}"
    adds, score = f"{part.value:+.2f}", f"{part.standard_score:+.2f}"
    numbers = (rank, f"{part.weight:.2f}", adds, strength, score)
    style = "text" if part.value else "quiet"
    return _columns(LEGS.get(part.leg, part.leg), numbers, style)


def _adapted(status: "IndexStatus") -> str:
    if status.adapted_from:
        pairs = f"{status.adapted_from} pairs of texts that belong together"
        return f"Meaning is adapted to this workspace, from {pairs}."
    why = f": {status.not_adapted_because}" if status.not_adapted_because else ""
    return f"Meaning is as the model gives it, not adapted to this workspace{why}."


def backlog(status: "IndexStatus") -> str:
    """Return what cannot be found yet, in words."""
    one = status.queued == 1
    kinds = {"issue": True, "document": status.documents, "SOP": status.sops}
    names = [kind if one else f"{kind}s" for kind, there in kinds.items() if there]
    verb = "is" if one else "are"
    return (
        f"{status.queued:,} {' or '.join(names)} {verb} not indexed yet: findable soon"
    )
