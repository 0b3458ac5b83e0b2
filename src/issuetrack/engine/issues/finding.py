"""Finds past issues for an actor."""

from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import records
from issuetrack.engine.issues.records import IssueSummary
from issuetrack.engine.retrieval.search import Match, Question, Search
from issuetrack.engine.store.database import Database


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
    ) -> list[tuple[IssueSummary, Match]]:
        """Return the issues most like a question, best first.

        Raises:
            UsageError: the question is empty.
            ModelError: the embedding model cannot be used.
        """
        authorize(actor, Permission.READ)
        question.check()
        with self._database.read() as uow:
            matches = self._search.find(uow, question, limit)
            listed = records.by_number(uow, [match.issue for match in matches])
            return [(listed[match.issue], match) for match in matches]
