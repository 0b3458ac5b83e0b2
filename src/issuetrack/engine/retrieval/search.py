"""Finding past issues and documents: four legs, fused.

The title and the whole text of the question are searched apart, by words and by
meaning. See `fusion` for how the legs are added.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
from issuetrack.engine.retrieval.subjects import Subject, documents_of, issues_of
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

CANDIDATES = 200
QUERY_CHARACTERS = 1000
TITLE_AND_TEXT = 2
TEXT_PARTS = (ChunkKind.PROBLEM, ChunkKind.RESOLUTION, ChunkKind.COMMENT)
TITLES = (ChunkKind.TITLE, ChunkKind.DOCUMENT_TITLE)
Leg = dict[Subject, float]


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
    """One issue or document found.

    Attributes:
        issue: its number; None for a document.
        score: weighted sum of standard scores; only comparable within one question.
        similarity: the best cosine of any leg, -1..1; None without vectors.
        contributions: what each leg added.
        document: its number; None for an issue.
    """

    issue: int | None
    score: float
    similarity: float | None
    contributions: tuple[Contribution, ...]
    document: int | None = None

    @property
    def subject(self) -> Subject:
        """Return what was found."""
        return Subject.of(self.issue, self.document)

    @classmethod
    def of(cls, subject: Subject, contributions: Sequence[Contribution]) -> "Match":
        """Return what was found with the sum of what each leg says of it."""
        cosines = [
            c.strength
            for c in contributions
            if c.strength is not None and c.leg in (VECTOR_TEXT, VECTOR_TITLE)
        ]
        return cls(
            None if subject.is_document else subject.number,
            sum(c.value for c in contributions),
            max(cosines, default=None),
            tuple(contributions),
            subject.number if subject.is_document else None,
        )


class Search:
    """Answers questions from one state of the database.

    Args:
        model: embeds the questions.
        weights: what each leg counts.
        documents: find documents too, not only issues.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        weights: Mapping[str, float] = WEIGHTS,
        *,
        documents: bool = True,
    ) -> None:
        self._model = model
        self._weights = weights
        self._documents = documents

    def find(self, uow: UnitOfWork, question: Question, limit: int = 10) -> list[Match]:
        """Return what is most like the question, best first.

        Raises:
            ModelError: the embedding model is missing, or not the index's.
        """
        legs: dict[str, Leg] = {}
        if any(self._weights.get(leg) for leg in (LEXICAL_TEXT, LEXICAL_TITLE)):
            legs |= self._lexical(uow, question)
        if any(self._weights.get(leg) for leg in (VECTOR_TEXT, VECTOR_TITLE)):
            legs |= self._vector(uow, question, legs)
        for leg in legs.values():
            leg.pop(Subject(False, question.exclude or 0), None)
        fused = fuse(legs, self._weights)
        matches = [Match.of(subject, found) for subject, found in fused.items()]
        matches.sort(key=lambda match: (-match.score, match.subject))
        return matches[:limit]

    def _lexical(self, uow: UnitOfWork, question: Question) -> dict[str, Leg]:
        texts = {
            LEXICAL_TITLE: question.title,
            LEXICAL_TEXT: question.text[:QUERY_CHARACTERS],
        }
        if texts[LEXICAL_TITLE] == texts[LEXICAL_TEXT]:
            by_leg = dict.fromkeys(texts, self._by_words(uow, question.title))
        else:
            by_leg = {leg: self._by_words(uow, text) for leg, text in texts.items()}
        owner = _owners(uow, {n for found in by_leg.values() for n in found})
        return {
            leg: {owner[number]: strength for number, strength in found.items()}
            for leg, found in by_leg.items()
        }

    def _by_words(self, uow: UnitOfWork, text: str) -> dict[int, float]:
        without = None if self._documents else ChunkKind.DOCUMENT_TITLE
        return lexical_index.search(uow, text, CANDIDATES, without)

    def _vector(
        self, uow: UnitOfWork, question: Question, lexical: Mapping[str, Leg]
    ) -> dict[str, Leg]:
        title, text = self._question_vectors(uow, question)
        near = vector_index.nearest(uow, ChunkKind.TITLE, title, CANDIDATES)
        for part in TEXT_PARTS:
            near += vector_index.nearest(uow, part, text, CANDIDATES)
        if self._documents and uow.sql("SELECT 1 FROM document LIMIT 1"):
            kinds = (ChunkKind.DOCUMENT_TITLE, title), (ChunkKind.DOCUMENT, text)
            for part, vector in kinds:
                near += vector_index.nearest(uow, part, vector, CANDIDATES)
        subjects = set(_owners(uow, set(near)).values())
        subjects.update(found for leg in lexical.values() for found in leg)
        rows = _vectors_of(uow, subjects)
        if not rows:
            return {}
        vectors = vector_index.unit_rows([row[2] for row in rows])
        to_title, to_text = vectors @ title, vectors @ text
        legs: dict[str, Leg] = {VECTOR_TITLE: {}, VECTOR_TEXT: {}}
        for (subject, kind, _), by_title, by_text in zip(
            rows, to_title, to_text, strict=True
        ):
            is_title = kind in TITLES
            leg = legs[VECTOR_TITLE if is_title else VECTOR_TEXT]
            cosine = float(by_title if is_title else by_text)
            leg[subject] = max(cosine, leg.get(subject, -1.0))
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


def _in_groups(numbers: Iterable[int]) -> list[list[int]]:
    ordered = sorted(numbers)
    size = vector_index.SQL_VARIABLES
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def _owners(uow: UnitOfWork, chunk_ids: set[int]) -> dict[int, Subject]:
    return {
        int(row[0]): Subject.of(row[1], row[2])
        for group in _in_groups(chunk_ids)
        for row in uow.sql(
            "SELECT id, issue_number, document_id FROM chunk "
            f"WHERE id IN ({','.join('?' * len(group))})",
            *group,
        )
    }


def _vectors_of(
    uow: UnitOfWork, subjects: Collection[Subject]
) -> list[tuple[Subject, str, bytes]]:
    return [
        (Subject.of(row[0], row[1]), str(row[2]), bytes(row[3]))
        for column, numbers in (
            ("issue_number", issues_of(subjects)),
            ("document_id", documents_of(subjects)),
        )
        for group in _in_groups(numbers)
        for row in uow.sql(
            "SELECT chunk.issue_number, chunk.document_id, chunk.kind, "
            "chunk_vector.vector FROM chunk JOIN chunk_vector USING (content_hash) "
            f"WHERE chunk.{column} IN ({','.join('?' * len(group))})",
            *group,
        )
    ]
