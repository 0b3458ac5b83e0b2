"""Taking the open issue elsewhere: clipboard, pager, browser."""

import webbrowser
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from issuetrack.terminal_safety import clean, clean_line
from issuetrack.tui import editing
from issuetrack.tui.issue_view import named
from issuetrack.tui.screens.issue_changing import IssueChanging
from issuetrack.tui.widgets.dialogs import confirm

if TYPE_CHECKING:
    from issuetrack.engine.issues.records import IssueRecord


class IssueReading(IssueChanging):
    """What changes nothing."""

    async def _markdown(self, record: "IssueRecord") -> str:
        written = self.application.doors.issue_markdown
        return await self.beside(lambda _: clean(written(record)) + "\n")

    async def do_issue_copy(self) -> None:
        """Copy the issue as Markdown."""
        record = self.held()
        if record is None:
            return
        text = await self._markdown(record)
        self.app.copy_to_clipboard(text)
        count = len(text.splitlines())
        self.say(f"Copied {named(record.summary)} as Markdown: {count} lines")

    async def do_issue_pager(self) -> None:
        """Show the issue in the person's pager."""
        record = self.held()
        if record is None:
            return
        text = await self._markdown(record)
        editing.paged(self.app, self.application.doors.environment, text)

    async def do_issue_browse(self) -> None:
        """Open the page of the issue, after showing where it leads."""
        record = self.held()
        if record is None:
            return
        url = record.summary.url
        if not url:
            self.say(f"{named(record.summary)} has no url: no tracker has it")
            return
        if not is_web_address(url):
            self.complain(
                f"what stands for a url is no web address: {clean_line(url)}",
                "open the issue in its tracker by its key",
            )
            return
        question = f"This leaves the terminal and calls\n\n{url}"
        if await self.answer(confirm(question, does="Open it in the browser")):
            await self._browse(url)

    async def _browse(self, url: str) -> None:
        try:
            browser = await self.beside(lambda _: webbrowser.get())
        except webbrowser.Error:
            self.app.copy_to_clipboard(url)
            self.complain(
                "there is no browser here; the url was copied instead",
                "set BROWSER, or paste it where there is one",
            )
            return
        text_mode = isinstance(browser, webbrowser.GenericBrowser) and not isinstance(
            browser, webbrowser.BackgroundBrowser
        )
        if text_mode:
            with editing.handed_over(self.app):
                self.app.open_url(url)
        else:
            self.app.open_url(url)
        self.say("Handed to the browser")


def is_web_address(url: str) -> bool:
    """Tell whether a url is a plain http or https address that can be shown whole."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = url == clean_line(url) and " " not in url
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)
