"""A workspace of schema 0003 with an index: its chunks and queue come along."""

from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.consistency import index_problems
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.database import SCHEMA_VERSION
from issuetrack.engine.store.unit_of_work import UnitOfWork
from issuetrack.engine.workspace import Workspace
from older_schemas import OLD_CHUNK, TO_0003


def content(uow: UnitOfWork) -> tuple[object, ...]:
    """Return what the index holds."""
    return tuple(
        uow.sql(statement)
        for statement in (
            f"SELECT {OLD_CHUNK} FROM chunk ORDER BY id",
            "SELECT id, issue_number FROM index_queue ORDER BY id",
            "SELECT rowid FROM chunk_lexical ORDER BY rowid",
            "SELECT chunk_id, part FROM chunk_bits ORDER BY chunk_id",
        )
    )


def test_index_and_queue_are_kept(workspace: Workspace) -> None:
    """Nothing is embedded again, and what waited still waits."""
    actor = workspace.actor
    for title in ("Disk full on app-07", "Lift stands still"):
        workspace.issues.create(actor, IssueDraft(title, "no space left on device"))
    workspace.drain_index()
    workspace.issues.create(actor, IssueDraft("Gate is shut"))
    database = workspace._database
    with database.write() as uow:
        before = content(uow)
        for statement in TO_0003:
            uow.sql(statement)
    database.migrate()

    assert database.schema_version() == SCHEMA_VERSION
    with database.read() as uow:
        assert content(uow) == before
        assert index_problems(uow) == []
    assert workspace.index_status().queued == 1
    found = workspace.finding.similar(actor, Question("disk is full"))
    assert found[0][1].issue == 1
    assert workspace.integrity_problems() == []
    report = workspace.drain_index()
    assert (report.issues, report.embedded) == (1, 1)
