"""Past issues, documents and procedures as sources: how relevant, what they tell."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from itertools import islice

from sqlalchemy.exc import NoResultFound

from issuetrack.engine.assistant.grounding import (
    Section,
    Span,
    may_be_done,
    spans,
)
from issuetrack.engine.assistant.page_spans import about, told_spans
from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.issues import knowledge, procedures, records
from issuetrack.engine.issues.knowledge import DocumentRecord, DocumentSummary
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.issues.records import IssueRecord, IssueSummary
from issuetrack.engine.retrieval.lexical_index import signatures, words
from issuetrack.engine.retrieval.search import Match, Question
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.learning_tables import Sop
from issuetrack.engine.store.types import CommentKind, ResolutionHow, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

RELEVANT = 0.34
QUALITY = {
    ResolutionHow.STATED: 1.0,
    ResolutionHow.CONFIRMED: 1.0,
    ResolutionHow.MINED: 0.85,
}
QUALITY_OF_DOCUMENT = 0.92
QUALITY_OF_SOP = 1.0
WEIGHT_OF_SOP = 1.1
MOST_SPANS = 200
PARTS_OF_SOP = {
    "cause": Section.CAUSE,
    "steps": Section.STEP,
    "validation": Section.VALIDATION,
    "rollback": Section.ROLLBACK,
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
class SopRecord:
    """The version of a procedure that is in force, field by field, as Markdown."""

    summary: SopSummary
    fields: dict[str, str]


@dataclass(frozen=True)
class Origin:
    """Where a source stands, and how well known is what it tells.

    Attributes:
        settled: when the issue was finished, or the text written.
        quality: 0..1.
    """

    subject: Subject
    key: str | None
    title: str
    status: str
    settled: datetime | None
    quality: float


Summary = IssueSummary | DocumentSummary | SopSummary


@dataclass(frozen=True)
class Source:
    """A past issue, document or procedure that may help with the question.

    Attributes:
        found: what it is in the store, or what it was when it was recorded.
    """

    found: IssueRecord | DocumentRecord | SopRecord | Origin
    match: Match
    coverage: float
    same_error: bool
    fix: tuple[SourceSpan, ...]

    @property
    def summary(self) -> Summary | None:
        """Return what it is in the store; None if it is a record of what it was."""
        return None if isinstance(self.found, Origin) else self.found.summary

    @property
    def issue(self) -> IssueSummary | None:
        """Return the issue; None if it is none."""
        return self.found.summary if isinstance(self.found, IssueRecord) else None

    @property
    def document(self) -> DocumentSummary | None:
        """Return the document; None if it is none."""
        return self.found.summary if isinstance(self.found, DocumentRecord) else None

    @property
    def origin(self) -> Origin:
        """Return where it stands."""
        return self.found if isinstance(self.found, Origin) else _origin(self.found)

    @property
    def name(self) -> str:
        """Return what people call it: `#17`, `D5` or `S3`."""
        return self.origin.subject.name

    @property
    def relevance(self) -> float:
        """Return 0..1: how much it is about the question."""
        similarity = max(self.match.similarity or 0.0, 0.0)
        bonus = 0.1 if self.same_error else 0.0
        return min(1.0, 0.7 * similarity + 0.3 * self.coverage + bonus)

    @property
    def quality(self) -> float:
        """Return 0..1: how well the fix is known."""
        return self.origin.quality

    @property
    def rank(self) -> float:
        """Return how far in front it stands; approved procedures go before issues."""
        is_sop = self.origin.subject.kind is SubjectKind.SOP
        return self.relevance * self.quality * (WEIGHT_OF_SOP if is_sop else 1.0)

    def of(self, section: Section) -> list[SourceSpan]:
        """Return the spans of the fix that tell one thing."""
        return [s for s in self.fix if s.span.section is section]


def _origin(found: IssueRecord | DocumentRecord | SopRecord) -> Origin:
    if isinstance(found, IssueRecord):
        issue = found.summary
        how = found.resolution.how if found.resolution else ResolutionHow.MINED
        return Origin(
            Subject(SubjectKind.ISSUE, issue.number),
            issue.key,
            issue.title,
            issue.status,
            issue.resolved_at or issue.closed_at,
            QUALITY[how],
        )
    if isinstance(found, DocumentRecord):
        page = found.summary
        subject = Subject(SubjectKind.DOCUMENT, page.document)
        return Origin(
            subject,
            page.key,
            page.title,
            "document",
            page.updated_at,
            QUALITY_OF_DOCUMENT,
        )
    sop = found.summary
    subject = Subject(SubjectKind.SOP, sop.sop)
    return Origin(
        subject, sop.key, sop.title, sop.status, sop.created_at, QUALITY_OF_SOP
    )


def _content_words(text: str) -> set[str]:
    return {w for w in words(text) if len(w) > _SHORT or re.search(r"\d", w)}


def fix_spans(issue: IssueRecord) -> tuple[SourceSpan, ...]:
    """Return the first spans of what fixed an issue, as its people told it."""
    return tuple(islice(_told_in(issue), MOST_SPANS))


def _told_in(issue: IssueRecord) -> Iterator[SourceSpan]:
    resolution = issue.resolution
    if resolution is None:
        return
    if resolution.text:
        kind = (
            "comment" if resolution.provenance.startswith("comment") else "resolution"
        )
        for span in spans(resolution.text[:_READ_CHARACTERS]):
            yield SourceSpan(span, kind, resolution.reader)
    for comment in issue.comments:
        if comment.body is None or comment.body.strip() == resolution.text:
            continue
        if comment.kind is not CommentKind.PUBLIC:
            continue
        if comment.carries_fix:
            for span in spans(comment.body[:_READ_CHARACTERS]):
                yield SourceSpan(span, "comment", Role.VIEWER)


@dataclass(frozen=True)
class _Said:
    """The words and errors of a text."""

    words: frozenset[str]
    errors: frozenset[str]

    @classmethod
    def of(cls, text: str) -> "_Said":
        start = text[:_READ_CHARACTERS]
        return cls(frozenset(_content_words(start)), frozenset(signatures(start)))

    def source(
        self,
        found: IssueRecord | DocumentRecord | SopRecord,
        match: Match,
        said: "_Said",
        fix: tuple[SourceSpan, ...],
    ) -> Source:
        """Return what answers this question by saying something."""
        held = len(self.words & said.words)
        coverage = held / len(self.words) if self.words else 0.0
        return Source(found, match, coverage, bool(self.errors & said.errors), fix)


@dataclass(frozen=True)
class ReadIssue:
    """An issue with what a question is held against."""

    record: IssueRecord
    said: _Said
    fix: tuple[SourceSpan, ...]


class Reader:
    """Reads issues for sources; keeps them, for many questions asked in a row.

    Args:
        uow: what they are read through; they are as they were at the first reading.
        most: how many are kept.
    """

    def __init__(self, uow: UnitOfWork, most: int = 0) -> None:
        self.uow = uow
        self.issue = lru_cache(most)(self._read)

    def _read(self, number: int) -> ReadIssue:
        record = records.record(self.uow, records.find(self.uow, str(number)))
        said = _Said.of(f"{record.summary.title}\n{record.body}")
        return ReadIssue(record, said, fix_spans(record))


def gather(reader: Reader, question: Question, matches: list[Match]) -> list[Source]:
    """Return the matches that are about the question, best match first.

    A duplicate that tells no step itself brings in its original's fix.
    """
    asked = _Said.of(question.text)
    sources = (_source(reader, asked, match) for match in matches)
    found = [source for source in sources if source.relevance >= RELEVANT]
    first: dict[str, Source] = {}
    for source in found:
        original = _original(reader, question, source)
        first.setdefault(original.name, original)
    return list(first.values())


def _source(reader: Reader, asked: _Said, match: Match) -> Source:
    uow = reader.uow
    if match.document is not None:
        page = knowledge.record(uow, knowledge.find(uow, f"D{match.document}"))
        part = about(page.body, asked.words)
        fix = tuple(
            SourceSpan(span, "document", Role.VIEWER) for span in told_spans(part)
        )
        said = _Said.of(f"{page.summary.title}\n{part}")
        return asked.source(page, match, said, fix)
    if match.sop is not None:
        sop = _procedure(uow, match.sop)
        text = "\n".join((sop.summary.title, *sop.fields.values()))
        return asked.source(sop, match, _Said.of(text), _told_by(sop))
    assert match.issue is not None
    issue = reader.issue(match.issue)
    return asked.source(issue.record, match, issue.said, issue.fix)


def _procedure(uow: UnitOfWork, number: int) -> SopRecord:
    row = procedures.version_of(uow, uow.session.get_one(Sop, number))
    (summary,) = procedures.summaries(uow, [row])
    return SopRecord(summary, procedures.content(uow, row))


def _told_by(sop: SopRecord) -> tuple[SourceSpan, ...]:
    """Return what a procedure tells, each field under its own heading."""
    parts = ((part, sop.fields.get(part, "")) for part in PARTS_OF_SOP)
    return tuple(
        SourceSpan(_in_field(span, PARTS_OF_SOP[part]), "sop", Role.VIEWER)
        for part, text in parts
        for span in spans(f"## {part}\n\n{text[:_READ_CHARACTERS]}")
    )


def _in_field(span: Span, section: Section) -> Span:
    """Return a span as what its field says that it is, whatever its wording.

    What did not help is nothing to do, and among steps a remark is no step.
    """
    remark = section is Section.STEP and span.section is Section.OTHER
    if remark or not may_be_done(span.text):
        return replace(span, section=Section.OTHER)
    return replace(span, section=section)


def _original(reader: Reader, question: Question, source: Source) -> Source:
    """Return a duplicate that tells no step as its original, if that tells a fix."""
    if source.issue is None or source.of(Section.STEP):
        return source
    number = source.issue.duplicate_of
    if number is None or number == question.exclude:
        return source
    original = reader.issue(number)
    if not original.fix:
        return source
    return replace(source, found=original.record, fix=original.fix)


def look_up(
    uow: UnitOfWork, question: Question, then: Iterable[Source]
) -> dict[Subject, Source]:
    """Return recorded sources as they are now; those that are gone are left out."""
    asked, reader = _Said.of(question.text), Reader(uow)
    now: dict[Subject, Source] = {}
    for source in then:
        with suppress(NotFoundError, NoResultFound):
            now[source.origin.subject] = _source(reader, asked, source.match)
    return now
