"""A screen with one issue and what is suggested for it."""

from typing import TYPE_CHECKING

from issuetrack.tui.page import Page

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.tui.issue_view import Goal


class IssuePage(Page):
    """What the actions on an issue need of the screen that they are taken on."""

    record: "IssueRecord | None" = None

    async def reload(self, number: int) -> None:
        """Read an issue again, show it, and its line in the list."""
        raise NotImplementedError

    async def relist(self, number: int | None = None) -> None:
        """Read the list again; stand on an issue."""
        raise NotImplementedError

    def follow(self, goal: "Goal") -> None:
        """Show what something leads to."""
        raise NotImplementedError
