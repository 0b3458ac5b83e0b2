"""Measures retrieval against pairs of issues that people know to be duplicates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlmodel import select

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval.fusion import WEIGHTS
from issuetrack.engine.retrieval.search import ONLY_ISSUES, Question, Search
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue

DEPTH = 1000
PLACES = (1, 5, 10)
LEGS = ("lexical", "vector", "both")


@dataclass(frozen=True)
class RetrievalScore:
    """How often and how high the known duplicate came back.

    Attributes:
        leg: `lexical`, `vector` or `both`.
        queries: how many questions were asked.
        recall_1: share of questions with a duplicate in the first place.
        recall_5: in the first five.
        recall_10: in the first ten.
        mrr: mean reciprocal rank of the first duplicate.
    """

    leg: str
    queries: int
    recall_1: float
    recall_5: float
    recall_10: float
    mrr: float


def _weights(leg: str) -> dict[str, float]:
    if leg == "both":
        return dict(WEIGHTS)
    return {name: w for name, w in WEIGHTS.items() if name.startswith(leg)}


def score(leg: str, ranks: Sequence[int | None]) -> RetrievalScore:
    """Return the measures for the ranks of the first duplicates, from 0."""
    found = np.array([np.inf if rank is None else rank for rank in ranks])
    recall_1, recall_5, recall_10 = (float(np.mean(found < p)) for p in PLACES)
    mrr = float(np.mean(1.0 / (found + 1.0)))
    return RetrievalScore(leg, len(ranks), recall_1, recall_5, recall_10, mrr)


class DuplicateEvaluation:
    """Asks each side of each pair for the other."""

    def __init__(self, database: Database, model: EmbeddingModel) -> None:
        self._database = database
        self._model = model

    def run(
        self,
        actor: Actor,
        pairs: Sequence[tuple[str, str]],
        progress: Callable[[int, int], None] | None = None,
    ) -> list[RetrievalScore]:
        """Return the measures of each leg alone and of both together.

        Args:
            actor: who asks.
            pairs: keys of issues in the workspace that are duplicates.
            progress: called with questions done and in all.

        Raises:
            NotFoundError: no issue has one of the keys.
        """
        authorize(actor, Permission.READ)
        questions, gold = self._questions(pairs)
        total, done = len(LEGS) * len(questions), 0
        scores = []
        with self._database.read() as uow:
            for leg in LEGS:
                search = Search(self._model, _weights(leg))
                ranks: list[int | None] = []
                for number, question in questions.items():
                    matches = search.find(uow, question, DEPTH, ONLY_ISSUES)
                    order = [match.issue for match in matches]
                    places = [i for i, n in enumerate(order) if n in gold[number]]
                    ranks.append(min(places, default=None))
                    done += 1
                    if progress is not None:
                        progress(done, total)
                scores.append(score(leg, ranks))
        return scores

    def _questions(
        self, pairs: Sequence[tuple[str, str]]
    ) -> tuple[Mapping[int, Question], Mapping[int, set[int]]]:
        with self._database.read() as uow:
            rows = {row.external_key: row for row in uow.session.exec(select(Issue))}
            questions: dict[int, Question] = {}
            gold: dict[int, set[int]] = {}
            for pair in pairs:
                missing = [key for key in pair if key not in rows]
                if missing:
                    raise NotFoundError(
                        f"no issue has the key {missing[0]}",
                        "import the issues that the pairs name first",
                    )
                for one, other in (pair, pair[::-1]):
                    row, partner = rows[one], rows[other]
                    assert row.number is not None
                    assert partner.number is not None
                    body = uow.open_optional("issue", "body", row.uuid, row.body)
                    questions[row.number] = Question(row.title, body or "", row.number)
                    gold.setdefault(row.number, set()).add(partner.number)
        return questions, gold
