"""`db`: backup, restore, checks, compaction."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from cli.conftest import LOCAL_TITLE, OnTerminal, TeamCli, in_words
from conftest import key_of
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace


def backup(cli: TeamCli, *options: str) -> Path:
    """Make a backup and return its folder."""
    made = cli("db", "backup", *options, "-o", "json").data["backup"]
    return Path(made)


def titles(cli: TeamCli, *options: str, **how: str | None) -> list[str]:
    """Return the titles of all issues."""
    rows = cli(*options, "issue", "list", "-o", "json", **how).data  # type: ignore[arg-type]
    return sorted(row["title"] for row in rows)


def test_backup_is_a_folder_with_three_files(team_cli: TeamCli) -> None:
    """A backup holds database, keys and head, for its owner only."""
    done = team_cli("db", "backup", "-o", "json", by="engineer")
    assert list(done.data) == ["backup", "bytes", "removed"]
    made = Path(done.data["backup"])
    assert made.parent == team_cli.folder / "backups"
    assert made.name.startswith("test.db-")
    assert sorted(path.name for path in made.iterdir()) == [
        "test.db",
        "test.db.head",
        "test.db.keys",
    ]
    assert done.data["bytes"] == sum(p.stat().st_size for p in made.iterdir())
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    shown = team_cli("db", "backup").out.splitlines()
    assert shown[0].split()[0] == "backup"
    assert shown[-1].split()[0] == "size"
    assert shown[-1].split()[2] in ("KiB", "MiB")


def test_newest_backups_are_kept(team_cli: TeamCli) -> None:
    """--keep removes the oldest of this database in this folder, and names them."""
    first, second = (backup(team_cli, "--to", "safe") for _ in range(2))
    other = team_cli.folder / "safe" / "other.db-20200101T000000000000Z"
    other.mkdir()
    data = team_cli("db", "backup", "--to", "safe", "--keep", "2", "-o", "json").data
    assert data["removed"] == [str(first)]
    assert not first.exists()
    assert second.exists()
    assert other.exists()
    shown = team_cli("db", "backup", "--to", "safe", "--keep", "1").out
    assert str(second) in shown.replace("\n", "").replace("         ", "")


def test_restore_puts_the_backup_back(team_cli: TeamCli) -> None:
    """What was there is kept beside it, and the trail tells of the restore."""
    team_cli("issue", "new", LOCAL_TITLE)
    folder = backup(team_cli)
    team_cli("issue", "new", "Made after the backup")
    done = team_cli("db", "restore", str(folder), "--yes", "-o", "json")
    path = team_cli.folder / "test.db"
    aside = team_cli.folder / "test.db.before-restore-1"
    assert done.data == {
        "database": str(path),
        "restored": str(folder),
        "before": str(aside),
    }
    assert titles(team_cli) == [LOCAL_TITLE]
    assert titles(team_cli, "--db", str(aside / "test.db")) == [
        LOCAL_TITLE,
        "Made after the backup",
    ]
    assert team_cli("audit", "verify").code == 0
    entry = team_cli("audit", "log", "-n", "1", "-o", "json").data[0]
    assert (entry["action"], entry["actor"]) == ("db.restore", "owner")
    shown = team_cli("db", "restore", str(folder), "--yes").out
    assert "test.db.before-restore-2" in "".join(shown.split())


def test_restore_on_another_machine_with_the_recovery_key(
    team_cli: TeamCli, tmp_path: Path
) -> None:
    """The folder and the recovery key are all it takes, down to a key of one's own."""
    team_cli("issue", "new", LOCAL_TITLE)
    folder = backup(team_cli)
    away = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, away)
    there = ("--db", str(tmp_path / "elsewhere" / "team.db"))
    restore = (*there, "db", "restore", str(away), "-o", "json")
    assert team_cli(*restore, by="recovery").data["before"] is None
    check = team_cli(*there, "db", "check", "-o", "json", by="recovery").data
    assert all(row["ok"] for row in check)
    recover = (*there, "key", "recover", "owner", "--new-key-file", "owner.key")
    team_cli(*recover, by="recovery")
    mine = (*there, "--key-file", "owner.key")
    assert titles(team_cli, *mine, by=None) == [LOCAL_TITLE]
    team_cli(*mine, "audit", "verify", by=None)


def test_everybody_of_the_backup_is_let_in_again(team_cli: TeamCli) -> None:
    """A restore brings back the users of that time, as its help says."""
    folder = backup(team_cli)
    team_cli("user", "remove", "viewer", "--yes")
    team_cli("db", "restore", str(folder), "--yes")
    team_cli("whoami", by="viewer")


def test_check_of_a_sound_workspace(team_cli: TeamCli) -> None:
    """`db check` looks at file, values, index and trail."""
    rows = team_cli("db", "check", "-o", "json", by="viewer").data
    assert [list(row) for row in rows] == [["check", "ok", "detail", "remedy"]] * 4
    assert [row["check"] for row in rows] == ["file", "values", "index", "audit"]
    assert all(row["ok"] and row["remedy"] is None for row in rows)
    assert "unbroken" in team_cli("db", "check").out


