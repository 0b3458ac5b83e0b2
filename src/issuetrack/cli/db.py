"""`db`: backup, restore, checks and compaction."""

import glob
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts, size
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.cli.user import Yes, confirm

COLUMNS = ("check", "ok", "detail", "remedy")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Backup, restore, checks.", rich_markup_mode=None)
    app.add_typer(noun, name="db")

    @noun.callback()
    def database() -> None:
        """Backup, restore, checks."""

    @command(
        noun,
        "backup",
        needs="back up",
        examples="issuetrack db backup\n"
        "issuetrack db backup --to /mnt/backup --keep 14",
    )
    def backup(
        run: Invocation,
        to: Annotated[
            Path | None,
            typer.Option("--to", help="A folder; else `backups` beside the database."),
        ] = None,
        keep: Annotated[
            int | None,
            typer.Option("--keep", help="Remove all but so many of the newest."),
        ] = None,
    ) -> None:
        """Copy the workspace with its key file, while others work.

        Any key of today opens the copy, the recovery key included.
        """
        with (
            run.workspace() as workspace,
            diagnostics.progress("Copying") as advance,
        ):
            report = workspace.maintenance.backup(workspace.actor, to, keep, advance)
        data = {
            "backup": str(report.backup),
            "bytes": report.bytes,
            "removed": [str(path) for path in report.removed],
        }
        told = {
            "backup": report.backup,
            "size": size(report.bytes),
            "removed": data["removed"] or None,
        }
        run.show(Result(data, tuple(data), table=lambda: facts(told)))

    @command(
        noun,
        "restore",
        needs="manage keys",
        examples="issuetrack db restore backups/issuetrack.db-20261121T020000000000Z",
    )
    def restore(
        run: Invocation,
        folder: Annotated[
            Path, typer.Argument(help="What `db backup` made.", metavar="FOLDER")
        ],
        yes: Yes = False,
    ) -> None:
        """Put a backup in the place of the workspace, which is kept beside it.

        Everything is checked first. Whoever could open it at the time of the backup
        can open it again: look at `user list` afterwards.
        """
        from issuetrack.engine.maintenance import MaintenanceService
        from issuetrack.engine.store.backup import database_in
        from issuetrack.engine.workspace import now_utc

        database_in(folder)
        if run.database.exists():
            confirm(run, f"Replace {run.database} by {folder}?", yes)
        before = _set_aside(run.database)
        MaintenanceService.restore(folder, run.database, run.unlock(), now_utc)
        aside = sorted(_set_aside(run.database) - before)
        data = {
            "database": str(run.database),
            "restored": str(folder),
            "before": str(aside[0]) if aside else None,
        }
        run.show(Result(data, tuple(data), table=lambda: facts(data)))

    @command(noun, "check", needs="verify", examples="issuetrack db check")
    def check(run: Invocation) -> None:
        """Check the file, every sealed value, the search index and the audit trail."""
        with (
            run.workspace() as workspace,
            diagnostics.progress("Opening values") as advance,
        ):
            found = workspace.maintenance.check(workspace.actor, advance)
        run.show(Result([asdict(f) for f in found], COLUMNS))
        if not all(f.ok for f in found):
            raise typer.Exit(1)

    @command(noun, "compact", needs="back up", examples="issuetrack db compact")
    def compact(run: Invocation) -> None:
        """Give room that is no longer used back to the file system."""
        with run.workspace() as workspace:
            data = asdict(workspace.maintenance.compact(workspace.actor))
        told = {
            "before": size(data["bytes_before"]),
            "after": size(data["bytes_after"]),
        }
        run.show(Result(data, tuple(data), table=lambda: facts(told)))


def _set_aside(database: Path) -> set[Path]:
    """Return the folders in which restores kept what was there before."""
    return set(database.parent.glob(f"{glob.escape(database.name)}.before-restore-*"))
