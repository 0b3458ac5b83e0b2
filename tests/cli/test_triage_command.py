"""`triage` on a real terminal, and where there is none."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from cli.conftest import Cli, OnTerminal

LEFT = b"\x1b[?1049l"
CURSOR = b"\x1b[?25h"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 5, "triage needs a terminal"),
        (["--no-input"], 5, "type: issuetrack issue list"),
        (["--output", "jsonl"], 2, "issue list --output jsonl"),
        (["--output", "csv", "--view", "Mine"], 2, "issue list --output csv"),
    ],
)
def test_without_a_terminal_it_says_what_to_type(
    past_cli: Cli, arguments: list[str], code: int, told: str
) -> None:
    """Nothing is drawn into a pipe."""
    done = past_cli("triage", *arguments, code=code)
    assert told in done.err
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--view", "bogus"], b"one of: Unfinished, P1 and P2"),
        (["--theme", "pink"], b"one of: dark, light"),
        (["--view", "Mine", "words"], b"give one of them"),
    ],
)
def test_wrong_option_is_told_before_anything_is_drawn(
    past_cli: Cli, on_terminal: OnTerminal, arguments: list[str], told: bytes
) -> None:
    """Exit code 2 and the choices there are."""
    code, out = on_terminal("triage", *arguments)
    assert code == 2
    assert told in out
    assert b"\x1b[?1049h" not in out


def test_it_opens_and_quits(past_cli: Cli, on_terminal: OnTerminal) -> None:
    """A view at first, q quits; the terminal is left as it was."""
    answers = [(b"Printer", b"q")]
    code, out = on_terminal("triage", "--view", "unfinished", answers=answers)
    assert code == 0
    assert out.rindex(LEFT) > out.rindex(b"\x1b[?1049h")
    assert CURSOR in out[out.rindex(LEFT) - 20 :]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_leaves_the_terminal_as_it_was(
    past_cli: Cli, on_terminal: OnTerminal, tmp_path: Path, number: signal.Signals
) -> None:
    """The exit code names the signal; the workspace opens again."""

    def end(process: "subprocess.Popen[bytes]") -> None:
        os.kill(process.pid, number)

    code, out = on_terminal("triage", answers=[(b"Printer", end)])
    assert code == 128 + number
    assert LEFT in out
    assert b"Traceback" not in out
    past_cli("db", "check")
