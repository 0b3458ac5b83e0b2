"""A sync that is killed, and the stand-in for GitHub that it reads from.

Run as a program, `python -m faults.kill_sync_work ISSUES COMMENTS`, it is that stand-in, and
ends with its stdin.
"""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from connectors.github_server import TOKEN, FakeGitHub, running
from faults.forked import BEGUN, Tell, Work
from faults.kill_work import DONE, UNLOCK, create, sound_content
from faults.kit import Content, content_of, difference
from issuetrack.connectors import registry
from issuetrack.engine.store.types import SyncOutcome
from issuetrack.engine.sync.connector import SourceSettings
from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource
from issuetrack.engine.sync.runs import SyncReport, Wish
from issuetrack.engine.workspace import Workspace

REPO = "acme/shop"


def upstream(issues: int, comments: int = 1) -> FakeGitHub:
    """Return a GitHub with issues, comments, fixes, labels, duplicates, bad records."""
    github = FakeGitHub()
    made = github.populate(issues, comments, every=1)
    for number, ticket in enumerate(made):
        github.tick()
        if number % 2:
            github.label(ticket, "area/disk")
        if number % 3 == 0:
            github.comment(ticket, "Fixed by cleaning /var/log. Root cause was debug.")
            github.close(ticket, commit=f"c0ffee{number}")
        if number % 11 == 10:
            github.comment(ticket, f"Duplicate of #{number - 5}")
    for _ in range(2):
        github.tick()
        github.add_issue("bad").extra = {"state": 7}
    return github


def serve(issues: int, comments: int) -> "subprocess.Popen[str]":
    """Start the stand-in in a process of its own; its url is its first line."""
    return subprocess.Popen(
        [sys.executable, "-m", "faults.kill_sync_work", str(issues), str(comments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def add_source(workspace: Workspace, url: str) -> None:
    """Add the stand-in as a source."""
    said = SourceSettings(
        "shop", "github", url, options={"repo": REPO, "api-path": "/"}
    )
    tracker = registry.tracker("github")
    settings = tracker.settle(said)
    token = CredentialSource(CredentialFrom.STORED, TOKEN)
    workspace.sources.add(workspace.actor, settings, tracker.scope(settings), token)


def read(workspace: Workspace, *, full: bool = False) -> SyncReport:
    """Synchronise the source."""
    return workspace.sync.run(
        workspace.actor, "shop", registry.connect, Wish(full=full), environment={}
    )


def assert_cursor_behind(workspace: Workspace, github: FakeGitHub) -> None:
    """Check that everything before the places that the cursor names is here."""
    source = workspace.sources.get(workspace.actor, "shop")
    found = json.loads(source.cursor or "{}").get("repositories", {}).get(REPO, {})
    repo = github.repo()
    with workspace._database.read() as uow:
        keys = {key for (key,) in uow.sql("SELECT external_key FROM issue")}
        remarks = {key for (key,) in uow.sql("SELECT external_key FROM comment")}
        events = {key for (key,) in uow.sql("SELECT external_key FROM issue_event")}
    if found.get("issues"):
        reached = datetime.fromisoformat(found["issues"])
        expected = {
            f"{REPO}#{ticket.number}"
            for ticket in repo.issues.values()
            if ticket.updated < reached and not ticket.extra
        }
        assert expected <= keys, expected - keys
    if found.get("comments"):
        reached = datetime.fromisoformat(found["comments"])
        here = {str(c.id) for c in repo.comments.values() if c.updated < reached}
        assert here <= remarks, here - remarks
    walked = found.get("events", 0)
    known = {str(e["id"]) for e, _ in repo.events if e["id"] <= walked}
    assert not known or len(events) >= len(known), (len(events), len(known))


class Sync(Work):
    """Everything of a source is read for the first time."""

    issues, comments = 60, 2
    whole: Content
    server: "subprocess.Popen[str]"

    def prepare(self, folder: Path) -> None:
        self.upstream = upstream(self.issues, self.comments)
        self.server = serve(self.issues, self.comments)
        assert self.server.stdout is not None
        url = self.server.stdout.readline().strip()
        create(folder / self.name)
        workspace = Workspace.open(folder / self.name, UNLOCK)
        add_source(workspace, url)
        workspace.close()
        path = folder / "whole" / self.name
        path.parent.mkdir()
        create(path)
        workspace = Workspace.open(path, UNLOCK)
        add_source(workspace, url)
        assert len(read(workspace).reasons) == 1
        self.whole = sound_content(workspace)
        assert len(self.whole.issues) == self.issues
        assert len(self.whole.quarantine) == 2
        workspace.close()

    def run(self, path: Path, tell: Tell) -> None:
        workspace = Workspace.open(path, UNLOCK)
        tell(BEGUN)
        read(workspace)
        tell(DONE)
        workspace.close()

    def check(self, path: Path, told: list[str]) -> str:
        workspace = Workspace.open(path, UNLOCK)
        left = content_of(workspace)
        remarks = sum(len(issue["comments"]) for issue in left.issues)
        assert_cursor_behind(workspace, self.upstream)
        keys = [issue["summary"]["key"] for issue in left.issues]
        assert (
            keys
            == [issue["summary"]["key"] for issue in self.whole.issues][: len(keys)]
        )
        source = workspace.sources.get(workspace.actor, "shop")
        assert not source.running
        if source.last_run is not None and DONE not in told:
            ended = {SyncOutcome.KILLED, SyncOutcome.PARTIAL}
            assert source.last_run.outcome in ended
        read(workspace)
        assert difference(self.whole, sound_content(workspace)) == []
        assert_cursor_behind(workspace, self.upstream)
        workspace.close()
        return f"{len(left.issues)} issues, {remarks} comments"


class LongSync(Sync):
    """A longer one, of more pages."""

    issues, comments = 310, 3


WORKS: dict[str, type[Work]] = {"sync": Sync, "long sync": LongSync}


def main(issues: str, comments: str) -> None:
    """Serve until stdin ends."""
    with running(upstream(int(issues), int(comments))) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
