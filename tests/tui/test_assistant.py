"""The assistant's panel: suggested, drafted, cancelled, copied, followed, rated."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot

from chat_server import ScriptedModel, quoting
from cli.hostile import EVERYTHING
from issuetrack.connectors.files.pages import PageReader
from issuetrack.engine.assistant.composer import Cause, Composition, Step
from issuetrack.engine.assistant.feedback_log import FeedbackFilter
from issuetrack.engine.assistant.recommendations import StoredRecommendation
from issuetrack.engine.assistant.targets import Target
from issuetrack.engine.errors import ModelCancelled, ModelError
from issuetrack.engine.inference.ports import ChatModel, ChatRequest, Completion
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.issue_view import Goal
from issuetrack.tui.screens.triage import TriageScreen
from issuetrack.tui.sop_view import Copied
from issuetrack.tui.suggestion_view import Cited, commands, quoted
from issuetrack.tui.widgets.reader import Reader
from tui.conftest import SMALL, WIDE, Desk, read, settled, shown, waiting

PANEL = "#assistant"
OPS_201 = 8


@dataclass
class Slow(ScriptedModel):
    """A model that writes half of its answer, then waits until it is let go on."""

    goes_on: threading.Event = field(default_factory=threading.Event)

    def complete(
        self,
        request: ChatRequest,
        on_token: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Completion:
        done = super().complete(request)
        assert on_token is not None
        assert cancel is not None
        on_token(done.text[: len(done.text) // 2])
        while not self.goes_on.wait(0.01):
            if cancel.is_set():
                raise ModelCancelled("the model was stopped")
        return done


class Broken(ScriptedModel):
    """A model that does not answer."""

    def complete(self, *_: Any, **__: Any) -> Completion:
        raise ModelError("the model ran out of memory", "choose a smaller one")


@dataclass(frozen=True)
class Chosen:
    """The choice of a chat model."""

    model: ScriptedModel
    has_chat: bool = True

    def chat(self, _hosts: frozenset[str]) -> ChatModel:
        return self.model

    def embedding(self, _hosts: frozenset[str]) -> Any:
        raise AssertionError("the desk has its own")


@asynccontextmanager
async def asking(desk: Desk, model: ScriptedModel) -> AsyncIterator[Pilot[None]]:
    """Sit down where a chat model is in use."""
    unlock, clock = desk.team.unlock("engineer"), desk.team.clock
    opened = Workspace.open(desk.team.path, unlock, desk.model, clock, Chosen(model))
    desk.team.opened.append(opened)
    async with desk.app(workspace=opened).run_test(size=WIDE) as pilot:
        await settled(pilot)
        yield pilot


def panel(pilot: Pilot[None]) -> Reader:
    """Return the panel."""
    return pilot.app.screen.query_one(PANEL, Reader)


def triage(pilot: Pilot[None]) -> TriageScreen:
    """Return the triage screen."""
    screen = pilot.app.screen
    assert isinstance(screen, TriageScreen)
    return screen


async def suggested(pilot: Pilot[None]) -> str:
    """Ask for a suggestion; return the panel's text."""
    await pilot.press("s")
    await settled(pilot)
    return read(pilot.app, PANEL)


async def stand_on(pilot: Pilot[None], wanted: Callable[[Any], bool]) -> Any:
    """Go to the first thing to choose that is wanted; return it."""
    await pilot.press("g")
    for _ in range(80):
        choice = panel(pilot).choice
        if choice is not None and wanted(choice):
            return choice
        await pilot.press("n")
    raise AssertionError(read(pilot.app, PANEL))


def told(pilot: Pilot[None]) -> str:
    """Return what was said in passing."""
    return "\n".join(note.message for note in pilot.app._notifications)


def stored(desk: Desk, number: int) -> StoredRecommendation:
    """Return a recommendation as the workspace keeps it."""
    workspace = desk.workspace("owner")
    return workspace.recommendations.show(workspace.actor, number)


async def test_suggestion_is_quoted_at_once_and_kept(desk: Desk) -> None:
    """On a small screen the panel comes to the front; the next start shows it again."""
    async with desk.at("viewer", size=SMALL) as pilot:
        text = await suggested(pilot)
        assert shown(pilot.app).splitlines()[1].endswith("R1  for OPS-201")
    assert "Confidence [" in text
    assert "not calibrated yet: run issuetrack backtest" in text
    for heading in ("Likely cause", "Steps", "How to check", "Evidence"):
        assert heading in text
    kept = stored(desk, 1)
    assert kept.summary.issue == OPS_201
    assert kept.composition.summary.split(",")[0] in text
    async with desk.at("viewer") as pilot:
        again = read(pilot.app, PANEL).split()
        assert again[:60] == text.split()[:60]
        await pilot.press("j")
        await settled(pilot)
        other = read(pilot.app, PANEL)
        assert "s suggests causes and steps for" in other
        assert "issuetrack models pull" in other


