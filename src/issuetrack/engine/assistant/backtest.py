"""Replays the workspace's own past and measures how well it would have been served.

Each finished issue is asked again in the order of time, each with only the issues that
were finished before it was opened. What comes true calibrates the confidence: it is
fitted on the earlier part and judged on the later, then fitted on all and put in force.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from issuetrack.engine.assistant import calibration, replay
from issuetrack.engine.assistant.backtest_cases import Past, past
from issuetrack.engine.assistant.backtest_report import (
    Adapted,
    BacktestReport,
    DuplicateReport,
    adapted,
    duplicate_report,
    metrics,
    report,
)
from issuetrack.engine.assistant.replay import Compared, Replayed
from issuetrack.engine.assistant.sources import Reader
from issuetrack.engine.assistant.voted import Example, voted
from issuetrack.engine.errors import ModelError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval import adaptation
from issuetrack.engine.retrieval.search import PLAIN, Search
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.types import CalibrationKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

NEWEST = 600
MOST_COMPARED = 100
MOST_KEPT = 4000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Request:
    """What to replay.

    Attributes:
        since: only issues opened since.
        limit: at most so many, the newest.
        fit: put the calibration in force afterwards.
    """

    since: datetime | None = None
    limit: int = NEWEST
    fit: bool = True


@dataclass(frozen=True)
class _Seen:
    """What a replay showed."""

    past: Past
    answers: Sequence[Replayed]
    compared: Sequence[Compared]
    adapted: Adapted | None
    votes: Sequence[Example]
    known: calibration.Calibration | None


class BacktestService:
    """Measures one workspace on its own past."""

    def __init__(
        self, database: Database, model: EmbeddingModel, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._model = model
        self._clock = clock

    def run(
        self, actor: Actor, request: Request, progress: Progress | None = None
    ) -> BacktestReport:
        """Replay past issues, measure, and put the calibration in force.

        Raises:
            ModelError: nothing is indexed, or with another model.
        """
        authorize(actor, Permission.BACKTEST)
        started = time.perf_counter()
        with self._database.read() as uow:
            seen = self._seen(uow, request, progress)
        now = self._clock()
        made = report(seen.past, seen.answers, seen.votes, seen.known)
        duplicates = duplicate_report(seen.past, seen.compared)
        fits = self._fits(seen, made, duplicates, now) if request.fit else []
        hurts = seen.adapted is not None and seen.adapted.hurts
        off = request.fit and hurts
        if fits or off:
            self._store(actor, now, fits, off)
        return replace(
            made,
            duplicates=duplicates,
            adapted=seen.adapted,
            calibrated=tuple(fitted.kind for fitted in fits),
            adaptation_off=off,
            seconds=time.perf_counter() - started,
        )

    def _seen(
        self, uow: UnitOfWork, request: Request, progress: Progress | None
    ) -> _Seen:
        _check_index(uow)
        told = past(uow, request.since, request.limit)
        search = Search(self._model, clock=self._clock)
        compares = any(issue.duplicates for issue in told.issues)
        drawn = len(replay.drawn(told.issues)) if compares else 0
        done = _Counter(len(told.issues) + drawn, progress)
        answers, reader = [], Reader(uow, MOST_KEPT)
        for issue in told.issues:
            answers.append(replay.answer(reader, search, issue, told.moments))
            done.tick()
        compared = []
        if compares:
            compared = list(replay.compared(uow, search, told, done.tick))
        return _Seen(
            told,
            answers,
            compared,
            self._adapted(uow, told, answers, done),
            voted(uow),
            calibration.active(uow, CalibrationKind.SUGGESTION),
        )

    def _adapted(
        self, uow: UnitOfWork, told: Past, answers: Sequence[Replayed], done: "_Counter"
    ) -> Adapted | None:
        """Return what adaptation gains; None where it is not in force."""
        answerable = [a for a in answers if a.answerable][-MOST_COMPARED:]
        if not adaptation.state(uow).applied or not answerable:
            return None
        plain = Search(self._model, clock=self._clock, options=PLAIN)
        done.more(len(answerable))
        without = []
        for one in answerable:
            matches = replay.matches_then(uow, plain, one.issue, told.moments)
            rank = replay.rank_of(matches, one.issue)
            without.append(0.0 if rank is None else 1.0 / (rank + 1))
            done.tick()
        return adapted([one.reciprocal for one in answerable], without)

    @staticmethod
    def _fits(
        seen: _Seen,
        made: BacktestReport,
        duplicates: DuplicateReport | None,
        now: datetime,
    ) -> list[calibration.Calibration]:
        """Return the calibrations that there is enough to fit."""
        fits = []
        if made.missing is None:
            examples = [
                Example(answer.features, float(answer.right))
                for answer in seen.answers
                if answer.features is not None
            ]
            told = metrics(made, seen.adapted)
            fits.append(
                calibration.fit(
                    CalibrationKind.SUGGESTION, now, examples, seen.votes, told
                )
            )
        if duplicates is not None and duplicates.missing is None:
            fits.append(duplicates.calibration(seen.compared, now))
        return fits

    def _store(
        self,
        actor: Actor,
        now: datetime,
        fits: Sequence[calibration.Calibration],
        off: bool,
    ) -> None:
        with self._database.write() as uow:
            for fitted in fits:
                calibration.store(uow, fitted)
            if off:
                adaptation.switch_off(uow, "the last backtest found better without it")
            told = {
                fitted.kind.value: {
                    "issues": fitted.fitted_on,
                    "right": fitted.positives,
                    "ratings": fitted.ratings,
                }
                for fitted in fits
            }
            after = {**told, "adaptation_off": off}
            audit.record(
                uow, actor, now, "backtest.fit", ("calibration", "all"), after=after
            )


class _Counter:
    """Counts what is done."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def more(self, count: int) -> None:
        """Say that there is more to do than was known."""
        self._total += count

    def tick(self) -> None:
        """Say that one more is done."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _check_index(uow: UnitOfWork) -> None:
    """Refuse to measure what cannot be found.

    Raises:
        ModelError: there are issues, and none is indexed.
    """
    ((unindexed,),) = uow.sql(
        "SELECT EXISTS (SELECT 1 FROM issue) AND NOT EXISTS (SELECT 1 FROM chunk)"
    )
    if unindexed:
        raise ModelError(
            "no issue is indexed yet, so nothing would be found",
            "run: issuetrack index update",
        )
