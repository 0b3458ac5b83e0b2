"""`audit`: who did what, and whether the trail is whole."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts
from issuetrack.cli.output import Result, cell, json_line, plain_table
from issuetrack.cli.registration import command, invoke
from issuetrack.engine.errors import TamperedError, UsageError
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.identity.audit_log import AuditRecord

MOST, SHOWN = 100_000, 40
_LONG_ID = re.compile(r"[0-9a-f]{32}")
COLUMNS = ("sequence", "at", "actor", "role", "action", "entity", "before", "after")
FIELDS = (
    *COLUMNS,
    "hash",
    "signature",
    "previous_hash",
    "before_digest",
    "after_digest",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Who did what.", rich_markup_mode=None)
    app.add_typer(noun, name="audit")
    _register_log(noun)
    _register_verify(noun)
    _register_export(noun)


def _register_log(noun: typer.Typer) -> None:
    @command(
        noun,
        "log",
        needs="read the audit trail",
        examples="issuetrack audit log\n"
        "issuetrack audit log --actor alice --since 2026-11-01\n"
        "issuetrack audit log --action user --output json",
    )
    def log(
        run: Invocation,
        actor: Annotated[
            str | None, typer.Option("--actor", help="Who did it.")
        ] = None,
        action: Annotated[
            str | None,
            typer.Option("--action", help="user.add, or user for every user.*."),
        ] = None,
        entity: Annotated[
            str | None, typer.Option("--entity", help="issue, or issue:17.")
        ] = None,
        since: Annotated[
            str | None, typer.Option("--since", help="A date or moment, UTC.")
        ] = None,
        until: Annotated[
            str | None, typer.Option("--until", help="A date or moment, UTC.")
        ] = None,
        limit: Annotated[
            int,
            typer.Option("--limit", "-n", min=1, max=MOST, help="At most so many."),
        ] = 50,
    ) -> None:
        """List what was done, newest first; secrets and personal data are masked."""
        from issuetrack.engine.identity.audit_log import AuditFilter

        wanted = AuditFilter(actor, action, entity, _moment(since), _moment(until))
        with run.workspace() as workspace:
            found = workspace.trail.entries(workspace.actor, wanted, limit + 1)
        if len(found) > limit:
            run.warn(f"the newest {limit} shown; see more with --limit")
        rows = [_row(record) for record in found[:limit]]
        run.show(Result(rows, COLUMNS, table=lambda: _told(rows), fields=FIELDS))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            given = {"actor": None, "action": None, "entity": None}
            invoke(context, log, "log", **given, since=None, until=None, limit=50)


def _register_verify(noun: typer.Typer) -> None:
    @command(noun, "verify", needs="verify", examples="issuetrack audit verify")
    def verify(
        run: Invocation,
        accept: Annotated[
            bool,
            typer.Option(
                "--accept",
                help="Take the end of the trail as it is: files were put back on "
                "purpose. Admins only; it is written down.",
            ),
        ] = False,
    ) -> None:
        """Check every entry, link and signature; tell the first that is bad."""
        with run.workspace() as workspace:
            if accept:
                workspace.trail.accept(workspace.actor)
            found = workspace.trail.verify(workspace.actor)
        if found.broken_at is not None:
            raise TamperedError(
                f"the audit trail is broken at entry {found.broken_at}: "
                f"{found.reason}; {found.entries} entries before it are good",
                "ask who had access to the files, and restore the last backup; if they "
                "were put back on purpose: issuetrack audit verify --accept",
            )
        data = {"entries": found.entries, "unbroken": True}
        run.show(Result(data, tuple(data), table=lambda: facts(data)))


def _register_export(noun: typer.Typer) -> None:
    @command(
        noun,
        "export",
        needs="read the audit trail",
        examples="issuetrack audit export --to trail.jsonl",
    )
    def export(
        run: Invocation,
        to: Annotated[
            Path | None, typer.Option("--to", help="A new file; else stdout.")
        ] = None,
    ) -> None:
        """Write the whole trail as JSON lines, with hashes and signatures."""
        if to is not None and to.exists():
            raise UsageError(f"{to} exists already", "choose another --to")
        with run.workspace() as workspace:
            found = workspace.trail.every(workspace.actor)
            lines = (json_line(_row(record)) + "\n" for record in found)
            first = next(lines)
            with _writer(to) as write:
                count = sum(1 for line in chain((first,), lines) if write(line))
        diagnostics.say(f"{count} entries" + (f" written to {to}" if to else ""))


@contextmanager
def _writer(to: Path | None) -> Iterator[Callable[[str], int]]:
    """Give what writes to stdout or to a new file; of a failure no file is left."""
    if to is None:
        yield sys.stdout.write
        return
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file.write
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _row(record: "AuditRecord") -> dict[str, Any]:
    return asdict(record)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is not a date or moment",
            "write it as 2026-11-01 or 2026-11-01T12:30",
        ) from error
    return utc


def _told(rows: list[dict[str, Any]]) -> "RenderableType":
    """Return entries for a person: when, who, what, and what became different."""
    told = [
        {
            "no": row["sequence"],
            "at": row["at"].strftime("%Y-%m-%d %H:%M:%S"),
            "actor": row["actor"],
            "action": row["action"],
            "entity": _named(row["action"], row["entity"]),
            "detail": _change(row["before"], row["after"]),
        }
        for row in rows
    ]
    return plain_table(told, ("no", "at", "actor", "action", "entity", "detail"))


def _named(action: str, entity: str) -> str:
    """Return what was acted on, without a type that the action tells already."""
    kind, _, name = entity.partition(":")
    told = kind in (action.partition(".")[0], "database", "permission")
    return _LONG_ID.sub(lambda found: found[0][:8], name if told else entity)


def _change(before: Any, after: Any) -> str:
    """Say in a few words what an entry changed; absent values are left out."""
    old = before if isinstance(before, Mapping) else {}
    new = after if isinstance(after, Mapping) else {}
    said = []
    for name in {**old, **new}:
        was, now = (clean_line(cell(part.get(name))) for part in (old, new))
        if was and now and was != now:
            said.append(f"{name}: {_short(was)} -> {_short(now)}")
        elif was != now:
            said.append(
                f"{name}: {_short(now)}" if now else f"{name} was {_short(was)}"
            )
    return ", ".join(said)


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}\N{HORIZONTAL ELLIPSIS}"
