"""The program log: whole lines of JSON, redacted, rotated, and never in the way."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from issuetrack.engine import logs_setup
from issuetrack.engine.logs_setup import SharedLog, frames_of, last_lines, logging_to
from issuetrack.engine.settings import state_directory

CANARY = "Canary7391!Zq"
WRITER = """
import logging, sys
from pathlib import Path
from issuetrack.engine.logs_setup import SharedLog
handler = SharedLog(Path(sys.argv[1]), size=20_000)
logger = logging.getLogger("issuetrack.test")
logger.addHandler(handler)
for number in range(300):
    logger.error("%s line %d %s", sys.argv[2], number, "x" * (number % 90))
"""


def records(folder: Path) -> list[dict[str, Any]]:
    """Return what the log in a folder holds; every line is one object."""
    return [json.loads(line) for line in last_lines(folder, 10_000)]


def test_a_line_tells_when_who_and_what(tmp_path: Path) -> None:
    """Each record is one object a line, its text redacted."""
    logger = logging.getLogger("issuetrack.some.place")
    with logging_to(tmp_path / "state"):
        logger.info("as %s\nwith password=%s", "bob@example.com", CANARY)
        logger.debug("not this")
    (line,) = records(tmp_path / "state")
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "issuetrack.some.place",
        "message": "as [email]\nwith password=[password]",
        "process": os.getpid(),
    }


def test_exceptions_are_told_without_values(tmp_path: Path) -> None:
    """An exception is its type and its frames: no message, no variables."""

    def fails() -> None:
        secret = CANARY
        raise ValueError(f"password={secret}")

    with logging_to(tmp_path):
        try:
            fails()
        except ValueError:
            logging.getLogger("issuetrack").exception("it failed")
    (line,) = records(tmp_path)
    assert line["exception"]["type"] == "ValueError"
    assert line["exception"]["frames"][-1]["function"] == "fails"
    assert set(line["exception"]["frames"][-1]) == {"file", "line", "function"}
    assert CANARY not in (tmp_path / "issuetrack.log").read_text()
    assert "raise ValueError" not in (tmp_path / "issuetrack.log").read_text()


def test_only_the_owner_may_read(tmp_path: Path) -> None:
    """The folder is 0700, the files are 0600."""
    folder = tmp_path / "new" / "state"
    with logging_to(folder):
        logging.getLogger("issuetrack").info("x")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "issuetrack.log").stat().st_mode & 0o777 == 0o600


def test_files_are_rotated(tmp_path: Path) -> None:
    """There are five files at most, none over its size, the newest lines kept."""
    folder = tmp_path / "state"
    folder.mkdir()
    handler = SharedLog(folder / "issuetrack.log", size=2_000)
    logger = logging.getLogger("issuetrack.rotation")
    logger.addHandler(handler)
    for number in range(300):
        logger.error("line %d", number)
    logger.removeHandler(handler)
    handler.close()
    names = {path.name for path in folder.iterdir()} - {"issuetrack.log.lock"}
    assert names == {"issuetrack.log", *(f"issuetrack.log.{n}" for n in range(1, 5))}
    assert all(path.stat().st_size <= 2_000 for path in folder.iterdir())
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    numbers = [int(r["message"].split()[1]) for r in records(folder)]
    assert numbers == list(range(numbers[0], 300))


def test_two_processes_leave_whole_lines(tmp_path: Path) -> None:
    """Processes that log and rotate at once neither tear lines nor lose new ones."""
    path = tmp_path / "issuetrack.log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name])
        for name in ("one", "two")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    lines = records(tmp_path)
    for name in ("one", "two"):
        numbers = [
            int(line["message"].split()[2])
            for line in lines
            if line["message"].startswith(name)
        ]
        assert numbers == sorted(set(numbers))
    assert len(lines) > 300


def test_what_cannot_be_written_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No folder, a full disk or a bad record: the program goes on, silently."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with logging_to(blocked / "state"):
        logging.getLogger("issuetrack").error("x")
    with logging_to(tmp_path):
        (tmp_path / "issuetrack.log").symlink_to("/dev/full")
        logging.getLogger("issuetrack").info("x")
        logging.getLogger("issuetrack").info("%d", "no number")
    monkeypatch.setattr(os, "write", lambda *_: 1 / 0)
    with logging_to(tmp_path):
        logging.getLogger("issuetrack").info("x")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")


def test_a_file_taken_away_is_made_again(tmp_path: Path) -> None:
    """Another process may rotate at any time; the next line goes to the new file."""
    with logging_to(tmp_path):
        logging.getLogger("issuetrack").info("first")
        (tmp_path / "issuetrack.log").rename(tmp_path / "issuetrack.log.1")
        logging.getLogger("issuetrack").info("second")
        (tmp_path / "issuetrack.log.2").write_text("")
        (tmp_path / "issuetrack.log").replace(tmp_path / "issuetrack.log.2")
        (tmp_path / "issuetrack.log").write_text("")
        logging.getLogger("issuetrack").info("third")
    assert json.loads((tmp_path / "issuetrack.log").read_text())["message"] == "third"


def test_another_process_that_rotated_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waited for the lock and finds a new file does not rotate again."""
    handler = SharedLog(tmp_path / "issuetrack.log", size=400)
    alone = logs_setup._alone

    def rotated_meanwhile(path: Path) -> Any:
        (tmp_path / "issuetrack.log").rename(tmp_path / "issuetrack.log.1")
        return alone(path)

    monkeypatch.setattr(logs_setup, "_alone", rotated_meanwhile)
    monkeypatch.setattr(logs_setup, "fcntl", None)
    record = logging.LogRecord("issuetrack", 20, "", 1, "y" * 100, None, None)
    for _ in range(2):
        handler.emit(record)
    handler.close()
    assert len(records(tmp_path)) == 2
    assert not (tmp_path / "issuetrack.log.2").exists()


def test_last_lines_go_over_the_files(tmp_path: Path) -> None:
    """The newest lines are last; older files are read only as far as needed."""
    (tmp_path / "issuetrack.log").write_text("3\n4\n")
    (tmp_path / "issuetrack.log.1").write_text("1\n2\n")
    assert last_lines(tmp_path, 3) == ["2", "3", "4"]
    assert last_lines(tmp_path, 2) == ["3", "4"]
    assert last_lines(tmp_path / "none", 2) == []


def test_loggers_are_left_as_they_were(tmp_path: Path) -> None:
    """After the block nothing is logged, and no handler stays."""
    logger = logging.getLogger("issuetrack")
    before = (logger.level, logger.propagate, list(logger.handlers))
    with logging_to(tmp_path, logging.Handler(logging.DEBUG)):
        assert logger.level == logging.DEBUG
    assert (logger.level, logger.propagate, list(logger.handlers)) == before


def test_an_exception_that_cannot_be_told() -> None:
    """An exception whose text fails has no text."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert logs_setup.told(BrokenError()) == ""
    assert logs_setup.told(ValueError(f"password={CANARY}\nmore")) == (
        "password=[password]"
    )
    assert frames_of(None) == []


def test_the_environment_names_the_folder(tmp_path: Path) -> None:
    """ISSUETRACK_STATE_DIR goes before the folder of the platform."""
    named = {"ISSUETRACK_STATE_DIR": str(tmp_path)}
    assert state_directory(named) == tmp_path
    assert state_directory({}).name == "issuetrack"
