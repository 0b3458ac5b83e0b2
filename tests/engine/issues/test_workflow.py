"""Which status may follow which."""

import itertools

import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.issues import workflow
from issuetrack.engine.store.types import IssueStatus

ALLOWED = {
    ("open", "in_progress"),
    ("open", "resolved"),
    ("open", "closed"),
    ("in_progress", "open"),
    ("in_progress", "resolved"),
    ("in_progress", "closed"),
    ("resolved", "open"),
    ("resolved", "closed"),
    ("closed", "open"),
}
PAIRS = list(itertools.product(IssueStatus, repeat=2))


def test_exactly_the_sensible_moves_are_allowed() -> None:
    """Nine of the sixteen pairs pass."""
    passed = set()
    for before, after in PAIRS:
        try:
            workflow.check(17, before, after)
        except UsageError:
            continue
        passed.add((before.value, after.value))
    assert passed == ALLOWED


@pytest.mark.parametrize("status", IssueStatus)
def test_staying_where_it_is_is_told_so(status: IssueStatus) -> None:
    """Closing a closed issue is an error of its own; the hint shows the issue."""
    with pytest.raises(UsageError) as caught:
        workflow.check(17, status, status)
    assert caught.value.message == f"#17 is {status} already"
    assert caught.value.hint == "issuetrack issue show 17"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (before, after)
        for before, after in PAIRS
        if before is not after and (before, after) not in ALLOWED
    ],
)
def test_a_move_that_makes_no_sense_names_the_way(
    before: IssueStatus, after: IssueStatus
) -> None:
    """A finished issue is worked on again only after it was reopened."""
    with pytest.raises(UsageError) as caught:
        workflow.check(17, before, after)
    assert caught.value.message == f"#17 is {before} and cannot become {after}"
    assert caught.value.hint == "reopen it first: issuetrack issue reopen 17"


def test_resolved_and_closed_are_finished() -> None:
    """Only these two statuses have an accepted fix."""
    assert {s.value for s in workflow.FINISHED} == {"resolved", "closed"}
