"""The extractive composer: a suggestion made of quoted spans, nothing else.

The steps are those of the best source in their own order, then those of a runner-up
that is about as relevant; causes come from the best sources. Whatever is not in the
words it cites is dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from issuetrack.engine.assistant.confidence import (
    Basis,
    Confidence,
    answer_features,
    confidence,
)
from issuetrack.engine.assistant.grounding import Section, is_grounded, may_be_done
from issuetrack.engine.assistant.sources import Source, SourceSpan
from issuetrack.engine.retrieval.lexical_index import signature, words
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.types import Role

MOST_CAUSES, MOST_STEPS, MOST_CHECKS = 3, 8, 4
RUNNER_UP = 0.9
CLOSE = 0.75
RUNNER_UP_STEPS = 3
SAME = 0.6
SHORT_QUESTION = 8
READ_CHARACTERS = 20_000
NOT_CALIBRATED = Basis()


@dataclass(frozen=True)
class Evidence:
    """A stored span that something cites.

    Attributes:
        issue: where it stands; None if that is no issue.
        document: where it stands; None if that is no document.
        heading: the heading above it in its document or procedure.
        sop: where it stands; None if that is no procedure.
    """

    id: str
    issue: int | None
    key: str | None
    kind: str
    quote: str
    reader: Role
    document: int | None = None
    heading: str | None = None
    sop: int | None = None

    @property
    def subject(self) -> Subject:
        """Return what it stands in."""
        return Subject.of(self.issue, self.document, self.sop)


@dataclass(frozen=True)
class Cause:
    """A likely cause, in the words of a past issue.

    Attributes:
        by_model: a model put it like this, and it was verified.
    """

    cause: str
    confidence: float
    evidence: tuple[str, ...]
    by_model: bool = False


@dataclass(frozen=True)
class Step:
    """Something to do, to check or to undo, in the words of a past issue.

    Attributes:
        by_model: a model put it like this, and it was verified.
    """

    action: str
    rationale: str
    command: str | None
    evidence: tuple[str, ...]
    by_model: bool = False


@dataclass(frozen=True)
class Composition:
    """A suggestion before it is stored."""

    confidence: float
    summary: str
    root_causes: tuple[Cause, ...]
    steps: tuple[Step, ...]
    validation: tuple[Step, ...]
    rollback: tuple[Step, ...]
    questions: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    basis: Basis = NOT_CALIBRATED


class Citations:
    """Numbers the spans that are used, each once."""

    def __init__(self) -> None:
        self.used: dict[tuple[str, str], Evidence] = {}

    def cite(self, source: Source, item: SourceSpan) -> Evidence:
        """Return the evidence that a span is, with its number."""
        place = (source.name, item.span.quote)
        if place not in self.used:
            self.used[place] = evidence(f"E{len(self.used) + 1}", source, item)
        return self.used[place]


def evidence(name: str, source: Source, item: SourceSpan) -> Evidence:
    """Return a span of a source as evidence of a name."""
    origin = source.origin
    numbers = {origin.subject.kind: origin.subject.number}
    return Evidence(
        name,
        numbers.get(SubjectKind.ISSUE),
        origin.key,
        item.kind,
        item.span.quote,
        item.reader,
        numbers.get(SubjectKind.DOCUMENT),
        None if SubjectKind.ISSUE in numbers else item.span.heading,
        numbers.get(SubjectKind.SOP),
    )


def _overlap(a: str, b: str) -> float:
    left, right = set(words(a)), set(words(b))
    return len(left & right) / max(1, min(len(left), len(right)))


def _repeats(
    source: Source, item: SourceSpan, known_source: Source, known: SourceSpan
) -> bool:
    """Tell whether a span says again what another says."""
    if source is known_source:
        return item.span.quote == known.span.quote
    return _overlap(item.span.quote, known.span.quote) >= SAME


def _distinct(
    items: Iterator[tuple[Source, SourceSpan]], most: int
) -> list[tuple[Source, SourceSpan]]:
    kept: list[tuple[Source, SourceSpan]] = []
    for source, item in items:
        if len(kept) == most:
            break
        if not any(_repeats(source, item, *known) for known in kept):
            kept.append((source, item))
    return kept


def rationale(source: Source) -> str:
    """Return why a source is worth following."""
    origin = source.origin
    if origin.subject.kind is not SubjectKind.ISSUE:
        return f"from {origin.title} ({source.name})"
    day = f" on {origin.settled.date().isoformat()}" if origin.settled else ""
    return f"helped in {source.name}{day}"


def _steps(
    citations: Citations, chosen: list[tuple[Source, SourceSpan]]
) -> tuple[Step, ...]:
    out = []
    for source, item in chosen:
        cited = citations.cite(source, item)
        if is_grounded(item.span.text, item.span.command, cited.quote):
            out.append(
                Step(item.span.text, rationale(source), item.span.command, (cited.id,))
            )
    return tuple(out)


def step_items(source: Source) -> list[SourceSpan]:
    """Return what a source says to do; where it has no steps, what else it says."""
    steps = source.of(Section.STEP)
    if steps:
        return steps
    others = (s for s in source.fix if s.span.section is Section.OTHER)
    return [s for s in others if may_be_done(s.span.text)][:2]


def _causes(
    citations: Citations, helpful: list[Source], overall: float
) -> tuple[Cause, ...]:
    candidates = ((s, item) for s in helpful for item in s.of(Section.CAUSE)[:1])
    chosen = _distinct(candidates, MOST_CAUSES)
    if not chosen:
        return ()
    total = sum(source.relevance for source, _ in chosen)
    out = []
    for source, item in chosen:
        cited = citations.cite(source, item)
        share = source.relevance / total
        if is_grounded(item.span.text, None, cited.quote):
            out.append(Cause(item.span.text, round(overall * share, 2), (cited.id,)))
    return tuple(out)


def _questions(
    question: Question, found: list[Source], helpful: list[Source], causes: list[str]
) -> tuple[str, ...]:
    out = []
    if not found:
        out.append(
            "Nothing like this is on record: when did it start, and what "
            "changed shortly before?"
        )
    elif not helpful:
        numbers = ", ".join(source.name for source in found[:3])
        out.append(
            f"Similar to {numbers}, where nobody wrote down what helped: "
            "does anyone remember?"
        )
    if len(causes) > 1:
        numbers = " or the one of ".join(causes)
        out.append(
            f"Is the cause the one of {numbers}? Check that before running the steps."
        )
    asked = question.text[:READ_CHARACTERS]
    if not signature(asked):
        out.append("What is the exact error message or code?")
    if len(set(words(asked))) < SHORT_QUESTION:
        out.append("Which service and host is it, and who is affected?")
    return tuple(out)


def _summary(found: list[Source], helpful: list[Source]) -> str:
    if not found:
        return "No past issue is like this one; nothing can be recommended."
    if not helpful:
        return "Similar issues are on record, but none says what fixed it."
    best = helpful[0]
    kind = best.origin.status
    more = f"; {len(helpful) - 1} more with a known fix" if len(helpful) > 1 else ""
    return f"Most like {best.name}, {best.origin.title} ({kind}){more}."


def helpful_of(found: list[Source]) -> list[Source]:
    """Return the sources that tell a fix and are close to the best of them."""
    ranked = sorted(
        (source for source in found if source.fix),
        key=lambda source: -source.rank,
    )
    return [s for s in ranked if s.relevance >= CLOSE * ranked[0].relevance]


def compose(
    question: Question, found: list[Source], sure: Confidence | None = None
) -> Composition:
    """Return a suggestion from sources, most relevant first.

    Without a source that tells a fix the confidence is 0 and there are questions.

    Args:
        question: what is asked.
        found: the sources.
        sure: how sure it is; None for the formula that is not calibrated.
    """
    helpful = helpful_of(found)
    citations = Citations()
    if not helpful:
        questions = _questions(question, found, helpful, [])
        return Composition(0.0, _summary(found, helpful), (), (), (), (), questions, ())
    if sure is None:
        sure = Confidence(confidence(answer_features(helpful, found)))
    overall = sure.value
    causes = _causes(citations, helpful, overall)
    cited = {item.id: name for (name, _), item in citations.used.items()}
    told = [cited[name] for cause in causes for name in cause.evidence]
    best = helpful[0]
    near = [s for s in helpful[1:2] if s.relevance >= RUNNER_UP * best.relevance]

    def steps() -> Iterator[tuple[Source, SourceSpan]]:
        yield from ((best, item) for item in step_items(best))
        for source in near:
            yield from ((source, i) for i in step_items(source)[:RUNNER_UP_STEPS])

    def checks(section: Section) -> Iterator[tuple[Source, SourceSpan]]:
        for source in (best, *near):
            items = source.of(section)
            yield from ((source, item) for item in items)
            if items:
                return

    return Composition(
        overall,
        _summary(found, helpful),
        causes,
        _steps(citations, _distinct(steps(), MOST_STEPS)),
        _steps(citations, _distinct(checks(Section.VALIDATION), MOST_CHECKS)),
        _steps(citations, _distinct(checks(Section.ROLLBACK), MOST_CHECKS)),
        _questions(question, found, helpful, told),
        tuple(citations.used.values()),
        sure.basis,
    )
