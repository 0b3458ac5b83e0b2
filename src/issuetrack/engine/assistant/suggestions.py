"""Suggestions and their ratings: asked for, stored, judged."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime

from issuetrack.engine.assistant.composer import Composition, compose
from issuetrack.engine.assistant.sources import gather
from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.finding import Found
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Rating, Recommendation
from issuetrack.engine.store.types import RecommendationKind, Role
from issuetrack.engine.store.unit_of_work import new_uuid

EXTRACTIVE = "extractive"
SOURCES = 8
MOST_STARS = 5


@dataclass(frozen=True)
class Suggestion:
    """A stored suggestion, and the issues and documents it was made from."""

    recommendation: int
    issue: int | None
    composition: Composition
    similar: tuple[tuple[Found, Match], ...]


@dataclass(frozen=True)
class RatingRecord:
    """A rating as it was stored."""

    recommendation: int
    stars: int
    rater: str


class SuggestionService:
    """Suggestions from one workspace."""

    def __init__(
        self, database: Database, search: Search, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._search = search
        self._clock = clock

    def suggest(self, actor: Actor, question: Question) -> Suggestion:
        """Return a suggestion, every line of which cites a past issue; store it.

        Raises:
            UsageError: the question is empty.
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.SUGGEST)
        question.check()
        started = time.perf_counter()
        with self._database.read() as uow:
            matches = self._search.find(uow, question, SOURCES)
            sources = gather(uow, question, matches)
            composition = compose(question, sources)
        latency = (time.perf_counter() - started) * 1000
        number = self._store(actor, question, composition, latency)
        similar = tuple((s.found.summary, s.match) for s in sources)
        return Suggestion(number, question.exclude, composition, similar)

    def _store(
        self, actor: Actor, question: Question, composition: Composition, latency: float
    ) -> int:
        readers = [item.reader for item in composition.evidence]
        reader = max(readers, key=lambda role: role.rank, default=Role.VIEWER)
        now, uuid = self._clock(), new_uuid()
        payload = json.dumps(asdict(composition), default=str)
        with self._database.write() as uow:
            row = Recommendation(
                uuid=uuid,
                issue_number=question.exclude,
                kind=RecommendationKind.SUGGESTION,
                actor=actor.principal,
                question=uow.seal("recommendation", "question", uuid, question.text),
                payload=uow.seal("recommendation", "payload", uuid, payload, reader),
                confidence=composition.confidence,
                model=EXTRACTIVE,
                latency_ms=latency,
                created_at=now,
            )
            uow.session.add(row)
            uow.session.flush()
            assert row.id is not None
            audit.record(
                uow,
                actor,
                now,
                "recommendation.create",
                ("recommendation", str(row.id)),
                after={"issue": question.exclude, "evidence": len(readers)},
            )
            return row.id

    def rate(
        self, actor: Actor, recommendation: int, stars: int, feedback: str | None = None
    ) -> RatingRecord:
        """Keep a person's judgement of a recommendation.

        Raises:
            UsageError: the stars are not 1 to 5.
            NotFoundError: there is no such recommendation.
        """
        authorize(actor, Permission.RATE)
        if not 1 <= stars <= MOST_STARS:
            raise UsageError(f"{stars} is not a rating", "give 1 (useless) to 5 stars")
        now, uuid = self._clock(), new_uuid()
        with self._database.write() as uow:
            if uow.session.get(Recommendation, recommendation) is None:
                raise NotFoundError(
                    f"there is no recommendation R{recommendation}",
                    "the number is in the first line of: issuetrack suggest",
                )
            text = feedback.strip() if feedback else ""
            sealed = None
            if text:
                sealed = uow.seal("rating", "feedback", uuid, text, Role.ENGINEER)
            uow.session.add(
                Rating(
                    uuid=uuid,
                    recommendation_id=recommendation,
                    rater=actor.principal,
                    stars=stars,
                    feedback=sealed,
                    created_at=now,
                )
            )
            audit.record(
                uow,
                actor,
                now,
                "recommendation.rate",
                ("recommendation", str(recommendation)),
                after={"stars": stars, "feedback": text},
            )
        return RatingRecord(recommendation, stars, actor.name)
