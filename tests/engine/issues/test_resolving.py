"""Keeping the fix of an issue: mined at its end, never over a person's word."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from issuetrack.engine.errors import ConflictError
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues.records import ResolutionRecord
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    ResolutionHow,
    Role,
)
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
MINED = "Root cause: old logs filled /var. Fixed by deleting them with `find -delete`."
BETTER = "Fixed by raising the volume with `lvextend -r`. Root cause: it was too small."
STATED = "Replaced the broken controller and rebooted the host"


def create(workspace: Workspace, *comments: str) -> None:
    """Open issue 1, assigned to its reporter, with comments."""
    draft = IssueDraft("Disk full", assignee="owner")
    workspace.issues.create(workspace.actor, draft)
    for comment in comments:
        workspace.issues.comment(workspace.actor, "1", comment)


def finish(workspace: Workspace, comment: str | None = None) -> ResolutionRecord | None:
    """Close issue 1 and return its resolution."""
    status = IssueStatus.CLOSED
    record = workspace.issues.set_status(workspace.actor, "1", status, comment)
    return record.resolution and replace(record.resolution, score=None)


def remote(
    title: str, resolution: str | None, *comments: str, status: str = "closed"
) -> RemoteIssue:
    """Return an issue of a tracker."""
    said = tuple(RemoteComment(body, NOW, "ops", key=body[:9]) for body in comments)
    return RemoteIssue(
        "OPS-1",
        title,
        NOW,
        NOW,
        status=IssueStatus(status),
        assignee="ops",
        resolution=resolution,
        comments=said,
    )


def imported(workspace: Workspace, issue: RemoteIssue) -> ResolutionRecord | None:
    """Import an issue and return its resolution."""
    workspace.imports.run(workspace.actor, "jira", "jira", [issue])
    return workspace.issues.get(workspace.actor, "OPS-1").resolution


def test_closing_mines_the_comments(workspace: Workspace) -> None:
    """The fix told in a comment becomes the resolution, with its provenance."""
    create(workspace, "Looking at it", MINED, "Thanks")
    assert finish(workspace) == ResolutionRecord(
        MINED, ResolutionHow.MINED, "comment 2", Role.VIEWER
    )


def test_the_closing_comment_is_mined_too(workspace: Workspace) -> None:
    """What is said while closing counts like any comment."""
    create(workspace)
    resolution = finish(workspace, MINED)
    assert resolution is not None
    assert (resolution.text, resolution.provenance) == (MINED, "comment 1")


def test_nothing_is_mined_while_an_issue_is_open(workspace: Workspace) -> None:
    """A fix in a comment of an open issue is not its resolution yet."""
    create(workspace, MINED)
    status = IssueStatus.IN_PROGRESS
    record = workspace.issues.set_status(workspace.actor, "1", status)
    assert record.resolution is None


def test_reopening_takes_a_mined_fix_back(workspace: Workspace) -> None:
    """What did not hold is not kept as the fix; closing again mines anew."""
    create(workspace, MINED)
    finish(workspace)
    status = IssueStatus.OPEN
    record = workspace.issues.set_status(workspace.actor, "1", status)
    assert record.resolution is None
    resolution = finish(workspace, BETTER)
    assert resolution is not None
    assert resolution.text == BETTER


def test_closing_does_not_replace_what_a_person_said(workspace: Workspace) -> None:
    """A stated resolution stays, however good a comment is."""
    create(workspace, MINED)
    workspace.issues.resolve(workspace.actor, "1", STATED)
    assert finish(workspace, BETTER) == ResolutionRecord(
        STATED, ResolutionHow.STATED, "resolution", Role.VIEWER
    )


def test_stating_replaces_what_was_mined(workspace: Workspace) -> None:
    """A person's word goes before the miner's, also afterwards."""
    create(workspace, MINED)
    finish(workspace)
    resolution = workspace.issues.resolve(workspace.actor, "1", STATED).resolution
    assert resolution is not None
    assert (resolution.text, resolution.how) == (STATED, ResolutionHow.STATED)


def test_a_resolving_can_be_taken_back(workspace: Workspace) -> None:
    """Status, moments and fix are as before, and the trail says what was taken back."""
    create(workspace, MINED)
    actor, issues = workspace.actor, workspace.issues
    before = issues.set_status(actor, "1", IssueStatus.IN_PROGRESS)
    former = issues.standing(actor, "1")
    issues.resolve(actor, "1", STATED)
    after = issues.unresolve(actor, "1", former)
    assert (after.summary.status, after.summary.resolved_at, after.resolution) == (
        before.summary.status,
        None,
        None,
    )
    assert [e.after for e in after.events] == ["in_progress", "resolved", "in_progress"]
    (entry,) = workspace.trail.entries(actor, AuditFilter(action="issue.unresolve"))
    assert entry.before == {"status": "resolved", "resolution": STATED}
    assert entry.after == {"status": "in_progress", "resolution": None}
    issues.resolve(actor, "1", STATED)


@pytest.mark.parametrize("told", ["mined", "stated", "confirmed"])
def test_the_fix_before_comes_back(workspace: Workspace, told: str) -> None:
    """Taking a correction back restores the fix that gave way to it."""
    create(workspace, MINED)
    actor, issues = workspace.actor, workspace.issues
    finish(workspace)
    if told == "stated":
        issues.resolve(actor, "1", BETTER)
    if told == "confirmed":
        workspace.review.confirm(actor, "1")
    before, former = issues.get(actor, "1"), issues.standing(actor, "1")
    left = issues.resolve(actor, "1", STATED).summary.revision
    after = issues.unresolve(actor, "1", former, revision=left)
    assert after.resolution == before.resolution
    assert after.summary.closed_at == before.summary.closed_at
    assert issues.standing(actor, "1") == former


def test_a_fix_that_was_judged_is_not_taken_back(workspace: Workspace) -> None:
    """What somebody confirmed meanwhile stays, though no revision tells of it."""
    create(workspace)
    actor, issues = workspace.actor, workspace.issues
    former = issues.standing(actor, "1")
    left = issues.resolve(actor, "1", STATED).summary.revision
    workspace.review.confirm(actor, "1")
    with pytest.raises(ConflictError, match="was told otherwise meanwhile"):
        issues.unresolve(actor, "1", former, revision=left)
    assert issues.get(actor, "1").summary.status is IssueStatus.RESOLVED


def test_what_a_tracker_states_is_again_its_word(workspace: Workspace) -> None:
    """After taking a correction back, the source may say it otherwise."""
    imported(workspace, remote("Disk full", STATED))
    actor, issues = workspace.actor, workspace.issues
    former = issues.standing(actor, "OPS-1")
    issues.resolve(actor, "OPS-1", MINED)
    issues.unresolve(actor, "OPS-1", former)
    resolution = imported(workspace, remote("Disk full", BETTER))
    assert resolution is not None
    assert resolution.text == BETTER


def test_a_fix_in_a_work_note_is_for_engineers(workspace: Workspace) -> None:
    """The mined text is sealed with the engineers' key."""
    create(workspace)
    kind = CommentKind.WORK_NOTE
    workspace.issues.comment(workspace.actor, "1", MINED, kind)
    assert finish(workspace) == ResolutionRecord(
        MINED, ResolutionHow.MINED, "comment 1", Role.ENGINEER
    )
    with workspace._database.read() as uow:
        ((sealed,),) = uow.sql("SELECT text FROM resolution")
        key = uow._cipher._keys[bytes(sealed)[2 : 2 + sealed[1]].decode()]
    assert key.role is Role.ENGINEER


