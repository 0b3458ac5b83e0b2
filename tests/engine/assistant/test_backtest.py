"""The backtest: past issues asked again, each with only what was known then."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engine.assistant.recurring_tracker import NOW, START, WordModel, opened, tracker
from issuetrack.engine.assistant import backtest
from issuetrack.engine.assistant.backtest import Request
from issuetrack.engine.assistant.backtest_report import BacktestReport, adapted
from issuetrack.engine.assistant.backtest_truth import SAME_FIX, Fixes
from issuetrack.engine.assistant.calibration import active, duplicate_chance
from issuetrack.engine.assistant.confidence import Filed
from issuetrack.engine.errors import ModelError
from issuetrack.engine.retrieval import adaptation
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.types import CalibrationKind
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

PROBLEMS, TIMES, ONCE = 8, 6, 36
WORDS = "restarted gateway kelpie broker after rotating marzipan lease tokens twice"


@pytest.fixture(scope="module")
def model() -> WordModel:
    """Return the model that the workspace is indexed with."""
    return WordModel()


@pytest.fixture(scope="module")
def past(
    tmp_path_factory: pytest.TempPathFactory, model: WordModel
) -> Iterator[Workspace]:
    """Return a workspace where eight problems came back six times."""
    issues = tracker(PROBLEMS, TIMES, ONCE)
    with opened(tmp_path_factory.mktemp("past"), issues, model) as workspace:
        yield workspace


@dataclass(frozen=True)
class Measured:
    """What a backtest without a fit left.

    Attributes:
        embedded: how many texts it embedded.
        kept: the calibrations in the database afterwards.
    """

    report: BacktestReport
    embedded: int
    kept: list[tuple[str, int]]


@pytest.fixture(scope="module")
def measured(past: Workspace, model: WordModel) -> Measured:
    """Return what a backtest without a fit left."""
    before = model.embedded
    report = past.backtest.run(past.actor, Request(fit=False))
    return Measured(report, model.embedded - before, counts(past))


@pytest.fixture(scope="module")
def found(measured: Measured) -> BacktestReport:
    """Return what a backtest found."""
    return measured.report


@pytest.fixture(scope="module")
def fitted(past: Workspace, measured: Measured) -> BacktestReport:
    """Return what a backtest found that put a calibration in force."""
    return past.backtest.run(past.actor, Request())


def small(*issues: RemoteIssue) -> list[RemoteIssue]:
    """Return issues, keyed and a day apart unless they say otherwise."""
    return [
        replace(issue, key=f"S-{place}", created_at=START + timedelta(days=place))
        for place, issue in enumerate(issues)
    ]


def issue(days_to_fix: float, place: int, fix: str | None = WORDS) -> RemoteIssue:
    """Return an issue of one problem that took so many days."""
    ended = START + timedelta(days=place + days_to_fix)
    return replace(
        tracker(1, 1, 0)[0], resolved_at=ended, resolution=fix, duplicate_of=None
    )


def counts(workspace: Workspace) -> list[tuple[str, int]]:
    """Return the calibrations that were ever stored."""
    with workspace._database.read() as uow:
        return [
            (str(kind), int(number))
            for kind, number in uow.sql(
                "SELECT kind, count(*) FROM calibration GROUP BY kind ORDER BY kind"
            )
        ]


def test_who_could_be_answered_is_known_by_construction(found: BacktestReport) -> None:
    """All but the first of each problem had an earlier issue with the same fix."""
    again = PROBLEMS * (TIMES - 1)
    assert found.total.issues == PROBLEMS * TIMES + ONCE
    assert found.truth.by_fix == again
    assert found.total.answerable == again
    assert found.truth.none == found.total.issues - again


def test_what_helped_before_is_found(found: BacktestReport) -> None:
    """The places of the right issues; the parts add up to the whole."""
    total = found.total
    assert total.hit_1 is not None
    assert total.hit_3 is not None
    assert total.hit_5 is not None
    assert total.mrr is not None
    assert 0.8 < total.hit_1 <= total.mrr <= 1.0
    assert total.hit_1 <= total.hit_3 <= total.hit_5
    assert sum(group.issues for group in found.by_category) == total.issues
    assert [group.name for group in found.by_source] == ["tracker"]


def test_nothing_is_embedded(measured: Measured) -> None:
    """The vectors of indexed issues are there already."""
    assert measured.embedded == 0


def test_measuring_alone_changes_nothing(measured: Measured) -> None:
    """Without a fit nothing is stored."""
    assert measured.report.calibrated == ()
    assert measured.kept == []


def test_the_confidence_of_the_later_part_is_judged(found: BacktestReport) -> None:
    """Fitted on the first two thirds, it tells right from wrong on the last."""
    assert found.judged.startswith("fitted on the first")
    assert found.reliability is not None
    assert found.reliability.auc is not None
    assert found.reliability.auc > 0.9
    assert found.reliability.brier < found.reliability.brier_of_base_rate


def test_only_what_was_finished_before_counts(tmp_path: Path) -> None:
    """An earlier issue that was still open then is no answer; once closed it is."""
    issues = small(issue(1.5, 0), issue(0.1, 1), issue(0.1, 2))
    with opened(tmp_path, issues) as workspace:
        report = workspace.backtest.run(workspace.actor, Request())
    assert (report.truth.by_fix, report.truth.none) == (1, 2)
    assert report.total.hit_1 == 1.0
    assert report.total.abstained == pytest.approx(2 / 3)


def test_only_some_are_replayed(past: Workspace, found: BacktestReport) -> None:
    """The newest so many, or those opened since; what is older still answers."""
    newest = past.backtest.run(past.actor, Request(limit=7, fit=False))
    assert newest.total.issues == 7
    assert newest.last == found.last
    since = START + timedelta(days=80)
    later = past.backtest.run(past.actor, Request(since=since, fit=False))
    assert later.first == since
    assert later.total.issues == 4
    assert newest.finished == later.finished == found.total.issues


def test_progress_ends_with_all(past: Workspace) -> None:
    """It rises one by one to the number that it named."""
    told: list[tuple[int, int]] = []
    past.backtest.run(
        past.actor, Request(limit=5, fit=False), lambda *n: told.append(n)
    )
    total = told[-1][1]
    assert [done for done, _ in told] == list(range(1, total + 1))


def test_it_calibrates_what_suggest_then_says(
    past: Workspace, fitted: BacktestReport
) -> None:
    """The fit is kept with its date and n, and said with each suggestion."""
    assert fitted.missing is None
    assert set(fitted.calibrated) == set(CalibrationKind)
    asked = past.finding.question_of(past.actor, "80")
    told = past.suggestions.suggest(past.actor, asked).composition
    with past._database.read() as uow:
        kept = active(uow, CalibrationKind.SUGGESTION)
    assert kept is not None
    assert told.basis == kept.basis
    assert (kept.created_at, kept.ratings) == (NOW, 0)
    assert kept.fitted_on > 50
    assert kept.metrics["mrr"] == fitted.total.mrr
    assert counts(past) == [("duplicate", 1), ("suggestion", 1)]


def test_it_calibrates_who_is_told_of_a_duplicate(
    past: Workspace, fitted: BacktestReport
) -> None:
    """A copy of a past issue is probably one; something else is not."""
    assert fitted.duplicates is not None
    assert fitted.duplicates.threshold is not None
    asked = past.finding.question_of(past.actor, "80")
    other = Question("the coffee machine leaks", "milk on the floor again")
    sure = []
    with past._database.read() as uow:
        opened_at = past.issues.get(past.actor, "80").summary.created_at
        for question in (replace(asked, exclude=None), other):
            matches = Search(past.model).find(uow, question)
            twin = Filed(question.title, question.body, opened_at)
            found = duplicate_chance(uow, twin, matches)
            assert found is not None
            sure.append((found.probable, found.chance >= fitted.duplicates.threshold))
    assert sure == [(True, True), (False, False)]


def test_adaptation_that_does_harm_is_switched_off(
    past: Workspace, fitted: BacktestReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is measured with and without where it is in force, and put out of force."""
    with past._database.write() as uow:
        adaptation._put_in_force(uow, np.eye(384, dtype=np.float32), 500)
    same = past.backtest.run(past.actor, Request(limit=12)).adapted
    assert same is not None
    assert (same.mrr_adapted, same.low, same.high) == (same.mrr_plain, 0.0, 0.0)
    harm = replace(same, issues=40, low=-0.3, high=-0.1)
    monkeypatch.setattr(backtest, "adapted", lambda *_: harm)
    report = past.backtest.run(past.actor, Request(limit=12, fit=False))
    assert not report.adaptation_off
    assert past.backtest.run(past.actor, Request(limit=12)).adaptation_off
    with past._database.read() as uow:
        state = adaptation.state(uow)
    assert not state.applied
    assert state.off_because == "the last backtest found better without it"


