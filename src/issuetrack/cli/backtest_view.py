"""How a backtest looks: on a terminal, as Markdown."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from issuetrack.cli.output import markdown_table, plain_table
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.assistant.backtest_report import (
        Adapted,
        BacktestReport,
        DuplicateReport,
        Measures,
    )
    from issuetrack.engine.assistant.reliability import Reliability

Rows = list[dict[str, Any]]
MEASURES = (
    "name",
    "issues",
    "answerable",
    "hit_1",
    "hit_3",
    "hit_5",
    "mrr",
    "abstained",
    "right",
)
MOST_GROUPS = 12


def table(found: "BacktestReport") -> "RenderableType":
    """Return what was found for the terminal."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for title, lines, rows, columns in _parts(found):
        parts += [Text(f"\n{title}" if parts else title, style="bold")]
        parts += [Text(clean_line(line)) for line in lines]
        if rows:
            parts.append(plain_table(rows, columns))
    return Group(*parts)


def markdown(found: "BacktestReport") -> str:
    """Return what was found as Markdown."""
    out: list[str] = []
    for title, lines, rows, columns in _parts(found):
        out += [f"## {title}", "", *map(clean_line, lines), ""]
        if rows:
            out += [markdown_table(rows, columns), ""]
    return "\n".join(out).rstrip()


Part = tuple[str, Sequence[str], Rows, Sequence[str]]


def _parts(found: "BacktestReport") -> "Iterator[Part]":
    """Yield the parts of the report: a title, what it says, and its table."""
    yield "Past issues asked again", list(_truth(found)), _groups(found), MEASURES
    true = found.reliability
    if true is not None:
        said = [f"{found.judged} {true.answers} answers.", _how_true(true)]
        yield (
            "Confidence",
            said,
            _bins(true),
            ("confidence", "answers", "said", "right"),
        )
        rows = _silence(true)
        yield "Answering only from a confidence on", [], rows, tuple(rows[0])
    if found.duplicates is not None:
        yield "Duplicates", list(_duplicates(found.duplicates)), [], ()
    if found.adapted is not None:
        yield "Adaptation", [_adapted(found.adapted)], [], ()
    yield "Calibration", [_calibrated(found)], [], ()


def _truth(found: "BacktestReport") -> "Iterator[str]":
    truth = found.truth
    yield (
        f"{found.total.issues} of {found.finished} finished issues in "
        f"{found.seconds:.0f} s."
    )
    if found.first is not None and found.last is not None:
        yield (
            f"Opened from {found.first.date()} to {found.last.date()}, each asked with "
            "what was finished before it."
        )
    yield (
        f"An earlier issue was right for {found.total.answerable}: {truth.by_link} by "
        f"links, {truth.by_fix} by the same fix. For {truth.none} there was none, and "
        "silence is right."
    )
    if truth.same_by_chance is not None:
        yield (
            f"Of {truth.fixes} fixes, {truth.same_by_chance:.2%} of random pairs say "
            "the same."
        )
    if truth.clocks:
        yield f"{truth.clocks} end before they begin; their beginning counted."


def _groups(found: "BacktestReport") -> Rows:
    groups = [found.total] if found.total.issues else []
    if len(found.by_source) > 1:
        groups += found.by_source[:MOST_GROUPS]
    if len(found.by_category) > 1:
        groups += found.by_category[:MOST_GROUPS]
    return [_measures(group) for group in groups]


def _measures(group: "Measures") -> dict[str, Any]:
    return {name: getattr(group, name) for name in MEASURES}


def _how_true(true: "Reliability") -> str:
    tells = "" if true.auc is None else f"AUC {true.auc:.2f}, "
    within = "inside" if true.error <= true.error_band else "outside"
    return (
        f"{tells}Brier {true.brier:.3f} (base rate {true.brier_of_base_rate:.3f}), "
        f"calibration error {true.error:.3f}: {within} what chance explains "
        f"({true.error_band:.3f})."
    )


def _bins(true: "Reliability") -> Rows:
    return [
        {
            "confidence": f"{one.least:.1f} to {one.most:.1f}",
            "answers": one.answers,
            "said": one.confidence,
            "right": one.right,
        }
        for one in true.bins
    ]


def _silence(true: "Reliability") -> Rows:
    return [
        {"answered_from": p.threshold, "share": p.answered, "right": p.precision}
        for p in true.abstention
    ]


def _duplicates(found: "DuplicateReport") -> "Iterator[str]":
    yield (
        f"{found.linked} issues are linked to an earlier one as the same; for "
        f"{found.found} it was the most similar."
    )
    if found.reliability is not None:
        yield _how_true(found.reliability)
    if found.threshold is not None:
        yield f"Warnings from a chance of {found.threshold:.2f} on are right 7 in 10."
    elif found.missing is None:
        yield "No chance is so high that 7 in 10 warnings are right: there will be none."


def _adapted(gain: "Adapted") -> str:
    return (
        f"MRR {gain.mrr_adapted:.3f} with it, {gain.mrr_plain:.3f} without, on "
        f"{gain.issues} issues; the gain is between {gain.low:+.3f} and "
        f"{gain.high:+.3f} (95 %)."
    )


def _calibrated(found: "BacktestReport") -> str:
    if not found.calibrated:
        return "Nothing was put in force."
    kinds = " and ".join(f"{kind}s" for kind in found.calibrated)
    return f"In force from now on: {kinds}."
