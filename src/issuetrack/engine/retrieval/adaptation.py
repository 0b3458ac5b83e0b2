"""Adapts the vector space to a workspace: without labels, in closed form.

Texts that belong together are pairs: a title and the pieces under it, neighbouring
pieces, a question and what people said answers it. S is the covariance of the
differences of their vectors, shrunk towards a multiple of the identity; vectors e are
compared as normalise(S^(-1/2) e). This is within-class covariance normalisation
(Hatch, Kajarekar, Stolcke 2006, Interspeech).

Vectors are stored as the model gave them; only the sign bits, the scores and the
questions are transformed. The sum over pairs is kept as things are indexed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import policies
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval import embedding, vector_index
from issuetrack.engine.retrieval.subjects import Subject
from issuetrack.engine.retrieval.votes import GOOD, votes
from issuetrack.engine.store.learning_tables import Adaptation
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

SHRINKAGE = 0.3
FEWEST_PAIRS = 300
GROWTH = 1.2
GROWTH_MIDWAY = 2.0
MOST_TEXTS = 16
IN_FORCE = "index.transform"
TITLES = (ChunkKind.TITLE, ChunkKind.DOCUMENT_TITLE, ChunkKind.SOP_TITLE)
ONE = 1

Scatter = npt.NDArray[np.float64]
Number = TypeVar("Number", bound=np.floating[Any])


@dataclass(frozen=True)
class AdaptationState:
    """How far a workspace has adapted.

    Attributes:
        pairs: how many texts that belong together are known.
        applied_pairs: from how many the transform in force was made; 0 without one.
        fewest: from how many on there is one.
        off_because: why it is off; None if nobody and nothing switched it off.
    """

    pairs: int
    applied_pairs: int
    fewest: int
    off_because: str | None

    @property
    def applied(self) -> bool:
        """Tell whether a transform is in force."""
        return self.applied_pairs > 0


class CurrentTransform:
    """The transform in force, read once and kept while it stays the same."""

    def __init__(self) -> None:
        self._name: str | None = None
        self._transform: Vectors | None = None

    def of(self, uow: UnitOfWork) -> "Vectors | None":
        """Return the (d, d) transform; None where vectors count as they are."""
        name = uow.setting(IN_FORCE) or None
        if name != self._name:
            self._transform = _stored_transform(uow) if name else None
            self._name = name
        return self._transform


def _stored_transform(uow: UnitOfWork) -> "Vectors | None":
    rows = uow.sql("SELECT transform FROM adaptation WHERE transform IS NOT NULL")
    return _square(np.frombuffer(rows[0][0], np.float32)) if rows else None


def _square(flat: npt.NDArray[Number]) -> npt.NDArray[Number]:
    side = round(len(flat) ** 0.5)
    return flat.reshape(side, side)


def differences(
    pieces: Sequence[tuple[str, int | None, int]], vectors: Vectors
) -> Vectors:
    """Return the (m, d) differences of the pairs within one thing that is indexed.

    Args:
        pieces: kind, source row and ordinal of each, in order.
        vectors: (n, d), one row for each.
    """
    titles = [n for n, (kind, _, _) in enumerate(pieces) if kind in TITLES]
    texts = [n for n in range(len(pieces)) if n not in titles][:MOST_TEXTS]
    left = titles[:1] * len(texts)
    right = list(texts)
    for one, other in pairwise(texts):
        (kind, row, place), (*same, following) = pieces[one], pieces[other]
        if [kind, row] == same and following == place + 1:
            left.append(one)
            right.append(other)
    if not titles or not right:
        return vectors[:0]
    apart = vectors[left] - vectors[right]
    different: Vectors = apart[np.abs(apart).max(axis=1) > 0]
    return different


def _apart(uow: UnitOfWork, subjects: Sequence[Subject]) -> "Vectors | None":
    """Return the differences of the pairs within these, None if there are none."""
    found = []
    for subject in subjects:
        rows = uow.sql(
            "SELECT kind, source_row, ordinal, vector FROM chunk "
            f"JOIN chunk_vector USING (content_hash) WHERE {subject.column} = ? "
            "ORDER BY chunk.id",
            subject.number,
        )
        if len(rows) > 1:
            vectors = vector_index.unit_rows([bytes(row[3]) for row in rows])
            found.append(differences([row[:3] for row in rows], vectors))
    found = [apart for apart in found if len(apart)]
    return np.concatenate(found) if found else None


def learn(uow: UnitOfWork, subjects: Sequence[Subject], now: datetime) -> None:
    """Add the pairs within things that were just indexed."""
    apart = _apart(uow, subjects)
    if apart is None:
        return
    row = _row(uow) or _new_row(uow, now)
    _accumulate(row, apart, 1)
    row.updated_at = now
    uow.session.flush()


def unlearn(uow: UnitOfWork, subjects: Sequence[Subject]) -> None:
    """Take out the pairs within things that are about to be taken out."""
    row = _row(uow)
    apart = None if row is None else _apart(uow, subjects)
    if row is not None and apart is not None:
        _accumulate(row, apart, -1)
        uow.session.flush()


def _row(uow: UnitOfWork) -> Adaptation | None:
    return uow.session.get(Adaptation, ONE)


def _new_row(uow: UnitOfWork, now: datetime) -> Adaptation:
    row = Adaptation(
        id=ONE, fingerprint=_fingerprint(uow), pairs=0, scatter=b"", updated_at=now
    )
    uow.session.add(row)
    return row


def _fingerprint(uow: UnitOfWork) -> str:
    return uow.setting(embedding.MODEL_SETTING) or ""


def _accumulate(row: Adaptation, apart: Vectors, sign: int) -> None:
    wide = apart.astype(np.float64)
    added = sign * (wide.T @ wide)
    known = _square(np.frombuffer(row.scatter)) if row.scatter else 0.0
    row.scatter = (known + added).tobytes()
    row.pairs = max(0, row.pairs + sign * len(apart))


def forget_everything(uow: UnitOfWork) -> None:
    """Start again from no pairs and no transform; what switched it off stays."""
    row = _row(uow)
    if row is not None:
        row.fingerprint = _fingerprint(uow)
        row.pairs, row.applied_pairs = 0, 0
        row.scatter, row.transform = b"", None
        uow.session.flush()
    uow.set_setting(IN_FORCE, "")


def transform_of(scatter: Scatter, pairs: int) -> Vectors:
    """Return W = S^(-1/2) as (d, d) float32, scaled so that its trace is d.

    Args:
        scatter: (d, d), the sum of the outer products of the differences.
        pairs: of how many.
    """
    size = len(scatter)
    covariance = scatter / pairs
    level = np.trace(covariance) / size
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(size)
    values, vectors = np.linalg.eigh(shrunk)
    root = (vectors * np.maximum(values, 1e-12) ** -0.5) @ vectors.T
    scaled: Vectors = (root * (size / np.trace(root))).astype(np.float32)
    return scaled


def state(uow: UnitOfWork) -> AdaptationState:
    """Return how far the workspace has adapted."""
    rows = uow.sql("SELECT pairs, applied_pairs, off_because FROM adaptation")
    pairs, applied, why = rows[0] if rows else (0, 0, None)
    if why is None and not policies.is_on(uow, policies.ADAPTATION):
        why = f"{policies.ADAPTATION.name} is off"
    return AdaptationState(pairs, applied, FEWEST_PAIRS, why)


def is_due(uow: UnitOfWork, *, midway: bool = False) -> bool:
    """Tell whether what is in force is behind what is known.

    Only pairs within what is indexed are counted; rated pairs wait for the next time.

    Args:
        uow: what to read through.
        midway: more is coming, so wait until what is known has doubled or halved.
    """
    now = state(uow)
    if now.off_because is not None or now.pairs < FEWEST_PAIRS // 2:
        return now.applied
    growth = GROWTH_MIDWAY if midway else GROWTH
    grown = now.pairs >= growth * now.applied_pairs
    shrunk = growth * now.pairs <= now.applied_pairs
    return now.pairs >= FEWEST_PAIRS and (grown or shrunk)


def refresh(uow: UnitOfWork, at: datetime, *, midway: bool = False) -> None:
    """Bring what is in force up to what is known, if that is due.

    Args:
        uow: what to write through.
        at: the votes that were there then count.
        midway: as for `is_due`.
    """
    if not is_due(uow, midway=midway):
        return
    if state(uow).off_because is not None or state(uow).pairs < FEWEST_PAIRS:
        _put_in_force(uow, None, 0)
    else:
        apply(uow, at)


def apply(uow: UnitOfWork, at: datetime) -> int:
    """Make the transform of all pairs, put it in force; return how many they are.

    Every sign bit is derived again: some seconds for 100,000 pieces.
    """
    row = _row(uow)
    if row is None or not row.scatter or row.pairs < 1:
        return 0
    scatter, pairs = _square(np.frombuffer(row.scatter)), row.pairs
    rated = rated_differences(uow, at, len(scatter))
    if len(rated):
        wide = rated.astype(np.float64)
        scatter, pairs = scatter + wide.T @ wide, pairs + len(rated)
    _put_in_force(uow, transform_of(scatter, pairs), row.pairs)
    return pairs


def _put_in_force(uow: UnitOfWork, transform: "Vectors | None", pairs: int) -> None:
    row = _row(uow)
    assert row is not None
    row.transform = None if transform is None else transform.tobytes()
    row.applied_pairs = pairs
    uow.session.flush()
    name = "" if row.transform is None else hashlib.sha256(row.transform).hexdigest()
    uow.set_setting(IN_FORCE, name)
    uow.session.flush()
    vector_index.derive(uow, transform)


def switch_off(uow: UnitOfWork, reason: str) -> None:
    """Count vectors as they are from now on, and keep why."""
    row = _row(uow) or _new_row(uow, datetime.fromtimestamp(0, UTC))
    row.off_because = reason
    uow.session.flush()
    if row.applied_pairs:
        _put_in_force(uow, None, 0)


def switch_on(uow: UnitOfWork, at: datetime) -> None:
    """Adapt again, at once if enough pairs are known.

    Raises:
        UsageError: an admin has it off.
    """
    if not policies.is_on(uow, policies.ADAPTATION):
        raise UsageError(
            f"{policies.ADAPTATION.name} is off",
            f"an admin may type: issuetrack config set {policies.ADAPTATION.name} on",
        )
    row = _row(uow)
    if row is not None:
        row.off_because = None
        uow.session.flush()
        if row.pairs >= FEWEST_PAIRS:
            apply(uow, at)


def last_effect(uow: UnitOfWork) -> tuple[float | None, float | None]:
    """Return the mean reciprocal rank of the last backtest, without and with it."""
    rows = uow.sql(
        "SELECT metrics ->> 'mrr_plain', metrics ->> 'mrr_adapted' FROM calibration "
        "WHERE kind = 'suggestion' ORDER BY id DESC LIMIT 1"
    )
    return rows[0] if rows else (None, None)


def rated_differences(uow: UnitOfWork, at: datetime, size: int) -> Vectors:
    """Return the (m, d) differences of questions and the answers people found good."""
    pairs = []
    for vote in votes(uow, at):
        if vote.asked is None or vote.worth < GOOD or len(vote.asked[1]) != size:
            continue
        answer = _nearest_text(uow, vote.subject, vote.asked[1])
        if answer is not None:
            pairs.append(answer)
    return np.array(pairs, dtype=np.float32).reshape(len(pairs), size)


def _nearest_text(uow: UnitOfWork, subject: Subject, asked: bytes) -> "Vectors | None":
    """Return the question less the piece of a source that is nearest to it."""
    rows = uow.sql(
        "SELECT vector FROM chunk JOIN chunk_vector USING (content_hash) "
        f"WHERE {subject.column} = ?",
        subject.number,
    )
    if not rows:
        return None
    (question,) = vector_index.unit_rows([asked])
    pieces = vector_index.unit_rows([bytes(row[0]) for row in rows])
    apart: Vectors = question - pieces[int((pieces @ question).argmax())]
    return apart
