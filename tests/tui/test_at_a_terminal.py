"""The real program at a real pseudo terminal: bytes, signals, a terminal left sane."""

import os
import re
import signal
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.hostile import EVERYTHING
from conftest import key_of
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from pseudo_terminal import PseudoTerminal
from tui.conftest import Desk

OURS = re.compile(
    rb"\x1b\[[0-9;:<=>?$ ]*[A-Za-z]"  # colours, cursor, modes
    rb"|\x1b[()=>78M]B?|\x1b\]22;[a-z]+\x07|\x1bP\+q[0-9A-F;]*\x1b\\|\x1b\]\d+;[?]\x1b\\"
)
CONTROL = re.compile(rb"[\x00-\x06\x07\x0b\x0c\x0e-\x1f\x7f]|\x08")
LEFT = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l")


def _environment(desk: Desk, member: str) -> dict[str, str]:
    return {
        **os.environ,
        "TERM": "xterm-256color",
        "ISSUETRACK_DB": str(desk.team.path),
        "ISSUETRACK_KEY": key_of(member),
        "ISSUETRACK_USER": member,
    }


@pytest.fixture
def terminal(desk: Desk) -> Iterator[PseudoTerminal]:
    """Return the program at a terminal, when it shows the list."""
    with PseudoTerminal("triage", environment=_environment(desk, "engineer")) as found:
        found.until("OPS-201", 40)
        found.quiet()
        yield found


def _is_sane(terminal: PseudoTerminal) -> None:
    for mode in LEFT:
        assert mode in terminal.output
    assert termios.tcgetattr(terminal.descriptor)[3] == terminal.modes[3]


def test_quitting_leaves_the_terminal_as_it_was(terminal: PseudoTerminal) -> None:
    """Alternate screen left, cursor shown, mouse off, echo on; exit code 0."""
    terminal.press("q")
    assert terminal.wait() == 0
    _is_sane(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(
    terminal: PseudoTerminal, number: int
) -> None:
    """In the middle of a dialog, too."""
    terminal.press("c")
    terminal.quiet(0.1)
    os.kill(terminal.pid, number)
    terminal.wait()
    _is_sane(terminal)


def test_a_terminal_that_goes_away_loses_nothing_acknowledged(
    terminal: PseudoTerminal, desk: Desk
) -> None:
    """What was said to be done is done; what was under way is whole or not there."""
    for remark in ("First remark", "Second remark"):
        start = len(terminal.output)
        terminal.press("c")
        terminal.until("Ctrl+S when it is done", 20, start)
        terminal.press(f"{remark}\x13")
        if remark.startswith("First"):
            terminal.until("comment added", 20, start)
    os.close(terminal.descriptor)
    terminal.descriptor = os.open(os.devnull, os.O_RDONLY)
    for _ in range(200):
        if not terminal.alive:
            break
        signal.sigtimedwait([signal.SIGUSR1], 0.05)
    assert not terminal.alive
    workspace = desk.workspace()
    assert workspace.integrity_problems() == []
    assert workspace.verify_audit().broken_at is None
    bodies = [c.body for c in workspace.issues.get(workspace.actor, "OPS-201").comments]
    assert "First remark" in bodies
    assert bodies.count("Second remark") <= 1


def test_no_control_byte_of_a_ticket_reaches_the_terminal(
    desk: Desk, embedder: LlamaEmbedder, tmp_path: Path
) -> None:
    """What is written are the sequences of the program itself, and text (FAULTS 21)."""
    workspace = desk.workspace("owner")
    draft = IssueDraft(EVERYTHING, body=EVERYTHING, service=EVERYTHING[:80])
    number = str(workspace.issues.create(workspace.actor, draft).number)
    workspace.issues.comment(workspace.actor, number, EVERYTHING)
    workspace.close()
    with PseudoTerminal("triage", environment=_environment(desk, "engineer")) as found:
        found.until("x0", 40)
        found.press("s\tG\tG?")
        found.quiet(1)
        found.press("\x1b")
        found.quiet()
        found.press("q")
        found.wait()
        text = OURS.sub(b"", found.output)
        assert not CONTROL.search(text), CONTROL.search(text)
        assert b"\x1b]52" not in found.output
