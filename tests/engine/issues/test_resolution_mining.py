"""Mining of the accepted fix: which text is taken, which is not."""

import json
from dataclasses import dataclass, replace
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from issuetrack.engine.issues.candidates import Remark, Story
from issuetrack.engine.issues.resolution import (
    Fix,
    candidates,
    carries_fix,
    mine,
    says_something,
)
from issuetrack.engine.store.types import (
    CommentKind,
    IssueStatus,
    ResolutionHow,
    Role,
)

PUBLIC, NOTE = CommentKind.PUBLIC, CommentKind.WORK_NOTE
OPEN, WORKING = IssueStatus.OPEN, IssueStatus.IN_PROGRESS
RESOLVED, CLOSED = IssueStatus.RESOLVED, IssueStatus.CLOSED
ASSIGNEE = "ops-team"
ROOT_CAUSE = (
    "Root cause: old logs filled /var. Fixed by deleting them with `find -delete`."
)


@dataclass(frozen=True)
class Case:
    """An issue as the miner sees it, and where its fix is to be found."""

    expected: str | None
    remarks: tuple[tuple[str | None, str], ...] = ()
    stated: str | None = None
    status: IssueStatus = CLOSED
    notes: tuple[int, ...] = ()


CASES = {
    "a stated sentence is taken": Case(
        "resolution", stated="Replaced the broken fan in server 4"
    ),
    "a stated sentence goes before any comment": Case(
        "resolution", ((ASSIGNEE, ROOT_CAUSE),), "Raised the pool size to 40 on node 2"
    ),
    "a long write-up is taken": Case(
        "resolution",
        stated=f"## Root cause\n\nOld logs.\n\n## Steps\n\n1. {ROOT_CAUSE}",
    ),
    "Fixed says nothing": Case(None, stated="Fixed"),
    "Fixed leaves it to the comment": Case(
        "comment 0", ((ASSIGNEE, ROOT_CAUSE),), "Fixed"
    ),
    "Done. leaves it to the comment": Case(
        "comment 0", ((ASSIGNEE, ROOT_CAUSE),), "Done."
    ),
    "Duplicate leaves it to the comment": Case(
        "comment 0", ((ASSIGNEE, ROOT_CAUSE),), "Duplicate"
    ),
    "Won't Fix says nothing": Case(None, stated="Won't Fix"),
    "Cannot Reproduce says nothing": Case(None, stated="Cannot Reproduce"),
    "Works for me says nothing": Case(None, stated="works for me"),
    "two words say nothing": Case(None, stated="reboot helped"),
    "a dead end is no resolution": Case(
        None, stated="Went away by itself, nobody touched the server"
    ),
    "closing for inactivity is no resolution": Case(
        None, stated="No answer for two weeks, closing for inactivity"
    ),
    "a pointer to a duplicate is no resolution": Case(
        None,
        stated="Duplicate, see the linked incident.",
    ),
    "a closing comment of the assignee with a cue": Case(
        "comment 1",
        (("reporter", "It is slow again"), (ASSIGNEE, "Fixed by adding a second node")),
    ),
    "a closing comment of somebody else with a cause": Case(
        "comment 0",
        (("reporter", "Root cause was the proxy, turned out its disk was full"),),
    ),
    "a label": Case(
        "comment 0",
        ((ASSIGNEE, "Workaround: restart the agent every night"),),
    ),
    "the later of two good ones": Case(
        "comment 1",
        (
            (ASSIGNEE, "Fixed by restarting the service with `systemctl restart x`"),
            (ASSIGNEE, "Fixed by raising the limit with `sysctl -w a=1`, verified"),
        ),
    ),
    "the write-up and not the thanks after it": Case(
        "comment 0", ((ASSIGNEE, ROOT_CAUSE), ("reporter", "Thank you, works again!"))
    ),
    "the write-up and not the chat around it": Case(
        "comment 2",
        (
            ("reporter", "Any news here? The shop is down and people are calling"),
            (ASSIGNEE, "Looking at it, restarted one pod to see what happens"),
            (ASSIGNEE, ROOT_CAUSE),
            (ASSIGNEE, "Closing."),
        ),
    ),
    "a failed attempt is not taken": Case(
        None, ((ASSIGNEE, "Restarted the service, did not help"),)
    ),
    "no effect is not taken": Case(
        None, ((ASSIGNEE, "Changed the timeout and cleared the cache, no effect"),)
    ),
    "came back is not taken": Case(
        None, ((ASSIGNEE, "Rebooted the node, the same error came back after an hour"),)
    ),
    "a dead end with a command is not taken": Case(
        None, ((ASSIGNEE, "Tried `systemctl restart nginx`, still failing"),)
    ),
    "the fix after failed attempts": Case(
        "comment 2",
        (
            (ASSIGNEE, "Restarted the service, no change"),
            (ASSIGNEE, "Cleared the cache, still broken"),
            (ASSIGNEE, "The fix was to renew the certificate, verified"),
        ),
    ),
    "a question is not taken": Case(
        None, ((ASSIGNEE, "Was it fixed by the restart of the proxy?"),)
    ),
    "bot noise is not taken": Case(
        None,
        (("Hadoop QA", "-1 overall. Patch fixed in trunk, tests passed: ```log```"),),
    ),
    "a robot that closes is not taken": Case(
        None, (("stale[bot]", "Fixed by nobody, closing this, changed the label"),)
    ),
    "a pull request notice is not taken": Case(
        None,
        (
            (
                "somebody",
                "somebody opened a new pull request, fixed by `#12` and merged",
            ),
        ),
    ),
    "thanks alone is not taken": Case(None, (("reporter", "Great, thank you all!"),)),
    "two words are not taken": Case(None, ((ASSIGNEE, "fixed it"),)),
    "no remarks": Case(None),
    "an open issue has no fix": Case(None, ((ASSIGNEE, ROOT_CAUSE),), status=OPEN),
    "nor has one in work": Case(None, ((ASSIGNEE, ROOT_CAUSE),), status=WORKING),
    "not even a stated one": Case(None, stated="Replaced the fan of it", status=OPEN),
    "a resolved one has": Case("comment 0", ((ASSIGNEE, ROOT_CAUSE),), status=RESOLVED),
    "a work note can hold the fix": Case(
        "comment 0",
        ((ASSIGNEE, ROOT_CAUSE), (ASSIGNEE, "Works again.")),
        notes=(0,),
    ),
    "a better public comment goes before a work note": Case(
        "comment 1",
        ((ASSIGNEE, "Restarted it, verified with `ps aux`"), (ASSIGNEE, ROOT_CAUSE)),
        notes=(0,),
    ),
    "German: Ursache": Case(
        "comment 0",
        ((ASSIGNEE, "Ursache war das alte Kennwort, behoben mit `Unlock-ADAccount`"),),
    ),
    "German: gelöst": Case(
        "comment 0",
        ((ASSIGNEE, "Gelöst: Zertifikat erneuert mit `certbot renew`"),),
    ),
    "a heading of its own line is a cue": Case(
        "comment 0", ((ASSIGNEE, "*Solution*\n\nmoved the folder to the other share"),)
    ),
    "Jira code is a command": Case(
        "comment 0",
        ((ASSIGNEE, "Solved by\n{code:bash}\nsystemctl restart x\n{code}"),),
    ),
    "an author without a name": Case("comment 0", ((None, ROOT_CAUSE),)),
}


