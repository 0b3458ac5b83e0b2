"""What may be the fix of an issue, and where each text is from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from issuetrack.engine.issues.candidates import Change, Channel, Remark, Story, said
from issuetrack.engine.issues.resolution import (
    THRESHOLD,
    candidates,
    carries_fix,
    mine,
    text_digest,
)
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from timing import growth

PUBLIC, NOTE = CommentKind.PUBLIC, CommentKind.WORK_NOTE
CLOSED = IssueStatus.CLOSED
START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
TITLE = "Spooler stops after an update"
FIX = "Root cause: the old driver. Fixed by replacing it with version 7 on prn-01."
OTHER = "Fixed by moving the queue to prn-02 and deleting the damaged job there."
OPENED = (
    "ravi opened a new pull request, #12: Replace the printer driver by version 7 "
    "URL: https://git.example/pull/12 ### Description of PR Pins driver 7.0 in "
    "drivers.yaml. ### How was this patch tested? By hand."
)
INTEGRATED = (
    "SUCCESS: Integrated in Jenkins build print-trunk #41 (See "
    "https://ci.example/41/) OPS-7. Pin printer driver 7.0 in drivers.yaml "
    "(ravi: rev 0a1b2c3d4e5f)"
)


def remark(
    body: str,
    author: str | None = "ravi",
    name: str = "1",
    kind: CommentKind = PUBLIC,
    hours: int = 0,
) -> Remark:
    """Return a comment said some hours after the start."""
    return Remark(author, kind, body, name, START + timedelta(hours=hours))


def moved(hours: int, after: str, before: str, actor: str = "ravi") -> Change:
    """Return a change of status some hours after the start."""
    return Change(START + timedelta(hours=hours), actor, "status", before, after)


@pytest.mark.parametrize(
    ("body", "channel", "author", "text"),
    [
        ("Looking at it.", Channel.COMMENT, "ravi", "Looking at it."),
        (
            OPENED,
            Channel.PULL_REQUEST,
            "ravi",
            "Replace the printer driver by version 7\n\nPins driver 7.0 in drivers.yaml.",
        ),
        (
            INTEGRATED,
            Channel.COMMIT,
            None,
            "OPS-7. Pin printer driver 7.0 in drivers.yaml",
        ),
        (
            "ines commented on PR #12: URL: https://git.example/pull/12#c1 Merged, "
            "driver 7 it is",
            Channel.COMMENT,
            "ines",
            "Merged, driver 7 it is",
        ),
        (
            "build-yetus commented on PR #12: URL: https://git.example/12 **-1 overall**",
            Channel.REPORT,
            "build-yetus",
            "**-1 overall**",
        ),
        (
            "-1 overall. Tests passed.",
            Channel.REPORT,
            "ravi",
            "-1 overall. Tests passed.",
        ),
    ],
)
def test_notices_are_read_as_what_they_repeat(
    body: str, channel: Channel, author: str | None, text: str
) -> None:
    """A robot's notice counts as the title, message or comment that it carries."""
    found = said(remark(body))
    assert (found.channel, found.author, found.text) == (channel, author, text)


@pytest.mark.parametrize(
    ("body", "provenance"),
    [
        (OPENED, "pull request 12"),
        (INTEGRATED, "commit 0a1b2c3d4e5f"),
        (FIX, "comment 1"),
    ],
)
def test_provenance_names_where_a_text_is_from(body: str, provenance: str) -> None:
    """A comment, a commit or a pull request."""
    story = Story(CLOSED, TITLE, remarks=[remark(body)])
    assert [c.provenance for c in candidates(story)] == [provenance]


def test_a_commit_that_repeats_the_title_says_nothing() -> None:
    """Only what is more than the issue's own title can be its fix."""
    title = "Pin printer driver 7.0 in drivers.yaml"
    assert candidates(Story(CLOSED, title, remarks=[remark(INTEGRATED)])) == ()


def test_what_was_said_before_a_reopening_did_not_hold() -> None:
    """A plainer text that was said after it goes before it."""
    held = "Moved the queue to prn-02 and deleted the damaged job there with `del`"
    remarks = [remark(FIX, hours=1), remark(held, name="2", hours=9)]
    changes = [
        moved(1, "closed", "open"),
        moved(5, "open", "closed"),
        moved(9, "closed", "open"),
    ]
    straight = mine(Story(CLOSED, TITLE, remarks=remarks, changes=changes[:1]))
    reopened = mine(Story(CLOSED, TITLE, remarks=remarks, changes=changes))
    assert straight is not None
    assert reopened is not None
    assert (straight.text, reopened.text) == (FIX, held)


def test_the_comment_at_the_closing_by_who_closed_counts_more() -> None:
    """The same words score higher from the resolver, when the status changed."""
    remarks = [
        remark("It prints stripes, please help with this one", "ines"),
        remark("Replaced the fuser unit on the third floor", name="2", hours=4),
    ]
    plain = Story(CLOSED, TITLE, remarks=remarks)
    closing = replace(plain, changes=[moved(4, "Resolved", "Open")])
    scores = [
        next(c.score for c in candidates(story) if c.place == 1)
        for story in (plain, closing)
    ]
    assert scores[0] < scores[1]
    assert candidates(closing)[0].place == 1


