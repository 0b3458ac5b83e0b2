"""`export`: writes issues as JSON lines that `import` reads."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import json_line, write
from issuetrack.cli.registration import command
from issuetrack.engine.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "export",
        needs="export",
        examples="issuetrack export > all.jsonl\n"
        "issuetrack export 'service:checkout status:closed' --to checkout.jsonl",
    )
    def export(
        run: Invocation,
        query: Annotated[
            list[str] | None, typer.Argument(help="As in: issuetrack issue list.")
        ] = None,
        to: Annotated[
            Path | None, typer.Option("--to", help="A file; stdout without it.")
        ] = None,
    ) -> None:
        """Write issues with comments and fixes as JSON lines, in plain text."""
        from issuetrack.connectors.files.interchange import exported, exported_key

        def lines() -> Iterator[str]:
            for record in workspace.issues.every(
                workspace.actor, " ".join(query or ())
            ):
                original = None
                if record.summary.duplicate_of is not None:
                    number = record.summary.duplicate_of
                    found = workspace.issues.summaries(workspace.actor, [number])
                    original = exported_key(number, found[number].key)
                yield json_line(exported(record, original))

        with run.workspace() as workspace:
            if to is None:
                for line in lines():
                    write(line)
                return
            if to.is_dir() or not to.name:
                raise UsageError(f"{to} is a folder", "name a file: --to all.jsonl")
            partial = to.with_name(f"{to.name}.partial")
            try:
                with os.fdopen(
                    os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                    "w",
                    encoding="utf-8",
                ) as file:
                    count = sum(1 for line in lines() if file.write(line + "\n"))
                partial.replace(to)
            finally:
                partial.unlink(missing_ok=True)
            diagnostics.say(f"{count} issues written to {to}, in plain text")
