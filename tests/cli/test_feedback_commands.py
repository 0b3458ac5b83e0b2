"""`rate`, `outcome`, `feedback`, the question of `resolve`, and probable duplicates."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import (
    LOCAL_FIX,
    LOCAL_TITLE,
    Cli,
    OnTerminal,
    TeamCli,
    write_jsonl,
)
from cli.test_resolution_command import pressed

RATING = ["recommendation", "sop", "stars", "rater", "source"]
OUTCOME = ["recommendation", "sop", "result", "issue", "actor"]
ENTRY = ["kind", "recommendation", "sop", "at", "by", "stars", "result", "issue"]
ENTRY += ["source", "counts", "text"]
HOSTILE = "no\x1b[31m use\u202e"
PORTAL = "Portal certificate expired"


@pytest.fixture
def asked(past_cli: Cli) -> Cli:
    """Return the program after R1 was given for OPS-4, which cites OPS-1."""
    assert past_cli("suggest", "OPS-4", "-o", "json").data["recommendation"] == 1
    return past_cli


def feedback(cli: Cli, *arguments: str) -> list[dict[str, Any]]:
    """Return ratings and outcomes."""
    found = cli("feedback", "list", *arguments, "-o", "json").data
    assert isinstance(found, list)
    return found


def test_rating_and_outcome_are_told_as_they_are_kept(asked: Cli) -> None:
    """Names are R12 or S3 on the command line, and integers in JSON."""
    rated = asked("rate", "r1", "4", "--source", "OPS-1", "-o", "json").data
    assert list(rated) == RATING
    assert rated == dict(zip(RATING, (1, None, 4, "owner", "#1"), strict=True))
    given = ("outcome", "R1", "accepted", "--note", "-", "-o", "json")
    kept = asked(*given, stdin="after the restart").data
    assert kept == dict(zip(OUTCOME, (1, None, "accepted", 4, "owner"), strict=True))
    other = asked("outcome", "R1", "rejected", "--issue", "3", "-o", "json").data
    assert other["issue"] == 3
    outcome, _, rating = feedback(asked)
    assert (outcome["result"], rating["source"]) == ("rejected", "#1")
    assert [row["text"] for row in feedback(asked)] == [None, "after the restart", None]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("rate", "D1", "4"), 2, "neither a recommendation nor an SOP"),
        (("rate", "R9", "4"), 7, "there is no recommendation R9"),
        (("rate", "S9", "4"), 7, "there is no SOP S9"),
        (("rate", "R1", "6"), 2, "6 is not a rating"),
        (("rate", "R1", "4", "--source", "2"), 2, "R1 does not cite #2"),
        (("rate", "R1", "4", "--source", "NO-1"), 7, "there is no issue NO-1"),
        (("outcome", "R1", "great"), 2, "'great' is not one of"),
        (("outcome", "R1", "partly", "--issue", "99"), 7, "there is no issue 99"),
        (("feedback", "list", "R9"), 7, "there is no recommendation R9"),
        (("feedback", "list", "--stars", "0"), 2, "--stars '0'"),
        (("feedback", "list", "--stars", "4..9"), 2, "--stars '4..9'"),
        (("feedback", "list", "--since", "soon"), 2, "--since 'soon' is no date"),
    ],
)
def test_what_makes_no_sense_is_refused(
    asked: Cli, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """The error says what is wrong, and nothing is kept."""
    assert told in asked(*arguments, code=code).err
    assert feedback(asked) == []


def test_feedback_is_listed_in_every_form(asked: Cli) -> None:
    """Latest first, hostile text made harmless, a header where there is nothing."""
    empty = asked("feedback", "list", "-o", "csv").out
    assert empty.strip().split(",") == ENTRY
    asked("rate", "R1", "2", "--feedback", HOSTILE)
    asked("rate", "R1", "5")
    asked("outcome", "R1", "partly")
    assert [row["kind"] for row in feedback(asked)] == ["outcome", "rating", "rating"]
    assert [row["counts"] for row in feedback(asked)] == [True, True, False]
    assert all(list(row) == ENTRY for row in feedback(asked))
    assert [row["stars"] for row in feedback(asked, "--stars", "1..3")] == [2]
    assert feedback(asked, "R1", "--since", "1h") == feedback(asked)
    rows = list(csv.DictReader(io.StringIO(asked("feedback", "list", "-o", "csv").out)))
    assert rows[2]["text"] == "no use<U+202E>"
    table = asked("feedback").out
    assert "no use<U+202E>" in table
    assert "\x1b" not in table
    limited = asked("feedback", "list", "-n", "1", "-o", "json")
    assert limited.envelope["warnings"] == ["the latest 1 shown; see more with --limit"]


def test_feedback_is_for_engineers(team_cli: TeamCli) -> None:
    """A viewer rates and does not read what others wrote."""
    team_cli("issue", "new", LOCAL_TITLE)
    team_cli("suggest", "1", by="viewer")
    team_cli("rate", "R1", "1", "-f", "useless", by="viewer")
    team_cli("feedback", by="viewer", code=3)
    rows = team_cli("feedback", "list", "-o", "json", by="engineer").data
    assert [(row["by"], row["text"]) for row in rows] == [("viewer", "useless")]


@pytest.mark.parametrize(("helped", "count"), [("R1", 1), ("r1", 1), ("none", 0)])
def test_resolve_says_what_helped(asked: Cli, helped: str, count: int) -> None:
    """What is named has an accepted outcome for this issue; none is fine."""
    done = asked("resolve", "4", LOCAL_FIX, "--helped", helped, "-o", "json")
    assert done.data["status"] == "resolved"
    found = [(r["recommendation"], r["result"], r["issue"]) for r in feedback(asked)]
    assert found == [(1, "accepted", 4)] * count


def test_resolve_with_what_does_not_exist_changes_nothing(asked: Cli) -> None:
    """The name is looked at before anything is written."""
    asked("resolve", "4", LOCAL_FIX, "--helped", "R9", code=7)
    asked("resolve", "4", LOCAL_FIX, "--helped", "#17", code=2)
    assert asked("issue", "show", "4", "-o", "json").data["status"] == "open"


def test_nobody_is_asked_where_nobody_can_answer(asked: Cli) -> None:
    """Without a terminal, and with --no-input, it is resolved without a question."""
    done = asked("resolve", "4", LOCAL_FIX, "--no-input")
    assert "helped" not in done.err
    assert feedback(asked) == []


@pytest.mark.parametrize(
    ("keys", "count"), [((b"x", b"1"), 1), ((b"n",), 0), ((b"\r",), 0)]
)
def test_one_key_says_what_helped(
    asked: Cli, on_terminal: OnTerminal, keys: tuple[bytes, ...], count: int
) -> None:
    """On a terminal the latest answers are listed; a key that is none is ignored."""
    answers = pressed(*zip((b"none of them\r\n", b""), keys, strict=False))
    code, told = on_terminal("resolve", "4", LOCAL_FIX, answers=answers, timeout=60)
    assert code == 0
    assert b"Which of these helped?" in told
    assert b"  1  R1 (0." in told
    assert b"from #1" in told
    assert len(feedback(asked)) == count


def test_interrupted_question_leaves_the_issue_open(
    asked: Cli, on_terminal: OnTerminal
) -> None:
    """Ctrl-C at the question writes nothing."""
    answers = pressed((b"none of them\r\n", b"\x03"))
    code, _ = on_terminal("resolve", "4", LOCAL_FIX, answers=answers, timeout=60)
    assert code == 130
    assert asked("issue", "show", "4", "-o", "json").data["status"] == "open"


def test_issue_without_answers_is_resolved_without_a_question(
    past_cli: Cli, on_terminal: OnTerminal
) -> None:
    """Where nothing was recommended there is nothing to ask."""
    code, told = on_terminal("resolve", "3", LOCAL_FIX)
    assert code == 0
    assert b"helped?" not in told
    assert past_cli("issue", "show", "3", "-o", "json").data["status"] == "resolved"


def test_procedure_is_drafted_where_the_workspace_wants_it(past_cli: Cli) -> None:
    """With the policy on, `resolve` says which SOP it drafted."""
    assert "drafted" not in past_cli("resolve", "3", LOCAL_FIX).err
    past_cli("config", "set", "sop.draft_on_resolve", "on")
    done = past_cli("resolve", "4", "Root cause: the pool. Fix: restart the pooler.")
    assert "S1 was drafted: issuetrack sop show S1" in done.err


def test_probable_duplicate_is_told_and_linked(past_cli: Cli) -> None:
    """The warning names the older issue and the command that links both."""
    done = past_cli("issue", "new", LOCAL_TITLE, "-o", "json")
    assert done.data["duplicate_of"] is None
    (warning,) = done.envelope["warnings"]
    assert warning == (
        f"#6 is probably a duplicate of #5 (1.00): {LOCAL_TITLE}; "
        "link it: issuetrack issue link 6 --duplicate-of 5"
    )
    assert f"warning: {warning}" in done.err
    linked = past_cli("issue", "link", "6", "--duplicate-of", "5", "-o", "json").data
    assert linked["duplicate_of"] == 5
    assert past_cli("issue", "unlink", "6", "-o", "json").data["duplicate_of"] is None


@pytest.mark.parametrize("option", [("--duplicate-of", "OPS-3"), ("--link-duplicate",)])
def test_new_issue_is_linked_at_once(past_cli: Cli, option: tuple[str, ...]) -> None:
    """To the issue that is named, or to the most probable one; no warning then."""
    done = past_cli("issue", "new", LOCAL_TITLE, *option, "-o", "json")
    assert done.data["duplicate_of"] == (3 if "OPS-3" in option else 5)
    assert done.envelope["warnings"] == []


def test_wishes_about_duplicates_that_cannot_be_met(past_cli: Cli) -> None:
    """An original that is not there, or two wishes at once: nothing is created."""
    past_cli("issue", "new", "New", "--duplicate-of", "99", code=7)
    past_cli("issue", "new", "New", "--duplicate-of", "1", "--link-duplicate", code=2)
    past_cli("issue", "new", "New", "--no-similar", "--link-duplicate", code=2)
    assert len(past_cli("issue", "list", "-o", "json").data) == 5
    done = past_cli("issue", "new", "Payroll is late", "--link-duplicate", "-o", "json")
    assert done.envelope["warnings"] == [
        "#6 is probably no duplicate: it was not linked"
    ]


def test_warnings_can_be_switched_off(past_cli: Cli) -> None:
    """For one issue by an option, for everybody by the policy."""
    assert past_cli("issue", "new", LOCAL_TITLE, "--no-similar").err == ""
    past_cli("config", "set", "duplicates.warn", "off")
    assert past_cli("issue", "new", LOCAL_TITLE).err == ""


def test_issue_is_kept_where_the_model_is_missing(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing model is told once, and the issue is there."""
    from issuetrack.engine.errors import ModelFileError
    from issuetrack.engine.retrieval import embedding

    def missing(*_: object) -> None:
        raise ModelFileError(Path("model.gguf"), "it is not there")

    monkeypatch.setattr(embedding, "embed", missing)
    done = past_cli("issue", "new", LOCAL_TITLE, "-o", "json")
    assert done.data["number"] == 6
    assert len(done.envelope["warnings"]) == 1
    assert done.envelope["warnings"][0].startswith("#6 is kept but cannot be found yet")


def test_import_tells_the_surest_of_many(past_cli: Cli, tmp_path: Path) -> None:
    """At most five are told, the number of the others is; finished ones are not."""
    copies = [
        {"key": f"N-{i}", "title": PORTAL, "created_at": f"2026-05-0{i}T08:00:00Z"}
        for i in range(1, 8)
    ]
    old = {"key": "N-9", "title": PORTAL, "status": "closed"}
    file = write_jsonl(tmp_path / "new.jsonl", *copies, old)
    done = past_cli("import", str(file), "-o", "json")
    *told, rest = done.envelope["warnings"]
    assert len(told) == 5
    assert all("is probably a duplicate of #" in warning for warning in told)
    assert rest.startswith("2 more new issues are probably duplicates")
    again = past_cli("import", str(file), "-o", "json")
    assert again.envelope["warnings"] == []
    assert json.loads(again.out)["data"]["unchanged"] == 8
