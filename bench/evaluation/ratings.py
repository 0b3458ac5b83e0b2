"""What ratings teach: simulated raters judge the sources that suggestions cite."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from evaluation import Section
from evaluation.duplicates import (
    Duplicate,
    duplicates,
    places,
    share_within,
    with_fixes,
)
from evaluation.workspaces import copied, opened
from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.retrieval.search import Search
from issuetrack.engine.workspace import Workspace

SEEDS = 20
HONEST = (True, True, True)
ONE_IN_FIVE_WRONG = (True, True, True, True, False)
WHOLE, BEST, WORST = 5, 5, (1, 2)


@dataclass(frozen=True)
class Suggested:
    """A stored suggestion and the issues it cites."""

    recommendation: int
    cited: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """What one seed gave: hit@1 of rated questions, hits@5 of the unrated."""

    rated_before: float
    rated_after: float
    unrated_before: int
    unrated_after: int


def section(folder: Path) -> Section:
    """Return what ratings change."""
    path = suggested(folder)
    with opened(path) as workspace:
        asked = duplicates(workspace)
        made = suggestions(workspace, asked)
        before = asked_all(workspace, asked, None)
    honest, mixed = (
        [run(path, asked, made, before, raters, seed) for seed in range(SEEDS)]
        for raters in (HONEST, ONE_IN_FIVE_WRONG)
    )
    return Section("What ratings teach", [*INTRODUCTION, "", *table(honest, mixed)])


INTRODUCTION = [
    "Half of the 129 Hadoop duplicate questions, drawn anew for each of "
    f"{SEEDS} seeds, are asked with `suggest`; simulated raters see the issues that the "
    "suggestion cites and rate each by `rate --source`: 5 stars for a known duplicate, "
    "1 or 2 (seeded) for anything else. A wrong rater does the opposite. Then every "
    "question is asked by its title alone, its own issue left out. The other half was "
    "rated by nobody and is asked in full.",
]


def suggested(folder: Path) -> Path:
    """Return the workspace in which every question was asked once."""
    path = folder / "ratings.db"
    if not path.exists():
        made = copied(with_fixes(folder), "ratings-asking.db")
        with opened(made) as workspace:
            for one in duplicates(workspace):
                workspace.suggestions.suggest(
                    workspace.actor, one.question, Wish(model=False)
                )
        copied(made, path.name)
    return path


def suggestions(
    workspace: Workspace, asked: Sequence[Duplicate]
) -> dict[int, Suggested]:
    """Return the suggestion that each question got, by issue."""
    with workspace._database.read() as uow:  # noqa: SLF001 - no service lists them
        rows = uow.sql(
            "SELECT recommendation.issue_number, recommendation.id, source.issue_number "
            "FROM recommendation LEFT JOIN recommendation_source AS source "
            "ON source.recommendation_id = recommendation.id ORDER BY source.share DESC"
        )
    cited: dict[int, list[int]] = {}
    number = {issue: recommendation for issue, recommendation, _ in rows}
    for issue, _, source in rows:
        cited.setdefault(issue, []).extend([source] if source else [])
    return {
        one.number: Suggested(number[one.number], tuple(cited[one.number]))
        for one in asked
    }


@dataclass(frozen=True)
class Places:
    """Where the duplicates of all questions are, by how they are asked."""

    again: Mapping[int, int]
    whole: Mapping[int, int]


def asked_all(
    workspace: Workspace, asked: Sequence[Duplicate], rated: frozenset[int] | None
) -> Places:
    """Ask the rated questions by title and the others in full; None asks both of all."""
    gold = {one.number: one.gold for one in asked}
    again = {
        o.number: o.in_other_words for o in asked if rated is None or o.number in rated
    }
    whole = {
        o.number: o.question for o in asked if rated is None or o.number not in rated
    }
    search = Search(workspace.model)
    return Places(
        places(workspace, search, again, gold, WHOLE),
        places(workspace, search, whole, gold, WHOLE),
    )


def run(
    path: Path,
    asked: Sequence[Duplicate],
    made: Mapping[int, Suggested],
    before: Places,
    honest: Sequence[bool],
    seed: int,
) -> Run:
    """Rate half of the questions in a copy of the workspace, then ask all again."""
    chance = random.Random(seed)
    numbers = [one.number for one in asked]
    rated = frozenset(chance.sample(numbers, len(numbers) // 2))
    gold = {one.number: one.gold for one in asked}
    with opened(copied(path, "ratings-run.db")) as workspace:
        for number in sorted(rated):
            rate(workspace, made[number], gold[number], honest, chance)
        after = asked_all(workspace, asked, rated)
    return Run(
        share_within([before.again[n] for n in rated], 1),
        share_within(after.again.values(), 1),
        sum(before.whole[n] < WHOLE for n in numbers if n not in rated),
        sum(place < WHOLE for place in after.whole.values()),
    )


def rate(
    workspace: Workspace,
    suggestion: Suggested,
    gold: frozenset[int],
    honest: Sequence[bool],
    chance: random.Random,
) -> None:
    """Let each rater judge each issue that a suggestion cites."""
    for number, is_honest in enumerate(honest):
        rater = replace(workspace.actor, principal=f"rater-{number}")
        for source in suggestion.cited:
            right = (source in gold) == is_honest
            workspace.feedback.rate(
                rater,
                f"R{suggestion.recommendation}",
                BEST if right else chance.choice(WORST),
                source=f"#{source}",
            )


def interval(values: Sequence[float]) -> str:
    """Return the mean of the seeds with its 95 % interval (normal)."""
    mean = float(np.mean(values))
    half = 1.96 * float(np.std(values, ddof=1)) / len(values) ** 0.5
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


def table(honest: Sequence[Run], mixed: Sequence[Run]) -> list[str]:
    """Return the rows of both trials."""
    lines = [
        "| raters | rated, asked by title: R@1 before | after | gain, 95 % interval | "
        "unrated: hits@5 before | after | change, 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in (("three", honest), ("five, one of them wrong", mixed)):
        gain = interval([r.rated_after - r.rated_before for r in runs])
        change = interval([r.unrated_after - r.unrated_before for r in runs])
        means = [
            np.mean([getattr(r, part) for r in runs])
            for part in (
                "rated_before",
                "rated_after",
                "unrated_before",
                "unrated_after",
            )
        ]
        lines.append(
            f"| {name} | {means[0]:.3f} | {means[1]:.3f} | {gain} | "
            f"{means[2]:.1f} | {means[3]:.1f} | {change} |"
        )
    return lines
