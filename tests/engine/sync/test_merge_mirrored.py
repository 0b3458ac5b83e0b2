"""What a source says of issues, and what it must not touch of what is said here."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import Team, copy_files
from engine.store.test_sealed_rows import raw, tries_every_key
from engine.sync.scripted import DAY, Mirror, Script, counts, remote, said
from issuetrack.engine.errors import UsageError
from issuetrack.engine.issues import workflow
from issuetrack.engine.issues.overrides import MIRRORED
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.store.types import (
    CommentKind,
    GoneReason,
    IssueStatus,
    IssueType,
    LinkKind,
    Priority,
    ResolutionHow,
)
from issuetrack.engine.sync.ports import (
    BadRecord,
    GoneIssue,
    Mapped,
    RemoteComment,
    RemoteEvent,
    RemoteLink,
)

FIX = "The pool was smaller than the number of pods; raised DB_POOL_MAX to 8."
LATER = DAY + timedelta(hours=2)
WHOLE = remote(
    "acme/shop#1",
    id="900",
    body="since noon",
    status=IssueStatus.CLOSED,
    priority=Priority.P2,
    service="checkout",
    site="DC1",
    category="database",
    labels=("db", "shop"),
    reporter="ines",
    assignee="ravi",
    url="https://tracker.example/acme/shop/issues/1",
    resolved_at=DAY,
    closed_at=LATER,
    comments=(
        said("c1", "Looking at it."),
        said("c2", "Fixed by raising the pool. Root cause was DB_POOL_MAX."),
    ),
    events=(RemoteEvent("e1", LATER, "status", "open", "closed", "ravi"),),
    links=(RemoteLink(LinkKind.CLOSED_BY, "https://tracker.example/pull/7"),),
    attachments=("heap.png",),
    mapped=(Mapped("status", "closed", "state", "closed"),),
    complete=True,
)
BEFORE: dict[str, Any] = {
    "title": "as it was",
    "body": "old text",
    "type": IssueType.INCIDENT,
    "status": IssueStatus.OPEN,
    "priority": Priority.P3,
    "service": "checkout",
    "site": "DC1",
    "category": "database",
    "labels": ("db",),
    "assignee": "ravi",
}
AFTER: dict[str, Any] = {
    "title": "as the tracker says",
    "body": "new text",
    "type": IssueType.BUG,
    "status": IssueStatus.IN_PROGRESS,
    "priority": None,
    "service": "basket",
    "site": "DC2",
    "category": None,
    "labels": ("db", "net"),
    "assignee": "ines",
}
LOCAL_EDITS: dict[str, Any] = {
    "title": "as I say",
    "body": "my text",
    "type": IssueType.PROBLEM,
    "status": IssueStatus.RESOLVED,
    "priority": Priority.P4,
    "service": "mine",
    "site": "MY1",
    "category": "my category",
    "labels": ("mine",),
    "assignee": "me",
}


def field_of(record: IssueRecord, name: str) -> Any:
    """Return a mirrored field of an issue."""
    return record.body if name == "body" else getattr(record.summary, name)


def edit(mirror: Mirror, name: str, field: str, value: Any) -> IssueRecord:
    """Edit a mirrored field here."""
    issues, actor = mirror.workspace.issues, mirror.workspace.actor
    if field == "status":
        return issues.set_status(actor, name, value)
    return issues.edit(actor, name, {field: value})


def plain(value: Any) -> Any:
    """Return a value as a pending edit shows it."""
    return list(value) if isinstance(value, tuple) else value


def test_everything_that_a_source_says_arrives(mirror: Mirror) -> None:
    """A new issue comes with all that hangs on it."""
    assert counts(mirror.read(WHOLE)) == {"created": 1, "comments": 2}
    found = mirror.issue("acme/shop#1")
    assert (found.summary.resolved_at, found.summary.closed_at) == (DAY, LATER)
    assert [(c.key, c.body) for c in found.comments] == [
        (c.key, c.body) for c in WHOLE.comments
    ]
    assert found.resolution is not None
    assert found.resolution.how is ResolutionHow.MINED
    assert [(e.actor, e.before, e.after) for e in found.events] == [
        ("ravi", "open", "closed")
    ]
    assert [(link.kind, link.target) for link in found.links] == [
        ("closed_by", "https://tracker.example/pull/7")
    ]
    assert found.upstream.attachments == ("heap.png",)
    assert found.upstream.pending == ()
    (row,) = mirror.workspace.mirror.mapped(mirror.workspace.actor, "1")
    assert (row["field"], row["value"], row["rule"]) == ("status", "closed", "default")


def test_what_is_as_it_was_is_not_written(mirror: Mirror) -> None:
    """The same words again change no row, queue no index work and leave no entry."""
    mirror.read(WHOLE)
    before = mirror.tables()
    assert counts(mirror.read(WHOLE)) == {"unchanged": 1}
    after = mirror.tables()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"source", "sync_run"}


def test_later_change_is_merged_by_keys(mirror: Mirror) -> None:
    """Comments, events and links are known again by their keys."""
    mirror.read(WHOLE)
    comments = (said("c1", "Looking at the pool."), WHOLE.comments[1], said("c3", "x"))
    more = RemoteEvent("e2", LATER, "labels", None, "net", "ravi")
    changed = replace(
        WHOLE,
        comments=comments,
        events=(*WHOLE.events, more),
        attachments=("heap.png", "top.txt"),
    )
    assert counts(mirror.read(changed)) == {"updated": 1, "comments": 2}
    found = mirror.issue("1")
    assert sorted((c.key, c.body) for c in found.comments) == [
        (c.key, c.body) for c in comments
    ]
    assert [e.field for e in found.events] == ["status", "labels"]
    assert len(found.links) == 1
    assert found.upstream.attachments == ("heap.png", "top.txt")


def test_issue_keeps_its_number_under_another_key(mirror: Mirror) -> None:
    """A renamed issue is the one that was known, with all that hangs on it."""
    mirror.read(WHOLE, remote("acme/shop#2", id="901"))
    mirror.workspace.issues.resolve(mirror.workspace.actor, "1", FIX)
    renamed = replace(WHOLE, key="acme/store#1")
    assert counts(mirror.read(renamed)) == {"updated": 1}
    found = mirror.issue("acme/store#1")
    assert found.number == 1
    assert found.resolution is not None
    assert found.resolution.text == FIX
    assert len(found.comments) == 2
    assert mirror.sql("SELECT count(*) FROM issue") == [(2,)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["swapped", "the other way"])
def test_two_issues_that_swap_their_keys_stay_themselves(
    mirror: Mirror, order: tuple[int, int]
) -> None:
    """A key that goes over to another known issue does not take its row along."""
    mirror.read(remote("A", id="1", title="one"), remote("B", id="2", title="two"))
    swapped = [remote("B", id="1", title="one"), remote("A", id="2", title="two")]
    mirror.read(*(swapped[place] for place in order))
    found = {n: mirror.issue(str(n)) for n in (1, 2)}
    assert {n: (i.summary.key, i.summary.title) for n, i in found.items()} == {
        1: ("B", "one"),
        2: ("A", "two"),
    }
    assert all(i.upstream.gone is None for i in found.values())


def test_key_that_is_used_again_is_another_issue(mirror: Mirror) -> None:
    """The old row is kept aside as gone, with what is local; a new one is made."""
    mirror.read(WHOLE)
    mirror.workspace.issues.resolve(mirror.workspace.actor, "1", FIX)
    other = remote("acme/shop#1", id="950", title="something else")
    assert counts(mirror.read(other)) == {"created": 1}
    old, new = mirror.issue("1"), mirror.issue("acme/shop#1")
    assert (new.number, new.summary.title, new.resolution) == (
        2,
        "something else",
        None,
    )
    assert old.upstream.gone is GoneReason.DELETED
    assert old.resolution is not None
    assert old.resolution.text == FIX
    assert len(old.comments) == 2
    assert counts(mirror.read(other)) == {"unchanged": 1}


def test_same_issue_twice_in_a_batch_is_one(mirror: Mirror) -> None:
    """The last word of a batch holds; an issue that got another key within it, too."""
    first, last = remote("A", id="1", title="first"), remote("A", id="1", title="last")
    mirror.read(first, last)
    assert mirror.issue("A").summary.title == "last"
    mirror.read(remote("B", id="2"), remote("C", id="2", title="moved meanwhile"))
    titles = mirror.sql("SELECT external_key, title FROM issue ORDER BY number")
    assert titles == [("A", "last"), ("C", "moved meanwhile")]


def test_issue_that_is_gone_is_kept_and_comes_back(mirror: Mirror) -> None:
    """What upstream no longer has says so here, until it has it again."""
    mirror.read(WHOLE)
    assert counts(mirror.read(GoneIssue("acme/shop#1", GoneReason.DELETED))) == {
        "updated": 1
    }
    found = mirror.issue("1")
    assert (found.upstream.gone, len(found.comments)) == (GoneReason.DELETED, 2)
    assert mirror.source.gone == 1
    again = GoneIssue("acme/shop#1", GoneReason.DELETED)
    assert counts(mirror.read(again)) == {"unchanged": 1}

    assert counts(mirror.read(WHOLE)) == {"updated": 1}
    assert mirror.issue("1").upstream.gone is None
    assert len(mirror.issue("1").comments) == 2


def test_issue_that_moved_to_a_known_one_is_its_duplicate(mirror: Mirror) -> None:
    """Where it has gone is told, and leads to the issue that is known."""
    moved = GoneIssue("A", GoneReason.MOVED, "B")
    mirror.read(remote("A", id="1"))
    mirror.read(moved, remote("B", id="2"))
    found = mirror.issue("A")
    assert (found.upstream.gone, found.upstream.moved_to) == (GoneReason.MOVED, "B")
    assert found.summary.duplicate_of == mirror.issue("B").number
    mirror.read(GoneIssue("unknown", GoneReason.DELETED))


@pytest.mark.parametrize("complete", [True, False])
def test_only_a_complete_issue_lets_go_of_comments(
    mirror: Mirror, complete: bool
) -> None:
    """Comments and links that vanished upstream go; local ones never do."""
    mirror.read(WHOLE)
    workspace = mirror.workspace
    workspace.issues.comment(workspace.actor, "1", "mine")
    mirror.sql(
        "INSERT INTO link (issue_number, kind, target, upstream) "
        "VALUES (1, 'relates_to', 'mine', 0)"
    )
    mirror.read(
        replace(WHOLE, title="t", comments=(), links=(), events=(), complete=complete)
    )
    found = mirror.issue("1")
    bodies = [c.body for c in found.comments]
    assert bodies == ["mine"] if complete else bodies[-1] == "mine" and len(bodies) == 3
    links = {link.target for link in found.links}
    assert links == {"mine"} | (set() if complete else {WHOLE.links[0].target})
    assert len(found.events) == 1


def test_issue_without_its_parts_leaves_them(mirror: Mirror) -> None:
    """Where comments and links come apart, an issue alone does not remove them."""
    mirror.read(remote("B", id="2"), replace(WHOLE, duplicate_of="B", complete=False))
    bare = replace(
        WHOLE, title="t", comments=(), links=(), events=(), apart=True, complete=False
    )
    mirror.read(bare)
    found = mirror.issue("acme/shop#1")
    assert (len(found.comments), len(found.links)) == (2, 2)
    assert found.summary.duplicate_of == mirror.issue("B").number


def test_parts_that_come_apart_reach_their_issues(mirror: Mirror) -> None:
    """A later page's comments, events and links find the issue by its key, once."""
    mirror.read(replace(WHOLE, comments=(), events=(), links=(), apart=True))
    parts = (
        said("c1", "Fixed by raising DB_POOL_MAX.", issue_key=WHOLE.key),
        said("c1", "Fixed by raising DB_POOL_MAX to 8.", issue_key=WHOLE.key),
        RemoteEvent("e1", LATER, "status", "open", "closed", "ravi", WHOLE.key),
        RemoteLink(LinkKind.RELATES_TO, "B", WHOLE.key),
    )
    for expected in ({"comments": 1}, {}):
        assert counts(mirror.read(*parts)) == expected
        found = mirror.issue("1")
        assert [c.body for c in found.comments] == [
            "Fixed by raising DB_POOL_MAX to 8."
        ]
        assert (len(found.events), len(found.links)) == (1, 1)


