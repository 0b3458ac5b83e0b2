"""Recommendations that were given: what is kept of them, and making them again."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from assistants import new_workspace
from chat_server import ScriptedModel, Speak, quoting
from conftest import MakeWorkspace, Team
from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.assistant.recommendations import RecommendationService
from issuetrack.engine.assistant.suggestions import Suggestion, SuggestionService
from issuetrack.engine.assistant.traces import Trace
from issuetrack.engine.errors import NotFoundError, PermissionDenied, UsageError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import ChatModel
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.indexing import Indexer
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.types import CommentKind, IssueStatus, Role
from issuetrack.engine.workspace import Workspace

ASKED = Question("Disk full on app-07", "ENOSPC when writing /var/log/app")
FIX = "Root cause: old logs filled /var.\n\nFix: deleted them with `find /var -delete`."
OTHER = "Fix: extended the volume with `lvextend -r -L +20G /dev/v/var` on app-07."


@pytest.fixture(scope="module")
def past(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return a workspace with two solved issues."""
    workspace = new_workspace(tmp_path_factory.mktemp("past") / "past.db", embedder)
    for fix in (FIX, OTHER):
        draft = IssueDraft("Disk full on app-07", "ENOSPC when writing /var/log/app")
        made = workspace.issues.create(workspace.actor, draft)
        workspace.issues.resolve(workspace.actor, str(made.number), fix)
    workspace.drain_index()
    yield workspace
    workspace.close()


def given(workspace: Workspace, model: ChatModel | None = None) -> Suggestion:
    """Give a recommendation, and return it."""
    search = Search(workspace.model)
    service = SuggestionService(
        workspace._database, search, workspace._clock, lambda: model
    )
    return service.suggest(workspace.actor, ASKED, Wish(seed=7))


def service(workspace: Workspace, model: ChatModel | None) -> RecommendationService:
    """Return the recommendations, with the model that is in use."""
    return RecommendationService(workspace._database, lambda: model)


def row(workspace: Workspace, number: int) -> dict[str, Any]:
    """Return what is stored of a recommendation."""
    names = "model, seed, prompt_hash, length(title_vector), length(text_vector)"
    with workspace._database.read() as uow:
        statement = f"SELECT {names} FROM recommendation WHERE id = ?"
        (found,) = uow.sql(statement, number)
    return dict(zip(names.split(", "), found, strict=True))


def test_all_that_is_needed_is_kept(past: Workspace) -> None:
    """Model, seed, prompt, vectors of the question, and what each source counts."""
    model = ScriptedModel(quoting)
    made = given(past, model)
    kept = row(past, made.recommendation)
    assert (kept["model"], kept["seed"]) == ("scripted:1", 7)
    assert len(kept["prompt_hash"]) == 64
    assert kept["length(title_vector)"] == kept["length(text_vector)"] == 384
    with past._database.read() as uow:
        shares = uow.sql(
            "SELECT issue_number, share FROM recommendation_source "
            "WHERE recommendation_id = ? ORDER BY issue_number",
            made.recommendation,
        )
    assert sum(share for _, share in shares) == pytest.approx(1.0)
    assert [number for number, _ in shares] == [1, 2]
    stored = service(past, None).show(past.actor, made.recommendation)
    assert stored.composition == made.composition
    assert stored.question == ASKED.text
    assert stored.trace is not None
    assert stored.trace.asked is not None
    assert stored.trace.asked.messages == model.requests[0].messages
    assert stored.trace.dropped == made.dropped
    assert stored.trace.features["similarity"] > 0.5
    assert Trace.read(stored.trace.written()).written() == stored.trace.written()


def test_what_quotes_nothing_has_no_sources(past: Workspace) -> None:
    """A question that nothing is known about counts for nobody."""
    made = past.suggestions.suggest(past.actor, Question("canteen closed on friday"))
    with past._database.read() as uow:
        statement = "SELECT * FROM recommendation_source WHERE recommendation_id = ?"
        assert uow.sql(statement, made.recommendation) == []


@pytest.mark.parametrize("speak", [None, quoting, lambda *_: "prose"])
def test_same_evidence_seed_and_model_answer_the_same(
    past: Workspace, speak: Speak | None
) -> None:
    """A replay is equal, and nothing is said to differ; it stores nothing."""
    model = ScriptedModel(speak) if speak else None
    made = given(past, model)
    again = service(past, model).replay(past.actor, made.recommendation)
    assert (again.equal, again.differences) == (True, ())
    assert again.composition == made.composition
    if model is not None:
        assert model.requests[0].messages == model.requests[1].messages
        assert model.requests[1].seed == 7
    latest = service(past, None).latest(past.actor, limit=1)
    assert latest[0].recommendation == made.recommendation


