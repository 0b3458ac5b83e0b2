"""What can be done with the open issue, by keys, seen in the workspace afterwards."""

import stat
import threading
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from engine.sync.scripted import URL, Script, remote, settings, stored
from issuetrack.engine.errors import RemoteUnreachable
from issuetrack.engine.identity.policies import DRAFT_ON_RESOLVE
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.store.types import (
    IssueStatus,
    Priority,
    ResolutionHow,
    SopStatus,
)
from issuetrack.engine.sync.connector import Page
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.sync.runs import Wish
from tui.conftest import SMALL, Desk, read, settled, shown, waiting

FIX = "Root cause: more pods than slots. Fix: scaled the shop down to 12 pods."


async def asked(pilot: Pilot[Any], keys: str, question: str) -> None:
    """Press keys and wait for the question that they lead to."""
    await pilot.press(*keys.split())
    await waiting(pilot, question)


async def said(pilot: Pilot[Any], text: str) -> None:
    """Answer the question that stands there with a text."""
    screen = pilot.app.screen
    if screen.query(TextArea):
        screen.query_one(TextArea).text = text
        await pilot.press("ctrl+s")
    else:
        screen.query_one(Input).value = text
        await pilot.press("enter")
    await pilot.pause()


def told(pilot: Pilot[Any]) -> str:
    """Return what was told so far."""
    return "\n".join(note.message for note in pilot.app._notifications)


async def heard(pilot: Pilot[Any], text: str) -> None:
    """Wait until something is told."""
    for _ in range(500):
        await pilot.pause(0.02)
        if text in told(pilot):
            return
    raise AssertionError(f"nobody told {text!r}, but {told(pilot)!r}")


def issue(desk: Desk, name: str = "OPS-201") -> IssueRecord:
    """Return an issue as it is kept."""
    workspace = desk.workspace()
    return workspace.issues.get(workspace.actor, name)


