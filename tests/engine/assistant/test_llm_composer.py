"""What a model makes of a suggestion: honest words are shown, anything else is not."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assistants import new_workspace
from chat_server import ScriptedModel, Speak, chat_server, quoting, shown
from conftest import MakeWorkspace
from evidence_check import holds_command, missing_words
from issuetrack.engine.assistant import answers
from issuetrack.engine.assistant.composer import Cause, Composition, Step
from issuetrack.engine.assistant.drafting import Wish
from issuetrack.engine.assistant.sources import MOST_SPANS
from issuetrack.engine.assistant.suggestions import Suggestion, SuggestionService
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.inference.ports import ChatModel
from issuetrack.engine.inference.server_chat import ServerChat
from issuetrack.engine.inference.server_client import ServerClient
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.types import IssueStatus
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

ASKED = Question("Checkout returns 500", "FATAL: sorry, too many clients already")
FIX = """\
Root cause: the connection pool of checkout was larger than the server allows.

## Steps

1. Stop the nightly export on db-2.
2. Lower the pool of checkout to 8 connections:

   ```
   kubectl -n shop set env deployment/checkout DB_POOL_MAX=8
   ```

3. Do not restart the primary.

## Verification

- The error rate is below 0.02 %.

## Rollback

- Set it back with `kubectl -n shop rollout undo deployment/checkout`.
"""
NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
Messages = Sequence[Mapping[str, str]]


@pytest.fixture(scope="module")
def past(
    tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return a workspace with one solved issue."""
    workspace = new_workspace(tmp_path_factory.mktemp("past") / "past.db", embedder)
    draft = IssueDraft("Checkout returns 500", "FATAL: sorry, too many clients already")
    made = workspace.issues.create(workspace.actor, draft)
    workspace.issues.resolve(workspace.actor, str(made.number), FIX)
    workspace.drain_index()
    yield workspace
    workspace.close()


Suggest = Callable[..., Suggestion]


@pytest.fixture
def suggest(past: Workspace) -> Suggest:
    """Return what asks a model that speaks in a certain way."""

    def asked(
        speak: Speak | ChatModel | None, wish: Wish | None = None, **more: Any
    ) -> Suggestion:
        model = ScriptedModel(speak, **more) if callable(speak) else speak
        search = Search(past.model)
        service = SuggestionService(past._database, search, past._clock, lambda: model)
        return service.suggest(past.actor, ASKED, wish)

    return asked


def statements(c: Composition) -> tuple[Cause | Step, ...]:
    """Return everything that is stated."""
    return (*c.root_causes, *c.steps, *c.validation, *c.rollback)


def said(c: Composition) -> list[str]:
    """Return what is stated, in order."""
    return [s.cause if isinstance(s, Cause) else s.action for s in statements(c)]


def assert_borne_out(made: Suggestion) -> None:
    """Check by other means that all that is stated stands in what it cites."""
    quotes = {item.id: item.quote for item in made.composition.evidence}
    for statement in statements(made.composition):
        cited = [quotes[name] for name in statement.evidence]
        text = statement.cause if isinstance(statement, Cause) else statement.action
        assert missing_words(text, cited) == []
        if isinstance(statement, Step) and statement.command:
            assert holds_command(statement.command, cited)


def edited(*replaced: str) -> Speak:
    """Return a model that quotes, with some words replaced: `old -> new`."""

    def speak(messages: Messages, schema: Mapping[str, Any]) -> str:
        text = quoting(messages, schema)
        for change in replaced:
            old, _, new = change.partition(" -> ")
            assert old in text
            text = text.replace(old, new)
        return text

    return speak


def test_honest_words_are_shown(suggest: Suggest) -> None:
    """A model that says what the evidence says is let speak, cited and named."""
    plain = suggest(None)
    made = suggest(edited("the connection pool -> a connection pool"))
    assert (plain.composer, plain.model) == ("extractive", None)
    assert (made.composer, made.model) == ("llm", "scripted")
    assert all(statement.by_model for statement in statements(made.composition))
    assert "a connection pool of checkout" in made.composition.root_causes[0].cause
    assert made.composition.steps[1].command == plain.composition.steps[1].command
    assert made.composition.evidence == plain.composition.evidence
    assert (made.dropped, made.trace.warnings) == (
        tuple(d for d in made.dropped if d.field == "summary"),
        (),
    )
    assert_borne_out(made)


