"""The SOP library: found, read, written, decided about, rated."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from issuetrack.engine.assistant.sops.drafts import DraftWish
from issuetrack.engine.assistant.sops.markdown import write
from issuetrack.engine.assistant.sops.procedure import Procedure
from issuetrack.engine.assistant.sops.records import SopVersionRecord
from issuetrack.engine.assistant.sops.workflow import Basis
from issuetrack.engine.store.types import SopStatus
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.widgets.entries import Entries
from issuetrack.tui.widgets.reader import Reader
from tui.conftest import PROCEDURE, SMALL, Desk, read, settled, shown, waiting

CHANGED = replace(PROCEDURE, steps="1. Scale the shop down to 8 pods")
TLS = Procedure("Certificate has expired", steps="1. `renew portal`", tags=("tls",))


async def pressed(pilot: Pilot[Any], *keys: str, hears: str = "") -> None:
    """Press keys, wait for a message, then until nothing runs."""
    await pilot.press(*keys)
    await pilot.pause(0.25)
    if hears:
        await heard(pilot, hears)
    await settled(pilot)


async def asked(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys, the last of them not a key but what is then on the screen."""
    await pilot.press(*keys[:-1])
    await waiting(pilot, keys[-1])


async def heard(pilot: Pilot[Any], text: str) -> None:
    """Wait until a message says something."""
    told = ""
    for _ in range(500):
        told = "\n".join(note.message for note in pilot.app._notifications)
        if text in told:
            return
        await pilot.pause(0.02)
    raise AssertionError(f"no {text!r} in {told!r}")


async def library(pilot: Pilot[Any]) -> None:
    """Go to the library."""
    await pilot.press("2")
    await waiting(pilot, "S1 ")
    await settled(pilot)


def second_version(desk: Desk, author: str = "owner") -> Workspace:
    """Have a second version of S1 submitted for review."""
    workspace = desk.workspace(author)
    workspace.sops.edit(workspace.actor, "S1", CHANGED, Basis(1, 1))
    workspace.sops.submit(workspace.actor, "S1")
    return workspace


def newest(desk: Desk, name: str = "S1") -> SopVersionRecord:
    """Return the newest version of a procedure, as it is stored."""
    workspace = desk.workspace()
    return workspace.sops.to_edit(workspace.actor, name)


def editor(desk: Desk, folder: Path, *scripts: str) -> None:
    """Make the editor do one script after the other to the file `$1`."""
    for number, script in enumerate(scripts, start=1):
        (folder / f"{number}.sh").write_text(script)
    body = (
        f"n=$(($(cat {folder}/n 2>/dev/null || echo 0) + 1)); echo $n > {folder}/n\n"
        f". {folder}/$n.sh\n"
    )
    (folder / "editor.sh").write_text(body)
    desk.doors["environment"] = {
        "EDITOR": f"sh {folder}/editor.sh",
        "ISSUETRACK_STATE_DIR": str(folder / "state"),
    }


async def test_a_newcomer_reads_what_holds_and_copies_a_command(desk: Desk) -> None:
    """On a small screen: the list, Enter, the steps; Enter copies, Esc goes back."""
    async with desk.at("viewer", size=SMALL) as pilot:
        await library(pilot)
        assert "approved 1" in shown(pilot.app)
        await pressed(pilot, "enter")
        text = read(pilot.app, "#sop")
        assert "Approved by second" in text
        assert "no connection left" in text
        assert "nobody has rated it" in text
        command = "kubectl scale deploy/shop --replicas=12"
        await pressed(pilot, "n", "enter", hears=f"Copied: {command}")
        assert pilot.app.clipboard == command
        await pressed(pilot, "escape")
        assert "approved 1" in shown(pilot.app)
        assert not desk.reported


async def test_words_find_and_filters_narrow(desk: Desk) -> None:
    """Typed words put the best first; a status and a tag narrow; Esc shows all."""
    owner = desk.workspace()
    owner.sops.create(owner.actor, TLS)
    owner.drain_index()
    async with desk.at() as pilot:
        await library(pilot)
        await pressed(pilot, "slash", *"pool")
        await waiting(pilot, "2 SOPs | best first")
        assert pilot.app.screen.query_one("#sops", Entries).current == 1
        await asked(pilot, "enter", "f", "only drafts (1)")
        await pressed(pilot, "1")
        assert "1 SOP | only drafts" in shown(pilot.app)
        assert "Certificate has expired" in read(pilot.app, "#sop")
        await pressed(pilot, "escape")
        assert "2 SOPs | the latest first" in shown(pilot.app)
        await asked(pilot, "f", "tag tls (1)")
        await pressed(pilot, *["j"] * 5, "enter")
        assert "1 SOP | tag tls" in shown(pilot.app)
        assert "Shop cannot" not in shown(pilot.app)