def test_check_of_a_changed_workspace(team_cli: TeamCli) -> None:
    """What is wrong has exit code 1, is named, and has a remedy."""
    unlock = Unlock(environment_key=key_of("owner"))
    workspace = Workspace.open(team_cli.folder / "test.db", unlock)
    with workspace._database.write() as uow:
        uow.sql("UPDATE audit_entry SET action = 'user.show' WHERE sequence = 3")
    workspace.close()
    rows = team_cli("db", "check", "-o", "json", code=1).data
    (bad,) = [row for row in rows if not row["ok"]]
    assert (bad["check"], bad["detail"]) == (
        "audit",
        "entry 3: its content was changed",
    )
    assert "issuetrack db restore" in bad["remedy"]


def test_compaction_tells_both_sizes(team_cli: TeamCli) -> None:
    """`db compact` tells the size before and after."""
    data = team_cli("db", "compact", "-o", "json").data
    assert list(data) == ["bytes_before", "bytes_after"]
    assert 0 < data["bytes_after"] <= data["bytes_before"]
    assert data["bytes_after"] == (team_cli.folder / "test.db").stat().st_size
    shown = team_cli("db", "compact").out.splitlines()
    assert [line.split()[0] for line in shown] == ["before", "after"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["backup", "--keep", "0"], 2, "--keep 0 would keep none"),
        (["backup", "--keep", "-1"], 2, "--keep -1 would keep none"),
        (["backup", "--keep", "many"], 2, "--keep"),
        (["backup", "--to", "file"], 1, "cannot write to file"),
        (["restore", "missing"], 7, "missing is not a backup"),
        (["restore", "missing", "--yes"], 7, "missing is not a backup"),
        (["restore", "file", "--yes"], 7, "file is not a backup"),
        (["restore", "empty", "--yes"], 7, "empty is not a backup"),
        (["restore", "copy"], 5, "this asks: Replace"),
        (["restore", "damaged", "--yes"], 4, ""),
        (["restore", "without keys", "--yes"], 7, "is not a backup"),
        (["restore", "old keys", "--yes"], 4, ""),
    ],
    ids=in_words,
)
def test_bad_request_changes_nothing(
    team_cli: TeamCli, arguments: list[str], code: int, told: str
) -> None:
    """What cannot be done is told once; the workspace stays, and no backup is made."""
    folder = backup(team_cli, "--to", "kept")
    team_cli("user", "disable", "viewer")
    Path("file").write_text("not a folder")
    Path("empty").mkdir()
    for name in ("copy", "damaged", "without keys", "old keys"):
        shutil.copytree(folder, name)
    damaged = bytearray(Path("damaged/test.db").read_bytes())
    for start in range(4096, len(damaged), 4096):
        damaged[start + 100 : start + 200] = bytes(100)
    Path("damaged/test.db").write_bytes(damaged)
    Path("without keys/test.db.keys").unlink()
    shutil.copy("test.db", "old keys/test.db")
    before = Path("test.db.keys").read_bytes()
    team_cli.refused("db", *arguments, code=code, told=told)
    assert Path("test.db.keys").read_bytes() == before
    assert not list(Path().glob("*restor*"))
    team_cli("whoami")


def test_restore_takes_an_admin_of_the_backup(team_cli: TeamCli) -> None:
    """Others, and keys that do not fit, change nothing."""
    folder = str(backup(team_cli))
    for by, code in (("engineer", 3), ("exporter", 3), ("nobody", 4)):
        restore = ("db", "restore", folder, "--yes")
        team_cli.refused(*restore, by=by, code=code, told="")


def test_restore_does_not_take_a_file_away_from_others(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """A workspace that another program has open is not replaced."""
    restore = ("db", "restore", str(backup(team_cli)), "--yes")
    tried: list[bool] = []

    def meanwhile(process: "subprocess.Popen[bytes]") -> None:
        team_cli.refused(*restore, code=1, told="another program has test.db open")
        tried.append(True)
        process.kill()

    on_terminal(
        "user",
        "passwd",
        ISSUETRACK_KEY=key_of("owner"),
        answers=[(b"New passphrase: ", meanwhile)],
    )
    assert tried == [True]
    team_cli(*restore)


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 2), (b"y\n", 0)])
def test_restore_is_asked_for(
    team_cli: TeamCli, on_terminal: OnTerminal, answer: bytes, code: int
) -> None:
    """`db restore` asks on a terminal before it replaces something."""
    folder = str(backup(team_cli))
    team_cli("issue", "new", LOCAL_TITLE)
    found, told = on_terminal(
        "db",
        "restore",
        folder,
        ISSUETRACK_KEY=key_of("owner"),
        answers=[(b"[y/N]: ", answer)],
    )
    assert found == code, told
    assert titles(team_cli) == ([] if code == 0 else [LOCAL_TITLE])
