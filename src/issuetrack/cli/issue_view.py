"""How issues look: as JSON, as a panel, as Markdown."""

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from issuetrack.cli.issue_upstream import upstream_data, upstream_facts
from issuetrack.cli.output import cell
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.issues.records import IssueRecord, IssueSummary

LIST_COLUMNS = ("number", "key", "status", "priority", "service", "updated_at", "title")
SHOWN_CHARACTERS = 100_000
HIDDEN = "(for engineers only)"


def summary_data(summary: "IssueSummary") -> dict[str, Any]:
    """Return a list entry as a row."""
    return asdict(summary) | {"labels": list(summary.labels)}


def summary_fields() -> list[str]:
    """Return the fields of a list entry."""
    from issuetrack.engine.issues.records import IssueSummary

    return [field.name for field in fields(IssueSummary)]


def issue_data(record: "IssueRecord") -> dict[str, Any]:
    """Return an issue as one object."""
    return summary_data(record.summary) | {
        "body": record.body,
        "comments": [asdict(comment) for comment in record.comments],
        "events": [asdict(event) for event in record.events],
        "resolution": asdict(record.resolution) if record.resolution else None,
        **upstream_data(record),
    }


def how_known(record: "IssueRecord") -> str:
    """Say how the fix of an issue is known."""
    resolution = record.resolution
    if resolution is None:
        return ""
    if resolution.provenance == "resolution" and resolution.how == "stated":
        return f"{resolution.how}, by whoever resolved it"
    return f"{resolution.how} from {resolution.provenance}"


def _facts(record: "IssueRecord") -> list[tuple[str, str]]:
    s = record.summary
    facts = {
        "status": s.status,
        "priority": s.priority,
        "type": s.type,
        "service": s.service,
        "site": s.site,
        "category": s.category,
        "labels": list(s.labels) or None,
        "reporter": s.reporter,
        "assignee": s.assignee,
        "source": s.source,
        "url": s.url,
        "created": s.created_at,
        "updated": s.updated_at,
        "resolved": s.resolved_at,
        "closed": s.closed_at,
        "duplicate of": f"#{s.duplicate_of}" if s.duplicate_of else None,
        **upstream_facts(record),
    }
    return [(name, clean_line(cell(v))) for name, v in facts.items() if v is not None]


def heading(number: int, key: str | None, title: str) -> str:
    """Return the line that names an issue."""
    named = f"#{number}" if key is None else f"#{number} ({key})"
    return clean_line(f"{named}  {title}")


def screenful(text: str) -> str:
    """Return a text for the terminal; the end of a very long one is left out."""
    if len(text) <= SHOWN_CHARACTERS:
        return clean(text)
    rest = len(text) - SHOWN_CHARACTERS
    start = clean(text[:SHOWN_CHARACTERS])
    return f"{start}\n({rest} more characters: --output markdown shows them)"


def issue_panel(record: "IssueRecord") -> "RenderableType":
    """Return an issue for the terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    summary = record.summary
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(record):
        facts.add_row(Text(name, style="dim"), Text(value))
    parts: list[Any] = [
        Text(heading(summary.number, summary.key, summary.title), style="bold"),
        facts,
    ]
    if record.body:
        parts += [Text(), Text(screenful(record.body))]
    if record.resolution is not None:
        text = record.resolution.text
        parts += [
            Text(),
            Text(f"Resolution ({clean_line(how_known(record))})", style="bold"),
            Text(screenful(text) if text is not None else HIDDEN),
        ]
    for comment in record.comments:
        note = "work note, " if comment.kind == "work_note" else ""
        who = clean_line(comment.author or "somebody")
        parts += [
            Text(),
            Text(f"{who}, {note}{cell(comment.created_at)}", style="bold"),
            Text(screenful(comment.body) if comment.body is not None else HIDDEN),
        ]
    if record.events:
        parts += [Text(), Text("History", style="bold")]
    for event in record.events:
        change = f"{event.before or '-'} -> {event.after or '-'}"
        if event.field == "body":
            change = "changed"
        line = f"{cell(event.at)}  {event.actor or ''}  {event.field}: {change}"
        parts.append(Text(clean_line(line)))
    return Group(*parts)


def issue_markdown(record: "IssueRecord") -> str:
    """Return an issue as Markdown."""
    summary = record.summary
    lines = [f"# {heading(summary.number, summary.key, summary.title)}", ""]
    lines += [f"- {name}: {value}" for name, value in _facts(record)]
    if record.body:
        lines += ["", clean(record.body)]
    if record.resolution is not None:
        text = record.resolution.text
        lines += ["", f"## Resolution ({clean_line(how_known(record))})", ""]
        lines += [clean(text) if text is not None else HIDDEN]
    for comment in record.comments:
        who = clean_line(comment.author or "somebody")
        lines += ["", f"## {who}, {cell(comment.created_at)}", ""]
        lines += [clean(comment.body) if comment.body is not None else HIDDEN]
    return "\n".join(lines)
