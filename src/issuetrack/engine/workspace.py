"""One open workspace: a database, who acts, and the services. All a front end holds."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from issuetrack.engine.errors import NotFoundError, WorkspaceExists
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.audit import Verification
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor, register
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.issues.finding import FindingService
from issuetrack.engine.issues.service import IssueService
from issuetrack.engine.retrieval.indexing import (
    Indexer,
    IndexReport,
    IndexStatus,
    Progress,
)
from issuetrack.engine.retrieval.search import Search
from issuetrack.engine.store.database import SCHEMA_VERSION, Database, create_file
from issuetrack.engine.store.keyslots import (
    KeyFile,
    SlotSecret,
    UnlockedKeys,
    key_file_path,
)
from issuetrack.engine.store.unlock import Unlock, new_recovery_key, recovery_secret

if TYPE_CHECKING:
    from issuetrack.engine.assistant.suggestions import SuggestionService
    from issuetrack.engine.reporting.evaluation import DuplicateEvaluation
    from issuetrack.engine.sync.service import ImportService


def now_utc() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class NewWorkspace:
    """What `create` made; the recovery key is told once and kept nowhere."""

    database: Path
    key_file: Path
    owner: str
    recovery_key: str = field(repr=False)


class Workspace:
    """An open database with its services, on behalf of one actor."""

    def __init__(
        self,
        database: Database,
        actor: Actor,
        model: EmbeddingModel,
        signing_keys: Mapping[str, bytes],
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        self._database = database
        self._signing_keys = signing_keys
        self._clock = clock
        self.actor = actor
        self.model = model
        self.issues = IssueService(database, clock)
        self.finding = FindingService(database, Search(model))
        self._indexer = Indexer(database, model)

    @classmethod
    def open(
        cls,
        path: Path,
        unlock: Unlock,
        model: EmbeddingModel | None = None,
        clock: Callable[[], datetime] = now_utc,
    ) -> "Workspace":
        """Open a workspace, bringing its tables up to date.

        Raises:
            NotFoundError: there is no workspace at the path.
            AuthenticationError: no key was offered, or it does not fit.
            SchemaTooNew: a newer program wrote the file.
        """
        if not path.exists():
            raise NotFoundError(
                f"there is no workspace at {path}", "create one: issuetrack init"
            )
        keys = KeyFile.load(key_file_path(path))
        unlocked = keys.unlock(unlock.offered(keys.database, keys.slot_kinds()))
        database = Database(path, unlocked.page_key, unlocked.cipher)
        database.migrate()
        signing_keys = {p.principal: p.signing_key for p in keys.principals()}
        actor = Actor.from_keys(unlocked)
        return cls(database, actor, model or LlamaEmbedder(), signing_keys, clock)

    @classmethod
    def create(
        cls,
        path: Path,
        owner: str,
        secrets_for: Callable[[str], Iterable[SlotSecret]],
        clock: Callable[[], datetime] = now_utc,
    ) -> NewWorkspace:
        """Make a new workspace with its keys; nothing is left behind on failure.

        Args:
            path: where the database will be.
            owner: the name of its first admin.
            secrets_for: given the database's uuid, what will open the owner's slots.
            clock: tells the time.

        Raises:
            WorkspaceExists: there is one already.
        """
        keys_path = key_file_path(path)
        for existing in (path, keys_path):
            if existing.exists():
                raise WorkspaceExists(
                    f"{existing} exists already", "use it, or choose another --db"
                )
        recovery_key = new_recovery_key()
        recovery = recovery_secret(recovery_key)
        keys = KeyFile.create(owner, secrets_for, recovery, clock())
        unlocked = keys.unlock([recovery])
        try:
            create_file(path, unlocked.page_key)
            cls._fill(path, keys, unlocked, clock())
            keys.save(keys_path)
        except BaseException:
            for made in (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm"))):
                with contextlib.suppress(OSError):
                    made.unlink(missing_ok=True)
            raise
        return NewWorkspace(path, keys_path, owner, recovery_key)

    @staticmethod
    def _fill(path: Path, keys: KeyFile, unlocked: UnlockedKeys, now: datetime) -> None:
        database = Database(path, unlocked.page_key, unlocked.cipher)
        try:
            database.migrate()
            principals = keys.principals()
            with database.write() as uow:
                for principal in principals:
                    register(uow, principal, now)
                uow.set_setting("database.uuid", keys.database)
                uow.session.flush()
                audit.record(
                    uow,
                    Actor.from_keys(unlocked),
                    now,
                    "workspace.create",
                    ("workspace", keys.database),
                    after={"owner": principals[0].name, "schema": SCHEMA_VERSION},
                )
        finally:
            database.close()

    @cached_property
    def imports(self) -> "ImportService":
        """Return what takes issues in."""
        from issuetrack.engine.sync.service import ImportService

        return ImportService(self._database, self._clock)

    @cached_property
    def suggestions(self) -> "SuggestionService":
        """Return what suggests and keeps ratings."""
        from issuetrack.engine.assistant.suggestions import SuggestionService

        return SuggestionService(self._database, Search(self.model), self._clock)

    @cached_property
    def evaluation(self) -> "DuplicateEvaluation":
        """Return the measuring of retrieval against known duplicates."""
        from issuetrack.engine.reporting.evaluation import DuplicateEvaluation

        return DuplicateEvaluation(self._database, self.model)

    @property
    def path(self) -> Path:
        """Return where the database is."""
        return self._database.path

    def index_status(self) -> IndexStatus:
        """Return how far the search index is."""
        authorize(self.actor, Permission.READ)
        return self._indexer.status()

    def drain_index(
        self, progress: Progress | None = None, only: int | None = None
    ) -> IndexReport:
        """Index what has changed, or only one issue.

        Raises:
            ModelError: the embedding model cannot be used.
        """
        authorize(self.actor, Permission.INDEX)
        return self._indexer.drain(progress, only)

    def rebuild_index(self, progress: Progress | None = None) -> IndexReport:
        """Make the search index anew; embeddings of the same model are kept.

        Raises:
            ModelError: the embedding model cannot be used.
        """
        authorize(self.actor, Permission.INDEX)
        self.model.embed([])
        now = self._clock()
        with self._database.write() as uow:
            audit.record(
                uow, self.actor, now, "index.rebuild", ("index", "all"), after={}
            )
        self._indexer.request_rebuild(now)
        report = self._indexer.drain(progress)
        self._indexer.drop_unused()
        return report

    def verify_audit(self) -> Verification:
        """Check the audit chain from its first entry to its last."""
        authorize(self.actor, Permission.VERIFY)
        with self._database.read() as uow:
            return audit.verify(uow, self._signing_keys)

    def integrity_problems(self) -> list[str]:
        """Return what is wrong with the database file; empty if it is sound."""
        authorize(self.actor, Permission.VERIFY)
        return self._database.integrity_problems()

    def schema_version(self) -> str | None:
        """Return the version of the tables."""
        return self._database.schema_version()

    def close(self) -> None:
        """Close the database."""
        self._database.close()
