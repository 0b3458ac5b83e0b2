"""`audit`: who did what, and what becomes of a trail that was changed."""

import json
import shutil
import stat
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import LOCAL_TITLE, TeamCli, in_words
from conftest import key_of
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

ENTRY = [
    "sequence",
    "at",
    "actor",
    "role",
    "action",
    "entity",
    "before",
    "after",
    "hash",
    "signature",
    "previous_hash",
    "before_digest",
    "after_digest",
]


def log(cli: TeamCli, *options: str) -> list[dict[str, Any]]:
    """Return what `audit log` finds."""
    found = cli("audit", "log", *options, "-o", "json").data
    assert isinstance(found, list)
    return found


def actions(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Return the actions of entries."""
    return [entry["action"] for entry in entries]


def test_log_tells_the_newest_first(team_cli: TeamCli) -> None:
    """`audit log` and plain `audit` tell what was done, complete in JSON."""
    team_cli("issue", "new", LOCAL_TITLE, "--priority", "P1", by="engineer")
    team_cli("issue", "edit", "1", "--priority", "P2", by="engineer")
    edited, made, *_ = entries = log(team_cli)
    assert [list(entry) for entry in entries] == [ENTRY] * len(entries)
    assert [e["sequence"] for e in entries] == list(range(len(entries), 0, -1))
    assert (edited["actor"], edited["role"]) == ("engineer", "engineer")
    assert (edited["action"], edited["entity"]) == ("issue.edit", "issue:1")
    assert edited["before"]["priority"] == "P1"
    assert edited["after"]["priority"] == "P2"
    assert made["after"]["title"] == LOCAL_TITLE
    assert edited["previous_hash"] == made["hash"]
    assert team_cli("-o", "json", "audit").data == entries


def test_log_is_readable_on_a_narrow_terminal(
    team_cli: TeamCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 columns show number, time to the second, who, what, and the change."""
    monkeypatch.setenv("COLUMNS", "80")
    team_cli("user", "role", "viewer", "engineer")
    entry = next(e for e in log(team_cli) if e["action"] == "user.role")
    shown = team_cli("audit", "log").out
    lines = shown.splitlines()
    assert lines[0].split() == ["NO", "AT", "ACTOR", "ACTION", "ENTITY", "DETAIL"]
    moment = entry["at"][:19].replace("T", " ")
    assert f"{moment}  owner  user.role" in shown
    assert "role: viewer ->" in shown
    assert max(len(line) for line in lines) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_log_is_filtered(team_cli: TeamCli) -> None:
    """Each option leaves out what does not fit, and they add up."""
    team_cli("issue", "new", LOCAL_TITLE, by="engineer")
    team_cli("user", "role", "viewer", "engineer")
    assert actions(log(team_cli, "--actor", "engineer")) == ["issue.create"]
    assert actions(log(team_cli, "--actor", "nobody")) == []
    users = actions(log(team_cli, "--action", "user"))
    assert users == ["user.role", *["user.add"] * 4]
    assert actions(log(team_cli, "--action", "user.role")) == ["user.role"]
    assert actions(log(team_cli, "--entity", "issue")) == ["issue.create"]
    assert actions(log(team_cli, "--entity", "issue:2")) == []
    both = ("--entity", "user:viewer", "--action", "user.add")
    assert actions(log(team_cli, *both)) == ["user.add"]


def test_log_of_a_time(team_cli: TeamCli) -> None:
    """--since takes the moment itself, --until does not; a zone is honoured."""
    team_cli("issue", "new", LOCAL_TITLE)
    entry = log(team_cli, "--action", "issue.create")[0]
    moment = entry["at"]
    assert entry in log(team_cli, "--since", moment)
    assert entry not in log(team_cli, "--until", moment)
    assert log(team_cli, "--since", "2999-01-01") == []
    assert len(log(team_cli, "--until", "2999-01-01T00:00:00+02:00")) == 6


def test_limit_tells_that_there_is_more(team_cli: TeamCli) -> None:
    """--limit shows the newest, and says so; without more it says nothing."""
    done = team_cli("audit", "log", "-n", "2", "-o", "json")
    assert [entry["sequence"] for entry in done.data] == [5, 4]
    assert done.envelope["warnings"] == ["the newest 2 shown; see more with --limit"]
    assert team_cli("audit", "log", "-n", "5").err == ""


def test_secrets_are_masked(team_cli: TeamCli) -> None:
    """What the trail shows of a text has no passwords and no addresses."""
    text = "password=hunter2hunter2 of bob@example.com"
    team_cli("issue", "new", "Login fails", "--body", text)
    told = team_cli("audit", "log", "-o", "json").out
    assert "hunter2" not in told
    assert "bob@example.com" not in told


def test_denied_and_failed_attempts_are_told(team_cli: TeamCli) -> None:
    """The trail tells who was refused, and with which name a key did not fit."""
    team_cli("user", "list", by="exporter", code=3)
    team_cli("--user", "viewer", "issue", "list", by="nobody", code=4)
    failed, denied, *_ = log(team_cli)
    assert (denied["action"], denied["actor"]) == ("access.denied", "exporter")
    assert denied["entity"] == "permission:change own keys"
    assert failed["action"] == "unlock.failed"
    assert "viewer" in json.dumps(failed["after"])


def test_whole_trail_is_verified(team_cli: TeamCli) -> None:
    """`audit verify` counts the good entries; a viewer may."""
    data = team_cli("audit", "verify", "-o", "json", by="viewer").data
    assert data == {"entries": 5, "unbroken": True}
    shown = team_cli("audit", "verify").out
    assert [line.split() for line in shown.splitlines()] == [
        ["entries", "5"],
        ["unbroken", "yes"],
    ]


def test_export_is_the_whole_trail(team_cli: TeamCli) -> None:
    """`audit export` writes JSON lines, oldest first, each after the one before."""
    done = team_cli("audit", "export")
    entries = [json.loads(line) for line in done.out.splitlines()]
    assert done.err == "6 entries\n"
    assert [list(entry) for entry in entries] == [ENTRY] * 6
    for earlier, later in pairwise(entries):
        assert later["previous_hash"] == earlier["hash"]
    assert entries[-1]["action"] == "audit.export"


def test_export_to_a_file(team_cli: TeamCli) -> None:
    """The file is new and its owner's only."""
    to = team_cli.folder / "trail.jsonl"
    done = team_cli("audit", "export", "--to", str(to))
    assert (done.out, done.err) == ("", f"6 entries written to {to}\n")
    assert stat.S_IMODE(to.stat().st_mode) == 0o600
    assert len(to.read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["log", "--since", "rubbish"], 2, "'rubbish' is not a date or moment"),
        (["log", "--until", "yesterday"], 2, "is not a date or moment"),
        (["log", "--since", "0001-01-01T00:00:00+14:00"], 2, "is not a date or"),
        (["log", "--limit", "0"], 2, "--limit"),
        (["log", "--limit", "99999999999999999999"], 2, "--limit"),
        (["export", "--to", "there"], 2, "there exists already"),
        (["export", "--to", "."], 2, ". exists already"),
        (["export", "--to", "missing/trail"], 1, "missing/trail"),
        (["verify", "--bogus"], 2, "No such option"),
    ],
    ids=in_words,
)
def test_bad_request(
    team_cli: TeamCli, arguments: list[str], code: int, told: str
) -> None:
    """What cannot be done is told once; a file that is there stays as it is."""
    there = team_cli.folder / "there"
    there.write_text("kept")
    team_cli.refused("audit", *arguments, code=code, told=told)
    assert there.read_text() == "kept"


