"""Hostile tickets on a real pseudo-terminal, by every command and in every form."""

import csv
import io
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import (
    FORMS,
    Cli,
    OnTerminal,
    copy_workspace,
    run_on_terminal,
    write_jsonl,
)
from cli.hostile import (
    COLOURS,
    EMOJI_CODE,
    EVERYTHING,
    FORMULAS,
    MARKUP,
    PLACES,
    assert_harmless,
)
from conftest import KEY
from issuetrack.connectors.files.reader import FileFormat, FileReader
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

OSC = "\x1b]0;owned\x07"
FIX = (
    f"Root cause: the pool\x1b]52;c;ZXZpbA==\x07 was [/b] full {OSC}\u202e.\n\n"
    "## Steps\n\n"
    "- Restart it with `kubectl \x1b[2J\x9b2Jrollout restart deployment/checkout`.\n"
    "- Raise the \x1b]8;;http://evil.example\x1b\\limit\u200b:\n\n"
    "  ```\n  kubectl set env [@click=app.approve]\x1bP1\x1b\\ POOL=8\x07\n  ```\n\n"
    f"## Rollback\n\n- To undo, run `kubectl rollout\x7f undo` {EMOJI_CODE}\n"
)
TICKETS: tuple[dict[str, Any], ...] = (
    {
        "key": f"H-1{OSC}\u202e",
        "title": f"Checkout pool is full {EVERYTHING[:300]}",
        "body": f"too many clients already\n\n{EVERYTHING}\n\nLAST LINE",
        "status": "closed",
        "priority": "P1",
        "service": f"checkout{OSC}\x9b2J[/b]",
        "site": f"DC1\x1b[2J{EMOJI_CODE}",
        "category": "data\x08base\u200b",
        "labels": [f"lab{OSC}el", "[@click=app.approve]x[/]", "\u202etag"],
        "reporter": "mon\x07itoring\x1b]52;c;ZQ==\x07",
        "assignee": "on\rcall\x9d0;owned\x9c",
        "url": "https://t.example/\x1b]8;;http://evil.example\x07\u202e",
        "created_at": "2026-01-05T08:00:00Z",
        "closed_at": "2026-01-06T08:00:00Z",
        "resolution": FIX,
        "comments": [
            {
                "key": f"c1{OSC}",
                "author": f"eve{OSC}[/b]",
                "body": f"{EVERYTHING}\n\nLAST COMMENT",
                "created_at": "2026-01-05T09:00:00Z",
            }
        ],
    },
    {
        "key": "H-2",
        "title": f"{' '.join(MARKUP)} {EMOJI_CODE} safe\u202etxt \U000e0041\ufeff end",
        "status": "open",
        "created_at": "2026-01-07T08:00:00Z",
    },
    {
        "key": "H-3",
        "title": f"Checkout pool{OSC} full again",
        "body": "too many clients already\x1b[2J",
        "status": "open",
        "created_at": "2026-01-08T08:00:00Z",
    },
)
COMMANDS = {
    "list": ("issue", "list"),
    "list of one": ("issue", "list", "key:H-2"),
    "show": ("issue", "show", "1"),
    "show after a change": ("issue", "assign", "2", f"on{OSC}call"),
    "similar": ("similar", "3"),
    "similar explained": ("similar", "3", "--explain"),
    "suggest": ("suggest", "3"),
    "suggest explained": ("suggest", "3", "--explain"),
    "export": ("export",),
    "rate": ("rate", "R1", "4", "--feedback", EVERYTHING),
    "index": ("index", "status"),
    "trail": ("audit", "log"),
    "trail of the import": ("audit", "log", "--entity", "source"),
    "whole trail": ("audit", "export"),
    "somebody": ("whoami",),
}
FAILURES = {
    "unknown issue": ("issue", "show", EVERYTHING),
    "wrong query": ("issue", "list", f"status:{OSC}\x9b2J\u202e"),
    "wrong column": ("issue", "list", f"x{OSC}:y", "bogus:\x1b[2J"),
    "wrong sort": ("issue", "list", "--sort", OSC),
    "unknown command": (f"bogus{OSC}",),
    "unknown option": ("issue", "list", f"--bogus{OSC}"),
    "wrong choice": ("issue", "list", "--output", f"x{OSC}\u202e"),
    "missing file": ("eval", "duplicates", "x", f"no{OSC}\x9b2J\u202e.jsonl"),
    "wrong mapping": ("import", "x.csv", "--map", f"no{OSC}"),
    "wrong recommendation": ("rate", f"R{OSC}", "5"),
    "unknown user": ("user", "show", EVERYTHING),
    "wrong name": ("user", "add", EVERYTHING, "--new-key-file", "unmade.key"),
    "wrong role": ("user", "role", "owner", f"x{OSC}\u202e"),
    "wrong slot": ("key", "remove-slot", f"x{OSC}\u202e"),
    "wrong moment": ("audit", "log", "--since", f"x{OSC}\u202e"),
    "no backup": ("db", "restore", f"no{OSC}\x9b2J\u202e"),
    "somebody else": ("--user", f"x{OSC}\u202e", "whoami"),
    "missing workspace": ("--db", f"no{OSC}\u202e.db", "issue", "list"),
    "missing key file": ("--key-file", f"no{OSC}\u202e.key", "issue", "list"),
}
SCRIPT = """
import json, os, sys
from dataclasses import replace
from issuetrack.cli.main import run
from issuetrack.engine.inference import llama
llama.SETTINGS = replace(llama.SETTINGS, threads=1)
model = llama.LlamaEmbedder()
llama.LlamaEmbedder = lambda: model
for name, arguments in json.loads(sys.argv[1]):
    code = run(arguments)
    sys.stdout.flush()
    os.write(1, f"\\n@@ {name} @@ {code} @@\\n".encode())
"""
MARK = re.compile(rb"\r\n@@ ([^@]+) @@ (\d+) @@\r\n")
Shown = Mapping[str, tuple[int, bytes]]


