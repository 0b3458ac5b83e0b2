"""What can be done with a procedure: decided about, compared, rated, copied."""

from typing import TYPE_CHECKING

from issuetrack.engine.errors import UsageError
from issuetrack.terminal_safety import clean
from issuetrack.tui import sop_view
from issuetrack.tui.screens.sop_dialogs import Reading, Weighing
from issuetrack.tui.screens.sop_writing import SopWriting
from issuetrack.tui.sop_view import SopPage
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option, Write, confirm, stars

if TYPE_CHECKING:
    from issuetrack.engine.issues.procedures import SopSummary
    from issuetrack.tui.widgets.reader import Block


class SopActions(SopWriting):
    """Takes what people decide and say about the procedure that is read."""

    async def do_sop_submit(self) -> None:
        """Ask for the approval of the newest version."""
        name, workspace = self.name_here, self.workspace
        done = await self.beside(lambda _: workspace.sops.submit(workspace.actor, name))
        await self._decided(
            done, f"{name} version {done.version} waits for the approval of a colleague"
        )

    async def do_sop_approve(self) -> None:
        """Show what an approval changes, then put the version into force."""
        page = await self._in_review()
        workspace, name = self.workspace, page.newest.name
        question = Weighing(
            f"Approve {name} version {page.newest.version} by {page.newest.author}?\n"
            + _meaning(page),
            await self._changes(page),
            "y approves it, n or Esc leaves it, j and k scroll",
        )
        if not await self.answer(question):
            return
        seen, actor = page.newest.version, workspace.actor
        done = await self.beside(
            lambda _: workspace.sops.approve(actor, name, version=seen)
        )
        await self._decided(done, f"{name} version {done.version} is in force")
        await self.indexed(done.sop)

    async def do_sop_reject(self) -> None:
        """Give the newest version back, with a note."""
        page = await self._in_review()
        workspace, name = self.workspace, page.newest.name
        question = f"What has to change in {name} version {page.newest.version}?"
        note = await self.answer(Write(question))
        while note is not None and not note.strip():
            told = f"{question} The author needs a reason."
            note = await self.answer(Write(told))
        if note is None:
            return
        seen, actor = page.newest.version, workspace.actor
        done = await self.beside(
            lambda _: workspace.sops.reject(actor, name, note, version=seen)
        )
        await self._decided(done, f"{name} version {done.version} is a draft again")

    async def do_sop_deprecate(self) -> None:
        """Take every version of the procedure out of use."""
        name, workspace = self.name_here, self.workspace
        sure = await self.answer(
            confirm(
                f"Take {name} out of use?",
                does="Yes: it is not found and not suggested any more",
            )
        )
        if not sure:
            return
        hint = "Enter takes it out of use, with or without a reason; Esc leaves it"
        note = await self.answer(Ask("Why?", hint=hint))
        if note is None:
            return
        done = await self.beside(
            lambda _: workspace.sops.deprecate(workspace.actor, name, note or None)
        )
        await self._decided(done, f"{name} is out of use")
        await self.indexed(done.sop)

    async def _decided(self, done: "SopSummary", told: str) -> None:
        self.say(told)
        await self.relist(done.sop, done.version)

    async def _in_review(self) -> SopPage:
        """Return the newest version.

        Raises:
            UsageError: it does not wait for a decision.
        """
        page = await self.page_of(self.name_here)
        newest = page.newest
        if newest.status != "in_review":
            raise UsageError(
                f"{newest.name} version {newest.version} is "
                f"{sop_view.WORDS[newest.status]}, not in review",
                "Q shows what waits for approval",
            )
        return page

    async def _changes(self, page: SopPage) -> "list[Block]":
        """Return what an approval would change; without a version in force, all."""
        held, workspace = page.in_force, self.workspace
        if held is None:
            return list(sop_view.blocks(page, self.application.doors.clock()))
        old, new = held.version, page.newest.version
        _, _, changes = await self.beside(
            lambda _: workspace.sops.diff(workspace.actor, held.name, old, new)
        )
        return list(sop_view.compared(changes))

    async def do_sop_history(self) -> None:
        """Show every version and what was done with it; choose one to read it."""
        page = await self.page_of(self.name_here)
        chosen = await self.answer(
            Choose(
                f"{page.newest.name}: versions, the newest first",
                self._history(page),
                self.version,
                "Enter shows the version; Esc leaves it",
            )
        )
        if chosen is not None:
            await self.show_version(page.newest.sop, chosen)
            self.front("#sop")

    def _history(self, page: SopPage) -> list[Option]:
        now, options = self.application.doors.clock(), []
        for version in reversed(page.versions):
            told = (
                f"Version {version.version}  {sop_view.WORDS[version.status]}, "
                f"by {version.author}, {sop_view.ago(version.created_at, now)}"
            )
            options.append(Option(version.version, told))
            options += [
                Option(version.version, sop_view.deed(event, now))
                for event in reversed(page.events)
                if event.version == version.version
            ]
        return options

    async def do_sop_diff(self) -> None:
        """Show what is different from the version before, or in the one that follows."""
        name, workspace = self.name_here, self.workspace
        page = await self.page_of(name, self.version)
        shown = page.record.summary
        if shown.latest > shown.version:
            old, new = shown.version, shown.latest
        elif page.record.parent is not None:
            old, new = page.record.parent, shown.version
        else:
            self.say(f"{name} has one version: there is nothing to compare it with")
            return
        _, _, changes = await self.beside(
            lambda _: workspace.sops.diff(workspace.actor, name, old, new)
        )
        title = f"{name}: what version {new} changes in version {old}"
        await self.answer(Reading(title, sop_view.compared(changes)))

    async def do_sop_rate(self) -> None:
        """Ask for stars and why."""
        name, workspace = self.name_here, self.workspace
        given = await self.answer(stars(f"Did {name} help?"))
        if given is None:
            return
        hint = "Enter rates it, with or without a reason; Esc leaves it"
        why = await self.answer(Ask(f"{given} of 5 stars: why?", hint=hint))
        if why is None:
            return
        await self.beside(
            lambda _: workspace.feedback.rate(workspace.actor, name, given, why)
        )
        self.say(f"{name} has {given} of 5 stars from you")
        await self.relist(self.number)

    async def do_sop_copy(self) -> None:
        """Copy the version that is read, as Markdown."""
        from issuetrack.engine.assistant.sops.markdown import write

        page = await self.page_of(self.name_here, self.version)
        self.app.copy_to_clipboard(clean(write(page.record.procedure)))
        summary = page.record.summary
        self.say(f"Copied {summary.name} version {summary.version} as Markdown")


def _meaning(page: SopPage) -> str:
    """Return what an approval does, in words."""
    held = page.in_force
    told = "Everybody is then shown this version when they search or ask for advice"
    if held is None:
        return f"{told}. No version is in force yet; this is the whole text:"
    return f"{told}, instead of version {held.version}. It changes:"
