"""Retrieval measured against known duplicates."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from issuetrack.engine.errors import NotFoundError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.reporting.evaluation import RetrievalScore, score
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
TITLES = {
    "A-1": "Disk full on app-07, no space left on device",
    "A-2": "No space left on device: disk of app-07 is full",
    "A-3": "Portal shows an expired certificate",
    "A-4": "TLS certificate of the portal is expired",
    "A-5": "Label printer skips every second label",
    "A-6": "VPN logins are refused since the clock change",
}


@pytest.fixture(scope="module")
def known(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return an indexed workspace with these issues; measuring leaves it as it is."""
    path = tmp_path_factory.mktemp("evaluation") / "evaluation.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    issues = [RemoteIssue(key, title, NOW, NOW) for key, title in TITLES.items()]
    workspace.imports.run(workspace.actor, "tracker", "jsonl", issues)
    workspace.drain_index()
    yield workspace
    workspace.close()


def test_a_score_by_hand() -> None:
    """Ranks 0, 3, 9, 10 and a miss."""
    made = score("both", [0, 3, 9, 10, None])
    assert (made.leg, made.queries) == ("both", 5)
    assert [made.recall_1, made.recall_5, made.recall_10] == pytest.approx(
        [1 / 5, 2 / 5, 3 / 5]
    )
    assert made.mrr == pytest.approx((1 + 1 / 4 + 1 / 10 + 1 / 11) / 5)


def test_all_found_first_is_perfect() -> None:
    """Every measure is 1."""
    assert score("lexical", [0, 0, 0]) == RetrievalScore("lexical", 3, 1, 1, 1, 1)


def test_nothing_found_is_zero() -> None:
    """Every measure is 0."""
    assert score("vector", [None, None]) == RetrievalScore("vector", 2, 0, 0, 0, 0)


def test_each_side_of_a_pair_is_asked_for_the_other(known: Workspace) -> None:
    """Two pairs are four questions a leg, and all are found first here."""
    told: list[tuple[int, int]] = []
    pairs = [("A-1", "A-2"), ("A-3", "A-4")]
    scores = known.evaluation.run(
        known.actor, pairs, lambda done, total: told.append((done, total))
    )
    assert [(s.leg, s.queries) for s in scores] == [
        ("lexical", 4),
        ("vector", 4),
        ("both", 4),
    ]
    assert [(s.recall_1, s.mrr) for s in scores] == [(1.0, 1.0)] * 3
    assert told == [(n, 12) for n in range(1, 13)]


def test_a_wrong_pair_scores_low(known: Workspace) -> None:
    """Issues that are not alike do not come first."""
    scores = known.evaluation.run(known.actor, [("A-1", "A-6")])
    assert [s.recall_1 for s in scores] == [0.0, 0.0, 0.0]
    assert all(s.mrr <= 0.5 for s in scores)


def test_an_issue_with_several_duplicates_counts_its_first(
    known: Workspace,
) -> None:
    """Of three that are one another's duplicates any is right."""
    pairs = [("A-1", "A-2"), ("A-1", "A-5")]
    *_, both = known.evaluation.run(known.actor, pairs)
    assert both.queries == 3
    assert both.recall_1 == pytest.approx(2 / 3)


def test_measuring_stores_nothing(known: Workspace) -> None:
    """Questions of an evaluation are no recommendations and change no index."""
    before = known.index_status()
    known.evaluation.run(known.actor, [("A-3", "A-4")])
    assert known.index_status() == before
    with known._database.read() as uow:
        assert uow.sql("SELECT count(*) FROM recommendation")[0][0] == 0


@pytest.mark.parametrize("pair", [("A-1", "X-9"), ("X-9", "A-1"), ("X-9", "X-8")])
def test_an_unknown_key_is_named(known: Workspace, pair: tuple[str, str]) -> None:
    """A pair that names an issue that is not there stops the evaluation."""
    with pytest.raises(NotFoundError, match="no issue has the key X-9") as caught:
        known.evaluation.run(known.actor, [("A-3", "A-4"), pair])
    assert caught.value.hint is not None
