"""`whoami`, `login`, `logout`: who acts, and not being asked for a while."""

import shlex
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from cli.conftest import Cli, TeamCli, in_words, run_on_terminal
from conftest import key_of
from issuetrack.engine.identity.policy import allowed
from issuetrack.engine.store import login_cache
from issuetrack.engine.store.login_cache import LoginCache
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import Role
from issuetrack.engine.workspace import Workspace

WORDS = "four unrelated words"
JOIN = """\
import ctypes, os, platform, sys
number = {"x86_64": 250, "aarch64": 219, "riscv64": 219}[platform.machine()]
if ctypes.CDLL(None, use_errno=True).syscall(number, 1, None) < 0:
    sys.exit(f"no session keyring: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Drawer:
    """Keeps bytes in this process, and counts the looks."""

    name = "a drawer"
    content: dict[str, bytes]

    def __init__(self) -> None:
        self.content = {}

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes under a label."""
        self.content[label] = content

    def recall(self, label: str) -> bytes | None:
        """Return what is kept."""
        return self.content.get(label)

    def forget(self, label: str) -> None:
        """Drop what is kept."""
        self.content.pop(label, None)


@pytest.fixture
def drawer(monkeypatch: pytest.MonkeyPatch) -> Drawer:
    """Return the only place where `login` keeps something."""
    found = Drawer()
    cache = partial(LoginCache, (lambda: found,))
    monkeypatch.setattr(login_cache, "LoginCache", cache)
    return found


@pytest.fixture
def words(team_cli: TeamCli) -> dict[str, str]:
    """Give alice and bob a passphrase; return the environment of alice."""
    for name in ("alice", "bob"):
        Path(name).write_text(f"{WORDS} of {name}")
        team_cli("user", "add", name, "--new-passphrase-file", name)
    return {"ISSUETRACK_PASSPHRASE_FILE": "alice", "ISSUETRACK_USER": "alice"}


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_whoami_in_every_role(team_cli: TeamCli, role: Role) -> None:
    """`whoami` tells name, role, how it was opened, and what the role allows."""
    names = {"none": "exporter", "admin": "owner"}
    name = names.get(role.value, role.value)
    data = team_cli("whoami", "-o", "json", by=name).data
    assert list(data) == ["name", "role", "kind", "opened_by", "database", "may"]
    assert (data["name"], data["role"], data["may"]) == (name, role, allowed(role))
    assert data["opened_by"] == "environment"
    shown = team_cli("whoami", by=name).out
    assert shown.splitlines()[0].split() == ["name", name]
    assert "identify" in shown


