"""Past issues and documents as sources: how relevant, and what they tell."""

import re
from collections.abc import Set
from dataclasses import dataclass, replace

from issuetrack.engine.assistant.grounding import Section, Span, spans
from issuetrack.engine.assistant.page_spans import about, told_spans
from issuetrack.engine.issues import knowledge, records
from issuetrack.engine.issues.knowledge import DocumentRecord, DocumentSummary
from issuetrack.engine.issues.records import IssueRecord, IssueSummary
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
QUALITY_OF_DOCUMENT = 0.92
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
    """A past issue or a document that may help with the question."""

    found: IssueRecord | DocumentRecord
    match: Match
    coverage: float
    same_error: bool
    fix: tuple[SourceSpan, ...]

    @property
    def issue(self) -> IssueSummary | None:
        """Return the issue; None if it is a document."""
        return self.found.summary if isinstance(self.found, IssueRecord) else None

    @property
    def document(self) -> DocumentSummary | None:
        """Return the document; None if it is an issue."""
        return self.found.summary if isinstance(self.found, DocumentRecord) else None

    @property
    def name(self) -> str:
        """Return what people call it: `#17` or `D5`."""
        summary = self.found.summary
        if isinstance(summary, DocumentSummary):
            return f"D{summary.document}"
        return f"#{summary.number}"

    @property
    def relevance(self) -> float:
        """Return 0..1: how much it is about the question."""
        similarity = max(self.match.similarity or 0.0, 0.0)
        bonus = 0.1 if self.same_error else 0.0
        return min(1.0, 0.7 * similarity + 0.3 * self.coverage + bonus)

    @property
    def quality(self) -> float:
        """Return 0..1: how well the fix is known."""
        if isinstance(self.found, DocumentRecord):
            return QUALITY_OF_DOCUMENT
        resolution = self.found.resolution
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
    asked = _Asked(_content_words(asked_text), frozenset(signatures(asked_text)))
    sources = (_source(uow, asked, match) for match in matches)
    found = [source for source in sources if source.relevance >= RELEVANT]
    first: dict[str, Source] = {}
    for source in found:
        original = _original(uow, question, source)
        first.setdefault(original.name, original)
    return list(first.values())


@dataclass(frozen=True)
class _Asked:
    """The words and errors of the question."""

    words: Set[str]
    errors: Set[str]

    def source(
        self,
        found: IssueRecord | DocumentRecord,
        match: Match,
        text: str,
        fix: tuple[SourceSpan, ...],
    ) -> Source:
        """Return a source that says a text."""
        said = text[:_READ_CHARACTERS]
        held = len(self.words & _content_words(said))
        coverage = held / len(self.words) if self.words else 0.0
        same_error = bool(self.errors & set(signatures(said)))
        return Source(found, match, coverage, same_error, fix)


def _source(uow: UnitOfWork, asked: _Asked, match: Match) -> Source:
    if match.document is not None:
        page = knowledge.record(uow, knowledge.find(uow, f"D{match.document}"))
        part = about(page.body, asked.words)
        fix = tuple(
            SourceSpan(span, "document", Role.VIEWER) for span in told_spans(part)
        )
        return asked.source(page, match, f"{page.summary.title}\n{part}", fix)
    issue = records.record(uow, records.find(uow, str(match.issue)))
    text = f"{issue.summary.title}\n{issue.body}"
    return asked.source(issue, match, text, _fix_spans(issue))


def _original(uow: UnitOfWork, question: Question, source: Source) -> Source:
    """Return a duplicate without a fix as its original, if that tells one."""
    if source.issue is None or source.fix:
        return source
    number = source.issue.duplicate_of
    if number in (None, question.exclude):
        return source
    original = records.record(uow, records.find(uow, str(number)))
    fix = _fix_spans(original)
    return replace(source, found=original, fix=fix) if fix else source