def test_known_events_that_come_apart_touch_nothing(mirror: Mirror) -> None:
    """A finished issue is neither mined nor indexed again for what is known."""
    mirror.read(remote("A", status=IssueStatus.CLOSED, apart=True))
    closed = RemoteEvent("e1", LATER, "status", "open", "closed", "ravi", "A")
    mirror.read(closed)
    before = mirror.tables()
    mirror.read(closed)
    after = mirror.tables()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"source", "sync_run"}


def test_comment_without_an_issue_is_put_aside_once(mirror: Mirror) -> None:
    """What has no issue here waits in the quarantine, and is told the first time."""
    lost = said("c9", "whose?", issue_key="acme/shop#99")
    report = mirror.read(lost, RemoteEvent("e", DAY, "status", issue_key="X"))
    assert counts(report) == {"quarantined": 1}
    assert report.problems[0].origin == "c9"
    assert "acme/shop#99" in report.problems[0].reason
    assert counts(mirror.read(lost)) == {}
    assert mirror.source.quarantined == 1


def test_record_that_cannot_be_stored_does_not_stop_the_others(mirror: Mirror) -> None:
    """FAULTS 15: a bad record is put aside, and the page goes on."""
    bad = BadRecord("page 1", 3, "it is no issue", '{"number": "x"}')
    report = mirror.read(remote("A"), bad, remote("B", title=" "), remote("C"))
    assert counts(report) == {"created": 2, "quarantined": 2}
    assert report.partial
    assert mirror.source.quarantined == 2


