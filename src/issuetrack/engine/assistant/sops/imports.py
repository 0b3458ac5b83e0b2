"""Takes Markdown files in as procedures, batch by batch: new, changed or as they were.

A file is known again by its key, and a change by its text, verbatim. What a person
edited here is kept until the file changes; then the file is the next version, and the
edit stays in the history.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath

from sqlmodel import col, select

from issuetrack.engine.assistant.sops import markdown as sop_markdown
from issuetrack.engine.assistant.sops import records as sop_records
from issuetrack.engine.assistant.sops import workflow as sop_workflow
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.workflow import Act, Basis, NewVersion
from issuetrack.engine.errors import UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.learning_tables import Sop, SopVersion
from issuetrack.engine.store.unit_of_work import UnitOfWork
from issuetrack.engine.sync.ports import BadRecord

BATCH = 50
OVERVIEWS = frozenset(("readme", "index", "_index"))
LEAST_OVERVIEW = 300
ABOUT_THE_PROJECT = frozenset(
    (
        *("license", "licence", "contributing", "changelog", "code_of_conduct"),
        *("security", "maintainers", "authors"),
    )
)


@dataclass(frozen=True)
class SopFile:
    """A Markdown file: the name it is known by again, and its text, verbatim."""

    key: str
    text: str


@dataclass(frozen=True)
class ImportWish:
    """How an import goes about.

    Attributes:
        approved: put what is read into force at once.
        tags: given to every procedure, beside its own.
        dry_run: count, and write nothing.
    """

    approved: bool = False
    tags: tuple[str, ...] = ()
    dry_run: bool = False


@dataclass
class SopImport:
    """What an import did.

    Attributes:
        skipped: files such as a licence, or a README that hardly says anything.
        refused: files that could not be taken in; `problems` says why.
    """

    dry_run: bool
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    refused: int = 0
    problems: list[BadRecord] = field(default_factory=list)


@dataclass(frozen=True)
class _Read:
    """A file and the procedure it tells."""

    file: SopFile
    procedure: Procedure


@dataclass(frozen=True)
class _Known:
    """What is stored of a file.

    Attributes:
        newest: the newest version.
        original: the text of the last version that was read from the file.
        tags: those of that version.
    """

    sop: Sop
    newest: SopVersion
    original: str | None
    tags: tuple[str, ...] = ()

    def holds(self, read: _Read) -> bool:
        """Tell whether the file was read before as it is, with these tags."""
        tagged = set(read.procedure.tags) <= set(self.tags)
        return tagged and self.original == read.file.text


def run(
    database: Database,
    clock: Callable[[], datetime],
    actor: Actor,
    files: Iterable[SopFile | BadRecord],
    wish: ImportWish,
    progress: Callable[[SopImport], None] | None,
) -> SopImport:
    """Take files in, one transaction a batch.

    Raises:
        PermissionDenied: they are to be approved at once, and the policy is off.
    """
    if wish.approved:
        with database.read() as uow:
            why = f"{actor.name} writes what is imported"
            sop_workflow.check_author_may_approve(uow, why)
    report, seen = SopImport(wish.dry_run), set[str]()
    left = iter(files)
    while batch := list(islice(left, BATCH)):
        found = list(_parsed(batch, wish, report, seen))
        if wish.dry_run:
            with database.read() as uow:
                _count(_known(uow, found), found, report)
        elif found:
            with database.write() as uow:
                act = Act(actor, clock(), "import")
                _Taking(uow, act, wish, report).take(found)
        if progress is not None:
            progress(report)
    return report


def _parsed(
    batch: Sequence[SopFile | BadRecord],
    wish: ImportWish,
    report: SopImport,
    seen: set[str],
) -> Iterator[_Read]:
    """Yield the files that tell a procedure; note the others in the report."""
    for item in batch:
        report.read += 1
        if isinstance(item, SopFile) and item.key in seen:
            item = BadRecord(item.key, None, "another file has the same name", "")
        if isinstance(item, BadRecord):
            _refuse(report, item)
            continue
        seen.add(item.key)
        try:
            procedure = sop_markdown.read(item.text, item.key)
            sop_workflow.check(procedure)
        except UsageError as error:
            reason = error.message.removeprefix(f"{item.key} ")
            _refuse(report, BadRecord(item.key, None, reason, ""))
            continue
        if not _tells(item.key, procedure):
            report.skipped += 1
            continue
        tags = (*procedure.tags, *wish.tags)
        yield _Read(item, replace(procedure, tags=tags))


def _refuse(report: SopImport, problem: BadRecord) -> None:
    report.refused += 1
    report.problems.append(problem)


def _tells(key: str, procedure: Procedure) -> bool:
    """Tell whether a file says more than what its folder or project is."""
    stem = PurePosixPath(key).stem.casefold()
    if procedure.steps or stem not in OVERVIEWS | ABOUT_THE_PROJECT:
        return True
    length = sum(len(procedure.field(name)) for name in sop_records.TEXTS)
    return stem in OVERVIEWS and length >= LEAST_OVERVIEW


def _known(uow: UnitOfWork, found: Sequence[_Read]) -> dict[str, _Known]:
    keys = [read.file.key for read in found]
    sops = uow.session.exec(select(Sop).where(col(Sop.key).in_(keys))).all()
    rows = uow.session.exec(
        select(SopVersion)
        .where(col(SopVersion.sop_id).in_([sop.id for sop in sops]))
        .order_by(col(SopVersion.version))
    ).all()
    newest = {row.sop_id: row for row in rows}
    imported = {row.sop_id: row for row in rows if row.original is not None}
    known = {}
    for sop in sops:
        assert sop.id is not None
        assert sop.key is not None
        row = imported.get(sop.id)
        known[sop.key] = _Known(sop, newest[sop.id], None)
        if row is not None:
            original = sop_records.original_of(uow, row)
            known[sop.key] = _Known(sop, newest[sop.id], original, tuple(row.tags))
    return known


def _count(
    known: Mapping[str, _Known], found: Sequence[_Read], report: SopImport
) -> None:
    for read in found:
        stored = known.get(read.file.key)
        if stored is None:
            report.created += 1
        elif stored.holds(read):
            report.unchanged += 1
        else:
            report.updated += 1


@dataclass(frozen=True)
class _Taking:
    """Writes one batch."""

    uow: UnitOfWork
    act: Act
    wish: ImportWish
    report: SopImport

    def take(self, found: Sequence[_Read]) -> None:
        """Write what is new or changed, with one audit entry for all of it."""
        known = _known(self.uow, found)
        _count(known, found, self.report)
        touched = [self._one(read, known.get(read.file.key)) for read in found]
        numbers = [number for number in touched if number is not None]
        if numbers:
            audit.record(
                self.uow,
                self.act.actor,
                self.act.now,
                "sop.import",
                ("sop", "import"),
                after={"sops": numbers, "approved": self.wish.approved},
            )

    def _one(self, read: _Read, stored: _Known | None) -> int | None:
        """Return the number of the procedure if anything was written."""
        new = NewVersion(read.procedure, original=read.file.text, key=read.file.key)
        if stored is None:
            row = sop_workflow.create(self.uow, self.act, new)
        elif not stored.holds(read):
            newest = stored.newest.version
            basis = Basis(newest, newest)
            row = sop_workflow.add_version(self.uow, self.act, stored.sop, new, basis)
        else:
            row = stored.newest
            waits = self.wish.approved and row.status in sop_workflow.OPEN
            if row.original is None or not waits:
                return None
        if self.wish.approved:
            sop = self.uow.session.get_one(Sop, row.sop_id)
            approving = replace(self.act, action="approve")
            sop_workflow.put_into_force(self.uow, approving, sop, row)
        return row.sop_id
