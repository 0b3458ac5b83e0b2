"""Synchronises a source: page by page, each with its cursor in one transaction.

Whatever stops a run, the next goes on behind the last page that was kept. What has
gone upstream is found by a full run, which asks for each issue that it did not meet.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from sqlmodel import col, delete, select

from issuetrack.engine.errors import (
    IssueTrackError,
    NotFoundError,
    RemoteAnswerError,
    StoreError,
    UsageError,
)
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.locking import alone
from issuetrack.engine.store.tables import Issue, SyncRun
from issuetrack.engine.store.types import SyncOutcome
from issuetrack.engine.sync.batches import Foresight, checked
from issuetrack.engine.sync.connector import Connector, Page, SourceSettings, Waiting
from issuetrack.engine.sync.merge import Merge, MergeCounts, MergeReport
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, Item, RemoteIssue
from issuetrack.engine.sync.runs import Progress, SyncReport, Wish
from issuetrack.engine.sync.source_records import find_source, lock_path
from issuetrack.engine.sync.sources import SourceService

KEPT_RUNS = 1000
MOST_LOOKUPS = 1000
LOOKUPS_AT_ONCE = 20
LONGEST_WAIT = 24 * 3600.0
SHORTEST_WAIT = 0.2

Connect = Callable[[SourceSettings, str | None, Waiting], Connector]


class SyncService:
    """Synchronises the sources of one workspace."""

    def __init__(
        self,
        database: Database,
        sources: SourceService,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._sources = sources
        self._clock = clock

    def run(
        self,
        actor: Actor,
        name: str,
        connect: Connect,
        wish: Wish,
        *,
        environment: Mapping[str, str],
        waiting: Waiting = lambda _reason, _seconds: None,
        progress: Progress = lambda _report: None,
        wait: bool = False,
    ) -> SyncReport:
        """Synchronise one source.

        Args:
            actor: who does it.
            name: the source.
            connect: makes the connector.
            wish: what to do.
            environment: where a token may be.
            waiting: told why and for how long the tracker lets us wait.
            progress: called after each page.
            wait: for another run of the source to end.

        Raises:
            IssueTrackError: nothing could be read at all.
        """
        authorize(actor, Permission.SYNC)
        wish.check()
        with self._database.read() as uow:
            row = find_source(uow, name)
            source, called = row.id or 0, row.name
        lock = lock_path(self._database.path, source)
        with alone(lock, LONGEST_WAIT if wait else SHORTEST_WAIT) as mine:
            cursor = self._cursor(name, wish)
            report = SyncReport(source=called, dry_run=wish.dry_run, full=wish.full)
            report.cursor = cursor
            if not mine:
                report.already_running = True
                return report

            def begin() -> Connector:
                settings, secret = self._sources.opened(actor, name, environment)
                return connect(settings, secret, waiting)

            run = _Run(self._database, actor, self._clock, begin, source, wish)
            run.go(report, cursor, progress)
        return report

    def _cursor(self, name: str, wish: Wish) -> str | None:
        """Return where the last run came to.

        Raises:
            UsageError: the source is paused.
        """
        with self._database.read() as uow:
            row = find_source(uow, name)
            if row.paused and not wish.dry_run:
                raise UsageError(
                    f"the source {name} is paused", f"issuetrack source resume {name}"
                )
            return row.cursor


class _Run:
    """One run of one source."""

    def __init__(
        self,
        database: Database,
        actor: Actor,
        clock: Callable[[], datetime],
        connect: Callable[[], Connector],
        source: int,
        wish: Wish,
    ) -> None:
        self._database = database
        self._actor = actor
        self._clock = clock
        self._connect = connect
        self._source = source
        self._wish = wish
        self._foresight: Foresight | None = None
        self._started = clock()

    def go(self, report: SyncReport, cursor: str | None, progress: Progress) -> None:
        if self._wish.dry_run:
            self._foresight = Foresight(self._database, report.source)
        number = self._begin()
        try:
            self._converse(report, cursor, progress)
        except IssueTrackError as error:
            nothing = not (report.pages or report.issues)
            if nothing or isinstance(error, StoreError):
                report.reasons.append(error.message)
                with contextlib.suppress(StoreError):
                    self._end(number, report, SyncOutcome.FAILED)
                raise
            report.lacks(error.message)
            report.hint = error.hint
        if report.quarantined:
            report.lacks(f"{report.quarantined} records could not be understood")
        outcome = SyncOutcome.PARTIAL if report.partial else SyncOutcome.DONE
        self._end(number, report, outcome)

    def _converse(
        self, report: SyncReport, cursor: str | None, progress: Progress
    ) -> None:
        self._connector = self._connect()
        try:
            self._read(report, cursor, progress)
        finally:
            self._count(report)
            self._connector.close()

    def _read(self, report: SyncReport, cursor: str | None, progress: Progress) -> None:
        if self._wish.key is not None:
            found = self._connector.fetch(self._wish.key)
            if isinstance(found, GoneIssue):
                self._check_known(found)
                report.gone += 1
            self._keep(report, Page((found,), ""), progress)
            return
        anew = self._wish.full or self._wish.since is not None
        start = None if anew else cursor
        for page in self._connector.pages(start, self._wish.since):
            cut, last = self._cut(page, report)
            whole = len(cut.items) == len(page.items)
            self._keep(report, cut, progress, move=whole and self._moves(cursor))
            if last:
                return
        if self._wish.full and not self._wish.dry_run:
            self._look_for_missing(report, progress)

    def _check_known(self, gone: GoneIssue) -> None:
        """Refuse the key of an issue that is neither there nor here.

        Raises:
            NotFoundError: it is.
        """
        with self._database.read() as uow:
            known = uow.session.exec(
                select(Issue.number).where(
                    Issue.source_id == self._source,
                    Issue.external_key == clean_line(gone.key),
                )
            ).first()
        if known is None:
            hint = f"it is {gone.moved_to} now" if gone.moved_to else "check the key"
            raise NotFoundError(f"there is no issue {gone.key}", hint)

    def _moves(self, cursor: str | None) -> bool:
        """Tell whether the cursor may move: never over what was not read."""
        skips = self._wish.since is not None and cursor is not None
        return not (self._wish.dry_run or skips)

    def _cut(self, page: Page, report: SyncReport) -> tuple[Page, bool]:
        """Return what of a page is within the limit, and whether that is the end."""
        limit = self._wish.limit
        if limit is None:
            return page, False
        items: list[Item] = []
        room = limit - report.issues
        for item in page.items:
            if isinstance(item, RemoteIssue):
                room -= 1
            if room >= 0:
                items.append(item)
        return Page(tuple(items), page.cursor, page.total), room <= 0

    def _keep(
        self,
        report: SyncReport,
        page: Page,
        progress: Progress,
        *,
        move: bool = False,
    ) -> None:
        items = [checked(item) for item in page.items]
        if self._foresight is not None:
            report.add_batch(self._foresight.look(items))
        else:
            cursor = page.cursor if move else None
            report.add_batch(self._merge(items, cursor, report.source))
            if move:
                report.cursor = page.cursor
        report.pages += 1
        report.total = page.total or report.total
        self._count(report)
        progress(report)

    def _merge(
        self, items: Sequence[Item], cursor: str | None, name: str
    ) -> MergeReport:
        now = self._clock()
        with self._database.write() as uow:
            mark = self._started if self._wish.full else None
            merge = Merge(uow, self._source, now, seen=mark, anew=True)
            merge.apply(items)
            done = merge.report
            if cursor is not None:
                uow.sql(
                    "UPDATE source SET cursor = ? WHERE id = ?", cursor, self._source
                )
            if done.touched or done.quarantined:
                counts = asdict(done)
                del counts["problems"]
                entity = ("source", name)
                audit.record(uow, self._actor, now, "source.sync", entity, after=counts)
        return done

    def _look_for_missing(self, report: SyncReport, progress: Progress) -> None:
        """Ask for each issue that a full run did not meet, some at a time."""
        with self._database.read() as uow:
            missing = uow.session.exec(
                select(Issue.external_key)
                .where(
                    Issue.source_id == self._source,
                    col(Issue.gone).is_(None),
                    col(Issue.seen_at).is_distinct_from(self._started),
                )
                .order_by(col(Issue.number))
            ).all()
        keys = [key for key in missing if key is not None]
        for place in range(0, min(len(keys), MOST_LOOKUPS), LOOKUPS_AT_ONCE):
            group = keys[place : min(place + LOOKUPS_AT_ONCE, MOST_LOOKUPS)]
            found = [self._looked_for(key) for key in group]
            report.gone += sum(isinstance(item, GoneIssue) for item in found)
            self._keep(report, Page(tuple(found), ""), progress)
        if len(keys) > MOST_LOOKUPS:
            report.lacks(
                f"{len(keys) - MOST_LOOKUPS} issues that were not met are still to be "
                "looked for: run with --full again"
            )

    def _looked_for(self, key: str) -> Item:
        try:
            return self._connector.fetch(key)
        except RemoteAnswerError as error:
            return BadRecord(key, None, error.message, "")

    def _count(self, report: SyncReport) -> None:
        traffic = self._connector.traffic
        report.requests = traffic.requests
        report.rate_remaining = traffic.rate_remaining
        report.notices = list(traffic.notices)

    def _begin(self) -> int | None:
        """Note that a run has begun, and forget the oldest ones."""
        if self._wish.dry_run:
            return None
        with self._database.write() as uow:
            row = SyncRun(
                source_id=self._source,
                actor=self._actor.name,
                full=self._wish.full,
                outcome=SyncOutcome.RUNNING,
                started_at=self._started,
            )
            uow.session.add(row)
            uow.session.flush()
            kept = (
                select(SyncRun.id)
                .where(SyncRun.source_id == self._source)
                .order_by(col(SyncRun.id).desc())
                .limit(KEPT_RUNS)
            )
            uow.session.exec(
                delete(SyncRun).where(
                    col(SyncRun.source_id) == self._source,
                    col(SyncRun.id).not_in(kept),
                )
            )
            return row.id

    def _end(
        self, number: int | None, report: SyncReport, outcome: SyncOutcome
    ) -> None:
        if number is None:
            return
        names = ("pages", "requests", *(f for f in MergeCounts.__dataclass_fields__))
        with self._database.write() as uow:
            row = uow.session.get(SyncRun, number)
            assert row is not None
            row.outcome = outcome
            row.finished_at = self._clock()
            row.counts = {name: getattr(report, name) for name in names}
            row.reasons = list(report.reasons)
            uow.session.add(row)
