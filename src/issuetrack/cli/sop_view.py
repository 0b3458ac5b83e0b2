"""How procedures look: as rows and objects, on a terminal, as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.facts import facts
from issuetrack.cli.issue_view import screenful
from issuetrack.cli.output import Result, plain_table
from issuetrack.terminal_safety import clean, clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from issuetrack.engine.assistant.sops.changes import FieldChange
    from issuetrack.engine.assistant.sops.drafts import SopDraft
    from issuetrack.engine.assistant.sops.queries import SopFound
    from issuetrack.engine.assistant.sops.records import (
        SopEventRecord,
        SopVersionRecord,
    )
    from issuetrack.engine.assistant.sops.statistics import SopStatistics
    from issuetrack.engine.issues.procedures import SopSummary

SUMMARY_FIELDS = (
    *("sop", "version", "title", "status", "tags", "key", "author", "approved_by"),
    *("model", "created_at", "decided_at", "latest"),
)
LIST_COLUMNS = ("sop", "version", "status", "author", "title")
FOUND_FIELDS = (*SUMMARY_FIELDS, "score", "similarity")
FOUND_COLUMNS = ("sop", "status", "similarity", "title")
TEXTS = (*("problem", "symptoms", "cause", "steps", "validation", "rollback", "notes"),)
EVENT_FIELDS = ("sop", "version", "at", "actor", "action", "note")
DIFF_FIELDS = ("sop", "from", "to", "field", "change", "lines")
STATISTICS_FIELDS = (
    *("sop", "version", "title", "status", "used", "last_used", "raters", "stars"),
    *("accepted", "partly", "rejected", "last_success", "stale"),
)
STATISTICS_COLUMNS = (
    *("sop", "used", "stars", "raters", "accepted", "rejected", "last_success"),
    *("title", "stale"),
)
Name = Annotated[str, typer.Argument(metavar="SOP", help="S3, 3 or its key.")]
Names = Annotated[
    list[str], typer.Argument(metavar="SOP...", help="S3, 3 or their keys.")
]
VersionOption = Annotated[
    int | None, typer.Option("--version", min=1, help="[default: the one in force]")
]


def summary_data(summary: "SopSummary") -> dict[str, Any]:
    """Return a version as a row."""
    known = asdict(summary)
    return {name: known[name] for name in SUMMARY_FIELDS} | {"tags": list(summary.tags)}


def _named(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with the name that people call the procedure."""
    return row | {"sop": f"S{row['sop']}"}


def list_result(found: "Sequence[SopSummary]") -> Result:
    """Return versions as a result."""
    rows = [summary_data(summary) for summary in found]
    return Result(
        rows,
        LIST_COLUMNS,
        table=lambda: table(rows, LIST_COLUMNS),
        fields=SUMMARY_FIELDS,
    )


def table(rows: list[dict[str, Any]], columns: Sequence[str]) -> "RenderableType":
    """Return rows for the terminal, procedures by their names."""
    return plain_table([_named(row) for row in rows], columns)


def found_result(found: "SopFound") -> Result:
    """Return what a search found as a result."""
    rows = [
        summary_data(summary)
        | {
            "score": round(match.score, 4),
            "similarity": None
            if match.similarity is None
            else round(match.similarity, 4),
        }
        for summary, match in found.matches
    ]

    def shown() -> "RenderableType":
        from rich.text import Text

        if not rows:
            return Text("No SOP like it is on record.")
        return table(rows, FOUND_COLUMNS)

    return Result(rows, FOUND_COLUMNS, table=shown, fields=FOUND_FIELDS)


def record_data(record: "SopVersionRecord") -> dict[str, Any]:
    """Return a version with its text and what it cites."""
    return (
        summary_data(record.summary)
        | {"parent": record.parent}
        | {name: record.procedure.field(name) or None for name in TEXTS}
        | {"citations": [asdict(citation) for citation in record.citations]}
    )


def record_result(record: "SopVersionRecord") -> Result:
    """Return a version as a result."""
    return Result(
        record_data(record),
        LIST_COLUMNS,
        table=lambda: _panel(record),
        markdown=lambda: canonical(record),
    )


def canonical(record: "SopVersionRecord") -> str:
    """Return a version as Markdown that `sop edit --file` reads."""
    from issuetrack.engine.assistant.sops.markdown import write

    return write(record.procedure).rstrip("\n")


def heading(summary: "SopSummary") -> str:
    """Return the line that names a version."""
    return clean_line(f"S{summary.sop} version {summary.version}  {summary.title}")


def _panel(record: "SopVersionRecord") -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    summary = record.summary
    known = {
        "status": summary.status.replace("_", " "),
        "tags": list(summary.tags) or None,
        "imported from": summary.key,
        "author": summary.author,
        "written with": summary.model,
        "approved by": summary.approved_by,
        "created": summary.created_at,
        "decided": summary.decided_at,
    }
    parts: list[Any] = [Text(heading(summary), style="bold"), facts(known)]
    for name in TEXTS:
        text = record.procedure.field(name)
        if text:
            title = Text(f"\n{name.capitalize()}", style="bold")
            parts += [title, Text(screenful(text))]
    parts += _cited(record)
    return Group(*parts)


