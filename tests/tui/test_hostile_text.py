"""Ticket text that attacks the terminal is drawn as text (FAULTS 21, 22, 24, 25)."""

import re
from typing import Any

import pytest
from textual.pilot import Pilot

from cli.hostile import EVERYTHING, HIDDEN, MARKUP
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.issues.service import IssueDraft
from tui.conftest import SMALL, WIDE, Desk, read, settled, shown

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
TITLE = f"{' '.join(MARKUP)} {EVERYTHING}"
HIDDEN_LEFT = re.compile(f"[{''.join(HIDDEN.values())}]")


def _attacked(desk: Desk) -> None:
    """Put hostile text into every field that is drawn."""
    workspace = desk.workspace("owner")
    actor = workspace.actor
    draft = IssueDraft(
        TITLE,
        body=f"{EVERYTHING}\n\n[link](javascript:x) <b>{EVERYTHING}</b>",
        service=EVERYTHING[:100],
        site="[/b]",
        category="[TODO]",
        labels=tuple(MARKUP),
        assignee="[@click=app.quit]x[/]",
    )
    number = str(workspace.issues.create(actor, draft).number)
    workspace.issues.comment(actor, number, EVERYTHING)
    workspace.issues.resolve(actor, number, f"Restart `{EVERYTHING}` twice.")
    short = TITLE[:300]
    parts = dict.fromkeys(("problem", "cause", "steps", "notes"), f"1. {EVERYTHING}")
    sop = workspace.sops.create(actor, Procedure(short, tags=("[/b]",), **parts))
    workspace.sops.submit(actor, f"S{sop.summary.sop}")
    twin = IssueDraft(TITLE, body=EVERYTHING, priority=None)
    workspace.issues.create(actor, twin)
    workspace.drain_index()
    workspace.close()


def _harmless(pilot: Pilot[Any]) -> None:
    for strip in pilot.app.screen._compositor.render_strips():
        for segment in strip:
            assert not CONTROL.search(segment.text), segment
            assert not HIDDEN_LEFT.search(segment.text), segment
            assert segment.style is None or not segment.style.link, segment


WALK = ("G", "g", "s", "tab", "G", "tab", "G", "enter", "escape", "asterisk", "escape",
        "f", "escape", "question_mark", "escape", "2", "j", "H", "escape", "3")  # fmt: skip


@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
async def test_every_screen_draws_hostile_text_literally(
    desk: Desk, size: tuple[int, int]
) -> None:
    """No markup acts, nothing crashes, no control byte is drawn."""
    _attacked(desk)
    async with desk.at("owner", size) as pilot:
        assert "[/b]" in shown(pilot.app)
        for key in WALK:
            await pilot.press(key)
            await settled(pilot)
            _harmless(pilot)
        await pilot.press(*"click", "enter")
        await settled(pilot)
        assert "[@click=app" in shown(pilot.app)
        _harmless(pilot)
        assert pilot.app.is_running
        assert desk.reported == []


async def test_a_click_on_markup_acts_on_nothing(desk: Desk) -> None:
    """A title that would quit the application only becomes the open issue."""
    _attacked(desk)
    async with desk.at("owner") as pilot:
        await pilot.click("#issues", offset=(40, 1))
        await pilot.click("#detail", offset=(14, 0))
        await settled(pilot)
        assert pilot.app.is_running
        assert "[@click=app.approve]x[/]" in read(pilot.app)