def test_refused_export_leaves_no_file(team_cli: TeamCli) -> None:
    """Whoever may not read the trail makes no file by trying."""
    arguments = ("audit", "export", "--to", "trail.jsonl")
    team_cli.refused(*arguments, by="engineer", code=3, told="takes admin")


def test_old_copy_of_the_database_is_noticed(team_cli: TeamCli) -> None:
    """A database behind its head file is told, until an admin accepts it."""
    path = team_cli.folder / "test.db"
    shutil.copy(path, "old")
    team_cli("issue", "new", LOCAL_TITLE)
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    shutil.copy("old", path)
    told = "the audit trail is broken at entry 6"
    team_cli.refused("audit", "verify", code=4, told=told)
    team_cli.refused("issue", "new", "x", code=4, told="the audit trail ends at")
    accept = ("audit", "verify", "--accept")
    assert team_cli(*accept, by="engineer", code=None).code in (3, 4)
    team_cli.refused("audit", "verify", code=4, told=told)
    assert team_cli(*accept, "-o", "json").data["entries"] == 6
    assert actions(log(team_cli))[0] == "audit.accept"
    team_cli("issue", "new", "x")


def test_changed_entry_is_found(team_cli: TeamCli) -> None:
    """The first bad entry is named, and what is wrong with it."""
    unlock = Unlock(environment_key=key_of("owner"))
    workspace = Workspace.open(team_cli.folder / "test.db", unlock)
    with workspace._database.write() as uow:
        uow.sql("UPDATE audit_entry SET action = 'user.show' WHERE sequence = 3")
    workspace.close()
    told = "broken at entry 3: its content was changed; 2 entries before it are good"
    team_cli.refused("audit", "verify", code=4, told=told)
    failed = team_cli("audit", "verify", "-o", "json", code=4).envelope
    assert failed["error"]["code"] == "tampered"
