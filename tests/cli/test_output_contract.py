"""The five forms of output, the envelope, and what goes to which stream."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import FIX, LOCAL_FIX, LOCAL_TITLE, Cli, Done, TeamCli, write_jsonl

ENVELOPE = ["schema", "command", "data", "warnings"]
FAILURE = ["schema", "command", "error"]
SUMMARY = [
    "number",
    "key",
    "url",
    "source",
    "type",
    "status",
    "priority",
    "service",
    "site",
    "category",
    "labels",
    "reporter",
    "assignee",
    "title",
    "created_at",
    "updated_at",
    "resolved_at",
    "closed_at",
    "duplicate_of",
    "revision",
]
ISSUE = [*SUMMARY, "body", "comments", "events", "resolution", "links"]
ISSUE += ["attachments", "gone", "moved_to", "pending"]
COMMENT = ["id", "key", "kind", "author", "body", "created_at", "carries_fix"]
EVENT = ["at", "actor", "field", "before", "after"]
RESOLUTION = ["text", "how", "provenance", "reader", "score"]
FIX_ENTRY = ["issue", "key", "title", "status", "how", "provenance", "reader", "score"]
FIX_ENTRY += ["uses"]
FIX_REVIEW = ["issue", "key", "title", "status", "resolution", "candidates"]
FIX_REVIEW += ["rejected"]
MATCH = ["number", "key", "title", "status", "url", "score", "explain", "document"]
MATCH += ["sop"]
SOP = ["sop", "version", "title", "status", "tags", "key", "author", "approved_by"]
SOP += ["model", "created_at", "decided_at", "latest"]
SOP_TEXT = [*SOP, "parent", "problem", "symptoms", "cause", "steps", "validation"]
SOP_TEXT += ["rollback", "notes", "citations"]
SOP_STATISTICS = ["sop", "version", "title", "status", "used", "last_used", "raters"]
SOP_STATISTICS += ["stars", "accepted", "partly", "rejected", "last_success", "stale"]
SOP_IMPORT = ["dry_run", "read", "created", "updated", "unchanged", "skipped"]
SOP_IMPORT += ["refused", "problems"]
NEW_SOP = ("Disk full", "--steps", "1. Delete old logs.")
SOPS: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("sop draft", ("OPS-1",), [*SOP_TEXT, "written", "near", "changes"]),
    ("sop new", NEW_SOP, SOP_TEXT),
    ("sop edit", ("S2", "--title", "Disk is full"), SOP_TEXT),
    ("sop show", ("S2",), SOP_TEXT),
    ("sop list", (), SOP),
    ("sop search", ("disk full",), [*SOP, "score", "similarity"]),
    ("sop history", ("S2",), ["sop", "version", "at", "actor", "action", "note"]),
    ("sop diff", ("S2",), ["sop", "from", "to", "field", "change", "lines"]),
    ("sop stats", (), SOP_STATISTICS),
    ("sop export", ("S1",), ["sop", "version", "title", "file", "text"]),
    ("sop submit", ("S2",), SOP),
    ("sop reject", ("S2", "--note", "no"), SOP),
    ("sop submit", ("S1", "S2"), SOP),
    ("sop approve", ("S1", "S2"), SOP),
    ("sop import", ("sop.md", "--no-index"), SOP_IMPORT),
    ("sop deprecate", ("S1",), SOP),
)
SUGGESTION = [
    "recommendation",
    "issue",
    "confidence",
    "confidence_basis",
    "summary",
    "root_causes",
    "steps",
    "validation",
    "rollback",
    "questions",
    "similar",
    "evidence",
    "composer",
    "model",
    "dropped",
    "explain",
]
GIVEN = ["recommendation", "issue", "kind", "confidence", "composer", "created_at"]
REPLAY = ["recommendation", "equal", "differences", *SUGGESTION[2:10], "evidence"]
MODEL = ["name", "kind", "provider", "state", "parameters", "bytes", "size", "memory"]
MODEL += ["context", "licence", "source", "sha256", "detail"]
TRIED = ["name", "fingerprint", "context", "json_schema", "first_token"]
TRIED += ["tokens_per_second", "dimensions", "detail"]
INDEX = ["issues", "indexed", "queued", "chunks", "embeddings", "model"]
ADAPTED = ["pairs", "adapted_from", "not_adapted_because"]
EFFECT = ["mrr_plain", "mrr_adapted"]
IMPORT = [
    "source",
    "dry_run",
    "read",
    "created",
    "updated",
    "unchanged",
    "comments",
    "resolutions",
    "skipped",
    "quarantined",
    "removed",
    "problems",
]
BACKTEST = [
    "finished",
    "first",
    "last",
    "truth",
    "total",
    "by_source",
    "by_category",
    "reliability",
    "judged",
    "missing",
    "ratings",
    "duplicates",
    "adapted",
    "calibrated",
    "adaptation_off",
    "seconds",
]
INDEXED = ["issues", "chunks", "embedded", "seconds", "documents", "sops"]
OUTCOME = ["recommendation", "sop", "result", "issue", "actor"]
FEEDBACK = ["kind", "recommendation", "sop", "at", "by", "stars", "result", "issue"]
FEEDBACK += ["source", "counts", "text"]
SETTING = ["name", "value", "default", "from", "detail"]
RECURRING = ["exemplar", "title", "times", "first_at", "last_at", "mean_gap_seconds"]
RECURRING += ["time_lost_seconds", "resolved", "services", "issues", "fix", "sop"]
READING: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("issue list", (), SUMMARY),
    ("issue show", ("OPS-1",), ISSUE),
    ("issue recurring", (), RECURRING),
    ("resolution list", (), FIX_ENTRY),
    ("resolution review", (), FIX_ENTRY),
    ("resolution show", ("OPS-2",), FIX_REVIEW),
    ("search", ("Portal certificate expired",), MATCH),
    ("similar", ("OPS-4",), MATCH),
    ("suggest", ("OPS-4",), SUGGESTION),
    (
        "index status",
        (),
        [*INDEX, "model_matches", "documents", "sops", *ADAPTED, *EFFECT],
    ),
    ("doctor", (), ["check", "ok", "detail", "remedy"]),
    ("models list", (), MODEL),
    ("models test", (), TRIED),
)
WRITING: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("index adapt", (), ADAPTED),
    ("issue new", (LOCAL_TITLE, "--no-similar"), ISSUE),
    ("issue link", ("3", "--duplicate-of", "1"), ISSUE),
    ("issue unlink", ("3",), ISSUE),
    ("issue edit", ("3", "--priority", "P2"), ISSUE),
    ("issue comment", ("3", "Looked at it."), ISSUE),
    ("issue assign", ("3", "oncall"), ISSUE),
    ("issue start", ("3",), ISSUE),
    ("issue close", ("3",), ISSUE),
    ("issue reopen", ("3",), ISSUE),
    ("issue resolve", ("3", LOCAL_FIX), ISSUE),
    ("resolve", ("3", LOCAL_FIX), ISSUE),
    ("resolution confirm", ("OPS-2",), FIX_REVIEW),
    ("resolution edit", ("OPS-2", "--text", LOCAL_FIX), FIX_REVIEW),
    ("resolution reject", ("OPS-2",), FIX_REVIEW),
    ("recommendation list", (), [*GIVEN, "model"]),
    ("recommendation show", ("R1",), [*SUGGESTION, "question", "created_at"]),
    ("recommendation replay", ("R1",), [*REPLAY, "dropped"]),
    ("rate", ("R1", "4"), ["recommendation", "sop", "stars", "rater", "source"]),
    ("outcome", ("R1", "partly"), OUTCOME),
    ("feedback list", (), FEEDBACK),
    ("config list", (), SETTING),
    ("config get", ("llm",), SETTING),
    ("config set", ("duplicates.warn", "on"), SETTING),
    ("config unset", ("duplicates.warn",), SETTING),
    ("config path", (), ["preferences", "workspace"]),
    ("index update", (), INDEXED),
    ("index rebuild", (), INDEXED),
)

ACCOUNT = ["name", "role", "kind", "disabled", "slots"]
ENTRY = [
    "sequence",
    "at",
    "actor",
    "role",
    "action",
    "entity",
    "before",
    "after",
    "hash",
    "signature",
    "previous_hash",
    "before_digest",
    "after_digest",
]
WORDS = ("--new-passphrase-file", "words")
RULE = ["permission", "covers", "none", "viewer", "engineer", "admin"]
MANAGING: tuple[tuple[str, tuple[str, ...], list[str]], ...] = (
    ("whoami", (), ["name", "role", "kind", "opened_by", "database", "may"]),
    ("user list", (), ACCOUNT),
    ("user show", ("viewer",), [*ACCOUNT, "may"]),
    ("user add", ("alice", "--new-key-file", "alice.key"), [*ACCOUNT, "may"]),
    ("user role", ("alice", "engineer"), [*ACCOUNT, "may"]),
    ("user disable", ("alice",), [*ACCOUNT, "may"]),
    ("user enable", ("alice",), [*ACCOUNT, "may"]),
    ("user remove", ("alice", "--yes"), ["removed"]),
    ("user passwd", WORDS, [*ACCOUNT, "may"]),
    ("key status", (), ["keys", "slots", "unfinished"]),
    ("key add-slot", ("--new-key-file", "own.key"), ["slot", "opened_by"]),
    ("key rotate", (), ["values", "keys"]),
    ("key rekey", (), ["page_key"]),
    ("audit log", (), ENTRY),
    ("audit verify", (), ["entries", "unbroken"]),
    ("db backup", (), ["backup", "bytes", "removed"]),
    ("db restore", ("copy", "--yes"), ["database", "restored", "before"]),
    ("db check", (), ["check", "ok", "detail", "remedy"]),
    ("db compact", (), ["bytes_before", "bytes_after"]),
    ("help permissions", (), RULE),
)


def rows_of(data: Any) -> list[dict[str, Any]]:
    """Return the rows of what an envelope holds."""
    return data if isinstance(data, list) else [data]


def checked(done: Done, command: str) -> Any:
    """Return the data of an envelope after a look at the envelope itself."""
    assert list(done.envelope) == ENVELOPE
    assert done.envelope["schema"] == "issuetrack/v1"
    assert done.envelope["command"] == command
    return done.data


def test_json_of_every_command_is_one_envelope(past_cli: Cli, tmp_path: Path) -> None:
    """Every command answers JSON with its full name, all keys and no talk."""
    for command, arguments, keys in (*READING, *WRITING):
        done = past_cli(*command.split(), *arguments, "--output", "json")
        rows = rows_of(checked(done, command))
        assert rows, command
        assert all(list(row) == keys for row in rows), command
        assert done.envelope["warnings"] == []
        assert done.err == ""


def test_json_of_sops_is_one_envelope(
    past_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every `sop` command answers JSON with all keys and no talk."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sop.md").write_text("# Disk\n\n## Steps\n\n1. Delete.\n")
    past_cli("config", "set", "sop.author_may_approve", "on")
    for command, arguments, keys in SOPS:
        done = past_cli(*command.split(), *arguments, "--output", "json")
        rows = rows_of(checked(done, command))
        assert rows, command
        assert all(list(row) == keys for row in rows), command
        assert (done.envelope["warnings"], done.err) == ([], ""), command


def test_json_of_import_is_one_envelope(past_cli: Cli, tmp_path: Path) -> None:
    """`import` answers with its counts and its problems."""
    file = write_jsonl(tmp_path / "new.jsonl", {"key": "N-1", "title": "new"})
    done = past_cli("import", str(file), "--no-index", "-o", "json")
    data = checked(done, "import")
    assert set(data) == set(IMPORT)
    assert (data["read"], data["created"], data["problems"]) == (1, 1, [])


def test_json_of_init_is_one_envelope(past_cli: Cli, tmp_path: Path) -> None:
    """`init` answers with where things are and the recovery key."""
    path = tmp_path / "other.db"
    done = past_cli("--db", str(path), "init", "--output", "json")
    data = checked(done, "init")
    assert list(data) == ["database", "key_file", "owner", "recovery_key"]
    assert (data["database"], data["key_file"]) == (str(path), f"{path}.keys")


def test_json_of_evaluation_is_one_envelope(cli: Cli, tmp_path: Path) -> None:
    """`eval duplicates` answers with one row for each leg."""
    issues = write_jsonl(
        tmp_path / "issues.jsonl",
        {"key": "A", "title": "disk full"},
        {"key": "B", "title": "disk is full"},
    )
    pairs = write_jsonl(tmp_path / "pairs.jsonl", {"a": "A", "b": "B"})
    done = cli("eval", "duplicates", str(issues), str(pairs), "-o", "json")
    data = checked(done, "eval duplicates")
    assert [row["leg"] for row in data] == ["lexical", "vector", "both"]
    assert all(row["queries"] == 2 and row["mrr"] == 1.0 for row in data)


def test_json_of_backtest_is_one_object(past_cli: Cli) -> None:
    """`backtest` answers with all its fields, where there is little to measure too."""
    envelope = past_cli("backtest", "--no-fit", "-o", "json").envelope
    assert (envelope["schema"], envelope["command"]) == ("issuetrack/v1", "backtest")
    assert sorted(envelope["data"]) == sorted(BACKTEST)


def test_default_verbs_name_themselves_in_full(past_cli: Cli) -> None:
    """A noun without a verb is its default verb, in the envelope too."""
    assert past_cli("-o", "json", "issue").envelope["command"] == "issue list"
    assert past_cli("-o", "json", "index").envelope["command"] == "index status"
    assert past_cli("-o", "json", "user").envelope["command"] == "user list"
    assert past_cli("-o", "json", "key").envelope["command"] == "key status"
    assert past_cli("-o", "json", "audit").envelope["command"] == "audit log"
    assert past_cli("-o", "json", "help").envelope["command"] == "help permissions"


@pytest.mark.parametrize("form", ["jsonl", "csv", "markdown", "table"])
def test_every_command_has_every_form(past_cli: Cli, form: str) -> None:
    """Every command prints its data in every form, and no talk beside it."""
    for command, arguments, _ in (*READING, *WRITING):
        done = past_cli(*command.split(), *arguments, "--output", form)
        assert done.err == "", command
        assert done.out.endswith("\n"), command
        assert not done.out.startswith('{\n  "schema"'), command
        if form == "jsonl":
            assert all(json.loads(line) for line in done.out.splitlines())
        elif form == "csv":
            header, *rows = csv.reader(io.StringIO(done.out))
            assert rows, command
            assert all(len(row) == len(header) for row in rows), command
        elif form == "markdown":
            assert done.out.startswith(("# ", "| ")), command


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "markdown", "table"])
def test_managing_commands_have_every_form(team_cli: TeamCli, form: str) -> None:
    """Users, keys, trail and backups: an envelope with all keys, and no talk."""
    Path("words").write_text("four unrelated words")
    made = team_cli("db", "backup", "-o", "json").data["backup"]
    Path(made).rename("copy")
    for command, arguments, keys in MANAGING:
        done = team_cli(*command.split(), *arguments, "--output", form)
        assert done.err == "", command
        assert done.out.endswith("\n"), command
        if form == "json":
            rows = rows_of(checked(done, command))
            assert all(list(row) == keys for row in rows), command
            assert done.envelope["warnings"] == []
        elif form == "jsonl":
            rows = [json.loads(line) for line in done.out.splitlines()]
            assert all(list(row) == keys for row in rows), command
        elif form == "csv":
            header, *lines = csv.reader(io.StringIO(done.out))
            assert header == keys, command
            assert all(len(line) == len(header) for line in lines), command
        elif form == "markdown":
            assert done.out.startswith("| "), command


def test_keys_that_are_shown_once_have_every_form(team_cli: TeamCli) -> None:
    """A recovery key is data; what to do with it is told beside it."""
    for form in ("json", "jsonl", "csv", "markdown", "table"):
        done = team_cli("key", "export-recovery", "--output", form)
        (written,) = re.findall(r"(?:[0-9A-Z]{4}-){12}[0-9A-Z]{4}", done.out)
        assert written not in done.err
        team_cli.recovery_key = written
    recover = ("key", "recover", "viewer", "--new-key-file", "new.key", "-o", "json")
    data = checked(team_cli(*recover, by="recovery"), "key recover")
    assert list(data) == ["user", "role", "opened_by"]


def test_header_of_nothing_forgotten(team_cli: TeamCli) -> None:
    """`logout` without a login is an empty list, with its header in csv."""
    assert team_cli("logout", "-o", "json").data == []
    assert team_cli("logout", "-o", "csv").out == "forgotten\n"
    assert team_cli("audit", "log", "--actor", "x", "-o", "csv").out.strip() == (
        ",".join(ENTRY)
    )


@pytest.mark.parametrize("command", [entry[0] for entry in READING[:4]])
def test_json_lines_are_the_bare_rows(past_cli: Cli, command: str) -> None:
    """jsonl holds what the envelope's data holds, a row a line."""
    arguments = next(entry[1] for entry in READING if entry[0] == command)
    whole = past_cli(*command.split(), *arguments, "-o", "json").data
    lines = past_cli(*command.split(), *arguments, "-o", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == rows_of(whole)


def test_csv_has_every_field_of_a_row(past_cli: Cli) -> None:
    """csv has the columns of the rows in JSON, and times in ISO form."""
    rows = past_cli("issue", "list", "-o", "json").data
    read = list(csv.DictReader(io.StringIO(past_cli("issue", "list", "-o", "csv").out)))
    assert list(read[0]) == SUMMARY
    assert [r["created_at"] for r in read] == [r["created_at"] for r in rows]
    assert [r["title"] for r in read] == [r["title"] for r in rows]


def test_csv_has_the_same_header_when_empty(past_cli: Cli) -> None:
    """The header of a csv does not depend on whether there are rows."""
    full = past_cli("issue", "list", "-o", "csv").out.splitlines()[0]
    empty = past_cli("issue", "list", "nosuchword", "-o", "csv").out.splitlines()[0]
    assert empty == full


def test_environment_names_the_form(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISSUETRACK_OUTPUT is the default, and --output goes before it."""
    monkeypatch.setenv("ISSUETRACK_OUTPUT", "json")
    assert past_cli("issue", "list").envelope["command"] == "issue list"
    assert past_cli("issue", "list", "-o", "csv").out.startswith("number,")
    assert past_cli("-o", "csv", "issue", "list").out.startswith("number,")
    failed = past_cli("issue", "show", "99", code=7)
    assert failed.envelope["error"]["code"] == "not_found"


def test_environment_with_an_unknown_form_is_refused(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISSUETRACK_OUTPUT that names no form is a wrong use, and says the forms."""
    monkeypatch.setenv("ISSUETRACK_OUTPUT", "xml")
    done = past_cli("issue", "list", code=2)
    assert done.out == ""
    assert "try: use one of: table, json, jsonl, csv, markdown" in done.err


def test_unknown_form_stops_before_anything_is_done(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A wrong ISSUETRACK_OUTPUT costs nobody the recovery key, which is shown once."""
    monkeypatch.setenv("ISSUETRACK_OUTPUT", "xml")
    path = tmp_path / "other.db"
    past_cli("--db", str(path), "init", code=2)
    assert not path.exists()


def test_absent_values_are_null(past_cli: Cli) -> None:
    """What is not known is null in JSON, never missing."""
    done = past_cli("issue", "show", "5", "-o", "json")
    nothing = ("key", "url", "source", "priority", "service", "site", "category")
    assert all(done.data[name] is None for name in nothing)
    assert done.data["labels"] == []
    assert done.data["duplicate_of"] is None
    row = past_cli("similar", "5", "-o", "json").data[0]
    assert row["explain"] is None


def test_issue_in_json_is_complete(past_cli: Cli) -> None:
    """`issue show` gives text, comments, history and the fix with its origin."""
    data = past_cli("issue", "show", "OPS-1", "-o", "json").data
    assert [list(c) for c in data["comments"]] == [COMMENT, COMMENT]
    assert [c["kind"] for c in data["comments"]] == ["public", "work_note"]
    assert list(data["resolution"]) == RESOLUTION
    assert data["resolution"]["text"] == FIX.strip()
    assert data["resolution"]["how"] == "stated"
    moved = past_cli("issue", "reopen", "OPS-1", "-o", "json").data
    assert [list(event) for event in moved["events"]] == [EVENT]
    assert (moved["events"][0]["before"], moved["events"][0]["after"]) == (
        "closed",
        "open",
    )


def test_matches_name_issues_without_a_key(past_cli: Cli) -> None:
    """An issue of this workspace has key null and its number."""
    rows = past_cli("search", LOCAL_TITLE, "-o", "json").data
    assert list(rows[0]) == MATCH
    assert (rows[0]["number"], rows[0]["key"], rows[0]["url"]) == (5, None, None)
    scores = [row["score"] for row in rows]
    assert scores == sorted(scores, reverse=True)


def test_explain_tells_what_made_up_a_score(past_cli: Cli) -> None:
    """--explain gives each leg, and the legs add up to the score."""
    rows = past_cli("similar", "OPS-4", "--explain", "-o", "json").data
    part = ["leg", "strength", "standard_score", "weight", "adds"]
    for row in rows:
        assert [list(entry) for entry in row["explain"]] == [part] * 4
        assert sum(e["adds"] for e in row["explain"]) == pytest.approx(
            row["score"], abs=1e-3
        )
    shown = past_cli("similar", "OPS-4", "--explain").out
    assert "vector_title" in shown or "vector" in shown


def test_warnings_stand_in_the_envelope_and_on_stderr(past_cli: Cli) -> None:
    """A warning is told to people and to programs; stdout stays one JSON value."""
    done = past_cli("issue", "list", "--limit", "1", "-o", "json")
    assert done.envelope["warnings"] == ["1 of 5 shown; see more with --limit 5"]
    assert done.err == "warning: 1 of 5 shown; see more with --limit 5\n"


def test_nothing_found_is_success(past_cli: Cli) -> None:
    """An empty list is an answer: exit code 0 in every form."""
    for form in ("table", "json", "jsonl", "csv", "markdown"):
        done = past_cli("issue", "list", "nosuchword", "-o", form)
        assert done.err == ""
    assert past_cli("issue", "list", "nosuchword", "-o", "json").data == []
    assert past_cli("issue", "list", "nosuchword", "-o", "jsonl").out == ""


@pytest.mark.parametrize(
    ("arguments", "command", "error", "code"),
    [
        (("issue", "list", "--bogus"), "issue list", "usage", 2),
        (("bogus",), "", "usage", 2),
        (("issue", "bogus"), "issue", "usage", 2),
        (("issue", "list", "status:bogus"), "issue list", "usage", 2),
        (("issue", "show", "99"), "issue show", "not_found", 7),
        (("import", "missing.jsonl"), "import", "not_found", 7),
        (("issue", "new"), "issue new", "input_needed", 5),
        (("resolve", "3"), "resolve", "input_needed", 5),
        (("init",), "init", "workspace_exists", 1),
    ],
)
@pytest.mark.parametrize("option", ["--output=json", "-o json", "--output json"])
def test_failure_has_an_envelope(
    past_cli: Cli,
    arguments: tuple[str, ...],
    command: str,
    error: str,
    code: int,
    option: str,
) -> None:
    """A failed command answers JSON with code, message and hint, and tells people."""
    done = past_cli(*option.split(), *arguments, code=code)
    assert list(done.envelope) == FAILURE
    assert done.envelope["command"] == command
    assert list(done.envelope["error"]) == ["code", "message", "hint"]
    assert done.envelope["error"]["code"] == error
    message, hint = (done.envelope["error"][name] for name in ("message", "hint"))
    told = message.replace("\n  ", "\n    ")
    assert f"error: {told}\n  try: {hint}\n" in done.err


def test_failure_has_an_envelope_for_the_joined_option(past_cli: Cli) -> None:
    """-ojson is --output json for wrong options too."""
    done = past_cli("issue", "list", "-ojson", "--bogus", code=2)
    assert done.envelope["error"]["code"] == "usage"


def test_failure_without_json_leaves_stdout_empty(past_cli: Cli) -> None:
    """What fails writes no data."""
    for form in ("table", "jsonl", "csv", "markdown"):
        assert past_cli("issue", "show", "99", "-o", form, code=7).out == ""


def test_version_is_data(bare_cli: Cli) -> None:
    """--version prints the version on stdout."""
    done = bare_cli("--version")
    assert done.out.strip().count(".") == 2
    assert done.err == ""
