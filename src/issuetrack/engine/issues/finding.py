"""Finds past issues and documents for an actor."""

from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import knowledge, records
from issuetrack.engine.issues.knowledge import DocumentSummary
from issuetrack.engine.issues.records import IssueSummary
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.retrieval.subjects import documents_of, issues_of
from issuetrack.engine.store.database import Database

Found = IssueSummary | DocumentSummary


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
        self, actor: Actor, question: Question, limit: int = 10
    ) -> list[tuple[Found, Match]]:
        """Return the issues and documents most like a question, best first.

        Raises:
            UsageError: the question is empty.
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.READ)
        question.check()
        with self._database.read() as uow:
            matches = self._search.find(uow, question, limit)
            subjects = [match.subject for match in matches]
            issues = records.by_number(uow, issues_of(subjects))
            documents = knowledge.by_number(uow, documents_of(subjects))
            return [
                (
                    documents[match.document]
                    if match.document is not None
                    else issues[match.subject.number],
                    match,
                )
                for match in matches
            ]
