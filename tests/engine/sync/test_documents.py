"""Documents: taken in once, changed where they changed, removed when they are gone."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY, MakeWorkspace, Team
from issuetrack.connectors.files.pages import PageReader
from issuetrack.engine.errors import (
    ImportFormatError,
    NotFoundError,
    PermissionDenied,
    UsageError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.issues.texts import MOST_BODY
from issuetrack.engine.retrieval.consistency import index_problems
from issuetrack.engine.retrieval.scope import EVERYTHING, Scope
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync import documents
from issuetrack.engine.sync.documents import DocumentReport
from issuetrack.engine.sync.ports import Item, RemoteDocument
from issuetrack.engine.workspace import Workspace

DAY = datetime(2026, 1, 31, tzinfo=UTC)
LONG = " ".join(f"The broker keeps the order {n} until it is sent." for n in range(12))
PAGE = f"""# Broker

## Symptoms

{LONG}

## Fix

1. Drain the node with `brokerctl drain node-2`. {LONG.replace("order", "letter")}

## Rollback

- `brokerctl undrain node-2`. {LONG.replace("order", "parcel")}
"""

SHORT = "# Broker\n\n## Fix\n\n1. Drain the node with `brokerctl drain node-2`."


class CountingModel:
    """The shipped model, which remembers what it was asked for."""

    def __init__(self, inner: LlamaEmbedder) -> None:
        self._inner = inner
        self.embedded: list[str] = []
        self.fingerprint = inner.fingerprint

    @property
    def dimensions(self) -> int:
        return self._inner.dimensions

    @property
    def window(self) -> int:
        return self._inner.window

    def count(self, text: str) -> int:
        return self._inner.count(text)

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        return self._inner.embed(texts)


@dataclass
class Given:
    """Documents out of nowhere."""

    found: Sequence[Item]
    whole: bool = True
    spared: set[str] = field(default_factory=set)
    fails_after: int | None = None

    def items(self) -> Iterator[Item]:
        for place, item in enumerate(self.found):
            if place == self.fails_after:
                raise KeyboardInterrupt
            yield item


def page(key: str, body: str = "text", title: str = "") -> RemoteDocument:
    """Return a document."""
    return RemoteDocument(key, title or key, body, DAY)


@pytest.fixture
def model(embedder: LlamaEmbedder) -> CountingModel:
    """Return the model that counts."""
    return CountingModel(embedder)


@pytest.fixture
def counted(
    make_workspace: MakeWorkspace, model: CountingModel, clock: Callable[[], datetime]
) -> Iterator[Workspace]:
    """Return an empty workspace that uses the counting model."""
    path = make_workspace().path
    workspace = Workspace.open(path, Unlock(environment_key=KEY), model, clock)
    yield workspace
    workspace.close()


@pytest.fixture
def wiki(tmp_path: Path) -> Path:
    """Return a folder of two pages."""
    folder = tmp_path / "wiki"
    folder.mkdir()
    (folder / "broker.md").write_text(SHORT)
    (folder / "lift.md").write_text("# Lift\n\nThe motor of the lift gets too hot.")
    return folder


def take(workspace: Workspace, folder: Path, **how: Any) -> DocumentReport:
    """Import a folder and index it."""
    taken = workspace.document_imports.run(
        workspace.actor, how.pop("source", "wiki"), "pages", PageReader(folder), **how
    )
    if not how:
        workspace.drain_index()
    return taken


def give(workspace: Workspace, *found: Item, **how: Any) -> DocumentReport:
    """Import documents out of nowhere."""
    strict = how.pop("strict", False)
    return workspace.document_imports.run(
        workspace.actor, "given", "pages", Given(found, **how), strict=strict
    )


def rows(workspace: Workspace, statement: str) -> list[tuple[Any, ...]]:
    """Read rows of the raw tables."""
    with workspace._database.read() as uow:
        return [tuple(row) for row in uow.sql(statement)]


def everything(workspace: Workspace) -> dict[str, Any]:
    """Return every row of every table, the audit trail too."""
    names = rows(workspace, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {name: rows(workspace, f"SELECT * FROM [{name}]") for (name,) in names}


def counts(taken: DocumentReport) -> dict[str, int]:
    """Return the counts that are not zero."""
    names = ("created", "updated", "unchanged", "removed", "quarantined", "kept")
    return {name: getattr(taken, name) for name in names if getattr(taken, name)}


def keys(workspace: Workspace) -> list[str]:
    """Return the keys of all documents."""
    found, _ = workspace.documents.matching(workspace.actor, "", 1000)
    return sorted(summary.key for summary in found)


def problems(workspace: Workspace) -> list[str]:
    """Return what is wrong with the index."""
    with workspace._database.read() as uow:
        return index_problems(uow)


def test_folder_is_taken_in_and_found(counted: Workspace, wiki: Path) -> None:
    """Pages become documents with sealed text, indexed by heading."""
    (wiki / "broker.md").write_text(PAGE)
    assert counts(take(counted, wiki)) == {"created": 2}
    record = counted.documents.get(counted.actor, "broker.md")
    assert record.body == PAGE.strip()
    assert (record.summary.title, record.summary.source) == ("Broker", "wiki")
    ((body,),) = rows(counted, "SELECT body FROM document WHERE title = 'Lift'")
    assert b"motor" not in body
    headings = rows(counted, "SELECT heading FROM chunk WHERE kind = 'document'")
    assert [row[0] for row in headings] == ["Broker", "Fix", "Rollback", "Lift"]
    status = counted.index_status()
    assert (status.issues, status.indexed, status.queued, status.documents) == (
        0,
        0,
        0,
        2,
    )
    assert problems(counted) == []


def test_second_import_writes_nothing(counted: Workspace, wiki: Path) -> None:
    """The same folder again, even copied anew, changes no row and embeds nothing."""
    take(counted, wiki)
    before, model = everything(counted), counted.model
    assert isinstance(model, CountingModel)
    model.embedded.clear()
    os.utime(wiki / "lift.md", (1, 1))

    assert counts(take(counted, wiki)) == {"unchanged": 2}
    assert everything(counted) == before
    assert model.embedded == []


def test_changed_page_touches_only_its_own_chunks(
    counted: Workspace, model: CountingModel, wiki: Path
) -> None:
    """One changed section is embedded; the chunks of other pages stay as they are."""
    (wiki / "broker.md").write_text(PAGE)
    take(counted, wiki)
    others = "SELECT * FROM chunk WHERE document_id <> 1 ORDER BY id"
    whole = "SELECT content_hash FROM chunk WHERE document_id = 1"
    before, hashes = rows(counted, others), set(rows(counted, whole))
    assert len(hashes) == 4
    model.embedded.clear()
    (wiki / "broker.md").write_text(PAGE.replace("undrain node-2", "undrain node-3"))

    assert counts(take(counted, wiki)) == {"updated": 1, "unchanged": 1}
    assert len(model.embedded) == 1
    assert "undrain node-3" in model.embedded[0]
    assert rows(counted, others) == before
    assert len(set(rows(counted, whole)) & hashes) == 3
    assert len(rows(counted, "SELECT * FROM chunk_vector")) == len(
        rows(counted, "SELECT DISTINCT content_hash FROM chunk")
    )
    assert problems(counted) == []


def test_page_that_is_gone_is_removed(counted: Workspace, wiki: Path) -> None:
    """Its row, chunks, vectors and words go; its number is not found any more."""
    take(counted, wiki)
    (wiki / "lift.md").unlink()

    assert counts(take(counted, wiki)) == {"unchanged": 1, "removed": 1}
    assert keys(counted) == ["broker.md"]
    assert rows(counted, "SELECT count(*) FROM chunk WHERE document_id = 2") == [(0,)]
    assert problems(counted) == []
    with pytest.raises(NotFoundError, match="there is no document lift"):
        counted.documents.get(counted.actor, "lift.md")


def test_page_that_cannot_be_read_is_kept(counted: Workspace, wiki: Path) -> None:
    """It is put aside, once, and what was known of it stays."""
    take(counted, wiki)
    (wiki / "lift.md").write_bytes(b"# L\xfcft")
    for _ in range(2):
        assert counts(take(counted, wiki)) == {"unchanged": 1, "quarantined": 1}
    assert keys(counted) == ["broker.md", "lift.md"]
    assert rows(counted, "SELECT origin FROM quarantine") == [("lift.md",)]


def test_page_that_is_left_out_now_is_kept(counted: Workspace, wiki: Path) -> None:
    """A page that became empty or a link is not taken for gone."""
    take(counted, wiki)
    (wiki / "lift.md").write_text("")
    assert counts(take(counted, wiki)) == {"unchanged": 1}
    assert keys(counted) == ["broker.md", "lift.md"]


def test_spared_folder_is_kept(counted: Workspace) -> None:
    """What stands below a folder that could not be read is not gone."""
    give(counted, page("a"), page("shut/b"), page("shut/c/d"), page("shutter"))

    assert counts(give(counted, page("a"), spared={"shut/"})) == {
        "unchanged": 1,
        "removed": 1,
    }
    assert keys(counted) == ["a", "shut/b", "shut/c/d"]


def test_another_folder_of_that_name_removes_nothing(
    counted: Workspace, wiki: Path, tmp_path: Path
) -> None:
    """Where no page was known, the old ones are kept, and it is told."""
    take(counted, wiki)
    other = tmp_path / "other"
    other.mkdir()
    (other / "new.md").write_text("# New")

    assert counts(take(counted, other)) == {"created": 1, "kept": 2}
    assert keys(counted) == ["broker.md", "lift.md", "new.md"]


def test_one_page_removes_nothing(counted: Workspace, wiki: Path) -> None:
    """A file on its own is not all that its source has."""
    take(counted, wiki)

    assert counts(take(counted, wiki / "lift.md")) == {"unchanged": 1}
    assert len(keys(counted)) == 2


def test_killed_import_keeps_whole_batches(
    counted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged is there, nothing is removed, the next run goes on."""
    # FAULTS 1
    monkeypatch.setattr(documents, "BATCH", 2)
    give(counted, page("old"), page("p0"))
    found = [page(f"p{n}", f"body {n}") for n in range(5)]
    with pytest.raises(KeyboardInterrupt):
        give(counted, *found, fails_after=3)
    assert keys(counted) == ["old", "p0", "p1"]
    assert counted.index_status().queued == 3
    assert counted.verify_audit().broken_at is None

    assert counts(give(counted, *found)) == {"created": 3, "unchanged": 2, "removed": 1}


