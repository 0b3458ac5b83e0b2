"""Runbooks read as procedures and written again: what is lost, what is found."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation import Section, data
from issuetrack.engine.assistant.sops.markdown import read, write
from issuetrack.engine.assistant.sops.procedure import FIELDS, Procedure

RUNBOOKS = "runbooks/runbooks.jsonl"
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Imported:
    """A runbook, the procedure it was read as, and that written out."""

    source: str
    text: str
    procedure: Procedure
    written: str

    @property
    def lost(self) -> Counter[str]:
        """Return each word that is there less often than in the runbook."""
        return words(self.text) - words(self.written)

    @property
    def is_stable(self) -> bool:
        """Tell whether what was written reads as the same procedure."""
        return read(self.written, "") == self.procedure

    @property
    def is_usable(self) -> bool:
        """Tell whether it says what it is about and what to do."""
        told = self.procedure
        return bool((told.problem or told.symptoms) and told.steps)


def words(text: str) -> Counter[str]:
    """Count the words of a text, those of code, links and comments among them."""
    return Counter(_WORD.findall(text.casefold()))


def imported() -> list[Imported]:
    """Read every runbook.

    Raises:
        DataAbsent: the runbooks are not there.
    """
    with data(RUNBOOKS).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [_imported(row["source"], row["text"], row["path"]) for row in rows]


def section(_folder: Path) -> Section:
    """Measure the section of docs/evaluation.md."""
    all_ = imported()
    sources = sorted({one.source for one in all_})
    groups = {name: [x for x in all_ if x.source == name] for name in sources}
    columns = (*FIELDS, "notes")
    lost = sum(sum(one.lost.values()) for one in all_)
    counted = sum(sum(words(one.text).values()) for one in all_)
    return Section(
        "Runbooks imported and exported",
        [
            f"{len(all_)} runbooks were read and written as canonical Markdown. Of "
            f"{counted:,} words, code, links and comments included, {lost} are there "
            f"less often than before. {sum(x.is_stable for x in all_)} of {len(all_)} "
            "read again as the same procedure.",
            "",
            "Share of the runbooks of a source in which each field was found; usable: "
            "a problem or symptoms, and steps.",
            "",
            "| source | runbooks | words lost | " + " | ".join(columns) + " | usable |",
            "|---|" + "---:|" * (len(columns) + 3),
            *(_row(name, group) for name, group in groups.items()),
            _row("all", all_),
        ],
    )


def _imported(source: str, text: str, path: str) -> Imported:
    procedure = read(text, path)
    return Imported(source, text, procedure, write(procedure))


def _row(name: str, group: Sequence[Imported]) -> str:
    shares = [
        sum(bool(one.procedure.field(field)) for one in group) / len(group)
        for field in (*FIELDS, "notes")
    ]
    usable = sum(one.is_usable for one in group) / len(group)
    lost = sum(sum(one.lost.values()) for one in group)
    cells = [name, str(len(group)), str(lost)]
    return "| " + " | ".join([*cells, *(f"{x:.2f}" for x in (*shares, usable))]) + " |"
