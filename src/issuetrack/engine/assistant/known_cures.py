"""What is known to help with issues that are the same problem: a fix, a procedure."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from sqlmodel import col, select

from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.retrieval.vector_index import unit_rows
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.tables import Issue, Resolution
from issuetrack.engine.store.types import ResolutionHow
from issuetrack.engine.store.unit_of_work import UnitOfWork

NEAR = 0.8
SHOWN = 200
How = Literal["used", "cited", "near"]
BY_HAND = (ResolutionHow.CONFIRMED, ResolutionHow.STATED)


@dataclass(frozen=True)
class KnownFix:
    """What fixed one of the issues.

    Attributes:
        text: its first line; None where the actor may not read it.
    """

    issue: int
    how: ResolutionHow
    text: str | None


@dataclass(frozen=True)
class KnownSop:
    """A procedure for the issues.

    Attributes:
        how: it fixed one of them, cites one of them, or says nearly the same.
    """

    sop: int
    title: str
    how: How


class Cures:
    """The fixes and procedures of one workspace, read once.

    Args:
        uow: what to read through.
    """

    def __init__(self, uow: UnitOfWork) -> None:
        self._uow = uow

    def fix(self, issues: Sequence[int]) -> KnownFix | None:
        """Return the latest fix that a person told, else the latest that was mined."""
        rows = self._uow.session.exec(
            select(Resolution, Issue.resolved_at, Issue.closed_at)
            .join(Issue, col(Issue.number) == col(Resolution.issue_number))
            .where(col(Resolution.issue_number).in_(issues))
        ).all()
        if not rows:
            return None
        row, *_ = max(
            rows,
            key=lambda r: (
                r[0].how in BY_HAND,
                r[1] or r[2] or r[0].created_at,
                r[0].issue_number,
            ),
        )
        text = None
        if self._uow.can_read(row.reader):
            whole = self._uow.open("resolution", "text", row.uuid, row.text)
            text = clean_line(whole)[:SHOWN]
        return KnownFix(row.issue_number, row.how, text)

    def sop(self, exemplar: int, issues: Sequence[int]) -> KnownSop | None:
        """Return the procedure that helped, else one that cites an issue or is near."""
        ways: tuple[tuple[How, dict[int, int]], ...]
        ways = (("used", self._used), ("cited", self._cited))
        for how, known in ways:
            numbers = {known[issue] for issue in issues if issue in known}
            if numbers:
                return self._known(max(numbers), how)
        near = self._near(exemplar)
        return None if near is None else self._known(near, "near")

    def _known(self, number: int, how: How) -> KnownSop:
        title = procedures.by_number(self._uow, [number])[number].title
        return KnownSop(number, title, how)

    @cached_property
    def _used(self) -> dict[int, int]:
        """Return the procedure that was named as the fix of an issue, by issue."""
        return {
            int(issue): int(sop)
            for issue, sop in self._uow.sql(
                "SELECT issue_number, sop_id FROM sop_use JOIN sop ON sop.id = sop_id "
                "WHERE issue_number IS NOT NULL AND recommendation_id IS NULL "
                "AND sop.current IS NOT NULL ORDER BY sop_use.id"
            )
        }

    @cached_property
    def _cited(self) -> dict[int, int]:
        """Return the procedure whose version in force cites an issue, by issue."""
        rows = self._uow.session.exec(
            select(SopVersion)
            .join(Sop, col(Sop.id) == col(SopVersion.sop_id))
            .where(
                col(SopVersion.citations).is_not(None),
                col(SopVersion.version) == col(Sop.current),
            )
            .order_by(col(SopVersion.id))
        )
        return {
            citation.issue: row.sop_id
            for row in rows
            for citation in sop_records.citations_of(self._uow, row)
            if citation.issue is not None
        }

    def _near(self, issue: int) -> int | None:
        """Return the procedure a piece of which is nearest to the text of an issue."""
        owners, pieces = self._pieces
        own = self._uow.sql(
            "SELECT vector FROM chunk JOIN chunk_vector USING (content_hash) "
            "WHERE issue_number = ? AND kind = 'problem' AND ordinal = 0",
            issue,
        )
        if not own or not owners:
            return None
        cosines = pieces @ unit_rows([bytes(own[0][0])])[0]
        best = int(np.argmax(cosines))
        return owners[best] if cosines[best] >= NEAR else None

    @cached_property
    def _pieces(self) -> tuple[list[int], Vectors]:
        """Return the vectors of all procedures in force, with whose they are."""
        rows = self._uow.sql(
            "SELECT chunk.sop_id, vector FROM chunk "
            "JOIN chunk_vector USING (content_hash) JOIN sop ON sop.id = chunk.sop_id "
            "WHERE chunk.kind = 'sop' AND sop.current IS NOT NULL ORDER BY chunk.id"
        )
        if not rows:
            return [], np.zeros((0, 0), np.float32)
        return [int(row[0]) for row in rows], unit_rows([bytes(r[1]) for r in rows])
