"""`user`: adding, changing, locking out and removing people and services."""

import stat
import subprocess
from pathlib import Path

import pytest

from cli.conftest import LOCAL_TITLE, OnTerminal, TeamCli, in_words
from conftest import key_of
from issuetrack.engine.identity.policy import allowed
from issuetrack.engine.store.types import Role

WORDS, OTHER_WORDS = "four unrelated words", "five words nobody would guess"
ROW = ["name", "role", "kind", "disabled", "slots"]


def test_list_tells_everybody(team_cli: TeamCli) -> None:
    """`user list` and plain `user` list people, services and the recovery key."""
    rows = team_cli("user", "list", "-o", "json", by="viewer").data
    assert [list(row) for row in rows] == [ROW] * 6
    assert [(row["name"], row["role"], row["kind"]) for row in rows] == [
        ("owner", "admin", "person"),
        ("recovery", "admin", "recovery"),
        ("second", "admin", "person"),
        ("engineer", "engineer", "person"),
        ("viewer", "viewer", "person"),
        ("exporter", "none", "service"),
    ]
    assert all(row["disabled"] is False for row in rows)
    shown = team_cli("user", by="viewer").out.splitlines()
    assert shown[0].split() == ["NAME", "ROLE", "KIND", "DISABLED", "SLOTS"]
    assert shown[-1].split() == ["exporter", "none", "service", "no", "environment"]


def test_show_tells_what_the_role_allows(team_cli: TeamCli) -> None:
    """`user show` has the row of the list, and the permissions of the role."""
    data = team_cli("user", "show", "engineer", "-o", "json").data
    assert list(data) == [*ROW, "may"]
    assert data["may"] == allowed(Role.ENGINEER)
    shown = team_cli("user", "show", "engineer").out
    assert "may" in shown
    assert "write issues" in shown


