"""Adaptation: pairs counted and taken back, one transform for bits, scores, questions."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import policies
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval import adaptation, vector_index
from issuetrack.engine.retrieval.adaptation import CurrentTransform, transform_of
from issuetrack.engine.retrieval.fusion import WEIGHTS
from issuetrack.engine.retrieval.search import LEARNED, PLAIN, Options, Question, Search
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

KEY = "00112233445566778899aabbccddeeff"
NOW = datetime(2026, 1, 5, tzinfo=UTC)
ISSUES = 340
VECTOR_ONLY = {leg: w for leg, w in WEIGHTS.items() if leg.startswith("vector")}


class StyledModel:
    """Vectors of words plus a strong style in few directions, which says nothing."""

    fingerprint = "styled"
    dimensions = 384
    window = 254

    def count(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.array([self._row(text) for text in texts], dtype=np.float32)
        rows = rows.reshape(len(texts), self.dimensions)
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def _row(self, text: str) -> npt.NDArray[np.float64]:
        told = np.sum([self._word(word) for word in text.split()], axis=0)
        style = self._word(text).copy()
        style[4:] = 0
        row: npt.NDArray[np.float64] = told / np.linalg.norm(told)
        return row + 3 * style / np.linalg.norm(style)

    @staticmethod
    @cache
    def _word(word: str) -> npt.NDArray[np.float64]:
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
        return np.random.default_rng(seed).standard_normal(384)


def tracker(count: int) -> Iterator[RemoteIssue]:
    """Yield issues of one piece each, whose text tells three words of the title."""
    rng = np.random.default_rng(3)
    for number in range(count):
        words = [f"w{n}" for n in rng.integers(0, 500, size=9)]
        yield RemoteIssue(
            key=f"A-{number}",
            title=" ".join(words[:6]),
            body=" ".join(words[3:]),
            status=IssueStatus.CLOSED,
            created_at=NOW,
            updated_at=NOW,
        )


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Return a workspace with enough pairs."""
    path = tmp_path_factory.mktemp("adapted") / "adapted.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), StyledModel())
    items = list(tracker(ISSUES))
    workspace.imports.run(workspace.actor, "styled", "jsonl", items)
    workspace.drain_index()
    yield workspace
    workspace.close()


def bits(workspace: Workspace) -> dict[int, bytes]:
    """Return the sign bits that are stored."""
    with workspace._database.read() as uow:
        return dict(uow.sql("SELECT chunk_id, bits FROM chunk_bits"))


def derived(workspace: Workspace, *, plain: bool = False) -> dict[int, bytes]:
    """Return the sign bits of the stored vectors, transformed or as they are."""
    with workspace._database.read() as uow:
        rows = uow.sql(
            "SELECT id, vector FROM chunk JOIN chunk_vector USING (content_hash)"
        )
        transform = None if plain else CurrentTransform().of(uow)
    vectors = vector_index.unit_rows([row[1] for row in rows])
    moved = vector_index.transformed(vectors, transform)
    packed = np.packbits(moved > 0, axis=1, bitorder="little")
    return {row[0]: b.tobytes() for row, b in zip(rows, packed, strict=True)}


def state(workspace: Workspace) -> adaptation.AdaptationState:
    """Return how far it has adapted."""
    with workspace._database.read() as uow:
        return adaptation.state(uow)


def scatter(workspace: Workspace) -> adaptation.Scatter:
    """Return the sum over pairs that is kept."""
    with workspace._database.read() as uow:
        ((blob,),) = uow.sql("SELECT scatter FROM adaptation")
    return np.frombuffer(blob).reshape(384, 384)


def reciprocal_rank(workspace: Workspace, options: Options) -> float:
    """Return how well the first issues are found by the other half of their words."""
    search = Search(workspace.model, VECTOR_ONLY, options=options)
    ranks = []
    with workspace._database.read() as uow:
        for number, item in enumerate(tracker(20), start=1):
            asked = Question(" ".join(item.body.split()[3:]))
            found = [m.issue for m in search.find(uow, asked, ISSUES)]
            ranks.append(1 / (found.index(number) + 1))
    return float(np.mean(ranks))


def test_the_transform_whitens_what_differs_within_pairs() -> None:
    """By hand: S = diag(4, 1), shrunk by .3 towards 2.5, to the power -1/2."""
    made = transform_of(np.diag([8.0, 2.0]), 2)
    by_hand = np.array([(0.7 * 4 + 0.3 * 2.5) ** -0.5, (0.7 * 1 + 0.3 * 2.5) ** -0.5])
    assert made == pytest.approx(np.diag(by_hand * 2 / by_hand.sum()), abs=1e-6)


def test_pairs_are_titles_with_pieces_and_neighbours() -> None:
    """A title with two pieces of one text and one of a comment: 3 and 1 pairs."""
    kinds = [("title", None, 0), ("problem", None, 0), ("problem", None, 1)]
    vectors = np.eye(4, dtype=np.float32)
    found = adaptation.differences([*kinds, ("comment", 7, 0)], vectors)
    assert found.tolist() == [
        [1, -1, 0, 0],
        [1, 0, -1, 0],
        [1, 0, 0, -1],
        [0, 1, -1, 0],
    ]
    nothing = adaptation.differences([("problem", None, 0)], vectors[:1])
    assert nothing.shape == (0, 4)