def test_work_notes_are_for_engineers(team: Team) -> None:
    """FAULTS 33: with raw SQL and every key of a viewer a note stays closed."""
    mirror = Mirror(team.open("owner"))
    mirror.add()
    note = said("n1", "only engineers may know", kind=CommentKind.WORK_NOTE)
    mirror.read(remote("A", comments=(note, said("c1", "for all"))))
    viewer = team.open("viewer")
    shown = viewer.issues.get(viewer.actor, "A").comments
    assert [c.body for c in shown] == [None, "for all"]
    with raw(viewer) as database:
        rows = database.execute("SELECT uuid, body, kind FROM comment").fetchall()
    opened = {kind: tries_every_key(viewer, uuid, body) for uuid, body, kind in rows}
    assert opened["work_note"] == []
    assert set(opened["public"]) == {"for all"}


def each(mirror: Mirror, edits: Mapping[str, Any], **more: Any) -> None:
    """Let the tracker say something of one issue for each mirrored field."""
    mirror.read(*(remote(name, **{**more, name: edits[name]}) for name in MIRRORED))


def assert_pending(mirror: Mirror, upstream: Mapping[str, Any]) -> None:
    """Check that the local edit of each field holds, and what it stands against."""
    for name in MIRRORED:
        found = mirror.issue(name)
        assert field_of(found, name) == LOCAL_EDITS[name]
        told = [(p.field, p.value, p.upstream, p.actor) for p in found.upstream.pending]
        ours, theirs = plain(LOCAL_EDITS[name]), plain(upstream[name])
        assert told == [(name, ours, theirs, "owner")]


