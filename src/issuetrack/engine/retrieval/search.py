"""Finding past issues, documents and procedures: five legs, fused, then votes.

The title and the whole text of the question are searched apart, by words and by
meaning; documents and procedures are also looked at for being named after it. See
`fusion` for how the legs are added, `weighting` for what people said.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import numpy as np

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import policies
from issuetrack.engine.inference.ports import EmbeddingModel, Vectors
from issuetrack.engine.retrieval import (
    adaptation,
    chunk_rows,
    embedding,
    lexical_index,
    vector_index,
    weighting,
)
from issuetrack.engine.retrieval.documents import problem_pieces
from issuetrack.engine.retrieval.fusion import (
    LEXICAL_NAME,
    LEXICAL_TEXT,
    LEXICAL_TITLE,
    VECTOR_TEXT,
    VECTOR_TITLE,
    WEIGHTS,
    Contribution,
    fuse,
)
from issuetrack.engine.retrieval.scope import EVERYTHING, Scope, SopScope
from issuetrack.engine.retrieval.subjects import (
    Subject,
    SubjectKind,
)
from issuetrack.engine.retrieval.votes import votes
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

CANDIDATES = 200
QUERY_CHARACTERS = 1000
ONLY_ISSUES = Scope(documents=False, sops=SopScope.NONE)
TITLES = (ChunkKind.TITLE, ChunkKind.DOCUMENT_TITLE, ChunkKind.SOP_TITLE)
Leg = dict[Subject, float]


@dataclass(frozen=True)
class Options:
    """What a search makes use of beyond its legs.

    Attributes:
        adaptation: score in the adapted vector space, where there is one. Without it
            the vectors are scored as the model gave them; the 200 that are scored are
            nearest by the bits that are stored, which stay adapted.
        votes: add what people said. Approval of a procedure counts without it too.
    """

    adaptation: bool = True
    votes: bool = True


LEARNED = Options()
PLAIN = Options(adaptation=False)


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
    """One issue, document or procedure found.

    Attributes:
        issue: its number; None for anything else.
        score: weighted sum of standard scores; only comparable within one question.
        similarity: the best cosine of title or text as the model gave the vectors,
            -1..1, however the space is adapted; None without vectors.
        contributions: what each leg, and what people said, added.
        document: its number; None for anything else.
        sop: its number; None for anything else.
    """

    issue: int | None
    score: float
    similarity: float | None
    contributions: tuple[Contribution, ...]
    document: int | None = None
    sop: int | None = None

    @property
    def subject(self) -> Subject:
        """Return what was found."""
        return Subject.of(self.issue, self.document, self.sop)

    @classmethod
    def of(
        cls,
        subject: Subject,
        contributions: Sequence[Contribution],
        similarity: float | None,
    ) -> "Match":
        """Return what was found with the sum of what each leg says of it."""
        numbers = {subject.kind: subject.number}
        return cls(
            numbers.get(SubjectKind.ISSUE),
            sum(c.value for c in contributions),
            similarity,
            tuple(contributions),
            numbers.get(SubjectKind.DOCUMENT),
            numbers.get(SubjectKind.SOP),
        )


class Search:
    """Answers questions from one state of the database.

    Args:
        model: embeds the questions.
        weights: what each leg counts.
        clock: tells how old votes are.
        options: what is done beyond the legs.
    """

    def __init__(
        self,
        model: EmbeddingModel,
        weights: Mapping[str, float] = WEIGHTS,
        clock: Callable[[], datetime] = partial(datetime.now, UTC),
        options: Options = LEARNED,
    ) -> None:
        self._model = model
        self._weights = weights
        self._clock = clock
        self._options = options
        self._transform = adaptation.CurrentTransform()

    def find(
        self,
        uow: UnitOfWork,
        question: Question,
        limit: int = 10,
        scope: Scope = EVERYTHING,
        by: Collection[str] = tuple(WEIGHTS),
    ) -> list[Match]:
        """Return what is most like the question within a scope, best first.

        Args:
            uow: what to read through.
            question: what is looked for.
            limit: how many to return at most.
            scope: what may be found.
            by: the legs to search by; by words alone takes no model.

        Raises:
            ModelError: the embedding model is missing, or not the index's.
        """
        if scope.before is not None:
            scope = chunk_rows.listed(uow, scope)
        weights = {leg: w for leg, w in self._weights.items() if leg in by}
        legs: dict[str, Leg] = {}
        asked: Vectors | None = None
        similar: Leg = {}
        if any(weights.get(leg) for leg in (LEXICAL_TEXT, LEXICAL_TITLE)):
            legs |= self._lexical(uow, question, scope)
        if any(weights.get(leg) for leg in (VECTOR_TEXT, VECTOR_TITLE)):
            asked = self._asked(uow, question)
            near, similar = self._vector(uow, asked, legs, scope)
            legs |= near
        if weights.get(LEXICAL_NAME):
            legs |= _by_name(uow, question, legs)
        for leg in legs.values():
            leg.pop(Subject(SubjectKind.ISSUE, question.exclude or 0), None)
        fused = fuse(legs, weights)
        base = fused.scores
        said = self._said(uow, base, asked, scope)
        scores = {
            subject: score + sum(part.value for part in said.get(subject, ()))
            for subject, score in base.items()
        }
        best = sorted(scores, key=lambda subject: (-scores[subject], subject))[:limit]
        return [
            Match.of(
                subject,
                [*fused.contributions(subject), *said.get(subject, ())],
                similar.get(subject),
            )
            for subject in best
        ]

    def _said(
        self,
        uow: UnitOfWork,
        scores: Mapping[Subject, float],
        asked: "Vectors | None",
        scope: Scope,
    ) -> dict[Subject, list[Contribution]]:
        """Return what people said of what was found, and what approval adds."""
        said: dict[Subject, list[Contribution]] = {}
        if self._options.votes and policies.is_on(uow, policies.RATINGS_COUNT):
            at = scope.before or self._clock()
            given = [vote for vote in votes(uow, at) if vote.subject in scores]
            said = weighting.weigh(given, asked, max(scores.values(), default=0.0))
        for subject, added in weighting.approved(uow, scores).items():
            said.setdefault(subject, []).append(added)
        return said

    @staticmethod
    def _lexical(uow: UnitOfWork, question: Question, scope: Scope) -> dict[str, Leg]:
        def by_words(text: str) -> dict[int, float]:
            return lexical_index.search(uow, text, CANDIDATES, scope)

        texts = {
            LEXICAL_TITLE: question.title,
            LEXICAL_TEXT: question.text[:QUERY_CHARACTERS],
        }
        if texts[LEXICAL_TITLE] == texts[LEXICAL_TEXT]:
            by_leg = dict.fromkeys(texts, by_words(question.title))
        else:
            by_leg = {leg: by_words(text) for leg, text in texts.items()}
        numbers = {n for found in by_leg.values() for n in found}
        owner = chunk_rows.owners(uow, numbers, scope)
        return {
            leg: {owner[number]: strength for number, strength in found.items()}
            for leg, found in by_leg.items()
        }

    def _vector(
        self,
        uow: UnitOfWork,
        asked: Vectors,
        lexical: Mapping[str, Leg],
        scope: Scope,
    ) -> tuple[dict[str, Leg], Leg]:
        """Return the legs, and the best cosine of each as the model gave vectors.

        Args:
            uow: what to read through.
            asked: the (2, d) vectors of title and text.
            lexical: what the lexical legs found.
            scope: what may be found.
        """
        transform = self._transform.of(uow)
        near = self._near(uow, vector_index.transformed(asked, transform), scope)
        subjects = set(chunk_rows.owners(uow, near, scope).values())
        subjects.update(found for leg in lexical.values() for found in leg)
        rows = chunk_rows.vectors_of(uow, subjects)
        if not rows:
            return {}, {}
        vectors = vector_index.unit_rows([row[2] for row in rows])
        which = np.array([row[1] not in TITLES for row in rows], dtype=np.intp)
        plain = (vectors * asked[which]).sum(axis=1)
        scored = plain
        if transform is not None and self._adapts(uow):
            moved = vector_index.transformed(vectors, transform)
            query = vector_index.transformed(asked, transform)
            scored = (moved * query[which]).sum(axis=1)
        legs: dict[str, Leg] = {VECTOR_TITLE: {}, VECTOR_TEXT: {}}
        similar: Leg = {}
        for (subject, kind, _), cosine, score in zip(
            rows, plain.tolist(), scored.tolist(), strict=True
        ):
            leg = legs[VECTOR_TITLE if kind in TITLES else VECTOR_TEXT]
            leg[subject] = max(score, leg.get(subject, -1.0))
            similar[subject] = max(cosine, similar.get(subject, -1.0))
        return legs, similar

    def _near(self, uow: UnitOfWork, query: Vectors, scope: Scope) -> set[int]:
        """Return the chunks whose bits are nearest to the (2, d) transformed query."""
        parts = chunk_rows.parts(uow)
        title, text = query
        asked = [(part, title) for part in scope.titles() if part in parts]
        asked += [(part, text) for part in scope.texts() if part in parts]
        return {
            chunk
            for part, vector in asked
            for chunk in vector_index.nearest(uow, part, vector, CANDIDATES, scope)
        }

    def _adapts(self, uow: UnitOfWork) -> bool:
        return self._options.adaptation and policies.is_on(uow, policies.ADAPTATION)

    def question_vectors(
        self, uow: UnitOfWork, question: Question
    ) -> tuple[bytes, bytes]:
        """Return the raw int8 (d,) vectors of the title and of the text's start.

        Raises:
            ModelError: the embedding model is missing, or not the index's.
        """
        embedding.check_model(uow, self._model)
        found = chunk_rows.vectors_of_issue(uow, question.exclude)
        if found is None:
            texts = [question.title, self._first_piece(question)]
            hashes = [embedding.content_hash(text) for text in texts]
            known = embedding.stored(uow, hashes)
            missing = [t for t, h in zip(texts, hashes, strict=True) if h not in known]
            known |= embedding.embed(self._model, missing)
            found = [known[key] for key in hashes]
        title, text = found
        return title, text

    def _asked(self, uow: UnitOfWork, question: Question) -> Vectors:
        """Return the (2, d) unit vectors of the title and of the start of the text."""
        return vector_index.unit_rows([*self.question_vectors(uow, question)])

    def _first_piece(self, question: Question) -> str:
        if not question.body:
            return question.title
        pieces = problem_pieces(self._model, question.title, question.body)
        return next(pieces).embedded


def _by_name(
    uow: UnitOfWork, question: Question, legs: Mapping[str, Leg]
) -> dict[str, Leg]:
    """Return how the documents and procedures that were found are named after it."""
    found = {subject for leg in legs.values() for subject in leg}
    named = sorted(chunk_rows.names_of(uow, found).items())
    if not named:
        return {}
    titles = {place: title for place, (_, title) in enumerate(named)}
    strengths = lexical_index.search_titles(uow, question.title, titles)
    return {LEXICAL_NAME: {named[n][0]: value for n, value in strengths.items()}}
