"""Opening an issue, and changing one in an editor."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from issuetrack.engine.errors import IssueTrackError, ModelError, UsageError
from issuetrack.tui import editing, issue_file
from issuetrack.tui.issue_view import Goal, named
from issuetrack.tui.screens.issue_linking import IssueLinking
from issuetrack.tui.widgets.dialogs import Ask, Choose, Option, Write, confirm

if TYPE_CHECKING:
    from issuetrack.engine.assistant.duplicates import ProbableDuplicate
    from issuetrack.engine.issues.service import IssueDraft


class IssueWriting(IssueLinking):
    """What is written in an editor, or for the first time."""

    async def until_taken(
        self, text: str, name: str, act: Callable[[str], Awaitable[None]]
    ) -> None:
        """Let a person edit a text until it can be taken; nothing of it is lost.

        Args:
            text: what there is.
            name: what its file is called.
            act: takes the text.
        """
        environment = self.application.doors.environment
        while True:
            text = editing.edited(self.app, environment, text, name)
            try:
                await act(text)
            except UsageError as error:
                told = f"{error.message}\n{error.hint or ''}".rstrip()
                options = [
                    Option(True, "Edit it again", "e"),
                    Option(False, "Leave it; the text is kept in a file", "n"),
                ]
                if not await self.answer(Choose(told, options)):
                    path = editing.keep(environment, text, name)
                    self.say(f"Nothing was changed; your text is kept in {path}")
                    return
            except IssueTrackError as error:
                path = editing.keep(environment, text, name)
                error.message += f"; your text is kept in {path}"
                raise
            else:
                return

    async def do_issue_edit(self) -> None:
        """Let the issue be changed in the person's editor."""
        record = self.held()
        if record is None:
            return
        before, summary = issue_file.of(record), record.summary
        name, actor = str(record.number), self.workspace.actor

        async def act(text: str) -> None:
            changes = issue_file.changes(before, text)
            if not changes:
                self.say("Nothing was changed")
                return
            old = {field: getattr(summary, field, None) for field in changes}
            if "body" in old:
                old["body"] = record.body
            await self.change(
                record,
                f"changed {', '.join(changes)}",
                lambda w, seen: w.issues.edit(actor, name, changes, revision=seen),
                lambda w, left: w.issues.edit(actor, name, old, revision=left),
            )

        await self.until_taken(before, f"issue-{name}", act)

    async def do_issue_new(self) -> None:
        """Ask what is wrong, and open an issue."""
        from issuetrack.engine.issues.service import IssueDraft

        title = await self.answer(Ask("What is wrong, in a few words?"))
        if title is None:
            return
        if not title.strip():
            self.say("An issue needs a title; nothing was opened")
            return
        if editing.has_editor(self.application.doors.environment):
            await self._new_in_editor(title)
            return
        hint = "Ctrl+S opens the issue, with or without a text; Esc does not"
        body = await self.answer(Write(f"{title}: what is seen?", hint=hint))
        if body is not None:
            await self._open_new(IssueDraft(title, body))

    async def _new_in_editor(self, title: str) -> None:
        from issuetrack.engine.issues.service import IssueDraft

        start = issue_file.write({"title": title, "type": "incident"})

        async def act(text: str) -> None:
            if text == start and not await self.answer(
                confirm("Nothing was written", does="Open it with its title alone")
            ):
                self.say("Nothing was opened")
                return
            found = issue_file.read(text)
            values = {
                name: issue_file.typed(name, value, found.lines[name])
                for name, value in found.values.items()
                if value
            }
            values["labels"] = tuple(values.get("labels", ()))
            if "title" not in values:
                raise UsageError("an issue needs a title", "edit it again")
            await self._open_new(IssueDraft(body=found.body, **values))

        await self.until_taken(start, "issue-new", act)

    async def _open_new(self, draft: "IssueDraft") -> None:
        workspace = self.workspace
        record = await self.beside(
            lambda _: workspace.issues.create(workspace.actor, draft)
        )
        await self.relist()
        self.follow(Goal("issue", record.number))
        self.say(f"{named(record.summary)} is open")
        await self.index(record.number)
        await self._warn_of_duplicate(record.number)

    async def _warn_of_duplicate(self, number: int) -> None:
        workspace = self.workspace
        try:
            found = await self.beside(
                lambda _: workspace.duplicates.of(workspace.actor, number)
            )
        except ModelError:
            return
        if found is not None:
            self.tell_probable(found)

    def tell_probable(self, found: "ProbableDuplicate") -> None:
        """Say what an issue is probably a duplicate of, and how to link it."""
        self.probable[found.issue] = found.original
        self.complain(
            f"#{found.issue} is probably a duplicate of #{found.original} "
            f"({found.chance:.2f}): {found.title}",
            f"m links #{found.issue}, or leaves it",
        )
