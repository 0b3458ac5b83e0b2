"""`key`: what opens the workspace, new keys, slots, and the recovery key."""

import re
from pathlib import Path

import pytest

from cli.conftest import LOCAL_TITLE, OnTerminal, TeamCli, in_words
from conftest import key_of

RECOVERY = re.compile(r"\b(?:[0-9A-Z]{4}-){12}[0-9A-Z]{4}\b")
WORDS = "four unrelated words"
NEW = ["--new-key-file", "new.key"]


def own_slot(cli: TeamCli, name: str) -> str:
    """Return the slot of a member."""
    slots = cli("key", "status", "-o", "json").data["slots"]
    return str(next(slot["slot"] for slot in slots if slot["user"] == name))


def test_status_tells_keys_and_slots(team_cli: TeamCli) -> None:
    """`key status` and plain `key` tell the keys, what is under them, and the slots."""
    team_cli("issue", "new", LOCAL_TITLE)
    done = team_cli("key", "status", "-o", "json", by="viewer")
    assert list(done.data) == ["keys", "slots", "unfinished"]
    assert [list(key) for key in done.data["keys"]] == [
        ["key", "role", "current", "rows"]
    ] * 4
    keys = {key["key"]: key for key in done.data["keys"]}
    assert list(keys) == ["page-1", "viewer-1", "engineer-1", "admin-1"]
    assert keys["page-1"]["role"] is keys["page-1"]["rows"] is None
    assert keys["viewer-1"]["rows"] >= 1
    assert done.data["unfinished"] is False
    assert done.err == ""
    users = [slot["user"] for slot in done.data["slots"]]
    assert users == ["owner", "recovery", "second", "engineer", "viewer", "exporter"]
    shown = team_cli("key", by="viewer").out
    assert "page-1      the whole file" in shown
    assert "recovery  recovery" in shown


def test_rotation_puts_all_values_under_new_keys(team_cli: TeamCli) -> None:
    """`key rotate` retires the old keys; everybody reads on."""
    team_cli("issue", "new", LOCAL_TITLE)
    data = team_cli("key", "rotate", "-o", "json").data
    assert list(data) == ["values", "keys"]
    assert data["keys"] == ["viewer-2", "engineer-2", "admin-2"]
    assert data["values"] > 0
    assert LOCAL_TITLE in team_cli("issue", "list", by="viewer").out
    assert team_cli("audit", "verify").code == 0
    data = team_cli("key", "rotate", "--finish", "-o", "json").data
    assert (data["values"], data["keys"][0]) == (0, "viewer-2")
    assert "viewer-3" in team_cli("key", "rotate").out


def test_rekey_puts_the_file_under_another_key(team_cli: TeamCli) -> None:
    """`key rekey` writes the whole file anew; everybody opens it still."""
    team_cli("issue", "new", LOCAL_TITLE)
    path = team_cli.folder / "test.db"
    salt = path.read_bytes()[:16]
    assert team_cli("key", "rekey", "-o", "json").data == {"page_key": "page-2"}
    assert path.read_bytes()[:16] != salt
    assert LOCAL_TITLE in team_cli("issue", "list", by="viewer").out
    assert "page key  page-3" in team_cli("key", "rekey").out


def test_slot_is_added_and_removed(team_cli: TeamCli) -> None:
    """Another way to open is one's own, and can be taken away again."""
    data = team_cli("key", "add-slot", *NEW, "-o", "json", by="viewer").data
    assert list(data) == ["slot", "opened_by"]
    assert data["opened_by"] == "key_file"
    assert "viewer" in team_cli("--key-file", "new.key", "whoami", by=None).out
    removed = team_cli("key", "remove-slot", data["slot"], "-o", "json", by="viewer")
    assert removed.data == {"removed": data["slot"]}
    team_cli("--key-file", "new.key", "whoami", by=None, code=4)
    team_cli("whoami", by="viewer")


def test_slots_of_every_kind(team_cli: TeamCli) -> None:
    """A passphrase file and the environment make slots too."""
    Path("words").write_text(WORDS)
    shown = team_cli("key", "add-slot", "--new-passphrase-file", "words", by="viewer")
    assert "opened by  passphrase" in shown.out
    done = team_cli("whoami", by=None, ISSUETRACK_PASSPHRASE_FILE="words")
    assert "viewer" in done.out
    new = {"ISSUETRACK_NEW_KEY": key_of("another")}
    team_cli("key", "add-slot", "--env-key", by="viewer", env=new)
    assert "viewer" in team_cli("whoami", by="another").out


def test_admin_removes_the_slot_of_somebody_else(team_cli: TeamCli) -> None:
    """An admin removes anybody's slot; others only their own."""
    team_cli("key", "add-slot", *NEW, by="viewer")
    slot = own_slot(team_cli, "viewer")
    remove = ("key", "remove-slot", slot)
    team_cli.refused(*remove, by="engineer", code=3, told="takes admin")
    team_cli(*remove)
    team_cli("whoami", by="viewer", code=4)
    team_cli("--key-file", "new.key", "whoami", by=None)