@pytest.mark.parametrize(
    ("lie", "field", "kept"),
    [
        (
            "Stop the nightly export on db-2 -> Stop the nightly export on db-1",
            "steps",
            0,
        ),
        ("Stop the nightly -> Do not stop the nightly", "steps", 0),
        ("Do not restart the primary -> Restart the primary", "steps", 2),
        ("Do not restart the primary -> Do restart the primary", "steps", 2),
        ("to 8 connections -> to 80 connections", "steps", 1),
        ("DB_POOL_MAX=8 -> DB_POOL_MAX=800", "steps", 1),
        ("was larger than -> was smaller than", "root_causes", 0),
        ("below 0.02 % -> below 2 %", "validation", 0),
        ("rollout undo -> rollout restart", "rollback", 0),
    ],
)
def test_lies_are_dropped_item_by_item(
    suggest: Suggest, lie: str, field: str, kept: int
) -> None:
    """The one item that lies is shown as the quote; the others stay the model's."""
    plain, made = suggest(None).composition, suggest(edited(lie))
    now: Sequence[Cause | Step] = getattr(made.composition, field)
    assert said(made.composition) == said(plain)
    assert [s for s in statements(made.composition) if not s.by_model] == [now[kept]]
    dropped = [item for item in made.dropped if item.field != "summary"]
    assert [item.field for item in dropped] == [field]
    assert dropped[0].reason
    assert lie.partition(" -> ")[2] not in repr(made.composition)
    assert_borne_out(made)


def always(text: str) -> Speak:
    """Return a model that says one thing."""
    return lambda messages, schema: text


def well_formed(**fields: Any) -> Speak:
    """Return a model whose answer has the form asked for, with some of its own."""

    def speak(messages: Messages, schema: Mapping[str, Any]) -> str:
        names = schema["properties"]
        empty = {name: "-" if name == "summary" else [] for name in names}
        return json.dumps(empty | fields)

    return speak


STEP = {"evidence": ["E2"], "action": "Stop the nightly export on db-2."}


@pytest.mark.parametrize(
    "lie",
    [
        {"evidence": ["E99"]},
        {"evidence": ["E1"]},
        {"evidence": ["E2", "E0"]},
        {"command": "rm -rf /"},
        {"command": "kubectl -n shop set env deployment/checkout DB_POOL_MAX=8"},
    ],
)
def test_what_was_not_offered_cannot_be_cited(
    suggest: Suggest, lie: Mapping[str, Any]
) -> None:
    """An id, or a command, that the evidence of the item does not have."""
    made = suggest(well_formed(steps=[{**STEP, **lie}]))
    assert made.composition == suggest(None).composition
    (dropped,) = [item for item in made.dropped if item.field == "steps"]
    assert "cit" in dropped.reason


@pytest.mark.parametrize(
    "speak",
    [
        always("I am sorry, but as a language model I would restart it."),
        always(""),
        always("{" * 100_000),
        always('{"summary": "x", "steps": ['),
        always("[]"),
        always("null"),
        well_formed(steps=[{**STEP, "evidence": []}]),
        well_formed(steps=[{**STEP, "evidence": "E2"}]),
        well_formed(steps=[{**STEP, "exec": "rm -rf /"}]),
        well_formed(steps=[{**STEP, "action": "x" * 5000}]),
        well_formed(steps=[STEP] * 50),
        well_formed(summary=["x"]),
        well_formed(exec="rm -rf /"),
        lambda messages, schema: json.dumps({"summary": "-"}),
    ],
)
def test_prose_and_broken_forms_fall_back(suggest: Suggest, speak: Speak) -> None:
    """Then the quotes are shown, with a warning of one line, and nothing is lost."""
    plain, made = suggest(None), suggest(speak)
    assert made.composition == plain.composition
    assert (made.composer, made.dropped) == ("extractive", ())
    (warning,) = made.trace.warnings
    assert warning.startswith("answered without the model: ")
    assert "rm -rf" not in warning
    assert "--no-llm" in warning


class Broken:
    """A model that fails."""

    name, fingerprint, context = "broken", "broken:1", 8192

    def __init__(self, error: ModelError) -> None:
        self._error = error

    def count(self, text: str) -> int:
        return len(text) // 4

    def complete(self, *_: Any) -> Any:
        raise self._error


def test_failing_model_falls_back(suggest: Suggest) -> None:
    """A server that is down is told with its remedy, and the answer is still there."""
    made = suggest(Broken(ModelError("no server answers", "start it")))
    assert made.composition == suggest(None).composition
    assert made.trace.warnings == (
        "answered without the model: no server answers (start it)",
    )