def test_an_import_mines(workspace: Workspace) -> None:
    """A closed issue of a tracker with an empty word has its comments mined."""
    resolution = imported(workspace, remote("Disk full", "Fixed", MINED))
    assert resolution is not None
    assert (resolution.text, resolution.how) == (MINED, ResolutionHow.MINED)


def test_an_import_takes_what_the_tracker_states(workspace: Workspace) -> None:
    """A resolution with content is kept as stated."""
    resolution = imported(workspace, remote("Disk full", STATED, MINED))
    assert resolution is not None
    assert (resolution.text, resolution.how) == (STATED, ResolutionHow.STATED)


def test_a_changed_import_mines_again(workspace: Workspace) -> None:
    """A better comment that came later replaces the mined fix."""
    imported(workspace, remote("Disk full", None, MINED))
    resolution = imported(workspace, remote("Disk full", None, MINED, BETTER))
    assert resolution is not None
    assert resolution.text == BETTER


def test_an_issue_reopened_at_the_source_loses_its_mined_fix(
    workspace: Workspace,
) -> None:
    """What the tracker reopened has no accepted fix."""
    imported(workspace, remote("Disk full", None, MINED))
    assert imported(workspace, remote("Disk full", None, MINED, status="open")) is None


@pytest.mark.parametrize("word", [None, "Fixed", "Duplicate"])
def test_an_import_never_mines_over_what_a_person_said(
    workspace: Workspace, word: str | None
) -> None:
    """A local resolution survives each change at the source."""
    imported(workspace, remote("Disk full", word, MINED))
    workspace.issues.resolve(workspace.actor, "OPS-1", STATED)
    resolution = imported(workspace, remote("Disk is full", word, MINED, BETTER))
    assert resolution is not None
    assert (resolution.text, resolution.how) == (STATED, ResolutionHow.STATED)


def test_what_an_import_mines_is_what_is_mined_again(workspace: Workspace) -> None:
    """An issue's own key is not taken for that of another one with the fix."""
    said = ("We restarted the host.", "Fixed in OPS-1 by the shorter rotation of logs.")
    first = imported(workspace, remote("Disk full", None, *said))
    changed = replace(remote("Disk full", None, *said), service="shop")
    assert (first, first is not None) == (imported(workspace, changed), True)
