"""`config`: policies and preferences, who says what, and what is documented."""

import re
from pathlib import Path

import pytest

from cli.conftest import Cli, TeamCli
from cli.test_documentation import DOCS
from issuetrack.cli.config import PREFERENCES
from issuetrack.engine.identity.policies import POLICIES
from issuetrack.engine.settings import VARIABLES

SETTINGS = (DOCS / "settings.md").read_text(encoding="utf-8")
ROW = ["name", "value", "default", "from", "detail"]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the preferences of the test are."""
    path = tmp_path / "mine" / "config.toml"
    monkeypatch.setenv("ISSUETRACK_CONFIG", str(path))
    return path


def origin(cli: Cli, name: str, *options: str) -> tuple[object, object]:
    """Return the value of a setting and who says it."""
    rows = cli("config", "list", *(options or ("-o", "json"))).data
    (row,) = (row for row in rows if row["name"] == name)
    return row["value"], row["from"]


def test_one_list_has_policies_and_preferences(cli: Cli, file: Path) -> None:
    """Every setting with its value, where it is from and what it does."""
    rows = cli("config", "list", "-o", "json").data
    assert [row["name"] for row in rows] == [*PREFERENCES, *POLICIES]
    assert all(list(row) == ROW and row["detail"] for row in rows)
    assert cli("-o", "json", "config").data == rows
    assert not file.exists()


def test_environment_goes_before_file_before_default(
    cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each says so where it holds; a flag goes before all of them."""
    assert origin(cli, "llm") == (True, "default")
    cli("config", "set", "llm", "off")
    assert origin(cli, "llm") == (False, "file")
    monkeypatch.setenv("ISSUETRACK_LLM", "yes")
    assert origin(cli, "llm") == (True, "environment")
    told = cli("config", "set", "llm", "off", "-o", "json")
    assert told.envelope["warnings"] == ["ISSUETRACK_LLM is set and goes before it"]
    monkeypatch.setenv("ISSUETRACK_OUTPUT", "json")
    assert origin(cli, "output") == ("json", "flag")
    cli("config", "unset", "llm")
    assert "llm" not in file.read_text()


def test_preferred_form_of_output_is_used(
    cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file holds where neither the option nor the environment says."""
    cli("config", "set", "output", "json")
    assert cli("issue", "list").data == []
    assert cli("issue", "list", "-o", "csv").out.startswith("number,")
    monkeypatch.setenv("ISSUETRACK_OUTPUT", "csv")
    assert cli("issue", "list").out.startswith("number,")
    monkeypatch.delenv("ISSUETRACK_OUTPUT")
    file.write_text('output = "xml"\n')
    done = cli("issue", "list", code=2)
    assert "output in config.toml, xml is not a form of output" in done.err


def test_preferences_need_no_workspace(
    bare_cli: Cli, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are set, shown and listed where there is none; policies are not."""
    monkeypatch.delenv("ISSUETRACK_KEY", raising=False)
    bare_cli("config", "set", "chat_model", "small")
    assert bare_cli("config", "get", "chat_model", "-o", "json").data["value"] == (
        "small"
    )
    done = bare_cli("config", "list", "-o", "json")
    assert [row["name"] for row in done.data] == list(PREFERENCES)
    assert done.envelope["warnings"] == [
        "there is no workspace here: its policies are not shown"
    ]
    assert bare_cli("config", "path", "-o", "json").data["preferences"] == str(file)
    bare_cli("config", "get", "duplicates.warn", code=7)


def test_file_keeps_what_is_not_ours(cli: Cli, file: Path) -> None:
    """Comments and unknown keys stay; the file is for its owner only."""
    file.parent.mkdir()
    file.write_text('# mine\ntheme = "dark"\n')
    cli("config", "set", "chat_model", "small")
    assert file.read_text() == '# mine\ntheme = "dark"\nchat_model = "small"\n'
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("set", "sop.draft_on_resolv", "on"), 7, "did you mean sop.draft_on_resolve?"),
        (("get", "Output"), 7, "did you mean output?"),
        (("unset", "zzz"), 7, "list them: issuetrack config list"),
        (("set", "duplicates.warn", "maybe"), 2, "duplicates.warn is on or off"),
        (("set", "llm", "maybe"), 2, "llm is on or off"),
        (("set", "output", "xml"), 2, "one of: table, json"),
        (("set", "chat_model", " "), 2, "chat_model cannot be empty"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cli: Cli, file: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    """The error says what is wrong, and names the closest setting."""
    done = cli("config", *arguments, code=code)
    assert told in done.err
    assert not file.exists()


def test_broken_file_is_named(cli: Cli, file: Path) -> None:
    """Nothing is overwritten; the error says which file to mend."""
    file.parent.mkdir()
    file.write_text("llm = [")
    for arguments in (("config", "list"), ("config", "set", "llm", "on")):
        assert str(file) in cli(*arguments, code=2).err
    assert file.read_text() == "llm = ["


def test_policies_are_for_admins_and_audited(team_cli: TeamCli) -> None:
    """Everybody reads them, an admin sets them, and that is in the trail."""
    team_cli("config", "set", "sop.draft_on_resolve", "on")
    got = team_cli("config", "get", "sop.draft_on_resolve", "-o", "json", by="viewer")
    assert (got.data["value"], got.data["from"]) == (True, "workspace")
    for verb in (("set", "duplicates.warn", "off"), ("unset", "sop.draft_on_resolve")):
        team_cli("config", *verb, by="engineer", code=3)
    team_cli("config", "unset", "sop.draft_on_resolve")
    rows = team_cli("audit", "log", "--action", "policy", "-o", "json").data
    assert [row["action"] for row in rows] == ["policy.unset", "policy.set"]
    again = team_cli("config", "get", "sop.draft_on_resolve", "-o", "json").data
    assert (again["value"], again["from"]) == (False, "default")


@pytest.mark.parametrize("name", [*PREFERENCES, *POLICIES])
def test_every_setting_is_documented(name: str) -> None:
    """docs/settings.md has a row for each, with its default and its variable."""
    rows = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(rows) == 1
    if name in VARIABLES:
        assert f"`{VARIABLES[name]}`" in rows[0]
    else:
        default = POLICIES[name].default
        word = {True: "on", False: "off", "": "none"}[default]
        assert rows[0].split("|")[2].strip() == word


def test_documented_settings_are_there() -> None:
    """docs/settings.md names no setting that there is not."""
    named = re.findall(r"^\| `([\w.]+)` \|", SETTINGS, re.MULTILINE)
    assert sorted(named) == sorted([*PREFERENCES, *POLICIES])
