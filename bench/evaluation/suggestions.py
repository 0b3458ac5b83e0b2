"""Suggestions for 40 resolved issues whose comments are hidden, with and without a model.

The other issues of `jira/apache_with_comments.jsonl` are the history. What is shown is
looked at a second time by `tests/evidence_check.py`, which shares nothing with the
engine's verification. The real resolution is what the miner finds in the comments.
"""

import json
import os
import random
import re
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from evaluation import ROOT, Section, data
from evaluation.workspaces import opened
from issuetrack.engine.assistant.composer import Cause, Composition, Step
from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.assistant.suggestions import Suggestion, SuggestionService
from issuetrack.engine.inference.ports import ChatModel
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

sys.path.append(str(ROOT / "tests"))
from evidence_check import LITTLE, WORD, holds_command, missing_words

ISSUES, SEED, TIMEOUT = 40, 20261121, 900.0
SETTLED = ("Closed", "Resolved")
MODEL = "smollm2-135m.gguf"
MODELS = Path(os.environ.get("TEST_MODELS", ROOT / ".venv/data/models"))
Row = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A resolved issue, and the words of what fixed it."""

    key: str
    question: Question
    fixed_by: frozenset[str]


@dataclass
class Tally:
    """What was shown for some issues.

    Attributes:
        stated: causes and steps shown; `verified` bears a second look.
        commands: commands shown; `invented` those that no evidence holds.
        by_model: causes and steps that are in a model's words.
        overlaps: for each issue, the share of the resolution's words that is shown.
    """

    stated: int = 0
    verified: int = 0
    commands: int = 0
    invented: int = 0
    by_model: int = 0
    reworded: int = 0
    proposed: int = 0
    overlaps: list[float] | None = None

    def add(self, made: Suggestion, fixed_by: frozenset[str]) -> None:
        """Count one suggestion."""
        c = made.composition
        quotes = {item.id: item.quote for item in c.evidence}
        for statement in statements(c):
            cited = [quotes[name] for name in statement.evidence]
            self.stated += 1
            self.verified += not missing_words(words_of(statement), cited)
            self.by_model += statement.by_model
            exact = any(words_of(statement) in quote for quote in cited)
            self.reworded += statement.by_model and not exact
            if isinstance(statement, Step) and statement.command:
                self.commands += 1
                self.invented += not holds_command(statement.command, cited)
        self.proposed += sum(
            d.field not in ("summary", "questions") for d in made.dropped
        )
        self.overlaps = [*(self.overlaps or []), overlap(c, fixed_by)]


def statements(c: Composition) -> tuple[Cause | Step, ...]:
    """Return the causes and all kinds of steps of a suggestion."""
    return (*c.root_causes, *c.steps, *c.validation, *c.rollback)


def words_of(statement: Cause | Step) -> str:
    """Return what a cause or step says."""
    return statement.cause if isinstance(statement, Cause) else statement.action


def content(text: str) -> frozenset[str]:
    """Return the words of a text that carry meaning, in lower case."""
    found = (word for word in WORD.findall(text.lower()) if len(word) > 2)
    return frozenset(found) - LITTLE


def overlap(c: Composition, fixed_by: frozenset[str]) -> float:
    """Return the share of a resolution's words that the causes and steps hold."""
    shown = [words_of(s) for s in statements(c)]
    shown += [s.command for s in statements(c) if isinstance(s, Step) and s.command]
    return len(content(" ".join(shown)) & fixed_by) / len(fixed_by)


def _moment(text: str) -> datetime:
    return datetime.strptime(re.sub(r"Z$", "+0000", text), "%Y-%m-%dT%H:%M:%S.%f%z")


def _issue(row: Row, *, hidden: bool = False) -> RemoteIssue:
    comments = tuple(
        RemoteComment(
            c.get("body") or "",
            _moment(c.get("created") or row["updated"]),
            c.get("author"),
            key=f"c{n}",
        )
        for n, c in enumerate(() if hidden else row["comments"])
    )
    done = row["status"] in SETTLED and not hidden
    return RemoteIssue(
        row["key"],
        row["title"],
        _moment(row["created"]),
        _moment(row["updated"]),
        body=row["description"] or "",
        status=IssueStatus.CLOSED if done else IssueStatus.OPEN,
        closed_at=_moment(row["updated"]) if done else None,
        comments=comments,
    )


def _imported(workspace: Workspace, issues: Iterable[RemoteIssue]) -> None:
    workspace.imports.run(workspace.actor, "apache", "jira", issues)


def material(folder: Path) -> tuple[Path, list[Case]]:
    """Return the workspace of the history, and the cases that are asked about."""
    text = data("jira/apache_with_comments.jsonl").read_text(encoding="utf-8")
    rows = {row["key"]: row for row in map(json.loads, text.splitlines())}
    with opened(folder / "apache_whole.db") as whole:
        if not whole.issues.matching(whole.actor, "", limit=1)[0]:
            _imported(whole, map(_issue, rows.values()))
        fixed = dict(_resolutions(whole))
    keys = sorted(key for key, text in fixed.items() if len(content(text)) > 4)
    chosen = random.Random(SEED).sample(keys, ISSUES)
    history = folder / "apache_history.db"
    is_new = not history.exists()
    with opened(history) as workspace:
        if is_new:
            hidden = set(chosen)
            _imported(
                workspace, (_issue(r, hidden=r["key"] in hidden) for r in rows.values())
            )
        workspace.drain_index()
    with opened(history) as workspace:
        questions = {
            key: workspace.finding.question_of(workspace.actor, key) for key in chosen
        }
    return history, [Case(k, questions[k], content(fixed[k])) for k in chosen]


