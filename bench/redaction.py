"""Measures the redaction on labelled texts: how much is found, how much of it is right.

Reads lines {"text", "spans": [{"start", "end", "kind"}]} and prints a Markdown table.
"""

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from issuetrack.engine.redaction import find

LABELLED = Path(__file__).resolve().parents[1] / "tests/engine/redaction_labelled.jsonl"


@dataclass(frozen=True)
class Figures:
    """Counts by kind.

    A labelled span is found when every character of it is masked; a masked one is
    right when it overlaps a labelled one.
    """

    labelled: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def precision(self, *kinds: str) -> float:
        """Return the share of what is masked that is labelled."""
        masked = sum(self.masked[kind] for kind in kinds)
        return sum(self.right[kind] for kind in kinds) / masked if masked else 1.0

    def recall(self, *kinds: str) -> float:
        """Return the share of what is labelled that is masked."""
        labelled = sum(self.labelled[kind] for kind in kinds)
        return sum(self.found[kind] for kind in kinds) / labelled if labelled else 1.0

    @property
    def kinds(self) -> list[str]:
        """Return every kind that is labelled or masked."""
        return sorted(self.labelled | self.masked)


def measure(path: Path) -> Figures:
    """Return the figures over a file of labelled texts."""
    figures = Figures()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            _count(figures, record["text"], record["spans"])
    return figures


def _count(figures: Figures, text: str, spans: list[dict[str, object]]) -> None:
    masked, labelled = bytearray(len(text)), bytearray(len(text))
    predicted = find(text)
    for span in predicted:
        masked[span.start : span.end] = b"\1" * (span.end - span.start)
    for label in spans:
        start, end = int(str(label["start"])), int(str(label["end"]))
        labelled[start:end] = b"\1" * (end - start)
        figures.labelled[str(label["kind"])] += 1
        figures.found[str(label["kind"])] += masked.find(0, start, end) < 0
    for span in predicted:
        figures.masked[span.kind] += 1
        figures.right[span.kind] += labelled.find(1, span.start, span.end) >= 0


def table(figures: Figures) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "| kind | labelled | found | precision | recall |",
        "|---|--:|--:|--:|--:|",
    ]
    rows = [(kind, (kind,)) for kind in figures.kinds]
    for name, kinds in [*rows, ("all", tuple(figures.kinds))]:
        labelled = sum(figures.labelled[kind] for kind in kinds)
        found = sum(figures.found[kind] for kind in kinds)
        precision, recall = figures.precision(*kinds), figures.recall(*kinds)
        lines.append(
            f"| {name} | {labelled} | {found} | {precision:.3f} | {recall:.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(measure(Path(sys.argv[1]) if sys.argv[1:] else LABELLED)))
