"""What is calibrated on: past issues first, people's votes then, nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from conftest import Clock, Team
from engine.assistant.recurring_tracker import NOW, opened, tracker
from issuetrack.engine.assistant import calibration
from issuetrack.engine.assistant.calibration import (
    LEAST_CASES,
    PAST,
    REFIT_AFTER,
    Calibration,
    active,
    fit,
    lacking,
    learn,
    store,
    sure,
    taught,
)
from issuetrack.engine.assistant.confidence import Basis, Features
from issuetrack.engine.assistant.voted import Example, voted
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.types import CalibrationKind, OutcomeResult
from issuetrack.engine.workspace import Workspace

SUGGESTION = CalibrationKind.SUGGESTION
LIKE = Features(similarity=0.9, coverage=0.8, quality=0.85)
UNLIKE = Features(similarity=0.3, coverage=0.1, quality=0.85)
HISTORY = [Example(LIKE, 1.0)] * 40 + [Example(LIKE, 0.0)] * 5
HISTORY += [Example(UNLIKE, 0.0)] * 40 + [Example(UNLIKE, 1.0)] * 5


@pytest.fixture
def tracked(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock
) -> Iterator[Workspace]:
    """Return a workspace with a few past issues, calibrated on made-up cases."""
    folder, issues = tmp_path_factory.mktemp("few"), tracker(2, 3, 0)
    with opened(folder, issues, clock=clock) as workspace:
        with workspace._database.write() as uow:
            store(uow, fit(SUGGESTION, clock(), HISTORY))
        yield workspace


def in_force(workspace: Workspace) -> Calibration:
    """Return the calibration in force."""
    with workspace._database.read() as uow:
        found = active(uow, SUGGESTION)
    assert found is not None
    return found


def suggested(workspace: Workspace, times: int) -> list[int]:
    """Ask so often; return the recommendations."""
    asked = workspace.finding.question_of(workspace.actor, "6")
    return [
        workspace.suggestions.suggest(workspace.actor, asked).recommendation
        for _ in range(times)
    ]


def rate(workspace: Workspace, numbers: Sequence[int], stars: int) -> None:
    """Rate recommendations."""
    for number in numbers:
        workspace.feedback.rate(workspace.actor, f"R{number}", stars)


def test_too_few_are_refused_with_what_is_missing() -> None:
    """Fifty answers, ten of them right and ten wrong."""
    assert lacking(25, 25) is None
    assert lacking(40, 9) == (
        "50 answered past issues (there are 49); 10 with a wrong answer (there are 9)"
    )
    assert lacking(3, 60) == "10 with a right answer (there are 3)"


def test_what_came_true_is_what_is_said() -> None:
    """The chance of each kind of answer is near the share of it that was right."""
    weights = fit(SUGGESTION, NOW, HISTORY).weights
    assert weights.chance(LIKE) == pytest.approx(40 / 45, abs=0.03)
    assert weights.chance(UNLIKE) == pytest.approx(5 / 45, abs=0.03)


def test_it_is_kept_and_read_back(workspace: Workspace) -> None:
    """One is in force for each kind; the ones before are kept."""
    first = fit(SUGGESTION, NOW, HISTORY, metrics={"mrr": 0.5})
    second = fit(SUGGESTION, NOW, HISTORY[:60])
    with workspace._database.write() as uow:
        assert active(uow, SUGGESTION) is None
        assert sure(uow, LIKE).basis == Basis()
        store(uow, first)
        assert active(uow, SUGGESTION) == first
        store(uow, second)
        assert active(uow, SUGGESTION) == second
        assert active(uow, CalibrationKind.DUPLICATE) is None
        assert sure(uow, LIKE).basis == Basis(60, 0, NOW)
        assert sure(uow, None).value == 0.0
        kept = uow.sql("SELECT count(*), sum(active) FROM calibration")
    assert kept == [(2, 1)]


def test_one_of_other_features_is_not_used(workspace: Workspace) -> None:
    """A calibration of another release says nothing of these features."""
    with workspace._database.write() as uow:
        store(uow, fit(SUGGESTION, NOW, HISTORY))
        uow.sql("""UPDATE calibration SET features = '["similarity"]'""")
        uow.session.expire_all()
        assert active(uow, SUGGESTION) is None


def test_votes_teach_after_enough_of_them(tracked: Workspace) -> None:
    """Ten ratings refit; bad ones lower what is said, and the basis counts them."""
    before = in_force(tracked)
    numbers = suggested(tracked, REFIT_AFTER)
    asked = tracked.finding.question_of(tracked.actor, "6")
    told = tracked.suggestions.suggest(tracked.actor, asked).composition
    rate(tracked, numbers[:-1], 1)
    assert in_force(tracked) == before
    rate(tracked, numbers[-1:], 1)
    after = in_force(tracked)
    assert after.basis == Basis(len(HISTORY), REFIT_AFTER, after.created_at)
    assert after.parameters[PAST] == before.parameters[PAST]
    now = tracked.suggestions.suggest(tracked.actor, asked).composition
    assert now.confidence < told.confidence
    assert now.basis.words == f"from 90 past issues and {REFIT_AFTER} ratings"


def test_its_own_output_teaches_nothing(tracked: Workspace) -> None:
    """However much is suggested: without votes nothing is learnt."""
    before = in_force(tracked)
    suggested(tracked, REFIT_AFTER + 2)
    with tracked._database.write() as uow:
        assert learn(uow, NOW) is None
        assert voted(uow) == []
    assert in_force(tracked) == before


def test_which_votes_count_and_as_what(tracked: Workspace) -> None:
    """4 and 5 stars and accepted are right, 1 and 2 and rejected wrong, others no vote.

    Of one person the latest counts, and an outcome before stars.
    """
    numbers = suggested(tracked, 7)
    for number, stars in zip(numbers, (5, 4, 3, 2, 1, 5, 5), strict=True):
        rate(tracked, [number], stars)
    rate(tracked, numbers[:1], 2)
    for number, result in (
        (numbers[5], OutcomeResult.REJECTED),
        (numbers[6], OutcomeResult.PARTLY),
    ):
        tracked.feedback.outcome(tracked.actor, f"R{number}", result)
    with tracked._database.read() as uow:
        said = [(example.success, example.votes) for example in voted(uow)]
    assert said == [(0.0, 1), (1.0, 1), (0.0, 1), (0.0, 1), (0.0, 1)]


def test_people_who_disagree_are_one_example(team: Team) -> None:
    """Two ratings of one answer: half right, and two votes."""
    owner, viewer = team.open("owner"), team.open("viewer")
    draft = IssueDraft("Disk full on node seven", "ENOSPC")
    past = owner.issues.create(owner.actor, draft)
    owner.issues.resolve(owner.actor, str(past.number), "Fix: removed the old logs.")
    owner.drain_index()
    asked = owner.finding.question_of(owner.actor, str(past.number))
    number = owner.suggestions.suggest(
        owner.actor, replace(asked, exclude=None)
    ).recommendation
    owner.feedback.rate(owner.actor, f"R{number}", 5)
    viewer.feedback.rate(viewer.actor, f"R{number}", 1)
    with owner._database.read() as uow:
        said = [(example.success, example.votes) for example in voted(uow)]
    assert said == [(0.5, 2)]


def test_learning_again_counts_no_vote_twice() -> None:
    """What was learnt from votes is learnt anew, from what the past taught."""
    votes = [Example(UNLIKE, 1.0, 1)] * 12
    known = fit(SUGGESTION, NOW, HISTORY)
    once = taught(known, votes, NOW)
    assert once is not None
    assert taught(once, votes, NOW) == once
    assert once.weights.chance(UNLIKE) > known.weights.chance(UNLIKE)
    assert taught(known, [], NOW) is None


def test_votes_alone_calibrate_when_they_are_many() -> None:
    """Without a backtest it takes as many votes as it would take past issues."""
    votes = [Example(LIKE, 1.0, 1)] * 30 + [Example(UNLIKE, 0.0, 1)] * 30
    made = taught(None, votes, NOW)
    assert made is not None
    assert made.basis.words == "from 60 ratings"
    assert made.weights.chance(LIKE) > 0.8 > 0.2 > made.weights.chance(UNLIKE)
    assert len(votes) >= LEAST_CASES


def test_a_fit_on_past_and_votes_is_the_past_taught_by_the_votes() -> None:
    """A backtest after ratings keeps them."""
    votes = [Example(UNLIKE, 1.0, 1)] * 12
    whole = fit(SUGGESTION, NOW, HISTORY, votes)
    assert whole == taught(fit(SUGGESTION, NOW, HISTORY), votes, NOW)
    assert (whole.fitted_on, whole.positives, whole.ratings) == (90, 45, 12)
    assert calibration.chances(whole, [LIKE]) == [whole.weights.chance(LIKE)]
