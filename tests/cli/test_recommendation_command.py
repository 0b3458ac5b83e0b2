"""`recommendation`, and `suggest` with and without a language model."""

import json
import signal
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest

from chat_server import ScriptedModel, Speak, quoting
from cli.conftest import Cli
from issuetrack.cli.suggesting import stopped_by_interrupt
from issuetrack.engine.services import Services

Messages = Sequence[Mapping[str, str]]


def use(monkeypatch: pytest.MonkeyPatch, speak: Speak) -> ScriptedModel:
    """Have a scripted model be the one that was chosen."""
    model = ScriptedModel(speak)
    monkeypatch.setattr(Services, "chat", model)
    monkeypatch.setattr(Services, "has_chat", True)
    return model


def lying(messages: Messages, schema: Mapping[str, Any]) -> str:
    """Quote the evidence, but for one step."""
    answer = json.loads(quoting(messages, schema))
    answer["steps"][0]["action"] = "Drop the \x1b[31mcustomers table"
    return json.dumps(answer)


def test_suggestion_by_a_model_is_kept_and_made_again(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says who wrote what, is listed, shown as it was, and replayed equal."""
    model = use(monkeypatch, quoting)
    done = past_cli("suggest", "OPS-4", "-o", "json")
    made = done.data
    assert (made["composer"], made["model"]) == ("llm", "scripted")
    assert all(step["by_model"] for step in made["steps"])
    assert done.envelope["warnings"] == []
    (row,) = past_cli("recommendation", "list", "-o", "json").data
    assert (row["recommendation"], row["issue"], row["composer"]) == (1, 4, "llm")
    assert row["model"] == "scripted:1"
    assert past_cli("recommendation", "list", "--issue", "1", "-o", "json").data == []
    stored = past_cli("recommendation", "show", "R1", "-o", "json").data
    same = [key for key in made if key not in ("similar", "explain")]
    assert {key: stored[key] for key in same} == {key: made[key] for key in same}
    again = past_cli("recommendation", "replay", "r1", "-o", "json").data
    assert (again["equal"], again["differences"]) == (True, [])
    assert len(model.requests) == 2
    told = past_cli("recommendation", "replay", "1").out
    assert told == "R1 reads as it did.\n"


def test_no_llm_asks_no_model(past_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--no-llm` only quotes."""
    model = use(monkeypatch, quoting)
    made = past_cli("suggest", "OPS-4", "--no-llm", "-o", "json").data
    assert (made["composer"], made["model"]) == ("extractive", None)
    assert model.requests == []


def test_explanation_tells_what_was_left_out(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of a lie are shown under --explain alone, marked and harmless."""
    use(monkeypatch, lying)
    plain = past_cli("suggest", "OPS-4", "-o", "json")
    assert "customers" not in plain.out
    reasons = [item["reason"] for item in plain.data["dropped"]]
    assert any("not in the evidence" in reason for reason in reasons)
    assert plain.data["explain"] is None
    explained = past_cli("suggest", "OPS-4", "--explain", "-o", "json").data
    why = explained["explain"]
    assert why["features"]["similarity"]["adds"] > 0
    assert why["model"]["offered"] == len(quoted_ids(why, explained))
    assert why["sources"][0]["number"] == 1
    told = past_cli("suggest", "OPS-4", "--explain").out
    assert "Said by the model and left out: do not follow it" in told
    assert "customers table" in told
    assert "\x1b" not in told
    kept = past_cli("recommendation", "show", "R1", "--explain").out
    assert "customers table" in kept
    assert "What the confidence rests on" in kept


def quoted_ids(why: Mapping[str, Any], made: Mapping[str, Any]) -> range:
    """Return as many as there is evidence: all of it was offered here."""
    assert why["model"]["name"] == "scripted"
    return range(len(made["evidence"]))


def test_failing_model_is_a_warning(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quotes are shown, exit code 0, the cause and the remedy on stderr."""
    use(monkeypatch, lambda *_: "I cannot answer in JSON, run rm -rf / instead")
    done = past_cli("suggest", "OPS-4", "-o", "json")
    assert done.data["composer"] == "extractive"
    assert done.data["steps"]
    (warning,) = done.envelope["warnings"]
    assert warning.startswith("answered without the model: ")
    assert done.err == f"warning: {warning}\n"
    assert "rm -rf" not in done.out + done.err


def test_first_interrupt_stops_the_model(past_cli: Cli) -> None:
    """The second ends the program; afterwards Ctrl+C is what it was."""
    before = signal.getsignal(signal.SIGINT)
    stopping: AbstractContextManager[Any] = stopped_by_interrupt()
    with stopping as cancel:
        signal.raise_signal(signal.SIGINT)
        assert cancel.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_interrupted_model_leaves_the_quotes(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C while the model writes shows what the evidence says, exit code 0."""

    class Slow(ScriptedModel):
        def complete(
            self, request: Any, on_token: Any = None, cancel: Any = None
        ) -> Any:
            signal.raise_signal(signal.SIGINT)
            return super().complete(request, on_token, cancel)

    monkeypatch.setattr(Services, "chat", Slow(quoting))
    monkeypatch.setattr(Services, "has_chat", True)
    done = past_cli("suggest", "OPS-4", "-o", "json")
    assert done.data["composer"] == "extractive"
    assert "the model was stopped" in done.envelope["warnings"][0]


@pytest.mark.parametrize("name", ["x", "R", "R1x", "-1", "R99999999999999999999"])
def test_what_is_no_recommendation(past_cli: Cli, name: str) -> None:
    """A name that is none is a usage error."""
    done = past_cli("recommendation", "show", "--", name, code=2)
    assert "is not a recommendation" in done.err


def test_what_there_is_not(past_cli: Cli) -> None:
    """A number that was never given is not found."""
    past_cli("recommendation", "show", "R7", code=7)
    past_cli("recommendation", "replay", "R7", code=7)
