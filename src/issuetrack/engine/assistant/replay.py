"""Asks past issues again, each with only what was known when it was opened."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from issuetrack.engine.assistant.backtest_cases import Moments, Past, PastIssue
from issuetrack.engine.assistant.calibration import filed
from issuetrack.engine.assistant.composer import helpful_of
from issuetrack.engine.assistant.confidence import (
    Features,
    answer_features,
    duplicate_features,
)
from issuetrack.engine.assistant.likeness import likeness
from issuetrack.engine.assistant.sources import Reader, Source, gather
from issuetrack.engine.assistant.suggestions import SOURCES
from issuetrack.engine.retrieval.scope import Scope, SopScope
from issuetrack.engine.retrieval.search import ONLY_ISSUES, Match, Question, Search
from issuetrack.engine.retrieval.subjects import SubjectKind
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.unit_of_work import UnitOfWork

DEPTH = 50
WIDE = 200
DUPLICATE_CANDIDATES = 10
OTHERS_FOR_EACH = 4
Tick = Callable[[], None]


@dataclass(frozen=True)
class Replayed:
    """What was answered to one past issue.

    Attributes:
        rank: the place of the first right issue, from 0; None if it was not found.
        features: of the answer; None if there was none.
        right: whether the source that the answer rests on was right.
    """

    issue: PastIssue
    rank: int | None
    features: Features | None
    right: bool

    @property
    def answerable(self) -> bool:
        """Tell whether there was an earlier right issue."""
        return bool(self.issue.right)

    @property
    def reciprocal(self) -> float:
        """Return one over the rank from 1; 0 if it was not found."""
        return 0.0 if self.rank is None else 1.0 / (self.rank + 1)


@dataclass(frozen=True)
class Compared:
    """An issue against the earlier one that is most like it.

    Attributes:
        likeness: how alike titles and texts are, as the model sees them.
        same: whether people linked the two as duplicates.
        stands_for: how many issues this one was drawn from.
    """

    features: Features
    likeness: float
    same: bool
    stands_for: int = 1


def question_of(issue: PastIssue) -> Question:
    """Return what an issue asks."""
    return Question(issue.filed.title, issue.filed.body, issue.number)


def answer(
    reader: Reader, search: Search, issue: PastIssue, moments: Moments
) -> Replayed:
    """Return what would have been answered when an issue was opened."""
    question, at = question_of(issue), issue.filed.created_at
    matches = matches_then(reader.uow, search, issue, moments)
    sources = [
        source
        for source in gather(reader, question, matches[:SOURCES])
        if moments.was_known(source.origin.subject.number, at)
    ]
    helpful = helpful_of(sources) if any(source.fix for source in sources) else []
    return Replayed(
        issue,
        rank_of(matches, issue),
        answer_features(helpful, sources, at),
        bool(helpful) and _is_right(helpful[0], issue),
    )


def matches_then(
    uow: UnitOfWork, search: Search, issue: PastIssue, moments: Moments
) -> list[Match]:
    """Return the finished issues that would have been found."""
    at = issue.filed.created_at
    scope = Scope(documents=False, sops=SopScope.NONE, before=at)
    found = search.find(uow, question_of(issue), DEPTH, scope)
    return [m for m in found if moments.was_known(m.subject.number, at)]


def rank_of(matches: Sequence[Match], issue: PastIssue) -> int | None:
    """Return the place of the first right match, from 0; None without one."""
    places = (n for n, match in enumerate(matches) if match.issue in issue.right)
    return next(places, None)


def _is_right(source: Source, issue: PastIssue) -> bool:
    """Tell whether a source, or the match that brought it in, was right."""
    origin = source.origin.subject
    named = {source.match.issue}
    if origin.kind is SubjectKind.ISSUE:
        named.add(origin.number)
    return bool(named & issue.right)


def drawn(issues: Sequence[PastIssue]) -> list[tuple[PastIssue, int]]:
    """Return the issues to look for duplicates of, with how many each stands for.

    All that have an earlier duplicate, and of the others every k-th.
    """
    linked = sum(bool(issue.duplicates) for issue in issues)
    others = len(issues) - linked
    step = max(1, others // max(1, OTHERS_FOR_EACH * linked))
    out, place = [], 0
    for issue in issues:
        if issue.duplicates:
            out.append((issue, 1))
            continue
        if place % step == 0:
            out.append((issue, step))
        place += 1
    return out


def compare(
    uow: UnitOfWork, search: Search, issue: PastIssue, moments: Moments
) -> Compared | None:
    """Return an issue against the earlier one most like it; None without one."""
    at = issue.filed.created_at
    found = search.find(uow, question_of(issue), WIDE, ONLY_ISSUES)
    earlier = [m for m in found if moments.was_open(m.subject.number, at)]
    matches = earlier[:DUPLICATE_CANDIDATES]
    if not matches:
        return None
    first = matches[0].subject.number

    top = filed(uow, uow.session.get_one(Issue, first))
    features = duplicate_features(issue.filed, matches, top)
    assert features is not None
    alike = likeness(uow, issue.number, [first]).get(first, 0.0)
    return Compared(features, alike, first in issue.duplicates)


def compared(
    uow: UnitOfWork, search: Search, past: Past, tick: Tick
) -> Iterator[Compared]:
    """Yield the issues that are looked for duplicates of, in the order of time."""
    for issue, stands_for in drawn(past.issues):
        found = compare(uow, search, issue, past.moments)
        tick()
        if found is not None:
            yield replace(found, stands_for=stands_for)