def test_batch_that_fails_leaves_nothing(
    counted: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents, queue and audit entry of a batch commit together or not at all."""
    # FAULTS 1
    before = everything(counted)

    def fails(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(documents, "enqueue_documents", fails)
    with pytest.raises(KeyboardInterrupt):
        give(counted, page("a"), page("b"))

    assert everything(counted) == before


def test_dry_run_writes_nothing(counted: Workspace, wiki: Path) -> None:
    """It counts what would be done, removals too."""
    take(counted, wiki)
    before = everything(counted)
    (wiki / "lift.md").unlink()
    (wiki / "broker.md").write_text("# Broker, changed")
    (wiki / "new.md").write_text("# New")
    (wiki / "bad.md").write_bytes(b"\xff\xff")

    assert counts(take(counted, wiki, dry_run=True)) == {
        "created": 1,
        "updated": 1,
        "removed": 1,
        "quarantined": 1,
    }
    assert everything(counted) == before


def test_strict_stops_and_removes_nothing(counted: Workspace, wiki: Path) -> None:
    """The first bad page is an error; nothing of its batch is in."""
    take(counted, wiki)
    (wiki / "lift.md").unlink()
    (wiki / "aa.md").write_bytes(b"\xff\xff")
    with pytest.raises(ImportFormatError, match=r"aa\.md: byte 1 is not UTF-8"):
        take(counted, wiki, strict=True)

    assert keys(counted) == ["broker.md", "lift.md"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (page("a", "other"), "another page has the same name"),
        (page("b", "x" * (MOST_BODY + 1)), "its text is longer than 16 MiB"),
        (page("b", title=" "), "its title is empty"),
    ],
)
def test_document_that_cannot_be_stored(
    counted: Workspace, bad: RemoteDocument, reason: str
) -> None:
    """It is put aside, the others are taken in."""
    taken = give(counted, page("a"), bad)

    assert counts(taken) == {"created": 1, "quarantined": 1}
    assert [problem.reason for problem in taken.problems] == [reason]


def test_source_needs_a_name(counted: Workspace, wiki: Path) -> None:
    """An empty name is refused."""
    with pytest.raises(UsageError, match="name of the source"):
        take(counted, wiki, source=" ")


def test_sources_do_not_remove_from_each_other(counted: Workspace, wiki: Path) -> None:
    """The same key in two sources is two documents, which the key cannot name."""
    take(counted, wiki)
    take(counted, wiki, source="copy")
    counted.drain_index()

    assert len(keys(counted)) == 4
    with pytest.raises(NotFoundError, match="names several documents: D1, D3"):
        counted.documents.get(counted.actor, "broker.md")
    assert problems(counted) == []


def test_text_of_two_pages_is_embedded_once(
    counted: Workspace, model: CountingModel, wiki: Path
) -> None:
    """A copy of a page costs no embedding, and outlives the page that goes."""
    take(counted, wiki)
    model.embedded.clear()
    take(counted, wiki, source="copy")
    counted.drain_index()
    assert model.embedded == []
    counted.documents.remove(counted.actor, "D1")

    assert problems(counted) == []


def test_import_and_removal_are_audited(counted: Workspace, wiki: Path) -> None:
    """Each change has its entry; the chain holds."""
    take(counted, wiki)
    counted.documents.remove(counted.actor, "D2")
    entries = counted.trail.entries(counted.actor, AuditFilter(), 2)

    assert [(e.action, e.entity) for e in entries] == [
        ("document.remove", "document:2"),
        ("document.import", "source:wiki"),
    ]
    assert counted.verify_audit().broken_at is None


def test_list_finds_words_of_title_and_text(counted: Workspace, wiki: Path) -> None:
    """Every word must occur; a page that waits is found by its title."""
    take(counted, wiki)
    (wiki / "pump.md").write_text("# Pump 7\n\nIt rattles.")
    counted.document_imports.run(counted.actor, "wiki", "pages", PageReader(wiki))

    def found(words: str) -> list[str]:
        listed, total = counted.documents.matching(counted.actor, words)
        assert total == len(listed)
        return [summary.key for summary in listed]

    assert found("motor hot") == ["lift.md"]
    assert found("motor brokerctl") == []
    assert found("pump") == ["pump.md"]
    assert found("rattles") == []
    assert found("100%") == []
    assert counted.documents.matching(counted.actor, "", 1)[1] == 3


def test_document_is_named(counted: Workspace) -> None:
    """By its number, with or without the letter, or by its key or url."""
    give(counted, RemoteDocument("a/b.md", "B", "text", DAY, "https://wiki.example/b"))
    for name in ("D1", "d1", "1", "a/b.md", "https://wiki.example/b"):
        assert counted.documents.get(counted.actor, name).summary.document == 1
    for name in ("D2", "#1", "D", "", "b.md", "D" + "9" * 30):
        with pytest.raises(NotFoundError):
            counted.documents.get(counted.actor, name)


def test_roles(team: Team, wiki: Path) -> None:
    """Engineers import and remove, viewers read, services neither."""
    engineer, viewer = team.open("engineer"), team.open("viewer")
    take(engineer, wiki)
    assert viewer.documents.get(viewer.actor, "D1").summary.title == "Broker"
    assert [
        m.document
        for _, m in viewer.finding.similar(viewer.actor, Question("broker"), 1)
    ] == [1]
    for refused in (
        lambda: take(viewer, wiki),
        lambda: viewer.documents.remove(viewer.actor, "D1"),
        lambda: team.open("exporter").documents.matching(team.opened[-1].actor),
    ):
        with pytest.raises(PermissionDenied):
            refused()


def test_rotation_seals_documents_anew(counted: Workspace, wiki: Path) -> None:
    """No document stays under an old key, and all open under the new one."""
    take(counted, wiki)
    counted.keys.rotate(counted.actor)
    left = [key for key in counted.keys.status(counted.actor).keys if not key.current]

    assert all(key.rows == 0 for key in left)
    assert counted.documents.get(counted.actor, "D1").body == SHORT


def test_rebuild_indexes_documents_again(
    counted: Workspace, model: CountingModel, wiki: Path
) -> None:
    """Everything is made anew without embedding anything."""
    take(counted, wiki)
    model.embedded.clear()
    report = counted.rebuild_index()

    assert (report.issues, report.documents, model.embedded) == (0, 2, [])
    assert problems(counted) == []


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("DELETE FROM chunk WHERE document_id = 2", "1 documents neither indexed"),
        (
            "DELETE FROM chunk_lexical WHERE rowid IN "
            "(SELECT id FROM chunk WHERE kind = 'document_title')",
            "2 documents without an entry in the word index",
        ),
    ],
)
def test_checks_cover_documents(
    counted: Workspace, wiki: Path, damage: str, problem: str
) -> None:
    """What is missing from the index of documents is found."""
    take(counted, wiki)
    with counted._database.write() as uow:
        uow.sql(damage)

    assert any(found.startswith(problem) for found in problems(counted))


def asked(
    workspace: Workspace, exclude: int | None = None, scope: Scope = EVERYTHING
) -> list[Subject]:
    """Return what is most like a broker that keeps orders."""
    question = Question("broker keeps orders", exclude=exclude)
    with workspace._database.read() as uow:
        found = Search(workspace.model).find(uow, question, scope=scope)
        return [match.subject for match in found]


def test_documents_are_found_beside_issues(counted: Workspace, wiki: Path) -> None:
    """A match tells whether it is an issue or a document of the same number."""
    for title in ("Orders are kept by the broker", "Printer jam", "Broker is slow"):
        counted.issues.create(counted.actor, IssueDraft(title, LONG[:90]))
    counted.drain_index()
    before = asked(counted)
    (wiki / "broker.md").write_text(PAGE)
    take(counted, wiki)
    found = asked(counted)

    assert {Subject(SubjectKind.DOCUMENT, 1), Subject(SubjectKind.ISSUE, 1)} <= set(
        found[:3]
    )
    assert Subject(SubjectKind.DOCUMENT, 1) in asked(counted, exclude=1)
    assert Subject(SubjectKind.ISSUE, 1) not in asked(counted, exclude=1)
    assert asked(counted, scope=Scope(documents=False)) == before
    listed = counted.finding.similar(counted.actor, Question("broker keeps orders"))
    assert {type(summary).__name__ for summary, _ in listed} == {
        "IssueSummary",
        "DocumentSummary",
    }