async def test_an_empty_list_says_what_to_do(desk: Desk) -> None:
    """It says what to press, and so does an action that has no SOP to act on."""
    async with desk.at() as pilot:
        await library(pilot)
        await asked(pilot, "f", "only drafts")
        await pressed(pilot, "4")
        assert "No SOP fits: Esc shows all" in shown(pilot.app)
        await pressed(pilot, "d", hears="no SOP is chosen")


async def test_a_version_is_approved_with_its_changes_in_sight(desk: Desk) -> None:
    """The queue names what waits; before y it is told what changes; then it holds."""
    async with desk.at("engineer") as pilot:
        await library(pilot)
        await pressed(pilot, "Q", hears="Nothing waits for approval")
        second_version(desk)
        await pressed(pilot, "Q")
        assert "only what is in review" in shown(pilot.app)
        await asked(pilot, "A", "+1. Scale the shop down to 8 pods")
        asks = shown(pilot.app)
        assert "Approve S1 version 2 by owner?" in asks
        assert "instead of version 1" in asks
        assert "-2. Watch the pool: waiting falls to 0" in asks
        await pressed(pilot, "y", hears="S1 version 2 is in force")
        summary = newest(desk).summary
        assert (summary.status, summary.approved_by) == (SopStatus.APPROVED, "engineer")


async def test_who_may_not_approve_is_told_why(desk: Desk) -> None:
    """An author asks a colleague; nobody approves a version they were not shown."""
    author = second_version(desk, "engineer")
    async with desk.at("engineer") as pilot:
        await library(pilot)
        await asked(pilot, "A", "Approve S1")
        await pressed(pilot, "y", hears="somebody else has to approve it\ntry: ask a")
        await asked(pilot, "A", "Approve S1")
        author.sops.edit(author.actor, "S1", replace(CHANGED, notes="x"), Basis(2, 2))
        author.sops.submit(author.actor, "S1")
        await pressed(pilot, "y", hears="a version 3 by engineer since you looked")
        await asked(pilot, "R", "What has to change")
        author.sops.edit(author.actor, "S1", replace(CHANGED, notes="y"), Basis(3, 3))
        author.sops.submit(author.actor, "S1")
        await pressed(
            pilot, "x", "ctrl+s", hears="a version 4 by engineer since you looked"
        )
        assert newest(desk).summary.status is SopStatus.IN_REVIEW


async def test_a_rejection_needs_a_note_that_the_author_reads(desk: Desk) -> None:
    """Without a note it is asked again; the version is a draft again and says why."""
    second_version(desk)
    async with desk.at("engineer") as pilot:
        await library(pilot)
        await asked(pilot, "R", "What has to change")
        await asked(pilot, "ctrl+s", "The author needs a reason")
        await pressed(pilot, *"flag", "ctrl+s", hears="S1 version 2 is a draft again")
        assert newest(desk).summary.status is SopStatus.DRAFT
        assert "Rejected by engineer" in read(pilot.app, "#sop")
        assert "ago: flag" in read(pilot.app, "#sop")
        await pressed(pilot, "S", hears="waits for the approval of a colleague")
        assert newest(desk).summary.status is SopStatus.IN_REVIEW
        await pressed(pilot, "S", hears="is in review, not a draft")


async def test_out_of_use_takes_a_yes_and_is_not_listed(desk: Desk) -> None:
    """Esc leaves it; y and a reason take it out of use."""
    async with desk.at("engineer") as pilot:
        await library(pilot)
        await asked(pilot, "D", "Take S1 out of use?")
        await asked(pilot, "y", "Why?")
        await pressed(pilot, "escape")
        assert newest(desk).summary.status is SopStatus.APPROVED
        await asked(pilot, "D", "Take S1 out of use?")
        await asked(pilot, "y", "Why?")
        await pressed(pilot, *"gone", "enter", hears="S1 is out of use")
        assert newest(desk).summary.status is SopStatus.DEPRECATED
        assert "0 SOPs" in shown(pilot.app)
        assert "Out of use by engineer" in read(pilot.app, "#sop")
        assert "ago: gone" in read(pilot.app, "#sop")


async def test_versions_are_listed_shown_and_compared(desk: Desk) -> None:
    """The history leads to any version; the difference is told by signs."""
    second_version(desk)
    async with desk.at("viewer") as pilot:
        await library(pilot)
        assert "Version 2 is in review: Enter shows it" in shown(pilot.app)
        await asked(pilot, "d", "S1: what version 2 changes in version 1")
        await waiting(pilot, "+1. Scale the shop down to 8 pods")
        await pressed(pilot, "escape")
        await asked(pilot, "H", "approve by second")
        await pressed(pilot, "g", "enter")
        assert "version 2 of 2" in read(pilot.app, "#sop")
        assert "Version 1 is in force" in read(pilot.app, "#sop")
        await pressed(pilot, "y", hears="Copied S1 version 2 as Markdown")
        assert pilot.app.clipboard == write(CHANGED)


