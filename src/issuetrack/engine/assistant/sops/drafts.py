"""Drafts procedures from resolved issues: quoted, or in a model's verified words.

Problem and symptoms are quoted from what was reported; cause, steps, checks and way back
from what fixed it, where a chat model may put them in other words if those are borne out
(`merging`). Where a procedure on the same thing is there, the draft is a new version of
it that says what it did not say yet.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from issuetrack.engine.assistant.drafting import ChosenModel, Drafted, Wish, drafted
from issuetrack.engine.assistant.merging import Merged
from issuetrack.engine.assistant.sops import changes as sop_changes
from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops import workflow as sop_workflow
from issuetrack.engine.assistant.sops.changes import FieldChange
from issuetrack.engine.assistant.sops.near import Near, completed, nearest
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.quotes import (
    Blocks,
    blocks_of,
    joined,
    quoted,
    source_of,
)
from issuetrack.engine.assistant.sops.records import Citation, SopVersionRecord
from issuetrack.engine.assistant.sops.workflow import Act, Basis, NewVersion
from issuetrack.engine.assistant.sources import Source
from issuetrack.engine.errors import ModelError, UsageError
from issuetrack.engine.identity.policies import DRAFT_ON_RESOLVE, is_on
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import procedures, records
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.issues.texts import LONGEST_TITLE
from issuetrack.engine.retrieval.search import Search
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import Sop
from issuetrack.engine.store.types import Role, SopStatus
from issuetrack.engine.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class DraftWish:
    """What to draft from, and where it goes.

    Attributes:
        issues: resolved issues, the one that it is named after first.
        new: begin a procedure, even if one on the same thing is there.
        into: the procedure to write a new version of; None to look for one.
        with_notes: quote work notes too, which viewers may then read.
        model: how a language model's answer is wanted.
    """

    issues: tuple[str, ...]
    new: bool = False
    into: str | None = None
    with_notes: bool = False
    model: Wish = field(default_factory=Wish)


@dataclass(frozen=True)
class SopDraft:
    """What came of a draft.

    Attributes:
        record: the version that was written, or the one that says all of it already.
        written: whether a version was written.
        near: the procedure on the same thing that was found; None where none was, or
            none was looked for.
        changes: field by field against the version it was made from; empty for a new
            procedure.
        notes_told: whether words of work notes are in it.
        warnings: what went less than well.
    """

    record: SopVersionRecord
    written: bool
    near: Near | None
    changes: tuple[FieldChange, ...]
    notes_told: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Told:
    """What the issues tell, ready to be written."""

    issues: tuple[IssueRecord, ...]
    blocks: Blocks
    procedure: Procedure
    model: str | None
    notes_told: bool
    warnings: tuple[str, ...]

    @property
    def citations(self) -> tuple[Citation, ...]:
        blocks = (block for found in self.blocks.values() for block in found)
        return tuple(citation for block in blocks for citation in block.citations)


class Drafting:
    """Drafts procedures in one workspace."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        search: Search,
        chat: ChosenModel,
    ) -> None:
        self._database = database
        self._clock = clock
        self._search = search
        self._chat = chat

    def run(self, actor: Actor, wish: DraftWish) -> SopDraft:
        """Draft a procedure, or a new version of one.

        Without an embedding model only citations tell which one is on the same thing.

        Raises:
            UsageError: nobody knows what fixed an issue, or that may not be told, or a
                version of the procedure is in review.
            NotFoundError: there is no such issue or procedure.
        """
        told = self._told(wish)
        near = None
        try:
            near = self._near(wish, told)
        except ModelError as error:
            warning = f"no SOP on the same thing was looked for: {error.message}"
            told = replace(told, warnings=(*told.warnings, warning))
        with self._database.write() as uow:
            if wish.into is not None:
                sop = procedures.find(uow, wish.into)
                return self._version(uow, actor, sop, told, None)
            if near is not None:
                sop = uow.session.get_one(Sop, near.summary.sop)
                return self._version(uow, actor, sop, told, near)
            act = Act(actor, self._clock(), "draft", _from(told))
            new = NewVersion(told.procedure, told.citations, told.model)
            row = sop_workflow.create(uow, act, new)
            sop_workflow.audited(uow, act, row)
            made = sop_records.record(uow, row)
            return _draft(told, made, None, ())

    def after_resolving(self, actor: Actor, issue: str) -> SopDraft | None:
        """Draft from an issue that was just resolved, if the policy says so.

        Work notes stay out of it. None where there is nothing to be drafted, or where
        a version of the procedure it belongs to is in review.
        """
        with self._database.read() as uow:
            if not is_on(uow, DRAFT_ON_RESOLVE):
                return None
        try:
            return self.run(actor, DraftWish((issue,)))
        except UsageError:
            return None

    def _told(self, wish: DraftWish) -> _Told:
        with self._database.read() as uow:
            rows = [records.find(uow, name) for name in dict.fromkeys(wish.issues)]
            issues = tuple(records.record(uow, row) for row in rows)
        sources = [source_of(issue, with_notes=wish.with_notes) for issue in issues]
        for issue, source in zip(issues, sources, strict=True):
            _check_told(issue, source)
        composition = quoted(sources)
        made = Drafted(Merged(composition, ()))
        if wish.model.model:
            ticket = f"{issues[0].summary.title}\n{issues[0].body}"
            made = drafted(self._chat, ticket, sources, composition, wish.model)
        by_model = made.asked is not None and made.merged.by_model
        blocks = blocks_of(issues, made.merged.composition)
        return _Told(
            issues,
            blocks,
            _procedure(issues, blocks),
            made.asked.fingerprint if made.asked and by_model else None,
            any(i.reader is not Role.VIEWER for i in made.merged.composition.evidence),
            made.warnings,
        )

    def _near(self, wish: DraftWish, told: _Told) -> Near | None:
        if wish.new or wish.into is not None:
            return None
        numbers = [issue.number for issue in told.issues]
        with self._database.read() as uow:
            return nearest(uow, self._search, told.procedure, numbers)

    def _version(
        self, uow: UnitOfWork, actor: Actor, sop: Sop, told: _Told, near: Near | None
    ) -> SopDraft:
        """Write what a procedure does not say yet as its next version."""
        before = procedures.worked_on(uow, sop)
        newest = procedures.latest(uow, sop)
        if newest.status is SopStatus.IN_REVIEW:
            raise UsageError(
                f"version {newest.version} of S{sop.id}, on the same thing, "
                "is in review",
                f"issuetrack sop approve S{sop.id}, or draft apart with --new",
            )
        known = sop_records.procedure_of(uow, before)
        found = {
            name: tuple(block.markdown for block in blocks)
            for name, blocks in told.blocks.items()
        }
        procedure = completed(known, found, f"{_from(told)}:")
        if procedure == known:
            return _draft(told, sop_records.record(uow, before), near, (), wrote=False)
        act = Act(actor, self._clock(), "draft", _from(told))
        cited = (*sop_records.citations_of(uow, before), *told.citations)
        kept = sop_records.still_cited(cited, procedure)
        new = NewVersion(procedure, kept, told.model)
        basis = Basis(before.version, newest.version)
        row = sop_workflow.add_version(uow, act, sop, new, basis)
        sop_workflow.audited(uow, act, row)
        made = sop_records.record(uow, row)
        return _draft(told, made, near, sop_changes.changes(known, procedure))


