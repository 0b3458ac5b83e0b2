"""How long the commands of the assistant take, as whole processes and warm."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from evaluation import Section
from evaluation.alerts import imported, material
from evaluation.workspaces import KEY, copied, hadoop, opened
from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.workspace import Workspace

COLD, WARM = 7, 40
SEARCHED = "disk full"


def milliseconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return (time.perf_counter() - started) * 1000


def cold(path: Path, *arguments: str) -> list[float]:
    """Return the milliseconds of a command as a new process each time."""
    environment = {**os.environ, "ISSUETRACK_DB": str(path), "ISSUETRACK_KEY": KEY}
    command = [str(Path(sys.executable).with_name("issuetrack")), *arguments]

    def once() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    once()
    return [milliseconds(once) for _ in range(COLD)]


def beyond_retrieval(workspace: Workspace) -> list[float]:
    """Return what an extractive suggestion takes more than finding what is similar."""
    actor = workspace.actor
    step = max(1, workspace.index_status().issues // WARM)
    more = []
    for number in range(1, WARM * step, step):
        question: Question = workspace.finding.question_of(actor, str(number))

        def similar(asked: Question = question) -> object:
            return workspace.finding.similar(actor, asked)

        def suggest(asked: Question = question) -> object:
            return workspace.suggestions.suggest(actor, asked, Wish(model=False))

        found = min(milliseconds(similar) for _ in range(2))
        more.append(milliseconds(suggest) - found)
    return more


def row(what: str, times: list[float], target: int) -> str:
    """Return a line of the table."""
    ordered = sorted(times)
    worst = ordered[round(0.95 * (len(ordered) - 1))]
    return f"| {what} | {statistics.median(times):.0f} | {worst:.0f} | {target} |"


def section(folder: Path) -> Section:
    """Measure it."""
    runbooks, _ = material()
    procedures = imported(folder, runbooks)
    lines = [
        "| what | median ms | 95th percentile ms | target ms |",
        "|---|---|---|---|",
    ]
    for options in (("sop", "search", SEARCHED, "-o", "json"), ("--version",)):
        target = 1200 if "search" in options else 250
        times = cold(procedures, *options)
        lines.append(row(f"`issuetrack {' '.join(options)}`, cold", times, target))
    with opened(copied(hadoop(folder), "speed.db")) as workspace:
        more = beyond_retrieval(workspace)
    lines.append(row("extractive suggestion, warm, beyond retrieval", more, 150))
    lines += [
        "",
        f"Cold is a new process, {COLD} times, on {len(runbooks)} procedures; warm is "
        f"{WARM} Hadoop issues in one process. The language model's speed is with the "
        "suggestions, that of the backtest with the confidence.",
    ]
    return Section("Speed", lines)
