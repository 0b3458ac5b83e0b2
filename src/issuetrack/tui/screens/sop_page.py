"""What the actions on a procedure need of the screen that they are taken on."""

from typing import TYPE_CHECKING

from issuetrack.engine.errors import ModelError, NotFoundError, UsageError
from issuetrack.tui.page import Page
from issuetrack.tui.sop_view import SopPage

if TYPE_CHECKING:
    from issuetrack.engine.workspace import Workspace


class ProcedurePage(Page):
    """A screen with one procedure."""

    number: int | None = None
    version: int | None = None

    @property
    def name_here(self) -> str:
        """Return the name of the procedure that is read.

        Raises:
            UsageError: there is none.
        """
        if self.number is None:
            raise UsageError("no SOP is chosen", "choose one in the list with j and k")
        return f"S{self.number}"

    async def page_of(self, name: str, version: int | None = None) -> SopPage:
        """Read a version of a procedure; by default the newest."""
        workspace = self.workspace
        return await self.beside(lambda _: read_page(workspace, name, version))

    async def relist(
        self, number: int | None = None, version: int | None = None
    ) -> None:
        """Read the list again; stand on a procedure, and show a version of it."""
        raise NotImplementedError

    async def show_version(self, number: int, version: int | None) -> None:
        """Show a version of a procedure."""
        raise NotImplementedError

    async def indexed(self, number: int) -> None:
        """Make a procedure findable now; a missing model is only told."""
        from issuetrack.engine.retrieval.subjects import Subject, SubjectKind

        workspace, subject = self.workspace, Subject(SubjectKind.SOP, number)
        try:
            await self.beside(
                lambda _: workspace.drain_index(only=subject), f"Indexing S{number}"
            )
        except ModelError as error:
            self.complain(
                f"S{number} is kept but the index is behind: {error.message}",
                error.hint,
            )


def read_page(workspace: "Workspace", name: str, version: int | None = None) -> SopPage:
    """Return a version of a procedure with its history; by default the newest.

    Raises:
        NotFoundError: there is no such procedure or version.
    """
    versions, events = workspace.sops.history(workspace.actor, name)
    if not versions:
        raise NotFoundError(f"there is no SOP {name}", "look at the list")
    wanted = versions[-1].version if version is None else version
    record = workspace.sops.get(workspace.actor, name, wanted)
    return SopPage(record, tuple(versions), tuple(events))
