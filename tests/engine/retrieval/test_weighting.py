"""Votes: averaged, aged, bounded, and most for a question like the rated one."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.identity import policies
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.scope import Scope
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.retrieval.votes import Vote, VoteKind, votes
from issuetrack.engine.retrieval.weighting import (
    MOST,
    MOST_AGAINST,
    OUTCOMES,
    RATINGS,
    THIS_QUESTION,
    weigh,
)
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import OutcomeResult
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
ONE = Subject(SubjectKind.ISSUE, 1)
HERE = np.array([[1.0, 0.0], [1.0, 0.0]], dtype=np.float32)
SAME = (bytes([127, 0]), bytes([127, 0]))
OTHER = (bytes([0, 127]), bytes([0, 127]))


def vote(
    worth: float,
    voter: str = "ann",
    subject: Subject = ONE,
    weight: float = 1.0,
    asked: tuple[bytes, bytes] | None = None,
    kind: VoteKind = VoteKind.RATING,
) -> Vote:
    """Return a vote."""
    return Vote(kind, voter, subject, worth, weight, 1, asked)


def added(given: list[Vote], best: float = 10.0) -> dict[str, float]:
    """Return what votes add to a source, by name, where the best score is that."""
    return {part.leg: part.value for part in weigh(given, HERE, best).get(ONE, [])}


def test_stars_are_a_bayesian_average() -> None:
    """Three voices of 5 stars, prior mean 3 and strength 5: 3.75, half of .75 over 2."""
    average = (5 * 3 + 3 * 5) / (5 + 3)
    given = [vote(1.0, name) for name in ("ann", "bob", "eve")]
    assert added(given) == {RATINGS: pytest.approx(MOST[RATINGS] * (average - 3) / 2)}


def test_a_voter_is_one_voice_however_often_they_vote() -> None:
    """Thirty good votes of one person count as one."""
    assert added([vote(1.0)] * 30) == added([vote(1.0)])
    assert added([vote(1.0), vote(-1.0)]) == {RATINGS: pytest.approx(0.0)}


def test_a_share_counts_for_as_much_of_a_voice() -> None:
    """Half an answer gets half a vote."""
    assert added([vote(1.0, weight=0.5)])[RATINGS] == pytest.approx(
        MOST[RATINGS] * 0.5 / 5.5
    )


def test_the_same_question_counts_more_than_any_other() -> None:
    """What was said of this question adds most; of an unlike one only the average."""
    same, other = added([vote(1.0, asked=SAME)]), added([vote(1.0, asked=OTHER)])
    assert same[THIS_QUESTION] > 4 * same[RATINGS]
    assert set(other) == {RATINGS}


def test_votes_against_are_bounded_together() -> None:
    """A thousand people against it take away no more than the bound."""
    crowd = [
        vote(-1.0, f"p{n}", asked=SAME, kind=kind)
        for n in range(1000)
        for kind in VoteKind
    ]
    assert sum(added(crowd).values()) == pytest.approx(-MOST_AGAINST)
    assert sum(added(crowd, 2.0).values()) == pytest.approx(-0.8)


def test_votes_for_are_bounded_by_the_best_score() -> None:
    """A thousand people for it lift it by three fifths of the best score."""
    crowd = [vote(1.0, f"p{n}", asked=SAME) for n in range(1000)]
    assert sum(added(crowd, 2.0).values()) == pytest.approx(1.2)
    assert sum(added(crowd, -1.0).values()) == 0


def test_outcomes_are_credited_apart() -> None:
    """An accepted outcome is its own contribution."""
    assert set(added([vote(1.0, kind=VoteKind.OUTCOME)])) == {OUTCOMES}


def test_a_question_of_another_model_is_unlike() -> None:
    """Vectors of another length are not compared."""
    longer = (bytes([127, 0, 0]), bytes([127, 0, 0]))
    assert set(added([vote(1.0, asked=longer)])) == {RATINGS}


@pytest.fixture(scope="module")
def rated(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Workspace:
    """Return a workspace with two near twins that were fixed differently."""
    path = tmp_path_factory.mktemp("rated") / "rated.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    for fix in ("Restart the spooler service.", "Replace the fuser of the printer."):
        draft = IssueDraft("printer prints blank pages", "Only blank pages come out.")
        number = workspace.issues.create(workspace.actor, draft).number
        workspace.issues.resolve(workspace.actor, str(number), fix)
    draft = IssueDraft("mail bounces", "550 unknown user")
    number = workspace.issues.create(workspace.actor, draft).number
    workspace.issues.resolve(workspace.actor, str(number), "Add the missing alias.")
    workspace.drain_index()
    return workspace


ASKED = Question("blank pages from the printer")


def order(workspace: Workspace, clock: datetime | None = None) -> list[int | None]:
    """Return what is found, best first."""
    given = {} if clock is None else {"clock": lambda: clock}
    with workspace._database.read() as uow:
        search = Search(workspace.model, **given)  # type: ignore[arg-type]
        return [match.issue for match in search.find(uow, ASKED)]


def test_a_rated_answer_goes_first_and_can_be_switched_off(rated: Workspace) -> None:
    """Of near twins the one that helped goes first, for as long as ratings count."""
    first, second, *_ = order(rated)
    made = rated.suggestions.suggest(rated.actor, ASKED, Wish(model=False))
    name = f"R{made.recommendation}"
    rated.feedback.rate(rated.actor, name, 1, source=f"#{first}")
    assert order(rated)[:2] == [second, first]
    rated.policies.set(rated.actor, policies.RATINGS_COUNT.name, "off")
    assert order(rated)[:2] == [first, second]
    rated.policies.set(rated.actor, policies.RATINGS_COUNT.name, "on")

    rated.feedback.rate(rated.actor, name, 5, source=f"#{first}")
    assert order(rated)[:2] == [first, second]
    rated.feedback.outcome(rated.actor, name, OutcomeResult.ACCEPTED)
    with rated._database.read() as uow:
        now = datetime.now().astimezone()
        given = votes(uow, now)
        (latest,) = [v for v in given if v.kind is VoteKind.RATING]
        assert (latest.worth, latest.subject.number) == (1.0, first)
        assert {v.kind for v in given} == set(VoteKind)
        (aged, *_) = votes(uow, now + timedelta(days=365))
        assert aged.weight == pytest.approx(0.5, abs=0.01)
        assert votes(uow, now - timedelta(days=1)) == []


def test_the_only_good_match_is_never_buried(rated: Workspace) -> None:
    """However many find it useless, what alone is about the question stays first."""
    question = Question("mail bounces", "550 unknown")
    made = rated.suggestions.suggest(rated.actor, question, Wish(model=False))
    (cited,) = {source.issue for source in made.composition.evidence}
    for number in range(5):
        rater = replace(rated.actor, principal=f"rater-{number}")
        name = f"R{made.recommendation}"
        rated.feedback.rate(rater, name, 1, source=f"#{cited}")
    with rated._database.read() as uow:
        first, *_ = Search(rated.model).find(uow, question)
    assert first.issue == cited
    assert sum(c.value for c in first.contributions if c.leg == THIS_QUESTION) < 0


def test_votes_are_seen_in_what_is_found(rated: Workspace) -> None:
    """Every vote is a contribution, and contributions add up to the score."""
    with rated._database.read() as uow:
        found = Search(rated.model).find(uow, ASKED)
        early = datetime(2020, 1, 1).astimezone()
        nothing = Search(rated.model).find(uow, ASKED, scope=Scope(before=early))
        late = datetime(2999, 1, 1).astimezone()
        later = Search(rated.model).find(uow, ASKED, scope=Scope(before=late))
    assert nothing == []
    assert {m.issue for m in later} == {m.issue for m in found}
    assert any(c.leg == THIS_QUESTION for m in found for c in m.contributions)
    for match in found:
        assert match.score == pytest.approx(sum(c.value for c in match.contributions))
