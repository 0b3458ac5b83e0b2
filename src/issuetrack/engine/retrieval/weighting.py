"""What votes add to what was found: bounded, so that they re-order what is close.

What people found useless loses at most two fifths of the best score: where only one
thing is about the question it stays first.

Stars become a Bayesian average (prior mean 3, strength 5), outcomes a credit shrunk
alike. What was said for a question like this one counts for itself, the more the nearer
the two questions are, and most. Whoever votes counts once for each source, and a vote
fades by half in a year. See `votes` for what a vote is.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.fusion import Contribution
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.retrieval.votes import Vote, VoteKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

RATINGS = "ratings"
OUTCOMES = "outcomes"
THIS_QUESTION = "this question's ratings"
APPROVED_SOP = "approved SOP"

MOST = {RATINGS: 0.5, OUTCOMES: 0.5, THIS_QUESTION: 4.0}
MOST_AGAINST = 2.5
SHARE_AGAINST, SHARE_FOR = 0.4, 0.6
OF_APPROVED_SOP = 0.3
PRIOR_STRENGTH = 5.0
PRIOR_OF_THIS_QUESTION = 0.5
ALIKE = 0.6


@dataclass(frozen=True)
class Said:
    """What one person said of one source: -1..1, and how much it counts, 0..1."""

    worth: float
    weight: float


def weigh(
    votes: Iterable[Vote], asked: "Vectors | None", best: float
) -> dict[Subject, list[Contribution]]:
    """Return what votes add to the score of each source that has any.

    Args:
        votes: what was said.
        asked: the (2, d) unit vectors of this question's title and text; None to
            leave out how like it other questions are.
        best: the highest score of what was found; votes add and take away shares of
            it at most.
    """
    given = list(votes)
    like = _likeness(given, asked)
    out: dict[Subject, list[Contribution]] = {}
    grouped = (
        (RATINGS, [(v, v.weight) for v in given if v.kind is VoteKind.RATING]),
        (OUTCOMES, [(v, v.weight) for v in given if v.kind is VoteKind.OUTCOME]),
        (
            THIS_QUESTION,
            [
                (v, v.weight * near)
                for v, near in zip(given, like, strict=True)
                if near > 0
            ],
        ),
    )
    for name, counted in grouped:
        prior = PRIOR_OF_THIS_QUESTION if name is THIS_QUESTION else PRIOR_STRENGTH
        for subject, voices in _voices(counted).items():
            mean = _shrunk(voices, prior)
            out.setdefault(subject, []).append(
                Contribution(name, None, mean, MOST[name])
            )
    return {subject: _bounded(parts, best) for subject, parts in out.items()}


def _likeness(votes: list[Vote], asked: "Vectors | None") -> list[float]:
    """Return how like this question each voted one is, 0 (not) to 1 (the same)."""
    known = [n for n, vote in enumerate(votes) if vote.asked is not None]
    like = [0.0] * len(votes)
    if asked is None or not known:
        return like
    blobs = [blob for n in known for blob in votes[n].asked or ()]
    width = asked.shape[1]
    if any(len(blob) != width for blob in blobs):
        return like
    vectors = vector_index.unit_rows(blobs).reshape(len(known), 2, width)
    cosines = (vectors * asked).sum(axis=2).max(axis=1)
    for n, cosine in zip(known, cosines, strict=True):
        like[n] = max(0.0, (float(cosine) - ALIKE) / (1 - ALIKE)) ** 2
    return like


def _voices(counted: list[tuple[Vote, float]]) -> dict[Subject, list[Said]]:
    """Return what each person said of each source, as one voice each."""
    by_voter: dict[tuple[Subject, str], list[tuple[Vote, float]]] = {}
    for vote, weight in counted:
        by_voter.setdefault((vote.subject, vote.voter), []).append((vote, weight))
    out: dict[Subject, list[Said]] = {}
    for (subject, _), said in by_voter.items():
        total = sum(weight for _, weight in said)
        if total > 0:
            worth = sum(vote.worth * weight for vote, weight in said) / total
            loudest = max(weight for _, weight in said)
            out.setdefault(subject, []).append(Said(worth, loudest))
    return out


def _shrunk(voices: Iterable[Said], prior: float) -> float:
    """Return the mean of -1..1, drawn to 0 by a prior of so many voices."""
    said = list(voices)
    total = sum(voice.weight for voice in said)
    return sum(voice.worth * voice.weight for voice in said) / (prior + total)


def _bounded(parts: list[Contribution], best: float) -> list[Contribution]:
    """Return them scaled so that together they stay within the bounds."""
    total = sum(part.value for part in parts)
    lowest = -min(MOST_AGAINST, SHARE_AGAINST * max(best, 0.0))
    bounded = min(max(total, lowest), SHARE_FOR * max(best, 0.0))
    if bounded == total:
        return parts
    scale = bounded / total
    return [
        Contribution(p.leg, p.strength, p.standard_score, p.weight * scale)
        for p in parts
    ]


def approved(
    uow: UnitOfWork, subjects: Collection[Subject]
) -> Mapping[Subject, Contribution]:
    """Return what approval adds to each of these that is an approved procedure."""
    numbers = [s.number for s in subjects if s.kind is SubjectKind.SOP]
    if not numbers:
        return {}
    rows = uow.sql(
        "SELECT sop.id FROM sop JOIN sop_version AS version "
        "ON version.sop_id = sop.id AND version.version = sop.current "
        "WHERE version.status = 'approved' "
        f"AND sop.id IN ({','.join('?' * len(numbers))})",
        *numbers,
    )
    added = Contribution(APPROVED_SOP, None, 1.0, OF_APPROVED_SOP)
    return {Subject(SubjectKind.SOP, int(row[0])): added for row in rows}