def test_user_without_keys_is_let_in_again(team_cli: TeamCli) -> None:
    """`key recover` gives new keys with the recovery key; the old ones open nothing."""
    recovery = {"ISSUETRACK_RECOVERY_KEY": team_cli.recovery_key}
    recover = ("key", "recover", "owner", *NEW, "-o", "json")
    data = team_cli(*recover, by=None, env=recovery).data
    assert data == {"user": "owner", "role": "admin", "opened_by": "key_file"}
    team_cli("whoami", code=4)
    team_cli("--key-file", "new.key", "user", "list", by=None)
    log = ("--key-file", "new.key", "audit", "log", "-o", "json")
    failed, renewed, *_ = team_cli(*log, by=None).data
    assert (renewed["actor"], renewed["action"]) == ("recovery", "user.renew")
    assert failed["action"] == "unlock.failed"


def test_recovery_key_is_renewed(team_cli: TeamCli) -> None:
    """`key export-recovery` shows a new one once; the old one opens nothing."""
    done = team_cli("key", "export-recovery", "-o", "json")
    written = done.data["recovery_key"]
    assert RECOVERY.fullmatch(written)
    assert "Write it down" in done.err
    whoami = ("whoami", "-o", "json")
    found = team_cli(*whoami, by=None, ISSUETRACK_RECOVERY_KEY=written).data
    assert (found["name"], found["opened_by"]) == ("recovery", "recovery")
    team_cli(*whoami, by="recovery", code=4)
    (shown,) = RECOVERY.findall(team_cli("key", "export-recovery").out)
    team_cli("whoami", by=None, ISSUETRACK_RECOVERY_KEY=shown)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["key", "remove-slot", "zzzz"], 7, "has no slot zzzz"),
        (["key", "remove-slot", ""], 7, "has no slot"),
        (["key", "add-slot"], 5, "a new key is needed"),
        (["key", "add-slot", "--passphrase"], 5, "a new passphrase is needed"),
        (["key", "add-slot", "--keyring"], 2, "no system keyring"),
        (["key", "add-slot", "--keyring", *NEW], 2, "more than one way"),
        (["key", "add-slot", "--env-key"], 2, "ISSUETRACK_NEW_KEY is not set"),
        (["key", "add-slot", "--new-passphrase-file", "short"], 2, "shorter than 12"),
        (["key", "recover", "viewer", *NEW], 5, "recovery key is needed"),
        (["key", "recover", "viewer"], 5, "a new key is needed"),
        (["key", "rotate", "--bogus"], 2, "No such option"),
    ],
    ids=in_words,
)
def test_bad_request_changes_nothing(
    team_cli: TeamCli, arguments: list[str], code: int, told: str
) -> None:
    """What cannot be done is told once, and changes no key and makes no file."""
    Path("short").write_text("short")
    team_cli.refused(*arguments, code=code, told=told)


@pytest.mark.parametrize(
    ("written", "code", "told"),
    [
        ("nonsense", 4, "that is not a recovery key"),
        ("A" * 52, 4, "does not open this workspace"),
    ],
)
def test_wrong_recovery_key(
    team_cli: TeamCli, written: str, code: int, told: str
) -> None:
    """A wrong recovery key lets nobody in and makes no key file."""
    arguments = ("key", "recover", "viewer", *NEW)
    wrong = {"ISSUETRACK_RECOVERY_KEY": written}
    team_cli.refused(*arguments, by=None, code=code, told=told, env=wrong)


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [("nobody", 7, "there is no user nobody"), ("recovery", 2, "is no user")],
)
def test_recovery_of_nobody(team_cli: TeamCli, name: str, code: int, told: str) -> None:
    """Only users are let in again."""
    right = {"ISSUETRACK_RECOVERY_KEY": team_cli.recovery_key}
    recover = ("key", "recover", name, *NEW)
    team_cli.refused(*recover, by=None, code=code, told=told, env=right)


@pytest.mark.parametrize(
    "arguments",
    [["key", "add-slot", *NEW], ["user", "passwd", "--new-passphrase-file", "words"]],
    ids=in_words,
)
def test_recovery_key_gets_no_other_keys(
    team_cli: TeamCli, arguments: list[str]
) -> None:
    """Who opens with the recovery key is told how to let a user in."""
    Path("words").write_text(WORDS)
    told = "issuetrack key recover NAME"
    team_cli.refused(*arguments, by="recovery", code=2, told=told)


def test_recovery_key_does_not_renew_itself(team_cli: TeamCli) -> None:
    """The recovery key lets a user in; that user renews it."""
    arguments = ("key", "export-recovery")
    told = "cannot replace itself"
    team_cli.refused(*arguments, by="recovery", code=3, told=told)


def test_last_slot_stays(team_cli: TeamCli) -> None:
    """Nobody is left without a way in."""
    slot = own_slot(team_cli, "viewer")
    remove = ("key", "remove-slot", slot)
    told = "it is the last slot of viewer"
    team_cli.refused(*remove, by="viewer", code=2, told=told)


def test_recovery_key_is_asked_for_on_a_terminal(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """Somebody at a terminal types the recovery key, unseen."""
    written = team_cli.recovery_key.encode()
    code, told = on_terminal(
        "key",
        "recover",
        "viewer",
        *NEW,
        ISSUETRACK_KEY="",
        answers=[(b"Recovery key: ", written + b"\n")],
    )
    assert code == 0, told
    assert written not in told
    assert "viewer" in team_cli("--key-file", "new.key", "whoami", by=None).out