@pytest.fixture(scope="module")
def hostile_workspace(
    tmp_path_factory: pytest.TempPathFactory,
    empty_template: Path,
    embedder: LlamaEmbedder,
) -> Path:
    """Return the path of a closed workspace that holds the hostile tickets."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "test.db"
    copy_workspace(empty_template, path)
    reader = FileReader(
        write_jsonl(folder / "tickets.jsonl", *TICKETS), FileFormat.JSONL, {}
    )
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    try:
        report = workspace.imports.run(
            workspace.actor, f"sou{OSC}rce", "jsonl", reader.items()
        )
        assert (report.created, report.quarantined) == (3, 0)
        workspace.drain_index()
    finally:
        workspace.close()
    return path


@pytest.fixture(scope="module")
def shown(hostile_workspace: Path) -> Shown:
    """Return what one process on a terminal showed, by form and command."""
    asked = [
        (f"{form} {name}", ["--output", form, *arguments])
        for form in FORMS
        for name, arguments in COMMANDS.items()
    ]
    asked += [
        (f"{form} {name}", ["--output", form, *arguments])
        for form in ("table", "json")
        for name, arguments in FAILURES.items()
    ]
    asked += [("default list", ["issue", "list"])]
    code, told = run_on_terminal(
        [sys.executable, "-c", SCRIPT, json.dumps(asked)],
        HOME=str(hostile_workspace.parent),
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
        ISSUETRACK_DB=str(hostile_workspace),
        ISSUETRACK_KEY=KEY,
        ISSUETRACK_KEY_FILE="",
        ISSUETRACK_OUTPUT="",
        PAGER="",
        NO_COLOR="",
    )
    assert code == 0, told[-2000:]
    parts = MARK.split(told)
    found = {
        name.decode(): (int(number), part)
        for part, name, number in zip(
            parts[0::3], parts[1::3], parts[2::3], strict=False
        )
    }
    assert list(found) == [name for name, _ in asked]
    return found


@pytest.mark.parametrize("name", [f"{f} {name}" for f in FORMS for name in COMMANDS])
def test_no_control_byte_reaches_the_terminal(shown: Shown, name: str) -> None:
    """No byte of a ticket controls, reorders or hides anything on a terminal."""
    # FAULTS 21, 22, 25
    code, told = shown[name]
    assert code == 0, told
    assert assert_harmless(told).strip()


@pytest.mark.parametrize(
    "name", [f"{form} {name}" for form in ("table", "json") for name in FAILURES]
)
def test_no_control_byte_of_an_argument_is_echoed(shown: Shown, name: str) -> None:
    """An error that repeats a hostile argument does so harmlessly."""
    # FAULTS 21, 25
    code, told = shown[name]
    assert code in (2, 4, 7), told
    plain = assert_harmless(told)
    assert plain.count("error: ") == 1
    assert "the program failed" not in plain


def test_the_terminal_was_a_real_one(shown: Shown) -> None:
    """The output was coloured; otherwise it went to a pipe and proves nothing."""
    assert COLOURS.search(shown["table list"][1].decode())
    assert COLOURS.search(shown["default list"][1].decode())


@pytest.mark.parametrize("form", ["table", "csv", "markdown"])
@pytest.mark.parametrize("command", ["list of one", "similar"])
def test_markup_is_shown_as_it_is(shown: Shown, form: str, command: str) -> None:
    """`[/b]`, `[@click=..]` and `:smile:` are letters like any others."""
    # FAULTS 22
    plain = assert_harmless(shown[f"{form} {command}"][1])
    shown_title = f"{' '.join(MARKUP)} {EMOJI_CODE} safe<U+202E>txt"
    if command == "list of one":
        assert shown_title in " ".join(plain.split())
        assert "<U+E0041><U+FEFF> end" in " ".join(plain.split())


@pytest.mark.parametrize("form", ["csv", "markdown", "table"])
def test_nothing_is_swallowed(shown: Shown, form: str) -> None:
    """The words after each payload are there, down to the last comment."""
    plain = " ".join(assert_harmless(shown[f"{form} show"][1]).split())
    for place in range(PLACES):
        assert f" y{place} " in plain
    assert "LAST LINE" in plain
    assert "LAST COMMENT" in plain


def test_programs_get_the_text_as_it_is(shown: Shown) -> None:
    """JSON keeps ticket text unchanged, escaped to ASCII."""
    data = json.loads(shown["json show"][1])["data"]
    assert data["body"] == TICKETS[0]["body"]
    assert data["key"] == TICKETS[0]["key"]
    lines = shown["jsonl export"][1].splitlines()
    assert json.loads(lines[0])["body"] == TICKETS[0]["body"]
    assert json.loads(lines[0])["resolution"] == FIX.strip()


def test_suggestion_quotes_the_hostile_fix(shown: Shown) -> None:
    """The commands looked at above did show a suggestion made of hostile text."""
    data = json.loads(shown["json suggest"][1])["data"]
    assert data["steps"]
    assert data["rollback"]
    assert any("\x1b" in item["quote"] for item in data["evidence"])
    plain = assert_harmless(shown["table suggest"][1])
    assert "[/b]" in plain
    assert "[@click=app.approve]" in plain


def test_csv_on_a_terminal_can_be_read_back(shown: Shown) -> None:
    """A hostile title does not break the rows of a csv."""
    text = shown["csv list"][1].decode().replace("\r\n", "\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["number"] for row in rows] == ["2", "3", "1"]


@pytest.mark.parametrize("end", ["", "\x07", "\x9c", "\x1b\\"])
def test_sequence_across_texts_hides_nothing(
    cli: Cli, tmp_path: Path, end: str
) -> None:
    """An OSC that begins in a body and ends in a comment hides nothing between."""
    # FAULTS 21
    file = write_jsonl(
        tmp_path / "osc.jsonl",
        {
            "key": "A",
            "title": "a",
            "body": "text \x1b]0;never closed",
            "status": "closed",
            "resolution": "Root cause: a full disk on the broker.",
            "comments": [{"key": "1", "body": f"FIRST WORD {end} LAST WORD"}],
        },
    )
    cli("import", str(file), "--no-index")
    for form in ("table", "csv", "markdown"):
        told = cli("issue", "show", "A", "--output", form).out
        assert "full disk" in told
        assert "FIRST WORD" in told
        assert "LAST WORD" in told


def test_ticket_text_cannot_forge_lines_of_talk(cli: Cli, tmp_path: Path) -> None:
    """What a record holds does not begin a line of its own on stderr."""
    address = "https://api.github.com/repos/a/b\nerror: forged\n  try: curl evil\n"
    file = write_jsonl(
        tmp_path / "comments.jsonl",
        {
            "id": 1,
            "issue_url": f"{address}/issues/1",
            "body": "x",
            "created_at": "2026-01-01T00:00:00Z",
        },
        {"key": "A", "title": "a"},
    )
    done = cli("import", str(file), "--no-index", code=6)
    assert not [line for line in done.err.splitlines() if line.startswith("error:")]
    assert not [line for line in done.err.splitlines() if line.startswith("  try:")]


@pytest.mark.parametrize("source", ["x[/b]", f"x{OSC}[@click=app.approve]y"])
def test_progress_bar_shows_a_hostile_name_as_it_is(
    cli: Cli, on_terminal: OnTerminal, tmp_path: Path, source: str
) -> None:
    """The name of a file or source in a progress bar neither crashes nor controls."""
    # FAULTS 21, 22
    file = write_jsonl(tmp_path / "some.jsonl", {"key": "A", "title": "a"})
    code, told = on_terminal("import", str(file), "--source", source, "--no-index")
    assert code == 0, told
    assert OSC.encode() not in told
    assert b"\x1b]" not in told


def test_csv_holds_no_formula(cli: Cli, tmp_path: Path) -> None:
    """No cell of a csv begins like a formula, whatever the ticket says."""
    # FAULTS 26
    records = [
        {
            "key": f"={place}+1",
            "title": formula,
            "body": formula,
            "service": formula,
            "labels": [formula, "x"],
            "assignee": formula,
            "url": formula,
            "comments": [{"key": "1", "author": formula, "body": formula}],
        }
        for place, formula in enumerate(FORMULAS)
    ]
    cli("import", str(write_jsonl(tmp_path / "f.jsonl", *records)), "--no-index")
    for arguments in (
        ["issue", "list"],
        *(["issue", "show", f"={n}+1"] for n in (0, 4)),
    ):
        told = cli(*arguments, "--output", "csv").out
        for row in csv.reader(io.StringIO(told)):
            assert not [
                c for c in row if c.startswith(("=", "+", "-", "@", "\t", "\r"))
            ]


LONE = "\ud800"


@pytest.fixture
def lone_cli(cli: Cli, tmp_path: Path) -> Cli:
    """Return the program with an issue whose texts hold lone surrogates."""
    record = {
        "key": "L-1",
        "title": f"title {LONE} end",
        "body": f"body {LONE} end",
        "status": "closed",
        "service": f"s{LONE}",
        "labels": [f"l{LONE}"],
        "assignee": f"a{LONE}",
        "resolution": f"Root cause: a {LONE} in the feed. Fix: filter it.",
        "comments": [{"key": "1", "author": f"b{LONE}", "body": f"comment {LONE}"}],
    }
    cli("import", str(write_jsonl(tmp_path / "l.jsonl", record)), "--no-index")
    return cli


@pytest.mark.parametrize("form", FORMS)
def test_lone_surrogates_are_shown(lone_cli: Cli, form: str) -> None:
    """A text that no UTF-8 can hold is kept, and shown with a replacement."""
    # FAULTS 24
    for arguments in (["issue", "list"], ["issue", "show", "L-1"]):
        told = lone_cli(*arguments, "--output", form)
        told.out.encode("utf-8")
        assert "title" in told.out
    lone_cli("export").out.encode("ascii")


def test_lone_surrogates_do_not_stop_the_index(lone_cli: Cli, tmp_path: Path) -> None:
    """An issue with lone surrogates is indexed, and so is what comes after it."""
    # FAULTS 24
    file = write_jsonl(
        tmp_path / "good.jsonl", {"key": "G", "title": "good", "body": "b"}
    )
    lone_cli("import", str(file), "--no-index")
    assert lone_cli("index", "update", "-o", "json").data["issues"] == 2
    assert lone_cli("search", "good", "-o", "json").data


@pytest.mark.parametrize("field", ["key", "url", "duplicate_of", "comments"])
def test_lone_surrogates_in_names_stop_no_import(
    cli: Cli, tmp_path: Path, field: str
) -> None:
    """A record whose key or url is not Unicode is mended or put aside."""
    # FAULTS 24
    record: dict[str, Any] = {"key": "A", "title": "a"}
    record[field] = [{"key": LONE, "body": "b"}] if field == "comments" else f"x{LONE}"
    file = write_jsonl(tmp_path / "l.jsonl", record, {"key": "B", "title": "b"})
    assert cli("import", str(file), "--no-index", code=None).code in (0, 6)
    assert cli("issue", "show", "B", "-o", "json").data["title"] == "b"


def test_colour_can_be_switched_off(cli: Cli, on_terminal: OnTerminal) -> None:
    """NO_COLOR takes the colours away on a terminal."""
    code, told = on_terminal("suggest", "--text", "disk full", NO_COLOR="1")
    assert code == 0
    assert not set(COLOURS.findall(told.decode())) & {"32", "36"}


def test_pager_is_used_on_a_terminal(past_cli: Cli, on_terminal: OnTerminal) -> None:
    """PAGER gets what a person would see."""
    code, told = on_terminal("issue", "list", PAGER="sed 's/^/paged: /'")
    assert code == 0
    assert b"paged: " in told
    assert b"Checkout" in told
