"""`sop draft`, `new`, `edit`: write a procedure, or the next version of one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics, sop_view
from issuetrack.cli.context import Invocation, edited, text_argument
from issuetrack.cli.registration import command
from issuetrack.cli.sop_deciding import index_sop
from issuetrack.cli.sop_view import Name
from issuetrack.cli.suggesting import stopped_by_interrupt
from issuetrack.engine.errors import IssueTrackError, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.drafts import DraftWish, SopDraft
    from issuetrack.engine.assistant.sops.procedure import Procedure
    from issuetrack.engine.assistant.sops.records import SopVersionRecord
    from issuetrack.engine.workspace import Workspace

KEPT = "kept"
Field = str | None
TitleOption = Annotated[Field, typer.Option("--title", "-t", help="One line.")]
ProblemOption = Annotated[
    Field, typer.Option("--problem", help="Markdown; - is stdin.")
]
SymptomsOption = Annotated[Field, typer.Option("--symptoms", help="As --problem.")]
CauseOption = Annotated[Field, typer.Option("--cause", help="As --problem.")]
StepsOption = Annotated[Field, typer.Option("--steps", help="As --problem.")]
ValidationOption = Annotated[Field, typer.Option("--validation", help="As --problem.")]
RollbackOption = Annotated[Field, typer.Option("--rollback", help="As --problem.")]
NotesOption = Annotated[Field, typer.Option("--notes", help="As --problem.")]
TagOption = Annotated[
    list[str] | None,
    typer.Option("--tag", help="May be repeated; none takes them all away."),
]
FileOption = Annotated[
    str | None,
    typer.Option("--file", "-f", help="Read the whole SOP as Markdown; - is stdin."),
]


def register(noun: typer.Typer) -> None:
    """Add the commands."""
    _register_draft(noun)
    _register_new(noun)
    _register_edit(noun)


def _register_draft(noun: typer.Typer) -> None:
    @command(
        noun,
        "draft",
        needs="write SOPs",
        examples="issuetrack sop draft 17\n"
        "issuetrack sop draft 17 18 OPS-4 --new\n"
        "issuetrack sop draft 21 --into S3 --no-llm",
    )
    def draft(
        run: Invocation,
        issues: Annotated[
            list[str], typer.Argument(metavar="ISSUE...", help="#17, 17, key or url.")
        ],
        new: Annotated[
            bool, typer.Option("--new", help="A new SOP, even if one is near.")
        ] = False,
        into: Annotated[
            str | None, typer.Option("--into", help="A new version of this SOP.")
        ] = None,
        with_notes: Annotated[
            bool,
            typer.Option(
                "--with-notes", help="Quote work notes; viewers may then read that."
            ),
        ] = False,
        no_llm: Annotated[
            bool, typer.Option("--no-llm", help="Only quote; ask no language model.")
        ] = False,
    ) -> None:
        """Draft an SOP from resolved issues, every line of it cited.

        Where an SOP on the same thing is there, the draft is a new version of it that
        adds what it does not say yet. Work notes are left out unless asked for.
        """
        if new and into is not None:
            raise UsageError("--new and --into do not go together", "use one of them")
        from issuetrack.engine.assistant.sops.drafts import DraftWish

        wish = DraftWish(tuple(issues), new, into, with_notes)
        with run.workspace(model_soon=True) as workspace:
            made = _drafted(workspace, wish, llm=not no_llm)
            index_sop(run, workspace, made.record.summary.sop)
        _warn_of(run, made)
        run.show(sop_view.draft_result(made))


def _drafted(workspace: "Workspace", wish: "DraftWish", *, llm: bool) -> "SopDraft":
    from issuetrack.engine.assistant.drafting import Wish

    actor = workspace.actor
    if not llm:
        quoting = replace(wish, model=Wish(model=False))
        return workspace.sops.draft(actor, quoting)
    title = "the model drafts, not verified yet"
    with stopped_by_interrupt() as cancel, diagnostics.growing(title) as on_token:
        asking = replace(wish, model=Wish(on_token=on_token, cancel=cancel))
        return workspace.sops.draft(actor, asking)


def _warn_of(run: Invocation, made: "SopDraft") -> None:
    summary = made.record.summary
    for warning in made.warnings:
        run.warn(warning)
    if made.notes_told:
        run.warn(
            f"S{summary.sop} quotes work notes: whoever may read issues can now "
            "read these words"
        )
    if not made.written:
        run.warn(f"S{summary.sop} says all of this already; nothing was written")


def _register_new(noun: typer.Typer) -> None:
    @command(
        noun,
        "new",
        needs="write SOPs",
        examples="issuetrack sop new 'Renew the portal certificate' --steps - < steps.md\n"
        "issuetrack sop new --file runbook.md\n"
        "issuetrack sop new          (opens EDITOR)",
    )
    def new(
        run: Invocation,
        title: Annotated[str | None, typer.Argument(help="What it is about.")] = None,
        problem: ProblemOption = None,
        symptoms: SymptomsOption = None,
        cause: CauseOption = None,
        steps: StepsOption = None,
        validation: ValidationOption = None,
        rollback: RollbackOption = None,
        notes: NotesOption = None,
        tag: TagOption = None,
        file: FileOption = None,
    ) -> None:
        """Write an SOP: from options, from a file, or in EDITOR."""
        from issuetrack.engine.assistant.sops.procedure import Procedure

        given = _given(
            problem=problem,
            symptoms=symptoms,
            cause=cause,
            steps=steps,
            validation=validation,
            rollback=rollback,
            notes=notes,
        )
        empty = Procedure(title or "", tags=_tags(tag) or ())
        with run.workspace() as workspace:
            found = _written(run, empty, given, file, "new", asked=title is None)
            with _kept_on_failure(found, "new"):
                record = workspace.sops.create(workspace.actor, found)
            index_sop(run, workspace, record.summary.sop)
        run.show(sop_view.record_result(record))


def _register_edit(noun: typer.Typer) -> None:
    @command(
        noun,
        "edit",
        needs="write SOPs",
        examples="issuetrack sop edit S3          (opens EDITOR)\n"
        "issuetrack sop edit S3 --steps - < steps.md\n"
        "issuetrack sop edit S3 --file sop.md --base 2",
    )
    def edit(
        run: Invocation,
        sop: Name,
        title: TitleOption = None,
        problem: ProblemOption = None,
        symptoms: SymptomsOption = None,
        cause: CauseOption = None,
        steps: StepsOption = None,
        validation: ValidationOption = None,
        rollback: RollbackOption = None,
        notes: NotesOption = None,
        tag: TagOption = None,
        file: FileOption = None,
        base: Annotated[
            int | None,
            typer.Option(
                "--base", min=1, help="The version you started from [default: newest]"
            ),
        ] = None,
    ) -> None:
        """Write the next version of an SOP; what is in force stays until approval.

        If somebody else wrote one meanwhile, nothing is changed, your text is kept in
        a file, and its name is said.
        """
        given = _given(
            title=title,
            problem=problem,
            symptoms=symptoms,
            cause=cause,
            steps=steps,
            validation=validation,
            rollback=rollback,
            notes=notes,
        )
        tags = _tags(tag)
        with run.workspace() as workspace:
            known = _start(workspace, sop, base)
            before = known.procedure
            if tags is not None:
                before = replace(before, tags=tags)
            asked = not given and tags is None
            name = f"S{known.summary.sop}"
            found = _written(run, before, given, file, name, asked=asked)
            with _kept_on_failure(found, name):
                record = _edited(workspace, known, base, found)
            index_sop(run, workspace, record.summary.sop)
        if record.summary.version == known.summary.version:
            run.warn("nothing is different; no version was written")
        run.show(sop_view.record_result(record))


def _start(workspace: "Workspace", sop: str, base: int | None) -> "SopVersionRecord":
    if base is None:
        return workspace.sops.to_edit(workspace.actor, sop)
    return workspace.sops.get(workspace.actor, sop, base)


def _edited(
    workspace: "Workspace",
    known: "SopVersionRecord",
    base: int | None,
    found: "Procedure",
) -> "SopVersionRecord":
    from issuetrack.engine.assistant.sops.workflow import Basis

    summary = known.summary
    newest = summary.latest if base is None else base
    basis = Basis(summary.version, newest)
    return workspace.sops.edit(workspace.actor, f"S{summary.sop}", found, basis)


def _given(**fields: str | None) -> dict[str, Any]:
    """Return the fields that were given, one of them perhaps from stdin.

    Raises:
        UsageError: two are to be read from stdin.
    """
    if sum(value == "-" for value in fields.values()) > 1:
        raise UsageError(
            "only one text can come from stdin", "use --file - for the whole SOP"
        )
    return {n: text_argument(text) for n, text in fields.items() if text is not None}


def _tags(given: list[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return tuple(tag for tag in given if tag != "none")


def _written(
    run: Invocation,
    before: "Procedure",
    given: dict[str, Any],
    file: str | None,
    name: str,
    *,
    asked: bool,
) -> "Procedure":
    """Return what a person wrote: in a file, in options or in an editor.

    Raises:
        UsageError: in none of them, and there is no terminal for an editor.
    """
    from issuetrack.engine.assistant.sops.markdown import read, write

    if file is not None:
        if given:
            raise UsageError("--file is the whole SOP", "leave the other options away")
        found = read(_file_text(file), name if file == "-" else Path(file).name)
        return replace(found, tags=found.tags or before.tags)
    if given or not asked:
        return replace(before, **given)
    if not run.interactive:
        raise UsageError(
            "nothing to write was given", "use --file, or --steps and so on"
        )
    text = edited(write(before), "--file")
    with _text_kept_on_failure(text, name):
        return read(text, name)


def _file_text(file: str) -> str:
    if file == "-":
        return text_argument("-")
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8", "save it as UTF-8") from error


@contextmanager
def _kept_on_failure(found: "Procedure", name: str) -> Iterator[None]:
    """Keep what a person wrote in a file if it cannot be stored."""
    from issuetrack.engine.assistant.sops.markdown import write

    with _text_kept_on_failure(write(found), name):
        yield


@contextmanager
def _text_kept_on_failure(text: str, name: str) -> Iterator[None]:
    try:
        yield
    except IssueTrackError as error:
        path = _keep(text, name)
        error.message = f"{error.message}; your text is kept in {path}"
        raise


def _keep(text: str, name: str) -> Path:
    """Write a text into a new file that only its owner can read."""
    from issuetrack.engine.settings import state_directory

    folder = state_directory(os.environ) / KEPT
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    number, path = tempfile.mkstemp(prefix=f"{name}-", suffix=".md", dir=folder)
    with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return Path(path)
