"""Finding past issues: four legs, fused.

The title and the whole text of the question are searched apart, by words and by
meaning. See `fusion` for how the legs are added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from issuetrack.engine.errors import UsageError
from issuetrack.engine.inference.ports import EmbeddingModel, Vectors
from issuetrack.engine.retrieval import embedding, lexical_index, vector_index
from issuetrack.engine.retrieval.documents import problem_pieces
from issuetrack.engine.retrieval.fusion import (
    LEXICAL_TEXT,
    LEXICAL_TITLE,
    VECTOR_TEXT,
    VECTOR_TITLE,
    WEIGHTS,
    Contribution,
    fuse,
)
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

CANDIDATES = 200
QUERY_CHARACTERS = 1000
TITLE_AND_TEXT = 2
TEXT_PARTS = (ChunkKind.PROBLEM, ChunkKind.RESOLUTION, ChunkKind.COMMENT)


@dataclass(frozen=True)
class Question:
    """What is looked for: a title, and a body where there is one."""

    title: str
    body: str = ""
    exclude: int | None = None

    @property
    def text(self) -> str:
        """Return title and body together."""
        return f"{self.title}\n{self.body}".strip()

    def check(self) -> None:
        """Refuse an empty question.

        Raises:
            UsageError: there is nothing to look for.
        """
        if not self.text:
            raise UsageError(
                "there is nothing to look for", "say what is wrong in a few words"
            )

    @classmethod
    def from_text(cls, text: str) -> "Question":
        """Take the first line of a free text as the title."""
        title, _, body = text.strip().partition("\n")
        return cls(title.strip(), body.strip())


@dataclass(frozen=True)
class Match:
    """One issue found.

    Attributes:
        issue: its number.
        score: weighted sum of standard scores; only comparable within one question.
        similarity: the best cosine of any leg, -1..1; None without vectors.
        contributions: what each leg added.
    """

    issue: int
    score: float
    similarity: float | None
    contributions: tuple[Contribution, ...]


class Search:
    """Answers questions from one state of the database."""

    def __init__(
        self, model: EmbeddingModel, weights: Mapping[str, float] = WEIGHTS
    ) -> None:
        self._model = model
        self._weights = weights

    def find(self, uow: UnitOfWork, question: Question, limit: int = 10) -> list[Match]:
        """Return the issues most like the question, best first.

        Raises:
            ModelError: the embedding model is missing, or not the index's.
        """
        legs: dict[str, dict[int, float]] = {}
        if any(self._weights.get(leg) for leg in (LEXICAL_TEXT, LEXICAL_TITLE)):
            legs |= self._lexical(uow, question)
        if any(self._weights.get(leg) for leg in (VECTOR_TEXT, VECTOR_TITLE)):
            legs |= self._vector(uow, question, legs)
        for leg in legs.values():
            leg.pop(question.exclude or 0, None)
        matches = []
        for issue, contributions in fuse(legs, self._weights).items():
            cosines = [
                c.strength
                for c in contributions
                if c.strength is not None and c.leg in (VECTOR_TEXT, VECTOR_TITLE)
            ]
            matches.append(
                Match(
                    issue,
                    sum(c.value for c in contributions),
                    max(cosines, default=None),
                    tuple(contributions),
                )
            )
        matches.sort(key=lambda match: (-match.score, match.issue))
        return matches[:limit]

    def _lexical(
        self, uow: UnitOfWork, question: Question
    ) -> dict[str, dict[int, float]]:
        texts = {
            LEXICAL_TITLE: question.title,
            LEXICAL_TEXT: question.text[:QUERY_CHARACTERS],
        }
        if texts[LEXICAL_TITLE] == texts[LEXICAL_TEXT]:
            found = lexical_index.search(uow, question.title, CANDIDATES)
            by_leg = dict.fromkeys(texts, found)
        else:
            by_leg = {
                leg: lexical_index.search(uow, text, CANDIDATES)
                for leg, text in texts.items()
            }
        owner = _owners(uow, {n for found in by_leg.values() for n in found})
        return {
            leg: {owner[number]: strength for number, strength in found.items()}
            for leg, found in by_leg.items()
        }

    def _vector(
        self,
        uow: UnitOfWork,
        question: Question,
        lexical: Mapping[str, Mapping[int, float]],
    ) -> dict[str, dict[int, float]]:
        title, text = self._question_vectors(uow, question)
        near = vector_index.nearest(uow, ChunkKind.TITLE, title, CANDIDATES)
        for part in TEXT_PARTS:
            near += vector_index.nearest(uow, part, text, CANDIDATES)
        issues = set(_owners(uow, set(near)).values())
        issues.update(number for leg in lexical.values() for number in leg)
        rows = _vectors_of(uow, issues)
        if not rows:
            return {}
        vectors = vector_index.unit_rows([row[2] for row in rows])
        to_title, to_text = vectors @ title, vectors @ text
        legs: dict[str, dict[int, float]] = {VECTOR_TITLE: {}, VECTOR_TEXT: {}}
        for (issue, kind, _), by_title, by_text in zip(
            rows, to_title, to_text, strict=True
        ):
            is_title = kind == ChunkKind.TITLE
            leg = legs[VECTOR_TITLE if is_title else VECTOR_TEXT]
            cosine = float(by_title if is_title else by_text)
            leg[issue] = max(cosine, leg.get(issue, -1.0))
        return legs

    def _question_vectors(
        self, uow: UnitOfWork, question: Question
    ) -> tuple[Vectors, Vectors]:
        """Return the (d,) vectors of the title and of the start of the text."""
        embedding.check_model(uow, self._model)
        found = _indexed_vectors(uow, question)
        if found is None:
            texts = [question.title, self._first_piece(question)]
            hashes = [embedding.content_hash(text) for text in texts]
            known = embedding.stored(uow, hashes)
            missing = [t for t, h in zip(texts, hashes, strict=True) if h not in known]
            known |= embedding.embed(self._model, missing)
            found = [known[key] for key in hashes]
        title, text = vector_index.unit_rows(found)
        return title, text

    def _first_piece(self, question: Question) -> str:
        if not question.body:
            return question.title
        pieces = problem_pieces(self._model, question.title, question.body)
        return next(pieces).embedded


def _indexed_vectors(uow: UnitOfWork, question: Question) -> list[bytes] | None:
    """Return the title's and first piece's vectors of an issue indexed as it is."""
    rows = uow.sql(
        "SELECT chunk_vector.vector FROM chunk JOIN chunk_vector USING (content_hash) "
        "WHERE chunk.issue_number = ? AND chunk.ordinal = 0 "
        "AND chunk.kind IN ('title', 'problem') "
        "AND NOT EXISTS (SELECT 1 FROM index_queue "
        " WHERE index_queue.issue_number = chunk.issue_number) "
        "ORDER BY chunk.kind = 'problem'",
        question.exclude,
    )
    return [bytes(row[0]) for row in rows] if len(rows) == TITLE_AND_TEXT else None


def _in_groups(numbers: set[int]) -> list[list[int]]:
    ordered = sorted(numbers)
    size = vector_index.SQL_VARIABLES
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def _owners(uow: UnitOfWork, chunk_ids: set[int]) -> dict[int, int]:
    return {
        int(row[0]): int(row[1])
        for group in _in_groups(chunk_ids)
        for row in uow.sql(
            "SELECT id, issue_number FROM chunk "
            f"WHERE id IN ({','.join('?' * len(group))})",
            *group,
        )
    }


def _vectors_of(uow: UnitOfWork, issues: set[int]) -> Sequence[tuple[int, str, bytes]]:
    return [
        (int(row[0]), str(row[1]), bytes(row[2]))
        for group in _in_groups(issues)
        for row in uow.sql(
            "SELECT chunk.issue_number, chunk.kind, chunk_vector.vector FROM chunk "
            "JOIN chunk_vector USING (content_hash) "
            f"WHERE chunk.issue_number IN ({','.join('?' * len(group))})",
            *group,
        )
    ]
