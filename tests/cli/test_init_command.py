"""`init`: what opens a new workspace, and that nothing is left of a failed one."""

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from cli.conftest import Cli, Done, OnTerminal
from conftest import KEY
from issuetrack.engine.store.keyslots import KeyFile

RECOVERY = re.compile(r"\b(?:[0-9A-Z]{4}-){12}[0-9A-Z]{4}\b")
WORDS = b"four unrelated words"


def names(folder: Path) -> list[str]:
    """Return the files of a test."""
    return sorted(path.name for path in folder.iterdir())


def lists(cli: Cli, *arguments: str, code: int = 0) -> Done:
    """Open the workspace."""
    return cli(*arguments, "issue", "list", code=code)


def test_key_file_is_made_and_opens(bare_cli: Cli, tmp_path: Path) -> None:
    """--key-file makes a key file that only its owner can read."""
    key = tmp_path / "team.key"
    done = bare_cli("init", "--key-file", str(key), "--no-input")
    assert done.err == ""
    assert names(tmp_path) == [
        "team.key",
        "test.db",
        "test.db.head",
        "test.db.keys",
        "test.db.lock",
    ]
    for path in (tmp_path / name for name in names(tmp_path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lists(bare_cli, "--key-file", str(key))
    lists(bare_cli, code=4)


def test_key_file_of_the_environment(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISSUETRACK_KEY_FILE is --key-file, for init and for all others."""
    monkeypatch.setenv("ISSUETRACK_KEY_FILE", str(tmp_path / "team.key"))
    bare_cli("init")
    lists(bare_cli)


def test_known_key_file_is_used(bare_cli: Cli, tmp_path: Path) -> None:
    """A key file that is there already is used as it is."""
    key = tmp_path / "team.key"
    key.write_text(KEY * 2)
    key.chmod(0o600)
    bare_cli("init", "--key-file", str(key))
    assert key.read_text() == KEY * 2
    lists(bare_cli, "--key-file", str(key))


def test_key_of_the_environment_is_used_with_a_warning(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ISSUETRACK_KEY opens it, and is told to be seen by other programs."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    done = bare_cli("init", "--env-key")
    assert done.err.startswith("warning: the key is in the environment")
    lists(bare_cli)


def test_passphrase_file_opens(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first line of ISSUETRACK_PASSPHRASE_FILE is the passphrase."""
    path = tmp_path / "words"
    path.write_bytes(WORDS + b"\nsecond line\n")
    monkeypatch.setenv("ISSUETRACK_PASSPHRASE_FILE", str(path))
    bare_cli("init")
    lists(bare_cli)
    path.write_bytes(b"four other words\n")
    assert "does not open" in lists(bare_cli, code=4).err
    path.write_bytes(b"")
    assert "cannot be read" in lists(bare_cli, code=4).err


def test_passphrase_is_asked_for_twice_and_not_shown(
    bare_cli: Cli, on_terminal: OnTerminal, tmp_path: Path
) -> None:
    """On a terminal the passphrase is typed twice, unseen, and then opens it."""
    code, told = on_terminal(
        "init",
        ISSUETRACK_KEY="",
        answers=[(b"passphrase: ", WORDS + b"\n"), (b"again: ", WORDS + b"\n")],
    )
    assert code == 0, told
    assert WORDS not in told
    code, told = on_terminal(
        "issue", "list", ISSUETRACK_KEY="", answers=[(b"Passphrase: ", WORDS + b"\n")]
    )
    assert code == 0, told
    assert WORDS not in told


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (b"short", b"", b"shorter than 12 characters"),
        (WORDS, b"four unrelated worms", b"differ"),
    ],
)
def test_bad_passphrase_leaves_nothing(
    on_terminal: OnTerminal,
    tmp_path: Path,
    first: bytes,
    second: bytes,
    message: bytes,
) -> None:
    """A short passphrase or two different ones make no workspace."""
    code, told = on_terminal(
        "init",
        "--passphrase",
        ISSUETRACK_KEY="",
        answers=[(b"passphrase: ", first + b"\n"), (b"again: ", second + b"\n")],
    )
    assert code == 2
    assert message in told
    assert names(tmp_path) == []


@pytest.mark.parametrize("options", [["--no-input"], ["--passphrase"], []])
def test_key_is_needed(bare_cli: Cli, tmp_path: Path, options: list[str]) -> None:
    """Where nobody can be asked, the ways to give a key are named: exit code 5."""
    done = bare_cli("init", *options, code=5)
    assert "--key-file" in done.err
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keyring"], "no system keyring that keeps secrets encrypted"),
        (["--env-key"], "ISSUETRACK_KEY is not set"),
        (["--keyring", "--passphrase"], "more than one way"),
    ],
)
def test_ways_that_do_not_work_are_told(
    bare_cli: Cli, tmp_path: Path, options: list[str], message: str
) -> None:
    """A way to open it that is not there leaves no workspace behind."""
    done = bare_cli("init", *options, code=2)
    assert message in done.err
    assert names(tmp_path) == []


