"""The whole loop in a real tmux, by keys alone: suggestion, rating, fix, SOP, approval."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from conftest import key_of
from issuetrack.engine.assistant.feedback_log import FeedbackFilter
from issuetrack.engine.store.types import SopStatus
from tui.conftest import Desk

pytestmark = pytest.mark.external
MESSAGE = "\N{LEFT HALF BLOCK}"
CHANGING = re.compile(r"-?\d+\.\d\d|\bjust now\b|\b\d+[ymhd](?: ago)?\b|\bnow\b")
DRAWN = re.compile(r"[^\x21-\x7e]+|[|#-]{2,}")


class Tmux:
    """The application in a tmux server of its own, used by one member of the team."""

    def __init__(self, socket: Path, desk: Desk, member: str) -> None:
        self._socket = socket
        environment = {
            "ISSUETRACK_DB": desk.team.path,
            "ISSUETRACK_KEY": key_of(member),
            "ISSUETRACK_USER": member,
        }
        given = [f"{name}={value}" for name, value in environment.items()]
        program = [sys.executable, "-m", "issuetrack", "triage"]
        size = ["-x", "160", "-y", "45"]
        own = ["env", "-u", "COLUMNS", "-u", "LINES", *given]
        self._tmux("new-session", "-d", *size, *own, *program)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self._socket), "-f", os.devnull, *arguments],
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout

    @property
    def screen(self) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-p")

    def until(self, text: str, seconds: float = 60) -> str:
        """Wait until a text is on the screen, and return the screen."""
        end = time.monotonic() + seconds
        while text not in self.screen:
            assert time.monotonic() < end, f"no {text!r} in\n{self.screen}"
            time.sleep(0.1)
        return self.screen

    def press(self, *keys: str, then: str = "") -> str:
        """Press keys, and wait for what they lead to."""
        self._tmux("send-keys", *keys)
        return self.until(then)

    def type(self, text: str, *keys: str, then: str = "") -> str:
        """Type a text, then press keys."""
        self._tmux("send-keys", "-l", text)
        return self.press(*keys, then=then)

    def zoomed(self, text: str) -> str:
        """Return the words of a pane that has the whole screen for a moment."""
        while MESSAGE in self.screen:
            time.sleep(0.2)
        self.press("z")
        time.sleep(0.5)
        screen = self.until(text)
        self.press("z")
        time.sleep(0.5)
        words = DRAWN.sub(" ", screen).split()
        return CHANGING.sub("~", " ".join(words))

    def close(self) -> None:
        """End the application as a person does."""
        self._tmux("send-keys", "q")
        end = time.monotonic() + 20
        while self._alive():
            assert time.monotonic() < end, "the application does not end"
            time.sleep(0.1)

    def _alive(self) -> bool:
        command = ["tmux", "-S", str(self._socket), "has-session"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def kill(self) -> None:
        """End the server, whatever runs in it."""
        command = ["tmux", "-S", str(self._socket), "kill-server"]
        subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def tmux(desk: Desk, tmp_path: Path) -> Iterator[list[Tmux]]:
    """Return the sessions; all are ended."""
    sessions: list[Tmux] = []
    yield sessions
    for session in sessions:
        session.kill()


def test_from_a_ticket_to_an_approved_procedure(
    desk: Desk, tmux: list[Tmux], tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    """An engineer takes a suggestion, rates, resolves, drafts; an admin approves."""
    engineer = Tmux(tmp_path / "engineer", desk, "engineer")
    tmux.append(engineer)
    engineer.until("OPS-201")
    engineer.until("Similar")
    engineer.press("s", then="R1")
    engineer.until("Likely cause")
    assert engineer.zoomed("Likely cause") == snapshot(name="suggestion")
    engineer.press("*", then="solved it")
    engineer.press("4", then="Why?")
    engineer.press("Enter", then="4 of 5")
    engineer.press("r", then="Ctrl+S")
    engineer.type(
        "Root cause: more pods than slots. Fix: 12 pods, DB_POOL_MAX=8, restart.",
        "C-s",
        then="Which of these helped",
    )
    engineer.press("1", then="noted as what helped")
    engineer.press("d", then="Go to S")
    engineer.press("y", then="A draft")
    engineer.press("S", then="In review")
    assert engineer.zoomed("Steps") == snapshot(name="draft")
    engineer.close()

    second = Tmux(tmp_path / "second", desk, "second")
    tmux.append(second)
    second.until("Similar")
    second.press("2", then="review")
    second.press("Q", then="In review")
    second.press("A", then="y approves it")
    second.press("y", then="Approved by second")
    second.press("Tab", then="Approved by second")
    assert second.zoomed("Approved by second") == snapshot(name="approved")
    second.close()

    workspace = desk.workspace()
    actor = workspace.actor
    assert workspace.issues.get(actor, "OPS-201").summary.status == "resolved"
    found = workspace.feedback.entries(actor, FeedbackFilter(), 10)
    assert {entry.stars or entry.result for entry in found} == {4, "accepted"}
    approved, _ = workspace.sops.matching(actor, SopStatus.APPROVED)
    assert {sop.approved_by for sop in approved} == {"second"}
    assert "engineer" in {sop.author for sop in approved}
