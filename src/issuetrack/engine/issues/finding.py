"""Finds past issues, documents and procedures for an actor."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import knowledge, procedures, records
from issuetrack.engine.issues.knowledge import DocumentSummary
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.issues.records import IssueSummary
from issuetrack.engine.retrieval import passages
from issuetrack.engine.retrieval.fusion import FAMILIES, WEIGHTS
from issuetrack.engine.retrieval.passages import Passage
from issuetrack.engine.retrieval.scope import Scope, SopScope
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.retrieval.subjects import (
    Subject,
    SubjectKind,
    documents_of,
    issues_of,
    sops_of,
)
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.unit_of_work import UnitOfWork

Found = IssueSummary | DocumentSummary | SopSummary
KINDS = frozenset(SubjectKind)


class By(StrEnum):
    """What a search goes by."""

    BOTH = "words and meaning"
    WORDS = "words only"
    MEANING = "meaning only"


LEGS = {By.BOTH: tuple(WEIGHTS), By.WORDS: FAMILIES[0], By.MEANING: FAMILIES[1]}


class FindingService:
    """Searches one workspace."""

    def __init__(self, database: Database, search: Search) -> None:
        self._database = database
        self._search = search

    def question_of(self, actor: Actor, name: str) -> Question:
        """Return what an issue asks; it does not find itself.

        Raises:
            NotFoundError: there is no such issue.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            row = records.find(uow, name)
            body = uow.open_optional("issue", "body", row.uuid, row.body) or ""
            return Question(row.title, body, row.number)

    def similar(
        self,
        actor: Actor,
        question: Question,
        limit: int = 10,
        by: By = By.BOTH,
        kinds: Collection[SubjectKind] = KINDS,
    ) -> list[tuple[Found, Match]]:
        """Return the issues, documents and approved procedures most like a question.

        Args:
            actor: who asks.
            question: what is looked for.
            limit: how many to return at most.
            by: what to go by; by words alone takes no model.
            kinds: what to look for.

        Raises:
            UsageError: the question is empty.
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.READ)
        question.check()
        with self._database.read() as uow:
            scope = _scope(kinds)
            matches = self._search.find(uow, question, limit, scope, LEGS[by])
            subjects = [match.subject for match in matches]
            found = _by_subject(uow, subjects)
            return [(found[m.subject], m) for m in matches if m.subject in found]

    def passage(
        self, actor: Actor, question: Question, found: Subject, by: By = By.BOTH
    ) -> Passage | None:
        """Return the passage of what was found that is about the question.

        Raises:
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            told = None
            if by is not By.MEANING:
                told = passages.by_words(uow, found, question.text)
            if told is not None or by is By.WORDS:
                return told
            _, asked = self._search.question_vectors(uow, question)
            return passages.by_meaning(uow, found, question.text, asked)


def _scope(kinds: Collection[SubjectKind]) -> Scope:
    return Scope(
        issues=SubjectKind.ISSUE in kinds,
        documents=SubjectKind.DOCUMENT in kinds,
        sops=SopScope.APPROVED if SubjectKind.SOP in kinds else SopScope.NONE,
    )


def _by_subject(uow: UnitOfWork, subjects: list[Subject]) -> dict[Subject, Found]:
    kinds: tuple[tuple[SubjectKind, Mapping[int, Found]], ...] = (
        (SubjectKind.ISSUE, records.by_number(uow, issues_of(subjects))),
        (SubjectKind.DOCUMENT, knowledge.by_number(uow, documents_of(subjects))),
        (SubjectKind.SOP, procedures.by_number(uow, sops_of(subjects))),
    )
    return {
        Subject(kind, number): summary
        for kind, known in kinds
        for number, summary in known.items()
    }