def test_model_that_cannot_be_had_falls_back(past: Workspace) -> None:
    """Neither does a model file that is gone keep anybody from an answer."""

    def gone() -> ChatModel:
        raise ModelError("the model file is gone", "issuetrack models list")

    search = Search(past.model)
    service = SuggestionService(past._database, search, past._clock, gone)
    made = service.suggest(past.actor, ASKED)
    assert made.composition.steps
    assert "the model file is gone" in made.trace.warnings[0]
    unasked = service.suggest(past.actor, ASKED, Wish(model=False))
    assert unasked.trace.warnings == ()


def test_stopped_model_leaves_the_quotes(suggest: Suggest) -> None:
    """Whoever does not want to wait has the extractive answer."""
    stop = threading.Event()
    stop.set()
    made = suggest(quoting, Wish(cancel=stop))
    assert made.composition == suggest(None).composition
    assert made.trace.warnings == (
        "the model was stopped; this is what the evidence says in its own words",
    )


def test_answer_that_was_cut_is_read_as_far_as_it_goes(suggest: Suggest) -> None:
    """Whole items before the cut are used; the half one is not."""

    def speak(messages: Messages, schema: Mapping[str, Any]) -> str:
        text = quoting(messages, schema)
        return text[: text.index("Do not restart")]

    made = suggest(speak, finish="length")
    by_model = [s.by_model for s in made.composition.steps]
    assert by_model == [True, True, False]
    assert "did not come to an end" in made.trace.warnings[0]


def test_small_context_leaves_out_the_least_relevant(suggest: Suggest) -> None:
    """Evidence is trimmed by rank, said in a warning; the rest is still quoted."""
    made = suggest(quoting, context=960)
    assert "did not fit into the 960 tokens of scripted" in made.trace.warnings[0]
    assert said(made.composition) == said(suggest(None).composition)
    tiny = suggest(quoting, context=100)
    assert "none of the evidence fits into the 100 tokens" in tiny.trace.warnings[0]


def test_model_that_counts_otherwise_is_shown_less(suggest: Suggest) -> None:
    """A model that finds the prompt too long is asked again with half of it."""

    class Optimist(ScriptedModel):
        def count(self, text: str) -> int:
            return len(text) // 4 + 1 if len(text) > 900 else len(text) // 8

    made = suggest(Optimist(quoting, context=1400))
    assert len(made.composition.steps) == 3


def test_model_saying_less_never_takes_away(suggest: Suggest) -> None:
    """A model with nothing to say changes nothing."""
    plain, made = suggest(None), suggest(well_formed())
    assert made.composition == plain.composition
    assert made.composer == "extractive"
    assert "better borne out" in made.trace.warnings[0]


def test_shorter_words_do_not_replace_the_quote(suggest: Suggest) -> None:
    """What leaves out words of a quote is dropped, and the quote is shown."""
    step = {"evidence": ["E3"], "action": "Lower the pool of checkout"}
    made = suggest(well_formed(steps=[step]))
    assert said(made.composition) == said(suggest(None).composition)
    assert [d.reason for d in made.dropped if d.field == "steps"] == [
        "it says less than the quote that is shown"
    ]


def test_summary_and_questions_are_verified(suggest: Suggest) -> None:
    """A summary or question that brings in something new is left out."""
    good = "The connection pool of checkout was larger than the server allows."
    asked = "Is the nightly export on db-2 still started?"
    made = suggest(
        well_formed(summary=good, questions=[asked, "What is the root password?"])
    )
    assert made.composition.summary.endswith(good)
    assert asked in made.composition.questions
    assert "password" not in repr(made.composition)
    bad = suggest(well_formed(summary="Call +1 555 0100 at once."))
    assert bad.composition.summary == suggest(None).composition.summary


def test_no_evidence_asks_no_model(past: Workspace) -> None:
    """Where nothing is on record there is nothing to put into words."""
    model = ScriptedModel(quoting)
    service = SuggestionService(
        past._database, Search(past.model), past._clock, lambda: model
    )
    made = service.suggest(past.actor, Question("the canteen is closed"))
    assert (made.composition.confidence, model.requests) == (0.0, [])


def test_pieces_are_given_on_as_they_come(suggest: Suggest) -> None:
    """The first call tells that the model was asked; the rest are its words."""
    pieces: list[str] = []
    suggest(quoting, Wish(on_token=pieces.append))
    assert pieces[0] == ""
    assert json.loads("".join(pieces))


