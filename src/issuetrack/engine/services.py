"""The services of an open workspace, each made when it is first asked for.

What a command does not use is not imported: the time to start is short.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueService
from issuetrack.engine.store.database import Database

if TYPE_CHECKING:
    from issuetrack.engine.assistant.backtest import BacktestService
    from issuetrack.engine.assistant.duplicates import DuplicateService
    from issuetrack.engine.assistant.feedback import FeedbackService
    from issuetrack.engine.assistant.recommendations import RecommendationService
    from issuetrack.engine.assistant.recurring import RecurringService
    from issuetrack.engine.assistant.sops.service import SopService
    from issuetrack.engine.assistant.suggestions import SuggestionService
    from issuetrack.engine.identity.accounts import AccountService
    from issuetrack.engine.identity.audit_log import AuditService
    from issuetrack.engine.identity.keys import KeyService
    from issuetrack.engine.identity.policies import PolicyService
    from issuetrack.engine.inference.ports import ChatModel, EmbeddingModel
    from issuetrack.engine.issues.finding import FindingService
    from issuetrack.engine.issues.knowledge import DocumentService
    from issuetrack.engine.issues.linking import LinkService
    from issuetrack.engine.issues.mirroring import MirrorService
    from issuetrack.engine.issues.review import ReviewService
    from issuetrack.engine.issues.seen import SeenService
    from issuetrack.engine.maintenance import MaintenanceService
    from issuetrack.engine.reporting.evaluation import DuplicateEvaluation
    from issuetrack.engine.retrieval.indexing import Indexer
    from issuetrack.engine.retrieval.search import Search
    from issuetrack.engine.sync.documents import DocumentImportService
    from issuetrack.engine.sync.push import PushService
    from issuetrack.engine.sync.service import ImportService
    from issuetrack.engine.sync.sources import SourceService
    from issuetrack.engine.sync.sync import SyncService


class ModelChoice(Protocol):
    """The models that a person chose, given the hosts that the workspace allows."""

    @property
    def has_chat(self) -> bool:
        """Tell whether a chat model was chosen, without looking for it."""

    def chat(self, allowed_hosts: frozenset[str]) -> "ChatModel | None":
        """Return the chat model; None where none was chosen.

        Raises:
            ModelError: it is not there any more.
        """

    def embedding(self, allowed_hosts: frozenset[str]) -> "EmbeddingModel":
        """Return the embedding model.

        Raises:
            ModelError: it is not there any more.
        """


class Services:
    """Everything that can be done with one database, on behalf of one actor.

    Args:
        database: what is worked on.
        actor: who works.
        clock: tells the time.
        model: the embedding model; None for the one chosen.
        choice: the models a person chose; None for the one that ships, and no other.
    """

    def __init__(
        self,
        database: Database,
        actor: Actor,
        clock: Callable[[], datetime],
        model: "EmbeddingModel | None" = None,
        choice: ModelChoice | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._given_model = model
        self._choice = choice
        self.actor = actor
        self.issues = IssueService(database, clock)

    @cached_property
    def model(self) -> "EmbeddingModel":
        """Return the embedding model; it is loaded at its first use."""
        if self._given_model is not None:
            return self._given_model
        if self._choice is not None:
            return self._choice.embedding(self._allowed_hosts())
        from issuetrack.engine.inference.llama import LlamaEmbedder

        return LlamaEmbedder()

    @cached_property
    def seen(self) -> "SeenService":
        """Return what the actor has looked at."""
        from issuetrack.engine.issues.seen import SeenService

        return SeenService(self._database, self._clock)

    @cached_property
    def finding(self) -> "FindingService":
        """Return what finds past issues and documents."""
        from issuetrack.engine.inference.late import LateModel
        from issuetrack.engine.issues.finding import FindingService
        from issuetrack.engine.retrieval.search import Search

        model = LateModel(lambda: self.model)
        return FindingService(self._database, Search(model, clock=self._clock))

    @cached_property
    def _indexer(self) -> "Indexer":
        from issuetrack.engine.retrieval.indexing import Indexer

        return Indexer(self._database, self.model, self._clock)

    @cached_property
    def accounts(self) -> "AccountService":
        """Return the users."""
        from issuetrack.engine.identity.accounts import AccountService

        return AccountService(self._database, self._clock)

    @cached_property
    def policies(self) -> "PolicyService":
        """Return what the workspace allows."""
        from issuetrack.engine.identity.policies import PolicyService

        return PolicyService(self._database, self._clock)

    @cached_property
    def keys(self) -> "KeyService":
        """Return the life of keys."""
        from issuetrack.engine.identity.keys import KeyService

        return KeyService(self._database, self._clock)

    @cached_property
    def trail(self) -> "AuditService":
        """Return what reads and checks the audit trail."""
        from issuetrack.engine.identity.audit_log import AuditService

        return AuditService(self._database, self._clock)

    @cached_property
    def maintenance(self) -> "MaintenanceService":
        """Return backup, checks and compaction."""
        from issuetrack.engine.maintenance import MaintenanceService

        return MaintenanceService(self._database, self._clock)

    @cached_property
    def imports(self) -> "ImportService":
        """Return what takes issues in."""
        from issuetrack.engine.sync.service import ImportService

        return ImportService(self._database, self._clock)

    @cached_property
    def documents(self) -> "DocumentService":
        """Return the imported documents."""
        from issuetrack.engine.issues.knowledge import DocumentService

        return DocumentService(self._database, self._clock)

    @cached_property
    def document_imports(self) -> "DocumentImportService":
        """Return what takes documents in."""
        from issuetrack.engine.sync.documents import DocumentImportService

        return DocumentImportService(self._database, self._clock)

    @cached_property
    def sources(self) -> "SourceService":
        """Return the trackers and what became of them."""
        from issuetrack.engine.sync.sources import SourceService

        return SourceService(self._database, self._clock)

    @cached_property
    def sync(self) -> "SyncService":
        """Return what reads from trackers."""
        from issuetrack.engine.sync.sync import SyncService

        return SyncService(self._database, self.sources, self._clock)

    @cached_property
    def push(self) -> "PushService":
        """Return what writes to trackers."""
        from issuetrack.engine.sync.push import PushService

        return PushService(self._database, self.sources, self._clock)

    @cached_property
    def review(self) -> "ReviewService":
        """Return the review of mined fixes."""
        from issuetrack.engine.issues.review import ReviewService

        return ReviewService(self._database, self._clock)

    @cached_property
    def mirror(self) -> "MirrorService":
        """Return what sources say of issues, and local edits they do not know of."""
        from issuetrack.engine.issues.mirroring import MirrorService

        return MirrorService(self._database, self._clock)

    @cached_property
    def suggestions(self) -> "SuggestionService":
        """Return what suggests."""
        from issuetrack.engine.assistant.suggestions import SuggestionService
        from issuetrack.engine.retrieval.search import Search

        return SuggestionService(
            self._database,
            Search(self.model, clock=self._clock),
            self._clock,
            lambda: self.chat,
        )

    @cached_property
    def recommendations(self) -> "RecommendationService":
        """Return the suggestions that were given."""
        from issuetrack.engine.assistant.recommendations import RecommendationService

        return RecommendationService(self._database, lambda: self.chat)

    @cached_property
    def feedback(self) -> "FeedbackService":
        """Return what keeps ratings and outcomes."""
        from issuetrack.engine.assistant.feedback import FeedbackService

        return FeedbackService(self._database, self._clock)

    @cached_property
    def linking(self) -> "LinkService":
        """Return what links duplicates to their originals."""
        from issuetrack.engine.issues.linking import LinkService

        return LinkService(self._database, self._clock)

    @cached_property
    def duplicates(self) -> "DuplicateService":
        """Return what finds probable duplicates of new issues."""
        from issuetrack.engine.assistant.duplicates import DuplicateService
        from issuetrack.engine.retrieval.search import Search

        return DuplicateService(self._database, Search(self.model, clock=self._clock))

    @cached_property
    def recurring(self) -> "RecurringService":
        """Return what finds issues that come back."""
        from issuetrack.engine.assistant.recurring import RecurringService

        return RecurringService(self._database)

    @cached_property
    def sops(self) -> "SopService":
        """Return the procedures."""
        from issuetrack.engine.assistant.sops.service import SopService

        def search(weights: Mapping[str, float] | None) -> "Search":
            from issuetrack.engine.retrieval.search import Search

            return (
                Search(self.model, weights, self._clock)
                if weights
                else Search(self.model, clock=self._clock)
            )

        return SopService(self._database, self._clock, search, lambda: self.chat)

    @cached_property
    def backtest(self) -> "BacktestService":
        """Return what measures the workspace on its own past."""
        from issuetrack.engine.assistant.backtest import BacktestService

        return BacktestService(self._database, self.model, self._clock)

    @cached_property
    def evaluation(self) -> "DuplicateEvaluation":
        """Return the measuring of retrieval against known duplicates."""
        from issuetrack.engine.reporting.evaluation import DuplicateEvaluation

        return DuplicateEvaluation(self._database, self.model)

    @cached_property
    def chat(self) -> "ChatModel | None":
        """Return the language model that was chosen; None where there is none."""
        if self._choice is None:
            return None
        return self._choice.chat(self._allowed_hosts())

    @property
    def has_chat(self) -> bool:
        """Tell whether a language model was chosen, without looking for it."""
        return self._choice is not None and self._choice.has_chat

    def _allowed_hosts(self) -> frozenset[str]:
        from issuetrack.engine.identity.policies import ALLOWED_HOSTS, value

        with self._database.read() as uow:
            hosts = str(value(uow, ALLOWED_HOSTS))
        return frozenset(hosts.split(",")) - {""}
