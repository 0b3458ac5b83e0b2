"""Suggestions made of quoted spans: what is used, cited, asked and left out."""

from datetime import UTC, datetime

import pytest

from issuetrack.engine.assistant.composer import (
    MOST_CAUSES,
    MOST_CHECKS,
    MOST_STEPS,
    Composition,
    Step,
    compose,
)
from issuetrack.engine.assistant.grounding import is_grounded, spans
from issuetrack.engine.assistant.sources import Source, SourceSpan
from issuetrack.engine.issues.records import (
    IssueRecord,
    IssueSummary,
    ResolutionRecord,
    UpstreamRecord,
)
from issuetrack.engine.retrieval.search import Match, Question
from issuetrack.engine.store.types import (
    IssueStatus,
    IssueType,
    ResolutionHow,
    Role,
)

NOTHING = UpstreamRecord(None, None, (), ())
DAY = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
ASKED = Question("Checkout returns 500, FATAL: sorry, too many clients already on db-1")
POOLS = """Root cause: pool size times pod count exceeded the limit of the server.

Steps:
1. Close idle sessions: `psql -c 'SELECT pg_terminate_backend(pid)'`
2. Smaller pools: `kubectl -n shop set env deployment/checkout DB_POOL_MAX=8`

Verified: error rate is 0.02 %.

Rollback: `kubectl -n shop rollout undo deployment/checkout`
"""
LEAK = """Root cause: a connection leak in release 5.8 of the payments service.

Steps:
1. Go back to the last release: `kubectl -n pay rollout undo deployment/payments-api`
2. End the orphans in the database

Verified: ledger jobs run without a wait.
"""


def source(
    number: int,
    fix: str,
    *,
    similarity: float = 0.7,
    coverage: float = 0.5,
    how: ResolutionHow = ResolutionHow.STATED,
    reader: Role = Role.VIEWER,
    same_error: bool = False,
) -> Source:
    """Return a past issue with a fix, as retrieval hands it over."""
    summary = IssueSummary(
        number,
        f"OPS-{number}",
        None,
        "jira",
        IssueType.INCIDENT,
        IssueStatus.CLOSED,
        None,
        None,
        None,
        None,
        (),
        None,
        None,
        f"Past issue {number}",
        DAY,
        DAY,
        DAY,
        DAY,
        None,
        1,
    )
    resolution = ResolutionRecord(fix, how, "resolution", reader) if fix else None
    return Source(
        IssueRecord(summary, "body", (), (), resolution, (), NOTHING),
        Match(number, 1.0, similarity, ()),
        coverage,
        same_error,
        tuple(SourceSpan(span, "resolution", reader) for span in spans(fix)),
    )


def steps_of(made: Composition) -> tuple[Step, ...]:
    """Return every step, check and way back."""
    return (*made.steps, *made.validation, *made.rollback)


def assert_grounded(made: Composition) -> None:
    """Check that everything said is in the words it cites, and nothing twice."""
    quotes = {item.id: item.quote for item in made.evidence}
    assert len(quotes) == len(made.evidence)
    for cause in made.root_causes:
        assert any(is_grounded(cause.cause, None, quotes[i]) for i in cause.evidence)
    for step in steps_of(made):
        assert any(
            is_grounded(step.action, step.command, quotes[i]) for i in step.evidence
        )
    places = [(item.issue, item.quote) for item in made.evidence]
    assert len(set(places)) == len(places)
    cited = [i for cause in made.root_causes for i in cause.evidence]
    cited += [i for step in steps_of(made) for i in step.evidence]
    assert set(cited) == set(quotes)


def test_without_sources_there_are_questions_only() -> None:
    """No evidence: confidence 0, nothing to do, something to ask."""
    made = compose(ASKED, [])
    assert made.confidence == 0.0
    assert (made.root_causes, steps_of(made), made.evidence) == ((), (), ())
    assert made.summary == "No past issue is like this one; nothing can be recommended."
    assert made.questions[0].startswith("Nothing like this is on record")


