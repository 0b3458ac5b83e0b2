"""Where the token of a source comes from, and that it goes nowhere else."""

import io
import logging
import os
import stat
from pathlib import Path

import pytest

from conftest import Team
from engine.store.test_sealed_rows import raw, tries_every_key
from engine.sync.scripted import TOKEN, URL, Mirror, counts, remote, settings, stored
from issuetrack.engine.errors import (
    CredentialError,
    PermissionDenied,
    TamperedError,
    UsageError,
)
from issuetrack.engine.sync import credentials
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource
from issuetrack.engine.sync.runs import Wish

ELSEWHERE = "https://tracker.evil.example"


def command(line: str) -> CredentialSource:
    """Return a command that prints a token."""
    return CredentialSource(CredentialFrom.COMMAND, line)


def script(folder: Path, body: str) -> Path:
    """Write a program of the shell."""
    path = folder / "say"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    "url",
    [
        ELSEWHERE,
        f"{URL}:444",
        URL.replace("https", "http"),
        f"{URL}@evil.example",
        "",
    ],
)
def test_token_is_for_one_origin(mirror: Mirror, url: str) -> None:
    """FAULTS 17: with another base url written by raw SQL nothing is even begun."""
    with raw(mirror.workspace) as database:
        database.execute("UPDATE source SET base_url = ?", (url,))
    with pytest.raises((TamperedError, UsageError)):
        mirror.run()
    assert mirror.script.settings == []
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    assert [one.settings.base_url for one in sources.every(actor)] == [url]
    sources.remove(actor, "shop")


def test_token_is_not_another_sources(mirror: Mirror) -> None:
    """A sealed token that is moved to another source does not open there."""
    other = Mirror(mirror.workspace, mirror.script, "store")
    other.add()
    with raw(mirror.workspace) as database:
        database.execute(
            "UPDATE source SET token = (SELECT token FROM source WHERE name = 'shop') "
            "WHERE name = 'store'"
        )
    with pytest.raises(TamperedError):
        other.run()
    assert mirror.script.settings == []


def test_source_without_its_token_sends_none(mirror: Mirror) -> None:
    """Taken away by raw SQL, there is none; it is not found elsewhere."""
    with raw(mirror.workspace) as database:
        database.execute("UPDATE source SET token = NULL")
    mirror.run(environment={"ISSUETRACK_TOKEN_SHOP": "x"})
    assert mirror.script.secrets == [None]


def test_viewer_can_neither_open_nor_forge_a_token(team: Team) -> None:
    """FAULTS 33: with raw SQL and every key of a viewer it stays closed."""
    owner = Mirror(team.open("owner"))
    owner.add()
    viewer = team.open("viewer")
    with raw(viewer) as database:
        ((uuid, token),) = database.execute("SELECT uuid, token FROM source").fetchall()
    assert TOKEN.encode() not in token
    assert tries_every_key(viewer, uuid, token) == []
    with pytest.raises(PermissionDenied), viewer._database.read() as uow:
        uow.open_credential("source", "token", uuid, token, URL)

    with viewer._database.read() as uow:
        forged = uow.seal("source", "token", uuid, command("touch forged").dump())
    with raw(viewer) as database:
        database.execute("UPDATE source SET token = ?", (forged,))
    with pytest.raises(TamperedError):
        owner.run()
    assert owner.script.settings == []


def test_command_runs_without_a_shell(tmp_path: Path) -> None:
    """FAULTS 40: nothing in its words is expanded, and nothing of the shell is run."""
    marker = tmp_path / "marker"
    line = f"printf %s 'a;$(touch {marker})`touch {marker}`$HOME&&*'"
    token = command(line).secret("shop", {})
    assert token == f"a;$(touch {marker})`touch {marker}`$HOME&&*"
    assert not marker.exists()
    for text in (f"printf x; touch {marker}", f"printf x && touch {marker}"):
        command(text).secret("shop", {})
        assert not marker.exists()


def test_command_gives_its_first_line(tmp_path: Path) -> None:
    """Further lines, as password managers print them, are not part of the token."""
    program = script(tmp_path, "echo ' one '; echo two; echo three >&2")
    assert command(str(program)).secret("shop", {}) == "one"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 3", "ended with 3"),
        ("echo hidden >&2; exit 1", "ended with 1"),
        (":", "gives no token"),
        ("echo; echo second", "gives no token"),
        (r"printf '\033]52;c;x\007'", "no token"),
        ("sleep 30", "does not end"),
        ("sleep 30 & sleep 30", "does not end"),
    ],
)
def test_command_that_gives_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, told: str
) -> None:
    """The program is named, and neither its words nor its output are shown."""
    monkeypatch.setattr(credentials, "COMMAND_SECONDS", 0.3)
    program = script(tmp_path, body)
    with pytest.raises(CredentialError) as raised:
        command(f"{program} --secret s3cret").secret("shop", {})
    assert told in raised.value.message
    assert str(program) in raised.value.message
    assert raised.value.hint
    told = f"{raised.value.message} {raised.value.hint}"
    assert "s3cret" not in told
    assert "hidden" not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("line", ["", "  ", "pass 'show", "/nowhere/at-all x"])
def test_command_that_cannot_run_is_told(line: str) -> None:
    """What is no command line is refused at once, what is not there when it is run."""
    with pytest.raises((UsageError, CredentialError)):
        command(credentials.checked_command(line)).secret("shop", {})


@pytest.mark.parametrize("value", [None, "", "  ", "two\nlines", "to\x1bken"])
def test_variable_without_a_token_is_told(value: str | None) -> None:
    """The variable is named; what it holds is not shown."""
    source = CredentialSource(CredentialFrom.ENVIRONMENT, "SHOP_TOKEN")
    with pytest.raises(CredentialError, match="SHOP_TOKEN") as raised:
        source.secret("shop", {} if value is None else {"SHOP_TOKEN": value})
    assert "lines" not in raised.value.message
    assert source.secret("shop", {"SHOP_TOKEN": " good\n"}) == "good"