def test_quotes_are_given_on_before_the_model_is_asked(suggest: Suggest) -> None:
    """Whoever waits for a model has the extractive answer to read meanwhile."""
    told: list[object] = []
    wish = Wish(on_quoted=told.append, on_token=told.append)
    suggest(quoting, wish)
    assert told[:2] == [suggest(None).composition, ""]
    told.clear()
    suggest(quoting, replace(wish, model=False))
    assert told == []


def test_evidence_is_offered_by_kind(past: Workspace) -> None:
    """The model sees what each span tells, and its command apart."""
    model = ScriptedModel(quoting)
    search = Search(past.model)
    service = SuggestionService(past._database, search, past._clock, lambda: model)
    service.suggest(past.actor, ASKED)
    (request,) = model.requests
    offered = shown([{"content": request.messages[-1].content}])
    assert [item.kind for item in offered] == [
        "cause",
        "step",
        "step",
        "step",
        "validation",
        "rollback",
    ]
    assert (
        offered[2].command
        == "kubectl -n shop set env deployment/checkout DB_POOL_MAX=8"
    )
    assert {item.place for item in offered} == {"#1"}


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ('{"a": [{"b": "c"}, {"b": "', '{"a": [{"b": "c"}]}'),
        ('{"a": [{"b": "}]\\"{"}, {"b', '{"a": [{"b": "}]\\"{"}]}'),
        ('{"a": [{"b": ["x"], "c": "y', ""),
        ("prose", ""),
        ("]]}}", ""),
    ],
)
def test_cut_json_is_completed(text: str, whole: str) -> None:
    """Up to the last object that is complete, and with its ends."""
    assert answers.completed(text) == whole


def test_model_behind_a_server(suggest: Suggest) -> None:
    """Honest words over HTTP are shown; prose, and a server gone away, fall back."""
    with chat_server(quoting) as server:
        model = ServerChat(ServerClient(server.url, "test"), "box")
        made = suggest(model)
        server.speak = always("I would rather talk about the weather.")
        prose = suggest(model)
    gone = suggest(model, Wish(timeout=5.0))
    model.close()
    assert (made.composer, made.model) == ("llm", "box")
    assert all(statement.by_model for statement in statements(made.composition))
    for fallen in (prose, gone):
        assert fallen.composition == suggest(None).composition
        assert fallen.trace.warnings[0].startswith("answered without the model: ")


def test_issue_with_hundreds_of_comments(make_workspace: MakeWorkspace) -> None:
    """A fix of 500 steps is cut: the answer is short, and so is what is kept."""
    workspace = make_workspace("long.db")
    comments = tuple(
        RemoteComment(f"Node {n} is back, looking at the next.", NOW, "ops")
        for n in range(500)
    )
    issue = RemoteIssue(
        "OPS-1",
        "Checkout returns 500",
        NOW,
        NOW,
        status=IssueStatus.CLOSED,
        resolution="\n".join(f"{n}. Restart node {n}." for n in range(1, 501)),
        comments=comments,
    )
    workspace.imports.run(workspace.actor, "jira", "jira", [issue])
    workspace.drain_index()
    model = ScriptedModel(quoting, context=2048)
    service = SuggestionService(
        workspace._database, Search(workspace.model), workspace._clock, lambda: model
    )
    made = service.suggest(workspace.actor, ASKED)
    assert made.composition.steps
    assert len(made.trace.sources[0].fix) == MOST_SPANS
    assert len(model.requests) == 1


def test_text_that_is_not_english(make_workspace: MakeWorkspace) -> None:
    """Evidence in another language is offered, quoted and verified like any other."""
    workspace = make_workspace("german.db")
    draft = IssueDraft("Kasse meldet Fehler 500", "Zu viele Verbindungen")
    workspace.issues.create(workspace.actor, draft)
    fix = "Ursache: der Pool war zu groß.\n\nLösung: Pool auf 8 Verbindungen gesenkt."
    workspace.issues.resolve(workspace.actor, "1", fix)
    workspace.drain_index()
    service = SuggestionService(
        workspace._database,
        Search(workspace.model),
        workspace._clock,
        lambda: ScriptedModel(quoting),
    )
    made = service.suggest(workspace.actor, Question("Kasse meldet Fehler 500"))
    assert made.composer == "llm"
    assert_borne_out(made)
    empty = service.suggest(workspace.actor, Question("Kasse", "\u202e\x00"))
    assert empty.recommendation == made.recommendation + 1
