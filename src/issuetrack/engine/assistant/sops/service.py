"""Procedures of one workspace: read, searched, written and decided about."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops import workflow as sop_workflow
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.queries import SopQueries
from issuetrack.engine.assistant.sops.records import SopVersionRecord
from issuetrack.engine.assistant.sops.workflow import Act, Basis, NewVersion
from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.drafts import DraftWish, SopDraft
    from issuetrack.engine.assistant.sops.imports import ImportWish, SopFile, SopImport
    from issuetrack.engine.sync.ports import BadRecord

Decision = Callable[[UnitOfWork, Act, Sop], SopVersion]


class SopService(SopQueries):
    """The procedures of one workspace."""

    def create(self, actor: Actor, procedure: Procedure) -> SopVersionRecord:
        """Begin a procedure.

        Raises:
            UsageError: it has no title or is too long.
        """
        authorize(actor, Permission.WRITE_SOPS)
        act = Act(actor, self._clock(), "create")
        with self._database.write() as uow:
            row = sop_workflow.create(uow, act, NewVersion(procedure))
            sop_workflow.audited(uow, act, row)
            return sop_records.record(uow, row)

    def edit(
        self, actor: Actor, name: str, procedure: Procedure, basis: Basis
    ) -> SopVersionRecord:
        """Write a new version of a procedure, unless nothing is changed.

        Raises:
            ConflictError: somebody wrote a newer version meanwhile.
            NotFoundError: there is no such procedure.
            UsageError: it has no title or is too long.
        """
        authorize(actor, Permission.WRITE_SOPS)
        act = Act(actor, self._clock(), "edit")
        with self._database.write() as uow:
            sop = procedures.find(uow, name)
            before = procedures.version_of(uow, sop, basis.version)
            if sop_records.procedure_of(uow, before) == procedure:
                return sop_records.record(uow, before)
            cited = sop_records.citations_of(uow, before)
            kept = sop_records.still_cited(cited, procedure)
            new = NewVersion(procedure, kept)
            row = sop_workflow.add_version(uow, act, sop, new, basis)
            sop_workflow.audited(uow, act, row)
            return sop_records.record(uow, row)

    def submit(self, actor: Actor, name: str) -> SopSummary:
        """Ask for the approval of the newest version.

        Raises:
            UsageError: it is no draft.
        """
        authorize(actor, Permission.WRITE_SOPS)
        return self._decide(actor, name, "submit", None, sop_workflow.submit)

    def approve(
        self,
        actor: Actor,
        name: str,
        note: str | None = None,
        version: int | None = None,
    ) -> SopSummary:
        """Put the newest version into force, in the place of the one before.

        Args:
            actor: who approves it.
            name: the procedure.
            note: why.
            version: the version that was looked at; None for whatever is newest.

        Raises:
            ConflictError: somebody wrote a newer version meanwhile.
            UsageError: it is not in review.
            PermissionDenied: the actor wrote it, and the policy does not let them.
        """
        authorize(actor, Permission.APPROVE_SOPS)
        decision = partial(sop_workflow.approve, version=version)
        with recorded(actor, Permission.APPROVE_SOPS):
            return self._decide(actor, name, "approve", note, decision)

    def reject(
        self, actor: Actor, name: str, note: str, version: int | None = None
    ) -> SopSummary:
        """Give the newest version back as a draft, and say why.

        Args:
            actor: who rejects it.
            name: the procedure.
            note: why.
            version: the version that was looked at; None for whatever is newest.

        Raises:
            ConflictError: somebody wrote a newer version meanwhile.
            UsageError: it is not in review.
        """
        authorize(actor, Permission.APPROVE_SOPS)
        decision = partial(sop_workflow.reject, version=version)
        return self._decide(actor, name, "reject", note, decision)

    def deprecate(
        self,
        actor: Actor,
        name: str,
        note: str | None = None,
        version: int | None = None,
    ) -> SopSummary:
        """Take a procedure, or one version of it, out of use.

        Raises:
            UsageError: it is out of use already.
        """
        authorize(actor, Permission.APPROVE_SOPS)

        def decision(uow: UnitOfWork, act: Act, sop: Sop) -> SopVersion:
            return sop_workflow.deprecate(uow, act, sop, version)

        return self._decide(actor, name, "deprecate", note, decision)

    def _decide(
        self, actor: Actor, name: str, action: str, note: str | None, decision: Decision
    ) -> SopSummary:
        act = Act(actor, self._clock(), action, note and note.strip())
        with self._database.write() as uow:
            row = decision(uow, act, procedures.find(uow, name))
            sop_workflow.audited(uow, act, row)
            return procedures.summaries(uow, [row])[0]

    def draft(self, actor: Actor, wish: "DraftWish") -> "SopDraft":
        """Draft a procedure from resolved issues; see `sop_drafts`.

        Raises:
            UsageError: nobody knows what fixed the issues.
            NotFoundError: there is no such issue.
        """
        from issuetrack.engine.assistant.sops.drafts import Drafting

        authorize(actor, Permission.WRITE_SOPS)
        drafting = Drafting(self._database, self._clock, self._search(None), self._chat)
        return drafting.run(actor, wish)

    def draft_for(self, actor: Actor, issue: str) -> "SopDraft | None":
        """Draft a procedure from an issue that was just resolved.

        None where the policy is off, where there is nothing to draft from or where a
        version of the procedure it belongs to is in review.
        """
        from issuetrack.engine.assistant.sops.drafts import Drafting

        authorize(actor, Permission.WRITE_SOPS)
        drafting = Drafting(self._database, self._clock, self._search(None), self._chat)
        return drafting.after_resolving(actor, issue)

    def import_files(
        self,
        actor: Actor,
        files: "Iterable[SopFile | BadRecord]",
        wish: "ImportWish",
        progress: "Callable[[SopImport], None] | None" = None,
    ) -> "SopImport":
        """Take Markdown files in as procedures; see `sop_imports`.

        Raises:
            PermissionDenied: they are to be approved at once, and the policy is off.
        """
        from issuetrack.engine.assistant.sops.imports import run

        authorize(actor, Permission.WRITE_SOPS)
        if wish.approved:
            authorize(actor, Permission.APPROVE_SOPS)
        with recorded(actor, Permission.APPROVE_SOPS):
            return run(self._database, self._clock, actor, files, wish, progress)


@contextmanager
def recorded(actor: Actor, permission: Permission) -> Iterator[None]:
    """Have a refusal written into the audit trail, after what it refused is undone.

    Raises:
        PermissionDenied: the block did.
    """
    try:
        yield
    except PermissionDenied:
        actor.denied(permission.value)
        raise
