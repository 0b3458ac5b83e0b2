"""Takes in documents, batch by batch: new, changed, as they were, or gone.

A document is known again by its source and key, and a change by the digest of its
title, text and url; what has not changed is not written. What a folder no longer has
is removed once all of it has been read.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlmodel import col, select

from issuetrack.engine.errors import ImportFormatError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues import knowledge
from issuetrack.engine.issues.texts import (
    MOST_BODY,
    checked_title,
    clean_line,
    optional_line,
)
from issuetrack.engine.retrieval.outbox import enqueue_documents
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.tables import Document, Source
from issuetrack.engine.store.unit_of_work import UnitOfWork, new_uuid
from issuetrack.engine.sync.merge import Merge, MergeReport
from issuetrack.engine.sync.ports import (
    BadRecord,
    Item,
    RemoteDocument,
    SkippedRecord,
)
from issuetrack.engine.sync.service import ImportReport, source_id

BATCH = 100
BATCH_CHARACTERS = 32 * 1024 * 1024
REMOVED_AT_ONCE = 500


class DocumentSet(Protocol):
    """Documents to be read.

    Attributes:
        whole: they are all that the source has; others of it are gone.
        spared: while reading, keys that could not be read and are not gone for that;
            with a `/` at the end all keys below.
    """

    @property
    def whole(self) -> bool: ...

    @property
    def spared(self) -> Collection[str]: ...

    def items(self) -> Iterator[Item]:
        """Yield documents, bad records and what was passed over."""
        ...


@dataclass(kw_only=True)
class DocumentReport(ImportReport):
    """What an import of documents did.

    Attributes:
        kept: documents that are not in the set and were kept, because none of the
            source's are: it is likely another set under the same name.
    """

    kept: int = field(default=0)


@dataclass
class _Run:
    """What one import knows while it goes on."""

    report: DocumentReport
    seen: set[str] = field(default_factory=set)
    met: bool = False


def content_digest(document: RemoteDocument) -> bytes:
    """Return the digest by which a change of a document is known."""
    content = {"title": document.title, "body": document.body, "url": document.url}
    return audit.digest(content)


class DocumentImportService:
    """Imports documents into one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def run(
        self,
        actor: Actor,
        source: str,
        kind: str,
        documents: DocumentSet,
        *,
        dry_run: bool = False,
        strict: bool = False,
        progress: Callable[[ImportReport], None] | None = None,
    ) -> DocumentReport:
        """Take documents in, one transaction a batch.

        Args:
            actor: who imports.
            source: the name under which the keys are unique; made at first use.
            kind: what they come from, such as `pages` or `slack`.
            documents: read lazily.
            dry_run: count, and write nothing.
            strict: stop at the first bad record; nothing is removed then.
            progress: called after each batch.

        Raises:
            ImportFormatError: strict, and a record is bad.
        """
        authorize(actor, Permission.IMPORT)
        name = clean_line(source)
        if not name:
            raise UsageError("the name of the source is empty", "use --source NAME")
        run = _Run(DocumentReport(source=name, dry_run=dry_run))
        for batch in _batches(_checked(item, run.seen) for item in documents.items()):
            if strict:
                _refuse_bad(batch, run.report)
            run.report.read += len(batch)
            self._take(actor, kind, batch, run)
            if progress is not None:
                progress(run.report)
        if documents.whole:
            self._remove_gone(actor, documents.spared, run)
        return run.report

    def _take(self, actor: Actor, kind: str, batch: Sequence[Item], run: _Run) -> None:
        found = {i.key: i for i in batch if isinstance(i, RemoteDocument)}
        bad = [item for item in batch if isinstance(item, BadRecord)]
        done = MergeReport()
        done.skipped = sum(isinstance(item, SkippedRecord) for item in batch)
        changes = _Changes()
        if run.report.dry_run:
            with self._database.read() as uow:
                changes = _Changes.of(uow, _known_source(uow, run.report.source), found)
            done.quarantined, done.problems = len(bad), bad
        elif found or bad:
            now = self._clock()
            with self._database.write() as uow:
                number = source_id(uow, run.report.source, kind, now)
                changes = _Changes.of(uow, number, found)
                changes.write(uow, number, now)
                if bad:
                    aside = Merge(uow, number, now)
                    aside.apply(bad)
                    done.add(aside.report)
                    done.problems = aside.report.problems
                self._audit(uow, actor, now, run.report.source, changes.counts(bad))
        done.created, done.updated = len(changes.new), len(changes.changed)
        done.unchanged = len(changes.same)
        run.met = run.met or bool(changes.changed or changes.same)
        run.report.add_batch(done)

    @staticmethod
    def _audit(
        uow: UnitOfWork,
        actor: Actor,
        now: datetime,
        source: str,
        counts: dict[str, int],
    ) -> None:
        if any(counts.values()):
            entity = ("source", source)
            audit.record(uow, actor, now, "document.import", entity, after=counts)

    def _remove_gone(self, actor: Actor, spared: Collection[str], run: _Run) -> None:
        with self._database.read() as uow:
            number = _known_source(uow, run.report.source)
            rows = uow.session.exec(
                select(Document.id, Document.external_key).where(
                    Document.source_id == number
                )
            ).all()
        prefixes = tuple(name for name in spared if name.endswith("/"))
        gone = [
            row
            for row, key in rows
            if row is not None
            and key not in run.seen
            and key not in spared
            and not key.startswith(prefixes)
        ]
        if gone and not run.met:
            run.report.kept = len(gone)
            return
        run.report.removed = len(gone)
        if run.report.dry_run:
            return
        for start in range(0, len(gone), REMOVED_AT_ONCE):
            part, now = gone[start : start + REMOVED_AT_ONCE], self._clock()
            with self._database.write() as uow:
                knowledge.drop(uow, part)
                counts = {"removed": len(part)}
                self._audit(uow, actor, now, run.report.source, counts)