def _cited(record: "SopVersionRecord") -> "Iterator[Text]":
    from rich.text import Text

    if record.citations:
        yield Text("\nCited", style="bold")
    for citation in record.citations:
        key = f" ({citation.key})" if citation.key else ""
        place = f"{citation.field}: #{citation.issue}{key}, {citation.kind}: "
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(clean_line(place) + " ", style="dim")
        yield line.append(f'"{clean_line(citation.quote)}"')


def history_result(
    versions: "Sequence[SopSummary]", events: "Sequence[SopEventRecord]"
) -> Result:
    """Return what was done with the versions of one procedure, the latest last."""
    number = versions[0].sop
    rows = [{"sop": number} | asdict(event) for event in events]

    def shown() -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        rows_of_versions = [summary_data(version) for version in versions]
        done = [row | {"detail": row["note"]} for row in rows]
        return Group(
            table(
                rows_of_versions,
                ("sop", "version", "status", "author", "created_at", "title"),
            ),
            Text(),
            plain_table(done, ("at", "version", "actor", "action", "detail")),
        )

    return Result(rows, EVENT_FIELDS, table=shown, fields=EVENT_FIELDS)


def changes_data(changes: "Sequence[FieldChange]") -> list[dict[str, Any]]:
    """Return the fields that are different."""
    return [
        {"field": each.field, "change": each.change, "lines": list(each.lines)}
        for each in changes
        if each.lines
    ]


def diff_result(
    before: "SopSummary", after: "SopSummary", changes: "Sequence[FieldChange]"
) -> Result:
    """Return what is different between two versions as a result."""
    place = {"sop": after.sop, "from": before.version, "to": after.version}
    rows = [place | row for row in changes_data(changes)]

    def shown() -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        if not rows:
            return Text("Nothing is different.")
        name = f"S{after.sop}: version {before.version} to {after.version}"
        return Group(Text(name, style="bold"), *_changed(rows))

    def markdown() -> str:
        parts = (
            f"## {row['field'].capitalize()}\n\n```diff\n" + "\n".join(row["lines"])
            for row in rows
        )
        return "\n\n".join(f"{part}\n```" for part in parts)

    return Result(rows, DIFF_FIELDS, table=shown, markdown=markdown, fields=DIFF_FIELDS)


def _changed(rows: Sequence[dict[str, Any]]) -> "Iterator[Text]":
    from rich.text import Text

    colours = {"+": "green", "-": "red", "@": "cyan"}
    for row in rows:
        yield Text(f"\n{row['field'].capitalize()} ({row['change']})", style="bold")
        for line in row["lines"]:
            yield Text(clean(line), style=colours.get(line[:1], ""))


def draft_data(draft: "SopDraft") -> dict[str, Any]:
    """Return what came of a draft."""
    near = draft.near
    return record_data(draft.record) | {
        "written": draft.written,
        "near": near
        and {
            "sop": near.summary.sop,
            "version": near.summary.version,
            "similarity": near.similarity,
            "because": near.because,
        },
        "changes": changes_data(draft.changes),
    }


def draft_result(draft: "SopDraft") -> Result:
    """Return what came of a draft as a result."""

    def shown() -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        if draft.near is None and not draft.changes:
            return _panel(draft.record)
        parts = [Text(heading(draft.record.summary), style="bold")]
        if draft.near is not None:
            why = f"S{draft.near.summary.sop} is on the same thing: "
            parts.append(Text(clean_line(why + draft.near.because)))
        return Group(*parts, *_changed(changes_data(draft.changes)))

    return Result(
        draft_data(draft),
        LIST_COLUMNS,
        table=shown,
        markdown=lambda: canonical(draft.record),
    )


def statistics_data(found: "SopStatistics") -> dict[str, Any]:
    """Return how a procedure did."""
    known = summary_data(found.summary)
    return (
        {name: known[name] for name in ("sop", "version", "title", "status")}
        | {"used": found.used, "last_used": found.last_used, "raters": found.raters}
        | {"stars": None if found.stars is None else round(found.stars, 2)}
        | {result.value: count for result, count in found.outcomes}
        | {"last_success": found.last_success, "stale": list(found.stale)}
    )


def statistics_table(rows: Sequence[dict[str, Any]]) -> "RenderableType":
    """Return how procedures did for the terminal; what is stale is said under them."""
    from rich.console import Group
    from rich.text import Text

    lines = [
        Text(clean_line(f"S{row['sop']}: {reason}"))
        for row in rows
        for reason in row["stale"]
    ]
    found = table(list(rows), [c for c in STATISTICS_COLUMNS if c != "stale"])
    if not lines:
        return found
    return Group(found, Text("\nTo be looked at again", style="bold"), *lines)