def test_user_option_says_who_acts(
    team_cli: TeamCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--user goes before ISSUETRACK_USER; a key of somebody else does not fit."""
    team_cli("--user", "viewer", "whoami", by="viewer")
    team_cli("whoami", "--user", "viewer", by="viewer", ISSUETRACK_USER="owner")
    env = {"ISSUETRACK_USER": "owner"}
    told = "does not open this workspace for owner"
    team_cli.refused("whoami", by="viewer", code=4, told=told, env=env)
    told = "there is no user nobody"
    team_cli.refused("whoami", "--user", "nobody", code=4, told=told)


def test_several_people_with_passphrases_say_who_they_are(
    team_cli: TeamCli, words: dict[str, str]
) -> None:
    """Where a passphrase opens for several, a name is needed."""
    told = "a passphrase opens it for several users: alice, bob"
    passphrase = {"ISSUETRACK_PASSPHRASE_FILE": "alice"}
    team_cli.refused("whoami", by=None, code=5, told=told, env=passphrase)
    assert "alice" in team_cli("whoami", "--user", "alice", by=None, env=passphrase).out


def test_login_is_kept_until_logout(
    team_cli: TeamCli, words: dict[str, str], drawer: Drawer
) -> None:
    """After `login` nothing is asked, after `logout` it is locked again."""
    data = team_cli("login", "-o", "json", by=None, env=words).data
    assert data == {"name": "alice", "kept_by": "a drawer", "opened_by": "passphrase"}
    assert len(drawer.content) == 1
    alice = {"ISSUETRACK_USER": "alice"}
    found = team_cli("whoami", "-o", "json", by=None, env=alice).data
    assert (found["name"], found["opened_by"]) == ("alice", "login")
    team_cli.refused("whoami", by=None, code=4, told="locked", ISSUETRACK_USER="bob")
    done = team_cli("logout", "-o", "json", by=None)
    assert done.data == [{"forgotten": "alice"}]
    assert drawer.content == {}
    team_cli.refused("whoami", by=None, code=4, told="issuetrack login", env=alice)
    assert team_cli("logout", "-o", "json", by=None).data == []
    assert "nothing was kept" in team_cli("logout", by=None).out


def test_logout_of_one_user(
    team_cli: TeamCli, words: dict[str, str], drawer: Drawer
) -> None:
    """--user and ISSUETRACK_USER leave the others logged in."""
    team_cli("login", by=None, env=words)
    bob = {"ISSUETRACK_PASSPHRASE_FILE": "bob", "ISSUETRACK_USER": "bob"}
    team_cli("login", by=None, env=bob)
    assert "alice" in team_cli("logout", "--user", "alice", by=None).out
    assert len(drawer.content) == 1
    done = team_cli("logout", "-o", "json", by=None, ISSUETRACK_USER="alice")
    assert done.data == []
    done = team_cli("logout", "-o", "json", by=None, ISSUETRACK_USER="bob")
    assert done.data == [{"forgotten": "bob"}]


def test_login_of_a_disabled_user_opens_nothing(
    team_cli: TeamCli, words: dict[str, str], drawer: Drawer
) -> None:
    """What `login` keeps is worth nothing once the user is locked out."""
    team_cli("login", by=None, env=words)
    team_cli("user", "disable", "alice")
    alice = {"ISSUETRACK_USER": "alice"}
    team_cli.refused("whoami", by=None, code=4, told="not open", env=alice)


def test_login_with_a_key_keeps_nothing(team_cli: TeamCli, drawer: Drawer) -> None:
    """A key file needs no login; nothing is kept, and it says so."""
    done = team_cli("login", "-o", "json")
    assert done.err == "opened by environment: that needs no login\n"
    assert done.data == {"name": "owner", "kept_by": None, "opened_by": "environment"}
    team_cli("key", "add-slot", "--new-key-file", "own.key")
    done = team_cli("--key-file", "own.key", "login", by=None)
    assert done.err == "opened by key file: that needs no login\n"
    assert drawer.content == {}


def test_login_without_a_safe_place(
    team_cli: TeamCli, words: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no keyring nothing is kept, and another way is named."""
    monkeypatch.setattr(login_cache, "LoginCache", partial(LoginCache, ()))
    told = "issuetrack key add-slot --new-key-file PATH"
    team_cli.refused("login", by=None, code=1, told=told, env=words)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["login"], 4, "locked"),
        (["--key-file", "missing.key", "login"], 4, "missing.key"),
        (["--user", "nobody", "login"], 4, "there is no user nobody"),
        (["--user", "nobody", "logout"], 4, "there is no user nobody"),
        (["--db", "missing.db", "login"], 7, "there is no workspace at missing.db"),
        (["--db", "missing.db", "logout"], 7, "there is no workspace at missing.db"),
        (["--db", "missing.db", "whoami"], 7, "there is no workspace at missing.db"),
    ],
    ids=in_words,
)
def test_bad_request(
    team_cli: TeamCli, drawer: Drawer, arguments: list[str], code: int, told: str
) -> None:
    """What cannot be done is told once."""
    team_cli.refused(*arguments, by=None, code=code, told=told)
    assert drawer.content == {}


def test_login_on_a_terminal(bare_cli: Cli, tmp_path: Path) -> None:
    """One passphrase for several commands, kept by the kernel; then asked again."""
    joined = [sys.executable, "-c", JOIN]
    tried = subprocess.run([*joined, "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"{tried.stderr.decode().strip()}: login keeps nothing here")
    secret = SlotSecret(SlotKind.PASSPHRASE, WORDS.encode())
    Workspace.create(tmp_path / "test.db", "alice", lambda _: [secret])
    program = shlex.join([sys.executable, "-m", "issuetrack"])
    script = (
        f"{program} login && echo first && {program} whoami && echo second && "
        f"{program} logout && echo third && {program} whoami"
    )
    typed = WORDS.encode() + b"\n"
    code, told = run_on_terminal(
        [*joined, "sh", "-c", script],
        answers=[(b"Passphrase: ", typed), (b"Passphrase: ", typed)],
        ISSUETRACK_DB=str(tmp_path / "test.db"),
    )
    assert code == 0, told
    before, _, rest = told.partition(b"first\r\n")
    unasked, _, rest = rest.partition(b"second\r\n")
    forgotten, _, asked = rest.partition(b"third\r\n")
    assert b"the kernel keyring of this login session" in before
    assert b"Passphrase" not in unasked
    assert b"login" in unasked
    assert b"alice" in forgotten
    assert b"Passphrase: " in asked
    assert WORDS.encode() not in told
    assert key_of("alice").encode() not in told
