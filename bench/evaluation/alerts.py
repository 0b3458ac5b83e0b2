"""Alert -> SOP: which of 305 runbooks belongs to an alert that names none of them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation import Section, data
from evaluation.duplicates import place, share_within
from evaluation.remembering import RememberingModel
from evaluation.workspaces import opened
from issuetrack.engine.assistant.sops.imports import ImportWish, SopFile
from issuetrack.engine.retrieval.fusion import WEIGHTS
from issuetrack.engine.retrieval.scope import Scope, SopScope
from issuetrack.engine.retrieval.search import LEARNED, PLAIN, Options, Question, Search
from issuetrack.engine.workspace import Workspace

RUNBOOKS, RULES = "runbooks/runbooks.jsonl", "alerts/alert_rules.jsonl"
NAMED, GIVEN = ("runbook", "runbook_url"), ("runbook_url",)
TITLES = ("summary", "title", "message")
SOPS_ONLY = Scope(issues=False, documents=False, sops=SopScope.ALL)
LONGEST_TITLE, SHORTEST_SENTENCE, MOST = 120, 3, 305
_HUMP = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")
_FRONT = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_HEADING = re.compile(r"^#\s.*\n?", re.MULTILINE)
_MARKUP = ("#", "<", "|", "`", "[", "{", "*", "-")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Runbook:
    """A runbook without the name of its alert, in its text or its title."""

    id: str
    name: str
    file: SopFile


@dataclass(frozen=True)
class Alert:
    """A rule without its name as a question.

    Attributes:
        gold: the runbook that it points to.
        copies: runbooks of the same alert in other collections, and that one.
    """

    source: str
    question: Question
    gold: str
    copies: frozenset[str]


def without(text: str, names: Sequence[str]) -> str:
    """Return a text without names written together or in words."""
    for name in names:
        humps = _HUMP.findall(name)
        if len(humps) > 1:
            spelt = r"[\s_-]*".join(map(re.escape, humps))
            pattern = rf"(?i)(?<![A-Za-z0-9]){spelt}(?![A-Za-z0-9])"
            text = re.sub(pattern, "", text)
    return text


def is_name_of_alert(name: str) -> bool:
    """Tell whether a file's name is written as an alert's."""
    return len(_HUMP.findall(name)) > 1 and not set(name) & set("-_.")


def first_sentence(text: str) -> str:
    """Return the first sentence of a Markdown text that is none of its markup."""
    for paragraph in re.split(r"\n\s*\n", _FRONT.sub("", text)):
        lines = [line.strip() for line in paragraph.splitlines()]
        told = " ".join(x for x in lines if x and not x.startswith(_MARKUP))
        plain = re.sub(r"\s+", " ", _LINK.sub(r"\1", told)).strip()
        if len(plain.split()) >= SHORTEST_SENTENCE:
            return re.split(r"(?<=[.!?])\s", plain)[0][:LONGEST_TITLE]
    return "Runbook"


def stripped(row: Mapping[str, Any], names: Sequence[str], number: int) -> Runbook:
    """Return a runbook without names; its first sentence stands for a lost title."""
    mine = [row["name"]] if is_name_of_alert(row["name"]) else []
    title = without(row["title"], [*names, *mine]).strip(" -:[]")
    body = without(_FRONT.sub("", row["text"]), [*names, *mine])
    if len(re.findall(r"\w\w+", title)) == 0 or title.lower() in (
        "deprecated",
        "readme",
    ):
        title = first_sentence(body)
    text = f"# {title}\n\n{_HEADING.sub('', body, count=1)}"
    return Runbook(row["id"], row["name"], SopFile(f"runbook-{number}.md", text))


def question(rule: Mapping[str, Any], leaks: Sequence[str]) -> Question:
    """Return a rule's annotations, expression and labels without its name."""
    told = {k: v for k, v in rule["annotations"].items() if k not in leaks}
    title = next((told.pop(key) for key in TITLES if key in told), "")
    title = title or told.get("description", "").split("\n")[0]
    labels = [f"{key}: {value}" for key, value in rule["labels"].items()]
    body = "\n".join([*told.values(), rule["expr"], *labels])
    names = [rule["alert"]]
    return Question(without(title, names).strip(), without(body, names).strip())


