"""Suggestions are made of quotes; rating them, the index, the doctor, the demo."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import COMMENT_FIX, FIX, LOCAL_TITLE, PAST, Cli, write_jsonl
from issuetrack.cli import demo

STEP = ["action", "rationale", "command", "evidence", "by_model"]
CAUSE = ["cause", "confidence", "evidence", "by_model"]
EVIDENCE = ["id", "source", "quote"]
SOURCE = ["type", "number", "key", "document", "heading", "sop"]
SECTIONS = ("steps", "validation", "rollback")
MARKS = re.compile(r"(?m)^[ \t]*(?:(?:[-*+>]|\d+[.)])[ \t]+|`{3}.*$|\{code.*\}[ \t]*$)")


def flat(text: str) -> str:
    """Return a text without list marks and fences, its white space evened out."""
    return " ".join(MARKS.sub("", MARKS.sub("", text)).split())


def stored(issue: dict[str, Any], kind: str) -> Iterator[str]:
    """Yield the texts of an issue that a quote of this kind may come from."""
    if issue["resolution"]:
        yield issue["resolution"]["text"]
    if kind == "comment":
        yield from (comment["body"] for comment in issue["comments"])


def assert_grounded(cli: Cli, data: dict[str, Any]) -> None:
    """Check that every line of a suggestion stands in a past issue."""
    quotes = {item["id"]: item["quote"] for item in data["evidence"]}
    cited: set[str] = set()
    for cause in data["root_causes"]:
        assert list(cause) == CAUSE
        assert cause["evidence"]
        assert any(flat(cause["cause"]) in flat(quotes[e]) for e in cause["evidence"])
        cited |= set(cause["evidence"])
    for step in (step for section in SECTIONS for step in data[section]):
        assert list(step) == STEP
        assert step["evidence"]
        whole = "\n".join(quotes[e] for e in step["evidence"])
        assert " ".join(step["action"].split()) in " ".join(whole.split())
        assert step["command"] is None or step["command"] in whole
        cited |= set(step["evidence"])
    assert cited == set(quotes)
    for item in data["evidence"]:
        assert list(item) == EVIDENCE
        source = item["source"]
        assert list(source) == SOURCE
        issue = cli("issue", "show", str(source["number"]), "-o", "json").data
        assert issue["key"] == source["key"]
        texts = [flat(text) for text in stored(issue, source["type"])]
        assert any(flat(item["quote"]) in text for text in texts), item["quote"]


def suggest(cli: Cli, *arguments: str) -> dict[str, Any]:
    """Return a suggestion, after a look at where each line comes from."""
    data = cli("suggest", *arguments, "-o", "json").data
    assert isinstance(data, dict)
    assert_grounded(cli, data)
    return data


def test_suggestion_quotes_the_fix_of_a_past_issue(past_cli: Cli) -> None:
    """Cause, steps, checks and the way back are those of the issue most like it."""
    data = suggest(past_cli, "OPS-4")
    assert (data["recommendation"], data["issue"]) == (1, 4)
    assert data["confidence"] > 0.5
    assert data["similar"][0]["key"] == "OPS-1"
    assert "connection pool of checkout" in data["root_causes"][0]["cause"]
    commands = [step["command"] for step in data["steps"]]
    assert commands == [
        "psql -c 'SELECT usename, count(*) FROM pg_stat_activity GROUP BY 1'",
        "kubectl set env deployment/checkout DB_POOL_MAX=8",
    ]
    assert "kubectl get pods" in data["validation"][0]["action"]
    assert data["rollback"][0]["command"] == "kubectl rollout undo deployment/checkout"
    assert {item["source"]["type"] for item in data["evidence"]} == {"resolution"}
    assert {item["source"]["key"] for item in data["evidence"]} == {"OPS-1"}
    assert flat(data["steps"][0]["command"]) in flat(FIX)


def test_suggestion_quotes_a_mined_comment(past_cli: Cli) -> None:
    """A fix that stands in a comment is quoted from the comment."""
    data = suggest(past_cli, "--text", "Portal certificate expired")
    kinds = {(e["source"]["type"], e["source"]["key"]) for e in data["evidence"]}
    assert ("comment", "OPS-2") in kinds
    assert any(step["command"] for step in data["steps"])
    assert flat(data["steps"][0]["action"]) in flat(COMMENT_FIX)


def test_suggestion_quotes_a_local_issue(past_cli: Cli) -> None:
    """An issue without a key is cited by its number, with key null."""
    data = suggest(past_cli, "--text", LOCAL_TITLE)
    assert data["issue"] is None
    local = {"type": "resolution", "number": 5, "key": None}
    assert local | {"document": None, "heading": None, "sop": None} in [
        item["source"] for item in data["evidence"]
    ]


def test_issue_is_not_its_own_evidence(past_cli: Cli) -> None:
    """What is asked about is not among what is like it."""
    for name, number in (("OPS-1", 1), ("OPS-2", 2), ("5", 5)):
        data = suggest(past_cli, name)
        assert number not in [row["number"] for row in data["similar"]]
        assert number not in [item["source"]["number"] for item in data["evidence"]]


def test_work_notes_are_not_quoted(past_cli: Cli) -> None:
    """What engineers wrote for each other is no evidence."""
    past_cli(
        "issue", "comment", "OPS-1", "Fixed by magic. Root cause: gnomes.", "--note"
    )
    assert "gnomes" not in json.dumps(suggest(past_cli, "OPS-4"))


def test_suggestion_without_a_known_fix_asks(cli: Cli, tmp_path: Path) -> None:
    """Similar issues without a fix give questions, no steps and confidence 0."""
    file = write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "Printer jams"})
    cli("import", str(file))
    data = suggest(cli, "--text", "Printer jams")
    assert (data["confidence"], data["steps"], data["evidence"]) == (0.0, [], [])
    assert data["questions"]
    assert data["similar"][0]["key"] == "A"


def test_quote_does_not_skip_a_log(cli: Cli, tmp_path: Path) -> None:
    """A command after a log belongs to no sentence before the log."""
    fix = (
        "Fix: check the pods with this.\n\n```\nError: CrashLoop\n```\n\n"
        "```\nkubectl get pods\n```\n"
    )
    records = (
        {"key": "A", "title": "Checkout down", "status": "closed", "resolution": fix},
        {"key": "B", "title": "Checkout down"},
    )
    cli("import", str(write_jsonl(tmp_path / "a.jsonl", *records)))
    assert suggest(cli, "B")["evidence"]


def test_explain_shows_the_score(past_cli: Cli) -> None:
    """--explain fills in how each similar issue was found."""
    plain = suggest(past_cli, "OPS-4")
    assert all(row["explain"] is None for row in plain["similar"])
    explained = suggest(past_cli, "OPS-4", "--explain")
    assert all(len(row["explain"]) == 4 for row in explained["similar"])


def test_suggestion_for_people_cites_each_line(past_cli: Cli) -> None:
    """The panel and the Markdown show command, citation and evidence."""
    for form in ("table", "markdown"):
        told = past_cli("suggest", "OPS-4", "--output", form).out
        for part in ("R", "confidence", "[E1]", "DB_POOL_MAX=8", "#1 (OPS-1)"):
            assert part in told
        assert told.count("psql -c 'SELECT usename, count(*)") >= 1


def test_text_can_come_from_stdin(past_cli: Cli) -> None:
    """`--text -` and `search -` read the description from stdin."""
    title = PAST[1]["title"]
    data = past_cli("suggest", "--text", "-", "-o", "json", stdin=title).data
    assert data["similar"][0]["key"] == "OPS-2"
    rows = past_cli("similar", "--text", "-", "-o", "json", stdin=title).data
    assert rows[0]["key"] == "OPS-2"
    rows = past_cli("search", "-", "-o", "json", stdin=title).data
    assert rows[0]["key"] == "OPS-2"


def test_limit_is_kept(past_cli: Cli) -> None:
    """--limit shortens what is shown."""
    title = PAST[1]["title"]
    assert len(past_cli("search", title, "-n", "1", "-o", "json").data) == 1
    assert len(past_cli("similar", "OPS-4", "-n", "2", "-o", "json").data) == 2


def test_rating_is_kept(past_cli: Cli) -> None:
    """R1, r1 and 1 name a recommendation; a reason may come from stdin."""
    past_cli("suggest", "OPS-4")
    for name, stars in (("R1", 5), ("r1", 1), ("1", 3)):
        data = past_cli("rate", name, str(stars), "-o", "json").data
        assert (data["recommendation"], data["stars"]) == (1, stars)
    past_cli("rate", "R1", "2", "--feedback", "-", stdin="step 2 is wrong")
    assert "no recommendation R2" in past_cli("rate", "R2", "5", code=7).err


def test_index_tells_and_mends_itself(past_cli: Cli, tmp_path: Path) -> None:
    """status tells what waits, update does it, rebuild keeps what is embedded."""
    status = past_cli("index", "status", "-o", "json").data
    assert (status["issues"], status["indexed"], status["queued"]) == (5, 5, 0)
    assert status["model_matches"] is True
    file = write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": LOCAL_TITLE})
    past_cli("import", str(file), "--no-index")
    done = past_cli("index", "status", "-o", "json")
    assert (done.data["queued"], done.data["indexed"]) == (1, 5)
    assert done.err == "warning: 1 to be indexed: issuetrack index update\n"
    assert past_cli("index", "update", "-o", "json").data["issues"] == 1
    rebuilt = past_cli("index", "rebuild", "-o", "json").data
    assert (rebuilt["issues"], rebuilt["embedded"]) == (6, 0)
    after = past_cli("index", "status", "-o", "json").data
    assert (after["queued"], after["indexed"]) == (0, 6)
    assert suggest(past_cli, "OPS-4")["steps"]


CHECKS = [
    *("program", "libraries", "model", "chat model"),
    *("key", "schema", "file", "audit", "index"),
]


def test_doctor_finds_nothing(past_cli: Cli) -> None:
    """On a sound workspace every check is ok, and there is no remedy."""
    rows = past_cli("doctor", "-o", "json").data
    assert [row["check"] for row in rows] == CHECKS
    assert all(row["ok"] and row["remedy"] is None for row in rows)


def test_doctor_tells_of_issues_that_wait(past_cli: Cli, tmp_path: Path) -> None:
    """An index that is behind is named with its remedy."""
    file = write_jsonl(tmp_path / "a.jsonl", {"key": "A", "title": "a"})
    past_cli("import", str(file), "--no-index")
    rows = past_cli("doctor", "-o", "json", code=1).data
    assert (rows[-1]["check"], rows[-1]["ok"]) == ("index", False)
    assert rows[-1]["remedy"] == "issuetrack index update"


def test_doctor_tells_of_a_wrong_key(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key is one failed check among the others: exit code 4."""
    # FAULTS 29
    monkeypatch.setenv("ISSUETRACK_KEY", "f" * 32)
    rows = past_cli("doctor", "-o", "json", code=4).data
    assert [row["check"] for row in rows] == [*CHECKS[:4], "workspace"]
    assert rows[-1]["ok"] is False
    assert "--key-file" in rows[-1]["remedy"]


