"""Reading what changed in trackers, beside the drawing and to be stopped any time."""

import asyncio
from typing import TYPE_CHECKING

from issuetrack.engine.errors import IssueTrackError, ModelError
from issuetrack.tui.background import Progress
from issuetrack.tui.screens.issue_writing import IssueWriting
from issuetrack.tui.widgets.dialogs import Choose, Option

if TYPE_CHECKING:
    from issuetrack.engine.sync.runs import SyncReport
    from issuetrack.engine.sync.source_records import SourceRecord

ALL = ""
SYNC = "source.sync"
NO_SOURCE = (
    "There is no tracker to read from. Add one in a shell, as: "
    "issuetrack source add github acme/shop"
)
PAUSED = "Every source is paused. Resume one in a shell: issuetrack source resume NAME"
MOST_TOLD = 5
SHORT = 8


class Syncing(IssueWriting):
    """What reads from trackers."""

    def do_source_sync(self) -> None:
        """Read what changed in a tracker, or in all of them."""
        if any(worker.group == SYNC for worker in self.busy):
            self.say("A sync runs already; Esc stops it, and the next one goes on")
            return
        self.begin(SYNC, self._sync())

    async def _sync(self) -> None:
        sources = await self._ask_sources()
        if not sources:
            return
        workspace = self.workspace
        last = await self.beside(
            lambda _: workspace.duplicates.last_issue(workspace.actor)
        )
        reports: list[SyncReport] = []
        try:
            for name in sources:
                await self._sync_one(name, reports)
            if reports and await self._index_all():
                await self._warn_of_new(last)
        except asyncio.CancelledError:
            self.say("Stopped; what was read is kept, and S goes on from there")
            raise
        finally:
            self.begin("triage.list", self._relisted())
        if reports:
            self.say("\n".join(summary(report) for report in reports))

    async def _relisted(self) -> None:
        """Read the list again, unless the application has ended meanwhile."""
        if self.query("#issues"):
            await self.relist()

    async def _ask_sources(self) -> list[str]:
        """Return the names of the sources to read from; say why where there is none."""
        workspace = self.workspace
        every = await self.beside(lambda _: workspace.sources.every(workspace.actor))
        connected = [record for record in every if record.connected]
        names = [r.settings.name for r in connected if not r.paused]
        if not names:
            self.say(PAUSED if connected else NO_SOURCE)
            return []
        options = [
            Option(r.settings.name, _line(r), str(place) if place <= SHORT else "")
            for place, r in enumerate((r for r in connected if not r.paused), 1)
        ]
        if len(names) > 1:
            options.append(Option(ALL, "all of them", "a"))
        chosen = await self.answer(
            Choose("Read what changed in", options, options[-1].value)
        )
        if chosen is None:
            return []
        return names if chosen == ALL else [chosen]

    async def _sync_one(self, name: str, reports: "list[SyncReport]") -> None:
        """Read one source; one that fails does not stop the others."""
        try:
            report = await self.beside(
                lambda progress: self._read_source(name, progress), f"Reading {name}"
            )
        except IssueTrackError as error:
            self.complain(f"{name}: {error.message}", error.hint or _test(name))
            return
        reports.append(report)
        for notice in report.notices:
            self.say(f"{name}: {notice}")
        if report.partial:
            why = "; ".join(report.reasons)
            self.complain(f"{name} was not read to the end: {why}", report.hint)

    def _read_source(self, name: str, progress: Progress) -> "SyncReport":
        from issuetrack.engine.sync.runs import Wish

        def waiting(why: str, seconds: float) -> None:
            _stop(progress)
            progress.tell(f"{why}; waiting {seconds:.0f} s")

        def told(report: "SyncReport") -> None:
            _stop(progress)
            progress.tell(_so_far(report))

        doors, workspace = self.application.doors, self.workspace
        return workspace.sync.run(
            workspace.actor,
            name,
            doors.connect,
            Wish(),
            environment=doors.environment,
            waiting=waiting,
            progress=told,
        )

    async def _index_all(self) -> bool:
        """Index what was read; tell whether there was anything, and it worked."""
        workspace = self.workspace
        if not await self.beside(lambda _: workspace.index_waits()):
            return False

        def work(progress: Progress) -> None:
            def told(done: int, total: int) -> None:
                _stop(progress)
                progress.tell(f"{done} of {total}")

            workspace.drain_index(told)

        try:
            await self.beside(work, "Indexing")
        except ModelError as error:
            self.complain(
                f"what was read cannot be found yet: {error.message}", error.hint
            )
            return False
        return True

    async def _warn_of_new(self, last: int) -> None:
        workspace = self.workspace
        found = await self.beside(
            lambda _: workspace.duplicates.among_new(workspace.actor, last),
            "Looking for duplicates",
        )
        for one in found.duplicates[:MOST_TOLD]:
            self.tell_probable(one)
        more = len(found.duplicates) - MOST_TOLD
        if more > 0:
            self.say(f"{more} more new issues are probably duplicates")


def _stop(progress: Progress) -> None:
    """End the work that nobody waits for any more.

    Raises:
        IssueTrackError: it was cancelled.
    """
    if progress.cancelled.is_set():
        raise IssueTrackError("stopped by hand", "sync again: it goes on from there")


def _test(name: str) -> str:
    return f"issuetrack source test {name}"


def _line(record: "SourceRecord") -> str:
    when = record.succeeded_at
    read = f"read {when:%Y-%m-%d %H:%M}" if when else "never read to the end"
    return f"{record.settings.name}  {record.scope or ''}, {read}"


def _so_far(report: "SyncReport") -> str:
    met = report.issues + report.skipped
    of = f" of {report.total}" if report.total else ""
    told = f"{met}{of} issues, {report.pages} pages, {report.comments} comments"
    if report.rate_remaining is not None:
        told += f", {report.rate_remaining} requests left"
    return told


def summary(report: "SyncReport") -> str:
    """Say in one line what a run did."""
    if report.already_running:
        return f"{report.source}: a run is at it already; press S again later"
    counts = (
        f"{report.created} new",
        f"{report.updated} changed",
        f"{report.comments} comments",
        f"{report.gone} gone" if report.gone else "",
        f"{report.quarantined} put aside" if report.quarantined else "",
    )
    end = " (incomplete)" if report.partial else ""
    return f"{report.source}: {', '.join(c for c in counts if c)}{end}"