def script(path: Path, text: str) -> str:
    """Make a program of a few lines of shell; return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


async def filtered(pilot: Pilot[Any], query: str) -> None:
    """Take another filter, and wait for what fits."""
    screen: Any = pilot.app.screen
    screen.filter_by(query)
    await pilot.pause(0.3)
    await settled(pilot)


def tracked(desk: Desk, *items: RemoteIssue) -> None:
    """Have some issues of a tracker in the workspace."""
    owner = desk.workspace()
    owner.sources.add(owner.actor, settings(), "repo acme/shop", stored())
    connect = Script([Page(items, "1")]).connect
    owner.sync.run(owner.actor, "shop", connect, Wish(), environment={})


async def test_fields_are_set_and_set_back(desk: Desk) -> None:
    """Assignee, priority and status change by a key each, and u undoes the latest."""
    before = issue(desk).summary
    async with desk.at() as pilot:
        await asked(pilot, "a", "Who takes OPS-201?")
        await said(pilot, "me")
        await settled(pilot)
        await asked(pilot, "p", "Priority of OPS-201")
        await pilot.press("4")
        await settled(pilot)
        await asked(pilot, "t", "OPS-201 is open; make it")
        assert "closed" in shown(pilot.app)
        await pilot.press("i")
        await settled(pilot)
        after = issue(desk).summary
        assert (after.assignee, after.priority) == ("engineer", Priority.P4)
        assert after.status is IssueStatus.IN_PROGRESS
        assert "assigned to engineer" in read(pilot.app)
        await pilot.press("u")
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
        await pilot.press("u")
        await settled(pilot)
        now = issue(desk).summary
        assert (now.assignee, now.priority, now.status) == (
            before.assignee,
            before.priority,
            before.status,
        )
        assert "nothing to undo" in told(pilot)
        assert not desk.workspace().index_waits()
        assert not desk.reported


async def test_work_of_others_is_never_overwritten(desk: Desk) -> None:
    """A change on what somebody else changed is refused, and so is its undoing."""
    async with desk.at() as pilot:
        other = desk.workspace("second")
        other.issues.assign(other.actor, "OPS-201", "second")
        await asked(pilot, "a", "Who takes")
        await said(pilot, "me")
        await settled(pilot)
        assert issue(desk).summary.assignee == "second"
        assert "was changed by somebody else" in told(pilot)
        assert "assigned to second" in read(pilot.app)
        await asked(pilot, "p", "Priority")
        await pilot.press("4")
        await settled(pilot)
        other.issues.edit(other.actor, "OPS-201", {"priority": Priority.P3})
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).summary.priority is Priority.P3
        assert "not undone (priority P1 -> P4)" in told(pilot)


async def test_no_move_is_made_on_what_others_changed(desk: Desk) -> None:
    """A status, a link, a resolution and their undoing need the issue as it was read."""
    other = desk.workspace("second")
    original = issue(desk, "OPS-101").summary.number
    async with desk.at() as pilot:
        for keys, answers, question in (
            ("t", ["i"], "OPS-201 is open; make it"),
            ("m", ["enter", "y"], "Which issue is"),
            ("r", ["ctrl+s"], "What fixed OPS-201?"),
        ):
            other.issues.comment(other.actor, "OPS-201", "I look at it")
            await asked(pilot, keys, question)
            for field in pilot.app.screen.query(Input):
                field.value = f"#{original}"
            for area in pilot.app.screen.query(TextArea):
                area.text = FIX
            for answer in answers:
                await pilot.press(answer)
                await settled(pilot)
        now = issue(desk)
        assert (now.summary.status, now.summary.duplicate_of, now.resolution) == (
            IssueStatus.OPEN,
            None,
            None,
        )
        assert told(pilot).count(f"#{now.number} was changed by somebody else") == 3
        await asked(pilot, "t", "make it")
        await pilot.press("i")
        await settled(pilot)
        other.issues.comment(other.actor, "OPS-201", "I look at it again")
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).summary.status is IssueStatus.IN_PROGRESS


async def test_a_comment_is_added_and_taken_back(desk: Desk) -> None:
    """A work note is kept where Esc left it, then added; u withdraws it."""
    async with desk.at() as pilot:
        await asked(pilot, "c", "Comment on OPS-201")
        pilot.app.screen.query_one(TextArea).text = "Restarting [b]the pool[/b]"
        await pilot.press("escape")
        await settled(pilot)
        before = issue(desk)
        await asked(pilot, "c", "Restarting [b]the pool[/b]")
        await pilot.press("ctrl+t")
        await waiting(pilot, "Work note")
        await pilot.press("ctrl+s")
        await settled(pilot)
        (added,) = set(issue(desk).comments) - set(before.comments)
        assert (added.body, added.kind) == ("Restarting [b]the pool[/b]", "work_note")
        assert "Restarting" in read(pilot.app)
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).comments == before.comments
        assert "Restarting" not in read(pilot.app)


async def test_an_issue_is_resolved(desk: Desk) -> None:
    """What says nothing is kept to be put right; then it asks what helped, and drafts."""
    owner = desk.workspace()
    owner.policies.set(owner.actor, DRAFT_ON_RESOLVE.name, "on")
    question = owner.finding.question_of(owner.actor, "OPS-201")
    made = owner.suggestions.suggest(owner.actor, question)
    async with desk.at() as pilot:
        await asked(pilot, "r", "What fixed OPS-201?")
        await said(pilot, "ok")
        await settled(pilot)
        assert "your text is kept, r brings it back" in told(pilot)
        await asked(pilot, "r", "What fixed OPS-201?")
        await said(pilot, FIX)
        await waiting(pilot, "Which of these helped?")
        await pilot.press("1")
        await waiting(pilot, "Go to S")
        await pilot.press("n")
        await settled(pilot)
        after = issue(desk)
        assert after.summary.status is IssueStatus.RESOLVED
        assert after.resolution is not None
        assert after.resolution.text == FIX
        assert f"R{made.recommendation} is noted as what helped" in told(pilot)
        await pilot.press("u")
        await settled(pilot)
        now = issue(desk)
        assert (now.summary.status, now.resolution) == (IssueStatus.OPEN, None)


async def test_a_fix_is_judged(desk: Desk) -> None:
    """The fix is shown with what else it may be; corrected, it is the person's own."""
    async with desk.at() as pilot:
        await pilot.press("f")
        await heard(pilot, "it is not resolved")
        await filtered(pilot, "key:OPS-101")
        await asked(pilot, "f", "What fixed OPS-101?")
        assert "Kept: stated" in shown(pilot.app)
        await asked(pilot, "e", "Everybody may read it")
        await said(pilot, FIX)
        await settled(pilot)
        fix = issue(desk, "OPS-101").resolution
        assert fix is not None
        assert (fix.text, fix.how) == (FIX, ResolutionHow.CONFIRMED)
        await asked(pilot, "f", "What fixed OPS-101?")
        await pilot.press("x")
        await settled(pilot)
        assert issue(desk, "OPS-101").resolution != fix