def test_harm_has_to_be_beyond_chance() -> None:
    """A loss on a few, or one that chance explains, is no harm."""
    assert adapted([0.5] * 40, [1.0] * 40).hurts
    assert not adapted([0.5] * 20, [1.0] * 20).hurts
    mixed = [1.0, 0.5] * 20
    assert not adapted(mixed, mixed[::-1]).hurts
    assert not adapted([1.0] * 40, [0.5] * 40).hurts


def test_too_few_are_measured_but_not_fitted(tmp_path: Path) -> None:
    """It says what is missing, and the confidence stays as it was."""
    with opened(tmp_path, tracker(2, 3, 0)) as workspace:
        report = workspace.backtest.run(workspace.actor, Request())
        told = workspace.suggestions.suggest(
            workspace.actor, workspace.finding.question_of(workspace.actor, "6")
        )
        assert counts(workspace) == []
    assert report.missing is not None
    assert report.missing.startswith("50 answered past issues (there are ")
    assert report.calibrated == ()
    assert told.composition.basis.calibrated_at is None


def test_an_empty_workspace(workspace: Workspace) -> None:
    """Nothing to replay is no failure."""
    report = workspace.backtest.run(workspace.actor, Request())
    assert (report.finished, report.total.issues, report.first) == (0, 0, None)
    assert (report.reliability, report.total.hit_1) == (None, None)


