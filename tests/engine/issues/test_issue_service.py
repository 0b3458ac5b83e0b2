"""Issues opened, edited, discussed and finished, with all that is recorded."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from issuetrack.engine.errors import ConflictError, NotFoundError, UsageError
from issuetrack.engine.issues.records import IssueRecord, ResolutionRecord
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.issues.texts import (
    LONGEST_TITLE,
    MOST_BODY,
    checked_body,
    checked_title,
    clean_line,
)
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    IssueType,
    Priority,
    ResolutionHow,
    Role,
)
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
FULL = IssueDraft(
    "Disk full",
    "No space left on device",
    IssueType.PROBLEM,
    Priority.P2,
    "checkout",
    "DC1",
    "linux",
    ("disk", "prod"),
    "ops",
)


def create(workspace: Workspace, draft: IssueDraft = FULL) -> IssueRecord:
    """Open an issue."""
    return workspace.issues.create(workspace.actor, draft)


def events(record: IssueRecord) -> list[tuple[str, str | None, str | None]]:
    """Return what was changed in an issue."""
    return [(event.field, event.before, event.after) for event in record.events]


def test_a_new_issue_is_as_it_was_drafted(workspace: Workspace) -> None:
    """All fields come back, with number, reporter and times filled in."""
    record = create(workspace)
    summary = record.summary
    assert (record.number, record.body) == (1, FULL.body)
    assert (
        IssueDraft(
            summary.title,
            record.body,
            summary.type,
            summary.priority,
            summary.service,
            summary.site,
            summary.category,
            summary.labels,
            summary.assignee,
        )
        == FULL
    )
    assert (summary.status, summary.reporter) == (IssueStatus.OPEN, "owner")
    assert (summary.key, summary.url, summary.source) == (None, None, None)
    assert summary.created_at == summary.updated_at
    assert (summary.resolved_at, summary.closed_at) == (None, None)
    assert (summary.revision, record.comments, record.events) == (1, (), ())
    assert workspace.issues.get(workspace.actor, "1") == record


def test_issues_are_numbered_in_order(workspace: Workspace) -> None:
    """Numbers count up from 1."""
    made = [create(workspace, IssueDraft(f"issue {n}")).number for n in range(3)]
    assert made == [1, 2, 3]


@pytest.mark.parametrize("title", ["", "   ", "\n\t"])
def test_a_title_must_say_something(workspace: Workspace, title: str) -> None:
    """An issue without a title is refused and nothing is stored."""
    with pytest.raises(UsageError, match="title is empty"):
        create(workspace, IssueDraft(title))
    assert workspace.issues.matching(workspace.actor) == ([], 0)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  disk \n full\t now ", "disk full now"),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("caf\udce9", "caf?"),
        ("x" * 600, "x" * LONGEST_TITLE),
        ("[bold red]not markup[/]", "[bold red]not markup[/]"),
    ],
)
def test_a_title_is_one_clean_line(given: str, kept: str) -> None:
    """Line breaks, NUL and lone surrogates do not reach the table."""
    assert checked_title(given) == kept
    assert clean_line(checked_title(given)) == kept


def test_a_body_over_the_limit_is_refused() -> None:
    """16 MiB pass, one letter more does not."""
    assert len(checked_body("x" * MOST_BODY)) == MOST_BODY
    with pytest.raises(UsageError, match="16 MiB"):
        checked_body("x" * (MOST_BODY + 1))


@pytest.mark.parametrize(
    "body", ["", "a\0b", "\ud800", "\u202e[/b]\x1b[31m", "汉" * 500]
)
def test_a_body_is_kept_to_the_letter(workspace: Workspace, body: str) -> None:
    """Hostile or odd text is data and comes back as it was."""
    assert create(workspace, IssueDraft("odd", body)).body == body


def test_an_edit_changes_fields_and_tells_what_it_changed(
    workspace: Workspace,
) -> None:
    """Each changed field has an event; the text of a body is not in it."""
    create(workspace)
    changes = {
        "title": "Disk is full",
        "body": "Still no space",
        "priority": Priority.P1,
        "labels": ("disk",),
        "assignee": None,
        "service": "checkout",
    }
    record = workspace.issues.edit(workspace.actor, "1", changes)
    assert events(record) == [
        ("title", "Disk full", "Disk is full"),
        ("body", "", ""),
        ("priority", "P2", "P1"),
        ("labels", "disk, prod", "disk"),
        ("assignee", "ops", None),
    ]
    assert {event.actor for event in record.events} == {"owner"}
    assert (record.summary.title, record.body) == ("Disk is full", "Still no space")
    assert (record.summary.priority, record.summary.labels) == (Priority.P1, ("disk",))
    assert (record.summary.assignee, record.summary.revision) == (None, 2)
    assert record.summary.updated_at > record.summary.created_at


def test_fields_can_be_emptied(workspace: Workspace) -> None:
    """None takes a value away, labels and body included."""
    create(workspace)
    names = ("body", "priority", "service", "site", "category", "labels", "assignee")
    record = workspace.issues.edit(workspace.actor, "1", dict.fromkeys(names))
    summary = record.summary
    assert (record.body, summary.priority, summary.labels) == ("", None, ())
    assert (summary.service, summary.site, summary.category) == (None, None, None)


def test_an_edit_without_a_change_is_no_revision(workspace: Workspace) -> None:
    """Writing what is there already leaves no event and no revision."""
    create(workspace)
    changes = {"title": FULL.title, "labels": FULL.labels, "body": FULL.body}
    record = workspace.issues.edit(workspace.actor, "1", changes)
    assert (record.summary.revision, record.events) == (1, ())


def test_an_unknown_field_is_refused(workspace: Workspace) -> None:
    """Status, number and the like are not edited this way."""
    create(workspace)
    with pytest.raises(UsageError, match="cannot edit number, status"):
        workspace.issues.edit(workspace.actor, "1", {"status": "closed", "number": 2})


def test_a_stale_revision_is_a_conflict(workspace: Workspace) -> None:
    """Who read revision 1 cannot overwrite revision 2, and nothing is changed."""
    create(workspace)
    actor, issues = workspace.actor, workspace.issues
    issues.edit(actor, "1", {"title": "first"}, revision=1)
    with pytest.raises(ConflictError, match="changed by somebody else") as caught:
        issues.edit(actor, "1", {"title": "second"}, revision=1)
    assert caught.value.hint == "look at it again: issuetrack issue show 1"
    assert issues.get(actor, "1").summary.title == "first"
    issues.edit(actor, "1", {"title": "third"}, revision=2)
    assert issues.edit(actor, "1", {"title": "fourth"}).summary.revision == 4


def test_no_change_is_made_to_a_stale_revision(workspace: Workspace) -> None:
    """Moving, resolving and linking refuse what was changed since it was read."""
    create(workspace)
    create(workspace)
    actor, issues, linking = workspace.actor, workspace.issues, workspace.linking
    former = issues.standing(actor, "1")
    linking.link(actor, "1", "2", revision=1)
    resolved = issues.resolve(actor, "1", "removed the old log files", revision=2)
    changes: tuple[Callable[[], IssueRecord], ...] = (
        lambda: issues.set_status(actor, "1", IssueStatus.OPEN, revision=2),
        lambda: issues.resolve(actor, "1", "restarted the host twice", revision=2),
        lambda: issues.unresolve(actor, "1", former, revision=2),
        lambda: linking.link(actor, "1", "2", revision=2),
        lambda: linking.unlink(actor, "1", revision=2),
    )
    for change in changes:
        with pytest.raises(ConflictError, match="#1 was changed by somebody else"):
            change()
    assert issues.get(actor, "1") == resolved
    assert issues.unresolve(actor, "1", former, revision=3).summary.revision == 4
    assert linking.unlink(actor, "1", revision=4).summary.revision == 5
    closed = issues.set_status(actor, "1", IssueStatus.CLOSED, revision=5)
    assert closed.summary.revision == 6


@pytest.mark.parametrize(
    "change",
    [
        lambda w: w.issues.comment(w.actor, "1", "a remark"),
        lambda w: w.issues.set_status(w.actor, "1", IssueStatus.IN_PROGRESS),
        lambda w: w.issues.resolve(w.actor, "1", "removed the old log files"),
        lambda w: w.issues.assign(w.actor, "1", "somebody"),
    ],
    ids=["comment", "status", "resolve", "assign"],
)
def test_every_change_is_a_revision(
    workspace: Workspace, change: Callable[[Workspace], IssueRecord]
) -> None:
    """Whatever was done, a stale edit afterwards is a conflict."""
    create(workspace)
    assert change(workspace).summary.revision == 2
    with pytest.raises(ConflictError):
        workspace.issues.edit(workspace.actor, "1", {"title": "x"}, revision=1)


def test_comments_are_in_the_order_of_time(workspace: Workspace) -> None:
    """Author, kind and text of each comment are kept."""
    create(workspace)
    workspace.issues.comment(workspace.actor, "1", "  first\n")
    kind = CommentKind.WORK_NOTE
    record = workspace.issues.comment(workspace.actor, "1", "second", kind)
    told = [(c.author, c.kind, c.body) for c in record.comments]
    assert told == [
        ("owner", CommentKind.PUBLIC, "  first\n"),
        ("owner", CommentKind.WORK_NOTE, "second"),
    ]
    assert record.comments[0].created_at < record.comments[1].created_at


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_comment_is_refused(workspace: Workspace, text: str) -> None:
    """Nothing cannot be said."""
    create(workspace)
    with pytest.raises(UsageError, match="comment is empty"):
        workspace.issues.comment(workspace.actor, "1", text)


def test_work_notes_are_sealed_for_engineers(workspace: Workspace) -> None:
    """A comment is sealed with the viewers' key, a work note with the engineers'."""
    create(workspace)
    workspace.issues.comment(workspace.actor, "1", "for all")
    kind = CommentKind.WORK_NOTE
    workspace.issues.comment(workspace.actor, "1", "for engineers", kind)
    with workspace._database.read() as uow:
        bodies = [bytes(r[0]) for r in uow.sql("SELECT body FROM comment ORDER BY id")]
        keys = uow._cipher._keys
    roles = [keys[body[2 : 2 + body[1]].decode()].role for body in bodies]
    assert roles == [Role.VIEWER, Role.ENGINEER]


def test_a_status_moves_with_event_and_times(workspace: Workspace) -> None:
    """Working, resolving and closing are recorded, each with its moment."""
    create(workspace)
    actor, issues = workspace.actor, workspace.issues
    issues.set_status(actor, "1", IssueStatus.IN_PROGRESS)
    resolved = issues.set_status(actor, "1", IssueStatus.RESOLVED).summary
    assert (resolved.resolved_at, resolved.closed_at) == (resolved.updated_at, None)
    record = issues.set_status(actor, "1", IssueStatus.CLOSED)
    assert record.summary.resolved_at == resolved.resolved_at
    assert record.summary.closed_at == record.summary.updated_at
    assert events(record) == [
        ("status", "open", "in_progress"),
        ("status", "in_progress", "resolved"),
        ("status", "resolved", "closed"),
    ]


def test_closing_at_once_is_resolving_too(workspace: Workspace) -> None:
    """An issue closed from open has both times."""
    create(workspace)
    status = IssueStatus.CLOSED
    summary = workspace.issues.set_status(workspace.actor, "1", status).summary
    assert summary.resolved_at == summary.closed_at == summary.updated_at


def test_reopening_clears_the_times(workspace: Workspace) -> None:
    """An open issue is neither resolved nor closed."""
    create(workspace)
    workspace.issues.set_status(workspace.actor, "1", IssueStatus.CLOSED)
    status = IssueStatus.OPEN
    summary = workspace.issues.set_status(workspace.actor, "1", status).summary
    assert (summary.status, summary.resolved_at, summary.closed_at) == (
        IssueStatus.OPEN,
        None,
        None,
    )


def test_a_move_can_carry_a_comment(workspace: Workspace) -> None:
    """The comment is public and there in the same change."""
    create(workspace)
    record = workspace.issues.set_status(
        workspace.actor, "1", IssueStatus.CLOSED, "nothing to do"
    )
    told = [(c.kind, c.body) for c in record.comments]
    assert told == [(CommentKind.PUBLIC, "nothing to do")]
    assert record.summary.revision == 2


def test_a_wrong_move_changes_nothing(workspace: Workspace) -> None:
    """A refused move leaves no event, comment or revision."""
    create(workspace)
    workspace.issues.set_status(workspace.actor, "1", IssueStatus.CLOSED)
    before = workspace.issues.get(workspace.actor, "1")
    for status in (IssueStatus.CLOSED, IssueStatus.RESOLVED, IssueStatus.IN_PROGRESS):
        with pytest.raises(UsageError):
            workspace.issues.set_status(workspace.actor, "1", status, "a comment")
    assert workspace.issues.get(workspace.actor, "1") == before


def test_resolving_says_what_fixed_it(workspace: Workspace) -> None:
    """The text is kept as stated, readable by everybody."""
    create(workspace)
    text = "\nRemoved the old log files\n"
    record = workspace.issues.resolve(workspace.actor, "1", text)
    assert record.resolution == ResolutionRecord(
        "Removed the old log files", ResolutionHow.STATED, "resolution", Role.VIEWER
    )
    assert record.summary.status is IssueStatus.RESOLVED
    assert record.summary.resolved_at == record.summary.updated_at
    assert events(record) == [("status", "open", "resolved")]


@pytest.mark.parametrize(
    "text", ["", "  ", "Fixed", "done.", "Duplicate", "Won't fix", "works now", "ok ok"]
)
def test_a_resolution_must_say_something(workspace: Workspace, text: str) -> None:
    """A closing word does not resolve an issue."""
    create(workspace)
    with pytest.raises(UsageError, match="does not say what fixed it") as caught:
        workspace.issues.resolve(workspace.actor, "1", text)
    assert caught.value.hint is not None
    record = workspace.issues.get(workspace.actor, "1")
    assert (record.summary.status, record.resolution) == (IssueStatus.OPEN, None)


def test_a_resolution_can_be_corrected(workspace: Workspace) -> None:
    """Said again, the text is replaced and the status stays."""
    create(workspace)
    workspace.issues.resolve(workspace.actor, "1", "Removed the old log files")
    workspace.issues.set_status(workspace.actor, "1", IssueStatus.CLOSED)
    text = "Raised the size of the volume"
    record = workspace.issues.resolve(workspace.actor, "1", text)
    assert record.resolution is not None
    assert (record.resolution.text, record.summary.status) == (
        text,
        IssueStatus.CLOSED,
    )


@pytest.mark.parametrize(
    "names",
    [
        ("#1", "1", " 1 ", "OPS-7", "https://jira.example.com/OPS-7"),
        ("#2", "2", "OPS-8"),
    ],
)
def test_an_issue_has_several_names(
    workspace: Workspace, names: tuple[str, ...]
) -> None:
    """Number, key and url name the same issue."""
    url = "https://jira.example.com/OPS-7"
    issues = [
        RemoteIssue("OPS-7", "Disk full", NOW, NOW, url=url),
        RemoteIssue("OPS-8", "Printer jam", NOW, NOW),
    ]
    workspace.imports.run(workspace.actor, "jira", "jira", issues)
    found = {workspace.issues.get(workspace.actor, name).number for name in names}
    assert found == {int(names[1])}


def test_a_name_that_nothing_has_is_not_found(workspace: Workspace) -> None:
    """Wrong numbers, keys and odd digits find nothing."""
    create(workspace)
    for name in ("2", "#2", "OPS-8", "", "#", "##1", "-1", "0", "\u0663", "9" * 40):
        with pytest.raises(NotFoundError, match="there is no issue"):
            workspace.issues.get(workspace.actor, name)


def test_a_key_of_two_sources_names_both(workspace: Workspace) -> None:
    """The error lists the numbers, and the numbers work."""
    for source in ("north", "south"):
        issue = RemoteIssue("OPS-7", f"Disk full {source}", NOW, NOW)
        workspace.imports.run(workspace.actor, source, "jira", [issue])
    with pytest.raises(NotFoundError, match="OPS-7 names several issues: #1, #2"):
        workspace.issues.get(workspace.actor, "OPS-7")
    assert workspace.issues.get(workspace.actor, "#2").summary.source == "south"


def test_a_number_goes_before_a_key_of_digits(workspace: Workspace) -> None:
    """Where a tracker's key is a number, the shown number wins."""
    issues = [RemoteIssue(key, f"issue {key}", NOW, NOW) for key in ("2", "1", "77")]
    workspace.imports.run(workspace.actor, "tracker", "csv", issues)
    told = [workspace.issues.get(workspace.actor, n).summary.key for n in ("1", "77")]
    assert told == ["2", "77"]