async def test_a_duplicate_is_linked_and_unlinked(desk: Desk) -> None:
    """The original is shown before it is linked; m again takes the link away."""
    original = issue(desk, "OPS-101").summary
    async with desk.at(size=SMALL) as pilot:
        await asked(pilot, "m", "Which issue is OPS-201 again?")
        await said(pilot, "OPS-101")
        await waiting(pilot, f"#{original.number} OPS-101")
        await pilot.press("y")
        await settled(pilot)
        assert issue(desk).summary.duplicate_of == original.number
        await asked(pilot, "m", "is a duplicate of")
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).summary.duplicate_of is None
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).summary.duplicate_of == original.number
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).summary.duplicate_of is None


async def test_an_issue_is_edited_as_a_file(desk: Desk, tmp_path: Path) -> None:
    """A wrong value comes back with its line; what was right is stored, and undone."""
    before = issue(desk)
    editor = script(
        tmp_path / "editor",
        'if grep -q "^priority: P9" "$1"; then\n'
        '  sed -i "s/^priority: P9/priority: P2/" "$1"\n'
        "else\n"
        '  sed -i "s/^priority: .*/priority: P9/; s/^labels:.*/labels: db, night/" "$1"\n'
        '  echo "Seen again at 02:10." >> "$1"\n'
        "fi",
    )
    desk.doors["environment"] = {"EDITOR": editor}
    async with desk.at() as pilot:
        await asked(pilot, "e", "priority is one of P1, P2, P3, P4, not P9")
        await pilot.press("e")
        await settled(pilot)
        after = issue(desk)
        assert after.summary.priority is Priority.P2
        assert after.summary.labels == ("db", "night")
        assert after.body == f"{before.body.strip()}\nSeen again at 02:10."
        assert after.summary.service == before.summary.service
        await pilot.press("u")
        await settled(pilot)
        assert issue(desk).body == before.body
        assert issue(desk).summary.labels == before.summary.labels


async def test_an_edit_loses_nothing(desk: Desk, tmp_path: Path) -> None:
    """Where somebody else was faster, or nobody can read it, the text is in a file."""
    state = tmp_path / "state"
    editor = script(tmp_path / "editor", 'echo "My own words" >> "$1"')
    desk.doors["environment"] = {
        "EDITOR": editor,
        "ISSUETRACK_STATE_DIR": str(state),
    }
    async with desk.at() as pilot:
        other = desk.workspace("second")
        other.issues.assign(other.actor, "OPS-201", "second")
        await pilot.press("e")
        await settled(pilot)
        (kept,) = (state / "kept").iterdir()
        assert "My own words" in kept.read_text()
        assert kept.name in told(pilot)
        script(tmp_path / "editor", 'echo "no fields" > "$1"; exit 3')
        await pilot.press("e")
        await settled(pilot)
        assert len(list((state / "kept").iterdir())) == 2
        assert "no fields" not in issue(desk).body
        desk.doors["environment"] = {}


async def test_a_new_issue_stands_open(desk: Desk) -> None:
    """Title and text open an issue, and a probable duplicate is told and offered."""
    first = issue(desk)
    async with desk.at() as pilot:
        await asked(pilot, "ctrl+n", "What is wrong")
        await said(pilot, first.summary.title)
        await waiting(pilot, "what is seen?")
        await said(pilot, first.body)
        await settled(pilot)
        workspace = desk.workspace()
        number = workspace.duplicates.last_issue(workspace.actor)
        assert issue(desk, str(number)).body == first.body
        assert f"#{number}" in read(pilot.app)
        assert f"#{number} is probably a duplicate of #{first.number}" in told(pilot)
        await asked(pilot, "m", f"Which issue is #{number} again?")
        assert f"#{first.number}" in shown(pilot.app)


async def test_a_new_issue_is_written_in_the_editor(desk: Desk, tmp_path: Path) -> None:
    """With an editor named, all fields can be given at once."""
    editor = script(
        tmp_path / "editor",
        'sed -i "s/^service:/service: shop/; s/^priority:/priority: p2/" "$1"\n'
        'echo "Carts are empty." >> "$1"',
    )
    desk.doors["environment"] = {"VISUAL": editor}
    async with desk.at() as pilot:
        await asked(pilot, "ctrl+n", "What is wrong")
        await said(pilot, "Carts lose their content")
        await settled(pilot)
        workspace = desk.workspace()
        number = workspace.duplicates.last_issue(workspace.actor)
        made = issue(desk, str(number))
        assert made.body == "Carts are empty."
        assert made.summary.service == "shop"
        assert made.summary.priority is Priority.P2
        assert "Carts lose their content" in read(pilot.app)


