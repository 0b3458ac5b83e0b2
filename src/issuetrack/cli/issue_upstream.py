"""`issue revert`, and how the upstream side of an issue looks."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result, cell
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from issuetrack.engine.issues.overrides import Pending
    from issuetrack.engine.issues.records import IssueRecord

MAPPED_COLUMNS = ("field", "value", "origin", "word", "rule")
GONE = {
    "deleted": "no longer there",
    "moved": "moved",
}
SHOWN = 60


def register(
    noun: typer.Typer, show: "Callable[[Invocation, IssueRecord], None]"
) -> None:
    """Add the command to the noun `issue`."""

    @command(
        noun,
        "revert",
        needs="write issues",
        examples="issuetrack issue revert 17\n"
        "issuetrack issue revert 17 --field status",
    )
    def revert(
        run: Invocation,
        issue: Annotated[
            str, typer.Argument(metavar="ISSUE", help="#17, 17, a key or a url.")
        ],
        field: Annotated[
            list[str] | None,
            typer.Option("--field", help="Only this one; may be given several times."),
        ] = None,
    ) -> None:
        """Give up local edits that are not upstream: the source's values hold again."""
        from issuetrack.engine.issues.overrides import MIRRORED

        unknown = set(field or ()) - set(MIRRORED)
        if unknown:
            raise UsageError(
                f"{', '.join(sorted(unknown))} is no field that a source has",
                f"use one of: {', '.join(MIRRORED)}",
            )
        with run.workspace() as workspace:
            record = workspace.mirror.drop_edits(
                workspace.actor, issue, field or MIRRORED
            )
            run.index_one(workspace, record.number)
        show(run, record)


def upstream_data(record: "IssueRecord") -> dict[str, Any]:
    """Return links and the upstream side of an issue."""
    upstream = record.upstream
    return {
        "links": [asdict(link) for link in record.links],
        "attachments": list(upstream.attachments),
        "gone": upstream.gone,
        "moved_to": upstream.moved_to,
        "pending": [asdict(edit) for edit in upstream.pending],
    }


def upstream_facts(record: "IssueRecord") -> dict[str, Any]:
    """Return the facts of the upstream side that there is something to say about."""
    upstream = record.upstream
    found: dict[str, Any] = {}
    if upstream.gone is not None:
        where = f" to {upstream.moved_to}" if upstream.moved_to else ""
        found["upstream"] = GONE[upstream.gone] + where
    for link in record.links:
        if link.kind != "duplicate_of" or record.summary.duplicate_of is None:
            known = found.setdefault(link.kind.replace("_", " "), [])
            known.append(link.target)
    if upstream.attachments:
        found["attachments"] = list(upstream.attachments)
    if upstream.pending:
        found["not upstream"] = [_edit(edit) for edit in upstream.pending]
    return found


def _edit(edit: "Pending") -> str:
    if edit.field == "body":
        return "body (changed here)"
    here, there = (
        _short(cell(value) or "none") for value in (edit.value, edit.upstream)
    )
    return f"{edit.field} {here} (there {there})"


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def raw_result(rows: list[dict[str, str | None]]) -> Result:
    """Return what was read from what, to be shown."""
    return Result(rows, MAPPED_COLUMNS, fields=MAPPED_COLUMNS)
