"""Writing back: what is sent, that it is sent once, and that it is noted first."""

from collections.abc import Callable
from typing import Any

import pytest

from conftest import Team
from engine.sync.scripted import URL, Mirror, counts, remote, said
from issuetrack.engine.errors import (
    ConflictError,
    IssueTrackError,
    NotFoundError,
    PermissionDenied,
    RemoteUnreachable,
    UsageError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.types import CommentKind, IssueStatus
from issuetrack.engine.sync.connector import Change
from issuetrack.engine.sync.push import PushPlan, PushWish

NOTE = "Raised the pool to 8; stable since."
CUT = RemoteUnreachable("there was no answer", "the same command goes on")


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture
def pushing(mirror: Mirror) -> Mirror:
    """Return a source that may be written to, with one issue."""
    mirror.read(remote("A", id="1"))
    return mirror


def push(mirror: Mirror, name: str = "A", **wish: Any) -> PushPlan:
    """Push from an issue."""
    workspace = mirror.workspace
    return workspace.push.push(
        workspace.actor, name, PushWish(**wish), mirror.script.connect, {}
    )


def plan(mirror: Mirror, name: str = "A", **wish: Any) -> PushPlan:
    """Ask what a push would send."""
    workspace = mirror.workspace
    return workspace.push.plan(
        workspace.actor, name, PushWish(**wish), mirror.script.connect, {}
    )


def unmarked(requests: Any) -> list[tuple[str, str, dict[str, Any]]]:
    """Return requests without the mark that each try has of its own."""
    return [
        (r.method, r.url, {k: v for k, v in r.content.items() if k != "mark"})
        for r in requests
    ]


def bodies(mirror: Mirror) -> list[tuple[str | None, str | None]]:
    """Return the keys and texts of the comments of the issue."""
    return [(c.key, c.body) for c in mirror.issue("A").comments]


def raising(error: BaseException) -> Callable[[Change], None]:
    """Return what stops a push."""

    def stop(_change: Change) -> None:
        raise error

    return stop


def test_plan_is_what_is_sent(pushing: Mirror) -> None:
    """The requests that are shown are those that arrive; showing writes nothing."""
    workspace = pushing.workspace
    workspace.issues.edit(workspace.actor, "A", {"title": "mine", "priority": None})
    wish: dict[str, Any] = {"comment": NOTE, "pending": True}
    wish["status"] = IssueStatus.CLOSED
    before = pushing.tables()
    planned = plan(pushing, **wish)
    assert pushing.tables() == before
    assert pushing.script.requests == []
    sent = push(pushing, **wish)
    assert unmarked(planned.requests) == unmarked(pushing.script.requests)
    assert unmarked(sent.requests) == unmarked(pushing.script.requests)
    assert unmarked(planned.requests) == [
        ("POST", f"{URL}/A/comments", {"body": NOTE}),
        ("PATCH", f"{URL}/A", {"title": "mine", "status": "closed"}),
    ]
    assert (planned.issue, planned.key, planned.source) == (1, "A", "shop")
    assert pushing.script.closed == len(pushing.script.settings)


def test_what_was_pushed_is_upstream_here(pushing: Mirror) -> None:
    """The comment has the key that it has there, the status holds, nothing pends."""
    workspace = pushing.workspace
    workspace.issues.edit(workspace.actor, "A", {"title": "mine", "site": "DC1"})
    push(pushing, comment=NOTE, status=IssueStatus.CLOSED, pending=True)
    found = pushing.issue("A")
    assert bodies(pushing) == [("r1", NOTE)]
    assert found.summary.status is IssueStatus.CLOSED
    assert found.upstream.pending == ()

    echo = remote(
        "A",
        id="1",
        title="mine",
        site="DC1",
        status=IssueStatus.CLOSED,
        comments=(said("r1", f"{NOTE}\n\n<!-- issuetrack:abc -->", author="bot"),),
        complete=True,
    )
    pushing.read(echo)
    assert bodies(pushing) == [("r1", NOTE)]
    assert pushing.issue("A").upstream.pending == ()
    assert counts(pushing.read(echo)) == {"unchanged": 1}


def test_local_comment_goes_upstream_once(pushing: Mirror) -> None:
    """It stays one comment, under its new key, of its own kind."""
    workspace = pushing.workspace
    note = CommentKind.WORK_NOTE
    (comment,) = workspace.issues.comment(workspace.actor, "A", NOTE, note).comments
    push(pushing, comment_id=comment.id)
    assert bodies(pushing) == [("r1", NOTE)]
    with pytest.raises(UsageError, match="upstream already"):
        push(pushing, comment_id=comment.id)
    with pytest.raises(NotFoundError):
        push(pushing, comment_id=comment.id + 1)
    assert len(pushing.script.requests) == 1


def test_pending_edits_of_one_field_go_with_it(pushing: Mirror) -> None:
    """A status that is pushed takes its own edit along and leaves the others."""
    workspace = pushing.workspace
    workspace.issues.edit(workspace.actor, "A", {"title": "mine"})
    workspace.issues.set_status(workspace.actor, "A", IssueStatus.CLOSED)
    push(pushing, status=IssueStatus.CLOSED)
    assert unmarked(pushing.script.requests) == [
        ("PATCH", f"{URL}/A", {"status": "closed"})
    ]
    (edit,) = pushing.issue("A").upstream.pending
    assert edit.field == "title"


@pytest.mark.parametrize(
    ("name", "wish", "error"),
    [
        ("A", {}, UsageError),
        ("A", {"comment": "  "}, UsageError),
        ("A", {"pending": True}, UsageError),
        ("A", {"comment_id": 99}, NotFoundError),
        ("LOCAL", {"comment": NOTE}, UsageError),
        ("nothing", {"comment": NOTE}, NotFoundError),
    ],
)
def test_nothing_to_push_is_an_error(
    pushing: Mirror, name: str, wish: dict[str, Any], error: type[Exception]
) -> None:
    """Nothing is asked of the tracker, and nothing is noted."""
    workspace = pushing.workspace
    made = workspace.issues.create(workspace.actor, IssueDraft("local"))
    name = str(made.number) if name == "LOCAL" else name
    asked, before = len(pushing.script.settings), pushing.tables()
    for act in (plan, push):
        with pytest.raises(error):
            act(pushing, name, **wish)
    assert len(pushing.script.settings) == asked
    assert pushing.tables() == before


def test_write_back_is_off_until_an_admin_says_so(team: Team) -> None:
    """Nobody writes to a source that is not to be written to; viewers to none."""
    owner = Mirror(team.open("owner"))
    owner.add()
    owner.read(remote("A", id="1"))
    asked = len(owner.script.settings)
    for act in (plan, push):
        with pytest.raises(PermissionDenied, match="not to be written") as refused:
            act(owner, comment=NOTE)
        assert "--write-back on" in (refused.value.hint or "")
    owner.workspace.sources.edit(
        owner.workspace.actor,
        "shop",
        owner.source.settings,
        "repo acme/shop",
        write_back=True,
    )
    viewer = Mirror(team.open("viewer"), owner.script)
    for act in (plan, push):
        with pytest.raises(PermissionDenied):
            act(viewer, comment=NOTE)
    assert len(owner.script.settings) == asked
    push(Mirror(team.open("engineer"), owner.script), comment=NOTE)
    assert len(owner.script.requests) == 1


def test_two_at_once_send_it_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULTS 9: the same push of two people is sent by one of them."""
    monkeypatch.setattr("issuetrack.engine.sync.push.LONGEST_WAIT", 0.0)
    owner = Mirror(team.open("owner"))
    owner.add(write_back=True)
    owner.read(remote("A", id="1"))
    engineer = Mirror(team.open("engineer"), owner.script)

    def second(_change: Change) -> None:
        with pytest.raises(ConflictError):
            push(engineer, comment=NOTE)

    owner.script.before = second
    push(owner, comment=NOTE)
    assert list(owner.script.left.values()) == ["r1"]
    with pytest.raises(UsageError, match="was pushed on"):
        push(engineer, comment=NOTE)


def test_one_edit_of_several_is_pushed(pushing: Mirror) -> None:
    """The others stay pending."""
    workspace = pushing.workspace
    workspace.issues.edit(workspace.actor, "A", {"title": "mine", "site": "DC1"})
    push(pushing, pending=True, fields=("site",))
    assert unmarked(pushing.script.requests) == [("PATCH", f"{URL}/A", {"site": "DC1"})]
    (edit,) = pushing.issue("A").upstream.pending
    assert edit.field == "title"
    with pytest.raises(UsageError, match="nothing to push"):
        push(pushing, pending=True, fields=("labels",))


def test_status_that_cannot_follow_is_refused(pushing: Mirror) -> None:
    """The same rules as for a change here."""
    pushing.read(remote("A", id="1", status=IssueStatus.CLOSED))
    with pytest.raises(UsageError):
        push(pushing, status=IssueStatus.IN_PROGRESS)
    assert pushing.script.requests == []


def test_push_is_in_the_trail_before_it_is_sent(pushing: Mirror) -> None:
    """Who sends what is recorded first; without the record nothing is sent."""
    workspace = pushing.workspace

    def actions() -> list[str]:
        found = workspace.trail.entries(workspace.actor, AuditFilter(action="issue"))
        return [entry.action for entry in found]

    seen: list[list[str]] = []
    pushing.script.before = lambda _change: seen.append(actions())
    push(pushing, comment=NOTE)
    assert "issue.push" in seen[0]
    assert "issue.pushed" not in seen[0]
    assert "issue.pushed" in actions()
    assert any(
        NOTE in str(entry)
        for entry in workspace.trail.every(workspace.actor)
        if entry.action == "issue.push"
    )

    pushing.sql(
        "CREATE TRIGGER fail BEFORE INSERT ON audit_entry "
        "BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    with pytest.raises(IssueTrackError, match="no room"):
        push(pushing, comment="another")
    assert len(pushing.script.requests) == 1


@pytest.mark.parametrize("stop", [Killed(), CUT], ids=["killed", "no answer"])
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("own", [False, True], ids=["new", "local comment"])
def test_same_command_makes_it_exactly_once(
    pushing: Mirror, stop: BaseException, where: str, own: bool
) -> None:
    """FAULTS 1: whether it had arrived or not, the same command again makes it one."""
    workspace = pushing.workspace
    wish: dict[str, Any] = {"comment": NOTE, "status": IssueStatus.CLOSED}
    if own:
        (made,) = workspace.issues.comment(workspace.actor, "A", NOTE).comments
        wish = {"comment_id": made.id, "status": IssueStatus.CLOSED}
    setattr(pushing.script, where, raising(stop))
    with pytest.raises(type(stop)):
        push(pushing, **wish)
    left = list(pushing.script.left.values())
    assert left == (["r1"] if where == "after" else [])
    if not own:
        assert bodies(pushing) == []

    pushing.script.before = pushing.script.after = lambda _change: None
    done = push(pushing, **wish)
    posts = [r for r in pushing.script.requests if r.method == "POST"]
    assert len(posts) == 1
    assert list(pushing.script.left.values()) == ["r1"]
    assert done.done is (where == "after")
    assert bodies(pushing) == [("r1", NOTE)]
    assert pushing.issue("A").summary.status is IssueStatus.CLOSED
    with pytest.raises(UsageError, match=r"was pushed on|upstream already"):
        push(pushing, **wish)


@pytest.mark.parametrize("own", [False, True], ids=["new", "local comment"])
def test_sync_before_the_second_try_does_not_double_it(
    pushing: Mirror, own: bool
) -> None:
    """The comment may come back with a sync before the push is known to be done."""
    workspace = pushing.workspace
    wish: dict[str, Any] = {"comment": NOTE}
    if own:
        (made,) = workspace.issues.comment(workspace.actor, "A", NOTE).comments
        wish = {"comment_id": made.id}
    pushing.script.after = raising(Killed())
    with pytest.raises(Killed):
        push(pushing, **wish)
    ((mark, key),) = pushing.script.left.items()
    echo = said(key, f"{NOTE}\n\n<!-- issuetrack:{mark} -->", issue_key="A")
    pushing.read(echo)

    pushing.script.after = lambda _change: None
    assert push(pushing, **wish).done
    assert bodies(pushing) == [("r1", NOTE)]
    assert len(pushing.script.requests) == 1
    pushing.read(echo)
    assert bodies(pushing) == [("r1", NOTE)]


def test_the_same_again_takes_a_word(pushing: Mirror) -> None:
    """What was sent is refused a second time, unless it is meant."""
    push(pushing, comment=NOTE)
    for act in (plan, push):
        with pytest.raises(UsageError, match="was pushed on") as refused:
            act(pushing, comment=NOTE)
        assert "--again" in (refused.value.hint or "")
    push(pushing, comment=NOTE, again=True)
    push(pushing, comment=f"{NOTE} More.")
    assert list(pushing.script.left.values()) == ["r1", "r2", "r3"]
    marks = {request.content["mark"] for request in pushing.script.requests}
    assert len(marks) == 3
    assert [key for key, _ in bodies(pushing)] == ["r1", "r2", "r3"]


def test_push_that_the_tracker_cannot_do_leaves_nothing(pushing: Mirror) -> None:
    """A refusal while the requests are made up leaves no note of a push."""
    workspace = pushing.workspace
    workspace.sources.remove(workspace.actor, "shop")
    before = pushing.tables()
    with pytest.raises(UsageError, match="not from a tracker"):
        push(pushing, comment=NOTE)
    assert pushing.tables() == before
