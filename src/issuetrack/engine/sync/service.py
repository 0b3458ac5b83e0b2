"""Takes in what a file or a connector yields, batch by batch."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlmodel import select

from issuetrack.engine.errors import ImportFormatError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.texts import clean_line
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Source
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.batches import Foresight, batches
from issuetrack.engine.sync.merge import (
    Merge,
    MergeCounts,
    MergeReport,
)
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
)

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """A record that was put aside: where it stood, and why."""

    origin: str
    line: int | None
    reason: str


@dataclass(kw_only=True)
class ImportReport(MergeCounts):
    """What an import did; with a dry run, what it would do.

    Attributes:
        removed: documents that their folder no longer has.
    """

    source: str
    dry_run: bool
    read: int = 0
    removed: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add_batch(self, batch: MergeReport) -> None:
        """Add what one batch did; the first problems are kept to be shown."""
        self.add(batch)
        room = SHOWN_PROBLEMS - len(self.problems)
        self.problems += [
            Problem(bad.origin, bad.line, bad.reason)
            for bad in batch.problems[: max(room, 0)]
        ]


class ImportService:
    """Imports into one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def run(
        self,
        actor: Actor,
        source: str,
        kind: str,
        items: Iterable[Item],
        *,
        dry_run: bool = False,
        strict: bool = False,
        progress: Callable[[ImportReport], None] | None = None,
    ) -> ImportReport:
        """Take items in, one transaction a batch.

        Args:
            actor: who imports.
            source: the name under which the keys are unique; made at first use.
            kind: what the items come from: a tracker's or a file format's name.
            items: read lazily.
            dry_run: count, and write nothing.
            strict: stop at the first bad record.
            progress: called after each batch.

        Raises:
            ImportFormatError: strict, and a record is bad.
        """
        authorize(actor, Permission.IMPORT)
        name = clean_line(source)
        if not name:
            raise UsageError("the name of the source is empty", "use --source NAME")
        report = ImportReport(source=name, dry_run=dry_run)
        foresight = Foresight(self._database, name)
        for batch in batches(items):
            if strict:
                self._refuse_bad(batch, report)
            report.read += len(batch)
            if dry_run:
                report.add_batch(foresight.look(batch))
            else:
                self._merge(actor, name, kind, batch, report)
            if progress is not None:
                progress(report)
        return report

    @staticmethod
    def _refuse_bad(batch: Sequence[Item], report: ImportReport) -> None:
        for item in batch:
            if isinstance(item, BadRecord):
                where = f" line {item.line}" if item.line is not None else ""
                done = report.created + report.updated
                raise ImportFormatError(
                    f"{item.origin}{where}: {item.reason}",
                    f"{done} issues before it are in; mend the record and run again, "
                    "or leave --strict away to put it aside",
                )

    def _merge(
        self,
        actor: Actor,
        name: str,
        kind: str,
        batch: Sequence[Item],
        report: ImportReport,
    ) -> None:
        now = self._clock()
        with self._database.write() as uow:
            merge = Merge(uow, source_id(uow, name, kind, now), now)
            merge.apply(batch)
            done = merge.report
            if done.touched or done.quarantined:
                counts = asdict(done)
                del counts["problems"]
                audit.record(
                    uow, actor, now, "issue.import", ("source", name), after=counts
                )
        report.add_batch(done)


def source_id(uow: UnitOfWork, name: str, kind: str, now: datetime) -> int:
    """Return the number of a source; it is made at first use."""
    row = uow.session.exec(select(Source).where(Source.name == name)).first()
    if row is None:
        row = Source(uuid=new_uuid(), name=name, kind=kind, created_at=now)
        uow.session.add(row)
        uow.session.flush()
    assert row.id is not None
    return row.id
