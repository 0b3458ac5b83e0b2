"""What is logged of a run, what a crash leaves, and what a support bundle holds."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Cli
from issuetrack.cli import crashes
from issuetrack.cli.main import run
from issuetrack.engine.workspace import Workspace

CANARY = "Canary7391!Zq"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the state directory of the test."""
    folder = tmp_path / "state"
    monkeypatch.setenv("ISSUETRACK_STATE_DIR", str(folder))
    return folder


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `search` fail as nobody foresaw, with a secret at hand."""

    def fails(*_: Any, **__: Any) -> None:
        secret = CANARY
        try:
            dict[str, str]()[secret[:0]]
        except KeyError as error:
            raise ZeroDivisionError(f"password={secret}\n{secret}") from error

    monkeypatch.setattr(Workspace, "open", fails)


def log_of(state: Path) -> list[dict[str, Any]]:
    """Return the records of the log."""
    text = (state / "issuetrack.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def everything_in(folder: Path) -> str:
    """Return the content of all files under a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return "".join(path.read_text() for path in files)


def test_a_run_is_logged_without_its_arguments(cli: Cli, state: Path) -> None:
    """The log tells command, seconds and exit code; not what was asked."""
    cli("search", f"words like {CANARY}")
    (line,) = log_of(state)
    assert line["message"].startswith("search: exit code 0 after 0.")
    assert CANARY not in everything_in(state)


def test_a_failure_is_logged_by_its_name(cli: Cli, state: Path) -> None:
    """A failure has its code and class, no message."""
    cli("issue", "show", CANARY, code=7)
    failure, end = (line["message"] for line in log_of(state))
    assert failure == "not_found: NotFoundError"
    assert end.startswith("issue show: exit code 7 after")
    assert CANARY not in everything_in(state)


def test_a_system_error_is_logged_with_its_class(cli: Cli, state: Path) -> None:
    """What the system refused is told with the class that it came as."""
    cli("export", "--to", "missing/file.jsonl", code=1)
    assert log_of(state)[0]["message"] == (
        "failure: IssueTrackError from FileNotFoundError"
    )


@pytest.mark.parametrize("option", ["--verbose", "--debug"])
def test_the_log_can_be_seen(cli: Cli, state: Path, option: str) -> None:
    """--verbose and --debug show the records on stderr, stdout stays data."""
    done = cli(option, "issue", "list", "-o", "json")
    assert done.err.startswith("info: issuetrack.cli: issue list: exit code 0 after")
    assert done.data == []
    assert cli("issue", "list").err == ""


def test_a_log_that_cannot_be_written_disturbs_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state directory that cannot be made is no failure."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ISSUETRACK_STATE_DIR", str(tmp_path / "file" / "state"))
    assert cli("issue", "list").err == ""


@pytest.mark.usefixtures("crash")
def test_a_crash_leaves_a_report(cli: Cli, state: Path) -> None:
    """The person gets a cause and a remedy, the report what helps to find it."""
    done = cli("search", "x", "-o", "json", code=1)
    cause, remedy = done.err.splitlines()
    (path,) = (state / "reports").iterdir()
    message = "the program failed: ZeroDivisionError: password=[password]"
    assert cause == f"error: {message}"
    assert remedy == f"  try: report it, with {path}"
    assert done.envelope["command"] == "search"
    assert done.envelope["error"]["code"] == "internal"
    assert done.envelope["error"]["message"] == message
    assert path.name.startswith("crash-2")
    assert path.name.endswith(f"Z-{os.getpid()}.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    report = json.loads(path.read_text())
    assert report["command"] == "search"
    assert {"issuetrack", "python", "sqlalchemy"} <= set(report["versions"])
    outer, inner = report["exceptions"]
    assert outer["type"] == "builtins.ZeroDivisionError"
    assert outer["message"] == "password=[password]"
    assert outer["frames"][-1]["function"] == "fails"
    assert set(outer["frames"][-1]) == {"file", "line", "function"}
    assert inner["type"] == "builtins.KeyError"


@pytest.mark.usefixtures("crash")
def test_no_secret_reaches_log_or_report(cli: Cli, state: Path) -> None:
    """A secret in a message, an argument or a variable is in no file of ours."""
    done = cli("search", CANARY, code=1)
    assert CANARY not in done.err
    assert CANARY not in everything_in(state)
    assert [line["level"] for line in log_of(state)] == ["ERROR", "INFO"]
    assert log_of(state)[0]["exception"]["type"] == "ZeroDivisionError"


@pytest.mark.usefixtures("crash")
def test_debug_raises_and_reports(cli: Cli, state: Path) -> None:
    """--debug shows the traceback of a crash, and the report is there too."""
    with pytest.raises(ZeroDivisionError):
        cli("search", "x", "--debug")
    assert len(list((state / "reports").iterdir())) == 1


def test_a_known_failure_leaves_no_report(cli: Cli, state: Path) -> None:
    """What the program foresaw is no crash, with --debug neither."""
    with pytest.raises(Exception, match="99"):
        cli("issue", "show", "99", "--debug")
    assert not (state / "reports").exists()


@pytest.mark.usefixtures("crash")
def test_twenty_reports_are_kept(cli: Cli, state: Path) -> None:
    """The oldest report goes when there are more than twenty."""
    folder = state / "reports"
    folder.mkdir(parents=True)
    for number in range(25):
        (folder / f"crash-19990101T0000{number:02}.000000Z-1.json").write_text("{}")
    cli("search", "x", code=1)
    kept = sorted(path.name for path in folder.iterdir())
    assert len(kept) == crashes.KEPT
    assert kept[0].startswith("crash-19990101T000006")
    assert kept[-1].startswith("crash-2")


@pytest.mark.usefixtures("crash")
def test_a_report_that_cannot_be_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a place for the report the remedy is --debug."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ISSUETRACK_STATE_DIR", str(tmp_path / "file" / "state"))
    done = cli("search", "x", code=1)
    assert done.err.splitlines()[1].endswith(
        "run it again with --debug and report what it shows"
    )