def test_an_index_that_is_not_there_is_refused(
    tmp_path: Path, workspace: Workspace
) -> None:
    """Finding nothing for lack of an index would look like a bad result."""
    issues = tracker(1, 2, 0)
    workspace.imports.run(workspace.actor, "tracker", "jsonl", iter(issues))
    with pytest.raises(ModelError, match="no issue is indexed yet"):
        workspace.backtest.run(workspace.actor, Request())


def test_without_fixes_everything_is_silent(tmp_path: Path) -> None:
    """No fix on record: no answers, nothing right by fix, no calibration."""
    issues = [replace(i, resolution=None) for i in tracker(2, 4, 3)]
    with opened(tmp_path, issues) as workspace:
        report = workspace.backtest.run(workspace.actor, Request())
    assert (report.truth.fixes, report.truth.by_fix) == (0, 0)
    assert report.total.abstained == 1.0
    assert report.calibrated == ()


def test_identical_issues_and_clocks_that_go_backwards(tmp_path: Path) -> None:
    """Twelve copies, each resolved before it was opened: counted from its opening."""
    copies = small(*(issue(-3, place) for place in range(12)))
    with opened(tmp_path, copies) as workspace:
        report = workspace.backtest.run(workspace.actor, Request())
    assert report.truth.clocks == 12
    assert report.total.answerable == 11
    assert report.total.hit_1 == 1.0


def test_the_same_fix_in_other_words_and_another_fix() -> None:
    """Rare words that two fixes share say that they are the same; common ones do not."""
    others = {
        n: f"The {word} was broken, replaced with spare part of rack {n} in {word} room"
        for n, word in enumerate(
            ("fan", "disk", "cable", "switch", "battery", "sensor", "panel", "router")
        )
    }
    texts = {
        **others,
        100: "Rotated the marzipan lease tokens and restarted the kelpie broker",
        101: "kelpie broker restarted after rotating the marzipan lease tokens",
        102: "Fixed. Thanks!",
        103: "Fixed. Thanks!",
    }
    fixes = Fixes(texts)
    assert fixes.same(100) == {101}
    assert fixes.same(101) == {100}
    assert fixes.agreement(100, 101) > SAME_FIX > fixes.agreement(0, 1)
    assert fixes.same(102) == set()
    assert fixes.same(0) == set()


def test_the_share_by_chance() -> None:
    """None without two fixes; all of them where every fix is the same."""
    assert Fixes({1: WORDS}).share_by_chance() is None
    assert Fixes({n: f"{WORDS} {n}" for n in range(5)}).share_by_chance() is not None


def test_a_question_of_the_past_does_not_find_itself(past: Workspace) -> None:
    """An issue is never the answer to itself."""
    with past._database.read() as uow:
        found = Search(past.model).find(uow, Question("anything", "", 5), 200)
    assert 5 not in [match.issue for match in found]
