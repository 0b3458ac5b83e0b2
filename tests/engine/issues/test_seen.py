"""What each person has looked at: new, changed since, seen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from conftest import Team
from engine.sync.scripted import DAY, Mirror, remote
from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.issues.seen import Mark, UnreadCounts
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.workspace import Workspace


@pytest.fixture
def owner(team: Team) -> Workspace:
    """Return the workspace of a team, open as its owner."""
    return team.open("owner")


@pytest.fixture
def viewer(team: Team) -> Workspace:
    """Return the same workspace, open as a viewer."""
    return team.open("viewer")


def create(workspace: Workspace, title: str = "disk full") -> int:
    """Open an issue."""
    return workspace.issues.create(workspace.actor, IssueDraft(title)).number


def marks(workspace: Workspace) -> dict[int, str]:
    """Return the marks of all issues, and see that the counts agree with them."""
    actor = workspace.actor
    numbers = workspace.issues.numbers(actor, sort="number")
    summaries = workspace.issues.summaries(actor, numbers)
    found = workspace.seen.marks(actor, summaries.values())
    said = list(found.values())
    counts = UnreadCounts(said.count(Mark.NEW), said.count(Mark.CHANGED))
    assert counts == workspace.seen.counts(actor)
    return {number: mark.value for number, mark in found.items()}


def test_everything_counts_as_seen_at_the_beginning(
    owner: Workspace, viewer: Workspace
) -> None:
    """Only what comes in or is changed after the first call stands out."""
    for _ in range(2):
        create(owner)
    assert marks(viewer) == {1: "seen", 2: "seen"}
    viewer.seen.begin(viewer.actor)
    assert marks(viewer) == {1: "seen", 2: "seen"}
    create(owner)
    owner.issues.comment(owner.actor, "2", "seen")

    assert marks(viewer) == {1: "seen", 2: "changed", 3: "new"}


def test_the_beginning_is_kept(owner: Workspace, viewer: Workspace) -> None:
    """To begin again, at the next start, does not make anything seen."""
    viewer.seen.begin(viewer.actor)
    create(owner)
    viewer.seen.begin(viewer.actor)

    assert marks(viewer) == {1: "new"}


def test_a_look_makes_it_seen_until_it_changes(
    owner: Workspace, viewer: Workspace
) -> None:
    """Fields, comments and status alike; and a second look makes it seen again."""
    viewer.seen.begin(viewer.actor)
    create(owner)
    issues, actor = owner.issues, owner.actor
    changes: list[Callable[[], object]] = [
        lambda: issues.edit(actor, "1", {"title": "disk is full"}),
        lambda: issues.comment(actor, "1", "seen"),
        lambda: issues.set_status(actor, "1", IssueStatus.CLOSED),
    ]
    for change in changes:
        viewer.seen.look(viewer.actor, 1)
        assert marks(viewer) == {1: "seen"}
        change()
        assert marks(viewer) == {1: "changed"}


def test_a_change_meanwhile_is_not_missed(owner: Workspace, viewer: Workspace) -> None:
    """A look at the revision that was shown does not hide a later one."""
    viewer.seen.begin(viewer.actor)
    create(owner)
    shown = viewer.issues.summaries(viewer.actor, [1])[1]
    owner.issues.comment(owner.actor, "1", "seen")
    viewer.seen.look(viewer.actor, 1, shown.revision)

    assert marks(viewer) == {1: "changed"}


def test_own_change_is_seen_with_a_look(owner: Workspace) -> None:
    """Who changes something looks at it anew."""
    owner.seen.begin(owner.actor)
    owner.seen.look(owner.actor, create(owner))
    owner.issues.comment(owner.actor, "1", "seen")
    owner.seen.look(owner.actor, 1)

    assert marks(owner) == {1: "seen"}


def test_it_can_be_made_unread_again(owner: Workspace, viewer: Workspace) -> None:
    """What was looked at and what was there from the beginning alike."""
    create(owner)
    viewer.seen.begin(viewer.actor)
    create(owner)
    viewer.seen.look(viewer.actor, 2)
    for number in (1, 2):
        viewer.seen.forget(viewer.actor, number)
    assert marks(viewer) == {1: "new", 2: "new"}

    viewer.seen.look(viewer.actor, 1)
    assert marks(viewer) == {1: "seen", 2: "new"}


def test_everybody_has_marks_of_their_own(owner: Workspace, viewer: Workspace) -> None:
    """What one has looked at is as it was for another."""
    for workspace in (owner, viewer):
        workspace.seen.begin(workspace.actor)
    create(owner)
    owner.seen.look(owner.actor, 1)

    assert (marks(owner), marks(viewer)) == ({1: "seen"}, {1: "new"})


def test_old_issues_that_come_in_late_are_new(owner: Workspace) -> None:
    """It counts when it came into the workspace, not when the tracker opened it."""
    mirror = Mirror(owner)
    mirror.add()
    mirror.read(remote("A"))
    owner.seen.begin(owner.actor)
    long_ago = DAY - timedelta(days=900)
    mirror.read(remote("B", created_at=long_ago, updated_at=long_ago))

    assert marks(owner) == {1: "seen", 2: "new"}


def test_a_sync_changes_what_was_looked_at(owner: Workspace) -> None:
    """Whatever the clock of the tracker says."""
    mirror = Mirror(owner)
    mirror.add()
    owner.seen.begin(owner.actor)
    mirror.read(remote("A"), remote("B"))
    for number in (1, 2):
        owner.seen.look(owner.actor, number)
    mirror.read(remote("A", title="disk is full"), remote("B"))

    assert marks(owner) == {1: "changed", 2: "seen"}


def test_marks_go_with_their_issues(owner: Workspace) -> None:
    """An issue that has the number of one that is gone is new."""
    mirror = Mirror(owner)
    mirror.add()
    mirror.read(remote("A"))
    owner.seen.begin(owner.actor)
    owner.seen.look(owner.actor, 1)
    owner.sources.remove(owner.actor, mirror.name, with_issues=True)
    assert mirror.sql("SELECT count(*) FROM seen") == [(0,)]
    assert create(owner) == 1

    assert marks(owner) == {1: "new"}


def test_an_issue_that_is_gone_is_left_alone(owner: Workspace) -> None:
    """To look at it or to forget it is nothing, and it has no mark."""
    create(owner)
    (summary,) = owner.issues.summaries(owner.actor, [1]).values()
    owner.seen.look(owner.actor, 7)
    owner.seen.forget(owner.actor, 7)

    assert owner.seen.marks(owner.actor, [replace(summary, number=7)]) == {}


def test_looking_is_not_in_the_trail(owner: Workspace, viewer: Workspace) -> None:
    """Marks are no change of the record: nothing is written down, nothing indexed."""
    create(owner)
    entries, before = owner.verify_audit().entries, owner.issues.get(owner.actor, "1")
    viewer.seen.begin(viewer.actor)
    viewer.seen.look(viewer.actor, 1)
    viewer.seen.forget(viewer.actor, 1)

    assert entries == owner.verify_audit().entries
    assert before == owner.issues.get(owner.actor, "1")


def test_who_may_not_read_has_no_marks(team: Team, owner: Workspace) -> None:
    """Every door asks for the role before it does anything."""
    create(owner)
    service = team.open("exporter")
    actor, seen = service.actor, service.seen
    doors: list[Callable[[], object]] = [
        lambda: seen.begin(actor),
        lambda: seen.look(actor, 1),
        lambda: seen.forget(actor, 1),
        lambda: seen.marks(actor, []),
        lambda: seen.counts(actor),
    ]
    for door in doors:
        with pytest.raises(PermissionDenied, match="to read"):
            door()
