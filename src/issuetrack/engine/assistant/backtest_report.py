"""What a backtest found, as numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from issuetrack.engine.assistant import calibration
from issuetrack.engine.assistant.backtest_cases import Past, PastIssue
from issuetrack.engine.assistant.calibration import Calibration, lacking
from issuetrack.engine.assistant.confidence import CALIBRATED, confidence
from issuetrack.engine.assistant.logistic import fit
from issuetrack.engine.assistant.reliability import (
    Reliability,
    reliability,
    threshold_for,
)
from issuetrack.engine.assistant.replay import Compared, Replayed
from issuetrack.engine.assistant.voted import Example
from issuetrack.engine.store.types import CalibrationKind

EARLIER = 2 / 3
LEAST_TO_JUDGE = 5
FOLDS = 5
PRECISION_OF_WARNINGS = 0.7
PRECISION_OF_SAMENESS = 0.8
LEAST_WARNINGS = 10
LEAST_ADAPTED = 30
RESAMPLES = 2000
SURELY = 0.975


@dataclass(frozen=True)
class Measures:
    """How well some past issues were served.

    Attributes:
        name: which issues.
        issues: how many.
        answerable: of how many an earlier right issue was known.
        hit_1: of these, the share whose first match was right; None without any.
        hit_3: that had a right one in the first three.
        hit_5: in the first five.
        mrr: mean reciprocal rank of the first right one.
        abstained: the share of all issues without an answer, for lack of a fix.
        right: the share of the answers that rest on a right issue; None without.
    """

    name: str
    issues: int
    answerable: int
    hit_1: float | None
    hit_3: float | None
    hit_5: float | None
    mrr: float | None
    abstained: float
    right: float | None


@dataclass(frozen=True)
class Truth:
    """What the answers were judged by.

    Attributes:
        by_link: issues of which people linked an earlier one.
        by_fix: issues of which an earlier fix says the same as their own.
        none: issues without an earlier right one: for them silence is right.
        fixes: issues in the workspace whose fix says enough to be compared.
        same_by_chance: the share of random pairs of fixes that say the same.
        clocks: finished issues that end before they begin; the beginning counted.
    """

    by_link: int
    by_fix: int
    none: int
    fixes: int
    same_by_chance: float | None
    clocks: int


@dataclass(frozen=True)
class Adapted:
    """What adapting the vector space gains on issues that could be answered.

    Attributes:
        issues: how many.
        mrr_adapted: mean reciprocal rank with it.
        mrr_plain: without.
        low: 95 % interval of the gain, from resampled issues.
        high: its other end.
    """

    issues: int
    mrr_adapted: float
    mrr_plain: float
    low: float
    high: float

    @property
    def hurts(self) -> bool:
        """Tell whether it does harm, beyond what chance explains."""
        return self.issues >= LEAST_ADAPTED and self.high < 0


@dataclass(frozen=True)
class DuplicateReport:
    """How well linked duplicates are told from what is merely alike.

    Attributes:
        linked: issues with an earlier one that people linked as the same.
        compared: issues that were looked for duplicates of, these among them.
        found: of the linked, those whose most similar earlier issue it is.
        reliability: of chances from a model that had not seen the answer.
        threshold: from which chance on a warning is right in 7 of 10.
        likeness: from which likeness on, in 8 of 10.
        missing: what there is too little of to fit; None if there is enough.
    """

    linked: int
    compared: int
    found: int
    reliability: Reliability | None
    threshold: float | None
    likeness: float | None
    missing: str | None

    def calibration(self, seen: Sequence[Compared], now: datetime) -> Calibration:
        """Return the calibration that these teach."""
        told = {
            calibration.THRESHOLD: self.threshold,
            "duplicate_similarity": self.likeness,
            "auc": self.reliability.auc if self.reliability else None,
        }
        made = calibration.fit(
            CalibrationKind.DUPLICATE, now, _repeated(seen), metrics=told
        )
        return replace(made, fitted_on=self.compared, positives=self.found)


@dataclass(frozen=True)
class BacktestReport:
    """What a backtest found.

    Attributes:
        finished: how many issues of the workspace are resolved or closed.
        first: when the first replayed issue was opened; None without any.
        last: when the last one was.
        total: of all replayed issues.
        reliability: of the answers' confidence; see `judged`.
        judged: which confidence `reliability` is about.
        missing: what there is too little of to calibrate; None if there is enough.
        calibrated: what was put in force.
        adaptation_off: adaptation was switched off, for it does harm.
    """

    finished: int
    first: datetime | None
    last: datetime | None
    truth: Truth
    total: Measures
    by_source: tuple[Measures, ...]
    by_category: tuple[Measures, ...]
    reliability: Reliability | None
    judged: str
    missing: str | None
    ratings: int
    duplicates: DuplicateReport | None = None
    adapted: Adapted | None = None
    calibrated: tuple[CalibrationKind, ...] = ()
    adaptation_off: bool = False
    seconds: float = field(default=0.0, compare=False)


def report(
    past: Past,
    answers: Sequence[Replayed],
    votes: Sequence[Example],
    known: Calibration | None,
) -> BacktestReport:
    """Return what the answers to past issues tell."""
    answered = [a for a in answers if a.features is not None]
    right = sum(a.right for a in answered)
    missing = lacking(right, len(answered) - right)
    judged, measured = _reliability(answered, known)
    issues = [a.issue for a in answers]
    return BacktestReport(
        past.finished,
        issues[0].filed.created_at if issues else None,
        issues[-1].filed.created_at if issues else None,
        _truth(past, issues),
        measures("all", answers),
        _groups(answers, lambda issue: issue.source),
        _groups(answers, lambda issue: issue.category),
        measured,
        judged,
        missing,
        sum(example.votes for example in votes),
    )


def _truth(past: Past, issues: Sequence[PastIssue]) -> Truth:
    return Truth(
        sum(bool(issue.by_link) for issue in issues),
        sum(bool(issue.by_fix) for issue in issues),
        sum(not issue.right for issue in issues),
        past.fixes,
        past.same_by_chance,
        past.moments.backwards,
    )


def measures(name: str, answers: Sequence[Replayed]) -> Measures:
    """Return how well some past issues were served."""
    ranks = [a.rank for a in answers if a.answerable]
    answered = [a for a in answers if a.features is not None]

    def hit(places: int) -> float | None:
        return _share([rank is not None and rank < places for rank in ranks])

    return Measures(
        name,
        len(answers),
        len(ranks),
        hit(1),
        hit(3),
        hit(5),
        _share([a.reciprocal for a in answers if a.answerable]),
        1 - len(answered) / len(answers) if answers else 0.0,
        _share([a.right for a in answered]),
    )


def _share(values: Sequence[float | bool]) -> float | None:
    return float(np.mean(values)) if values else None


def _groups(
    answers: Sequence[Replayed], name: Callable[[PastIssue], str]
) -> tuple[Measures, ...]:
    groups: dict[str, list[Replayed]] = {}
    for answer in answers:
        groups.setdefault(name(answer.issue), []).append(answer)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return tuple(measures(name, group) for name, group in ordered)


def _reliability(
    answered: Sequence[Replayed], known: Calibration | None
) -> tuple[str, Reliability | None]:
    """Return how true the confidence is, and of which model that was measured.

    Fitted on the earlier part and judged on the later; where there is too little for
    that, the confidence in force is judged on all.
    """
    split = round(len(answered) * EARLIER)
    earlier, later = answered[:split], answered[split:]
    right = sum(a.right for a in earlier)
    if later and min(right, len(earlier) - right) >= LEAST_TO_JUDGE:
        model = fit(*_matrix(earlier))
        chances = model.probabilities(_matrix(later)[0]).tolist()
        told = reliability(chances, [a.right for a in later])
        return f"fitted on the first {len(earlier)}, judged on the last", told
    weights = known.weights if known else None
    said = [confidence(a.features, weights) for a in answered]
    which = "the calibration in force" if known else "the formula, not calibrated"
    return f"{which}, judged on all", reliability(said, [a.right for a in answered])


def _matrix(answers: Sequence[Replayed]) -> tuple[Any, Any]:
    names = CALIBRATED[CalibrationKind.SUGGESTION]
    rows = [a.features.values(names) for a in answers if a.features is not None]
    return np.array(rows, dtype=float), np.array([a.right for a in answers], float)


def adapted(with_it: Sequence[float], without: Sequence[float]) -> Adapted:
    """Return what adaptation gains, from reciprocal ranks with it and without."""
    gains = np.array(with_it) - np.array(without)
    generator = np.random.default_rng(0)
    picked = generator.integers(0, len(gains), (RESAMPLES, len(gains)))
    low, high = np.quantile(gains[picked].mean(axis=1), [1 - SURELY, SURELY])
    return Adapted(
        len(gains),
        float(np.mean(with_it)),
        float(np.mean(without)),
        float(low),
        float(high),
    )


def duplicate_report(past: Past, seen: Sequence[Compared]) -> DuplicateReport | None:
    """Return how well duplicates are told; None where people linked none."""
    if not seen:
        return None
    linked = sum(bool(issue.duplicates) for issue in past.issues)
    examples = _repeated(seen)
    truths = [example.success > 0 for example in examples]
    found = sum(truths)
    missing = lacking(found, len(examples) - found)
    if missing is not None:
        return DuplicateReport(linked, len(examples), found, None, None, None, missing)
    chances = _unseen(examples)
    alike = [one.likeness for one in seen for _ in range(one.stands_for)]
    return DuplicateReport(
        linked,
        len(examples),
        found,
        reliability(chances, truths),
        threshold_for(chances, truths, PRECISION_OF_WARNINGS, LEAST_WARNINGS),
        threshold_for(alike, truths, PRECISION_OF_SAMENESS, LEAST_WARNINGS),
        None,
    )


def _repeated(seen: Sequence[Compared]) -> list[Example]:
    """Return an example for each issue, those that were drawn as often as they stand."""
    return [
        Example(one.features, float(one.same))
        for one in seen
        for _ in range(one.stands_for)
    ]


def _unseen(examples: Sequence[Example]) -> list[float]:
    """Return the chance of each by a model fitted on other stretches of time."""
    names = CALIBRATED[CalibrationKind.DUPLICATE]
    features = np.array([example.features.values(names) for example in examples])
    truths = np.array([example.success for example in examples])
    fold = np.arange(len(examples)) * FOLDS // len(examples)
    chances = np.zeros(len(examples))
    for held in range(FOLDS):
        model = fit(features[fold != held], truths[fold != held])
        chances[fold == held] = model.probabilities(features[fold == held])
    return [float(chance) for chance in chances]


def metrics(made: BacktestReport, gain: Adapted | None) -> Mapping[str, Any]:
    """Return the numbers that are kept with a calibration."""
    true = made.reliability
    return {
        "issues": made.total.issues,
        "answerable": made.total.answerable,
        "hit_1": made.total.hit_1,
        "hit_3": made.total.hit_3,
        "hit_5": made.total.hit_5,
        "mrr": made.total.mrr,
        "abstained": made.total.abstained,
        "auc": true.auc if true else None,
        "brier": true.brier if true else None,
        "calibration_error": true.error if true else None,
        "calibration_band": true.error_band if true else None,
        "mrr_adapted": gain.mrr_adapted if gain else None,
        "mrr_plain": gain.mrr_plain if gain else None,
    }