def _draft(
    told: _Told,
    record: SopVersionRecord,
    near: Near | None,
    changes: tuple[FieldChange, ...],
    *,
    wrote: bool = True,
) -> SopDraft:
    notes = told.notes_told and wrote
    return SopDraft(record, wrote, near, changes, notes, told.warnings)


def _check_told(issue: IssueRecord, source: Source) -> None:
    """Refuse an issue of which nothing can be told.

    Raises:
        UsageError: nobody wrote down what fixed it, or only for engineers.
    """
    if source.fix:
        return
    if issue.resolution is not None:
        raise UsageError(
            f"what fixed #{issue.number} stands in work notes, "
            "and viewers read procedures",
            "draft from them all the same: --with-notes",
        )
    raise UsageError(
        f"nobody wrote down what fixed #{issue.number}",
        f"say it first: issuetrack resolve {issue.number} 'what fixed it'",
    )


def _procedure(issues: tuple[IssueRecord, ...], blocks: Blocks) -> Procedure:
    first = issues[0].summary
    found = (
        tag
        for issue in issues
        for tag in (*issue.summary.labels, issue.summary.service or "")
    )
    texts = {
        name: joined([block.markdown for block in pieces])
        for name, pieces in blocks.items()
    }
    return Procedure(first.title[:LONGEST_TITLE], **texts, tags=tuple(found))


def _from(told: _Told) -> str:
    numbers = ", ".join(f"#{issue.number}" for issue in told.issues)
    return f"From {numbers}"
