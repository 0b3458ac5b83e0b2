"""`sync`: what it tells, in which form, and with which exit code."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Cli, OnTerminal
from cli.shop import add, lines, served, sync
from conftest import KEY, RunCli
from connectors.github_server import FakeGitHub, refused
from issuetrack.testing.server import Reply, answering, page, status, truncated

FIELDS = {
    *("source", "pages", "created", "updated", "unchanged", "comments", "quarantined"),
    *("requests", "cursor", "partial"),
}
HOSTILE = "down \x1b[31m\x1b]52;c;eHg=\x07 \u202e[/b] \x9b2J \u200b"
BAD_SIGNS = {"\x1b", "\x07", "\u202e", "\x9b", "\u200b"}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """Return a GitHub with one repository."""
    with served(monkeypatch) as github:
        yield github


def counts(report: dict[str, Any]) -> dict[str, int]:
    """Return the counts of a run that are not zero."""
    names = ("created", "updated", "unchanged", "comments", "quarantined", "gone")
    return {name: report[name] for name in names if report[name]}


def test_run_is_told_as_one_object(cli: Cli, github: FakeGitHub) -> None:
    """All that was asked for is in it; what is new is found by a search."""
    cli("config", "set", "duplicates.warn", "off")
    github.populate(4, 2)
    add(cli, github)
    dry = sync(cli, "shop", "--dry-run")
    assert counts(dry) == {"created": 4, "comments": 8}
    assert cli("issue", "list", "-o", "json").data == []
    done = cli("sync", "shop", "-o", "json")
    assert set(done.data) >= FIELDS
    assert counts(done.data) == {"created": 4, "comments": 8}
    assert (done.data["partial"], done.data["reasons"]) == (False, [])
    assert json.loads(done.data["cursor"])["repositories"]["acme/shop"]["issues"]
    assert done.data["requests"] == 3
    assert done.err == ""
    assert cli("search", "disk full", "-o", "json").data
    github.tick(3600)
    github.close(github.repo().issues[1])
    github.comment(github.repo().issues[2], "Fixed by cleaning /var/log.")
    again = sync(cli, "shop")
    assert (again["updated"], again["comments"]) == (2, 1)
    assert cli("issue", "show", "1", "-o", "json").data["status"] == "closed"
    quiet = sync(cli, "shop")
    assert counts(quiet) in ({}, {"unchanged": quiet["unchanged"]})
    assert quiet["requests"] == 3


def test_part_of_it_is_read_as_asked(cli: Cli, github: FakeGitHub) -> None:
    """--limit, --key, --since and --full, and wishes that make no sense."""
    made = github.populate(5)
    add(cli, github)
    assert counts(sync(cli, "shop", "--limit", "2")) == {"created": 2}
    key = sync(cli, "shop", "--key", "acme/shop#4")
    assert counts(key) == {"created": 1}
    assert counts(sync(cli, "shop"))["created"] == 2
    assert sync(cli, "shop", "--since", "2026-01-01")["unchanged"] >= 4
    github.delete(made[4])
    assert counts(sync(cli, "shop"))["unchanged"] <= 4
    full = sync(cli, "shop", "--full")
    assert full["gone"] == 1
    assert cli("issue", "show", "acme/shop#5", "-o", "json").data["gone"] == "deleted"
    for arguments, code, cause in (
        (("shop", "--key", "acme/shop#99"), 7, "acme/shop#99"),
        (("shop", "--key", "17"), 2, "no issue of GitHub"),
        (("shop", "--since", "yesterday"), 2, "no date"),
        (("shop", "--full", "--since", "7d"), 2, "--full reads everything"),
        (("shop", "--limit", "0"), 2, "less than 1"),
        (("nothing",), 7, "no source nothing"),
    ):
        done = cli("sync", *arguments, code=code)
        assert cause in lines(done, "error: ")[0]
        assert len(lines(done, "  try: ")) == 1
        assert done.out == ""


def test_what_is_missing_is_told(cli: Cli, github: FakeGitHub) -> None:
    """Exit code 6 and the reasons, on stderr and in the data; never an empty success."""
    github.populate(150, 1)
    github.repo().issues[3].extra = {"state": 7}
    add(cli, github)
    done = cli("sync", "shop", "--no-index", "-o", "json", code=6)
    assert done.data["partial"]
    assert done.data["reasons"] == ["2 records could not be understood"]
    assert done.data["quarantined"] == 2
    assert done.data["problems"][0]["origin"].endswith("/acme/shop/issues/3")
    assert "warning: shop: 2 records could not be understood" in done.err
    assert done.data["created"] == 149

    github.tick(3600)
    github.populate(150, every=1)
    expired = answering(refused(401, "Bad credentials"))
    github.server.fail(None, expired)
    done = cli("sync", "shop", "--no-index", "-o", "json", code=6)
    assert "expired" in done.data["reasons"][0]
    created = done.data["created"]
    assert 90 < created <= 100
    log = cli("source", "log", "shop", "-n", "1", "-o", "json").data
    assert (log[0]["outcome"], log[0]["reasons"]) == ("partial", done.data["reasons"])
    assert counts(sync(cli, "shop"))["created"] == 150 - created


def test_run_that_reads_nothing_fails(cli: Cli, github: FakeGitHub) -> None:
    """With the code of its cause, a remedy, and an entry in the log of the source."""
    add(cli, github)
    causes = []
    for fault, code, cause in (
        (answering(refused(401, "Bad credentials")), 4, "expired"),
        (answering(refused(404, "Not Found")), 7, "may not see it"),
        (status(503), 8, "fails with status 503"),
        (page(), 8, ""),
        (truncated(), 8, ""),
        (answering(Reply({"message": "no list"})), 8, ""),
    ):
        github.server.faults.clear()
        github.server.fail(*[fault] * 3)
        done = cli("sync", "shop", code=code)
        (error,) = lines(done, "error: ")
        assert cause in error
        assert len(lines(done, "  try: ")) == 1
        assert done.out == ""
        causes.append(error)
    log = cli("source", "log", "shop", "-o", "json").data
    assert {run["outcome"] for run in log} == {"failed"}
    assert [run["detail"] for run in reversed(log)] == causes


def test_failing_source_does_not_stop_the_others(cli: Cli, github: FakeGitHub) -> None:
    """`all` reads what can be read; the failure is told, with exit code 6."""
    github.populate(2)
    for name in ("first", "last", "middle"):
        add(cli, github, name=name)
    github.server.fail(None, None, None, answering(refused(401, "Bad credentials")))
    done = cli("sync", "all", "--no-index", "-o", "json", code=6)
    found = {row["source"]: row for row in done.data}
    assert {n: (row["error"], row["partial"]) for n, row in found.items()} == {
        "first": (None, False),
        "middle": (None, False),
        "last": ("credential_refused", True),
    }
    assert set(found["last"]) == set(found["first"])
    assert counts(found["middle"]) == {"created": 2}
    assert "warning: last: " in done.err
    shown = cli("sync", "all", "--no-index")
    assert [line.split(":")[0] for line in shown.out.splitlines()] == [
        "first",
        "last",
        "middle",
    ]


def test_hostile_words_stay_words(cli: Cli, github: FakeGitHub) -> None:
    """FAULTS 21, 22, 25: nothing from upstream steers the terminal."""
    ticket = github.add_issue(HOSTILE, body=HOSTILE)
    ticket.labels.append(HOSTILE)
    github.comment(ticket, HOSTILE)
    bad = github.add_issue("bad")
    bad.extra = {"state": HOSTILE, "html_url": f"https://x.example/{HOSTILE}"}
    add(cli, github)
    told = []
    for arguments, code in (
        (("sync", "shop", "--no-index"), 6),
        (("source", "log"), 0),
        (("source", "status"), 0),
        (("issue", "show", "1"), 0),
        (("issue", "show", "1", "--raw"), 0),
        (("issue", "list"), 0),
    ):
        done = cli(*arguments, code=code)
        told += [done.out, done.err]
    github.server.fail(answering(refused(401, HOSTILE)))
    done = cli("sync", "shop", code=4)
    told += [done.out, done.err, cli("source", "log").out]
    assert not BAD_SIGNS & set("".join(told))
    assert "[/b]" in "".join(told)
    shown = cli("issue", "show", "1", "--raw", "-o", "json").data
    assert {"field", "value", "origin", "word", "rule"} == set(shown[0])


def test_edits_are_shown_and_given_up(cli: Cli, github: FakeGitHub) -> None:
    """A local edit is told as not upstream, with what is there, until it is dropped."""
    ticket = github.add_issue("Checkout is down")
    add(cli, github)
    sync(cli, "shop")
    cli("issue", "edit", "1", "--title", "Checkout is slow")
    github.tick(3600)
    github.rename(ticket, "Checkout is gone")
    sync(cli, "shop")
    shown = cli("issue", "show", "1").out
    assert "not upstream  title Checkout is slow (there Checkout is gone)" in shown
    assert cli("source", "status", "-o", "json").data[0]["pending"] == 1
    assert "no field" in cli("issue", "revert", "1", "--field", "url", code=2).err
    found = cli("issue", "revert", "1", "--field", "title", "-o", "json").data
    assert (found["title"], found["pending"]) == ("Checkout is gone", [])
    assert "not upstream" in cli("issue", "revert", "1", code=2).err


def test_second_process_says_that_one_is_at_it(
    cli: Cli, github: FakeGitHub, run_cli: RunCli, tmp_path: Path
) -> None:
    """One works, the other ends with 0 and says so; with --wait it takes its turn."""
    github.populate(3, 1)
    add(cli, github)
    asked, go = threading.Event(), threading.Event()
    respond = github.server.respond

    def held(request: Any) -> Reply:
        if not asked.is_set():
            asked.set()
            assert go.wait(60)
        return respond(request)

    github.server.respond = held
    environment = {
        **os.environ,
        "ISSUETRACK_DB": str(tmp_path / "test.db"),
        "ISSUETRACK_KEY": KEY,
    }
    command = [sys.executable, "-m", "issuetrack", "sync", "shop", "--no-index"]
    running = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    first = subprocess.Popen(command, text=True, **running)  # type: ignore[call-overload]
    assert asked.wait(60)
    try:
        second = run_cli("sync", "shop")
        assert second.returncode == 0
        assert second.stdout == "shop: already running elsewhere\n"
        assert cli("source", "status", "-o", "json").data[0]["state"] == "running"
        third = subprocess.Popen([*command, "--wait"], text=True, **running)  # type: ignore[call-overload]
    finally:
        go.set()
    outs = [process.communicate(timeout=60) for process in (first, third)]
    assert outs[0] == (
        "shop: 3 new, 0 changed, 0 as they were, 3 comments, 3 requests\n",
        "",
    )
    assert outs[1][0].startswith("shop: 0 new, 0 changed")
    assert (first.returncode, third.returncode) == (0, 0)
    log = cli("source", "log", "-o", "json").data
    assert [run["outcome"] for run in log] == ["done", "done"]


def test_terminal_is_told_in_one_line(
    cli: Cli, github: FakeGitHub, on_terminal: OnTerminal
) -> None:
    """A bar is for terminals only, and none of it stays there."""
    github.populate(3)
    add(cli, github)
    done = cli("sync", "shop", "--no-index")
    assert done.err == ""
    assert done.out.splitlines() == [
        "shop: 3 new, 0 changed, 0 as they were, 0 comments, 3 requests"
    ]
    github.tick(3600)
    github.add_issue(HOSTILE)
    code, shown = on_terminal("sync", "shop", "--no-index", NO_COLOR="1")
    assert code == 0
    assert b"shop: 1 new" in shown
    assert b"]52;" not in shown
    assert b"Bearer" not in shown