def test_it_adapts_by_itself_and_finds_better(adapted: Workspace) -> None:
    """Enough pairs: bits, scores and questions are transformed, and find more."""
    now = state(adapted)
    assert now.pairs == ISSUES
    assert adaptation.FEWEST_PAIRS <= now.applied_pairs <= now.pairs
    assert bits(adapted) == derived(adapted)
    assert bits(adapted) != derived(adapted, plain=True)
    assert reciprocal_rank(adapted, LEARNED) > 1.2 * reciprocal_rank(adapted, PLAIN)


def test_similarity_stays_as_the_model_gave_it(adapted: Workspace) -> None:
    """The cosine that thresholds look at does not depend on the transform."""
    title = next(tracker(1)).title
    found = []
    for options in (LEARNED, PLAIN):
        with adapted._database.read() as uow:
            search = Search(adapted.model, options=options)
            matches = search.find(uow, Question(title), ISSUES)
        found.append({match.issue: match.similarity for match in matches})
    both = found[0].keys() & found[1].keys()
    assert found[0][1] == pytest.approx(1.0, abs=0.01)
    assert {n: found[0][n] for n in both} == {n: found[1][n] for n in both}


def test_what_goes_takes_its_pairs_with_it(adapted: Workspace) -> None:
    """Edits and new issues leave the sum of what is there, as counted afresh."""
    actor = adapted.actor
    before = scatter(adapted), state(adapted).pairs
    number = adapted.issues.create(actor, IssueDraft("w1 w2", "w3 w4")).number
    adapted.drain_index()
    assert state(adapted).pairs == before[1] + 1
    adapted.issues.edit(actor, str(number), {"body": ""})
    adapted.drain_index()
    assert state(adapted).pairs == before[1]
    assert scatter(adapted) == pytest.approx(before[0], abs=1e-9)
    assert bits(adapted) == derived(adapted)


def test_it_follows_what_shrinks(adapted: Workspace) -> None:
    """A transform made from much more than is left is made anew."""
    with adapted._database.write() as uow:
        uow.sql("UPDATE adaptation SET applied_pairs = 2 * pairs")
    adapted.drain_index()
    assert state(adapted).applied_pairs == state(adapted).pairs


def test_off_and_on_by_hand(adapted: Workspace) -> None:
    """Off, bits are those of the model's vectors; on again, they are as before."""
    was = bits(adapted)
    off = adapted.adapt_index(off=True)
    assert (off.adapted_from, off.not_adapted_because) == (0, "switched off by hand")
    assert bits(adapted) == derived(adapted, plain=True)
    adapted.drain_index()
    assert state(adapted).applied_pairs == 0
    on = adapted.adapt_index()
    assert (on.adapted_from, on.not_adapted_because) == (on.pairs, None)
    assert bits(adapted).keys() == was.keys()
    assert bits(adapted) == derived(adapted)


def test_an_admin_switches_it_off_for_all(adapted: Workspace) -> None:
    """Questions are scored without it at once, and the bits follow with the next drain."""
    adapted.policies.set(adapted.actor, policies.ADAPTATION.name, "off")
    assert reciprocal_rank(adapted, LEARNED) == pytest.approx(
        reciprocal_rank(adapted, PLAIN), abs=0.02
    )
    with pytest.raises(UsageError, match=r"learning\.adaptation is off"):
        adapted.adapt_index()
    adapted.drain_index()
    assert bits(adapted) == derived(adapted, plain=True)
    adapted.policies.set(adapted.actor, policies.ADAPTATION.name, "on")
    adapted.drain_index()
    assert bits(adapted) == derived(adapted)


def test_a_rebuild_counts_afresh(adapted: Workspace) -> None:
    """After a rebuild there are the same pairs, and it has adapted again."""
    before = scatter(adapted), state(adapted).pairs
    adapted.rebuild_index()
    assert state(adapted).pairs == before[1]
    assert scatter(adapted) == pytest.approx(before[0], abs=1e-9)
    assert state(adapted).applied
    assert bits(adapted) == derived(adapted)


def test_a_small_workspace_stays_as_it_is(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Too few pairs: nothing is transformed, and asking for it changes nothing."""
    path = tmp_path_factory.mktemp("small") / "small.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), StyledModel())
    empty = workspace.adapt_index()
    assert (empty.pairs, empty.adapted_from) == (0, 0)
    workspace.adapt_index(off=True)
    workspace.imports.run(workspace.actor, "styled", "jsonl", list(tracker(9)))
    workspace.drain_index()
    assert workspace.index_status().not_adapted_because == "switched off by hand"
    assert workspace.adapt_index().adapted_from == 0
    assert bits(workspace) == derived(workspace, plain=True)
    workspace.close()