@dataclass(frozen=True)
class _Changes:
    """What a batch says against what is stored."""

    new: Sequence[RemoteDocument] = ()
    changed: Sequence[tuple[int, RemoteDocument]] = ()
    same: Sequence[RemoteDocument] = ()

    @classmethod
    def of(
        cls, uow: UnitOfWork, source: int | None, found: dict[str, RemoteDocument]
    ) -> "_Changes":
        rows = uow.session.exec(
            select(Document.external_key, Document.id, Document.content_digest).where(
                Document.source_id == source,
                col(Document.external_key).in_(list(found)),
            )
        )
        known = {key: (number, digest) for key, number, digest in rows}
        new, changed, same = [], [], []
        for key, document in found.items():
            number, digest = known.get(key, (None, b""))
            if number is None:
                new.append(document)
            elif digest == content_digest(document):
                same.append(document)
            else:
                changed.append((number, document))
        return cls(new, changed, same)

    def counts(self, bad: Sequence[BadRecord]) -> dict[str, int]:
        """Return what the audit trail tells of the batch."""
        return {
            "created": len(self.new),
            "updated": len(self.changed),
            "quarantined": len(bad),
        }

    def write(self, uow: UnitOfWork, source: int, now: datetime) -> None:
        """Write what is new or changed, and queue it for the index."""
        touched = []
        for document in self.new:
            uuid = new_uuid()
            row = Document(
                uuid=uuid,
                source_id=source,
                external_key=document.key,
                created_at=now,
                **_values(uow, uuid, document),
            )
            uow.session.add(row)
            uow.session.flush()
            touched.append(row.id)
        for number, document in self.changed:
            row = uow.session.get_one(Document, number)
            for name, value in _values(uow, row.uuid, document).items():
                setattr(row, name, value)
            touched.append(number)
        uow.session.flush()
        enqueue_documents(uow, [n for n in touched if n is not None], now)


def _values(uow: UnitOfWork, uuid: str, document: RemoteDocument) -> dict[str, Any]:
    return {
        "title": checked_title(document.title),
        "url": optional_line(document.url),
        "body": uow.seal("document", "body", uuid, document.body),
        "content_digest": content_digest(document),
        "updated_at": document.updated_at,
    }


def _known_source(uow: UnitOfWork, name: str) -> int | None:
    return uow.session.exec(select(Source.id).where(Source.name == name)).first()


def _checked(item: Item, seen: set[str]) -> Item:
    """Turn a document that cannot be stored into a bad record."""
    if not isinstance(item, RemoteDocument):
        return item
    key = clean_line(item.key)
    reason = None
    if key in seen:
        reason = "another page has the same name"
    elif len(item.body) > MOST_BODY:
        reason = "its text is longer than 16 MiB"
    elif not clean_line(item.title):
        reason = "its title is empty"
    seen.add(key)
    if reason is not None:
        return BadRecord(item.key, None, reason, item.title)
    return RemoteDocument(key, item.title, item.body, item.updated_at, item.url)


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += len(item.body) if isinstance(item, RemoteDocument) else 0
        if len(batch) == BATCH or size > BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _refuse_bad(batch: Sequence[Item], report: DocumentReport) -> None:
    for item in batch:
        if isinstance(item, BadRecord):
            done = report.created + report.updated
            raise ImportFormatError(
                f"{item.origin}: {item.reason}",
                f"{done} documents before it are in; mend the page and run again, "
                "or leave --strict away to put it aside",
            )
