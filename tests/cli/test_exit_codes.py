"""Exit codes, and how a failure is told: one cause, one remedy, no traceback."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import LOCAL_TITLE, Cli, Done, OnTerminal, in_words, write_jsonl
from conftest import KEY, RunCli
from issuetrack.cli.main import run
from issuetrack.engine.errors import ModelFileError
from issuetrack.engine.inference.llama import LlamaEmbedder, shipped_path

CRASH = "the program failed"


def told_once(done: Done) -> None:
    """Check that a failure is told in one line of cause and one of remedy."""
    lines = done.err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, done.err
    assert sum(line.startswith("  try: ") for line in lines) == 1, done.err
    assert "Traceback" not in done.err
    assert CRASH not in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["bogus"], 2),
        (["--bogus"], 2),
        (["issue", "bogus"], 2),
        (["issue", "list", "--bogus"], 2),
        (["issue", "list", "--limit", "0"], 2),
        (["issue", "list", "--limit", "many"], 2),
        (["issue", "list", "--sort", "bogus"], 2),
        (["issue", "list", "status:bogus"], 2),
        (["issue", "list", "status:"], 2),
        (["issue", "list", "bogus:x"], 2),
        (["issue", "list", "updated:>soon"], 2),
        (["issue", "list", '"open'], 2),
        (["issue", "list", "--output", "xml"], 2),
        (["issue", "show"], 2),
        (["issue", "show", "OPS-1", "OPS-2"], 2),
        (["issue", "show", "99"], 7),
        (["issue", "show", "#99"], 7),
        (["issue", "show", "NOPE-1"], 7),
        (["issue", "show", "99999999999999999999"], 7),
        (["issue", "show", "\N{SUPERSCRIPT TWO}"], 7),
        (["issue", "new"], 5),
        (["issue", "new", ""], 5),
        (["issue", "new", " "], 2),
        (["issue", "new", "x", "--priority", "P9"], 2),
        (["issue", "new", "x", "--type", "bogus"], 2),
        (["issue", "edit", "3"], 2),
        (["issue", "edit", "99", "--priority", "P1"], 7),
        (["issue", "comment", "99", "text"], 7),
        (["issue", "comment", "3"], 2),
        (["issue", "start", "OPS-1"], 2),
        (["resolve", "3"], 5),
        (["resolve", "3", "done"], 2),
        (["resolve", "99", "restarted the whole broker"], 7),
        (["search"], 2),
        (["search", " "], 2),
        (["similar"], 2),
        (["similar", "1", "--text", "x"], 2),
        (["similar", "99"], 7),
        (["suggest"], 2),
        (["suggest", "--text", " "], 2),
        (["suggest", "99"], 7),
        (["rate", "bogus", "5"], 2),
        (["rate", "R99999999999999999999", "5"], 2),
        (["rate", "R1", "0"], 2),
        (["rate", "R1", "6"], 2),
        (["rate", "R1", "many"], 2),
        (["rate", "R1", "5"], 7),
        (["import"], 2),
        (["import", "missing.jsonl"], 7),
        (["import", "/dev/null"], 2),
        (["export", "bogus:x"], 2),
        (["export", "--to", "missing/file.jsonl"], 1),
        (["eval"], 2),
        (["eval", "duplicates", "missing", "missing"], 7),
        (["init"], 1),
        (["init", "--keyring", "--env-key"], 2),
        (["--db", "missing.db", "issue", "list"], 7),
        (["--db", "missing.db", "suggest", "--text", "x"], 7),
        (["--key-file", "missing.key", "issue", "list"], 4),
    ],
    ids=in_words,
)
def test_failure_is_told_once(past_cli: Cli, arguments: list[str], code: int) -> None:
    """Each failure has its exit code, one `error:` line and one `try:` line."""
    told_once(past_cli(*arguments, code=code))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["issue", "list", "--", "-label:noise"], 0),
        (["issue", "list", "service:,"], 2),
        (["issue", "list", "created:9999-12-31"], 0),
        (["issue", "list", "created:0001-01-01T00:00:00+14:00"], 2),
        (["issue", "list", "--limit", "99999999999999999999"], 2),
        (["issue", "list", "\udcff"], 0),
        (["issue", "show", "\udcff"], 7),
        (["issue", "new", LOCAL_TITLE, "-s", "\udcff"], 0),
        (["issue", "new", LOCAL_TITLE, "-l", "\udcff"], 0),
        (["issue", "new", LOCAL_TITLE, "-b", "\udcff"], 0),
        (["issue", "edit", "3", "--title", ""], 2),
        (["issue", "edit", "3", "--title", "none"], 0),
        (["issue", "assign", "3", "\udcff"], 0),
        (["issue", "comment", "3", "\udcff"], 0),
        (["resolve", "3", "restarted it after \udcff came up"], 0),
        (["search", "\udcff"], 0),
        (["rate", "R\udcff", "5"], 2),
        (["import", "\udcff"], 7),
        (["export", "--to", "."], 2),
    ],
    ids=in_words,
)
def test_odd_arguments_do_not_crash(
    past_cli: Cli, arguments: list[str], code: int
) -> None:
    """Odd values are taken or refused; the program does not fail over them."""
    done = past_cli(*arguments, code=None)
    assert CRASH not in done.err
    assert done.code == code


@pytest.mark.parametrize(
    "arguments", [["issue", "comment", "3", ""], ["issue", "close", "OPS-1"]]
)
def test_every_misuse_has_a_remedy(past_cli: Cli, arguments: list[str]) -> None:
    """A misuse says what to do instead."""
    told_once(past_cli(*arguments, code=2))


FORGED = "x\nerror: forged\n  try: forged"


@pytest.mark.parametrize(
    "arguments",
    [
        [FORGED],
        ["issue", "show", FORGED],
        ["issue", "list", "--sort", FORGED],
        ["rate", FORGED, "5"],
        *(
            pytest.param(arguments)
            for arguments in (
                ["issue", "list", f"status:{FORGED}"],
                ["issue", "list", f"bogus:{FORGED}"],
                ["issue", "list", f'"{FORGED}'],
                ["issue", "list", f"updated:>{FORGED}"],
                ["import", FORGED],
                ["--db", FORGED, "issue", "list"],
                ["--key-file", FORGED, "issue", "list"],
            )
        ),
    ],
    ids=in_words,
)
def test_argument_cannot_forge_lines(past_cli: Cli, arguments: list[str]) -> None:
    """Line breaks in an argument begin no second `error:` or `try:`."""
    # FAULTS 21
    told_once(past_cli(*arguments, code=None))


def test_wrong_term_is_pointed_at(past_cli: Cli) -> None:
    """A wrong query term is underlined in the query."""
    done = past_cli("issue", "list", "service:checkout status:bogus disk", code=2)
    lines = done.err.splitlines()
    assert lines[0] == "error: 'bogus' is not one of its values"
    assert lines[1] == "    service:checkout status:bogus disk"
    assert lines[2] == "                     ^^^^^^^^^^^^"
    assert lines[3] == "  try: values are: open, in_progress, resolved, closed"


def test_nothing_to_show_is_success(cli: Cli) -> None:
    """An empty workspace answers with nothing, and exit code 0."""
    assert cli("issue", "list", "-o", "json").data == []
    assert cli("search", "anything", "-o", "json").data == []
    assert cli("export").out == ""
    assert cli("index", "update", "-o", "json").data["issues"] == 0


def test_suggestion_from_nothing_asks(cli: Cli) -> None:
    """Without past issues a suggestion has confidence 0, no steps, and questions."""
    data = cli("suggest", "--text", "checkout is down", "-o", "json").data
    assert (data["confidence"], data["steps"], data["root_causes"]) == (0.0, [], [])
    assert data["questions"]
    assert data["similar"] == data["evidence"] == []
    assert data["issue"] is None


def test_no_key_is_locked(past_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the workspace is locked: exit code 4, nothing shown."""
    # FAULTS 29
    monkeypatch.delenv("ISSUETRACK_KEY")
    done = past_cli("issue", "list", code=4)
    told_once(done)
    assert "locked" in done.err


