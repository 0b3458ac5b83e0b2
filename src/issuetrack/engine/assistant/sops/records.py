"""Versions of procedures, opened: their text, what they cite, what was done to them."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlmodel import col, select

from issuetrack.engine.assistant.sops.procedure import FIELDS, Procedure
from issuetrack.engine.issues import procedures
from issuetrack.engine.issues.procedures import SopSummary
from issuetrack.engine.store.learning_tables import SopEvent, SopVersion
from issuetrack.engine.store.unit_of_work import UnitOfWork

TEXTS = (*FIELDS[1:], "notes")


@dataclass(frozen=True)
class Citation:
    """A statement of a procedure, and the words of an issue that bear it out.

    Attributes:
        field: the field that the statement stands in.
        text: the statement, as it stands there.
        issue: the number of the issue.
        key: what the issue is called in its source.
        kind: title, body, resolution or comment.
        quote: the words of the issue, verbatim.
    """

    field: str
    text: str
    issue: int
    key: str | None
    kind: str
    quote: str


@dataclass(frozen=True)
class SopVersionRecord:
    """A version of a procedure with its text.

    Attributes:
        parent: the version it was made from; None for the first.
        original: the Markdown it was imported from, verbatim; None once edited.
    """

    summary: SopSummary
    procedure: Procedure
    citations: tuple[Citation, ...]
    parent: int | None
    original: str | None


@dataclass(frozen=True)
class SopEventRecord:
    """Something that was done with a version."""

    version: int
    at: datetime
    actor: str
    action: str
    note: str | None


def procedure_of(uow: UnitOfWork, row: SopVersion) -> Procedure:
    """Return what a version says."""
    texts = procedures.content(uow, row)
    known = {name: texts.get(name, "") for name in TEXTS}
    return Procedure(row.title, **known, tags=tuple(row.tags))


def content_json(procedure: Procedure) -> str:
    """Return the fields of a procedure as they are sealed."""
    return json.dumps({name: procedure.field(name) for name in TEXTS})


def citations_of(uow: UnitOfWork, row: SopVersion) -> tuple[Citation, ...]:
    """Return what a version cites."""
    text = uow.open_optional("sop_version", "citations", row.uuid, row.citations)
    return tuple(Citation(**entry) for entry in json.loads(text)) if text else ()


def citations_json(citations: tuple[Citation, ...]) -> str | None:
    """Return citations as they are sealed; None without any."""
    return json.dumps([asdict(entry) for entry in citations]) if citations else None


def original_of(uow: UnitOfWork, row: SopVersion) -> str | None:
    """Return the Markdown that a version was imported from."""
    return uow.open_optional("sop_version", "original", row.uuid, row.original)


def record(uow: UnitOfWork, row: SopVersion) -> SopVersionRecord:
    """Return everything of one version."""
    (summary,) = procedures.summaries(uow, [row])
    return SopVersionRecord(
        summary,
        procedure_of(uow, row),
        citations_of(uow, row),
        row.parent,
        original_of(uow, row),
    )


def events(uow: UnitOfWork, sop: int) -> list[SopEventRecord]:
    """Return what was done with a procedure, in the order of time."""
    names = procedures.names_of(uow)
    rows = uow.session.exec(
        select(SopEvent).where(SopEvent.sop_id == sop).order_by(col(SopEvent.id))
    )
    return [
        SopEventRecord(
            row.version,
            row.at,
            names.get(row.actor, row.actor),
            row.action,
            uow.open_optional("sop_event", "note", row.uuid, row.note),
        )
        for row in rows
    ]


def still_cited(
    citations: tuple[Citation, ...], procedure: Procedure
) -> tuple[Citation, ...]:
    """Return the citations whose statements a procedure still has."""
    return tuple(c for c in citations if stands_in(c.text, procedure.field(c.field)))


def stands_in(statement: str, text: str) -> bool:
    """Tell whether every line of a statement stands in a text, whatever the spaces."""
    flat = " ".join(text.split())
    lines = (" ".join(line.split()) for line in statement.splitlines())
    return all(line in flat for line in lines)