def assert_upstream(mirror: Mirror, upstream: Mapping[str, Any]) -> None:
    """Check that each field is as the tracker says."""
    for name in MIRRORED:
        found = mirror.issue(name)
        assert (field_of(found, name), found.upstream.pending) == (upstream[name], ())


def test_change_upstream_arrives(mirror: Mirror) -> None:
    """Every mirrored field follows its source."""
    for edits in (BEFORE, AFTER):
        each(mirror, edits)
        assert_upstream(mirror, edits)


def test_local_edit_holds_until_upstream_says_the_same(mirror: Mirror) -> None:
    """An edit is pending, shows what upstream says, and ends when that is the same."""
    each(mirror, BEFORE)
    for name in MIRRORED:
        edit(mirror, name, name, LOCAL_EDITS[name])
    for moment, edits in enumerate((BEFORE, AFTER)):
        each(mirror, edits, reporter=f"reporter {moment}")
        assert_pending(mirror, edits)
    assert mirror.source.pending == len(MIRRORED)

    each(mirror, LOCAL_EDITS)
    assert_upstream(mirror, LOCAL_EDITS)
    assert mirror.source.pending == 0
    each(mirror, AFTER)
    assert_upstream(mirror, AFTER)


def test_edit_is_given_up(mirror: Mirror) -> None:
    """Dropped, the source's newest value holds; a second time there is nothing."""
    mirrors, actor = mirror.workspace.mirror, mirror.workspace.actor
    each(mirror, BEFORE)
    for name in MIRRORED:
        edit(mirror, name, name, LOCAL_EDITS[name])
    each(mirror, AFTER)
    for name in MIRRORED:
        other = "title" if name != "title" else "body"
        with pytest.raises(UsageError):
            mirrors.drop_edits(actor, name, [other])
        mirrors.drop_edits(actor, name, [name])
        with pytest.raises(UsageError):
            mirrors.drop_edits(actor, name)
    assert_upstream(mirror, AFTER)
    each(mirror, BEFORE)
    assert_upstream(mirror, BEFORE)