@pytest.mark.parametrize("role", ["viewer", "engineer", "admin", None])
def test_person_is_added(team_cli: TeamCli, role: str | None) -> None:
    """A new person opens the workspace with the key file that was made for them."""
    key = team_cli.folder / "alice.key"
    options = ["--role", role] if role else []
    done = team_cli(
        "user", "add", "alice", *options, "--new-key-file", str(key), "-o", "json"
    )
    expected = role or "viewer"
    assert (done.data["name"], done.data["role"]) == ("alice", expected)
    assert (done.data["kind"], done.data["slots"]) == ("person", ["key_file"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    whoami = ("--key-file", str(key), "whoami", "-o", "json")
    data = team_cli(*whoami, by=None).data
    assert (data["name"], data["role"]) == ("alice", expected)
    assert data["opened_by"] == "key_file"


def test_service_is_added(team_cli: TeamCli) -> None:
    """A service has no role unless one is given."""
    for name, options in (("scrape", []), ("sync", ["--role", "engineer"])):
        arguments = ["--service", "--new-key-file", f"{name}.key", *options]
        data = team_cli("user", "add", name, *arguments, "-o", "json").data
        assert data["kind"] == "service"
        assert data["role"] == (options[-1] if options else "none")
    assert "scrape" in team_cli("--key-file", "scrape.key", "whoami", by=None).out
    team_cli("--key-file", "scrape.key", "issue", "list", by=None, code=3)
    team_cli("--key-file", "sync.key", "issue", "new", LOCAL_TITLE, by=None)


def test_passphrase_of_a_file_and_key_of_the_environment(team_cli: TeamCli) -> None:
    """--new-passphrase-file and --env-key make slots that open."""
    Path("words").write_text(f"{WORDS}\n")
    team_cli("user", "add", "alice", "--new-passphrase-file", "words")
    found = team_cli("whoami", by=None, ISSUETRACK_PASSPHRASE_FILE="words")
    assert "alice" in found.out
    new = key_of("bob")
    done = team_cli("user", "add", "bob", "--env-key", ISSUETRACK_NEW_KEY=new)
    assert done.err.startswith("warning: the key is in the environment")
    assert "bob" in team_cli("whoami", by="bob").out


def test_known_key_file_is_used_as_it_is(team_cli: TeamCli) -> None:
    """A key file that is there already opens for the new user; nothing is written."""
    key = team_cli.folder / "given.key"
    key.write_text("0123456789abcdef" * 2)
    key.chmod(0o600)
    team_cli("user", "add", "alice", "--new-key-file", "given.key")
    assert key.read_text() == "0123456789abcdef" * 2
    assert "alice" in team_cli("--key-file", "given.key", "whoami", by=None).out


def test_key_of_somebody_else_is_refused(team_cli: TeamCli) -> None:
    """One key opens for one user: otherwise nobody could tell who acts."""
    team_cli("user", "add", "alice", "--new-key-file", "alice.key")
    again = ("--new-key-file", "alice.key")
    told = "this key opens the workspace for alice already"
    team_cli.refused("user", "add", "bob", *again, code=1, told=told)
    team_cli.refused("key", "add-slot", *again, code=1, told=told)
    arguments = ("key", "recover", "viewer", *again)
    recovery = {"ISSUETRACK_RECOVERY_KEY": team_cli.recovery_key}
    team_cli.refused(*arguments, code=1, told=told, env=recovery)
    team_cli("key", "recover", "alice", *again, env=recovery)


def test_role_is_changed(team_cli: TeamCli) -> None:
    """A higher role may more at once, a lower one less."""
    team_cli("issue", "new", LOCAL_TITLE, by="viewer", code=3)
    data = team_cli("user", "role", "viewer", "engineer", "-o", "json").data
    assert (data["role"], "write issues" in data["may"]) == ("engineer", True)
    team_cli("issue", "new", LOCAL_TITLE, by="viewer")
    shown = team_cli("user", "role", "viewer", "viewer").out
    assert "write issues" not in shown
    team_cli("issue", "comment", "1", "more", by="viewer", code=3)
    assert LOCAL_TITLE in team_cli("issue", "list", by="viewer").out


def test_disabled_user_is_locked_out_and_let_in_again(team_cli: TeamCli) -> None:
    """A disabled user's key opens nothing until the user is enabled."""
    data = team_cli("user", "disable", "engineer", "-o", "json").data
    assert (data["disabled"], data["may"]) == (True, [])
    assert "nothing" in team_cli("user", "show", "engineer").out
    team_cli.refused("issue", "list", by="engineer", code=4, told="any more")
    told = "engineer is disabled already"
    team_cli.refused("user", "disable", "engineer", code=1, told=told)
    assert team_cli("user", "enable", "engineer", "-o", "json").data["may"]
    team_cli("issue", "new", LOCAL_TITLE, by="engineer")


def test_removed_user_is_gone_for_good(team_cli: TeamCli) -> None:
    """A removed user's key opens nothing, and the name is never given again."""
    done = team_cli("user", "remove", "engineer", "--yes", "-o", "json")
    assert done.data == {"removed": "engineer"}
    team_cli("issue", "list", by="engineer", code=4)
    listed = team_cli("user", "list", "-o", "json").data
    assert "engineer" not in [row["name"] for row in listed]
    new = ("--new-key-file", "new.key")
    told = "used before"
    team_cli.refused("user", "add", "engineer", *new, code=1, told=told)
    assert "removed  viewer" in team_cli("user", "remove", "viewer", "-y").out


def test_own_passphrase_is_changed(team_cli: TeamCli) -> None:
    """`user passwd` puts a new passphrase in the place of one's own, in every role."""
    for name, words in (("one", WORDS), ("two", OTHER_WORDS)):
        Path(name).write_text(words)
        done = team_cli("user", "passwd", "--new-passphrase-file", name, by="exporter")
        assert "exporter" in done.out
    for name, code in (("two", 0), ("one", 4)):
        opened = {"ISSUETRACK_USER": "exporter", "ISSUETRACK_PASSPHRASE_FILE": name}
        team_cli("whoami", by=None, code=code, env=opened)
    team_cli("whoami", by="exporter")


def test_somebody_else_gets_a_new_passphrase(team_cli: TeamCli) -> None:
    """`user passwd NAME` by an admin: the old keys of that user open nothing."""
    Path("words").write_text(WORDS)
    passwd = ("user", "passwd", "viewer", "--new-passphrase-file", "words")
    team_cli.refused(*passwd, by="engineer", code=3, told="takes admin")
    data = team_cli(*passwd, "-o", "json").data
    assert (data["name"], data["slots"]) == ("viewer", ["passphrase"])
    team_cli("whoami", by="viewer", code=4)
    team_cli("whoami", by=None, ISSUETRACK_PASSPHRASE_FILE="words")


KEY_FILE = ["--new-key-file", "new.key"]
ADD = ["user", "add"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([*ADD, "x", "--role", "boss", *KEY_FILE], 2, "'boss' is not a role"),
        ([*ADD, "x", "--role", "none", *KEY_FILE], 2, "a person needs a role"),
        ([*ADD, "a b", *KEY_FILE], 2, "'a b' is not a name"),
        ([*ADD, "", *KEY_FILE], 2, "'' is not a name"),
        ([*ADD, "x" * 65, *KEY_FILE], 2, "is not a name"),
        ([*ADD, "\u202ex", *KEY_FILE], 2, "is not a name"),
        ([*ADD, "viewer", *KEY_FILE], 1, "used before"),
        ([*ADD, "recovery", *KEY_FILE], 1, "used before"),
        ([*ADD, "x", "--service", "--role", "admin", *KEY_FILE], 2, "cannot be an"),
        ([*ADD, "x"], 5, "a new key is needed"),
        ([*ADD, "x", "--passphrase"], 5, "a new passphrase is needed"),
        ([*ADD, "x", "--passphrase", *KEY_FILE], 2, "more than one way"),
        ([*ADD, "x", "--env-key", *KEY_FILE], 2, "more than one way"),
        ([*ADD, "x", "--keyring"], 2, "no system keyring"),
        ([*ADD, "x", "--env-key"], 2, "ISSUETRACK_NEW_KEY is not set"),
        ([*ADD, "x", "--new-passphrase-file", "short"], 2, "shorter than 12"),
        ([*ADD, "x", "--new-passphrase-file", "missing"], 4, "cannot be read"),
        ([*ADD, "x", "--new-key-file", "short/x"], 4, "cannot create"),
        ([*ADD, "x", "--new-key-file", "open.key"], 4, "can be read by others"),
        (["user", "show", "nobody"], 7, "there is no user nobody"),
        (["user", "role", "nobody", "viewer"], 7, "there is no user nobody"),
        (["user", "role", "viewer", "boss"], 2, "'boss' is not a role"),
        (["user", "role", "viewer", "none"], 2, "a person needs a role"),
        (["user", "role", "exporter", "admin"], 2, "cannot be an admin"),
        (["user", "role", "owner", "viewer"], 2, "about themselves"),
        (["user", "role", "recovery", "viewer"], 2, "the recovery key is no user"),
        (["user", "disable", "owner"], 2, "about themselves"),
        (["user", "disable", "nobody"], 7, "there is no user nobody"),
        (["user", "enable", "viewer"], 1, "viewer is not disabled"),
        (["user", "enable", "nobody"], 7, "there is no user nobody"),
        (["user", "remove", "owner", "--yes"], 2, "about themselves"),
        (["user", "remove", "viewer"], 5, "Remove viewer for good?"),
        (["user", "remove", "nobody", "--yes"], 7, "there is no user nobody"),
        (["user", "passwd"], 5, "a new passphrase is needed"),
        (["user", "passwd", "viewer"], 5, "a new passphrase is needed"),
        (["user", "passwd", "--new-passphrase-file", "short"], 2, "shorter than"),
        (["user", "passwd", "nobody", "--new-passphrase-file", "words"], 7, "no user"),
        (["user", "passwd", "recovery", "--new-passphrase-file", "words"], 2, "is no"),
        (["--user", "nobody", "user", "list"], 4, "there is no user nobody"),
        (["--user", "viewer", "user", "list"], 4, "does not open this workspace for"),
    ],
    ids=in_words,
)
def test_bad_request_changes_nothing(
    team_cli: TeamCli, arguments: list[str], code: int, told: str
) -> None:
    """What cannot be done is told once, and no key file is left of it."""
    Path("words").write_text(WORDS)
    Path("short").write_text("short")
    Path("open.key").write_text("0123456789abcdef" * 2)
    Path("open.key").chmod(0o644)
    team_cli.refused(*arguments, code=code, told=told)


@pytest.mark.parametrize(
    "arguments",
    [
        ["user", "disable", "owner"],
        ["user", "role", "owner", "engineer"],
        ["user", "remove", "owner", "--yes"],
    ],
    ids=in_words,
)
def test_last_admin_stays(team_cli: TeamCli, arguments: list[str]) -> None:
    """There is always a person who is an admin, whatever the recovery key says."""
    team_cli("user", "role", "second", "viewer")
    told = "owner is the last admin"
    team_cli.refused(*arguments, by="recovery", code=1, told=told)
    team_cli("user", "list")


def test_viewer_leaves_no_key_file(team_cli: TeamCli) -> None:
    """Whoever may not add users makes no key file by trying."""
    arguments = ("user", "add", "x", "--new-key-file", "new.key")
    team_cli.refused(*arguments, by="engineer", code=3, told="takes admin")


def test_passphrase_is_typed_twice_for_a_new_user(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """`user add --passphrase` asks unseen, and then it opens for that user."""
    typed = WORDS.encode() + b"\n"
    code, told = on_terminal(
        "user",
        "add",
        "alice",
        "--passphrase",
        ISSUETRACK_KEY=key_of("owner"),
        answers=[(b"New passphrase: ", typed), (b"again: ", typed)],
    )
    assert code == 0, told
    assert WORDS.encode() not in told
    code, told = on_terminal(
        "whoami", ISSUETRACK_KEY="", answers=[(b"Passphrase: ", typed)]
    )
    assert code == 0, told
    assert b"alice" in told


def test_passphrases_that_differ_change_nothing(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """Two different passphrases add nobody."""
    code, told = on_terminal(
        "user",
        "add",
        "alice",
        ISSUETRACK_KEY=key_of("owner"),
        answers=[
            (b"New passphrase: ", b"four unrelated words\n"),
            (b"again: ", b"four unrelated worms\n"),
        ],
    )
    assert code == 2
    assert b"error: the two passphrases differ" in told
    team_cli("user", "show", "alice", code=7)


def test_others_work_while_somebody_types(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """The question for a passphrase holds nobody up, and stops where it is left."""
    made: list[int] = []

    def work(process: "subprocess.Popen[bytes]") -> None:
        made.append(team_cli("issue", "new", LOCAL_TITLE, by="engineer").code)
        process.kill()

    on_terminal(
        "user",
        "passwd",
        ISSUETRACK_KEY=key_of("owner"),
        answers=[(b"New passphrase: ", work)],
    )
    assert made == [0]


def test_own_passphrase_is_changed_on_a_terminal(
    team_cli: TeamCli, on_terminal: OnTerminal
) -> None:
    """`user passwd` asks for the old passphrase, and twice for the new one."""
    Path("words").write_text(WORDS)
    team_cli("user", "add", "alice", "--new-passphrase-file", "words")
    old, new = WORDS.encode() + b"\n", OTHER_WORDS.encode() + b"\n"
    code, told = on_terminal(
        "user",
        "passwd",
        ISSUETRACK_KEY="",
        answers=[(b"Passphrase: ", old), (b"New passphrase: ", new), (b"again: ", new)],
    )
    assert code == 0, told
    assert WORDS.encode() not in told
    assert OTHER_WORDS.encode() not in told
    code, _ = on_terminal("whoami", ISSUETRACK_KEY="", answers=[(b"Passphrase: ", old)])
    assert code == 4
    code, _ = on_terminal("whoami", ISSUETRACK_KEY="", answers=[(b"Passphrase: ", new)])
    assert code == 0


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 2), (b"y\n", 0)])
def test_removal_is_asked_for(
    team_cli: TeamCli, on_terminal: OnTerminal, answer: bytes, code: int
) -> None:
    """`user remove` asks on a terminal, and does nothing after a no."""
    found, told = on_terminal(
        "user",
        "remove",
        "viewer",
        ISSUETRACK_KEY=key_of("owner"),
        answers=[(b"Remove viewer for good?", answer)],
    )
    assert found == code, told
    team_cli("whoami", by="viewer", code=4 if answer == b"y\n" else 0)


def test_tables_fit_a_narrow_terminal(
    team_cli: TeamCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cut off on 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (
        ["user", "list"],
        ["user", "show", "owner"],
        ["whoami"],
        ["help", "permissions"],
        ["key", "status"],
    ):
        shown = team_cli(*arguments).out
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown, arguments
        assert max(len(line) for line in shown.splitlines()) <= 80
