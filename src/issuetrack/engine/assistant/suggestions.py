"""Suggestions: asked for, stored."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from issuetrack.engine.assistant import calibration
from issuetrack.engine.assistant.composer import Composition, compose, helpful_of
from issuetrack.engine.assistant.confidence import (
    Features,
    additions,
    answer_features,
)
from issuetrack.engine.assistant.drafting import (
    ChosenModel,
    Drafted,
    Wish,
    drafted,
    no_model,
)
from issuetrack.engine.assistant.merging import Dropped, Merged
from issuetrack.engine.assistant.sources import Reader, Source, Summary, gather
from issuetrack.engine.assistant.traces import Trace
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import (
    Recommendation,
    RecommendationSource,
    SopUse,
)
from issuetrack.engine.store.types import CalibrationKind, RecommendationKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid

EXTRACTIVE, LLM = "extractive", "llm"
SOURCES = 8


@dataclass(frozen=True)
class Suggestion:
    """A stored suggestion, and the issues and documents it was made from.

    Attributes:
        composer: "llm" where a part of it is in a model's words, else "extractive".
        model: the model that was asked; None if none was.
        trace: everything that it was made of.
    """

    recommendation: int
    issue: int | None
    composition: Composition
    similar: tuple[tuple[Summary, Match], ...]
    composer: str
    model: str | None
    trace: Trace

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """Return what a model said and is not shown."""
        return self.trace.dropped


@dataclass(frozen=True)
class _Made:
    """A suggestion before it is stored."""

    question: Question
    sources: list[Source]
    vectors: tuple[bytes, bytes]
    drafted: Drafted
    features: Features | None
    adds: Mapping[str, float]
    latency: float

    @property
    def composition(self) -> Composition:
        return self.drafted.merged.composition

    @property
    def trace(self) -> Trace:
        made = self.drafted
        return Trace(
            self.question,
            tuple(self.sources),
            asdict(self.features) if self.features else {},
            self.adds,
            made.asked,
            made.merged.dropped,
            made.warnings,
        )


class SuggestionService:
    """Suggestions from one workspace.

    Args:
        database: what is read and written.
        search: finds past issues, documents and procedures.
        clock: tells the time.
        chat: gives the chat model that was chosen, None where there is none.
    """

    def __init__(
        self,
        database: Database,
        search: Search,
        clock: Callable[[], datetime],
        chat: ChosenModel = no_model,
    ) -> None:
        self._database = database
        self._search = search
        self._clock = clock
        self._chat = chat

    def suggest(
        self, actor: Actor, question: Question, wish: Wish | None = None
    ) -> Suggestion:
        """Return a suggestion, every line of which cites a past issue; store it.

        A model that fails is gone on without; the trace's warnings say why.

        Raises:
            UsageError: the question is empty.
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.SUGGEST)
        question.check()
        made = self._make(question, wish or Wish())
        number = self._store(actor, made)
        similar = [(s.summary, s.match) for s in made.sources]
        asked = made.drafted.asked
        return Suggestion(
            number,
            question.exclude,
            made.composition,
            tuple((found, match) for found, match in similar if found is not None),
            LLM if made.drafted.merged.by_model else EXTRACTIVE,
            asked.model if asked else None,
            made.trace,
        )

    def _make(self, question: Question, wish: Wish) -> _Made:
        started = time.perf_counter()
        with self._database.read() as uow:
            matches = self._search.find(uow, question, SOURCES)
            vectors = self._search.question_vectors(uow, question)
            sources = gather(Reader(uow), question, matches)
            helpful = helpful_of(sources)
            features = answer_features(helpful, sources, self._clock())
            sure = calibration.sure(uow, features)
            known = calibration.active(uow, CalibrationKind.SUGGESTION)
        quoted = compose(question, sources, sure)
        made = Drafted(Merged(quoted, ()))
        if wish.model and helpful:
            if wish.on_quoted is not None:
                wish.on_quoted(quoted)
            made = drafted(self._chat, question.text, helpful, quoted, wish)
        latency = (time.perf_counter() - started) * 1000
        adds = additions(features, known.weights if known else None)
        return _Made(question, sources, vectors, made, features, adds, latency)

    def _store(self, actor: Actor, made: _Made) -> int:
        evidence = made.composition.evidence
        readers = [item.reader for item in evidence]
        reader = max(readers, key=lambda role: role.rank, default=Role.VIEWER)
        now, uuid = self._clock(), new_uuid()
        payload = json.dumps(asdict(made.composition), default=str)
        asked, issue = made.drafted.asked, made.question.exclude
        by_model = asked is not None and made.drafted.merged.by_model
        with self._database.write() as uow:
            row = Recommendation(
                uuid=uuid,
                issue_number=issue,
                kind=RecommendationKind.SUGGESTION,
                actor=actor.principal,
                question=uow.seal(
                    "recommendation", "question", uuid, made.question.text
                ),
                payload=uow.seal("recommendation", "payload", uuid, payload, reader),
                confidence=made.composition.confidence,
                model=asked.fingerprint if asked and by_model else EXTRACTIVE,
                seed=asked.seed if asked else None,
                prompt_hash=asked.prompt_hash if asked else None,
                trace=_sealed_trace(uow, uuid, made.trace),
                title_vector=made.vectors[0],
                text_vector=made.vectors[1],
                latency_ms=made.latency,
                created_at=now,
            )
            uow.session.add(row)
            uow.session.flush()
            assert row.id is not None
            _note_sources(uow, row.id, made.composition)
            _note_sops(uow, actor, row, made.composition)
            audit.record(
                uow,
                actor,
                now,
                "recommendation.create",
                ("recommendation", str(row.id)),
                after={"issue": issue, "evidence": len(readers)},
            )
            return row.id


def _sealed_trace(uow: UnitOfWork, uuid: str, trace: Trace) -> bytes:
    return uow.seal("recommendation", "trace", uuid, trace.written(), trace.reader)


def shares(composition: Composition) -> dict[Subject, float]:
    """Return what part of the causes and steps rests on each source; 1 together."""
    subjects = {item.id: item.subject for item in composition.evidence}
    parts: Counter[Subject] = Counter()
    for cited in _cited(composition):
        for name in cited:
            parts[subjects[name]] += 1 / len(cited)  # type: ignore[assignment]
    total = sum(parts.values())
    return {subject: part / total for subject, part in parts.items()}


def _cited(composition: Composition) -> Iterator[tuple[str, ...]]:
    yield from (cause.evidence for cause in composition.root_causes)
    yield from (step.evidence for step in composition.steps)


def _note_sources(uow: UnitOfWork, number: int, composition: Composition) -> None:
    for subject, share in shares(composition).items():
        owner = {subject.column: subject.number}
        uow.session.add(
            RecommendationSource(recommendation_id=number, share=share, **owner)
        )


def _note_sops(
    uow: UnitOfWork, actor: Actor, row: Recommendation, composition: Composition
) -> None:
    used = {item.subject for item in composition.evidence}
    for subject in sorted(s for s in used if s.kind is SubjectKind.SOP):
        uow.session.add(
            SopUse(
                sop_id=subject.number,
                issue_number=row.issue_number,
                recommendation_id=row.id,
                actor=actor.principal,
                at=row.created_at,
            )
        )