def test_edit_back_ends_the_matter(mirror: Mirror) -> None:
    """An edit to what upstream says by now is no edit."""
    names = [name for name in MIRRORED if name != "status"]
    each(mirror, BEFORE)
    for name in names:
        edit(mirror, name, name, LOCAL_EDITS[name])
    each(mirror, AFTER)
    for name in names:
        edit(mirror, name, name, BEFORE[name])
        (pending,) = mirror.issue(name).upstream.pending
        assert pending.upstream == plain(AFTER[name])
        edit(mirror, name, name, AFTER[name])
    assert_upstream(mirror, AFTER)


def test_edit_of_the_status_keeps_its_moments(mirror: Mirror) -> None:
    """A status that was set here has the moments of here, not those of upstream."""
    mirror.read(remote("A"))
    edit(mirror, "A", "status", IssueStatus.CLOSED)
    ours = mirror.issue("A").summary
    assert ours.closed_at is not None
    mirror.read(remote("A", title="t"))
    held = mirror.issue("A").summary
    assert (held.title, held.status) == ("t", IssueStatus.CLOSED)
    assert (held.resolved_at, held.closed_at) == (ours.resolved_at, ours.closed_at)
    mirror.read(remote("A", status=IssueStatus.CLOSED, closed_at=LATER))
    assert mirror.issue("A").summary.closed_at == LATER


def test_emptied_field_is_an_edit_as_well(mirror: Mirror) -> None:
    """A field that was emptied here is not filled again by the source."""
    mirror.read(remote("A", service="checkout", body="text", labels=("db",)))
    for name in ("service", "body", "labels"):
        edit(mirror, "A", name, None)
    mirror.read(remote("A", service="checkout", body="text", labels=("db",), title="t"))
    found = mirror.issue("A")
    assert (found.summary.service, found.body, found.summary.labels) == (None, "", ())
    assert len(found.upstream.pending) == 3


