"""`issue link` and `issue unlink`: which issue is another one again."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.registration import command

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord

Name = Annotated[str, typer.Argument(metavar="ISSUE", help="#17, 17, a key or a url.")]


def register(
    noun: typer.Typer, show: "Callable[[Invocation, IssueRecord], None]"
) -> None:
    """Add the commands to the noun `issue`."""

    @command(
        noun,
        "link",
        needs="write issues",
        examples="issuetrack issue link 31 --duplicate-of 12\n"
        "issuetrack issue link 31 --duplicate-of OPS-116",
    )
    def link(
        run: Invocation,
        issue: Name,
        original: Annotated[
            str, typer.Option("--duplicate-of", help="The issue that it is again.")
        ],
    ) -> None:
        """Say that an issue is a duplicate of another one; its status stays."""
        with run.workspace() as workspace:
            record = workspace.linking.link(workspace.actor, issue, original)
            run.index_one(workspace, record.number)
        show(run, record)

    @command(
        noun, "unlink", needs="write issues", examples="issuetrack issue unlink 31"
    )
    def unlink(run: Invocation, issue: Name) -> None:
        """Say that an issue is no duplicate after all."""
        with run.workspace() as workspace:
            record = workspace.linking.unlink(workspace.actor, issue)
            run.index_one(workspace, record.number)
        show(run, record)
