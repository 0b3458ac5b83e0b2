"""Average linkage over many vectors: what hangs together at a bar, and nothing else.

Two clusters that average linkage (UPGMA: Sokal and Michener 1958) merges above a bar
have at least one pair above it. So the pairs above the bar are found first, block by
block; what they connect is then clustered exactly, apart from the rest, by chains of
nearest neighbours (Murtagh 1983; Muellner 2011, "Modern hierarchical, agglomerative
clustering algorithms"). Where they connect very many, those first in order are
clustered and the others added to what they are nearest to on average, as CURE does with
a sample (Guha, Rastogi and Shim 1998).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from issuetrack.engine.assistant.likeness import Places, Points, Similarities

BLOCK = 512
MOST_TOGETHER = 4000
ROUNDING = 1e-5
DIGITS = 5
Labels = npt.NDArray[np.intp]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Group:
    """Rows that belong together.

    Attributes:
        members: in rising order.
        exemplar: the one most like all of them.
    """

    members: tuple[int, ...]
    exemplar: int


def groups(
    points: Points,
    linked: Sequence[tuple[int, int]],
    bar: float,
    progress: Progress | None = None,
) -> list[Group]:
    """Return the groups of two or more points, in the order of their first members.

    Args:
        points: the issues.
        linked: pairs of places that belong together in any case.
        bar: the least mean likeness between two parts of a group.
        progress: called with how many were compared, and how many there are.
    """
    every = np.arange(len(points), dtype=np.intp)
    given = every.copy()
    for one, other in linked:
        _join(given, np.array([one, other]))
    found = sorted(
        members
        for part in _parts(_connected(points, every, given, bar, progress))
        for members in _clusters(points, given, part, bar)
        if len(members) > 1
    )
    return [Group(tuple(m), _medoid(points, m)) for m in found]


def _join(labels: Labels, places: npt.NDArray[np.intp]) -> None:
    """Give all that is connected with some places the lowest of their labels."""
    known = labels[places]
    lowest = known.min()
    if (known > lowest).any():
        labels[np.isin(labels, known)] = lowest


def _connected(
    points: Points,
    places: Places,
    given: Labels,
    bar: float,
    progress: Progress | None = None,
) -> Labels:
    """Return a label for each place, the same for those that pairs above a bar join."""
    labels = given.copy()
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK]
        near = points.between(block, places[start:]) >= bar - ROUNDING
        for place in np.flatnonzero(near.sum(axis=1) > 1):
            _join(labels, start + np.flatnonzero(near[place]))
        if progress is not None:
            progress(min(start + BLOCK, len(places)), len(places))
    return labels


def _parts(labels: Labels) -> Iterator[Labels]:
    """Yield the places of each label that occurs more than once."""
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    yield from (part for part in np.split(order, cuts) if len(part) > 1)


def _clusters(
    points: Points, given: Labels, together: Places, bar: float
) -> Iterator[list[int]]:
    """Yield the clusters of some places; of too many a part is clustered first."""
    ordered = together[np.argsort(given[together], kind="stable")]
    end = min(MOST_TOGETHER, len(ordered))
    while end < len(ordered) and given[ordered[end]] == given[ordered[end - 1]]:
        end += 1
    first = ordered[:end]
    alike = points.between(first, first)
    clusters = average_linkage(alike, _numbered(given[first]), bar)
    found = [first[cluster].tolist() for cluster in clusters]
    rest = ordered[end:]
    left = _assigned(points, given, rest, found, bar) if len(rest) else rest
    yield from (sorted(cluster) for cluster in found)
    for part in _parts(_connected(points, left, _numbered(given[left]), bar)):
        yield from _clusters(points, given, left[part], bar)


def _assigned(
    points: Points, given: Labels, rest: Places, found: list[list[int]], bar: float
) -> Places:
    """Add each of the rest to the cluster nearest on average; return the ones left."""
    rows = np.hstack([points.titles, points.texts])
    centres = np.stack([rows[cluster].mean(axis=0) for cluster in found])
    left: list[int] = []
    for _, members in groupby(rest.tolist(), key=lambda place: int(given[place])):
        own = list(members)
        scores = centres @ rows[own].mean(axis=0)
        nearest = int(np.argmax(scores))
        (found[nearest] if scores[nearest] >= bar else left).extend(own)
    return np.array(left, dtype=np.intp)


def _numbered(labels: Labels) -> Labels:
    """Return labels as numbers from 0."""
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)


def average_linkage(
    alike: Similarities, labels: Labels, bar: float
) -> list[npt.NDArray[np.intp]]:
    """Return the members of each cluster that average linkage makes above a bar.

    Args:
        alike: (n, n) similarities.
        labels: (n,) numbers from 0; equal ones start in one cluster.
        bar: what the mean similarity of two clusters has to reach.
    """
    sizes = np.bincount(labels).astype(np.float64)
    means = np.eye(len(sizes))[labels] / sizes[labels, None]
    scores = means.T @ alike @ means
    np.fill_diagonal(scores, -np.inf)
    owner = np.arange(len(sizes))
    for kept, gone in _merges(scores, sizes, bar):
        owner[owner == gone] = kept
    ends = owner[labels]
    return [np.flatnonzero(ends == end) for end in np.unique(ends)]


def _merges(
    scores: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], bar: float
) -> Iterator[tuple[int, int]]:
    """Yield which cluster takes in which; both arguments are used up.

    A chain goes from each cluster to its nearest until two are each other's. What has
    none near enough can get none later, for a mean is never above the greatest.
    """
    left = np.ones(len(sizes), dtype=bool)
    chain: list[int] = []
    while chain or left.any():
        if not chain:
            chain = [int(np.argmax(left))]
        end = chain[-1]
        nearest = int(np.argmax(scores[end]))
        before = chain[-2] if len(chain) > 1 else None
        if before is not None and scores[end, before] >= scores[end, nearest]:
            nearest = before
        if scores[end, nearest] < bar:
            _take_out(scores, left, chain.pop())
        elif nearest == before:
            kept, gone = sorted((chain.pop(), chain.pop()))
            _merge(scores, sizes, kept, gone)
            _take_out(scores, left, gone)
            yield kept, gone
        else:
            chain.append(nearest)


def _merge(
    scores: npt.NDArray[np.float64],
    sizes: npt.NDArray[np.float64],
    kept: int,
    gone: int,
) -> None:
    """Give a cluster the mean scores of itself and another one, by their sizes."""
    both = sizes[kept] + sizes[gone]
    mean = (sizes[kept] * scores[kept] + sizes[gone] * scores[gone]) / both
    scores[kept], scores[:, kept] = mean, mean
    scores[kept, kept] = -np.inf
    sizes[kept] = both


def _take_out(
    scores: npt.NDArray[np.float64], left: npt.NDArray[np.bool_], place: int
) -> None:
    left[place] = False
    scores[place], scores[:, place] = -np.inf, -np.inf


def _medoid(points: Points, members: list[int]) -> int:
    """Return the place of what is most like all others, the first of equals."""
    places = np.array(members)
    alike = points.between(places, places).sum(axis=1)
    return members[int(np.argmax(np.round(alike, DIGITS)))]