def test_two_sources_do_not_meet(mirror: Mirror) -> None:
    """The same key and id of another source is another issue."""
    other = Mirror(mirror.workspace, Script(), "store")
    other.add()
    mirror.read(remote("A", id="1", title="of shop"))
    other.read(remote("A", id="1", title="of store"))
    mirror.read(GoneIssue("A", GoneReason.DELETED))
    assert mirror.issue("1").upstream.gone is GoneReason.DELETED
    assert mirror.issue("2").upstream.gone is None


def test_comments_without_keys_are_known_by_what_they_say(mirror: Mirror) -> None:
    """The same words of the same person at the same moment are one comment."""
    one = RemoteComment("restarted it", DAY, "ravi")
    issue = remote("A", comments=(one, one, replace(one, body="again")))
    mirror.read(issue)
    mirror.read(replace(issue, title="t"))
    assert len(mirror.issue("A").comments) == 2


@pytest.fixture(scope="module")
def long_lived(
    team_template: Team, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mirror]:
    """Return a workspace with one source, for many examples."""
    path = copy_files(team_template.path, tmp_path_factory.mktemp("long") / "team.db")
    team = Team(path, team_template.clock)
    mirror = Mirror(team.open("owner"))
    mirror.add()
    yield mirror
    team.close()


WORDS = st.sampled_from(["one", "two", "three"])
EDITS = st.one_of(
    st.tuples(st.just("title"), WORDS),
    st.tuples(st.just("priority"), st.sampled_from([None, Priority.P1, Priority.P2])),
    st.tuples(st.just("labels"), st.sampled_from([(), ("db",), ("db", "net")])),
    st.tuples(st.just("status"), st.sampled_from(IssueStatus)),
)
ACTIONS = st.one_of(
    st.tuples(st.just("upstream"), EDITS),
    st.tuples(st.just("local"), EDITS),
    st.tuples(st.just("said upstream"), st.tuples(st.sampled_from("abc"), WORDS)),
    st.tuples(st.just("unsaid upstream"), st.sampled_from("abc")),
    st.tuples(st.just("said here"), WORDS),
    st.tuples(st.just("resolved here"), WORDS),
    st.tuples(st.just("given up"), st.sampled_from(["title", "labels", "status"])),
    st.tuples(st.just("sync"), st.none()),
)


class Model:
    """What an issue must look like: upstream as last read, under what was said here."""

    def __init__(self, mirror: Mirror, key: str) -> None:
        self.mirror, self.key = mirror, key
        self.upstream: dict[str, Any] = {
            "title": "one",
            "priority": None,
            "labels": (),
            "status": IssueStatus.OPEN,
        }
        self.there: dict[str, str] = {}
        self.read: dict[str, Any] = {}
        self.read_comments: dict[str, str] = {}
        self.ours: dict[str, Any] = {}
        self.said: list[str] = []
        self.fix: str | None = None
        self.do("sync", None)

    def do(self, action: str, given: Any) -> None:
        workspace, key = self.mirror.workspace, self.key
        issues, actor = workspace.issues, workspace.actor
        if action == "upstream":
            self.upstream[given[0]] = given[1]
        elif action == "said upstream":
            self.there[given[0]] = given[1]
        elif action == "unsaid upstream":
            self.there.pop(given, None)
        elif action == "said here":
            issues.comment(actor, key, given)
            self.said.append(given)
        elif action == "local":
            self.edit(*given)
        elif action == "resolved here":
            self.fix = f"the cause was {given} and it was restarted"
            finished = {IssueStatus.RESOLVED, IssueStatus.CLOSED}
            if self.value("status") not in finished:
                self.hold("status", IssueStatus.RESOLVED)
            issues.resolve(actor, key, self.fix)
        elif action == "given up":
            self.give_up(given)
        else:
            self.sync()

    def value(self, field: str) -> Any:
        return self.ours.get(field, self.read[field])

    def hold(self, field: str, value: Any) -> None:
        self.ours[field] = value
        if value == self.read[field]:
            del self.ours[field]

    def edit(self, field: str, value: Any) -> None:
        if field == "status" and value not in workflow.NEXT[self.value("status")]:
            return
        edit(self.mirror, self.key, field, value)
        self.hold(field, value)

    def give_up(self, field: str) -> None:
        mirrors, actor = self.mirror.workspace.mirror, self.mirror.workspace.actor
        if field in self.ours:
            mirrors.drop_edits(actor, self.key, [field])
            del self.ours[field]

    def sync(self) -> None:
        comments = tuple(said(key, body) for key, body in self.there.items())
        self.mirror.read(
            remote(self.key, **self.upstream, comments=comments, complete=True)
        )
        self.read, self.read_comments = dict(self.upstream), dict(self.there)
        for field, value in list(self.ours.items()):
            self.hold(field, value)

    def check(self) -> None:
        found = self.mirror.issue(self.key)
        for field in self.upstream:
            assert field_of(found, field) == self.value(field)
        pending = {p.field: (p.value, p.upstream) for p in found.upstream.pending}
        assert pending == {
            field: (plain(value), plain(self.read[field]))
            for field, value in self.ours.items()
        }
        mirrored = {c.key: c.body for c in found.comments if c.key is not None}
        assert mirrored == self.read_comments
        assert [c.body for c in found.comments if c.key is None] == self.said
        if self.fix is not None:
            assert found.resolution is not None
            assert found.resolution.text == self.fix
        else:
            assert found.resolution is None


