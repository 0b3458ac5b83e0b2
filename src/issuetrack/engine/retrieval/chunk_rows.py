"""Chunks by what they are of, and what they are of by their chunks."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.scope import EVERYTHING, Scope, SopScope
from issuetrack.engine.retrieval.subjects import (
    COLUMNS,
    Subject,
    SubjectKind,
    numbers_of,
)
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

TITLE_AND_TEXT = 2
NAMES = {
    SubjectKind.DOCUMENT: "SELECT id, title FROM document WHERE id IN",
    SubjectKind.SOP: "SELECT sop_id, title FROM sop JOIN sop_version AS version "
    "ON version.sop_id = sop.id AND version.version = sop.current WHERE sop.id IN",
}
OF_ISSUES = Scope(documents=False, sops=SopScope.NONE)


def listed(uow: UnitOfWork, scope: Scope) -> Scope:
    """Return a scope that looks up what it may find instead of working it out."""
    clause, parameters = scope.clause("id")
    uow.sql("CREATE TEMP TABLE IF NOT EXISTS in_scope(id INTEGER PRIMARY KEY)")
    uow.sql("DELETE FROM temp.in_scope")
    uow.sql(
        f"INSERT INTO temp.in_scope SELECT id FROM chunk WHERE {clause}", *parameters
    )
    return replace(scope, listed=True)


def vectors_of_issue(uow: UnitOfWork, number: int | None) -> list[bytes] | None:
    """Return the title's and first piece's vectors of an issue indexed as it is."""
    rows = uow.sql(
        "SELECT chunk_vector.vector FROM chunk JOIN chunk_vector USING (content_hash) "
        "WHERE chunk.issue_number = ? AND chunk.ordinal = 0 "
        "AND chunk.kind IN ('title', 'problem') "
        "AND NOT EXISTS (SELECT 1 FROM index_queue "
        " WHERE index_queue.issue_number = chunk.issue_number) "
        "ORDER BY chunk.kind = 'problem'",
        number,
    )
    return [bytes(row[0]) for row in rows] if len(rows) == TITLE_AND_TEXT else None


def _in_groups(numbers: Iterable[int]) -> list[list[int]]:
    ordered = sorted(numbers)
    size = vector_index.SQL_VARIABLES
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def parts(uow: UnitOfWork) -> set[str]:
    """Return which kinds of chunks may be there, without counting them."""
    kinds: set[str] = {*OF_ISSUES.titles(), *OF_ISSUES.texts()}
    if uow.sql("SELECT 1 FROM document LIMIT 1"):
        kinds.update((ChunkKind.DOCUMENT_TITLE, ChunkKind.DOCUMENT))
    if uow.sql("SELECT 1 FROM sop LIMIT 1"):
        kinds.update((ChunkKind.SOP_TITLE, ChunkKind.SOP))
    return kinds


def owners(
    uow: UnitOfWork, chunk_ids: set[int], scope: Scope = EVERYTHING
) -> dict[int, Subject]:
    """Return whose the chunks are that are in the scope."""
    within, parameters = scope.clause("id")
    return {
        int(row[0]): Subject.of(*row[1:])
        for group in _in_groups(chunk_ids)
        for row in uow.sql(
            "SELECT id, issue_number, document_id, sop_id FROM chunk "
            f"WHERE id IN ({','.join('?' * len(group))}) AND {within}",
            *group,
            *parameters,
        )
    }


def vectors_of(
    uow: UnitOfWork, subjects: Collection[Subject]
) -> list[tuple[Subject, str, bytes]]:
    """Return subject, kind and raw int8 vector of every chunk of these."""
    return [
        (Subject(kind, row[0]), str(row[1]), bytes(row[2]))
        for kind, column in COLUMNS.items()
        for group in _in_groups(numbers_of(subjects, kind))
        for row in uow.sql(
            f"SELECT chunk.{column}, chunk.kind, chunk_vector.vector "
            "FROM chunk JOIN chunk_vector USING (content_hash) "
            f"WHERE chunk.{column} IN ({','.join('?' * len(group))})",
            *group,
        )
    ]


def names_of(uow: UnitOfWork, subjects: Collection[Subject]) -> dict[Subject, str]:
    """Return the titles of those that are documents or procedures."""
    return {
        Subject(kind, int(row[0])): str(row[1])
        for kind, statement in NAMES.items()
        for group in _in_groups(numbers_of(subjects, kind))
        for row in uow.sql(f"{statement} ({','.join('?' * len(group))})", *group)
    }