@pytest.mark.parametrize("option", ["--passphrase", "--keyring"])
def test_option_goes_before_the_environment(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, option: str
) -> None:
    """--passphrase and --keyring are not replaced by a key in the environment."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    bare_cli("init", option, code=5 if option == "--passphrase" else 2)
    assert names(tmp_path) == []


def test_existing_workspace_is_refused(past_cli: Cli, tmp_path: Path) -> None:
    """A second init changes nothing, whichever of the two files is there."""
    files = [tmp_path / "test.db", tmp_path / "test.db.keys"]
    before = [path.read_bytes() for path in files]
    done = past_cli("init", code=1)
    assert f"error: {files[0]} exists already" in done.err
    assert [path.read_bytes() for path in files] == before
    files[0].unlink()
    assert f"error: {files[1]} exists already" in past_cli("init", code=1).err
    assert not files[0].exists()


@pytest.mark.parametrize("path", ["file/test.db", "file/deeper/test.db"])
def test_nothing_is_left_of_a_failure(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    """A place that cannot be written to leaves no database and no keys."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    (tmp_path / "file").write_text("not a folder")
    done = bare_cli("--db", str(tmp_path / path), "init", code=1)
    assert "error: cannot create" in done.err
    assert names(tmp_path) == ["file"]


def test_database_without_its_keys_is_taken_away(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the keys cannot be written the new database is removed again."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)

    def full(self: KeyFile, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(KeyFile, "save", full)
    done = bare_cli("init", code=1)
    assert done.out == ""
    assert names(tmp_path) == []


def test_key_file_that_cannot_be_made(bare_cli: Cli, tmp_path: Path) -> None:
    """A key file that cannot be written leaves no database."""
    (tmp_path / "file").write_text("not a folder")
    bare_cli("init", "--key-file", str(tmp_path / "file" / "team.key"), code=4)
    assert names(tmp_path) == ["file"]


def test_folder_is_made(bare_cli: Cli, tmp_path: Path) -> None:
    """The folders on the way to the database are made."""
    path, key = tmp_path / "a" / "b" / "team.db", tmp_path / "c" / "team.key"
    bare_cli("--db", str(path), "init", "--key-file", str(key))
    assert path.exists()
    assert key.exists()


def test_recovery_key_is_shown_once_and_opens(
    bare_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recovery key is on stdout once, in no file, and opens the workspace."""
    key = tmp_path / "team.key"
    done = bare_cli("init", "--key-file", str(key))
    (recovery,) = RECOVERY.findall(done.out)
    assert recovery not in done.err
    plain = recovery.replace("-", "").encode()
    for path in tmp_path.iterdir():
        if path.is_file():
            assert plain not in path.read_bytes().replace(b"-", b"")
    key.unlink()
    lists(bare_cli, code=4)
    for written in (recovery, recovery.lower(), recovery.replace("-", " ")):
        monkeypatch.setenv("ISSUETRACK_RECOVERY_KEY", written)
        lists(bare_cli)
    monkeypatch.setenv("ISSUETRACK_RECOVERY_KEY", "A" * 52)
    lists(bare_cli, code=4)
    monkeypatch.setenv("ISSUETRACK_RECOVERY_KEY", "nonsense")
    assert "not a recovery key" in lists(bare_cli, code=4).err


def test_database_is_where_the_option_says(
    bare_cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """--db goes before ISSUETRACK_DB, and that before the default."""
    monkeypatch.setenv("ISSUETRACK_KEY", KEY)
    bare_cli("--db", str(tmp_path / "one.db"), "init")
    bare_cli("init")
    monkeypatch.delenv("ISSUETRACK_DB")
    bare_cli("init")
    assert [path.name for path in Path.home().rglob("*.db")] == ["issuetrack.db"]
    assert {"one.db", "test.db"} <= set(names(tmp_path))