def material(leaks: Sequence[str] = NAMED) -> tuple[list[Runbook], list[Alert]]:
    """Return the runbooks and the alerts, these without some annotations."""
    rows, rules = (
        [json.loads(x) for x in data(name).read_text(encoding="utf-8").splitlines()]
        for name in (RUNBOOKS, RULES)
    )
    names = sorted({rule["alert"] for rule in rules})
    runbooks = [
        stripped(row, [n for n in names if _mentions(row, n)], number)
        for number, row in enumerate(rows)
    ]
    alerts = [
        Alert(
            rule["source"],
            question(rule, leaks),
            rule["gold"],
            frozenset({r.id for r in runbooks if r.name == rule["alert"]})
            | {rule["gold"]},
        )
        for rule in rules
    ]
    return runbooks, alerts


def _mentions(row: Mapping[str, Any], name: str) -> bool:
    told = re.sub(r"[\s_-]", "", f"{row['title']}\n{row['text']}").lower()
    return name.lower() in told


def imported(folder: Path, runbooks: Sequence[Runbook]) -> Path:
    """Return the workspace with the runbooks as procedures."""
    path = folder / "runbooks.db"
    if not path.exists():
        making = folder / "runbooks-importing.db"
        with opened(making) as workspace:
            files = [runbook.file for runbook in runbooks]
            workspace.sops.import_files(workspace.actor, files, ImportWish())
            workspace.drain_index()
        for suffix in ("", ".keys", ".head"):
            made = making.with_name(making.name + suffix)
            if made.exists():
                made.rename(path.with_name(path.name + suffix))
    return path


def ranks(
    workspace: Workspace,
    runbooks: Sequence[Runbook],
    alerts: Sequence[Alert],
    legs: str = "",
    options: Options = LEARNED,
) -> tuple[list[int], list[int]]:
    """Return the places of the gold runbooks, and of any copy of them, from 0."""
    weights = {name: w for name, w in WEIGHTS.items() if name.startswith(legs)}
    search = Search(workspace.model, weights, options=options)
    by_key = {runbook.file.key: runbook.id for runbook in runbooks}
    strict, copies = [], []
    with workspace._database.read() as uow:  # noqa: SLF001 - legs and options are not served
        id_of = {n: by_key[key] for n, key in uow.sql("SELECT id, key FROM sop")}
        for alert in alerts:
            matches = search.find(uow, alert.question, MOST, SOPS_ONLY)
            found = [id_of[match.sop] for match in matches if match.sop is not None]
            strict.append(place(found, [alert.gold]))
            copies.append(place(found, alert.copies))
    return strict, copies


def section(folder: Path) -> Section:
    """Return how often an alert finds its procedure."""
    runbooks, alerts = material()
    _, given = material(GIVEN)
    sources = sorted({alert.source for alert in alerts})
    head = ["R@1", "R@5", *(f"R@1 {source}" for source in sources)]
    lines = [
        *INTRODUCTION,
        "",
        f"| search | {' | '.join(head)} | R@1 with copies | R@5 with copies |",
        "|---" * (len(head) + 3) + "|",
    ]
    with opened(imported(folder, runbooks)) as workspace:
        workspace.model = RememberingModel(workspace.model)
        for asked, (name, legs, options) in (
            *((alerts, search) for search in SEARCHES),
            *((given, search) for search in WITH_FILE),
        ):
            strict, copies = ranks(workspace, runbooks, asked, legs, options)
            shares = [share_within(strict, 1), share_within(strict, 5)]
            for source in sources:
                own = [
                    p for p, a in zip(strict, alerts, strict=True) if a.source == source
                ]
                shares.append(share_within(own, 1))
            shares += [share_within(copies, 1), share_within(copies, 5)]
            told = " | ".join(f"{share:.3f}" for share in shares)
            lines.append(f"| {name} | {told} |")
    return Section("Alert to SOP", lines)


SEARCHES = (
    ("words", "lexical", PLAIN),
    ("meaning", "vector", PLAIN),
    ("meaning, adapted", "vector", LEARNED),
    ("both", "", PLAIN),
    ("both, adapted", "", LEARNED),
)
WITH_FILE = (
    ("words, file given", "lexical", PLAIN),
    ("meaning, adapted, file given", "vector", LEARNED),
    ("both, adapted, file given", "", LEARNED),
)
INTRODUCTION = [
    "305 runbooks imported as procedures, 254 alert rules as questions (annotations, "
    "expression, labels). The alert's name is taken out of both, written together or "
    "in words; a title of which nothing is left is replaced by the runbook's first "
    "sentence. The annotations `runbook` and `runbook_url` are left out; in the rows "
    "called `file given` the first stays, in which GitLab's rules name a file, as the "
    "data's README has it. Several collections have a runbook for the same alert, often "
    "word for word; the last two columns count those as right too. The tokeniser and "
    "the title leg were chosen looking at these alerts; nothing was held out.",
]
