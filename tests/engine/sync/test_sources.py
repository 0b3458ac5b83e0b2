"""Sources: added, changed, taken out; what becomes of their issues."""

from dataclasses import replace

import pytest

from conftest import MakeWorkspace, Team
from engine.sync.scripted import (
    TOKEN,
    URL,
    Mirror,
    counts,
    remote,
    said,
    settings,
    stored,
)
from issuetrack.engine.errors import NotFoundError, UsageError, WorkspaceExists
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.types import IssueStatus, SyncOutcome
from issuetrack.engine.sync.credentials import CredentialFrom
from issuetrack.engine.sync.ports import BadRecord
from issuetrack.engine.workspace import Workspace

SCOPE = "repo acme/shop"


def test_source_is_shown_without_its_token(mirror: Mirror) -> None:
    """What was said comes back; of the token only where it is kept."""
    record = mirror.source
    assert record.settings == settings()
    assert (record.scope, record.token) == (SCOPE, CredentialFrom.STORED)
    assert (record.connected, record.paused, record.write_back) == (True, False, True)
    assert (record.last_run, record.succeeded_at, record.cursor) == (None, None, None)
    mirror.read(remote("A"), BadRecord("x", 1, "bad", "x"))
    record = mirror.source
    assert (record.issues, record.quarantined, record.succeeded_at) == (1, 1, None)
    assert record.last_run is not None
    assert record.last_run.outcome is SyncOutcome.PARTIAL
    mirror.read(remote("A"))
    assert mirror.source.succeeded_at is not None


def test_viewer_sees_sources(team: Team) -> None:
    """A viewer is told the same, but not where the token comes from."""
    Mirror(team.open("owner")).add()
    viewer = Mirror(team.open("viewer"))
    assert viewer.source.token is CredentialFrom.STORED
    assert viewer.source.settings == settings()


@pytest.mark.parametrize(
    ("name", "kind", "error"),
    [
        ("shop", "github", WorkspaceExists),
        (" shop ", "github", WorkspaceExists),
        ("all", "github", UsageError),
        ("jira", "github", UsageError),
        ("github", "jira", UsageError),
        ("", "github", UsageError),
    ],
)
def test_name_that_is_taken_is_refused(
    mirror: Mirror, name: str, kind: str, error: type[Exception]
) -> None:
    """One name is one source; those that stand for several are kept free."""
    before = mirror.tables()
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    with pytest.raises(error):
        sources.add(actor, settings(name, kind=kind), SCOPE, stored())
    assert mirror.tables() == before


def test_names_stand_for_sources(mirror: Mirror) -> None:
    """A kind is its sources, all every one; those that are paused are left out."""
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    sources.add(actor, settings("store", kind="jira"), "all")
    sources.add(actor, settings("github"), SCOPE)
    mirror.workspace.imports.run(actor, "old", "jsonl", [remote("X")])

    def names(wanted: str) -> list[str]:
        return [one.settings.name for one in sources.named(actor, wanted)]

    assert names("all") == ["github", "shop", "store"]
    assert names("jira") == ["store"]
    assert names("github") == ["github", "shop"]
    assert names("shop") == ["shop"]
    sources.pause(actor, "store", paused=True)
    assert names("all") == ["github", "shop"]
    assert names("store") == ["store"]
    for nothing in ("old", "nowhere", "servicenow"):
        with pytest.raises(NotFoundError):
            sources.named(actor, nothing)


def test_edit_of_what_is_covered_reads_everything_again(mirror: Mirror) -> None:
    """Another scope or mapping forgets the cursor; anything else keeps it."""
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    mirror.read(remote("A"))
    sources.edit(actor, "shop", settings(username="ines"), SCOPE, write_back=False)
    assert mirror.source.settings.username == "ines"
    assert (mirror.source.cursor, mirror.source.write_back) == ("cursor 1", False)
    mapped = settings(mapping=("status:held=open",))
    sources.edit(actor, "shop", mapped, SCOPE)
    assert mirror.source.cursor is None
    assert counts(mirror.read(remote("A"))) == {"unchanged": 1}
    sources.edit(actor, "shop", mapped, "repo acme/store")
    assert mirror.source.cursor is None
    assert mirror.script.secrets == [TOKEN, TOKEN]
    sources.edit(actor, "shop", replace(mapped, base_url=URL), SCOPE, stored("new"))
    mirror.run()
    assert mirror.script.secrets[-1] == "new"


