"""What can be read of the procedures of one workspace, and found among them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from issuetrack.engine.assistant.sops import changes as sop_changes
from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops.changes import FieldChange
from issuetrack.engine.assistant.sops.records import SopEventRecord, SopVersionRecord
from issuetrack.engine.errors import ModelError
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.types import SopStatus

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.statistics import SopStatistics
    from issuetrack.engine.inference.ports import ChatModel
    from issuetrack.engine.retrieval.scope import SopScope
    from issuetrack.engine.retrieval.search import Match, Question, Search

Searching = Callable[["Mapping[str, float] | None"], "Search"]


@dataclass(frozen=True)
class SopFound:
    """What a search found.

    Attributes:
        by_words_only: why meaning was left out; None if it was not.
    """

    matches: "tuple[tuple[SopSummary, Match], ...]"
    by_words_only: str | None = None


class SopQueries:
    """The procedures of one workspace, to be read.

    Args:
        database: where they are.
        clock: tells the time.
        search: given the weights of its legs, or None for the usual ones, returns what
            finds; called only when something is looked for.
        chat: gives the language model that was chosen, if any.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        search: Searching,
        chat: "Callable[[], ChatModel | None]",
    ) -> None:
        self._database = database
        self._clock = clock
        self._search = search
        self._chat = chat

    def matching(
        self,
        actor: Actor,
        status: SopStatus | None = None,
        tags: Iterable[str] = (),
        limit: int = 50,
    ) -> tuple[list[SopSummary], int]:
        """Return procedures, the latest changed first, and how many there are.

        Each is shown by the version in force; one that is out of use, only if that was
        asked for, by its last.

        Args:
            actor: who reads.
            status: of the version that is shown; None for all but deprecated ones.
            tags: which it must all have.
            limit: how many to return.
        """
        authorize(actor, Permission.READ)
        wanted = set(tags)
        with self._database.read() as uow:
            rows = uow.session.exec(_shown_versions(status)).all()
            found = [row for row in rows if wanted <= set(row.tags)]
            return procedures.summaries(uow, found[:limit]), len(found)

    def get(
        self, actor: Actor, name: str, version: int | None = None
    ) -> SopVersionRecord:
        """Return a version of a procedure; by default the one in force.

        Raises:
            NotFoundError: there is no such procedure or version.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            sop = procedures.find(uow, name)
            row = procedures.version_of(uow, sop, version)
            return sop_records.record(uow, row)

    def to_edit(self, actor: Actor, name: str) -> SopVersionRecord:
        """Return the version that the next one is to be made from.

        Raises:
            NotFoundError: there is no such procedure.
        """
        authorize(actor, Permission.WRITE_SOPS)
        with self._database.read() as uow:
            row = procedures.worked_on(uow, procedures.find(uow, name))
            return sop_records.record(uow, row)

    def history(
        self, actor: Actor, name: str
    ) -> tuple[list[SopSummary], list[SopEventRecord]]:
        """Return the versions of a procedure and what was done with them.

        Raises:
            NotFoundError: there is no such procedure.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            sop = procedures.find(uow, name)
            assert sop.id is not None
            rows = uow.session.exec(
                select(SopVersion)
                .where(SopVersion.sop_id == sop.id)
                .order_by(col(SopVersion.version))
            ).all()
            found = sop_records.events(uow, sop.id)
            return procedures.summaries(uow, rows), found

    def diff(
        self, actor: Actor, name: str, old: int | None = None, new: int | None = None
    ) -> tuple[SopSummary, SopSummary, tuple[FieldChange, ...]]:
        """Return what is different between two versions, field by field.

        Args:
            actor: who reads.
            name: the procedure.
            old: by default what the newer one was made from.
            new: by default the newest.

        Raises:
            NotFoundError: there is no such procedure or version.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            sop = procedures.find(uow, name)
            newest = procedures.latest(uow, sop).version
            after = procedures.version_of(uow, sop, newest if new is None else new)
            base = after.parent or after.version
            before = procedures.version_of(uow, sop, base if old is None else old)
            told = procedures.summaries(uow, [before, after])
            changes = sop_changes.changes(
                sop_records.procedure_of(uow, before),
                sop_records.procedure_of(uow, after),
            )
            return told[0], told[1], changes

    def search(
        self, actor: Actor, question: "Question", sops: "SopScope", limit: int = 10
    ) -> SopFound:
        """Return the procedures most like a question, best first.

        Without an embedding model, or with an index of another one, they are found by
        words only.

        Raises:
            UsageError: the question is empty.
        """
        from issuetrack.engine.retrieval.scope import Scope

        authorize(actor, Permission.READ)
        question.check()
        scope, reason = Scope(issues=False, documents=False, sops=sops), None
        with self._database.read() as uow:
            try:
                matches = self._search(None).find(uow, question, limit, scope)
            except ModelError as error:
                reason = error.message
                by_words = self._search(_words_only())
                matches = by_words.find(uow, question, limit, scope)
            numbers = [match.sop for match in matches if match.sop is not None]
            known = procedures.by_number(uow, numbers)
            told = [(known[m.sop], m) for m in matches if m.sop in known]
            return SopFound(tuple(told), reason)

    def exported(
        self, actor: Actor, name: str, version: int | None = None
    ) -> SopVersionRecord:
        """Return a version of a procedure to be written elsewhere.

        Raises:
            NotFoundError: there is no such procedure or version.
        """
        authorize(actor, Permission.EXPORT)
        return self.get(actor, name, version)

    def every(self, actor: Actor) -> Iterator[SopVersionRecord]:
        """Yield the version in force of each procedure, by number."""
        authorize(actor, Permission.EXPORT)
        with self._database.read() as uow:
            numbers = uow.session.exec(select(Sop.id).order_by(col(Sop.id))).all()
        for number in numbers:
            with self._database.read() as uow:
                sop = uow.session.get_one(Sop, number)
                if sop.current is not None:
                    row = procedures.version_of(uow, sop)
                    yield sop_records.record(uow, row)

    def statistics(
        self, actor: Actor, name: str | None = None
    ) -> "list[SopStatistics]":
        """Return how procedures did; see `sop_statistics`.

        Raises:
            NotFoundError: there is no such procedure.
        """
        from issuetrack.engine.assistant.sops import statistics as sop_statistics

        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            chosen = None if name is None else procedures.find(uow, name).id
            return sop_statistics.of(uow, self._clock(), chosen)


def _words_only() -> dict[str, float]:
    """Return the weights of the legs that need no model."""
    from issuetrack.engine.retrieval.fusion import LEXICAL_TEXT, LEXICAL_TITLE, WEIGHTS

    return {leg: WEIGHTS[leg] for leg in (LEXICAL_TEXT, LEXICAL_TITLE)}


def _shown_versions(status: SopStatus | None) -> SelectOfScalar[SopVersion]:
    """Return what selects the versions that a list shows, the latest first."""
    versions = (
        select(SopVersion)
        .join(Sop, col(Sop.id) == col(SopVersion.sop_id))
        .order_by(col(SopVersion.created_at).desc(), col(SopVersion.id).desc())
    )
    if status is None:
        return versions.where(col(Sop.current) == col(SopVersion.version))
    if status is not SopStatus.DEPRECATED:
        return versions.where(SopVersion.status == status)
    newest = select(func.max(SopVersion.id)).group_by(col(SopVersion.sop_id))
    return versions.where(col(Sop.current).is_(None), col(SopVersion.id).in_(newest))
