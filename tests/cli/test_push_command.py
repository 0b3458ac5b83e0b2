"""`push`: what is shown is what arrives, once, and only where that is allowed."""

from collections.abc import Iterator

import pytest

from cli.conftest import Cli
from cli.shop import add, lines, served, sync
from connectors.github_server import FakeGitHub
from issuetrack.testing.server import Received, reset

NOTE = "Raised the pool to 8; stable since."


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """Return a GitHub with one repository and an issue."""
    with served(monkeypatch) as github:
        github.add_issue("Checkout is down")
        yield github


def written(github: FakeGitHub) -> list[Received]:
    """Return the requests that change something."""
    return [r for r in github.server.received if r.method != "GET"]


def test_push_shows_asks_and_sends(cli: Cli, github: FakeGitHub) -> None:
    """Refused, shown, asked about, sent, not sent twice, and not doubled by a sync."""
    add(cli, github)
    sync(cli, "shop")
    done = cli("push", "1", "--comment", NOTE, "--yes", code=3)
    assert "--write-back on" in lines(done, "  try: ")[0]
    cli("source", "edit", "shop", "--write-back", "on")

    dry = cli("push", "1", "--comment", NOTE, "--dry-run", "-o", "json").data
    (request,) = dry["requests"]
    assert (dry["sent"], request["method"]) == (False, "POST")
    assert request["url"] == f"{github.api}/repos/acme/shop/issues/1/comments"
    done = cli("push", "1", "--comment", NOTE, code=5)
    assert NOTE in done.err
    assert written(github) == []

    done = cli("push", "acme/shop#1", "--comment", NOTE, "--yes", "-o", "json")
    (arrived,) = written(github)
    (request,) = done.data["requests"]
    assert request["content"] == arrived.content
    assert request["url"].endswith(arrived.path)
    assert f'"body": "{NOTE}' in done.err
    assert done.data["sent"]
    refused = cli("push", "1", "--comment", NOTE, "--yes", code=2)
    assert "was pushed on" in refused.err
    assert "--again" in refused.err
    github.tick(3600)
    sync(cli, "shop")
    shown = cli("issue", "show", "1", "-o", "json").data["comments"]
    assert [comment["body"] for comment in shown] == [NOTE]
    assert len(written(github)) == 1

    cli("push", "1", "--sop", "4", "--comment", "-", "--yes", stdin="Restarted it.\n")
    *_, post, patch = written(github)
    assert post.content["body"].startswith("Restarted it.\n\nResolved by SOP 4.")
    assert patch.content == {"state": "closed", "state_reason": "completed"}
    assert cli("issue", "show", "1", "-o", "json").data["status"] == "resolved"


def test_pending_edits_go_upstream(cli: Cli, github: FakeGitHub) -> None:
    """Edits are sent and no longer pending; what GitHub does not have is refused."""
    add(cli, github, "--write-back", "on")
    sync(cli, "shop")
    cli("issue", "edit", "1", "--title", "Checkout is slow", "--label", "db")
    cli("push", "1", "--pending", "--yes")
    assert github.repo().issues[1].title == "Checkout is slow"
    assert github.repo().issues[1].labels == ["db"]
    assert cli("issue", "show", "1", "-o", "json").data["pending"] == []
    assert "nothing to push" in cli("push", "1", "--pending", "--yes", code=2).err
    cli("issue", "edit", "1", "--site", "DC1")
    done = cli("push", "1", "--pending", "--yes", code=2)
    assert "GitHub has no site to write to" in done.err
    done = cli("push", "1", "--comment", "x", "--internal", "--yes", code=2)
    assert "no internal comments" in done.err
    assert "not from a tracker" in (
        cli("issue", "new", "local").err
        + cli("push", "2", "--comment", "x", "--yes", code=2).err
    )
    assert len(written(github)) == 1


def test_answer_that_is_lost_is_not_sent_twice(cli: Cli, github: FakeGitHub) -> None:
    """FAULTS 14: the comment has arrived, its answer has not; the command goes on."""
    add(cli, github, "--write-back", "on")
    sync(cli, "shop")
    respond = github.server.respond

    def lost(request: Received) -> object:
        reply = respond(request)
        if request.method == "POST":
            return reply.__class__(status=502)
        return reply

    github.server.respond = lost  # type: ignore[assignment]
    cli("push", "1", "--comment", NOTE, "--yes", code=8)
    assert len(github.repo().issues[1].comments) == 1
    github.server.respond = respond
    github.server.fail(reset())
    done = cli("push", "1", "--comment", NOTE, "--yes", "-o", "json")
    assert done.data["already_there"]
    assert len(github.repo().issues[1].comments) == 1
    shown = cli("issue", "show", "1", "-o", "json").data["comments"]
    assert [comment["body"] for comment in shown] == [NOTE]
