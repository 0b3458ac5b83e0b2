"""Documents as sources: the right part of a page, cited with its heading."""

from pathlib import Path

import pytest

from issuetrack.connectors.files.pages import PageReader
from issuetrack.engine.assistant.composer import Composition
from issuetrack.engine.assistant.grounding import Section, is_grounded
from issuetrack.engine.assistant.page_spans import about, sections, told_spans
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.types import Role
from issuetrack.engine.workspace import Workspace

BROKER = """# Broker keeps orders

Orders wait in the broker and the log says BrokerTimeoutError.

## Cause

The disk of the broker was full.

## Fix

1. Drain the node with `brokerctl drain node-2`
2. Restart it: `systemctl restart broker`

## Validation

- `brokerctl status` shows no queue.

## Rollback

- Put it back with `brokerctl undrain node-2`
"""
HANDBOOK = """# Handbook

Written for the night shift.

## Printer jams

### Fix

1. Open tray 2 and remove the sheet.

## Pump 7 rattles

### Fix

1. Stop the pump with `pumpctl stop 7`

```
## not a heading
```

## Contacts

Ask the plant desk.
"""
STORY = "# Plant\n\nThe plant was built by hand.\n\n## Symptoms\n\nIt is loud.\n"


def take(workspace: Workspace, folder: Path, **pages: str) -> None:
    """Import pages and index them."""
    folder.mkdir()
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)
    reader = PageReader(folder)
    workspace.document_imports.run(workspace.actor, "wiki", "pages", reader)
    workspace.drain_index()


def suggested(workspace: Workspace, title: str, body: str = "") -> Composition:
    """Return the suggestion for a description."""
    question = Question(title, body)
    return workspace.suggestions.suggest(workspace.actor, question).composition


def test_a_page_is_cited_with_its_heading(workspace: Workspace, tmp_path: Path) -> None:
    """Causes, steps, checks and the way back quote the page and name it."""
    take(workspace, tmp_path / "wiki", broker=BROKER, plant=STORY)
    made = suggested(workspace, "Orders wait in the broker", "BrokerTimeoutError")

    assert [step.command for step in made.steps] == [
        "brokerctl drain node-2",
        "systemctl restart broker",
    ]
    assert [step.command for step in made.rollback] == ["brokerctl undrain node-2"]
    assert [cause.cause for cause in made.root_causes] == [
        "The disk of the broker was full."
    ]
    assert made.validation[0].action == "`brokerctl status` shows no queue."
    assert {step.rationale for step in made.steps} == {"from Broker keeps orders (D1)"}
    assert made.summary.startswith("Most like D1, Broker keeps orders (document)")
    assert {(e.issue, e.document, e.key, e.kind, e.reader) for e in made.evidence} == {
        (None, 1, "broker.md", "document", Role.VIEWER)
    }
    assert {e.heading for e in made.evidence} == {
        "Cause",
        "Fix",
        "Validation",
        "Rollback",
    }
    quotes = {item.id: item.quote for item in made.evidence}
    for step in (*made.steps, *made.validation, *made.rollback):
        assert is_grounded(step.action, step.command, quotes[step.evidence[0]])


def test_issue_and_page_stand_side_by_side(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A stated fix of as good a match comes before the page; both are similar."""
    made = workspace.issues.create(
        workspace.actor,
        IssueDraft("Broker keeps orders", "BrokerTimeoutError, orders wait"),
    )
    fix = "Root cause: a full disk. Fix: `brokerctl purge --older 7d`."
    workspace.issues.resolve(workspace.actor, str(made.number), fix)
    take(workspace, tmp_path / "wiki", broker=BROKER)
    question = Question("Broker keeps orders", "BrokerTimeoutError, orders wait")
    suggestion = workspace.suggestions.suggest(workspace.actor, question)

    assert {m.subject.name for _, m in suggestion.similar} == {"#1", "D1"}
    names = {step.rationale.partition(" ")[0] for step in suggestion.composition.steps}
    assert "helped" in names


def test_a_page_without_steps_suggests_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A page that tells no step is no evidence: confidence 0."""
    take(workspace, tmp_path / "wiki", plant=STORY)
    made = suggested(workspace, "The plant is loud", "it was built by hand")

    assert (made.confidence, made.steps, made.evidence) == (0.0, (), ())


def test_only_the_section_asked_for_is_read(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Of a page with many problems the steps of the right one are shown."""
    take(workspace, tmp_path / "wiki", handbook=HANDBOOK)
    made = suggested(workspace, "Pump 7 rattles in the handbook", "pump 7 is loud")

    assert [step.command for step in made.steps] == ["pumpctl stop 7"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (HANDBOOK, 4),
        (BROKER, 1),
        (STORY, 1),
        ("no heading at all", 1),
        ("", 1),
        ("## A\n\n1. Run it.\n\n## B\n\n1. Stop it.\n", 2),
        ("```\n## A\n## B\n```\n", 1),
    ],
)
def test_sections(text: str, parts: int) -> None:
    """Headings that only say Fix or Rollback do not part a page."""
    assert len(sections(text)) == parts


def test_about_reads_the_whole_page_where_one_part_tells() -> None:
    """Background and contacts do not hide the only steps."""
    assert about(BROKER, {"orders"}) == BROKER
    assert about(HANDBOOK, {"printer", "jams"}).startswith("## Printer jams")
    assert about(HANDBOOK, {"pump"}).startswith("## Pump 7 rattles")


def test_what_a_page_tells() -> None:
    """Only causes, steps, checks and ways back; nothing without a step."""
    told = {span.section for span in told_spans(BROKER)}
    assert told == {Section.CAUSE, Section.STEP, Section.VALIDATION, Section.ROLLBACK}
    assert told_spans(STORY) == []
    assert told_spans("## Cause\n\nA full disk.") == []


def test_a_long_page_does_not_take_long(workspace: Workspace, tmp_path: Path) -> None:
    """Of a page of a megabyte only so much is read for a suggestion."""
    page = "".join(
        f"## Alarm {n}\n\n### Fix\n\n1. Reset valve {n}.\n\n" for n in range(20_000)
    )

    assert len(about(page, {"valve", "17"})) < 100
