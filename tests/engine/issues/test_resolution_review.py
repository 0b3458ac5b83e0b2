"""A person's judgement of a mined fix: it holds, it is searched, it is in the trail."""

from collections.abc import Callable

import pytest

from conftest import Team
from engine.sync.scripted import DAY, Mirror, remote, said
from issuetrack.engine.errors import NotFoundError, PermissionDenied, UsageError
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.issues.candidates import PULL_REQUEST_TITLE
from issuetrack.engine.issues.review import FixReview
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    ResolutionHow,
    Role,
)
from issuetrack.engine.sync.ports import RemoteEvent, RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "acme/shop#1"
FIX = "Root cause: old logs filled /var. Fixed by deleting them with `find -delete`."
OTHER = "Fixed by growing the volume of the server with `lvextend -r` to 40 GB."
EDITED = "Delete the logs of /var older than a week and shorten the rotation."
FILLER = "The host is in the second room, in the rack beside the window.\n" * 100
STATED = "Replaced the broken controller and rebooted the host"


@pytest.fixture
def mirror(team: Team) -> Mirror:
    """Return an open workspace with one source."""
    made = Mirror(team.open("owner"))
    made.add()
    return made


def issue(
    *bodies: str, kind: CommentKind = CommentKind.PUBLIC, **changes: object
) -> RemoteIssue:
    """Return a closed issue as its tracker has it; the first comment is of a kind."""
    kinds = [kind, *([CommentKind.PUBLIC] * len(bodies))]
    comments = tuple(
        said(f"c{place}", body, kind=kinds[place]) for place, body in enumerate(bodies)
    )
    return remote(
        KEY, status=IssueStatus.CLOSED, comments=comments, resolved_at=DAY, **changes
    )


def kept(mirror: Mirror) -> tuple[str | None, ResolutionHow, str] | None:
    """Return the text that is kept, how it is known and where it is from."""
    known = mirror.issue(KEY).resolution
    return (known.text, known.how, known.provenance) if known else None


def judge(
    mirror: Mirror, verb: str, *arguments: object, **options: object
) -> FixReview:
    """Judge the fix of the issue as the owner."""
    method: Callable[..., FixReview] = getattr(mirror.workspace.review, verb)
    return method(mirror.workspace.actor, KEY, *arguments, **options)


def test_a_mined_fix_waits_with_its_score(mirror: Mirror) -> None:
    """The queue holds it with its provenance, until somebody judges it."""
    mirror.read(issue(FIX))
    (entry,), total = mirror.workspace.review.queue(mirror.workspace.actor)
    assert (entry.issue.key, entry.provenance, total) == (KEY, "comment c0", 1)
    assert entry.score is not None
    assert 0.0 < entry.score <= 1.0
    judge(mirror, "confirm")
    assert mirror.workspace.review.queue(mirror.workspace.actor) == ([], 0)


def test_the_least_certain_comes_first(mirror: Mirror) -> None:
    """Of fixes that are used alike, the one with the lowest score."""
    plain = "Moved the share to the other file server with `robocopy` last night."
    sure = remote("acme/shop#2", status=IssueStatus.CLOSED, comments=(said("a", FIX),))
    unsure = remote(
        "acme/shop#3", status=IssueStatus.CLOSED, comments=(said("b", plain),)
    )
    mirror.read(sure, unsure)
    found, _ = mirror.workspace.review.queue(mirror.workspace.actor)
    assert [entry.issue.key for entry in found] == ["acme/shop#3", "acme/shop#2"]


def test_the_most_used_comes_first(mirror: Mirror) -> None:
    """A fix that recommendations cite goes before one that they do not."""
    mirror.read(issue(FIX))
    other = remote("acme/shop#2", status=IssueStatus.CLOSED, comments=(said("a", FIX),))
    mirror.read(other)
    number = mirror.issue(KEY).number
    mirror.sql(
        "INSERT INTO recommendation (id, uuid, kind, actor, question, payload, "
        "confidence, model, latency_ms, created_at) VALUES "
        "(1, 'r', 'suggestion', 'a', x'00', x'00', 0, 'none', 0, '2026-01-01')"
    )
    for _ in range(3):
        mirror.sql(
            "INSERT INTO recommendation_source (recommendation_id, issue_number, share)"
            " VALUES (1, ?, 0.3)",
            number,
        )
    found, _ = mirror.workspace.review.queue(mirror.workspace.actor)
    assert [(e.issue.number, e.uses) for e in found] == [(number, 3), (number + 1, 0)]


def test_a_confirmed_fix_survives_a_sync(mirror: Mirror) -> None:
    """Neither a better comment nor a stated resolution replaces it."""
    mirror.read(issue(FIX))
    judge(mirror, "confirm")
    mirror.read(issue(FIX, OTHER, title="Disk is full", resolution=STATED))
    assert kept(mirror) == (FIX, ResolutionHow.CONFIRMED, "comment c0")


