"""Recommendations that were given: listed, shown, and made again from what is kept."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlmodel import col, select

from issuetrack.engine.assistant import answers, calibration
from issuetrack.engine.assistant.composer import (
    Cause,
    Composition,
    Evidence,
    Step,
    compose,
    helpful_of,
)
from issuetrack.engine.assistant.confidence import Basis, Confidence, Features
from issuetrack.engine.assistant.drafting import ChosenModel, no_model
from issuetrack.engine.assistant.merging import Dropped, merge
from issuetrack.engine.assistant.offers import offers
from issuetrack.engine.assistant.prompts import ANSWER_TOKENS
from issuetrack.engine.assistant.sources import look_up
from issuetrack.engine.assistant.traces import Asked, Trace, changed
from issuetrack.engine.errors import (
    ModelError,
    NotFoundError,
    PermissionDenied,
    UsageError,
)
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.inference.ports import ChatRequest
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import Recommendation
from issuetrack.engine.store.types import RecommendationKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

TIMEOUT = 300.0
STATED = ("root_causes", "steps", "validation", "rollback")


@dataclass(frozen=True)
class RecommendationSummary:
    """A recommendation as a list shows it.

    Attributes:
        model: the fingerprint of the model that it is partly in the words of;
            "extractive" if it is none's.
    """

    recommendation: int
    issue: int | None
    kind: RecommendationKind
    confidence: float
    model: str
    created_at: datetime


@dataclass(frozen=True)
class StoredRecommendation:
    """A recommendation as it was given.

    Attributes:
        trace: what it was made of; None where the actor may not read that, or where
            it was not kept yet.
    """

    summary: RecommendationSummary
    question: str
    composition: Composition
    trace: Trace | None


@dataclass(frozen=True)
class Replay:
    """A recommendation made again.

    Attributes:
        equal: it reads as it did.
        differences: what is not as it was, a line for each.
        composition: what it reads now.
        dropped: what the model said and is not in it.
    """

    recommendation: int
    equal: bool
    differences: tuple[str, ...]
    composition: Composition
    dropped: tuple[Dropped, ...]


class RecommendationService:
    """The recommendations of one workspace."""

    def __init__(self, database: Database, chat: ChosenModel = no_model) -> None:
        self._database = database
        self._chat = chat

    def latest(
        self, actor: Actor, limit: int = 50, issue: int | None = None
    ) -> list[RecommendationSummary]:
        """Return the latest recommendations, the last one first."""
        authorize(actor, Permission.READ)
        wanted = select(Recommendation).order_by(col(Recommendation.id).desc())
        if issue is not None:
            wanted = wanted.where(Recommendation.issue_number == issue)
        with self._database.read() as uow:
            return [_summary(row) for row in uow.session.exec(wanted.limit(limit))]

    def show(self, actor: Actor, number: int) -> StoredRecommendation:
        """Return a recommendation as it was given.

        Raises:
            NotFoundError: there is none of that number.
            PermissionDenied: it quotes what the actor may not read.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return _stored(uow, number)

    def replay(self, actor: Actor, number: int) -> Replay:
        """Make a recommendation again, from the evidence that it was made from.

        Raises:
            NotFoundError: there is none of that number.
            PermissionDenied: it is made of what the actor may not read.
            UsageError: what it was made of was not kept.
        """
        authorize(actor, Permission.SUGGEST)
        with self._database.read() as uow:
            stored = _stored(uow, number, traced=True)
            trace = stored.trace
            if trace is None:
                raise UsageError(
                    f"what R{number} was made of was not kept",
                    f"ask again: issuetrack suggest {stored.summary.issue or ''}",
                )
            now = look_up(uow, trace.question, trace.sources)
            told = Features.of(trace.features) if trace.features else None
            sure = calibration.sure(uow, told)
        differences = list(changed(trace.sources, now))
        made, dropped = self._made_again(trace, sure, differences)
        differences += _unlike(stored.composition, made)
        equal = _without_confidence(made) == _without_confidence(stored.composition)
        return Replay(number, equal, tuple(differences), made, dropped)

    def _made_again(
        self, trace: Trace, sure: Confidence, differences: list[str]
    ) -> tuple[Composition, tuple[Dropped, ...]]:
        """Return what the kept evidence gives now; note why the model says otherwise."""
        sources = list(trace.sources)
        quoted = compose(trace.question, sources, sure)
        asked = trace.asked
        if asked is None or asked.output is None:
            return quoted, ()
        try:
            output, finish = self._answered_again(asked, differences)
        except ModelError as error:
            differences.append(f"the model failed: {error.message}")
            return quoted, ()
        try:
            answer = answers.read(output, asked.schema, whole=finish == "stop")
        except ModelError:
            return quoted, ()
        merged = merge(quoted, offers(helpful_of(sources))[: asked.offered], answer)
        return merged.composition, merged.dropped

    def _answered_again(self, asked: Asked, differences: list[str]) -> tuple[str, str]:
        """Return what the same model says now; another's place is taken by the kept."""
        assert asked.output is not None
        kept = asked.output, asked.finish or "stop"
        model = self._chat()
        if model is None or model.fingerprint != asked.fingerprint:
            now = "none is in use"
            if model is not None:
                now = f"{model.name} ({model.fingerprint}) is in use"
            differences.append(
                f"the model was {asked.model} ({asked.fingerprint}), now {now}; "
                "what it said then was verified again"
            )
            return kept
        request = ChatRequest(
            asked.messages, asked.schema, asked.seed, ANSWER_TOKENS, TIMEOUT
        )
        completion = model.complete(request)
        if completion.text != asked.output:
            pairs = zip(completion.text, asked.output, strict=False)
            place = sum(1 for _ in _while_equal(pairs))
            differences.append(
                f"{asked.model} answered otherwise from character {place + 1} on"
            )
        return completion.text, completion.finish


