"""`sop submit`, `approve`, `reject`, `deprecate`: what becomes of a version."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli import sop_view
from issuetrack.cli.context import Invocation, text_argument
from issuetrack.cli.registration import command
from issuetrack.cli.sop_view import Name, Names
from issuetrack.engine.errors import IssueTrackError, ModelError

if TYPE_CHECKING:
    from issuetrack.engine.issues.procedures import SopSummary
    from issuetrack.engine.workspace import Workspace

Note = Annotated[str | None, typer.Option("--note", "-m", help="Say why; - is stdin.")]


def register(noun: typer.Typer) -> None:
    """Add the commands."""

    @command(
        noun,
        "submit",
        needs="write SOPs",
        examples="issuetrack sop submit S3\nissuetrack sop submit S3 S4 S5",
    )
    def submit(run: Invocation, sops: Names) -> None:
        """Ask for the approval of the newest version of SOPs."""
        with run.workspace() as workspace:
            done = _each(
                run, sops, lambda name: workspace.sops.submit(workspace.actor, name)
            )
        run.show(sop_view.list_result(done))

    @command(
        noun,
        "approve",
        needs="approve SOPs",
        examples="issuetrack sop approve S3\n"
        "issuetrack sop approve S3 --note 'tried on staging'",
    )
    def approve(run: Invocation, sops: Names, note: Note = None) -> None:
        """Put what is in review into force; whoever wrote it asks somebody else."""
        text = note and text_argument(note)
        with run.workspace() as workspace:

            def decided(name: str) -> "SopSummary":
                summary = workspace.sops.approve(workspace.actor, name, text)
                index_sop(run, workspace, summary.sop)
                return summary

            done = _each(run, sops, decided)
        run.show(sop_view.list_result(done))

    @command(
        noun,
        "reject",
        needs="approve SOPs",
        examples="issuetrack sop reject S3 --note 'step 2 needs the flag --force'",
    )
    def reject(run: Invocation, sop: Name, note: Note = None) -> None:
        """Give what is in review back as a draft, and say why."""
        told = note if note is not None else run.ask("Note", "--note")
        with run.workspace() as workspace:
            text = text_argument(told)
            done = workspace.sops.reject(workspace.actor, sop, text)
        run.show(sop_view.list_result([done]))

    @command(
        noun,
        "deprecate",
        needs="approve SOPs",
        examples="issuetrack sop deprecate S3 --note 'the cluster is gone'\n"
        "issuetrack sop deprecate S3 --version 4",
    )
    def deprecate(
        run: Invocation,
        sop: Name,
        note: Note = None,
        version: Annotated[
            int | None,
            typer.Option("--version", min=1, help="Only this one [default: all]"),
        ] = None,
    ) -> None:
        """Take an SOP out of use: it is not found and not suggested any more."""
        text = note and text_argument(note)
        with run.workspace() as workspace:
            actor = workspace.actor
            done = workspace.sops.deprecate(actor, sop, text, version)
            index_sop(run, workspace, done.sop)
        run.show(sop_view.list_result([done]))


def _each(
    run: Invocation, names: list[str], action: "Callable[[str], SopSummary]"
) -> "list[SopSummary]":
    """Do something with each procedure; where one is refused, say what was done."""
    done: list[SopSummary] = []
    for name in names:
        try:
            done.append(action(name))
        except IssueTrackError:
            if done:
                run.warn(f"done before: {', '.join(s.name for s in done)}")
            raise
    return done


def index_sop(run: Invocation, workspace: "Workspace", number: int) -> None:
    """Make one procedure findable now; a missing model is only a warning."""
    from issuetrack.engine.retrieval.subjects import Subject, SubjectKind

    try:
        workspace.drain_index(only=Subject(SubjectKind.SOP, number))
    except ModelError as error:
        run.warn(f"S{number} is kept but the index is behind: {error.message}")