@settings(max_examples=12)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=14))
def test_upstream_and_local_words_never_mix(
    long_lived: Mirror, actions: list[tuple[str, Any]]
) -> None:
    """Whatever is said here and there in whatever order, each keeps what is its own."""
    ((number,),) = long_lived.sql("SELECT count(*) FROM issue")
    model = Model(long_lived, f"MODEL-{number}")
    for action, details in [*actions, ("sync", None)]:
        model.do(action, details)
        model.check()


def test_resolution_of_a_person_is_not_replaced(mirror: Mirror) -> None:
    """What upstream states later, or what a comment says, does not replace it."""
    closed = replace(WHOLE, resolution="It was closed after a restart of the pod.")
    mirror.read(replace(WHOLE, status=IssueStatus.OPEN))
    mirror.workspace.issues.resolve(mirror.workspace.actor, "1", FIX)
    for issue in (closed, replace(closed, status=IssueStatus.OPEN), WHOLE):
        mirror.read(issue)
        found = mirror.issue("1").resolution
        assert found is not None
        assert (found.text, found.how) == (FIX, ResolutionHow.STATED)


def test_what_people_judged_and_linked_stays(mirror: Mirror) -> None:
    """Ratings and local relations are not touched by a sync."""
    mirror.read(WHOLE)
    mirror.sql(
        "INSERT INTO recommendation (id, uuid, issue_number, kind, actor, question, "
        "payload, confidence, model, latency_ms, created_at) "
        "VALUES (1, 'r', 1, 'suggestion', 'owner', x'00', x'00', 0.9, 'm', 1, ?)",
        "2026-03-02 09:00:00.000000",
    )
    mirror.sql(
        "INSERT INTO rating (uuid, recommendation_id, rater, stars, created_at) "
        "VALUES ('a', 1, 'owner', 5, '2026-03-02 09:00:00.000000')"
    )
    mirror.sql(
        "INSERT INTO link (issue_number, kind, target, upstream) "
        "VALUES (1, 'caused_by', 'CHG-1', 0)"
    )
    tables = ("recommendation", "rating")
    before = mirror.tables()
    mirror.read(replace(WHOLE, title="t", links=(), comments=()))
    mirror.read(GoneIssue(WHOLE.key, GoneReason.DELETED))
    after = mirror.tables()
    assert {n: after[n] for n in tables} == {n: before[n] for n in tables}
    assert [link.target for link in mirror.issue("1").links] == ["CHG-1"]