def test_doctor_tells_of_a_missing_workspace(bare_cli: Cli) -> None:
    """Without a workspace the remedy is to make one: exit code 7."""
    rows = bare_cli("doctor", "-o", "json", code=7).data
    assert rows[-1]["remedy"] == "create one: issuetrack init"


def test_doctor_tells_of_a_damaged_file(past_cli: Cli, tmp_path: Path) -> None:
    """A changed page is found, whatever else is still readable."""
    # FAULTS 7
    path = tmp_path / "test.db"
    content = bytearray(path.read_bytes())
    last = len(content) - 4096
    content[last + 100 : last + 200] = bytes(100)
    path.write_bytes(content)
    done = past_cli("doctor", "-o", "json", code=None)
    assert done.code in (1, 4)
    assert not all(row["ok"] for row in done.data)


def test_doctor_can_be_read_when_it_matters(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table of a failed check keeps the words of its details together."""
    monkeypatch.delenv("ISSUETRACK_KEY")
    told = past_cli("doctor", code=4).out
    assert "Python" in told
    assert "locked" in told


def test_evaluation_refuses_what_is_no_pair(cli: Cli, tmp_path: Path) -> None:
    """A pair that cannot be is named with its line."""
    issues = write_jsonl(tmp_path / "issues.jsonl", {"key": "A", "title": "a"})
    pairs = write_jsonl(tmp_path / "pairs.jsonl", {"a": "A", "b": "A"}, {"a": "A"})
    done = cli("eval", "duplicates", str(issues), str(pairs), code=2)
    assert f"error: {pairs} line 2 is not a pair of keys" in done.err
    pairs.write_text("")
    assert "holds no pairs" in cli("eval", "duplicates", "x", str(pairs), code=2).err


def _demo(cli: Cli) -> list[dict[str, Any]]:
    data = cli("demo", "-o", "json").data
    assert isinstance(data, list)
    for case in data:
        assert list(case) == ["issue", "title", "similar", "suggestion"]
        assert case["suggestion"]["issue"] == case["issue"]
    return data


def test_demo_needs_no_workspace_and_leaves_none(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`demo` shows suggestions for new incidents, and is gone afterwards."""
    samples = {
        "sample_incidents.jsonl": write_jsonl(tmp_path / "past.jsonl", PAST[0]),
        "sample_new_incidents.jsonl": write_jsonl(
            tmp_path / "new.jsonl", PAST[3] | {"duplicate_of": None}
        ),
    }
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    monkeypatch.setattr(demo, "sample", samples.__getitem__)
    (case,) = _demo(bare_cli)
    assert case["similar"][0]["key"] == "OPS-1"
    assert case["suggestion"]["steps"]
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "test.db").exists()
    told = bare_cli("demo").out
    assert "New incident 1 of 1" in told
    assert "Seen before" in told


@pytest.mark.slow
def test_demo_of_the_samples_is_grounded(bare_cli: Cli) -> None:
    """Every quote of the whole demo stands in the sample it names."""
    lines = demo.sample("sample_incidents.jsonl").read_text().splitlines()
    texts: dict[str, str] = {}
    for record in map(json.loads, lines):
        parts = [record["resolution"] or "", *(c["body"] for c in record["comments"])]
        texts[record["key"]] = " ".join(flat(part) for part in parts)
    cases = _demo(bare_cli)
    assert len(cases) == 3
    for case in cases:
        suggestion = case["suggestion"]
        assert suggestion["steps"]
        assert suggestion["confidence"] > 0.5
        for item in suggestion["evidence"]:
            assert flat(item["quote"]) in texts[item["source"]["key"]]