def test_sources_without_a_fix_are_named_in_a_question() -> None:
    """Similar but unsolved: confidence 0, and people are asked."""
    made = compose(ASKED, [source(4, ""), source(9, "")])
    assert made.confidence == 0.0
    assert (made.root_causes, steps_of(made), made.evidence) == ((), (), ())
    assert made.questions[0].startswith("Similar to #4, #9, where nobody wrote down")


def test_a_write_up_becomes_a_suggestion() -> None:
    """Cause, steps with commands, check and way back are those of the source."""
    made = compose(ASKED, [source(7, POOLS)])
    assert [c.cause for c in made.root_causes] == [
        "pool size times pod count exceeded the limit of the server."
    ]
    assert [s.command for s in made.steps] == [
        "psql -c 'SELECT pg_terminate_backend(pid)'",
        "kubectl -n shop set env deployment/checkout DB_POOL_MAX=8",
    ]
    assert [s.action for s in made.validation] == ["error rate is 0.02 %."]
    assert [s.command for s in made.rollback] == [
        "kubectl -n shop rollout undo deployment/checkout"
    ]
    assert {s.rationale for s in steps_of(made)} == {"helped in #7 on 2026-01-05"}
    assert made.summary == "Most like #7, Past issue 7 (closed)."
    assert [item.id for item in made.evidence] == ["E1", "E2", "E3", "E4", "E5"]
    assert {(item.issue, item.key, item.kind) for item in made.evidence} == {
        (7, "OPS-7", "resolution")
    }
    assert_grounded(made)


def test_a_runner_up_that_is_as_relevant_adds_its_steps() -> None:
    """The steps of the best come first, then those of the second."""
    made = compose(ASKED, [source(7, POOLS), source(8, LEAK, similarity=0.69)])
    assert [s.rationale.split()[2] for s in made.steps] == ["#7", "#7", "#8", "#8"]
    assert [c.evidence for c in made.root_causes] == [("E1",), ("E2",)]
    assert_grounded(made)


def test_a_runner_up_that_is_less_relevant_adds_no_steps() -> None:
    """Somebody else's fix is not mixed in."""
    made = compose(ASKED, [source(7, POOLS), source(8, LEAK, similarity=0.5)])
    assert {s.rationale.split()[2] for s in made.steps} == {"#7"}


def test_two_causes_make_a_question() -> None:
    """Where past issues disagree on the cause, that is to be checked first."""
    made = compose(ASKED, [source(7, POOLS), source(8, LEAK, similarity=0.69)])
    assert (
        "Is the cause the one of #7 or the one of #8? Check that before running the "
        "steps." in made.questions
    )


def test_the_question_names_the_issues_whose_causes_are_shown() -> None:
    """A source without a cause is not asked about."""
    bare = "1. Restart the pods: `kubectl -n shop rollout restart deployment/checkout`"
    made = compose(
        ASKED,
        [
            source(7, POOLS),
            source(8, bare, similarity=0.69),
            source(9, LEAK, similarity=0.68),
        ],
    )
    assert len(made.root_causes) == 2
    assert any("of #7 or the one of #9" in question for question in made.questions)


def test_the_same_fix_in_two_issues_is_told_once() -> None:
    """A step that repeats another one in its words is left out."""
    again = POOLS.replace("Close idle", "Then close idle")
    made = compose(ASKED, [source(7, POOLS), source(8, again, similarity=0.69)])
    assert len(made.steps) == 2
    assert len(made.root_causes) == 1
    assert_grounded(made)


def test_a_sentence_said_twice_in_one_issue_is_cited_once() -> None:
    """No quote is there twice."""
    made = compose(ASKED, [source(7, POOLS + "\n" + POOLS)])
    assert len(made.steps) == 2
    assert_grounded(made)


