"""Procedures: versions, who decides, what is in force, what is found and used."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from conftest import Clock, Team
from issuetrack.engine.assistant.sops.imports import ImportWish, SopFile
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.records import SopVersionRecord
from issuetrack.engine.assistant.sops.service import SopService
from issuetrack.engine.assistant.sops.workflow import LONGEST_SOP, Basis
from issuetrack.engine.errors import (
    ConflictError,
    ModelError,
    NotFoundError,
    PermissionDenied,
    UsageError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.identity.policies import AUTHOR_MAY_APPROVE, RATINGS_COUNT
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval import chunk_rows
from issuetrack.engine.retrieval.scope import Scope, SopScope
from issuetrack.engine.retrieval.search import Options, Question, Search
from issuetrack.engine.retrieval.vector_index import nearest
from issuetrack.engine.retrieval.weighting import APPROVED_SOP
from issuetrack.engine.store.learning_tables import Outcome, SopUse
from issuetrack.engine.store.types import ChunkKind, OutcomeResult, SopStatus
from issuetrack.engine.workspace import Workspace

DISK = Procedure(
    "Disk full on a worker",
    problem="A worker has no room left on /var.",
    symptoms="- touch says ENOSPC, no space left on device",
    cause="- old logs filled /var",
    steps="1. Delete the old logs with `find /var/log -mtime +7 -delete`.",
    validation="- `df -h /var` shows room again",
    rollback="- Restore the logs from the backup with `restic restore latest`.",
    tags=("disk",),
)
ASKED = Question("Disk full", "touch says ENOSPC, no space left on device")


def basis_of(record: SopVersionRecord) -> Basis:
    """Return what somebody who reads a version would base the next on."""
    return Basis(record.summary.version, record.summary.latest)


def approved(workspace: Workspace, procedure: Procedure) -> int:
    """Store a procedure that is in force, by one person."""
    actor = workspace.actor
    workspace.policies.set(actor, AUTHOR_MAY_APPROVE.name, "on")
    number = workspace.sops.create(actor, procedure).summary.sop
    workspace.sops.submit(actor, f"S{number}")
    workspace.sops.approve(actor, f"S{number}")
    return number


def edited(workspace: Workspace, name: str, **fields: Any) -> SopVersionRecord:
    """Write the next version of a procedure."""
    known = workspace.sops.to_edit(workspace.actor, name)
    changed = replace(known.procedure, **fields)
    return workspace.sops.edit(workspace.actor, name, changed, basis_of(known))


def statuses(workspace: Workspace, name: str) -> list[str]:
    """Return the status of each version."""
    versions, _ = workspace.sops.history(workspace.actor, name)
    return [version.status for version in versions]


def found(workspace: Workspace, scope: SopScope = SopScope.ALL) -> list[int]:
    """Return the versions that a search finds."""
    told = workspace.sops.search(workspace.actor, ASKED, scope)
    return [summary.version for summary, _ in told.matches]


def test_a_procedure_goes_from_draft_to_approved(team: Team) -> None:
    """One writes and submits, another approves; the history tells who and when."""
    engineer, owner = team.open("engineer"), team.open("owner")
    made = engineer.sops.create(engineer.actor, DISK)
    assert (made.summary.name, made.summary.status) == ("S1", SopStatus.DRAFT)
    assert made.procedure == DISK
    engineer.sops.submit(engineer.actor, "S1")
    told = owner.sops.approve(owner.actor, "S1", "tried on staging")
    assert (told.status, told.author, told.approved_by) == (
        SopStatus.APPROVED,
        "engineer",
        "owner",
    )
    _, events = owner.sops.history(owner.actor, "S1")
    assert [(e.action, e.actor, e.note) for e in events] == [
        ("create", "engineer", None),
        ("submit", "engineer", None),
        ("approve", "owner", "tried on staging"),
    ]
    entries = owner.trail.entries(owner.actor, AuditFilter(action="sop"))
    assert [entry.action for entry in entries] == [
        "sop.approve",
        "sop.submit",
        "sop.create",
    ]
    assert owner.verify_audit().broken_at is None


def test_the_author_does_not_approve(team: Team) -> None:
    """It is refused, said how to go on, written into the trail; a policy allows it."""
    engineer, owner = team.open("engineer"), team.open("owner")
    engineer.sops.create(engineer.actor, DISK)
    engineer.sops.submit(engineer.actor, "S1")
    with pytest.raises(PermissionDenied, match="engineer wrote S1") as raised:
        engineer.sops.approve(engineer.actor, "S1")
    assert "config set sop.author_may_approve on" in (raised.value.hint or "")
    assert statuses(owner, "S1") == ["in_review"]
    (entry,) = owner.trail.entries(owner.actor, AuditFilter(action="access.denied"))
    assert (entry.actor, entry.entity) == ("engineer", "permission:approve SOPs")
    owner.policies.set(owner.actor, AUTHOR_MAY_APPROVE.name, "on")
    engineer.sops.approve(engineer.actor, "S1")
    assert statuses(owner, "S1") == ["approved"]


def test_who_edits_last_is_the_author(team: Team) -> None:
    """Whoever wrote the first version may approve what somebody else made of it."""
    engineer, owner = team.open("engineer"), team.open("owner")
    engineer.sops.create(engineer.actor, DISK)
    edited(owner, "S1", cause="- a core dump filled /var")
    owner.sops.submit(owner.actor, "S1")
    with pytest.raises(PermissionDenied, match="owner wrote S1"):
        owner.sops.approve(owner.actor, "S1")
    assert engineer.sops.approve(engineer.actor, "S1").version == 2


def test_viewers_read_and_do_not_write(team: Team) -> None:
    """Every reading is allowed to them, every writing refused."""
    owner, viewer = team.open("owner"), team.open("viewer")
    owner.sops.create(owner.actor, DISK)
    sops, actor = viewer.sops, viewer.actor
    record = sops.get(actor, "S1")
    assert record.procedure == DISK
    assert sops.matching(actor)[1] == 1
    writing = (
        lambda: sops.create(actor, DISK),
        lambda: sops.edit(actor, "S1", DISK, basis_of(record)),
        lambda: sops.to_edit(actor, "S1"),
        lambda: sops.submit(actor, "S1"),
        lambda: sops.approve(actor, "S1"),
        lambda: sops.reject(actor, "S1", "no"),
        lambda: sops.deprecate(actor, "S1"),
        lambda: sops.import_files(actor, [], ImportWish()),
        lambda: sops.draft_for(actor, "1"),
    )
    for write in writing:
        with pytest.raises(PermissionDenied, match="viewer is viewer"):
            write()
    assert statuses(owner, "S1") == ["draft"]


def test_of_two_edits_at_once_the_second_is_told(workspace: Workspace) -> None:
    """The newer version is named, nothing of it is lost, and the loser may go on."""
    workspace.sops.create(workspace.actor, DISK)
    read = workspace.sops.to_edit(workspace.actor, "S1")
    edited(workspace, "S1", cause="- a core dump filled /var")
    mine = replace(read.procedure, steps="1. Call the storage team.")
    with pytest.raises(ConflictError, match="version 2 by owner") as raised:
        workspace.sops.edit(workspace.actor, "S1", mine, basis_of(read))
    assert "sop diff S1 --from 1 --to 2" in (raised.value.hint or "")
    assert statuses(workspace, "S1") == ["deprecated", "draft"]
    kept = workspace.sops.get(workspace.actor, "S1").procedure
    assert (kept.cause, kept.steps) == ("- a core dump filled /var", DISK.steps)
    done = workspace.sops.edit(workspace.actor, "S1", mine, Basis(1, 2))
    assert (done.summary.version, done.parent) == (3, 1)


def test_versions_do_not_change(workspace: Workspace) -> None:
    """An edit is a new version; the old one reads as it did."""
    workspace.sops.create(workspace.actor, DISK)
    edited(workspace, "S1", title="Disk full")
    assert workspace.sops.get(workspace.actor, "S1", 1).procedure == DISK
    before, after, changes = workspace.sops.diff(workspace.actor, "S1")
    assert (before.version, after.version) == (1, 2)
    assert [c.field for c in changes if c.lines] == ["title"]


def test_an_edit_without_a_change_writes_nothing(workspace: Workspace) -> None:
    """No version, no event, no audit entry."""
    workspace.sops.create(workspace.actor, DISK)
    entries = workspace.verify_audit().entries
    assert edited(workspace, "S1").summary.version == 1
    assert workspace.verify_audit().entries == entries


def test_the_approved_version_is_in_force_until_the_next(workspace: Workspace) -> None:
    """A draft beside it changes nothing; approval of the draft supersedes it."""
    approved(workspace, DISK)
    edited(workspace, "S1", cause="- a core dump filled /var")
    assert workspace.sops.get(workspace.actor, "S1").summary.version == 1
    assert workspace.sops.get(workspace.actor, "S1").summary.latest == 2
    assert statuses(workspace, "S1") == ["approved", "draft"]
    workspace.sops.submit(workspace.actor, "S1")
    workspace.sops.approve(workspace.actor, "S1")
    assert workspace.sops.get(workspace.actor, "S1").summary.version == 2
    assert statuses(workspace, "S1") == ["deprecated", "approved"]
    _, events = workspace.sops.history(workspace.actor, "S1")
    last = events[-1]
    assert (last.version, last.action, last.note) == (1, "superseded", "by version 2")


def test_a_rejected_version_is_a_draft_again(workspace: Workspace) -> None:
    """The note says why; only what is in review can be rejected or approved."""
    workspace.sops.create(workspace.actor, DISK)
    with pytest.raises(UsageError, match="is a draft, not in review") as raised:
        workspace.sops.approve(workspace.actor, "S1")
    assert raised.value.hint == "issuetrack sop submit S1"
    workspace.sops.submit(workspace.actor, "S1")
    told = workspace.sops.reject(workspace.actor, "S1", "step 1 is dangerous")
    assert told.status is SopStatus.DRAFT
    _, events = workspace.sops.history(workspace.actor, "S1")
    assert (events[-1].action, events[-1].note) == ("reject", "step 1 is dangerous")
    with pytest.raises(UsageError, match="is a draft, not in review"):
        workspace.sops.reject(workspace.actor, "S1", "again")


def test_a_decision_is_about_the_version_that_was_looked_at(team: Team) -> None:
    """A version that was written meanwhile is neither approved nor rejected unseen."""
    engineer, owner = team.open("engineer"), team.open("owner")
    engineer.sops.create(engineer.actor, DISK)
    edited(engineer, "S1", cause="- a core dump filled /var")
    engineer.sops.submit(engineer.actor, "S1")
    told = "S1 has a version 2 by engineer since you looked"
    with pytest.raises(ConflictError, match=told) as raised:
        owner.sops.approve(owner.actor, "S1", version=1)
    assert raised.value.hint is not None
    assert raised.value.hint.endswith("issuetrack sop diff S1 --from 1 --to 2")
    with pytest.raises(ConflictError, match=told):
        owner.sops.reject(owner.actor, "S1", "not yet", version=1)
    assert statuses(owner, "S1")[-1] == "in_review"
    owner.sops.reject(owner.actor, "S1", "not yet", version=2)
    engineer.sops.submit(engineer.actor, "S1")
    assert owner.sops.approve(owner.actor, "S1", version=2).version == 2


def test_only_the_approved_are_evidence(workspace: Workspace) -> None:
    """Drafts and what is in review are never quoted; neither is what is deprecated."""
    actor = workspace.actor
    workspace.policies.set(actor, AUTHOR_MAY_APPROVE.name, "on")
    workspace.sops.create(actor, DISK)

    def quoted() -> set[str]:
        workspace.drain_index()
        made = workspace.suggestions.suggest(actor, ASKED)
        return {item.subject.name for item in made.composition.evidence}

    assert quoted() == set()
    workspace.sops.submit(actor, "S1")
    assert quoted() == set()
    workspace.sops.approve(actor, "S1")
    assert quoted() == {"S1"}
    edited(workspace, "S1", steps="1. Delete everything with `rm -rf /var`.")
    assert quoted() == {"S1"}
    made = workspace.suggestions.suggest(actor, ASKED)
    assert "rm -rf" not in repr(made.composition)
    accepted = OutcomeResult.ACCEPTED
    workspace.feedback.outcome(actor, f"R{made.recommendation}", accepted)
    (told,) = workspace.sops.statistics(actor, "S1")
    assert (told.used, dict(told.outcomes)[accepted]) == (3, 1)
    workspace.sops.deprecate(actor, "S1")
    assert quoted() == set()


def test_fields_decide_what_evidence_is(workspace: Workspace) -> None:
    """A check is a check because of its field, whatever its words are."""
    checks = "- Restart the page and look at it: it loads."
    approved(workspace, replace(DISK, validation=checks))
    workspace.drain_index()
    made = workspace.suggestions.suggest(workspace.actor, ASKED).composition
    assert [step.action for step in made.validation] == [checks.removeprefix("- ")]
    assert [cause.cause for cause in made.root_causes] == ["old logs filled /var"]
    assert len(made.steps) == 1
    assert "restic restore latest" in made.rollback[0].action


def test_an_approved_procedure_wins_a_near_tie(workspace: Workspace) -> None:
    """Where an issue tells as much, the procedure stands first."""
    actor = workspace.actor
    body = "A worker has no room left on /var. touch says ENOSPC"
    draft = IssueDraft("Disk full on a worker", body)
    number = workspace.issues.create(actor, draft).number
    fix = "Root cause: old logs filled /var. Fix: deleted them with `find -delete`."
    workspace.issues.resolve(actor, str(number), fix)
    approved(workspace, DISK)
    workspace.drain_index()
    made = workspace.suggestions.suggest(actor, ASKED)
    assert made.composition.steps[0].rationale == "from Disk full on a worker (S1)"
    assert {summary.title for summary, _ in made.similar} == {DISK.title}
    assert len(made.similar) == 2


def test_approval_counts_without_ratings(workspace: Workspace) -> None:
    """It is no rating: neither the policy nor an option takes it away."""
    approved(workspace, DISK)
    workspace.drain_index()
    workspace.policies.set(workspace.actor, RATINGS_COUNT.name, "off")
    for options in (Options(), Options(votes=False)):
        with workspace._database.read() as uow:
            (match,) = Search(workspace.model, options=options).find(uow, ASKED)
        assert APPROVED_SOP in {part.leg for part in match.contributions}


def test_drafts_do_not_crowd_out_what_is_approved(workspace: Workspace) -> None:
    """Of the approved alone the nearest are taken, however near drafts are."""
    approved(workspace, DISK)
    near = replace(DISK, title=ASKED.title)
    workspace.sops.create(workspace.actor, near)
    workspace.drain_index()
    (asked,) = workspace.model.embed([ASKED.title])
    with workspace._database.read() as uow:
        found = {
            scope: chunk_rows.owners(
                uow,
                set(nearest(uow, ChunkKind.SOP_TITLE, asked, 1, Scope(sops=scope))),
                Scope(sops=scope),
            )
            for scope in (SopScope.ALL, SopScope.APPROVED)
        }
    numbers = {scope: [s.number for s in of.values()] for scope, of in found.items()}
    assert numbers == {SopScope.ALL: [2], SopScope.APPROVED: [1]}


def test_search_finds_what_is_in_force(workspace: Workspace) -> None:
    """Approved only or drafts too; never what is deprecated, also with a backlog."""
    approved(workspace, DISK)
    workspace.drain_index()
    edited(workspace, "S1", cause="- a core dump filled /var")
    assert (found(workspace), found(workspace, SopScope.APPROVED)) == ([1], [1])
    workspace.sops.deprecate(workspace.actor, "S1", version=1)
    assert (found(workspace), found(workspace, SopScope.APPROVED)) == ([2], [])
    workspace.sops.deprecate(workspace.actor, "S1")
    assert found(workspace) == []
    workspace.drain_index()
    assert found(workspace) == []
    assert workspace.sops.matching(workspace.actor) == ([], 0)
    (last,), _ = workspace.sops.matching(workspace.actor, SopStatus.DEPRECATED)
    assert last.version == 2
    with pytest.raises(UsageError, match="S1 is deprecated already"):
        workspace.sops.deprecate(workspace.actor, "S1")


def test_a_deprecated_procedure_comes_back_as_a_draft(workspace: Workspace) -> None:
    """Editing it is the way back; it has to be approved again."""
    approved(workspace, DISK)
    workspace.drain_index()
    workspace.sops.deprecate(workspace.actor, "S1", "the worker is gone")
    made = edited(workspace, "S1", title="Disk full on any worker")
    assert (made.summary.version, made.summary.status) == (2, SopStatus.DRAFT)
    workspace.drain_index()
    assert found(workspace) == [2]
    assert found(workspace, SopScope.APPROVED) == []


def test_without_a_model_words_are_searched(workspace: Workspace) -> None:
    """The reason is told, and what shares words with the question is found."""
    approved(workspace, DISK)
    workspace.drain_index()

    class Broken:
        fingerprint, dimensions, window = "broken", 384, 256

        def count(self, text: str) -> int:
            return len(text)

        def embed(self, texts: object) -> object:
            raise ModelError("the model file is gone")

    broken = Broken()
    service = SopService(
        workspace._database,
        workspace._clock,
        lambda weights: Search(broken, weights) if weights else Search(broken),  # type: ignore[arg-type]
        lambda: None,
    )
    told = service.search(workspace.actor, Question("no room left"), SopScope.ALL)
    assert [summary.sop for summary, _ in told.matches] == [1]
    assert told.by_words_only is not None


def test_list_shows_what_waits_for_review(workspace: Workspace) -> None:
    """A version in review is listed as such beside the approved one in force."""
    approved(workspace, DISK)
    edited(workspace, "S1", title="Disk full")
    workspace.sops.submit(workspace.actor, "S1")
    (shown,), _ = workspace.sops.matching(workspace.actor)
    assert (shown.version, shown.latest) == (1, 2)
    (waiting,), _ = workspace.sops.matching(workspace.actor, SopStatus.IN_REVIEW)
    assert (waiting.version, waiting.title) == (2, "Disk full")
    assert workspace.sops.matching(workspace.actor, tags=["disk"])[1] == 1
    assert workspace.sops.matching(workspace.actor, tags=["disk", "no"])[1] == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"title": " "}, "the SOP has no title"),
        ({"title": "x" * 501}, "longer than 500"),
        ({"steps": "x" * LONGEST_SOP}, "longer than 1,000,000 characters"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    workspace: Workspace, changed: dict[str, Any], told: str
) -> None:
    """Nothing is written."""
    with pytest.raises(UsageError, match=told):
        workspace.sops.create(workspace.actor, replace(DISK, **changed))
    assert workspace.sops.matching(workspace.actor) == ([], 0)


def test_unknown_procedures_and_versions(workspace: Workspace) -> None:
    """They are not found, and the hint says where to look."""
    workspace.sops.create(workspace.actor, DISK)
    for name in ("S2", "2", "x.md", "S", "S99999999999999999999"):
        with pytest.raises(NotFoundError, match="there is no SOP"):
            workspace.sops.get(workspace.actor, name)
    with pytest.raises(NotFoundError, match="no version 2 of S1"):
        workspace.sops.get(workspace.actor, "s1", 2)


RUNBOOK = "# Disk full\n\n## Symptoms\n\nENOSPC\r\n\n## Steps\n\n1. Delete logs.\n"


def test_an_import_is_idempotent(workspace: Workspace) -> None:
    """The same text is left alone, another is a new version, the text kept verbatim."""
    actor, wish = workspace.actor, ImportWish(tags=("linux",))
    first = workspace.sops.import_files(actor, [SopFile("a/x.md", RUNBOOK)], wish)
    again = workspace.sops.import_files(actor, [SopFile("a/x.md", RUNBOOK)], wish)
    assert (first.created, again.created, again.unchanged) == (1, 0, 1)
    record = workspace.sops.get(actor, "a/x.md")
    assert (record.original, record.procedure.tags) == (RUNBOOK, ("linux",))
    changed = SopFile("a/x.md", f"{RUNBOOK}2. Wait.\n")
    assert workspace.sops.import_files(actor, [changed], wish).updated == 1
    assert workspace.sops.get(actor, "S1").summary.version == 2
    entries = workspace.trail.entries(actor, AuditFilter(action="sop.import"))
    assert len(entries) == 2


def test_an_edit_outlives_the_next_import(workspace: Workspace) -> None:
    """What was edited here stays until the file changes, and then in the history."""
    actor, wish = workspace.actor, ImportWish()
    workspace.sops.import_files(actor, [SopFile("a/x.md", RUNBOOK)], wish)
    edited(workspace, "S1", cause="- old logs")
    report = workspace.sops.import_files(actor, [SopFile("a/x.md", RUNBOOK)], wish)
    assert report.unchanged == 1
    assert workspace.sops.get(actor, "S1").procedure.cause == "- old logs"
    assert workspace.sops.get(actor, "S1").original is None
    changed = SopFile("a/x.md", f"{RUNBOOK}2. Wait.\n")
    workspace.sops.import_files(actor, [changed], wish)
    assert workspace.sops.get(actor, "S1").original == changed.text
    assert workspace.sops.get(actor, "S1", 2).procedure.cause == "- old logs"


def test_edited_tags_outlive_the_next_import(workspace: Workspace) -> None:
    """A tag that somebody took away stays away until the file or the wish changes."""
    actor, wish = workspace.actor, ImportWish(tags=("linux",))
    files = [SopFile("a/x.md", RUNBOOK)]
    workspace.sops.import_files(actor, files, wish)
    edited(workspace, "S1", tags=("disk",))
    assert workspace.sops.import_files(actor, files, wish).unchanged == 1
    assert workspace.sops.get(actor, "S1").procedure.tags == ("disk",)
    more = ImportWish(tags=("linux", "worker"))
    assert workspace.sops.import_files(actor, files, more).updated == 1


def test_a_dry_run_counts_and_writes_nothing(workspace: Workspace) -> None:
    """Nothing is there afterwards, not even an audit entry."""
    entries = workspace.verify_audit().entries
    files = [SopFile("a/x.md", RUNBOOK), SopFile("a/y.md", ""), SopFile("a/x.md", "z")]
    report = workspace.sops.import_files(
        workspace.actor, files, ImportWish(dry_run=True)
    )
    assert (report.read, report.created, report.refused) == (3, 1, 2)
    assert [p.reason for p in report.problems] == [
        "is empty",
        "another file has the same name",
    ]
    assert workspace.verify_audit().entries == entries


def test_an_import_is_approved_only_where_the_policy_says_so(
    workspace: Workspace,
) -> None:
    """Else one person could put anything into force by way of a file."""
    actor, wish = workspace.actor, ImportWish(approved=True)
    files = [SopFile("a/x.md", RUNBOOK)]
    with pytest.raises(PermissionDenied, match="owner writes what is imported"):
        workspace.sops.import_files(actor, files, wish)
    assert workspace.sops.matching(actor) == ([], 0)
    workspace.policies.set(actor, AUTHOR_MAY_APPROVE.name, "on")
    workspace.sops.import_files(actor, files, ImportWish())
    assert workspace.sops.import_files(actor, files, wish).unchanged == 1
    assert statuses(workspace, "S1") == ["approved"]


def test_files_about_the_folder_are_skipped(workspace: Workspace) -> None:
    """A licence and a README that hardly says anything; not one that tells steps."""
    files = [
        SopFile("a/README.md", "# Runbooks\n\nSee the folders.\n"),
        SopFile("a/LICENSE.md", "# Licence\n\n" + "All rights. " * 100),
        SopFile("a/b/README.md", RUNBOOK),
    ]
    report = workspace.sops.import_files(workspace.actor, files, ImportWish())
    assert (report.created, report.skipped) == (1, 2)


def test_statistics_tell_uses_ratings_and_outcomes(
    workspace: Workspace, clock: Clock
) -> None:
    """What nobody used or confirmed for half a year is said to be stale."""
    approved(workspace, DISK)
    actor = workspace.actor
    (fresh,) = workspace.sops.statistics(actor)
    assert (fresh.used, fresh.stars, fresh.last_success, fresh.stale) == (
        0,
        None,
        None,
        (),
    )
    clock.now += timedelta(days=200)
    (quiet,) = workspace.sops.statistics(actor, "S1")
    assert quiet.stale == ("neither used nor confirmed for 200 days",)
    with workspace._database.write() as uow:
        used: dict[str, Any] = {"sop_id": 1, "actor": actor.principal}
        uow.session.add(SopUse(**used, at=clock()))
        for place, result in enumerate(("accepted", "rejected")):
            row = Outcome(
                **used,
                uuid=str(place),
                result=OutcomeResult(result),
                created_at=clock(),
            )
            uow.session.add(row)
    (told,) = workspace.sops.statistics(actor)
    assert (told.used, dict(told.outcomes)) == (
        1,
        {"accepted": 1, "partly": 0, "rejected": 1},
    )
    assert told.last_success is not None
    day = clock.now.date().isoformat()
    assert told.stale == (f"rejected on {day}, and no success since",)


def test_a_procedure_that_only_failed_is_stale(
    workspace: Workspace, clock: Clock
) -> None:
    """It was rejected, and nobody ever said that it helped."""
    approved(workspace, DISK)
    clock.now += timedelta(days=1)
    workspace.feedback.outcome(workspace.actor, "S1", OutcomeResult.REJECTED)
    (told,) = workspace.sops.statistics(workspace.actor)
    day = clock.now.date().isoformat()
    assert told.last_success is None
    assert told.stale == (f"rejected on {day}, and no success since",)
