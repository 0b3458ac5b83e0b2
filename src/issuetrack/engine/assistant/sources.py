"""Past issues as sources of a suggestion: how relevant, and what they tell."""

import re
from dataclasses import dataclass, replace

from issuetrack.engine.assistant.grounding import Section, Span, spans
from issuetrack.engine.issues import records
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.issues.resolution import Remark, carries_fix
from issuetrack.engine.retrieval.lexical_index import signatures, words
from issuetrack.engine.retrieval.search import Match, Question
from issuetrack.engine.store.types import CommentKind, ResolutionHow, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

RELEVANT = 0.34
QUALITY = {
    ResolutionHow.STATED: 1.0,
    ResolutionHow.CONFIRMED: 1.0,
    ResolutionHow.MINED: 0.85,
}
_SHORT = 3
_READ_CHARACTERS = 20_000


@dataclass(frozen=True)
class SourceSpan:
    """A span and where it is stored."""

    span: Span
    kind: str
    reader: Role


@dataclass(frozen=True)
class Source:
    """A past issue that may help with the question."""

    issue: IssueRecord
    match: Match
    coverage: float
    same_error: bool
    fix: tuple[SourceSpan, ...]

    @property
    def relevance(self) -> float:
        """Return 0..1: how much the issue is about the question."""
        similarity = max(self.match.similarity or 0.0, 0.0)
        bonus = 0.1 if self.same_error else 0.0
        return min(1.0, 0.7 * similarity + 0.3 * self.coverage + bonus)

    @property
    def quality(self) -> float:
        """Return 0..1: how well the fix is known."""
        resolution = self.issue.resolution
        return QUALITY[resolution.how] if resolution else QUALITY[ResolutionHow.MINED]

    def of(self, section: Section) -> list[SourceSpan]:
        """Return the spans of the fix that tell one thing."""
        return [s for s in self.fix if s.span.section is section]


def _content_words(text: str) -> set[str]:
    return {w for w in words(text) if len(w) > _SHORT or re.search(r"\d", w)}


def _fix_spans(issue: IssueRecord) -> tuple[SourceSpan, ...]:
    found: list[SourceSpan] = []
    resolution = issue.resolution
    if resolution is not None and resolution.text:
        kind = "resolution"
        if resolution.provenance.startswith("comment"):
            kind = "comment"
        found += [
            SourceSpan(span, kind, resolution.reader)
            for span in spans(resolution.text[:_READ_CHARACTERS])
        ]
    text = resolution.text if resolution else None
    for comment in issue.comments:
        if comment.body is None or comment.body.strip() == text:
            continue
        if comment.kind is not CommentKind.PUBLIC or resolution is None:
            continue
        remark = Remark(comment.author, comment.kind, comment.body, "")
        if carries_fix(remark, issue.summary.assignee):
            found += [
                SourceSpan(span, "comment", Role.VIEWER)
                for span in spans(comment.body[:_READ_CHARACTERS])
            ]
    return tuple(found)


def gather(uow: UnitOfWork, question: Question, matches: list[Match]) -> list[Source]:
    """Return the matches that are about the question, best match first.

    A match without a fix that is a duplicate brings in its original's fix.
    """
    asked_text = question.text[:_READ_CHARACTERS]
    asked = _content_words(asked_text)
    errors = set(signatures(asked_text))
    found: list[Source] = []
    for match in matches:
        issue = records.record(uow, records.find(uow, str(match.issue)))
        text = f"{issue.summary.title}\n{issue.body}"[:_READ_CHARACTERS]
        held = _content_words(text)
        source = Source(
            issue,
            match,
            len(asked & held) / len(asked) if asked else 0.0,
            bool(errors & set(signatures(text))),
            _fix_spans(issue),
        )
        if source.relevance >= RELEVANT:
            found.append(source)
    originals = (_original(uow, question, source) for source in found)
    first: dict[int, Source] = {}
    for source in originals:
        first.setdefault(source.issue.number, source)
    return list(first.values())


def _original(uow: UnitOfWork, question: Question, source: Source) -> Source:
    """Return a duplicate without a fix as its original, if that tells one."""
    number = source.issue.summary.duplicate_of
    if source.fix or number in (None, question.exclude):
        return source
    original = records.record(uow, records.find(uow, str(number)))
    fix = _fix_spans(original)
    return replace(source, issue=original, fix=fix) if fix else source