def test_long_write_ups_are_cut() -> None:
    """There are never more items than a person reads at 03:00."""
    many = "\n".join(
        [
            "Steps:",
            *[f"{n}. Restart node{n}: `ssh node{n} sudo reboot`" for n in range(1, 20)],
            "",
            "## Verification",
            *[f"- host node{n} answers" for n in range(1, 20)],
            "",
            "## Rollback",
            *[f"- `ssh node{n} sudo poweroff`" for n in range(1, 20)],
        ]
    )
    causes = [
        source(n, f"Root cause: {word} was the reason for it.\n\n{many}")
        for n, word in enumerate(["alpha", "beta", "gamma", "delta", "epsilon"], 1)
    ]
    made = compose(ASKED, causes)
    assert len(made.steps) <= MOST_STEPS
    assert len(made.validation) <= MOST_CHECKS
    assert len(made.rollback) <= MOST_CHECKS
    assert len(made.root_causes) <= MOST_CAUSES
    assert_grounded(made)


def test_a_fix_without_steps_gives_its_first_sentences() -> None:
    """A terse fix that is no instruction is still shown."""
    made = compose(
        ASKED, [source(7, "The new line needs the other driver. Sigh. Yes.")]
    )
    assert [s.action for s in made.steps] == [
        "The new line needs the other driver.",
        "Sigh.",
    ]
    assert_grounded(made)


def test_what_a_person_stated_is_surer_than_what_was_mined() -> None:
    """The same words are worth less where nobody confirmed them."""
    values = [
        compose(ASKED, [source(7, POOLS, how=how)]).confidence
        for how in (
            ResolutionHow.CONFIRMED,
            ResolutionHow.STATED,
            ResolutionHow.MINED,
        )
    ]
    assert values[0] == values[1] > values[2] > 0


def test_more_likeness_is_surer() -> None:
    """Confidence rises with similarity, coverage and a shared error."""
    values = [
        compose(ASKED, [source(7, POOLS, similarity=0.4, coverage=0.2)]).confidence,
        compose(ASKED, [source(7, POOLS, similarity=0.8, coverage=0.2)]).confidence,
        compose(ASKED, [source(7, POOLS, similarity=0.8, coverage=0.9)]).confidence,
        compose(
            ASKED, [source(7, POOLS, similarity=0.8, coverage=0.9, same_error=True)]
        ).confidence,
    ]
    assert values == sorted(values)
    assert len(set(values)) == 4


def test_causes_share_the_confidence() -> None:
    """The causes' confidences add up to that of the suggestion."""
    made = compose(ASKED, [source(7, POOLS), source(8, LEAK, similarity=0.69)])
    shares = [cause.confidence for cause in made.root_causes]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(made.confidence, abs=0.011)


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("slow", {"What is the exact error", "Which service and host"}),
        ("java.io.IOException", {"Which service and host"}),
        (
            "the shop of our customer in the north is slow since monday morning",
            {"What is the exact error"},
        ),
        (ASKED.title + " HTTP 500", set()),
    ],
)
def test_what_a_question_lacks_is_asked_for(title: str, asked: set[str]) -> None:
    """Without an error code, or in a few words, the next thing to know is asked."""
    made = compose(Question(title), [source(7, POOLS)])
    assert {
        " ".join(q.split()[: len(a.split())])
        for a in asked
        for q in made.questions
        if q.startswith(a)
    } == asked
    assert len(made.questions) == len(asked)


def test_a_mined_runner_up_does_not_make_a_stated_fix_unsure() -> None:
    """The margin is 0..1, as the features promise."""
    mined = source(8, LEAK, similarity=0.75, how=ResolutionHow.MINED)
    equal = source(8, LEAK, similarity=0.7, how=ResolutionHow.MINED)
    beside = compose(ASKED, [mined, source(7, POOLS)]).confidence
    even = compose(ASKED, [equal, source(7, POOLS)]).confidence
    assert beside == even