def mined(case: Case) -> Fix | None:
    """Mine a case, its remarks named by their places."""
    remarks = [
        Remark(author, NOTE if place in case.notes else PUBLIC, body, str(place))
        for place, (author, body) in enumerate(case.remarks)
    ]
    story = Story(case.status, stated=case.stated, assignee=ASSIGNEE, remarks=remarks)
    return mine(story)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_fix_is_found_where_it_is(case: Case) -> None:
    """The mined text is the expected one, with its provenance and its readers."""
    fix = mined(case)
    if case.expected is None:
        assert fix is None
        return
    assert fix is not None
    if case.expected == "resolution":
        expected = Fix(
            str(case.stated), ResolutionHow.STATED, "resolution", Role.VIEWER
        )
    else:
        place = int(case.expected.split()[1])
        reader = Role.ENGINEER if place in case.notes else Role.VIEWER
        text = case.remarks[place][1]
        expected = Fix(text, ResolutionHow.MINED, case.expected, reader)
    assert replace(fix, score=None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, False),
        ("", False),
        ("Fixed", False),
        ("  FIXED!  ", False),
        ("**Done**", False),
        ("won't fix", False),
        ("N/A", False),
        ("Closed/Resolved by Caller", False),
        ("ok now", False),
        ("restart", False),
        ("Fixed in release 2.31.1", True),
        ("restarted the print spooler", True),
        ("Zertifikat auf dem Server erneuert", True),
    ],
)
def test_a_closing_word_says_nothing(text: str | None, expected: bool) -> None:
    """At least four words that are not a tracker's closing phrase."""
    assert says_something(text) is expected


