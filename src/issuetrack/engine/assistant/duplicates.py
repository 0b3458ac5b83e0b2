"""Tells whether a new issue is probably a duplicate of one that is there already.

The chance comes from the calibration that a backtest fitted on the known duplicates of
the workspace. Before there is one, the likeness of the nearest issue stands for it, with
a bar so high that a warning is seldom wrong.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, func, select

from issuetrack.engine.assistant.calibration import active, duplicate_chance, filed
from issuetrack.engine.assistant.confidence import Filed
from issuetrack.engine.assistant.likeness import likeness
from issuetrack.engine.identity.policies import WARN_OF_DUPLICATES, is_on
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.linking import originals
from issuetrack.engine.issues.workflow import FINISHED
from issuetrack.engine.retrieval.search import ONLY_ISSUES, Match, Question, Search
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Issue
from issuetrack.engine.store.types import CalibrationKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

LIKENESS = 0.9
CANDIDATES = 10
MOST_NEW = 200
SECONDS = 5.0


@dataclass(frozen=True)
class ProbableDuplicate:
    """Two issues that are probably the same.

    Attributes:
        issue: the newer one.
        original: the older one.
        title: of the original.
        chance: how sure that is, 0..1.
    """

    issue: int
    original: int
    title: str
    chance: float


@dataclass(frozen=True)
class NewDuplicates:
    """What was found among new issues.

    Attributes:
        duplicates: the most probable first.
        unseen: how many of the new issues were not looked at, to save time.
    """

    duplicates: tuple[ProbableDuplicate, ...] = ()
    unseen: int = 0


class DuplicateService:
    """Looks for duplicates in one workspace."""

    def __init__(self, database: Database, search: Search) -> None:
        self._database = database
        self._search = search

    def last_issue(self, actor: Actor) -> int:
        """Return the highest number of an issue; 0 where there is none."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return uow.session.exec(select(func.max(Issue.number))).one() or 0

    def of(
        self, actor: Actor, number: int, *, always: bool = False
    ) -> ProbableDuplicate | None:
        """Return what an indexed issue is probably a duplicate of.

        Args:
            actor: who asks.
            number: the issue; one that is not indexed yet is not looked at.
            always: also where the workspace does not want warnings.

        Raises:
            ModelError: the index was made with another model.
        """
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            if not (always or is_on(uow, WARN_OF_DUPLICATES)):
                return None
            row = uow.session.get(Issue, number)
            return None if row is None else self._probable(uow, row)

    def among_new(
        self, actor: Actor, last: int, seconds: float = SECONDS
    ) -> NewDuplicates:
        """Return which open issues numbered above `last` are probably duplicates.

        Args:
            actor: who asks.
            last: the highest number of the issues that were there before.
            seconds: stop looking after so long; the newest are looked at first.

        Raises:
            ModelError: the index was made with another model.
        """
        authorize(actor, Permission.READ)
        until = time.monotonic() + seconds
        found: list[ProbableDuplicate] = []
        with self._database.read() as uow:
            if not is_on(uow, WARN_OF_DUPLICATES):
                return NewDuplicates()
            rows = _new(uow, last)
            seen = 0
            for row in rows[:MOST_NEW]:
                if time.monotonic() >= until:
                    break
                one = self._probable(uow, row)
                found += [one] if one is not None else []
                seen += 1
        found.sort(key=lambda one: (-one.chance, one.issue))
        return NewDuplicates(tuple(found), len(rows) - seen)

    def _probable(self, uow: UnitOfWork, row: Issue) -> ProbableDuplicate | None:
        """Return the older issue that a row is probably a duplicate of."""
        assert row.number is not None
        if not _is_indexed(uow, row.number):
            return None
        asked = filed(uow, row)
        question = Question(asked.title, asked.body, row.number)
        matches = self._search.find(uow, question, CANDIDATES, ONLY_ISSUES)
        moment = (row.created_at, row.number)
        older = [match for match in matches if _moment(uow, match) < moment]
        best = _best(uow, row.number, asked, older)
        return None if best is None else _unlinked(uow, row, *best)


def _best(
    uow: UnitOfWork, number: int, asked: Filed, older: Sequence[Match]
) -> tuple[int, float] | None:
    """Return the issue that another one is probably a duplicate of, and the chance."""
    if active(uow, CalibrationKind.DUPLICATE) is not None:
        found = duplicate_chance(uow, asked, older)
        if found is None or not found.probable or found.match.issue is None:
            return None
        return found.match.issue, found.chance
    alike = likeness(uow, number, [match.issue or 0 for match in older])
    best = max(sorted(alike), key=lambda other: alike[other], default=None)
    if best is None or alike[best] < LIKENESS:
        return None
    return best, round(alike[best], 2)


def _unlinked(
    uow: UnitOfWork, row: Issue, number: int, chance: float
) -> ProbableDuplicate | None:
    """Return both issues unless one is linked to the other already."""
    original = uow.session.get_one(Issue, number)
    linked = {row.number, *originals(uow, row)}
    if linked & {number, *originals(uow, original)}:
        return None
    return ProbableDuplicate(row.number or 0, number, original.title, chance)


def _moment(uow: UnitOfWork, match: Match) -> tuple[datetime, int]:
    """Return what tells which of two issues was there first."""
    row = uow.session.get_one(Issue, match.issue)
    return row.created_at, row.number or 0


def _new(uow: UnitOfWork, last: int) -> Sequence[Issue]:
    """Return the open issues that came in, not linked to an original, latest first."""
    return uow.session.exec(
        select(Issue)
        .where(
            col(Issue.number) > last,
            col(Issue.status).not_in(FINISHED),
            col(Issue.duplicate_of).is_(None),
            col(Issue.gone).is_(None),
        )
        .order_by(col(Issue.created_at).desc(), col(Issue.number).desc())
    ).all()


def _is_indexed(uow: UnitOfWork, number: int) -> bool:
    """Tell whether the issue's vectors are there, and another issue's as well."""
    found = uow.sql(
        "SELECT EXISTS (SELECT 1 FROM chunk WHERE issue_number = ?) AND "
        "EXISTS (SELECT 1 FROM chunk WHERE issue_number <> ?)",
        number,
        number,
    )
    return bool(found[0][0])