@pytest.mark.parametrize("output", ["table", "json"])
def test_wrong_key_shows_and_changes_nothing(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, output: str
) -> None:
    """A wrong key gives exit code 4, no plaintext and no write."""
    # FAULTS 29
    files = [tmp_path / "test.db", tmp_path / "test.db.keys"]
    before = [file.read_bytes() for file in files]
    monkeypatch.setenv("ISSUETRACK_KEY", "f" * 32)
    for arguments in (
        ["issue", "list"],
        ["issue", "new", "title"],
        ["export"],
        ["suggest", "--text", "checkout"],
        ["index", "rebuild"],
    ):
        done = past_cli(*arguments, "--output", output, code=4)
        assert "Checkout" not in done.out + done.err
        if output == "json":
            assert done.envelope["error"]["code"] == "wrong_key"
        else:
            told_once(done)
    assert [file.read_bytes() for file in files] == before


def test_key_too_short_is_a_misuse(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that cannot be a key is refused before the file is touched."""
    monkeypatch.setenv("ISSUETRACK_KEY", "short")
    told_once(past_cli("issue", "list", code=2))


def test_readable_key_file_is_refused(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A key file that others can read is not used; the remedy is a command."""
    monkeypatch.delenv("ISSUETRACK_KEY")
    path = tmp_path / "team.key"
    path.write_text("f" * 64)
    path.chmod(0o644)
    done = past_cli("issue", "list", "--key-file", str(path), code=4)
    told_once(done)
    assert f"try: chmod 600 {path}" in done.err


def _without(name: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        content = json.loads(text)
        del content[name]
        return json.dumps(content)

    return change


def _with_slot(**values: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        content = json.loads(text)
        next(iter(content["slots"].values()))[0] |= values
        return json.dumps(content)

    return change


def _viewer(text: str) -> str:
    content = json.loads(text)
    content["log"][0]["role"] = "viewer"
    return json.dumps(content)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda _: "garbage", id="not json"),
        pytest.param(lambda _: "[]", id="a list"),
        pytest.param(lambda _: "{}", id="no format"),
        pytest.param(lambda text: text[: len(text) // 2], id="cut off"),
        pytest.param(_viewer, id="another role"),
        pytest.param(_without("log"), id="no log"),
        pytest.param(_without("slots"), id="no slots"),
        pytest.param(_without("sealed"), id="no sealed keys"),
        pytest.param(_without("revision"), id="no revision"),
        pytest.param(_without("database"), id="no database"),
        pytest.param(_with_slot(wrapped="!!"), id="no base64"),
        pytest.param(_with_slot(kind="magic"), id="no such slot"),
    ],
)
def test_changed_key_file_is_tampered(
    past_cli: Cli, tmp_path: Path, change: Callable[[str], str]
) -> None:
    """A key file that was changed gives exit code 4 and names the backup."""
    path = tmp_path / "test.db.keys"
    path.write_text(change(path.read_text()))
    done = past_cli("issue", "list", code=4)
    told_once(done)
    assert "backup" in done.err


def test_missing_key_file_is_locked(past_cli: Cli, tmp_path: Path) -> None:
    """A database without its key file gives exit code 4."""
    (tmp_path / "test.db.keys").unlink()
    told_once(past_cli("issue", "list", code=4))


def test_changed_database_is_not_read(past_cli: Cli, tmp_path: Path) -> None:
    """Overwritten pages give exit code 4 and never wrong text."""
    # FAULTS 7
    path = tmp_path / "test.db"
    content = bytearray(path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start + 100 : start + 200] = bytes(100)
    path.write_bytes(content)
    done = past_cli("issue", "list", code=4)
    told_once(done)
    assert "Checkout" not in done.err


def test_quarantined_records_are_partial(cli: Cli, tmp_path: Path) -> None:
    """An import that put records aside has exit code 6."""
    file = write_jsonl(
        tmp_path / "some.jsonl", {"key": "A", "title": "a"}, {"key": "B"}
    )
    done = cli("import", str(file), "--no-index", "-o", "json", code=6)
    assert (done.data["created"], done.data["quarantined"]) == (1, 1)
    assert done.err.startswith("warning: some.jsonl line 2: ")


@pytest.fixture(params=["truncated", "empty", "garbage", "one byte changed", "missing"])
def damaged_model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return the path of a model file that is not the shipped one."""
    path = tmp_path / "model.gguf"
    whole = shipped_path().read_bytes()
    content = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "garbage": b"GGUF" + bytes(1000),
        "one byte changed": whole[:-5] + b"\x00\x01" + whole[-3:],
        "missing": None,
    }[request.param]
    if content is not None:
        path.write_bytes(content)
    return path


def test_damaged_model_is_refused(damaged_model: Path) -> None:
    """The engine does not load a model file that is not the expected one."""
    # FAULTS 43
    with pytest.raises(ModelFileError) as caught:
        LlamaEmbedder(path=damaged_model).embed(["text"])
    assert caught.value.hint is not None


def test_damaged_model_stops_only_what_needs_it(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, damaged_model: Path
) -> None:
    """Without a model searching gives exit code 9, and everything else goes on."""
    # FAULTS 43
    name = "issuetrack.engine.inference.llama.LlamaEmbedder"
    monkeypatch.setattr(name, lambda: LlamaEmbedder(path=damaged_model))
    told_once(past_cli("search", "never seen words", code=9))
    failed = past_cli("search", "never seen words", "-o", "json", code=9)
    assert failed.envelope["error"]["code"] == "model_unavailable"
    made = past_cli("issue", "new", "never seen title", "--body", "x", "-o", "json")
    assert len(made.envelope["warnings"]) == 1
    assert "cannot be found yet" in made.err
    assert past_cli("issue", "list", "key:none", "-o", "json").data[0]["title"] == (
        "never seen title"
    )
    told_once(past_cli("index", "update", code=9))
    checks = past_cli("doctor", "-o", "json", code=9).data
    model = next(row for row in checks if row["check"] == "model")
    assert model["ok"] is False
    assert "pip install" in model["remedy"]


class _Interrupted(io.RawIOBase):
    """A stdin at which the person presses Ctrl-C."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0


def test_interrupt_has_its_own_code(
    past_cli: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C while reading stdin gives exit code 130 and changes nothing."""
    stdin = io.TextIOWrapper(io.BufferedReader(_Interrupted()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(["issue", "comment", "3", "-"]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
    assert past_cli("issue", "show", "3", "-o", "json").data["comments"] == []


def test_interrupt_at_a_prompt_leaves_nothing(
    on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """Ctrl-C at the question for a passphrase: exit code 130, no files."""
    before = sorted(tmp_path.iterdir())
    code, told = on_terminal(
        "init",
        ISSUETRACK_KEY="",
        answers=[(b"passphrase: ", lambda p: p.send_signal(signal.SIGINT))],
    )
    assert (code, told) == (130, b"New passphrase: \r\ninterrupted\r\n")
    assert sorted(tmp_path.iterdir()) == before


def test_debug_shows_where(past_cli: Cli, run_cli: RunCli) -> None:
    """--debug shows the traceback of a failure, without the values of variables."""
    done = run_cli("issue", "show", "99", "--debug")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert KEY not in done.stderr


def test_reader_that_goes_away_is_no_failure(past_cli: Cli, tmp_path: Path) -> None:
    """A closed pipe, as with `| head`, ends the program quietly."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "issuetrack", "issue", "list"],
        stdout=write,
        stderr=subprocess.PIPE,
        env={**os.environ, "ISSUETRACK_DB": str(tmp_path / "test.db")},
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")