async def test_an_sop_is_drafted_and_shown(desk: Desk) -> None:
    """A draft is named, and the way to it is offered."""
    async with desk.at() as pilot:
        await pilot.press("d")
        await settled(pilot)
        assert "try:" in told(pilot)
        await filtered(pilot, "key:OPS-101")
        await asked(pilot, "d", "Go to S")
        await pilot.press("y")
        await settled(pilot)
        workspace = desk.workspace()
        *_, last = workspace.sops.every(workspace.actor)
        assert last.summary.status is SopStatus.DRAFT
        assert f"S{last.summary.sop}" in shown(pilot.app)
        assert last.procedure.title in read(pilot.app, "#sop")


async def test_an_issue_is_taken_elsewhere(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is copied, paged, and its url opened after a yes; other urls are refused."""
    page, seen = tmp_path / "page", tmp_path / "seen"
    browser = script(tmp_path / "browser", f'echo "$1" > {seen}')
    opener = webbrowser.GenericBrowser([browser, "%s"])
    monkeypatch.setattr(webbrowser, "_browsers", {"opener": [None, opener]})
    monkeypatch.setattr(webbrowser, "_tryorder", ["opener"])
    desk.doors["environment"] = {"PAGER": script(tmp_path / "pager", f"cat > {page}")}
    tracked(
        desk,
        remote("WEB-1", url=f"{URL}/WEB-1"),
        remote("WEB-2", url="javascript:alert(1)//https://tracker.example"),
    )
    async with desk.at() as pilot:
        await pilot.press("y", "b")
        await heard(pilot, "OPS-201 has no url")
        await settled(pilot)
        lines = pilot.app._clipboard.splitlines()
        assert lines[0].startswith("# #")
        assert f"as Markdown: {len(lines)} lines" in told(pilot)
        await pilot.press("P")
        await settled(pilot)
        assert page.read_text() == pilot.app._clipboard
        await filtered(pilot, "key:WEB-1")
        await asked(pilot, "b", f"{URL}/WEB-1")
        await pilot.press("n")
        await settled(pilot)
        assert not seen.exists()
        await asked(pilot, "b", f"{URL}/WEB-1")
        await pilot.press("y")
        await settled(pilot)
        assert seen.read_text() == f"{URL}/WEB-1\n"
        await filtered(pilot, "key:WEB-2")
        await pilot.press("b")
        await heard(pilot, "is no web address")


async def test_a_sync_tells_how_it_goes(desk: Desk) -> None:
    """Without a source it says what to type; a failing one tells cause and remedy."""
    tracker = Script()
    desk.doors["connect"] = tracker.connect
    async with desk.at() as pilot:
        await pilot.press("S")
        await settled(pilot)
        assert "issuetrack source add github" in told(pilot)
        owner = desk.workspace()
        owner.sources.add(owner.actor, settings(), "repo acme/shop", stored())
        tracker.steps = [
            Page((remote("SHOP-1", title="Carts are empty"),), "1", 2),
            RemoteUnreachable("the tracker is gone", "try again later"),
        ]
        await asked(pilot, "S", "Read what changed in")
        await pilot.press("1")
        await settled(pilot)
        assert "SHOP-1" in shown(pilot.app)
        assert "not read to the end: the tracker is gone" in told(pilot)
        assert "shop: 1 new" in told(pilot)
        assert not owner.index_waits()


async def test_a_sync_that_hangs_is_left_at_once(desk: Desk) -> None:
    """Esc gives the screen back; the run ends at its page and can be gone on with."""
    tracker, held = Script(), threading.Event()

    def hang() -> None:
        held.wait(10)

    tracker.steps = [
        Page((remote("SHOP-1"),), "1", 2),
        hang,
        Page((remote("SHOP-2"),), "2", 2),
    ]
    desk.doors["connect"] = tracker.connect
    owner = desk.workspace()
    owner.sources.add(owner.actor, settings(), "repo acme/shop", stored())
    async with desk.at(size=SMALL) as pilot:
        await asked(pilot, "S", "Read what changed in")
        await pilot.press("1")
        await waiting(pilot, "1 of 2 issues, 1 pages")
        await pilot.press("S", "j")
        await heard(pilot, "A sync runs already")
        await pilot.press("escape")
        await heard(pilot, "S goes on from there")
        held.set()
        await settled(pilot)
        while owner.sources.get(owner.actor, "shop").running:
            await pilot.pause(0.02)
        run = owner.sources.get(owner.actor, "shop").last_run
        assert run is not None
        assert run.reasons == ("stopped by hand",)
        held.clear()
        tracker.steps = [hang, Page((remote("SHOP-3"),), "3", 3)]
        await asked(pilot, "S", "Read what changed in")
        await pilot.press("1")
        await waiting(pilot, "Reading shop")
    held.set()
    assert not desk.reported
