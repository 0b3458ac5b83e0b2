"""Long lists, read by number, and comments that are taken back."""

import random
from typing import Any

import pytest

from conftest import Team
from engine.sync.scripted import Mirror, remote, said
from issuetrack.engine.errors import (
    IssueTrackError,
    NotFoundError,
    PermissionDenied,
    QuerySyntaxError,
    UsageError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues import query as query_language
from issuetrack.engine.issues.records import IssueSummary
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.types import CommentKind, IssueStatus, Priority
from issuetrack.engine.sync.push import PushWish
from issuetrack.engine.workspace import Workspace

MINED = "Fixed by rotating the certificate and restarting the gateway."
ISSUES = 16
FITS: dict[str, Any] = {
    "": lambda s: True,
    "status:open priority:P1": lambda s: (
        s.status is IssueStatus.OPEN and s.priority is Priority.P1
    ),
    "priority:none,P2": lambda s: s.priority in (None, Priority.P2),
    "service:check* -status:open": lambda s: (
        s.service == "checkout" and s.status is not IssueStatus.OPEN
    ),
    "site:none assignee:ada": lambda s: (s.site, s.assignee) == (None, "ada"),
    "label:db source:none": lambda s: "db" in s.labels,
}
ORDERS: dict[str, Any] = {
    "-updated": lambda s: (-s.updated_at.timestamp(), -s.number),
    "updated": lambda s: (s.updated_at, s.number),
    "priority": lambda s: (s.priority is None, s.priority, s.number),
    "-number": lambda s: -s.number,
}


@pytest.fixture
def owner(team: Team) -> Workspace:
    """Return the workspace of a team, open as its owner."""
    return team.open("owner")


@pytest.fixture
def mirror(owner: Workspace) -> Mirror:
    """Return a workspace with one source that may be written to."""
    made = Mirror(owner)
    made.add(write_back=True)
    return made


def fill(workspace: Workspace) -> list[IssueSummary]:
    """Open issues of all kinds, and return what a list shows of them."""
    rng, actor = random.Random(3), workspace.actor
    for number in range(ISSUES):
        draft = IssueDraft(
            f"gateway {rng.randrange(9)}",
            priority=rng.choice((*Priority, None)),
            service=rng.choice(("checkout", "mail", None)),
            site=rng.choice(("DC1", None)),
            labels=tuple(rng.sample(("db", "net"), rng.randrange(3))),
            assignee=rng.choice(("ada", None)),
        )
        made = workspace.issues.create(actor, draft).number
        if number % 4 == 0:
            name = f"#{made // 2 + 1}"
            workspace.issues.comment(actor, name, "seen")
            workspace.issues.set_status(actor, f"#{made}", IssueStatus.IN_PROGRESS)
    numbers = list(range(1, ISSUES + 1))
    return list(workspace.issues.summaries(actor, numbers).values())


def test_numbers_are_those_that_fit_in_order(owner: Workspace) -> None:
    """Every query and order gives what going through all entries gives."""
    entries = fill(owner)
    for query, fits in FITS.items():
        for sort, order in ORDERS.items():
            if sort == "priority" and query != "status:open priority:P1":
                continue
            expected = sorted(filter(fits, entries), key=order)
            found = owner.issues.numbers(owner.actor, query, sort)
            assert [entry.number for entry in expected] == found, (query, sort)
            some, total = owner.issues.matching(owner.actor, query, sort, 5)
            assert (expected[:5], len(expected)) == (some, total), (query, sort)


def test_what_has_no_priority_comes_last(owner: Workspace) -> None:
    """In both directions, so that the urgent ones are not under the unsorted ones."""
    entries = fill(owner)
    without = [entry.number for entry in entries if entry.priority is None]
    upwards = owner.issues.numbers(owner.actor, "", "priority")
    downwards = owner.issues.numbers(owner.actor, "", "-priority")

    assert without == upwards[-len(without) :]
    assert without[::-1] == downwards[-len(without) :]


def test_numbers_of_a_wrong_query_are_an_error(owner: Workspace) -> None:
    """It is said where the query or the sort is wrong."""
    with pytest.raises(QuerySyntaxError, match="no column 'colour'"):
        owner.issues.numbers(owner.actor, "colour:red")
    with pytest.raises(QuerySyntaxError, match="cannot sort by 'body'"):
        owner.issues.numbers(owner.actor, "", "body")


@pytest.mark.parametrize("sort", list(ORDERS))
@pytest.mark.parametrize("query", list(FITS))
def test_lists_are_read_from_an_index(owner: Workspace, query: str, sort: str) -> None:
    """No page of the issues' own table is read to find what fits."""
    statement = query_language.numbers(query, sort)
    with owner._database.read() as uow:
        connection = uow.session.connection()
        text = statement.compile(
            connection, compile_kwargs={"literal_binds": True}
        ).string.replace("%%", "%")
        plan = [str(row[-1]) for row in uow.sql(f"EXPLAIN QUERY PLAN {text}")]

    assert [line for line in plan if " issue" in line and "COVERING" not in line] == []


def test_long_texts_do_not_matter_to_a_list(owner: Workspace) -> None:
    """An entry of a list is the same however long the text of the issue is."""
    for body in ("", "line\n" * 1_000_000):
        owner.issues.create(owner.actor, IssueDraft("disk full", body))
    found = owner.issues.summaries(owner.actor, [1, 2])

    assert sorted(found) == [1, 2]
    assert {"disk full"} == {entry.title for entry in found.values()}


def test_own_comment_is_taken_back(owner: Workspace) -> None:
    """It is gone from the issue, and what it said is in the trail."""
    actor = owner.actor
    owner.issues.create(actor, IssueDraft("disk full"))
    owner.issues.comment(actor, "1", "stays")
    before = owner.issues.comment(actor, "1", "wrong issue", CommentKind.WORK_NOTE)
    after = owner.issues.withdraw(actor, "1", before.comments[1].id)
    (entry,) = owner.trail.entries(actor, AuditFilter(action="issue.withdraw"))

    assert before.comments[:1] == after.comments
    assert before.summary.revision + 1 == after.summary.revision
    assert after == owner.issues.get(actor, "1")
    assert entry.before == {"comment": before.comments[1].id, "body": "wrong issue"}
    assert owner.verify_audit().broken_at is None
    assert owner.index_status().queued == 1


def test_fix_goes_with_the_comment_that_told_it(owner: Workspace) -> None:
    """What was mined from a comment is mined again without it."""
    actor = owner.actor
    owner.issues.create(actor, IssueDraft("gateway is down", assignee="owner"))
    comment = owner.issues.comment(actor, "1", MINED).comments[0].id
    mined = owner.issues.set_status(actor, "1", IssueStatus.CLOSED)
    after = owner.issues.withdraw(actor, "1", comment)

    assert mined.resolution is not None
    assert mined.resolution.text == MINED
    assert after.resolution is None


def test_fix_that_a_person_told_stays(owner: Workspace) -> None:
    """Taking a comment back does not touch what somebody said fixed it."""
    actor = owner.actor
    owner.issues.create(actor, IssueDraft("gateway is down", assignee="owner"))
    comment = owner.issues.comment(actor, "1", MINED).comments[0].id
    told = owner.issues.resolve(actor, "1", "replaced the switch of rack 4")

    assert told.resolution == owner.issues.withdraw(actor, "1", comment).resolution


def test_comment_of_somebody_else_stays(team: Team, owner: Workspace) -> None:
    """Not even an admin takes back what another person said."""
    engineer = team.open("engineer")
    engineer.issues.create(engineer.actor, IssueDraft("disk full"))
    made = engineer.issues.comment(engineer.actor, "1", "looked at it")
    with pytest.raises(UsageError, match="is by engineer") as raised:
        owner.issues.withdraw(owner.actor, "1", made.comments[0].id)

    assert "only your own" in (raised.value.hint or "")
    assert made == owner.issues.get(owner.actor, "1")


@pytest.mark.parametrize(("name", "comment"), [("#1", 99), ("#2", 1), ("#3", 1)])
def test_comment_that_is_not_there(owner: Workspace, name: str, comment: int) -> None:
    """A number of no comment, of one of another issue, and an issue that is none."""
    for title in ("disk full", "lift stands still"):
        owner.issues.create(owner.actor, IssueDraft(title))
    owner.issues.comment(owner.actor, "#1", "seen")
    with pytest.raises(NotFoundError):
        owner.issues.withdraw(owner.actor, name, comment)

    assert len(owner.issues.get(owner.actor, "#1").comments) == 1


def test_comment_of_a_source_stays(mirror: Mirror) -> None:
    """What was said in the tracker is taken back there, whoever said it."""
    mirror.read(remote("A", comments=(said("c1", "seen", author="owner"),)))
    before = mirror.issue("A")
    with pytest.raises(UsageError, match="is upstream") as raised:
        mirror.workspace.issues.withdraw(
            mirror.workspace.actor, "A", before.comments[0].id
        )

    assert "in the tracker" in (raised.value.hint or "")
    assert before == mirror.issue("A")


@pytest.mark.parametrize("answered", [True, False])
def test_comment_that_was_sent_stays(mirror: Mirror, answered: bool) -> None:
    """What the tracker has, or may have, is not undone here alone."""
    mirror.read(remote("A"))
    workspace, actor = mirror.workspace, mirror.workspace.actor
    (made,) = workspace.issues.comment(actor, "A", "looked at it").comments
    wish, connect = PushWish(comment_id=made.id), mirror.script.connect
    if answered:
        workspace.push.push(actor, "A", wish, connect, {})
    else:
        mirror.script.after = _cut
        with pytest.raises(IssueTrackError, match="no answer"):
            workspace.push.push(actor, "A", wish, connect, {})
    before = mirror.issue("A")
    with pytest.raises(UsageError, match=r"is upstream|may have been pushed"):
        workspace.issues.withdraw(actor, "A", made.id)

    assert before == mirror.issue("A")


def _cut(_change: object) -> None:
    raise IssueTrackError("no answer", None)


def test_comment_after_a_push_is_taken_back(mirror: Mirror) -> None:
    """An earlier change that was sent does not hold a later comment."""
    mirror.read(remote("A"))
    workspace, actor = mirror.workspace, mirror.workspace.actor
    wish = PushWish(status=IssueStatus.CLOSED)
    workspace.push.push(actor, "A", wish, mirror.script.connect, {})
    (made,) = workspace.issues.comment(actor, "A", "looked at it").comments

    assert workspace.issues.withdraw(actor, "A", made.id).comments == ()


def test_viewers_list_and_take_nothing_back(team: Team, owner: Workspace) -> None:
    """Reading takes a viewer, changing an engineer; a service may do neither."""
    owner.issues.create(owner.actor, IssueDraft("disk full"))
    comment = owner.issues.comment(owner.actor, "1", "seen").comments[0].id
    viewer, service = team.open("viewer"), team.open("exporter")

    assert viewer.issues.numbers(viewer.actor) == [1]
    assert list(viewer.issues.summaries(viewer.actor, [1])) == [1]
    for lower in (viewer, service):
        with pytest.raises(PermissionDenied, match="to write issues"):
            lower.issues.withdraw(lower.actor, "1", comment)
    with pytest.raises(PermissionDenied, match="to read"):
        service.issues.numbers(service.actor)
    with pytest.raises(PermissionDenied, match="to read"):
        service.issues.summaries(service.actor, [1])