def _resolutions(workspace: Workspace) -> Iterator[tuple[str, str]]:
    with workspace._database.read() as uow:  # noqa: SLF001 - no list shows the texts
        rows = uow.sql(
            "SELECT issue.external_key, resolution.uuid, resolution.text "
            "FROM resolution JOIN issue ON issue.number = resolution.issue_number"
        )
        for key, uuid, sealed in rows:
            yield key, uow.open("resolution", "text", uuid, bytes(sealed))


def _service(workspace: Workspace, model: ChatModel | None) -> SuggestionService:
    search = Search(workspace.model)
    database = workspace._database  # noqa: SLF001 - as the workspace itself does
    return SuggestionService(database, search, workspace._clock, lambda: model)  # noqa: SLF001


def _seconds(workspace: Workspace, cases: Sequence[Case]) -> tuple[float, float]:
    """Return the median time of retrieval, and of a suggestion beyond it, warm."""
    service, search = _service(workspace, None), Search(workspace.model)
    found, whole = [], []
    for case in cases:
        service.suggest(workspace.actor, case.question)
        started = time.perf_counter()
        with workspace._database.read() as uow:  # noqa: SLF001 - only retrieval
            search.find(uow, case.question, 8)
        found.append(time.perf_counter() - started)
        started = time.perf_counter()
        service.suggest(workspace.actor, case.question)
        whole.append(time.perf_counter() - started)
    beyond = [w - f for w, f in zip(whole, found, strict=True)]
    return statistics.median(found), statistics.median(beyond)


def _model() -> ChatModel | None:
    from issuetrack.engine.inference.llama_chat import LlamaChat

    path = MODELS / MODEL
    return LlamaChat(path, 4096, name="smollm2-135m") if path.exists() else None


def section(folder: Path) -> Section:
    """Measure suggestions with and without SmolLM2 135M."""
    history, cases = material(folder)
    with opened(history) as workspace:
        retrieval, beyond = _seconds(workspace, cases)
        plain, service = Tally(), _service(workspace, None)
        for case in cases:
            plain.add(service.suggest(workspace.actor, case.question), case.fixed_by)
        timing = (
            f"Retrieval takes {retrieval * 1000:.0f} ms, an extractive suggestion "
            f"{beyond * 1000:.0f} ms beyond it (medians, warm; asked for: at most 150)."
        )
        model = _model()
        if model is None:
            note = f"SmolLM2 was left out: {MODEL} is not in {MODELS.name}/."
            return Section("Suggestions", [*_table({"none": plain}), "", note, timing])
        tally, notes = _with_model(workspace, cases, model)
    table = _table({"none": plain, "SmolLM2 135M": tally})
    return Section("Suggestions", [*table, "", *notes(plain), "", timing])


def _with_model(
    workspace: Workspace, cases: Sequence[Case], model: ChatModel
) -> tuple[Tally, Any]:
    """Ask about all cases with a model; return the tally and what makes its notes."""
    tally, service = Tally(), _service(workspace, model)
    asked, failed = [], 0
    for number, case in enumerate(cases, start=1):
        made = service.suggest(workspace.actor, case.question, Wish(timeout=TIMEOUT))
        tally.add(made, case.fixed_by)
        failed += any("without the model" in line for line in made.trace.warnings)
        if made.trace.asked is not None and made.trace.asked.output is not None:
            asked.append(made.trace.asked)
        print(f"  {number}/{len(cases)} {case.key}", file=sys.stderr, flush=True)

    def notes(plain: Tally) -> list[str]:
        pairs = zip(plain.overlaps or [], tally.overlaps or [], strict=True)
        differences = [b - a for a, b in pairs]
        told = [
            f"The model was asked about {len(asked)} of {len(cases)} issues (the others "
            f"have no evidence), and its answer could not be read for {failed}. It put "
            f"forward {tally.by_model + tally.proposed} causes and steps, of which "
            f"{tally.by_model} are shown, {tally.reworded} in words of its own.",
            f"Overlap with the real resolution: lower than without it for "
            f"{sum(d < 0 for d in differences)} issues, higher for "
            f"{sum(d > 0 for d in differences)}.",
        ]
        if asked:
            first = statistics.median(a.first_token for a in asked)
            speed = statistics.median(
                a.completion_tokens / max(a.seconds - a.first_token, 1e-3)
                for a in asked
            )
            told.append(
                f"First token after {first:.1f} s, then {speed:.0f} tokens/s (medians)."
            )
        return told

    return tally, notes


def _table(tallies: dict[str, Tally]) -> list[str]:
    lines = [
        f"{ISSUES} resolved issues (seed {SEED}), their comments hidden.",
        "",
        "| model | causes and steps shown | verified by the second look | commands shown "
        "| in no evidence | by the model | overlap with the real resolution |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, t in tallies.items():
        lines.append(
            f"| {name} | {t.stated} | {_percent(t.verified, t.stated)} | {t.commands} "
            f"| {t.invented} | {_percent(t.by_model, t.stated)} "
            f"| {statistics.mean(t.overlaps or [0.0]):.3f} |"
        )
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