def test_another_candidate_can_be_confirmed(mirror: Mirror) -> None:
    """By its number in the list; there is no other."""
    mirror.read(issue(OTHER, FIX))
    review = judge(mirror, "get")
    texts = [candidate.text for candidate in review.candidates]
    judge(mirror, "confirm", 2)
    assert kept(mirror) == (
        texts[1],
        ResolutionHow.CONFIRMED,
        review.candidates[1].provenance,
    )
    with pytest.raises(UsageError, match="no candidate 9"):
        judge(mirror, "confirm", 9)


def test_an_edited_fix_tells_so(mirror: Mirror) -> None:
    """The person's words are kept, with what they were made of."""
    mirror.read(issue(FIX))
    judge(mirror, "edit", EDITED)
    assert kept(mirror) == (EDITED, ResolutionHow.CONFIRMED, "an edit of comment c0")
    judge(mirror, "edit", f"{EDITED} Watch it.")
    assert kept(mirror) == (
        f"{EDITED} Watch it.",
        ResolutionHow.CONFIRMED,
        "an edit of comment c0",
    )
    with pytest.raises(UsageError, match="does not say what fixed it"):
        judge(mirror, "edit", "fixed")


def test_a_rejected_text_is_never_mined_again(mirror: Mirror) -> None:
    """The next best takes its place, and a sync does not bring it back."""
    mirror.read(issue(FIX, OTHER))
    first = kept(mirror)
    judge(mirror, "reject")
    second = kept(mirror)
    assert first is not None
    assert second is not None
    assert {first[0], second[0]} == {FIX, OTHER}
    mirror.read(issue(FIX, OTHER, title="Disk is full"))
    assert kept(mirror) == second
    review = judge(mirror, "reject")
    assert (review.resolution, review.candidates, review.rejected) == (None, (), 2)
    mirror.read(issue(FIX, OTHER, title="The disk is full"))
    assert kept(mirror) is None


def test_a_rejected_comment_is_no_evidence_any_more(mirror: Mirror) -> None:
    """Neither the index nor a suggestion takes it for a remedy."""
    mirror.read(issue(FIX, OTHER))
    assert [c.carries_fix for c in mirror.issue(KEY).comments] == [True, True]
    first = judge(mirror, "get").candidates[0].text
    judge(mirror, "reject")
    told = {c.body: c.carries_fix for c in mirror.issue(KEY).comments}
    assert told == {FIX: first != FIX, OTHER: first != OTHER}


def test_a_long_comment_stays_rejected(mirror: Mirror) -> None:
    """However much of it is read for what it tells."""
    mirror.read(issue(f"{FIX}\n\n{FILLER}"))
    assert [c.carries_fix for c in mirror.issue(KEY).comments] == [True]
    judge(mirror, "reject")
    assert [c.carries_fix for c in mirror.issue(KEY).comments] == [False]
    mirror.read(issue(f"{FIX}\n\n{FILLER}", service="shop"))
    assert kept(mirror) is None


def test_long_close_notes_stay_rejected(mirror: Mirror) -> None:
    """A tracker that states them again does not bring them back."""
    notes = f"{STATED}\n\n{FILLER}".strip()
    mirror.read(issue(FIX, resolution=notes))
    assert kept(mirror) == (notes, ResolutionHow.STATED, "resolution")
    judge(mirror, "reject")
    mirror.read(issue(FIX, resolution=notes, service="shop"))
    assert kept(mirror) == (FIX, ResolutionHow.MINED, "comment c0")


def test_a_comment_that_comes_anew_stays_rejected(mirror: Mirror) -> None:
    """Its author was renamed and a space added; it says what was rejected."""
    mirror.read(issue(FIX))
    judge(mirror, "reject")
    again = said("c0", f"{FIX} ", author="ravi.k", issue_key=KEY)
    mirror.read(again)
    (comment,) = mirror.issue(KEY).comments
    assert (comment.author, comment.carries_fix) == ("ravi.k", False)


def test_who_takes_a_rejection_back_has_the_evidence_again(mirror: Mirror) -> None:
    """The comment is found for what it tells, as before."""
    mirror.read(issue(FIX))
    judge(mirror, "reject")
    judge(mirror, "edit", FIX)
    assert [c.carries_fix for c in mirror.issue(KEY).comments] == [True]


def test_a_rejected_stated_resolution_leaves_the_comments(mirror: Mirror) -> None:
    """What a tracker states can be wrong too; it stays rejected."""
    mirror.read(issue(FIX, resolution=STATED))
    assert kept(mirror) == (STATED, ResolutionHow.STATED, "resolution")
    judge(mirror, "reject")
    assert kept(mirror) == (FIX, ResolutionHow.MINED, "comment c0")
    mirror.read(issue(FIX, resolution=STATED, title="Disk is full"))
    assert kept(mirror) == (FIX, ResolutionHow.MINED, "comment c0")