def test_the_assignee_and_the_last_word_count_more() -> None:
    """The same text scores higher from the assignee, and higher at the end."""
    text = "Restarted the agent on both nodes of the cluster"
    chat = Remark("somebody", PUBLIC, "Any news? I am waiting for this one", "chat")
    more = Remark("somebody", PUBLIC, "Is anybody there? Please call me back", "more")

    def score(author: str, *, last: bool) -> float:
        remark = Remark(author, PUBLIC, text, "told")
        remarks = (chat, more, remark) if last else (chat, remark, more)
        found = candidates(Story(CLOSED, assignee=ASSIGNEE, remarks=remarks))
        return next(c.score for c in found if c.provenance == "comment told")

    scores = [
        score(ASSIGNEE, last=True),
        score("somebody", last=True),
        score("somebody", last=False),
    ]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ROOT_CAUSE, True),
        ("The fix was to renew the certificate, verified", True),
        ("Thanks, I will have a look tomorrow", False),
        ("Restarted the service, did not help", False),
    ],
)
def test_comments_that_carry_a_fix_are_known(text: str, expected: bool) -> None:
    """Only such comments are indexed beside the resolution."""
    assert carries_fix(Remark(ASSIGNEE, PUBLIC, text, ""), ASSIGNEE) is expected


@settings(derandomize=True, deadline=None, database=None, max_examples=150)
@given(
    stated=st.none() | st.text(max_size=80),
    bodies=st.lists(
        st.lists(
            st.sampled_from(
                [ROOT_CAUSE, "no effect", "?", "```", "\0", "Fixed by x y z"]
            )
            | st.text(max_size=20),
            max_size=4,
        ).map(" ".join),
        max_size=5,
    ),
)
def test_a_fix_is_always_somebodys_words(stated: str | None, bodies: list[str]) -> None:
    """Whatever the texts, the fix is the stated text or one whole remark."""
    remarks = [Remark("a", PUBLIC, body, str(n)) for n, body in enumerate(bodies)]
    fix = mine(Story(CLOSED, stated=stated, remarks=remarks))
    if fix is None:
        return
    if fix.provenance == "resolution":
        assert fix.text == (stated or "").strip()
    else:
        assert fix.text == bodies[int(fix.provenance.split()[1])].strip()


def sample_stories() -> dict[str, Story]:
    """Return the past incidents that ship with the program."""
    text = (resources.files("issuetrack.cli") / "sample_incidents.jsonl").read_text()
    found = {}
    for record in map(json.loads, text.splitlines()):
        remarks = [
            Remark(c["author"], CommentKind(c["kind"]), c["body"], c["key"])
            for c in record["comments"]
        ]
        found[record["key"]] = Story(
            IssueStatus(record["status"]),
            record["title"],
            record["resolution"],
            record["assignee"],
            record["reporter"],
            remarks=remarks,
        )
    return found


def test_fixes_in_the_comments_of_the_sample_are_mined() -> None:
    """Where only a comment tells the fix, it is that comment in nine of ten cases."""
    found: dict[str, bool] = {}
    for key, story in sample_stories().items():
        telling = {
            f"comment {remark.name}"
            for remark in story.remarks
            if "Fixed by" in remark.body or "Root cause" in remark.body
        }
        if story.status is OPEN or says_something(story.stated) or not telling:
            continue
        fix = mine(story)
        found[key] = fix is not None and fix.provenance in telling
    assert len(found) >= 15
    assert sum(found.values()) / len(found) >= 0.9


def test_dead_ends_of_the_sample_are_not_mined() -> None:
    """Incidents that nobody ever solved have no fix."""
    unsolved = {"OPS-117", "OPS-124", "OPS-150", "OPS-159", "OPS-162"}
    for key, story in sample_stories().items():
        if key in unsolved:
            assert mine(story) is None