def test_keyring_that_keeps_nothing_is_refused(mirror: Mirror) -> None:
    """Without a keyring that encrypts nothing is kept, and nothing is found."""
    workspace = mirror.workspace
    before = mirror.tables()
    with pytest.raises(UsageError, match="keyring"):
        workspace.sources.add(
            workspace.actor,
            settings("store"),
            "repo acme/store",
            CredentialSource(CredentialFrom.KEYRING, TOKEN),
        )
    assert mirror.tables() == before
    with pytest.raises(CredentialError, match="keyring"):
        CredentialSource(CredentialFrom.KEYRING, "entry").secret("shop", {})


def test_command_is_run_at_each_sync(mirror: Mirror, tmp_path: Path) -> None:
    """A token that changes is fetched anew, and a failure is told before anything."""
    program = script(tmp_path, f"cat {tmp_path}/token")
    workspace = mirror.workspace
    workspace.sources.edit(
        workspace.actor, "shop", settings(), "repo acme/shop", command(str(program))
    )
    for token in ("first", "second"):
        (tmp_path / "token").write_text(token)
        mirror.read(remote("A"))
    assert mirror.script.secrets == ["first", "second"]
    (tmp_path / "token").unlink()
    with pytest.raises(CredentialError):
        mirror.run()
    assert len(mirror.script.secrets) == 2
    assert mirror.source.token is CredentialFrom.COMMAND


def test_another_host_takes_another_token(mirror: Mirror) -> None:
    """A source that is pointed elsewhere is refused without a token for there."""
    mirror.read(remote("A"))
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    there = settings(base_url=ELSEWHERE)
    with pytest.raises(UsageError, match="is for https://tracker"):
        sources.edit(actor, "shop", there, "repo acme/shop")
    assert mirror.source.settings.base_url == URL
    (known,) = sources.every(actor)
    assert known.cursor == "cursor 1"
    sources.edit(actor, "shop", there, "repo acme/shop", stored("another"))
    assert mirror.source.cursor is None
    mirror.run()
    assert mirror.script.secrets == [TOKEN, "another"]
    assert mirror.script.settings[-1].base_url == ELSEWHERE


def test_rotated_keys_leave_the_token_usable(team: Team) -> None:
    """FAULTS 31: it is sealed anew, still bound to its origin and to engineers."""
    owner = Mirror(team.open("owner"))
    owner.add()
    ((before,),) = owner.sql("SELECT token FROM source")
    owner.workspace.keys.rotate(owner.workspace.actor)
    ((after,),) = owner.sql("SELECT token FROM source")
    assert before != after
    engineer = Mirror(team.open("engineer"))
    assert counts(engineer.read(remote("A"))) == {"created": 1}
    assert engineer.script.secrets == [TOKEN]
    viewer = team.open("viewer")
    ((uuid,),) = owner.sql("SELECT uuid FROM source")
    for token in (before, after):
        assert tries_every_key(viewer, uuid, token) == []
    with raw(viewer) as database:
        database.execute("UPDATE source SET base_url = ?", (ELSEWHERE,))
    with pytest.raises(TamperedError):
        engineer.run()


def test_token_is_nowhere_to_be_seen(team: Team, tmp_path: Path) -> None:
    """FAULTS 32: not in repr, errors, records, logs, the trail or any file."""
    canary = "canary-token-5e1f"
    heard = io.StringIO()
    handler = logging.StreamHandler(heard)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)
    mirror = Mirror(team.open("owner"))
    try:
        source = stored(canary)
        sources, actor = mirror.workspace.sources, mirror.workspace.actor
        told = [repr(source), str(source)]
        record = sources.add(actor, settings(), "repo acme/shop", source)
        told.append(repr(record))
        record = sources.edit(
            actor, "shop", settings(username="x"), "repo acme/shop", stored(canary)
        )
        mirror.read(remote("A"))
        mirror.script.steps = [CredentialError("expired", "renew")]
        with pytest.raises(CredentialError) as raised:
            mirror.run()
        told += [repr(raised.value), repr(record), repr(sources.every(actor))]
        told += map(repr, sources.runs(actor, None, 10))
        told += map(repr, mirror.workspace.trail.every(actor))
        assert mirror.script.secrets[-1] == canary
    finally:
        logging.getLogger().removeHandler(handler)
        logging.getLogger().setLevel(logging.WARNING)
    assert canary not in "".join(told) + heard.getvalue()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"team.db", "team.db-wal"} <= {path.name for path in files}
    assert not [path for path in files if canary.encode() in path.read_bytes()]
    rows = mirror.tables()
    assert canary not in repr(rows)
    assert canary.encode().hex() not in repr(rows)


@pytest.mark.parametrize("token", ["tökén", "to ken", "x" * 5000])
def test_odd_token_is_kept_as_it_is(token: str) -> None:
    """Passwords may hold anything that can be typed."""
    assert stored(token).secret("shop", os.environ) == token


def test_wish_is_checked_before_the_token_is_fetched(
    mirror: Mirror, tmp_path: Path
) -> None:
    """A request that makes no sense runs no command."""
    program = script(tmp_path, f"touch {tmp_path}/ran; echo x")
    workspace = mirror.workspace
    workspace.sources.edit(
        workspace.actor, "shop", settings(), "repo acme/shop", command(str(program))
    )
    with pytest.raises(UsageError):
        workspace.sync.run(
            workspace.actor,
            "shop",
            mirror.script.connect,
            Wish(limit=0),
            environment={},
        )
    assert not (tmp_path / "ran").exists()
