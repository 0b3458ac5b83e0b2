"""Warns that an issue is probably a duplicate, and links it where that is wished."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from issuetrack.cli.context import Invocation
from issuetrack.engine.errors import ModelError, UsageError
from issuetrack.terminal_safety import clean_line

if TYPE_CHECKING:
    from issuetrack.engine.assistant.duplicates import ProbableDuplicate
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.workspace import Workspace

OriginalOption = Annotated[
    str | None,
    typer.Option("--duplicate-of", help="Link it to the issue that it is again."),
]
LinkOption = Annotated[
    bool,
    typer.Option("--link-duplicate", help="Link it to the most probable original."),
]
SilentOption = Annotated[
    bool, typer.Option("--no-similar", help="Do not look for probable duplicates.")
]
MOST_TOLD = 5


@dataclass(frozen=True)
class Wish:
    """What a person who opens an issue says about duplicates.

    Attributes:
        name: the issue that it is again.
        link: link it to the most probable original.
        silent: do not look for one.
    """

    name: str | None
    link: bool
    silent: bool

    def check(self) -> None:
        """Refuse wishes that contradict each other.

        Raises:
            UsageError: they do.
        """
        if self.link and (self.name is not None or self.silent):
            raise UsageError(
                "--link-duplicate looks for the original itself",
                "leave --duplicate-of and --no-similar away",
            )

    def original(self, workspace: "Workspace") -> int | None:
        """Return the issue that it is again, before anything is written.

        Raises:
            NotFoundError: there is no such issue.
        """
        if self.name is None:
            return None
        return workspace.issues.get(workspace.actor, self.name).number


def meet(
    run: Invocation,
    workspace: "Workspace",
    record: "IssueRecord",
    wish: Wish,
    original: int | None,
) -> "IssueRecord":
    """Link a new issue as wished, or warn of what it is probably a duplicate of."""
    if original is not None:
        return _linked(run, workspace, record.number, original)
    if wish.silent:
        return record
    try:
        found = workspace.duplicates.of(
            workspace.actor, record.number, always=wish.link
        )
    except ModelError:
        return record
    if wish.link:
        if found is not None:
            return _linked(run, workspace, record.number, found.original)
        run.warn(f"#{record.number} is probably no duplicate: it was not linked")
    elif found is not None:
        run.warn(told(found))
    return record


def _linked(
    run: Invocation, workspace: "Workspace", number: int, original: int
) -> "IssueRecord":
    linked = workspace.linking.link(workspace.actor, str(number), str(original))
    run.index_one(workspace, number)
    return linked


def told(found: "ProbableDuplicate") -> str:
    """Say what an issue is probably a duplicate of, and how to link it."""
    return clean_line(
        f"#{found.issue} is probably a duplicate of #{found.original} "
        f"({found.chance:.2f}): {found.title}; link it: issuetrack issue link "
        f"{found.issue} --duplicate-of {found.original}"
    )


def warn_of_new(run: Invocation, workspace: "Workspace", last: int) -> None:
    """Warn of those issues with higher numbers than `last` that are duplicates.

    A model that is missing is told elsewhere.
    """
    try:
        found = workspace.duplicates.among_new(workspace.actor, last)
    except ModelError:
        return
    _tell(run, found.duplicates, found.unseen)


def _tell(run: Invocation, found: "Sequence[ProbableDuplicate]", unseen: int) -> None:
    for one in found[:MOST_TOLD]:
        run.warn(told(one))
    if len(found) > MOST_TOLD:
        run.warn(
            f"{len(found) - MOST_TOLD} more new issues are probably duplicates: "
            "issuetrack issue recurring"
        )
    if unseen and found:
        run.warn(f"{unseen} new issues were not looked at, to save time")