def _while_equal(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    for one, other in pairs:
        if one != other:
            return
        yield one


def _summary(row: Recommendation) -> RecommendationSummary:
    assert row.id is not None
    return RecommendationSummary(
        row.id, row.issue_number, row.kind, row.confidence, row.model, row.created_at
    )


def _stored(
    uow: UnitOfWork, number: int, *, traced: bool = False
) -> StoredRecommendation:
    row = uow.session.get(Recommendation, number)
    if row is None:
        raise NotFoundError(
            f"there is no recommendation R{number}",
            "list them: issuetrack recommendation list",
        )
    payload = uow.open("recommendation", "payload", row.uuid, row.payload)
    question = uow.open("recommendation", "question", row.uuid, row.question)
    trace = None
    try:
        text = uow.open_optional("recommendation", "trace", row.uuid, row.trace)
        trace = Trace.read(text) if text else None
    except PermissionDenied:
        if traced:
            raise
    return StoredRecommendation(
        _summary(row), question, composition_of(json.loads(payload)), trace
    )


def composition_of(data: Mapping[str, Any]) -> Composition:
    """Return a suggestion from the JSON that it is kept as."""

    def steps(name: str) -> tuple[Step, ...]:
        return tuple(Step(**_cited(step)) for step in data[name])

    evidence = ({**item, "reader": Role(item["reader"])} for item in data["evidence"])
    basis = dict(data.get("basis", {}))
    if basis.get("calibrated_at"):
        basis["calibrated_at"] = datetime.fromisoformat(basis["calibrated_at"])
    return Composition(
        data["confidence"],
        data["summary"],
        tuple(Cause(**_cited(cause)) for cause in data["root_causes"]),
        steps("steps"),
        steps("validation"),
        steps("rollback"),
        tuple(data["questions"]),
        tuple(Evidence(**item) for item in evidence),
        _basis(data.get("basis")),
    )


def _basis(data: Mapping[str, Any] | None) -> Basis:
    if data is None or data["calibrated_at"] is None:
        return Basis()
    at = datetime.fromisoformat(data["calibrated_at"])
    return Basis(data["issues"], data["ratings"], at)


def _cited(data: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, "evidence": tuple(data["evidence"])}


def _without_confidence(c: Composition) -> Composition:
    causes = tuple(replace(cause, confidence=0.0) for cause in c.root_causes)
    return replace(c, confidence=0.0, root_causes=causes, basis=Basis())


def _unlike(before: Composition, after: Composition) -> Iterator[str]:
    """Yield what reads otherwise, a line for each part."""
    if before.confidence != after.confidence:
        yield (
            f"the confidence is {after.confidence:.2f}, it was "
            f"{before.confidence:.2f}: it is calibrated otherwise"
        )
    if before.summary != after.summary:
        yield f"the summary was: {before.summary}"
    for name in STATED:
        was, now = _texts(getattr(before, name)), _texts(getattr(after, name))
        part = name.replace("_", " ")
        yield from (f"{part} lacks: {text}" for text in was if text not in now)
        yield from (f"{part} has now: {text}" for text in now if text not in was)
        if was != now and sorted(was) == sorted(now):
            yield f"{part} stand in another order"
    if before.questions != after.questions:
        yield "the questions are others"


def _texts(statements: Sequence[Cause | Step]) -> Sequence[str]:
    return [s.cause if isinstance(s, Cause) else s.action for s in statements]
