"""From nothing to the first issue: opening, unlocking, the first run."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from conftest import KEY, Team, copy_files, key_of
from connectors.github_server import TOKEN, FakeGitHub, running
from issuetrack.cli import demo, triage_doors
from issuetrack.cli.context import Invocation
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.store.unlock import Unlock, new_passphrase_secret
from issuetrack.engine.workspace import Workspace
from issuetrack.tui.app import Doors, TriageApp
from issuetrack.tui.preferences import TuiPreferences
from tui.conftest import SMALL, settled, shown, waiting

PASSPHRASE = "four unrelated words"


@pytest.fixture(autouse=True)
def _one_model(embedder: LlamaEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the model of all tests: to load another for each is slow."""
    name = "issuetrack.engine.inference.llama.LlamaEmbedder"
    monkeypatch.setattr(name, lambda: embedder)


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """Return what the command gives the application; there is no workspace."""
    with ExitStack() as kept:
        yield triage_doors.doors_of(Invocation(db=tmp_path / "new.db"), kept)


def app(doors: Doors) -> TriageApp:
    """Return the application before anything is open."""
    return TriageApp(doors, TuiPreferences())


def told(pilot: Pilot[Any]) -> str:
    """Return every message so far."""
    return "\n".join(note.message for note in pilot.app._notifications)


async def typed(pilot: Pilot[Any], after: str, text: str) -> None:
    """Answer a question with a line."""
    await waiting(pilot, after)
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


async def test_first_run_makes_a_workspace(doors: Doors) -> None:
    """A passphrase twice, the recovery key once, and an empty list that says how on."""
    async with app(doors).run_test(size=SMALL) as pilot:
        await waiting(pilot, "There is no workspace at")
        found = shown(pilot.app)
        assert "issuetrack init" in found
        assert "issuetrack demo" in found
        assert "issuetrack source add" in found
        await pilot.press("1")
        await typed(pilot, "A new passphrase", "short")
        await pilot.pause(0.1)
        assert "passphrase" in told(pilot)
        await typed(pilot, "A new passphrase", PASSPHRASE)
        await typed(pilot, "The same again", PASSPHRASE)
        await waiting(pilot, "Recovery key, shown only this once")
        assert str(doors.database) in "".join(shown(pilot.app).split())
        await pilot.press("escape", "enter")
        assert "press y" in told(pilot)
        await pilot.press("y")
        await waiting(pilot, "Nothing here yet")
        await settled(pilot)
        assert "(admin)" in shown(pilot.app)
    Workspace.open(doors.database, Unlock(ask=lambda: PASSPHRASE)).close()


async def test_first_run_can_use_the_key_on_offer(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key file that the environment names is offered, and no passphrase asked."""
    monkeypatch.setenv("ISSUETRACK_KEY_FILE", str(tmp_path / "own.key"))
    async with app(doors).run_test(size=SMALL) as pilot:
        await waiting(pilot, "There is no workspace at")
        await pilot.press("1")
        await waiting(pilot, "the key file")
        await pilot.press("1")
        await waiting(pilot, "Recovery key")
        await pilot.press("y")
        await waiting(pilot, "Nothing here yet")
    Workspace.open(doors.database, Unlock(key_file=tmp_path / "own.key")).close()


async def test_passphrase_is_asked_until_it_fits(doors: Doors) -> None:
    """A wrong one is told and asked again; Esc quits."""
    secret = new_passphrase_secret(PASSPHRASE)
    Workspace.create(doors.database, "ada", lambda _: [secret])
    async with app(doors).run_test(size=SMALL) as pilot:
        await typed(pilot, "Passphrase of ada", "wrong")
        await typed(pilot, "That passphrase does not open it", "")
        await typed(pilot, "It is empty", PASSPHRASE)
        await waiting(pilot, "No issue fits")
        assert PASSPHRASE not in shown(pilot.app)
    async with app(doors).run_test(size=SMALL) as pilot:
        await waiting(pilot, "Passphrase of ada")
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert not pilot.app.is_running


async def test_what_does_not_open_is_explained(
    team_template: Team,
    doors: Doors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cause and remedy stand there; r tries again; who may read nothing is told so."""
    copy_files(team_template.path, doors.database)
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    async with app(doors).run_test(size=SMALL) as pilot:
        await waiting(pilot, "the key does not open this workspace")
        assert "--key-file" in shown(pilot.app)
        await pilot.press("1", "2", "3", "question_mark", "colon", "tab")
        monkeypatch.setenv("ISSUETRACK_KEY", key_of("exporter"))
        await pilot.press("r")
        await waiting(pilot, "exporter is none: to read takes viewer")
        monkeypatch.setenv("ISSUETRACK_KEY", key_of("viewer"))
        await pilot.press("r")
        await waiting(pilot, "viewer (viewer)")
        await settled(pilot)


async def test_demo_is_gone_at_the_end(
    doors: Doors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sample incidents in a workspace that is nowhere afterwards."""
    few = tmp_path / "few.jsonl"
    lines = demo.sample("sample_new_incidents.jsonl").read_text().splitlines()
    few.write_text("\n".join(lines))
    monkeypatch.setattr(demo, "sample", lambda _: few)
    with ExitStack() as kept:
        given = triage_doors.doors_of(Invocation(db=doors.database), kept)
        async with app(given).run_test(size=SMALL) as pilot:
            await waiting(pilot, "There is no workspace at")
            await pilot.press("2")
            await waiting(pilot, "OPS-201", most=30)
            await settled(pilot)
            assert "gone when you quit" in told(pilot)
            workspace = pilot.app.workspace  # type: ignore[attr-defined]
            assert workspace.path.exists()
    assert not workspace.path.exists()
    assert not doors.database.exists()


async def test_tracker_is_connected_and_read(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that is refused keeps nothing; a good one is kept and read with."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    github = FakeGitHub()
    github.repo()
    github.add_issue("Badge readers are slow")
    with running(github) as server:

        def add_source(workspace: Workspace, settings: Any, token: str) -> list[str]:
            options = {**settings.options, "api-path": "/"}
            here = replace(settings, base_url=server.url, options=options)
            return doors.add_source(workspace, here, token)

        given = replace(doors, add_source=add_source)
        async with app(given).run_test(size=SMALL) as pilot:
            await waiting(pilot, "There is no workspace at")
            await pilot.press("3")
            await waiting(pilot, "the key in ISSUETRACK_KEY")
            await pilot.press("1")
            await waiting(pilot, "Recovery key")
            await pilot.press("y")
            for token in ("wrong", TOKEN):
                await waiting(pilot, "Which tracker?")
                await pilot.press("1")
                await typed(pilot, "Repository, as", "acme/shop")
                await typed(pilot, "Token", token)
                if token == "wrong":
                    await waiting(pilot, "Go into the new workspace")
                    await settled(pilot)
                    assert "token" in told(pilot)
                    await pilot.press("3")
            await waiting(pilot, "Badge readers are slow", most=30)
            await settled(pilot)
    workspace = Workspace.open(doors.database, Unlock(environment_key=KEY))
    (source,) = workspace.sources.every(workspace.actor)
    assert (source.settings.name, source.issues) == ("github", 1)
    workspace.close()
