"""What config.toml says of the application: keys, views, colours, own commands."""

import sys
from pathlib import Path

import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.settings import config_path
from issuetrack.tui import preferences
from issuetrack.tui.actions import ACTIONS
from issuetrack.tui.own_commands import OwnCommand, escaped, filled
from issuetrack.tui.preferences import TuiPreferences, meant
from tui.conftest import NOW, Desk, settled, shown, waiting

WRITTEN = """\
# mine
chat_model = "tiny"

[tui]
theme = "light"  # by day

[tui.keys]
"issue.status" = ["ctrl+t", "?!"]
"""
CONFIG = """\
[tui]
theme = "high-contrast"
[tui.keys]
"issue.resolve" = "f5"
"issue.comment" = ["C", "ctrl+k"]
[tui.views]
"Shop" = "service:shop assignee:me"
"Mine" = ""
[[tui.commands]]
key = "L"
title = "Logs"
run = ["logs", "--service={service}", "{key}"]
waits = false
"""
COMMAND = '[[tui.commands]]\nkey = "L"\ntitle = "Logs"\n'
WRONG = (
    ("tui = 1", "tui is not a table", "[tui]"),
    ("[tui]\ncolour = 1", "no tui.colour", "theme"),
    ('[tui]\ntheme = "pink"', "no theme 'pink'", "high-contrast"),
    ('[tui.keys]\n"issue.resolv" = "f5"', 'tui.keys."issue.resolv"', "issue.resolve"),
    ('[tui.keys]\n"issue.resolve" = "f99"', "no key 'f99'", "ctrl+r"),
    ('[tui.keys]\n"issue.resolve" = "hyperspace+r"', "no key", "ctrl+r"),
    ('[tui.keys]\n"issue.resolve" = []', "has no key", "write one"),
    ('[tui.keys]\n"issue.resolve" = "c"', "taken by issue.comment", "another key"),
    ('[tui.keys]\n"issue.resolve" = "j"', "the key j is taken", "another key"),
    ('[tui.keys]\n"issue.resolve" = "1"', "taken by app.triage", "another key"),
    ("[tui.views]\nA = 1", "tui.views.A cannot be 1", "quotes"),
    ("[tui]\ncommands = 1", "tui.commands is no list", "[[tui.commands]]"),
    (COMMAND, "needs a title and what to run", "run = ["),
    (f'{COMMAND}run = ["{{key}}"]', "the program must be named", "arguments only"),
    (f'{COMMAND}run = ["x", "{{bogus}}"]', "no {bogus}", "number, key"),
    (f'{COMMAND}run = ["x"]\nshell = true', "no shell", "confirm"),
    (f'{COMMAND}run = ["x"]\nwaits = 1', "waits is 1", "true or false"),
    (
        COMMAND.replace('"L"', '"r"') + 'run = ["x"]',
        "taken by issue.resolve",
        "another",
    ),
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment that names a file of preferences."""
    return {"ISSUETRACK_CONFIG": str(tmp_path / "config.toml")}


def test_without_a_file_there_are_views(environment: dict[str, str]) -> None:
    """Nobody has to write one; a view of one's own issues names whoever works."""
    prefers = preferences.read(environment).of("ada b", NOW)
    assert prefers.theme == "dark"
    assert "'assignee:ada b'" in prefers.views["Mine"]
    assert prefers.views["Resolved lately"] == "resolved:>=2026-11-15"
    assert meant("-reporter:me me", "x", NOW) == "-reporter:x me"


def test_file_is_read(environment: dict[str, str]) -> None:
    """Theme, keys, views and commands are taken; an empty view takes one away."""
    config_path(environment).write_text(CONFIG)
    prefers = preferences.read(environment)
    assert prefers.theme == "high-contrast"
    assert prefers.keymap == {"issue.resolve": "f5", "issue.comment": "C,ctrl+k"}
    assert prefers.views["Shop"] == "service:shop assignee:me"
    assert "Mine" not in prefers.views
    assert prefers.commands == (
        OwnCommand("L", "Logs", ("logs", "--service={service}", "{key}"), waits=False),
    )


@pytest.mark.parametrize(("text", "told", "hint"), WRONG)
def test_what_is_wrong_is_named(
    environment: dict[str, str], text: str, told: str, hint: str
) -> None:
    """The error names the file and the line's key, and says what to write."""
    config_path(environment).write_text(text)
    with pytest.raises(UsageError) as failure:
        preferences.read(environment)
    assert "config.toml" in failure.value.message
    assert told in failure.value.message
    assert hint in str(failure.value.hint)


def test_key_may_move_to_a_place_that_was_left(environment: dict[str, str]) -> None:
    """Two actions may exchange their keys."""
    text = '[tui.keys]\n"issue.resolve" = "c"\n"issue.comment" = "r"\n'
    config_path(environment).write_text(text)
    assert len(preferences.read(environment).keymap) == 2


def test_arguments_are_filled_from_the_issue() -> None:
    """Values go into arguments; what is missing or would be an option is refused."""
    command = OwnCommand("L", "Logs", ("logs", "--service={service}", "{key}"))
    made = filled(command, {"service": "-rf /", "key": "OPS-1; rm -rf ~"})
    assert made == ["logs", "--service=-rf /", "OPS-1; rm -rf ~"]
    assert escaped(made) == "'logs' '--service=-rf /' 'OPS-1; rm -rf ~'"
    with pytest.raises(UsageError, match="has no service"):
        filled(command, {"key": "OPS-1"})
    with pytest.raises(UsageError, match="would be an option"):
        filled(command, {"key": "--config=/tmp/x", "service": "shop"})
    with pytest.raises(UsageError, match="longer than can be shown"):
        filled(command, {"key": "x" * 1000, "service": "shop"})


async def test_views_are_kept_in_the_file(
    desk: Desk, environment: dict[str, str]
) -> None:
    """V writes the filter into config.toml and leaves the rest of the file."""
    path = config_path(environment)
    path.write_text(WRITTEN)
    desk.doors["environment"] = environment
    async with desk.at() as pilot:
        await pilot.press("V")
        await waiting(pilot, "Name of the view")
        await pilot.press(*"now", "enter")
        await settled(pilot)
        assert pilot.app.preferences.views["now"] == "status:open,in_progress"  # type: ignore[attr-defined]
    added = '\n[tui.views]\nnow = "status:open,in_progress"\n'
    assert path.read_text() == WRITTEN + added
    assert path.stat().st_mode & 0o777 == 0o600


async def test_keys_are_remapped(desk: Desk) -> None:
    """A key of the configuration does it, the old one does nothing any more."""
    prefers = TuiPreferences(keymap={"app.theme": "f6"})
    async with desk.at(preferences=prefers) as pilot:
        await pilot.press("T")
        assert pilot.app.theme == "dark"
        await pilot.press("f6")
        assert pilot.app.theme == "light"


async def test_own_command_is_shown_and_run(desk: Desk, tmp_path: Path) -> None:
    """All of it is shown, escaped, before it runs; hostile text stays one argument."""
    # FAULTS 23
    engineer, out = desk.workspace("engineer"), tmp_path / "out"
    title = 'x"; touch /tmp/forged \N{RIGHT-TO-LEFT OVERRIDE}\r[red]$(id)'
    engineer.issues.edit(engineer.actor, "OPS-201", {"title": title})
    script = f"import sys; open({str(out)!r}, 'a').write(repr(sys.argv[1:]) + '\\n')"
    run = (sys.executable, "-c", script, "{key}", "{title}")
    fails = OwnCommand("F", "Fails", ("false",), confirm=False)
    missing = OwnCommand("K", "Missing", ("/no/such/program",), confirm=False)
    prefers = TuiPreferences(commands=(OwnCommand("L", "Look", run), fails, missing))
    async with desk.at("engineer", preferences=prefers) as pilot:
        await settled(pilot)
        await pilot.press("g", "L")
        await waiting(pilot, "Run this?")
        assert "<U+202E>[red]$(id)'" in "".join(shown(pilot.app).split())
        assert not out.exists()
        await pilot.press("n")
        await settled(pilot)
        assert not out.exists()
        await pilot.press("L")
        await waiting(pilot, "Run this?")
        await pilot.press("y")
        await settled(pilot)
        await pilot.press("L")
        await settled(pilot)
        assert len(out.read_text().splitlines()) == 2
        await pilot.press("F")
        await settled(pilot)
        await pilot.press("K")
        await settled(pilot)
        told = "\n".join(note.message for note in pilot.app._notifications)
        assert "Look: done" in told
        assert "Fails ended with exit code 1" in told
        assert "/no/such/program cannot be run" in told
    once = ["OPS-201", 'x"; touch /tmp/forged <U+202E> [red]$(id)']
    assert out.read_text() == f"{once!r}\n" * 2


@pytest.mark.parametrize("theme", ["dark", "light", "high-contrast"])
async def test_without_colours_nothing_is_lost(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    """With NO_COLOR every style on the screen is a grey, in every theme."""
    monkeypatch.setenv("NO_COLOR", "1")
    async with desk.at(preferences=TuiPreferences(theme=theme)) as pilot:
        assert pilot.app.no_color
        screen = pilot.app.screen
        for strip in screen._compositor.render_strips():
            for style in {part.style for part in strip if part.style}:
                for color in (style.color, style.bgcolor):
                    if color is not None and color.triplet is not None:
                        assert len(set(color.triplet)) == 1, (theme, style)
        assert "OPS-201" in shown(pilot.app)


def test_every_key_is_documented() -> None:
    """docs/tui.md has a row for each action as the program has it, in its order."""
    page = Path(__file__).resolve().parents[2] / "docs" / "tui.md"
    found = [line for line in page.read_text().splitlines() if line.startswith("| `")]
    assert [line for line in found if line.count("|") == 6] == [
        f"| `{action.name}` | {keys(action.keys)} | {action.title} "
        f"| {action.place} | {action.needs or ''} |"
        for action in ACTIONS
    ]


def keys(joined: str) -> str:
    """Return the keys of an action as the page writes them."""
    return " ".join(f"`{key}`" for key in joined.split(","))