def test_a_crash_outside_of_commands(
    state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails before a command is known is reported without one."""
    monkeypatch.setattr("issuetrack.cli.main.application", lambda *_, **__: [][1])
    assert run(["-o", "json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["command"] == ""
    assert len(list((state / "reports").iterdir())) == 1


def members_of(path: Path) -> dict[str, str]:
    """Return the members of a bundle with their text."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_bundle_holds_what_helps(
    cli: Cli, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions, settings, checks, log and reports, everything redacted once more."""
    monkeypatch.setenv("ISSUETRACK_SPARE", f"/keys/{CANARY}")
    (state / "reports").mkdir(parents=True)
    (state / "reports" / "crash-1.json").write_text('{"mail": "bob@example.com"}')
    (state / "issuetrack.log").write_text(
        "".join(f"{n} password=old{n}x\n" for n in range(600))
    )
    path = tmp_path / "support.zip"
    done = cli("doctor", "--bundle", str(path), "-o", "json")
    members = members_of(path)
    assert done.data == {"path": str(path), "members": list(members)}
    assert set(members) == {
        "versions.json",
        "settings.json",
        "doctor.json",
        "log.jsonl",
        "reports/crash-1.json",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    settings = json.loads(members["settings.json"])
    assert "ISSUETRACK_SPARE" in settings["environment"]
    assert "issuetrack" in json.loads(members["versions.json"])
    rows = json.loads(members["doctor.json"])
    assert {"program", "libraries", "model"} <= {row["check"] for row in rows}
    lines = members["log.jsonl"].splitlines()
    assert len(lines) == 500
    assert lines[-1] == "599 password=[password]"
    assert json.loads(members["reports/crash-1.json"]) == {"mail": "[email]"}
    assert CANARY not in "".join(members.values())
    assert os.environ["ISSUETRACK_KEY"] not in "".join(members.values())
    assert str(Path.home()) not in "".join(members.values())


def test_bundle_overwrites_nothing(cli: Cli, state: Path, tmp_path: Path) -> None:
    """A file of that name is left as it is."""
    path = tmp_path / "support.zip"
    path.write_text("mine")
    assert "exists already" in cli("doctor", "--bundle", str(path), code=2).err
    assert path.read_text() == "mine"


def test_bundle_of_a_locked_workspace(
    cli: Cli, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key, and without a home, there still is a bundle."""
    monkeypatch.delenv("ISSUETRACK_KEY")
    monkeypatch.setenv("HOME", "/")
    path = tmp_path / "support.zip"
    done = cli("doctor", "--bundle", str(path))
    assert str(path) in "".join(done.out.split())
    assert "log.jsonl" in done.out
    rows = json.loads(members_of(path)["doctor.json"])
    assert [row["check"] for row in rows if not row["ok"]] == ["workspace"]


@pytest.mark.usefixtures("crash")
def test_bundle_of_a_broken_program(cli: Cli, state: Path, tmp_path: Path) -> None:
    """A check that crashes is a row of its own."""
    path = tmp_path / "support.zip"
    cli("doctor", "--bundle", str(path))
    rows = json.loads(members_of(path)["doctor.json"])
    assert rows[-1]["detail"] == "ZeroDivisionError"


def test_bundle_that_cannot_be_finished(
    cli: Cli, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle cut off by a full disk does not stay."""

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("issuetrack.cli.bundle.os.fdopen", fails)
    path = tmp_path / "support.zip"
    assert "No space" in cli("doctor", "--bundle", str(path), code=1).err
    assert not path.exists()
