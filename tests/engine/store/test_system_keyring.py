"""The system keyring slot against a real Secret Service, in a D-Bus of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.external,
    pytest.mark.skipif(
        shutil.which("gnome-keyring-daemon") is None
        or shutil.which("dbus-run-session") is None,
        reason="needs the Debian packages gnome-keyring and dbus",
    ),
]

START = (
    'printf "a login password" | gnome-keyring-daemon --unlock --components=secrets '
    ">/dev/null && "
)


class Desktop:
    """A home with a keyring, as after a login on a desktop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("home", "run"):
            (folder / name).mkdir(mode=0o700)
        environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_DATA_HOME": str(folder / "home/data"),
            "ISSUETRACK_DB": str(folder / "t.db"),
            "ISSUETRACK": f"{sys.executable} -m issuetrack",
        }
        environment.pop("PYTHON_KEYRING_BACKEND", None)
        self.environment = environment

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Run a script inside a new D-Bus session with the keyring unlocked."""
        return subprocess.run(
            ["dbus-run-session", "--", "sh", "-ec", START + script],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def desktop(tmp_path: Path) -> Desktop:
    """Return a home with a keyring."""
    folder = tmp_path / "desktop"
    folder.mkdir()
    return Desktop(folder)


def test_keyring_opens_the_workspace_in_later_sessions(desktop: Desktop) -> None:
    """`init` keeps the key in the Secret Service; the next login opens with it."""
    made = desktop.run("$ISSUETRACK init --no-input && $ISSUETRACK issue new one")
    assert made.returncode == 0, made.stderr
    again = desktop.run("$ISSUETRACK whoami -o json && $ISSUETRACK issue list -o csv")

    assert again.returncode == 0, again.stderr
    assert '"opened_by": "keyring"' in again.stdout
    assert "one" in again.stdout


def test_workspace_is_locked_without_the_keyring(desktop: Desktop) -> None:
    """Another user, or a copy on another machine, has no key."""
    assert desktop.run("$ISSUETRACK init --keyring --no-input").returncode == 0
    shutil.rmtree(desktop.folder / "home/data")
    locked = desktop.run("$ISSUETRACK issue list --no-input")

    assert locked.returncode == 4
    assert "locked" in locked.stderr


# FAULTS 35
def test_keyring_notices_that_all_files_were_put_back(desktop: Desktop) -> None:
    """An old copy of database, keys and head is unlike the head in the keyring."""
    assert desktop.run("$ISSUETRACK init --no-input").returncode == 0
    names = [desktop.folder / f"t.db{end}" for end in ("", ".keys", ".head")]
    kept = {path: path.read_bytes() for path in names}
    assert desktop.run("$ISSUETRACK issue new two").returncode == 0
    good = desktop.run("$ISSUETRACK audit verify")
    for path, content in kept.items():
        path.write_bytes(content)
    bad = desktop.run("$ISSUETRACK audit verify")

    assert good.returncode == 0, good.stderr
    assert bad.returncode == 4
    assert "system keyring knows entry 2" in bad.stderr


def test_keyring_of_one_person_opens_for_one_user(desktop: Desktop) -> None:
    """A keyring has one secret for a workspace: it cannot stand for two users."""
    script = (
        "$ISSUETRACK init --no-input"
        " && ! $ISSUETRACK user add helper --role viewer --keyring"
        " && $ISSUETRACK whoami -o json"
    )
    done = desktop.run(script)

    assert done.returncode == 0, done.stderr
    assert "opens the workspace for" in done.stderr
    assert '"role": "admin"' in done.stdout


def test_login_is_kept_by_the_keyring_where_the_kernel_has_none(
    desktop: Desktop,
) -> None:
    """The Secret Service takes over the short unlock, and forgets it at logout."""
    done = desktop.run(
        f"{sys.executable} - <<'PYTHON'\n"
        "from issuetrack.engine.store.login_cache import LoginCache, SystemKeyring\n"
        "first = LoginCache((SystemKeyring,))\n"
        "assert first.keep('database', 'principal', b'x' * 96)\n"
        "second = LoginCache((SystemKeyring,))\n"
        "assert second.recall('database', 'principal') == b'x' * 96\n"
        "assert second.forget('database', 'principal')\n"
        "assert LoginCache((SystemKeyring,)).recall('database', 'principal') is None\n"
        "PYTHON"
    )

    assert done.returncode == 0, done.stderr
