"""Procedures as they are written: in an editor, as Markdown; nothing typed is lost."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.errors import ConflictError, IssueTrackError, UsageError
from issuetrack.tui import sop_view
from issuetrack.tui.editing import edited, keep
from issuetrack.tui.screens.sop_dialogs import Weighing
from issuetrack.tui.screens.sop_page import ProcedurePage
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.records import SopVersionRecord

Stored = Callable[[Procedure], "SopVersionRecord"]


class SopWriting(ProcedurePage):
    """Begins procedures, and writes their next versions."""

    async def do_sop_new(self) -> None:
        """Ask for a title, then write the rest in the editor."""
        from issuetrack.engine.assistant.sops.markdown import write

        title = await self.answer(Ask("Title of the SOP: what is wrong?"))
        if not title or not title.strip():
            return
        workspace = self.workspace

        def store(procedure: Procedure) -> "SopVersionRecord":
            return workspace.sops.create(workspace.actor, procedure)

        record = await self._written("new", write(Procedure(title)), store)
        if record is not None:
            name = record.summary.name
            await self._kept(record, f"{name} is a draft: S submits it for review")

    async def do_sop_edit(self) -> None:
        """Write the next version of the procedure in the editor."""
        from issuetrack.engine.assistant.sops.markdown import write

        name, workspace = self.name_here, self.workspace
        base = await self.beside(
            lambda _: workspace.sops.to_edit(workspace.actor, name)
        )
        record = await self._on_top(base, write(base.procedure), changed=False)
        if record is None:
            return
        if record.summary.version == base.summary.version:
            self.say("Nothing is different; no version was written")
            return
        told = f"{name} version {record.summary.version} is a draft: S submits it"
        await self._kept(record, told)

    async def _on_top(
        self, base: "SopVersionRecord", text: str, *, changed: bool
    ) -> "SopVersionRecord | None":
        """Have a text edited and stored as the version after the one it came from."""
        from issuetrack.engine.assistant.sops.workflow import Basis

        workspace, summary = self.workspace, base.summary
        basis = Basis(summary.version, summary.latest)
        typed = [text]

        def store(procedure: Procedure) -> "SopVersionRecord":
            actor = workspace.actor
            return workspace.sops.edit(actor, summary.name, procedure, basis)

        try:
            return await self._written(
                summary.name, text, store, changed=changed, typed=typed
            )
        except ConflictError as error:
            return await self._conflict(base, typed[0], error)

    async def _conflict(
        self, base: "SopVersionRecord", text: str, error: ConflictError
    ) -> "SopVersionRecord | None":
        """Keep the text, show what is new, and let it be edited on top of that."""
        path = keep(self.application.doors.environment, text, base.summary.name)
        name, workspace = base.summary.name, self.workspace
        newer = await self.beside(
            lambda _: workspace.sops.to_edit(workspace.actor, name)
        )
        old, new = base.summary.version, newer.summary.version
        _, _, changes = await self.beside(
            lambda _: workspace.sops.diff(workspace.actor, name, old, new)
        )
        again = await self.answer(
            Weighing(
                f"{error.message}. Nothing is lost: your text is kept in {path}.\n"
                f"This is what version {new} by {newer.summary.author} changed:",
                sop_view.compared(changes),
                f"y goes on with your text on top of version {new}; n leaves it",
            )
        )
        if not again:
            return None
        return await self._on_top(newer, text, changed=True)

    async def _written(
        self,
        name: str,
        text: str,
        store: Stored,
        *,
        changed: bool = False,
        typed: list[str] | None = None,
    ) -> "SopVersionRecord | None":
        """Return what was stored; what cannot be stored goes back to the editor.

        Args:
            name: what the text is called.
            text: what to start from.
            store: stores it.
            changed: whether the text is worth storing as it is.
            typed: takes the text in its last state.
        """
        environment, start = self.application.doors.environment, text
        while True:
            text = edited(self.app, environment, text, name)
            if typed is not None:
                typed[:] = [text]
            if text == start and not changed:
                self.say("Nothing was changed")
                return None
            try:
                return await self._stored(text, name, store)
            except UsageError as error:
                if not await self._goes_back(error):
                    path = keep(environment, text, name)
                    self.say(f"Nothing was stored; your text is kept in {path}")
                    return None
            except ConflictError:
                raise
            except IssueTrackError as error:
                path = keep(environment, text, name)
                error.message = f"{error.message}; your text is kept in {path}"
                raise

    async def _stored(self, text: str, name: str, store: Stored) -> "SopVersionRecord":
        from issuetrack.engine.assistant.sops.markdown import read

        return await self.beside(lambda _: store(read(text, name)))

    async def _goes_back(self, error: UsageError) -> bool:
        options = [
            Option(True, "Back to the editor, with what you wrote", "e"),
            Option(False, "Leave it; what you wrote is kept in a file", "n"),
        ]
        hint = f"{error.hint}; " if error.hint else ""
        question = Choose(error.message, options, hint=f"{hint}Esc leaves it")
        return bool(await self.answer(question))

    async def _kept(self, record: "SopVersionRecord", told: str) -> None:
        """Show what was stored."""
        self.say(told)
        number, version = record.summary.sop, record.summary.version
        await self.relist(number, version)
        await self.indexed(number)
