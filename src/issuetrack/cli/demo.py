"""`demo`: the main job on sample incidents, in a workspace that is gone afterwards."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from issuetrack.cli import diagnostics, suggestion_view
from issuetrack.cli.context import Invocation
from issuetrack.cli.evaluate import temporary_workspace
from issuetrack.cli.issue_view import heading
from issuetrack.cli.output import Result, plain_table
from issuetrack.cli.registration import command
from issuetrack.cli.searching import match_data
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.workspace import Workspace

SOURCE = "sample"
SHOWN_SIMILAR = 3
SHOWN_BODY = 700
SIMILAR_COLUMNS = ("number", "key", "status", "score", "title")


@dataclass(frozen=True)
class DemoCase:
    """A new incident, and what was made of it."""

    record: "IssueRecord"
    similar: list[dict[str, Any]]
    suggestion: dict[str, Any]


def sample(name: str) -> Path:
    """Return the path of a sample file inside the package."""
    return Path(__file__).with_name(name)


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "demo",
        needs=None,
        examples="issuetrack demo\nissuetrack demo --output json",
    )
    def demo(run: Invocation) -> None:
        """Show what it does: three new incidents against 72 past ones.

        The workspace is made in a temporary folder and is gone afterwards.
        """
        started = time.perf_counter()
        with temporary_workspace() as workspace:
            past = _fill(workspace, "sample_incidents.jsonl")
            _fill(workspace, "sample_new_incidents.jsonl")
            cases = [
                _case(workspace, record)
                for record in list(workspace.issues.every(workspace.actor))[past:]
            ]
        seconds = time.perf_counter() - started
        data = [
            {
                "issue": case.record.number,
                "title": case.record.summary.title,
                "similar": case.similar,
                "suggestion": case.suggestion,
            }
            for case in cases
        ]
        run.show(
            Result(
                data,
                ("issue", "title"),
                table=lambda: _slides(cases, past, seconds),
                markdown=lambda: "\n\n".join(_case_markdown(c) for c in cases),
            )
        )


def _fill(workspace: "Workspace", name: str) -> int:
    from issuetrack.connectors.files.reader import FileFormat, FileReader

    reader = FileReader(sample(name), FileFormat.JSONL, {})
    report = workspace.imports.run(workspace.actor, SOURCE, "jsonl", reader.items())
    with diagnostics.progress("Indexing sample incidents") as advance:
        workspace.drain_index(advance)
    return report.created


def _case(workspace: "Workspace", record: "IssueRecord") -> DemoCase:
    actor = workspace.actor
    question = workspace.finding.question_of(actor, str(record.number))
    found = workspace.finding.similar(actor, question, SHOWN_SIMILAR)
    suggestion = workspace.suggestions.suggest(actor, question)
    return DemoCase(
        record,
        [match_data(summary, match, explain=False) for summary, match in found],
        suggestion_view.suggestion_data(suggestion, explain=False),
    )


def _slides(cases: list[DemoCase], past: int, seconds: float) -> Any:
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.panel import Panel
    from rich.text import Text

    parts: list[Any] = [
        Text(
            f"{past} past incidents, {len(cases)} new ones. "
            "Everything below was found and quoted on this machine."
        )
    ]
    for place, case in enumerate(cases, start=1):
        summary = case.record.summary
        body = Text(_opening(case.record.body))
        title = heading(summary.number, summary.key, summary.title)
        parts += [
            Text(),
            Panel(
                Group(Text(title, style="bold"), Text(), body),
                title=f"New incident {place} of {len(cases)}",
                title_align="left",
                box=box.ROUNDED,
                padding=(0, 1),
            ),
            Text("\nSeen before", style="bold"),
            Padding(plain_table(case.similar, SIMILAR_COLUMNS), (0, 0, 1, 2)),
            suggestion_view.suggestion_panel(case.suggestion),
            Text(),
        ]
    parts.append(
        Text(
            f"Done in {seconds:.0f} s; the demo workspace is gone again.\n"
            "Your own: issuetrack init, issuetrack import FILE, "
            "issuetrack suggest --text 'what is wrong'"
        )
    )
    return Group(*parts)


def _opening(body: str) -> str:
    """Return the first paragraphs of a body."""
    shown = clean(body)[:SHOWN_BODY].rsplit("\n\n", 1)[0]
    return shown if len(shown) == len(body) else f"{shown}\n..."


def _case_markdown(case: DemoCase) -> str:
    summary = case.record.summary
    lines = [f"# {heading(summary.number, summary.key, summary.title)}", ""]
    lines += [
        f"- #{row['number']} {clean_line(row['title'])} ({row['score']:.2f})"
        for row in case.similar
    ]
    suggestion = suggestion_view.suggestion_markdown(case.suggestion)
    return "\n".join([*lines, "", suggestion])
