"""`sop import` and `sop export`: procedures as Markdown files."""

import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from issuetrack.cli import diagnostics, sop_view
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import OutputFormat, Result, json_line, write
from issuetrack.cli.registration import command
from issuetrack.cli.sop_reading import SopReader
from issuetrack.engine.errors import ImportFormatError, UsageError
from issuetrack.terminal_safety import clean

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.imports import SopImport
    from issuetrack.engine.assistant.sops.records import SopVersionRecord

IMPORT_COLUMNS = ("created", "updated", "unchanged", "skipped", "refused")
EXPORT_FIELDS = ("sop", "version", "title", "file", "text")
EXPORT_COLUMNS = ("sop", "version", "title", "file")
LONGEST_NAME = 60
SHOWN_PROBLEMS = 20
FormName = Literal["markdown", "json"]


def register(noun: typer.Typer) -> None:
    """Add the commands."""
    _register_import(noun)
    _register_export(noun)


def _register_import(noun: typer.Typer) -> None:
    @command(
        noun,
        "import",
        needs="write SOPs",
        examples="issuetrack sop import runbooks/\n"
        "issuetrack sop import runbooks/ --tag kubernetes --dry-run\n"
        "issuetrack sop import disk-full.md --approved",
    )
    def import_sops(
        run: Invocation,
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...")],
        approved: Annotated[
            bool,
            typer.Option(
                "--approved",
                help="Put them into force at once; takes the policy "
                "sop.author_may_approve.",
            ),
        ] = False,
        tag: Annotated[
            list[str] | None,
            typer.Option("--tag", help="Given to each; may be repeated."),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Count, and write nothing.")
        ] = False,
        no_index: Annotated[
            bool, typer.Option("--no-index", help="Leave indexing for later.")
        ] = False,
    ) -> None:
        """Take Markdown files and folders of them in as SOPs, drafts at first.

        Any usual headings will do; what fits no field is kept as notes, and the file
        as it is. Importing again changes only what has changed. A file that cannot be
        taken in is said, with the reason; the exit code is then 6.
        """
        from issuetrack.engine.assistant.sops.imports import ImportWish

        wish = ImportWish(approved, tuple(tag or ()), dry_run)
        reader = SopReader(paths)
        with run.workspace() as workspace:
            with diagnostics.progress("Importing", "bytes") as advance:
                report = workspace.sops.import_files(
                    workspace.actor,
                    reader.items(),
                    wish,
                    lambda _: advance(reader.position, reader.size),
                )
            if not (dry_run or no_index):
                with diagnostics.progress("Indexing") as advance:
                    workspace.drain_index(advance)
        _show_import(run, report)


def _show_import(run: Invocation, report: "SopImport") -> None:
    for problem in report.problems[:SHOWN_PROBLEMS]:
        run.warn(f"{problem.origin}: {problem.reason}")
    if len(report.problems) > SHOWN_PROBLEMS:
        run.warn(f"{len(report.problems) - SHOWN_PROBLEMS} more were refused")
    if report.refused == report.read:
        raise ImportFormatError(
            "no file could be taken in", "name Markdown files of up to 1 MB in UTF-8"
        )
    problems = [
        {"file": problem.origin, "reason": problem.reason}
        for problem in report.problems
    ]
    run.show(Result(asdict(report) | {"problems": problems}, IMPORT_COLUMNS))
    if report.refused:
        raise typer.Exit(diagnostics.PARTIAL)


def _register_export(noun: typer.Typer) -> None:
    @command(
        noun,
        "export",
        needs="export",
        examples="issuetrack sop export S3 > disk-full.md\n"
        "issuetrack sop export --all --to runbooks/\n"
        "issuetrack sop export --all --format json",
    )
    def export(
        run: Invocation,
        sops: Annotated[
            list[str] | None,
            typer.Argument(metavar="[SOP]...", help="S3, 3 or their keys."),
        ] = None,
        everything: Annotated[
            bool, typer.Option("--all", help="All that are not deprecated.")
        ] = False,
        to: Annotated[
            Path | None, typer.Option("--to", help="A folder; stdout without it.")
        ] = None,
        form: Annotated[
            FormName, typer.Option("--format", help="What is written.")
        ] = "markdown",
        version: sop_view.VersionOption = None,
    ) -> None:
        """Write SOPs in plain text: what was imported and not edited, to the letter."""
        if bool(sops) == everything:
            raise UsageError(
                "name SOPs or say --all", "for example: issuetrack sop export S3"
            )
        with run.workspace() as workspace:
            actor = workspace.actor
            records = (
                workspace.sops.every(actor)
                if everything
                else (workspace.sops.exported(actor, n, version) for n in sops or ())
            )
            if to is None:
                _to_stdout(run, records, form)
            else:
                _to_folder(run, records, form, to)


def _text(record: "SopVersionRecord", form: FormName) -> str:
    from issuetrack.engine.assistant.sops.markdown import write as canonical

    if form == "json":
        return json_line(sop_view.record_data(record)) + "\n"
    if record.original is not None:
        return record.original
    return canonical(record.procedure)


def _row(record: "SopVersionRecord") -> dict[str, Any]:
    summary = record.summary
    return {"sop": summary.sop, "version": summary.version, "title": summary.title}


def _to_stdout(
    run: Invocation, records: "Iterable[SopVersionRecord]", form: FormName
) -> None:
    if run.format in (OutputFormat.JSON, OutputFormat.JSONL):
        rows = [_row(r) | {"file": None, "text": _text(r, form)} for r in records]
        run.show(Result(rows, EXPORT_COLUMNS, fields=EXPORT_FIELDS))
        return
    for record in records:
        text = _text(record, form)
        if sys.stdout.isatty():
            write(clean(text))
        else:
            sys.stdout.write(text)


def _to_folder(
    run: Invocation,
    records: "Iterable[SopVersionRecord]",
    form: FormName,
    folder: Path,
) -> None:
    rows = []
    for record in records:
        path = folder / file_name(record, form)
        _put(path, _text(record, form))
        rows.append(_row(record) | {"file": str(path), "text": None})
    diagnostics.say(f"{len(rows)} SOPs written to {folder}, in plain text")
    run.show(
        Result(
            rows,
            EXPORT_COLUMNS,
            table=lambda: sop_view.table(rows, EXPORT_COLUMNS),
            fields=EXPORT_FIELDS,
        )
    )


def _put(path: Path, text: str) -> None:
    """Write a private file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        number = os.open(partial, flags, 0o600)
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def file_name(record: "SopVersionRecord", form: FormName) -> Path:
    """Return where in a folder a procedure goes: by its key, else by its title.

    Nothing in a key leads out of the folder.
    """
    key = record.summary.key
    parts = [p for p in (key or "").split("/") if p.strip(". ") and "\\" not in p]
    if key is None or not parts:
        words = "".join(c if c.isalnum() else " " for c in record.summary.title.lower())
        title = "-".join(words.split())[:LONGEST_NAME].rstrip("-")
        parts = [f"{record.summary.name}-{title}.md".replace("-.md", ".md")]
    path = Path(*parts)
    return path.with_suffix(".json") if form == "json" else path