async def test_draft_is_shown_while_the_model_writes(desk: Desk) -> None:
    """Unverified words are shown as such, the list moves on; then they are verified."""
    model = Slow(quoting)
    async with asking(desk, model) as pilot:
        await pilot.press("s")
        await waiting(pilot, "the model drafts, not verified yet")
        quotes, draft = read(pilot.app, PANEL).split(
            "the model drafts, not verified yet\n"
        )
        assert "the model drafts below, not verified yet" in shown(pilot.app)
        for heading in ("Confidence [", "Likely cause", "Steps", "Evidence"):
            assert heading in quotes
        assert "cause: " in draft
        assert "Esc cancels" in shown(pilot.app)
        await waiting(pilot, " 1 s")
        await pilot.press("h", "h", "j")
        await waiting(pilot, "OPS-203  Line 6")
        assert "the model drafts" in read(pilot.app, PANEL)
        model.goes_on.set()
        await settled(pilot)
        text = read(pilot.app, PANEL)
    assert "R1  for OPS-201" in text
    assert "Partly in the words of scripted" in " ".join(text.split())
    assert "drafts" not in text


async def test_model_that_is_stopped_leaves_the_quotes(desk: Desk) -> None:
    """Esc ends the draft; what the records say in their own words comes instead."""
    async with asking(desk, Slow(quoting)) as pilot:
        await pilot.press("s")
        await waiting(pilot, "not verified yet")
        await pilot.press("escape")
        await waiting(pilot, "the model was stopped")
        assert "R1  for OPS-201" in read(pilot.app, PANEL)


async def test_esc_does_not_wait_for_the_model(desk: Desk) -> None:
    """While that goes on, the panel says what became of it and what to press."""
    model = Slow(lambda *_: _held(model))
    async with asking(desk, model) as pilot:
        await pilot.press("s")
        await waiting(pilot, "the model reads the evidence")
        await pilot.press("escape")
        text = read(pilot.app, PANEL)
        assert "Cancelled: no suggestion for OPS-201" in text
        assert "s asks again" in text
        await pilot.press("asterisk")
        assert "nothing to rate: s suggests first" in told(pilot)
        model.goes_on.set()


def _held(model: Slow) -> str:
    model.goes_on.wait(10)
    return "{}"


async def test_model_that_fails_is_gone_on_without(desk: Desk) -> None:
    """The quotes come with the warning and its remedy."""
    async with asking(desk, Broken(quoting)) as pilot:
        text = " ".join((await suggested(pilot)).split())
    assert "answered without the model: the model ran out of memory" in text
    assert "choose a smaller one" in text
    assert "Quotes only" in text


async def test_command_is_copied(desk: Desk) -> None:
    """Enter on a command copies it and says so."""
    async with desk.at() as pilot:
        await suggested(pilot)
        choice = await stand_on(pilot, lambda choice: isinstance(choice, Copied))
        await pilot.press("enter")
        assert "Copied: " in told(pilot)
        assert pilot.app.clipboard == choice.text
    steps = stored(desk, 1).composition.steps
    assert any(choice.text in (step.command or "") for step in steps)


async def test_evidence_leads_to_its_words(desk: Desk) -> None:
    """A quote opens where it stands; the panel stays with the issue it is for."""
    async with desk.at() as pilot:
        await suggested(pilot)
        cited = await stand_on(pilot, lambda choice: _is_cited(choice, "issue"))
        await pilot.press("enter")
        await settled(pilot)
        detail = triage(pilot).detail
        start = "".join(cited.evidence.quote.split()[:2])
        assert triage(pilot).record is not None
        assert cited.evidence.key in read(pilot.app).splitlines()[0]
        assert start in "".join(detail.lines[detail.cursor].split())
        assert detail.has_focus
        assert "for OPS-201" in read(pilot.app, PANEL)
        await pilot.press("h", "j")
        await settled(pilot)
        assert "for OPS-201" not in read(pilot.app, PANEL)


def _is_cited(choice: Any, kind: str) -> bool:
    return isinstance(choice, Cited) and getattr(choice.evidence, kind) is not None


async def test_cited_procedure_is_read_over_the_screen(desk: Desk) -> None:
    """It opens at the quote, its commands are copied there, Esc closes it."""
    owner = desk.workspace("owner")
    title = "Shop cannot get a database connection"
    draft = IssueDraft(title, body="The pool has no connection left.", priority=None)
    number = owner.issues.create(owner.actor, draft).number
    async with desk.at() as pilot:
        triage(pilot).follow(Goal("issue", number))
        await settled(pilot)
        await suggested(pilot)
        cited = await stand_on(pilot, lambda choice: _is_cited(choice, "sop"))
        await pilot.press("enter")
        await settled(pilot)
        reader = pilot.app.screen.query_one("#source", Reader)
        assert f"S1  {title}" in reader.lines
        assert cited.evidence.quote.split()[0] in reader.lines[reader.cursor]
        await pilot.press("g", "n", "enter")
        assert "Copied: kubectl scale" in told(pilot)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, TriageScreen)


