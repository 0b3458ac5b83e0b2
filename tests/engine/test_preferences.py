"""Preferences: read from config.toml, written without harm to the rest of it."""

import stat
from pathlib import Path

import pytest

from issuetrack.engine.errors import UsageError
from issuetrack.engine.settings import (
    Preferences,
    config_path,
    data_directory,
    preferences,
    set_preference,
)

WRITTEN = """\
# my own notes
chat_model = "tiny"  # for the laptop
llm = false

[later]
unknown = 1
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment that names a file in a folder that is not there yet."""
    return {"ISSUETRACK_CONFIG": str(tmp_path / "new" / "config.toml")}


def test_without_a_file_there_are_defaults(environment: dict[str, str]) -> None:
    """Nobody has to write one."""
    assert preferences(environment) == Preferences(None, None, None, True)


def test_file_is_read(environment: dict[str, str]) -> None:
    """Known keys count, unknown ones are left alone."""
    path = config_path(environment)
    path.parent.mkdir()
    path.write_text(WRITTEN)
    assert preferences(environment) == Preferences("tiny", None, None, False)


def test_writing_keeps_comments_and_unknown_keys(environment: dict[str, str]) -> None:
    """One value changes, one comes, one goes; all else stays to the byte."""
    path = config_path(environment)
    path.parent.mkdir()
    path.write_text(WRITTEN)
    set_preference(environment, "chat_model", "other")
    set_preference(environment, "llm", None)
    expected = WRITTEN.replace('"tiny"', '"other"').replace("llm = false\n", "")
    assert path.read_text() == expected
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_first_preference_makes_the_file(environment: dict[str, str]) -> None:
    """Folder and file are made for this user alone."""
    path = set_preference(environment, "chat_model", 'odd "name"\n')
    assert preferences(environment).chat_model == 'odd "name"\n'
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "text", ["chat_model = [", "\x00", "chat_model = 5", "llm = 'yes'", "output = true"]
)
def test_file_that_is_wrong_is_told_and_kept(
    environment: dict[str, str], text: str
) -> None:
    """The error names the file; nothing is overwritten by guessing."""
    path = config_path(environment)
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(UsageError, match=r"config\.toml"):
        preferences(environment)
    assert path.read_text() == text


def test_file_in_another_encoding_is_told(environment: dict[str, str]) -> None:
    """Bytes that are no UTF-8 are no preferences."""
    path = config_path(environment)
    path.parent.mkdir()
    path.write_bytes(b"chat_model = '\xff'")
    with pytest.raises(UsageError, match="cannot be read"):
        preferences(environment)


def test_link_to_a_file_elsewhere_stays_a_link(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Who keeps dotfiles in a repository goes on doing so."""
    path = config_path(environment)
    path.parent.mkdir()
    target = tmp_path / "dotfiles.toml"
    target.write_text("")
    path.symlink_to(target)
    set_preference(environment, "chat_model", "tiny")
    assert path.is_symlink()
    assert target.read_text() == 'chat_model = "tiny"\n'


def test_data_directory_is_named_by_the_environment(tmp_path: Path) -> None:
    """ISSUETRACK_DATA_DIR, or the place of the platform."""
    named = {"ISSUETRACK_DATA_DIR": str(tmp_path)}
    assert data_directory(named) == tmp_path
    assert data_directory({}).name == "issuetrack"