def test_changes_of_what_is_not_there_are_not_found(workspace: Workspace) -> None:
    """No service call makes up an issue."""
    actor, issues = workspace.actor, workspace.issues
    changes: list[Callable[[], object]] = [
        lambda: issues.edit(actor, "9", {"title": "x"}),
        lambda: issues.comment(actor, "9", "text"),
        lambda: issues.set_status(actor, "9", IssueStatus.CLOSED),
        lambda: issues.resolve(actor, "9", "removed the old log files"),
    ]
    for change in changes:
        with pytest.raises(NotFoundError):
            change()


def test_summaries_come_by_number(workspace: Workspace) -> None:
    """Numbers that do not exist are left out."""
    create(workspace)
    create(workspace, IssueDraft("second"))
    found = workspace.issues.summaries(workspace.actor, [2, 9])
    assert {number: summary.title for number, summary in found.items()} == {2: "second"}


def test_an_imported_issue_is_complete(workspace: Workspace) -> None:
    """Comments of a source keep author, kind, key and time."""
    comment = RemoteComment("Looking at it", NOW, "ops", CommentKind.WORK_NOTE, "c1")
    issue = RemoteIssue(
        "OPS-7",
        "Disk full",
        NOW,
        NOW,
        body="full",
        labels=("a", "b"),
        comments=(comment,),
    )
    workspace.imports.run(workspace.actor, "jira", "jira", [issue])
    record = workspace.issues.get(workspace.actor, "OPS-7")
    assert (record.summary.source, record.summary.labels) == ("jira", ("a", "b"))
    (kept,) = record.comments
    assert (kept.key, kept.author, kept.kind, kept.body, kept.created_at) == (
        "c1",
        "ops",
        CommentKind.WORK_NOTE,
        "Looking at it",
        NOW,
    )
