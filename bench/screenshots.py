"""Draws the screens of the demo workspace into docs/images.

python bench/screenshots.py
"""

import asyncio
import os
import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.worker import WorkerState

from issuetrack.cli import triage_doors
from issuetrack.cli.context import Invocation
from issuetrack.tui.app import TriageApp
from issuetrack.tui.preferences import TuiPreferences

os.environ["LOGNAME"] = "oncall"
IMAGES = Path(__file__).resolve().parents[1] / "docs/images"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
WIDE, SMALL = (160, 42), (80, 24)
PICTURES = (
    ("triage", "dark", WIDE, ("s",)),
    ("triage-small", "light", SMALL, ()),
    ("help", "dark", WIDE, ("question_mark",)),
    ("sops", "dark", WIDE, ("j", "j", "j", "2")),
    ("search", "light", WIDE, ("3", *"certificate expired", "enter", "e")),
)
OVER = {WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED}


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until nothing has run for a second."""
    quiet = 0
    while quiet < 10:
        await pilot.pause(0.1)
        running = [w for w in pilot.app.workers if w.state not in OVER]
        quiet = 0 if running else quiet + 1


async def draw(app: TriageApp, name: str, size: tuple[int, int], keys: Any) -> None:
    """Draw one picture."""
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
        await settled(pilot)
        svg = pilot.app.export_screenshot(title="issuetrack triage", simplify=True)
        (IMAGES / f"{name}.svg").write_text(re.sub(r"terminal-\d+", "terminal", svg))


def procedures(workspace: Any) -> None:
    """Draft procedures from three resolved incidents, as a team would."""
    from issuetrack.engine.assistant.sops.drafts import DraftWish

    actor = workspace.actor
    for key in ("OPS-116", "OPS-109", "OPS-102"):
        made = workspace.sops.draft(actor, DraftWish((key,)))
        if key != "OPS-102":
            workspace.sops.submit(actor, made.record.summary.name)
    workspace.drain_index()


def main() -> None:
    """Draw all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with ExitStack() as kept:
        doors = replace(triage_doors.doors_of(Invocation(), kept), clock=lambda: NOW)
        workspace = doors.demo(lambda _: None)
        procedures(workspace)
        for name, theme, size, keys in PICTURES:
            app = TriageApp(doors, TuiPreferences(theme=theme), workspace)
            asyncio.run(draw(app, name, size, keys))


if __name__ == "__main__":
    main()
