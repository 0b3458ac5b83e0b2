"""Ratings and outcomes: kept, sealed, credited, read back, taken into account."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import KEY, copy_files
from issuetrack.engine.assistant.feedback_log import FeedbackFilter
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.targets import Target
from issuetrack.engine.errors import NotFoundError, PermissionDenied, UsageError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import OutcomeResult, Role
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

PROBLEM = "The disk of the build server is full"
FIX = "Root cause: old images. Fix: run `docker image prune -a` on the build server."


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder) -> Path:
    """Return a closed workspace: #1 resolved, #2 like it, R1 for #2, and S1."""
    path = tmp_path_factory.mktemp("rated") / "rated.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    actor = workspace.actor
    workspace.issues.create(actor, IssueDraft(PROBLEM, "no space left on device"))
    workspace.issues.resolve(actor, "1", FIX)
    workspace.issues.create(actor, IssueDraft("Disk full on the build server again"))
    workspace.sops.create(actor, Procedure("Clean up a build server", steps="1. Prune"))
    workspace.drain_index()
    workspace.suggestions.suggest(actor, workspace.finding.question_of(actor, "2"))
    workspace.close()
    return path


@pytest.fixture
def rated(
    template: Path, tmp_path: Path, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return an open copy of it."""
    path = copy_files(template, tmp_path / "rated.db")
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    yield workspace
    workspace.close()


def rows(workspace: Workspace, statement: str) -> list[tuple[object, ...]]:
    """Return rows of the database."""
    with workspace._database.read() as uow:
        return uow.sql(statement)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("R12", Target(12)),
        ("r12", Target(12)),
        (" 12 ", Target(12)),
        ("S3", Target(sop=3)),
        ("s3", Target(sop=3)),
    ],
)
def test_names_of_what_is_judged(name: str, target: Target) -> None:
    """R and S tell what it is; a bare number is a recommendation."""
    assert Target.named(name) == target


@pytest.mark.parametrize(
    "name", ["", "R", "S", "RS1", "R-1", "D5", "#17", "R1.5", "R٣", "9" * 30]
)
def test_other_names_are_refused(name: str) -> None:
    """Nothing else names something that can be judged."""
    with pytest.raises(UsageError, match="neither a recommendation nor an SOP"):
        Target.named(name)


def test_rating_is_kept_for_engineers(rated: Workspace) -> None:
    """Stars, rater and feedback are stored, the feedback for engineers' eyes."""
    kept = rated.feedback.rate(rated.actor, "R1", 4, " step 2 was wrong ")
    assert (kept.recommendation, kept.sop, kept.stars, kept.rater) == (
        1,
        None,
        4,
        "owner",
    )
    with rated._database.read() as uow:
        ((uuid, rater, feedback),) = uow.sql("SELECT uuid, rater, feedback FROM rating")
        sealed = bytes(feedback)
        key = uow._cipher._keys[sealed[2 : 2 + sealed[1]].decode()]
        text = uow.open("rating", "feedback", uuid, sealed)
    assert (rater, text, key.role) == (
        rated.actor.principal,
        "step 2 was wrong",
        Role.ENGINEER,
    )


@pytest.mark.parametrize("stars", [-1, 0, 6, 100])
def test_stars_are_one_to_five(rated: Workspace, stars: int) -> None:
    """Other numbers are refused and not stored."""
    with pytest.raises(UsageError, match="is not a rating"):
        rated.feedback.rate(rated.actor, "R1", stars)
    assert rows(rated, "SELECT count(*) FROM rating") == [(0,)]


@pytest.mark.parametrize("name", ["R7", "S7"])
def test_what_does_not_exist_cannot_be_judged(rated: Workspace, name: str) -> None:
    """The error names it and says where to find names; nothing is stored."""
    with pytest.raises(NotFoundError, match=name) as caught:
        rated.feedback.rate(rated.actor, name, 5)
    with pytest.raises(NotFoundError, match=name):
        rated.feedback.outcome(rated.actor, name, OutcomeResult.ACCEPTED)
    assert caught.value.hint is not None
    assert rows(rated, "SELECT count(*) FROM outcome") == [(0,)]


@pytest.mark.parametrize("source", ["#1", "1"])
def test_rating_of_one_source_credits_that_one(rated: Workspace, source: str) -> None:
    """What is credited is kept by the name of the source."""
    kept = rated.feedback.rate(rated.actor, "R1", 5, source=source)
    assert kept.source == "#1"
    assert rows(rated, "SELECT credited FROM rating") == [("#1",)]


@pytest.mark.parametrize("source", ["#2", "D1", "S1"])
def test_only_cited_sources_are_credited(rated: Workspace, source: str) -> None:
    """Another source is refused, and the cited ones are named."""
    with pytest.raises(UsageError, match=r"R1 does not cite") as caught:
        rated.feedback.rate(rated.actor, "R1", 5, source=source)
    assert caught.value.hint == "it cites #1"
    with pytest.raises(UsageError, match="S1 is no recommendation"):
        rated.feedback.rate(rated.actor, "S1", 5, source="#1")
    assert rows(rated, "SELECT count(*) FROM rating") == [(0,)]


def test_last_rating_of_a_person_counts(rated: Workspace) -> None:
    """All are kept and told, and which of them counts."""
    for stars in (1, 3):
        rated.feedback.rate(rated.actor, "R1", stars)
    rated.feedback.rate(rated.actor, "S1", 5)
    found = rated.feedback.entries(rated.actor, FeedbackFilter(), 10)
    assert [(e.recommendation, e.sop, e.stars, e.counts) for e in found] == [
        (None, 1, 5, True),
        (1, None, 3, True),
        (1, None, 1, False),
    ]


def test_outcome_of_a_recommendation_knows_its_issue(rated: Workspace) -> None:
    """The issue is the one it was made for, unless another one is named."""
    own = rated.feedback.outcome(rated.actor, "R1", OutcomeResult.ACCEPTED)
    other = rated.feedback.outcome(rated.actor, "R1", OutcomeResult.REJECTED, "#1")
    assert (own.issue, other.issue) == (2, 1)
    assert rows(rated, "SELECT count(*) FROM sop_use") == [(0,)]


@pytest.mark.parametrize("result", list(OutcomeResult))
def test_procedure_that_helped_was_used(
    rated: Workspace, result: OutcomeResult
) -> None:
    """A use is noted with the issue; a procedure that did not help has none."""
    rated.feedback.outcome(rated.actor, "S1", result, "2", note="on node 3")
    used = [] if result is OutcomeResult.REJECTED else [(1, 2, None)]
    assert (
        rows(rated, "SELECT sop_id, issue_number, recommendation_id FROM sop_use")
        == used
    )
    (entry,) = rated.feedback.entries(rated.actor, FeedbackFilter(), 10)
    assert (entry.kind, entry.result, entry.text) == ("outcome", result, "on node 3")


def test_what_was_recommended_lately_is_found(rated: Workspace) -> None:
    """Recommendations of the issue come first, the latest at the top, then SOPs."""
    question = rated.finding.question_of(rated.actor, "2")
    rated.suggestions.suggest(rated.actor, question)
    rated.suggestions.suggest(rated.actor, Question("something else"))
    rated.feedback.outcome(rated.actor, "S1", OutcomeResult.PARTLY, "2")
    found = rated.feedback.recent(rated.actor, "2")
    assert [one.target.name for one in found] == ["R2", "R1", "S1"]
    assert [one.about for one in found][1:] == ["from #1", "Clean up a build server"]
    assert rated.feedback.recent(rated.actor, "1") == []


def test_filters_of_feedback(rated: Workspace) -> None:
    """By what was judged, by stars, by time; the limit is held."""
    actor = rated.actor
    rated.feedback.rate(actor, "R1", 2)
    rated.feedback.outcome(actor, "R1", OutcomeResult.PARTLY)
    rated.feedback.rate(actor, "S1", 5)
    every = rated.feedback.entries(actor, FeedbackFilter(), 10)

    def kinds(wanted: FeedbackFilter, limit: int = 10) -> list[str]:
        return [entry.kind for entry in rated.feedback.entries(actor, wanted, limit)]

    assert kinds(FeedbackFilter()) == ["rating", "outcome", "rating"]
    assert kinds(FeedbackFilter(target=Target(1))) == ["outcome", "rating"]
    assert kinds(FeedbackFilter(stars=(1, 4))) == ["rating"]
    assert kinds(FeedbackFilter(since=every[1].at)) == ["rating", "outcome"]
    assert kinds(FeedbackFilter(), 1) == ["rating"]
    with pytest.raises(NotFoundError, match="R9"):
        rated.feedback.entries(actor, FeedbackFilter(target=Target(9)), 10)


def test_viewer_may_judge_and_not_read(rated: Workspace) -> None:
    """Everybody may rate; what was written is for engineers."""
    viewer = replace(rated.actor, role=Role.VIEWER)
    assert rated.feedback.rate(viewer, "S1", 4, "thanks").stars == 4
    assert rated.feedback.outcome(viewer, "R1", OutcomeResult.PARTLY).issue == 2
    with pytest.raises(PermissionDenied, match="read feedback"):
        rated.feedback.entries(viewer, FeedbackFilter(), 10)


def test_judgements_are_audited(rated: Workspace) -> None:
    """Each is an entry of its own, named for what was judged."""
    rated.feedback.rate(rated.actor, "R1", 4, source="#1")
    rated.feedback.rate(rated.actor, "S1", 4)
    rated.feedback.outcome(rated.actor, "R1", OutcomeResult.ACCEPTED)
    rated.feedback.outcome(rated.actor, "S1", OutcomeResult.ACCEPTED, "2")
    actions = rows(
        rated,
        "SELECT action, entity_type, entity_id FROM audit_entry "
        "ORDER BY sequence DESC LIMIT 4",
    )
    assert actions[::-1] == [
        ("recommendation.rate", "recommendation", "1"),
        ("sop.rate", "sop", "1"),
        ("recommendation.outcome", "recommendation", "1"),
        ("sop.outcome", "sop", "1"),
    ]
    assert rated.verify_audit().broken_at is None