def test_confirming_takes_a_rejection_back(mirror: Mirror) -> None:
    """Who edits to a rejected text has changed their mind."""
    mirror.read(issue(FIX))
    judge(mirror, "reject")
    review = judge(mirror, "edit", FIX)
    assert (kept(mirror), review.rejected) == (
        (FIX, ResolutionHow.CONFIRMED, "an edit"),
        0,
    )


def test_what_was_told_here_cannot_be_rejected(mirror: Mirror) -> None:
    """It is corrected instead."""
    mirror.read(issue(FIX))
    mirror.workspace.issues.resolve(mirror.workspace.actor, KEY, STATED)
    with pytest.raises(UsageError, match="told here"):
        judge(mirror, "reject")
    assert kept(mirror) == (STATED, ResolutionHow.STATED, "resolution")


@pytest.mark.parametrize("public", [False, True])
def test_a_work_note_is_public_only_when_said_so(
    mirror: Mirror, team: Team, public: bool
) -> None:
    """Confirming alone leaves it to the engineers; `public` opens it to viewers."""
    mirror.read(issue(FIX, kind=CommentKind.WORK_NOTE))
    judge(mirror, "confirm", public=public)
    known = mirror.issue(KEY).resolution
    assert known is not None
    assert known.reader is (Role.VIEWER if public else Role.ENGINEER)
    mirror.workspace.close()
    viewer = team.open("viewer")
    seen = viewer.issues.get(viewer.actor, KEY).resolution
    assert seen is not None
    assert seen.text == (FIX if public else None)


def test_an_edit_of_a_work_note_can_be_read_by_everybody(mirror: Mirror) -> None:
    """The person's own words are theirs to tell."""
    mirror.read(issue(FIX, kind=CommentKind.WORK_NOTE))
    judge(mirror, "edit", EDITED)
    known = mirror.issue(KEY).resolution
    assert known is not None
    assert known.reader is Role.VIEWER


def test_an_unfinished_issue_has_no_fix_to_judge(mirror: Mirror) -> None:
    """It is resolved first."""
    mirror.read(remote(KEY, comments=(said("c0", FIX),)))
    assert judge(mirror, "get").candidates == ()
    for verb, arguments in (("confirm", ()), ("confirm", (1,)), ("edit", (EDITED,))):
        with pytest.raises(UsageError):
            judge(mirror, verb, *arguments)
    with pytest.raises(NotFoundError):
        mirror.workspace.review.get(mirror.workspace.actor, "nothing#1")


def test_the_title_of_the_pull_request_that_closed_it_is_a_candidate(
    mirror: Mirror,
) -> None:
    """It comes apart from the issue, and tells the fix where no comment does."""
    title = "Delete logs of /var by find -delete and shorten the log rotation (#12)"
    event = RemoteEvent(
        "pull request 12", DAY, PULL_REQUEST_TITLE, after=title, issue_key=KEY
    )
    mirror.read(issue("Thanks!"))
    assert kept(mirror) is None
    mirror.read(event)
    assert kept(mirror) == (
        title.removesuffix(" (#12)"),
        ResolutionHow.MINED,
        "pull request 12",
    )


def test_judgements_are_in_the_trail_and_wait_for_the_index(mirror: Mirror) -> None:
    """Who did what to which issue, with the text before and after."""
    mirror.read(issue(FIX, OTHER))
    mirror.sql("DELETE FROM index_queue")
    judge(mirror, "reject")
    judge(mirror, "edit", EDITED)
    judge(mirror, "confirm")
    workspace = mirror.workspace
    entries = workspace.trail.entries(workspace.actor, AuditFilter())
    actions = [e.action for e in entries if e.action.startswith("resolution.")]
    assert sorted(actions) == [
        "resolution.confirm",
        "resolution.edit",
        "resolution.reject",
    ]
    assert mirror.sql("SELECT DISTINCT issue_number FROM index_queue") == [
        (mirror.issue(KEY).number,)
    ]


@pytest.mark.parametrize("verb", ["confirm", "edit", "reject"])
def test_viewers_do_not_judge(mirror: Mirror, team: Team, verb: str) -> None:
    """It takes an engineer."""
    mirror.read(issue(FIX))
    mirror.workspace.close()
    viewer: Workspace = team.open("viewer")
    arguments = (EDITED,) if verb == "edit" else ()
    with pytest.raises(PermissionDenied):
        getattr(viewer.review, verb)(viewer.actor, KEY, *arguments)


def test_lists_can_be_narrowed(mirror: Mirror) -> None:
    """By how a fix is known."""
    mirror.read(issue(FIX))
    other = remote(
        "acme/shop#2", status=IssueStatus.CLOSED, resolution=STATED, comments=()
    )
    mirror.read(other)
    found = {
        how: mirror.workspace.review.fixes(mirror.workspace.actor, how)[1]
        for how in (None, *ResolutionHow)
    }
    assert found == {
        None: 2,
        ResolutionHow.STATED: 1,
        ResolutionHow.MINED: 1,
        ResolutionHow.CONFIRMED: 0,
    }
