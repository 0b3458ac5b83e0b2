"""`kill -9` in the middle of a sync, and clocks that jump between two of them."""

import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from conftest import Clock, Team
from connectors.github_server import running
from faults.forked import killed
from faults.kill_sync_work import add_source, assert_cursor_behind, read, upstream
from faults.kit import Content, content_of

FEW, MANY = 3, 100


# FAULTS 1
@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
@pytest.mark.parametrize(
    ("work", "kills"),
    [("sync", FEW), pytest.param("long sync", MANY, marks=pytest.mark.slow)],
)
def test_killed_sync_goes_on_where_it_was(
    tmp_path: Path, work: str, kills: int
) -> None:
    """Whole pages with their cursor are left; the rest comes with the next run, once."""
    told = killed([work], tmp_path, kills)[work]
    assert told.failures == [], "\n".join(told.failures)
    assert sum(told.states.values()) == kills
    assert told.killed >= kills // 3
    assert len(told.states) >= (2 if kills == FEW else 6), told.states


# FAULTS 10
@pytest.mark.parametrize("days", [-1, 1])
def test_clock_that_jumps_between_runs_loses_nothing(
    team: Team, clock: Clock, days: int
) -> None:
    """What changed meanwhile arrives, whatever the time is here."""
    github = upstream(20)
    with running(github) as server:
        workspace = team.open("owner")
        add_source(workspace, server.url)
        read(workspace)
        clock.now += timedelta(days=days)
        github.tick(600)
        ticket = github.repo().issues[7]
        github.comment(ticket, "Fixed by replacing the disk. Root cause was wear.")
        github.close(ticket)
        github.rename(github.repo().issues[8], "another title")
        github.add_issue("a new one")
        report = read(workspace)
        assert (report.created, report.comments) == (1, 1)
        assert_cursor_behind(workspace, github)
        clock.now += timedelta(days=-2 * days)
        github.delete(github.repo().issues[9])
        assert read(workspace, full=True).gone == 1

        found = content_of(workspace)
        workspace.sources.remove(workspace.actor, "shop", with_issues=True)
        add_source(workspace, server.url)
        read(workspace)
        fresh = content_of(workspace)
    gone = [i for i in found.issues if i["upstream"]["gone"]]
    assert [issue["summary"]["key"] for issue in gone] == ["acme/shop#9"]

    def said(content: Content) -> Sequence[object]:
        return sorted(
            (
                i["summary"]["key"],
                i["summary"]["title"],
                i["summary"]["status"],
                [c["body"] for c in i["comments"]],
                [(e["at"], e["field"], e["after"]) for e in i["events"]],
            )
            for i in content.issues
            if not i["upstream"]["gone"]
        )

    assert said(found) == said(fresh)
