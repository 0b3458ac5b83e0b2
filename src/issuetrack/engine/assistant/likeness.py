"""How alike two issues are: the mean of the cosines of their titles and of their texts.

Titles alone call every "server down" the same, texts alone every form that was filled
in; only where one of two has no text, the titles have to do. The vectors are those that
the model made; that the space adapts to the workspace does not move a bar that was set
on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval.vector_index import SQL_VARIABLES, unit_rows
from issuetrack.engine.store.unit_of_work import UnitOfWork

TITLE_AND_TEXT = 2
Places = npt.NDArray[np.intp]
Similarities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Points:
    """Issues as points.

    Attributes:
        titles: (n, d) vectors of half a unit's square.
        texts: (n, d) the same of the starts of the texts.
        bare: (n,) which of them have no text.
    """

    titles: Vectors
    texts: Vectors
    bare: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, titles: Vectors, texts: Vectors) -> "Points":
        """Return the points of (n, d) unit rows; zeros are like nothing."""
        half = np.float32(1 / np.sqrt(TITLE_AND_TEXT))
        return cls(titles * half, texts * half, (titles == texts).all(axis=1))

    def __len__(self) -> int:
        return len(self.bare)

    def between(self, ones: Places, others: Places) -> Similarities:
        """Return how alike the points at some places and those at others are."""
        titles, texts = self.titles[others].T, self.texts[others].T
        found: Similarities = self.titles[ones] @ titles
        alone = self.bare[ones][:, None] | self.bare[others][None, :]
        if alone.any():
            return np.where(
                alone, TITLE_AND_TEXT * found, found + self.texts[ones] @ texts
            )
        found += self.texts[ones] @ texts
        return found


def points(uow: UnitOfWork, issues: Sequence[int]) -> Points:
    """Return issues as points, in their order; one that is not indexed is like none."""
    stored = _stored(uow, sorted(set(issues)))
    whole = {n: parts for n, parts in stored.items() if len(parts) == TITLE_AND_TEXT}
    known = [number for number in issues if number in whole]
    if not known:
        nothing = np.zeros((len(issues), 1), np.float32)
        return Points.of(nothing, nothing)
    places = [place for place, number in enumerate(issues) if number in whole]
    parts = []
    for part in range(TITLE_AND_TEXT):
        unit = unit_rows([whole[number][part] for number in known])
        rows = np.zeros((len(issues), unit.shape[1]), np.float32)
        rows[places] = unit
        parts.append(rows)
    return Points.of(*parts)


def _stored(uow: UnitOfWork, issues: Sequence[int]) -> dict[int, list[bytes]]:
    """Return the vectors of title and first piece, by issue."""
    found: dict[int, list[bytes]] = {}
    for start in range(0, len(issues), SQL_VARIABLES):
        part = issues[start : start + SQL_VARIABLES]
        for number, vector in uow.sql(
            "SELECT chunk.issue_number, chunk_vector.vector "
            "FROM chunk JOIN chunk_vector USING (content_hash) "
            "WHERE chunk.ordinal = 0 AND chunk.kind IN ('title', 'problem') "
            f"AND chunk.issue_number IN ({','.join('?' * len(part))}) "
            "ORDER BY chunk.issue_number, chunk.kind = 'problem'",
            *part,
        ):
            found.setdefault(int(number), []).append(bytes(vector))
    return found


def likeness(uow: UnitOfWork, issue: int, others: Sequence[int]) -> dict[int, float]:
    """Return how alike an issue and others are, -1..1; 0 for those not indexed."""
    found = points(uow, [issue, *others])
    places = np.arange(1, len(others) + 1)
    alike = found.between(np.array([0]), places)[0]
    return {
        other: min(float(value), 1.0)
        for other, value in zip(others, alike, strict=True)
    }