async def test_document_is_read_over_the_screen(desk: Desk, tmp_path: Path) -> None:
    """It opens where the words stand, however far down; or says that they are gone."""
    (tmp_path / "plant.md").write_text(
        "# Plant\n\n" + f"{'Nothing here. ' * 40}\n\n" * 80 + "Turn the valve.\n"
    )
    workspace = desk.workspace("owner")
    reader = PageReader(tmp_path)
    workspace.document_imports.run(workspace.actor, "wiki", "pages", reader)
    async with desk.at() as pilot:
        for quote, there in (("Turn the valve.", "Turn the valve."), ("Gone", "D1")):
            triage(pilot).follow(Goal("document", 1, "", quote))
            await settled(pilot)
            lines = pilot.app.screen.query_one("#source", Reader)
            assert there in lines.lines[lines.cursor]
            gone = "The words that were quoted no longer stand here."
            assert (gone in lines.lines) == (quote == "Gone")
            await pilot.press("escape")
            await settled(pilot)


async def test_rating_is_kept_and_shown(desk: Desk) -> None:
    """Stars come with words or without; Esc leaves it unrated."""
    async with desk.at() as pilot:
        await suggested(pilot)
        await pilot.press("asterisk", "2", "escape")
        await settled(pilot)
        await pilot.press("asterisk")
        assert "How good is R1, for OPS-201?" in shown(pilot.app)
        await pilot.press("5", *"ok", "enter")
        await settled(pilot)
        text = " ".join(read(pilot.app, PANEL).split())
    assert "5 of 5 stars (solved it), said by engineer: ok" in text
    owner = desk.workspace("owner")
    (entry,) = owner.feedback.entries(owner.actor, FeedbackFilter(Target(1)), 9)
    assert (entry.stars, entry.by, entry.text) == (5, "engineer", "ok")


async def test_outcome_is_kept_and_shown(desk: Desk) -> None:
    """A viewer who may not read what others said still sees the own words."""
    async with desk.at("viewer") as pilot:
        await pilot.press("x")
        await settled(pilot)
        assert "nothing to rate: s suggests first" in told(pilot)
        await suggested(pilot)
        await pilot.press("x", "p", "enter")
        await settled(pilot)
        text = read(pilot.app, PANEL)
    assert "partly, said by viewer" in text
    owner = desk.workspace("owner")
    (entry,) = owner.feedback.entries(owner.actor, FeedbackFilter(Target(1)), 9)
    assert (entry.result, entry.issue, entry.text) == ("partly", OPS_201, None)


async def test_nothing_on_record_is_said(desk: Desk) -> None:
    """Without evidence there is no number, but questions; hostile titles are text."""
    owner = desk.workspace("owner")
    title = f"[/b] {EVERYTHING}"
    draft = IssueDraft(title, body="zyx wvu", priority=None)
    number = owner.issues.create(owner.actor, draft).number
    async with desk.at("engineer", size=SMALL) as pilot:
        triage(pilot).follow(Goal("issue", number))
        await settled(pilot)
        text = await suggested(pilot)
    assert f"R1  for #{number}" in text
    if not stored(desk, 1).composition.evidence:
        assert "Confidence none: nothing on record helps" in text
        assert "To find out" in text
    assert "not everything can be found yet" in " ".join(text.split())
    assert not desk.reported


def test_words_are_plain_and_signs_stand_out() -> None:
    """What to read is in the colour of text; numbers, citations and commands not."""
    cause = Cause("Too many pods.", 0.8, ("E1",))
    step = Step("Scale down.", "", "kubectl scale", ("E1",))
    quotes = Composition(0.8, "Seen before.", (cause,), (step,), (), (), ("Why?",), ())
    drawn = {}
    for block in quoted(quotes):
        if isinstance(block.content, Text):
            text = block.content
            drawn[text.plain] = text.style
            drawn |= {text.plain[s.start : s.end]: s.style for s in text.spans}
    styles = {
        "Seen before.": "text",
        "Too many pods.": "text",
        "Scale down.": "text",
        "Why?": "text",
        "0.80 ": "accent",
        "1. ": "accent",
        " [E1]": "accent",
        "kubectl scale": "code",
        "0.80 Too many pods. [E1]": "",
        "1. Scale down. [E1]": "",
    }
    assert styles == {words: drawn[words] for words in styles}


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ("cd /srv\n$ sudo make \\\n  install\nls", 3),
        ("SELECT 1\nFROM x;", 1),
        ("BEGIN;\nCOMMIT;", 2),
        ("for i in a b; do\n  run $i\ndone\nls", 2),
        ("cat <<END\nx\nEND", 1),
        ("echo 'a\nb'", 1),
        ("\x1b]52;c;eA==\x07ls\x1b[31m", 1),
        ("", 0),
    ],
)
def test_commands_are_told_apart(block: str, told: int) -> None:
    """Lines that belong together stay together; nothing unseen is copied."""
    found = list(commands(block))
    assert len(found) == told
    assert all(text.isprintable() for each in found for text in each.split("\n"))
    assert not any(each.startswith("$ ") for each in found)
