"""Searching by words or by meaning, for some kinds, and the passage that it is about."""

from collections.abc import Iterator

import pytest

from conftest import Clock, Team, copy_files
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import EmbeddingModel, Vectors
from issuetrack.engine.issues.finding import By
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.workspace import Workspace

BODY = "The night job stopped.\n\nNo space left on device, says the log of app-07."
FIX = "Deleted the old files in maildrop"
LIFT = "The lift does not move"


class BrokenModel(LlamaEmbedder):
    """The shipped model without its file."""

    def embed(self, texts: object) -> Vectors:
        raise ModelError("the model file is missing", "install it again")


class NoModels:
    """A choice of a model that was removed."""

    has_chat = False

    def chat(self, allowed_hosts: frozenset[str]) -> None:
        """Return nothing: no chat model was chosen."""

    def embedding(self, allowed_hosts: frozenset[str]) -> EmbeddingModel:
        raise ModelError("the chosen model is gone", "issuetrack models list")


@pytest.fixture(scope="module")
def known(
    team_template: Team,
    embedder: LlamaEmbedder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Team]:
    """Return a workspace with two issues and an approved procedure."""
    folder = tmp_path_factory.mktemp("finding")
    team = Team(copy_files(team_template.path, folder / "known.db"), Clock())
    owner, second = (opened(team, name, embedder) for name in ("owner", "second"))
    full = owner.issues.create(owner.actor, IssueDraft("Disk full", BODY))
    owner.issues.resolve(owner.actor, str(full.number), FIX)
    owner.issues.create(owner.actor, IssueDraft("Elevator stuck", LIFT))
    sop = owner.sops.create(owner.actor, Procedure("Free the disk", steps="1. df -h"))
    owner.sops.submit(owner.actor, sop.summary.name)
    second.sops.approve(second.actor, sop.summary.name)
    owner.drain_index()
    yield team
    team.close()


def opened(team: Team, name: str, model: LlamaEmbedder) -> Workspace:
    """Open the workspace as a member."""
    workspace = Workspace.open(team.path, team.unlock(name), model, team.clock)
    team.opened.append(workspace)
    return workspace


def found(workspace: Workspace, text: str, by: By, *kinds: SubjectKind) -> list[str]:
    """Return the names of what is found, best first."""
    matches = workspace.finding.similar(
        workspace.actor, Question.from_text(text), 10, by, kinds or tuple(SubjectKind)
    )
    return [match.subject.name for _, match in matches]


def test_words_alone_take_no_model(known: Team) -> None:
    """Where the model is missing words find; meaning says what is missing."""
    workspace = opened(known, "viewer", BrokenModel())
    assert found(workspace, "maildrop", By.WORDS) == ["#1"]
    for by in (By.BOTH, By.MEANING):
        with pytest.raises(ModelError, match="missing"):
            found(workspace, "maildrop", by)


def test_a_model_that_is_gone_is_missed_by_meaning_alone(known: Team) -> None:
    """Words find although the chosen model cannot even be named."""
    unlock = known.unlock("viewer")
    workspace = Workspace.open(known.path, unlock, None, known.clock, NoModels())
    known.opened.append(workspace)
    assert found(workspace, "maildrop", By.WORDS) == ["#1"]
    with pytest.raises(ModelError, match="gone"):
        found(workspace, "maildrop", By.BOTH)


def test_meaning_alone_adds_no_word(known: Team, embedder: LlamaEmbedder) -> None:
    """A paraphrase comes first, and no leg of words is among what was added."""
    workspace = opened(known, "viewer", embedder)
    asked = Question("somebody is trapped between two floors")
    (_, best), *_ = workspace.finding.similar(workspace.actor, asked, 5, By.MEANING)
    assert best.issue == 2
    assert all(c.leg.startswith("vector") for c in best.contributions)


def test_only_the_kinds_that_are_wanted_are_found(
    known: Team, embedder: LlamaEmbedder
) -> None:
    """Issues, procedures or documents alone; nothing where there is none."""
    workspace = opened(known, "viewer", embedder)
    assert found(workspace, "disk", By.BOTH, SubjectKind.SOP) == ["S1"]
    assert "S1" not in found(workspace, "disk", By.BOTH, SubjectKind.ISSUE)
    assert found(workspace, "disk", By.BOTH, SubjectKind.DOCUMENT) == []


def test_each_leg_tells_its_rank(known: Team, embedder: LlamaEmbedder) -> None:
    """What a leg puts first has rank 1; what it missed has none."""
    workspace = opened(known, "viewer", embedder)
    asked = Question("Elevator stuck")
    matches = workspace.finding.similar(workspace.actor, asked)
    ranks = {
        match.subject.name: {c.leg: c.rank for c in match.contributions}
        for _, match in matches
    }
    assert ranks["#2"]["lexical_title"] == 1
    assert ranks["#2"]["vector_title"] == 1
    assert ranks["#1"]["lexical_title"] is None
    assert ranks["#1"]["vector_title"] in (2, 3)


@pytest.mark.parametrize(
    ("text", "by", "kind", "told"),
    [
        ("space on app-07", By.BOTH, ChunkKind.PROBLEM, BODY.splitlines()[2]),
        ("delete files in maildrop", By.WORDS, ChunkKind.RESOLUTION, FIX),
        ("storage exhausted", By.MEANING, ChunkKind.PROBLEM, BODY),
    ],
)
def test_the_passage_is_the_line_or_the_nearest_part(
    known: Team, embedder: LlamaEmbedder, text: str, by: By, kind: ChunkKind, told: str
) -> None:
    """The line with the words is named; without any, the part nearest in meaning."""
    workspace = opened(known, "viewer", embedder)
    subject = Subject(SubjectKind.ISSUE, 1)
    asked = Question.from_text(text)
    passage = workspace.finding.passage(workspace.actor, asked, subject, by)
    assert passage is not None
    assert (passage.kind, passage.text) == (kind, told)


def test_words_that_nobody_wrote_have_no_passage(known: Team) -> None:
    """By words alone there is none; no model is asked."""
    workspace = opened(known, "viewer", BrokenModel())
    subject = Subject(SubjectKind.ISSUE, 1)
    asked = Question("zzyzx")
    assert workspace.finding.passage(workspace.actor, asked, subject, By.WORDS) is None
