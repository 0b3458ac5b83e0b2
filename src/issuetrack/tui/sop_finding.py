"""Which procedures a list shows: by words, status and tags."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from issuetrack.engine.store.types import SopStatus

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.queries import SopFound
    from issuetrack.engine.assistant.sops.statistics import SopStatistics
    from issuetrack.engine.issues.procedures import SopSummary
    from issuetrack.engine.workspace import Workspace

MOST, FOUND, FEW = 5_000, 50, 300
MOST_TAGS = 30
KINDS = {
    "draft": "drafts",
    "in_review": "what is in review",
    "approved": "what is approved",
    "deprecated": "what is out of use",
}
KEYS = ((None, "0"), *((s, str(n)) for n, s in enumerate(SopStatus, start=1)))


@dataclass(frozen=True)
class Wish:
    """What is looked for.

    Attributes:
        status: of the version that is shown; None for all that are not out of use.
    """

    words: str = ""
    status: SopStatus | None = None
    tags: tuple[str, ...] = ()

    @property
    def narrow(self) -> bool:
        """Tell whether it leaves something out that could be shown."""
        return bool(self.words or self.status or self.tags)

    @property
    def told(self) -> str:
        """Return the filter in words; empty without one."""
        status = f"only {KINDS[self.status]}" if self.status else ""
        return ", ".join(filter(None, (status, *(f"tag {t}" for t in self.tags))))


@dataclass(frozen=True)
class Listing:
    """What was found, and how that reads above the list."""

    found: "tuple[SopSummary, ...]"
    told: str


@dataclass(frozen=True)
class Offer:
    """A filter that can be chosen."""

    wish: Wish
    told: str
    key: str = ""


def find(workspace: "Workspace", wish: Wish) -> Listing:
    """Return the procedures that are looked for: best first, else latest first."""
    actor = workspace.actor
    rows, total = workspace.sops.matching(actor, wish.status, wish.tags, MOST)
    if not wish.words:
        return Listing(tuple(rows), _told(wish, total, "the latest first"))
    if wish.status is SopStatus.DEPRECATED:
        found = tuple(row for row in rows if _has(row, wish.words))
        return Listing(found, _told(wish, len(found), "by words in the title"))
    answer = _search(workspace, wish)
    by_number = {row.sop: row for row in rows}
    order = (summary.sop for summary, _ in answer.matches)
    found = tuple(by_number[number] for number in order if number in by_number)
    reason = answer.by_words_only
    how = "best first" if reason is None else f"by words only: {reason}"
    if workspace.index_waits():
        how += "; not everything is indexed yet"
    return Listing(found, _told(wish, len(found), how))


def _search(workspace: "Workspace", wish: Wish) -> "SopFound":
    from issuetrack.engine.retrieval.scope import SopScope
    from issuetrack.engine.retrieval.search import Question

    question = Question.from_text(wish.words)
    return workspace.sops.search(workspace.actor, question, SopScope.ALL, FOUND)


def _has(row: "SopSummary", words: str) -> bool:
    text = " ".join((row.name, row.title, *row.tags)).casefold()
    return all(word in text for word in words.casefold().split())


def _told(wish: Wish, count: int, how: str) -> str:
    many = "1 SOP" if count == 1 else f"{count:,} SOPs"
    more = "; Esc shows all" if wish.narrow else ""
    return " | ".join(filter(None, (many, wish.told, how))) + more


def offered(workspace: "Workspace", wish: Wish) -> list[Offer]:
    """Return the filters that can be chosen, with how many each shows."""
    actor = workspace.actor
    found = []
    for status, key in KEYS:
        _, count = workspace.sops.matching(actor, status, (), 0)
        told = f"only {KINDS[status]}" if status else "all but what is out of use"
        chosen = Wish(wish.words, status)
        found.append(Offer(chosen, f"{told} ({count:,})", key))
    rows, _ = workspace.sops.matching(actor, wish.status, wish.tags, MOST)
    return [*found, *_tags(wish, rows)]


def _tags(wish: Wish, rows: "list[SopSummary]") -> Iterator[Offer]:
    for tag in wish.tags:
        rest = tuple(each for each in wish.tags if each != tag)
        yield Offer(replace(wish, tags=rest), f"no longer only tag {tag}")
    counts = Counter(tag for row in rows for tag in row.tags if tag not in wish.tags)
    for tag, count in counts.most_common(MOST_TAGS):
        chosen = replace(wish, tags=(*wish.tags, tag))
        yield Offer(chosen, f"tag {tag} ({count:,})")


def known(workspace: "Workspace") -> "dict[int, SopStatistics]":
    """Return how the procedures did, by their numbers."""
    found = workspace.sops.statistics(workspace.actor)
    return {each.summary.sop: each for each in found}