def full_workspace(make_workspace: MakeWorkspace) -> Workspace:
    """Return a workspace with a local issue and two indexed ones of a source."""
    mirror = Mirror(make_workspace())
    mirror.add()
    workspace = mirror.workspace
    workspace.issues.create(workspace.actor, IssueDraft("the badge reader is dead"))
    comments = (said("c1", "Fixed by renewing it. Root cause was a timer."),)
    closed = IssueStatus.CLOSED
    mirror.read(
        remote("A", title="certificate expired", status=closed, comments=comments),
        remote("B", title="printer jams", duplicate_of="A"),
        BadRecord("x", 1, "bad", "x"),
    )
    workspace.issues.edit(workspace.actor, "A", {"title": "portal certificate expired"})
    workspace.issues.comment(workspace.actor, "A", "seen again")
    workspace.drain_index()
    workspace.issues.comment(workspace.actor, "B", "not indexed yet")
    return workspace


def found(workspace: Workspace, text: str) -> list[str]:
    """Return the titles that a search finds."""
    hits = workspace.finding.similar(workspace.actor, Question(text))
    return [hit.title for hit, _ in hits]


def assert_sound(workspace: Workspace) -> None:
    """Check the file, the trail and the search index."""
    bad = [f for f in workspace.maintenance.check(workspace.actor) if not f.ok]
    assert not bad
    assert workspace.verify_audit().broken_at is None


def test_removed_source_leaves_its_issues(make_workspace: MakeWorkspace) -> None:
    """They become local ones, edited like any other, and nothing is pending."""
    workspace = full_workspace(make_workspace)
    assert workspace.sources.remove(workspace.actor, "shop") == 2
    assert_sound(workspace)
    record = workspace.issues.get(workspace.actor, "2")
    assert record.summary.source is None
    assert record.summary.title == "portal certificate expired"
    assert (len(record.comments), record.upstream.pending) == (2, ())
    assert workspace.issues.get(workspace.actor, "3").summary.duplicate_of == 2
    workspace.issues.edit(workspace.actor, "2", {"title": "certificate"})
    assert workspace.issues.get(workspace.actor, "2").upstream.pending == ()
    workspace.drain_index()
    assert_sound(workspace)
    assert "certificate" in found(workspace, "certificate")
    Mirror(workspace).add()


def test_removed_source_takes_its_issues_along(make_workspace: MakeWorkspace) -> None:
    """With all that hangs on them, and out of the search; local ones stay."""
    workspace = full_workspace(make_workspace)
    assert workspace.sources.remove(workspace.actor, "shop", with_issues=True) == 2
    assert_sound(workspace)
    with workspace._database.read() as uow:
        tables = ("comment", "link", "issue_override", "resolution", "quarantine")
        for table in (*tables, "sync_run", "source"):
            assert uow.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
        ((chunks,),) = uow.sql("SELECT count(DISTINCT content_hash) FROM chunk")
        assert uow.sql("SELECT count(*) FROM chunk_vector") == [(chunks,)]
        assert uow.sql("SELECT count(*) FROM index_queue") == [(0,)]
    assert found(workspace, "certificate") in ([], ["the badge reader is dead"])
    assert found(workspace, "badge reader") == ["the badge reader is dead"]
    with pytest.raises(NotFoundError):
        workspace.sources.get(workspace.actor, "shop")
    Mirror(workspace).add()


def test_source_of_documents_can_be_removed(mirror: Mirror) -> None:
    """An import of pages is a source as well."""
    workspace = mirror.workspace
    with workspace._database.write() as uow:
        uow.sql(
            "INSERT INTO document (uuid, source_id, external_key, title, body, "
            "content_digest, updated_at, created_at) "
            "SELECT 'd', id, 'page', 'Page', x'00', x'00', created_at, created_at "
            "FROM source"
        )
    with pytest.raises(UsageError, match="1 documents"):
        workspace.sources.remove(workspace.actor, "shop")
    assert mirror.source.settings.name == "shop"
    workspace.sources.remove(workspace.actor, "shop", with_issues=True)
    assert workspace.documents.matching(workspace.actor)[0] == []
    assert workspace.integrity_problems() == []