async def test_a_rating_is_kept_and_shown(desk: Desk) -> None:
    """Stars and a reason are kept; the reader shows the mean."""
    async with desk.at("viewer") as pilot:
        await library(pilot)
        await asked(pilot, "asterisk", "Did S1 help?")
        await asked(pilot, "5", "5 of 5 stars: why?")
        await pressed(pilot, *"ok", "enter", hears="S1 has 5 of 5 stars from you")
        assert "5.0 stars from 1 person" in read(pilot.app, "#sop")
        owner = desk.workspace()
        (known,) = owner.sops.statistics(owner.actor, "S1")
        assert (known.raters, known.stars) == (1, 5.0)


async def test_a_new_sop_goes_back_to_the_editor_until_it_can_be_stored(
    desk: Desk, tmp_path: Path
) -> None:
    """A title, the editor, an empty file, the editor again: then it is a draft."""
    text = write(replace(TLS, title="Fan is loud"))
    (tmp_path / "good.md").write_text(text)
    editor(desk, tmp_path, ': > "$1"', f'cat {tmp_path}/good.md > "$1"')
    async with desk.at("engineer") as pilot:
        await library(pilot)
        await asked(pilot, "ctrl+n", "Title of the SOP")
        await asked(pilot, *"Fan", "enter", "new is empty")
        await pressed(pilot, "e", hears="S2 is a draft: S submits it")
        assert replace(TLS, title="Fan is loud") == newest(desk, "S2").procedure
        assert "Fan is loud" in read(pilot.app, "#sop")


async def test_an_edit_of_what_somebody_else_changed_is_not_lost(
    desk: Desk, tmp_path: Path
) -> None:
    """The text is kept, the other's change is shown, and y goes on with one's own."""
    mine = replace(PROCEDURE, notes="mine")
    (tmp_path / "mine.md").write_text(write(mine))
    edits = (
        f'cp {tmp_path}/mine.md "$1"; touch {tmp_path}/open\n'
        f"until test -e {tmp_path}/go; do sleep 0.02; done"
    )
    editor(desk, tmp_path, edits, "true")
    owner = desk.workspace()

    def somebody_else() -> None:
        while not (tmp_path / "open").exists():
            time.sleep(0.02)
        owner.sops.edit(owner.actor, "S1", CHANGED, Basis(1, 1))
        (tmp_path / "go").touch()

    other = threading.Thread(target=somebody_else)
    async with desk.at("engineer") as pilot:
        await library(pilot)
        other.start()
        await asked(pilot, "e", "+1. Scale the shop down to 8 pods")
        other.join()
        assert "S1 has a version 2 by owner" in shown(pilot.app)
        (kept,) = (tmp_path / "state" / "kept").iterdir()
        assert write(mine) == kept.read_text()
        await pressed(pilot, "y", hears="S1 version 3 is a draft")
        assert mine == newest(desk).procedure


async def test_hostile_text_is_shown_as_it_is(desk: Desk) -> None:
    """Markup, escape sequences and tags in a procedure are text."""
    hostile = "[bold]x[/bold] \x1b[31mred <host> a [b] c"
    owner = desk.workspace()
    text = f"1. {hostile}\n2. ssh <server>\n\n<b>rm -rf</b>"
    owner.sops.create(owner.actor, replace(TLS, title=hostile, steps=text))
    async with desk.at() as pilot:
        await library(pilot)
        found = read(pilot.app, "#sop")
        assert "S2  [bold]x[/bold] red <host> a [b] c" in found
        assert "1 [bold]x[/bold] red <host> a [b] c" in found
        assert "ssh <server>" in found
        assert "<b>rm -rf</b>" in found
        assert "[bold]x[/bold] red <host>" in shown(pilot.app)
        assert not desk.reported


async def test_a_citation_leads_to_its_issue(desk: Desk) -> None:
    """Enter on what a procedure rests on opens the issue in triage."""
    owner = desk.workspace()
    owner.sops.draft(owner.actor, DraftWish(("OPS-101",)))
    async with desk.at() as pilot:
        await library(pilot)
        lines = pilot.app.screen.query_one("#sop", Reader).lines
        cited = max(n for n, line in enumerate(lines) if "OPS-101" in line)
        await pilot.press("enter", "G")
        await pilot.press(*["k"] * (len(lines) - 1 - cited), "enter")
        await waiting(pilot, "Similar")
        await settled(pilot)
        assert read(pilot.app).startswith("OPS-101")