def test_missing_model_is_told(past: Workspace) -> None:
    """Without the model what it said then is verified again, which is also told."""
    made = given(past, ScriptedModel(quoting))
    again = service(past, None).replay(past.actor, made.recommendation)
    assert again.equal is True
    assert again.differences == (
        "the model was scripted (scripted:1), now none is in use; "
        "what it said then was verified again",
    )
    other = ScriptedModel(quoting, name="other", fingerprint="other:2")
    again = service(past, other).replay(past.actor, made.recommendation)
    assert "now other (other:2) is in use" in again.differences[0]
    assert other.requests == []


def test_model_that_answers_otherwise_is_told(past: Workspace) -> None:
    """A server that swapped the model under the same name is found out."""
    made = given(past, ScriptedModel(quoting))

    def less(messages: Any, schema: Mapping[str, Any]) -> str:
        answer = json.loads(quoting(messages, schema))
        return json.dumps(answer | {"root_causes": []})

    again = service(past, ScriptedModel(less)).replay(past.actor, made.recommendation)
    assert again.differences[0].startswith("scripted answered otherwise from character")
    assert again.equal is False


def test_changed_evidence_is_told(make_workspace: MakeWorkspace) -> None:
    """The replay uses what was kept, and says which words are no longer there."""
    workspace = make_workspace("changing.db")
    draft = IssueDraft("Disk full on app-07", "ENOSPC when writing /var/log/app")
    workspace.issues.create(workspace.actor, draft)
    workspace.issues.resolve(workspace.actor, "1", FIX)
    workspace.drain_index()
    made = workspace.suggestions.suggest(workspace.actor, ASKED)
    with workspace._database.write() as uow:
        (found,) = uow.sql("SELECT uuid FROM resolution")
        sealed = uow.seal("resolution", "text", found[0], OTHER)
        uow.sql("UPDATE resolution SET text = ?", sealed)
    again = service(workspace, None).replay(workspace.actor, made.recommendation)
    assert again.equal is True
    assert again.differences == ("#1 no longer says: old logs filled /var.",)


def test_names_that_there_are_not(past: Workspace) -> None:
    """A number that was never given, and a recommendation of an older release."""
    with pytest.raises(NotFoundError):
        service(past, None).show(past.actor, 10_000)
    made = given(past)
    with past._database.write() as uow:
        statement = "UPDATE recommendation SET trace = NULL WHERE id = ?"
        uow.sql(statement, made.recommendation)
    stored = service(past, None).show(past.actor, made.recommendation)
    assert stored.trace is None
    with pytest.raises(UsageError):
        service(past, None).replay(past.actor, made.recommendation)


def test_viewer_does_not_read_what_rests_on_a_work_note(
    team: Team, embedder: LlamaEmbedder
) -> None:
    """Neither the suggestion nor its trace opens for a role below its evidence."""
    engineer = team.open("engineer")
    issues, actor = engineer.issues, engineer.actor
    draft = IssueDraft(ASKED.title, ASKED.body, assignee="engineer")
    issues.create(actor, draft)
    issues.comment(actor, "1", FIX, CommentKind.WORK_NOTE)
    issues.set_status(actor, "1", IssueStatus.CLOSED)
    Indexer(engineer._database, embedder).drain()
    search = Search(embedder)
    asked = SuggestionService(engineer._database, search, team.clock)
    made = asked.suggest(actor, ASKED)
    assert made.composition.steps
    kept = service(engineer, None)
    assert kept.show(actor, made.recommendation).trace is not None
    viewer = team.open("viewer")
    reading = service(viewer, None)
    with pytest.raises(PermissionDenied):
        reading.show(viewer.actor, made.recommendation)
    with pytest.raises(PermissionDenied):
        reading.replay(viewer.actor, made.recommendation)
    with engineer._database.read() as uow:
        ((payload, trace),) = uow.sql("SELECT payload, trace FROM recommendation")
        keys = uow._cipher._keys
    sealed = [keys[v[2 : 2 + v[1]].decode()].role for v in (payload, trace)]
    assert sealed == [Role.ENGINEER, Role.ENGINEER]
    listed = reading.latest(viewer.actor)
    assert [found.recommendation for found in listed] == [made.recommendation]