def test_candidates_are_ordered_with_reasons_and_readers() -> None:
    """The best comes first; a work note stays with the engineers."""
    remarks = [
        remark("Looking at it, maybe the driver?"),
        remark(FIX, name="2", kind=NOTE),
        remark("Thanks!", "ines", "3"),
    ]
    best, *rest = candidates(Story(CLOSED, TITLE, assignee="ravi", remarks=remarks))
    assert (best.text, best.reader, best.place) == (FIX, Role.ENGINEER, 1)
    assert best.score >= THRESHOLD > max(c.score for c in rest)
    assert {"remedy", "assignee"} <= {f.name for f in best.features}
    assert all(c.reader is Role.VIEWER for c in rest)


def test_scores_of_an_issue_add_up_to_less_than_one() -> None:
    """What is missing is the chance that none of them is the fix."""
    remarks = [remark(text, name=str(n)) for n, text in enumerate((FIX, OTHER, "ok?"))]
    scores = [c.score for c in candidates(Story(CLOSED, TITLE, remarks=remarks))]
    assert 0.0 < sum(scores) <= 1.0


def test_a_rejected_text_leaves_its_place_to_the_next() -> None:
    """Its share goes to what is left; spaces do not bring it back."""
    remarks = [remark(OTHER), remark(FIX, name="2")]
    story = Story(CLOSED, TITLE, remarks=remarks)
    first = mine(story)
    assert first is not None
    rejected = {text_digest(first.text.replace(" ", "  "))}
    second = mine(story, rejected)
    assert second is not None
    assert {first.text, second.text} == {FIX, OTHER}
    assert mine(story, rejected | {text_digest(second.text)}) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ursache: Zertifikat abgelaufen. Behoben mit `certbot renew`.", True),
        ("Gelöst: Spooler auf prn-01 neu gestartet und den Treiber ersetzt.", True),
        ("Neustart des Druckers ohne Wirkung, Fehler tritt weiter auf.", False),
        ("Danke, bitte noch einmal prüfen!", False),
    ],
)
def test_german_comments_are_understood(text: str, expected: bool) -> None:
    """Causes and remedies are found in German, dead ends are not."""
    assert carries_fix(remark(text), None) is expected


def test_a_short_word_that_another_issue_has_the_fix_is_taken() -> None:
    """It goes before what was proposed earlier; the issue's own key does not count."""
    proposed = "We could pin driver 6.1 in drivers.yaml and restart the spooler with it"
    remarks = [remark(proposed), remark("Fixed with OPS-12.", name="2", hours=2)]
    story = Story(CLOSED, TITLE, remarks=remarks, key="OPS-7")
    found = mine(story)
    assert found is not None
    assert found.provenance == "comment 2"
    scores = [
        next(c.score for c in candidates(told) if c.place == 1)
        for told in (story, replace(story, key="OPS-12"))
    ]
    assert scores[1] < scores[0]


def test_a_text_that_is_said_again_counts_once() -> None:
    """A robot that repeats a message takes no share from it; readers stay apart."""
    once = Story(CLOSED, TITLE, remarks=[remark(INTEGRATED), remark(FIX, name="2")])
    twice = replace(once, remarks=[remark(INTEGRATED, name="0"), *once.remarks])
    assert [c.score for c in candidates(once)] == [c.score for c in candidates(twice)]
    note = remark(FIX, name="3", kind=NOTE)
    noted = candidates(replace(once, remarks=[*once.remarks, note]))
    assert {c.reader for c in noted if c.text == FIX} == {Role.VIEWER, Role.ENGINEER}


def test_a_generated_report_is_not_taken() -> None:
    """Whatever it starts with, it says itself that nobody wrote it."""
    body = f"{FIX}\n\nThis message was automatically generated."
    assert said(remark(body)).channel is Channel.REPORT


HOSTILE = {
    "one letter": "a" * 10_000_000,
    "spaces": " " * 10_000_000,
    "fences": "```" * 3_000_000,
    "quotes": "{quote}" * 1_000_000,
    "a pull request without an end": "x opened a new pull request, #1: y URL: z "
    + "<!--" * 2_000_000,
    "a commit without an end": "Integrated in X #1 (See [http://a]) " + "(rev " * 10**6,
    "headings": "GitHub user x opened a pull request: z " + "#" * 10_000_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_reading_is_linear_and_capped(body: str) -> None:
    """Ten megabytes of anything take no longer for their length."""  # FAULTS 24

    def read(size: int) -> None:
        part = body[:size]
        mine(Story(CLOSED, TITLE, remarks=[remark(part), remark(part, name="2")]))
        carries_fix(remark(part), None)

    assert growth(read, len(body)) < 8


def test_five_hundred_comments_are_quick() -> None:
    """A long issue takes no longer for its length."""

    def read(size: int) -> None:
        remarks = [remark(f"{FIX} {n}", name=str(n)) for n in range(size)]
        assert mine(Story(CLOSED, TITLE, remarks=remarks)) is None

    assert growth(read, 500) < 8
