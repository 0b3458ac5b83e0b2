"""Runs of a source: what they keep, where the next one begins, who is told what."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from conftest import Team
from engine.sync.scripted import (
    DAY,
    TOKEN,
    Mirror,
    Script,
    counts,
    remote,
    said,
)
from issuetrack.engine.errors import (
    ConflictError,
    CredentialError,
    NotFoundError,
    PermissionDenied,
    RemoteForbidden,
    RemoteUnreachable,
    StoreError,
    UsageError,
)
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.store.types import GoneReason, SyncOutcome
from issuetrack.engine.sync import sync as sync_module
from issuetrack.engine.sync.connector import Page
from issuetrack.engine.sync.ports import BadRecord, GoneIssue, SkippedRecord
from issuetrack.engine.sync.runs import SHOWN_PROBLEMS, SyncReport, Wish
from issuetrack.engine.sync.source_records import lock_path

DOWN = RemoteUnreachable("the tracker does not answer", "try again later")
HOLD_LOCK = """
import sys, time
from pathlib import Path
from issuetrack.engine.store.locking import alone
with alone(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def pages(number: int, each: int = 2) -> list[Page]:
    """Return pages of issues; each names the last of its issues as its cursor."""
    found = []
    for page in range(number):
        keys = [f"K-{page * each + n + 1}" for n in range(each)]
        items = [
            remote(key, id=key, comments=(said(f"c{key}", "seen"),)) for key in keys
        ]
        found.append(Page(tuple(items), keys[-1], number * each))
    return found


def keys(mirror: Mirror) -> list[str]:
    """Return the keys of all issues."""
    return [key for (key,) in mirror.sql("SELECT external_key FROM issue ORDER BY 1")]


def running(mirror: Mirror) -> bool:
    """Tell whether the source is shown as running."""
    return mirror.source.running


def runs(mirror: Mirror) -> list[tuple[str, str]]:
    """Return how the last runs ended and why, the newest first."""
    workspace = mirror.workspace
    found = workspace.sources.runs(workspace.actor, "shop", 5)
    return [(run.outcome.value, "; ".join(run.reasons)) for run in found]


def test_run_reads_page_by_page_and_goes_on_behind_them(mirror: Mirror) -> None:
    """Each page is kept with its cursor; the next run begins behind the last one."""
    mirror.script.steps = [*pages(3)]
    seen: list[tuple[int, int | None, str | None]] = []
    workspace = mirror.workspace

    def told(report: SyncReport) -> None:
        seen.append((report.issues, report.total, mirror.source.cursor))

    report = workspace.sync.run(
        workspace.actor,
        "shop",
        mirror.script.connect,
        Wish(),
        environment={},
        progress=told,
    )
    assert counts(report) == {"created": 6, "comments": 6}
    assert (report.pages, report.requests, report.cursor) == (3, 3, "K-6")
    assert seen == [(2, 6, "K-2"), (4, 6, "K-4"), (6, 6, "K-6")]
    mirror.script.steps.append(Page((remote("K-9"),), "K-9"))
    assert counts(mirror.run()) == {"created": 1}
    assert mirror.script.asked == [(None, None), ("K-6", None)]
    assert mirror.script.secrets == [TOKEN, TOKEN]
    assert mirror.script.closed == 2
    assert runs(mirror) == [("done", ""), ("done", "")]


def test_page_and_cursor_are_kept_together(mirror: Mirror) -> None:
    """A page that fails in the middle of its merge leaves neither issue nor cursor."""
    first, second, third = pages(3)
    mirror.sql(
        "CREATE TRIGGER fail BEFORE INSERT ON comment "
        "WHEN (SELECT external_key FROM issue WHERE number = NEW.issue_number) = 'K-4' "
        "BEGIN SELECT RAISE(ABORT, 'no room'); END"
    )
    mirror.script.steps = [first, second, third]
    with pytest.raises(StoreError, match="no room"):
        mirror.run()
    outcome, reason = runs(mirror)[0]
    assert (outcome, "no room" in reason) == ("failed", True)
    assert keys(mirror) == ["K-1", "K-2"]
    assert mirror.source.cursor == "K-2"
    assert mirror.script.closed == 1

    mirror.sql("DROP TRIGGER fail")
    assert counts(mirror.run()) == {"created": 4, "comments": 4}
    assert len(keys(mirror)) == 6


def test_first_page_that_fails_is_an_error(mirror: Mirror) -> None:
    """A run that read nothing raises its cause, and is noted as failed."""
    for error in (DOWN, CredentialError("expired", "renew"), RemoteForbidden("no", "")):
        mirror.script.steps = [error]
        with pytest.raises(type(error)):
            mirror.run()
        assert runs(mirror)[0] == ("failed", error.message)
        assert mirror.source.succeeded_at is None
    assert mirror.script.closed == 3


def test_later_page_that_fails_leaves_the_earlier_ones(mirror: Mirror) -> None:
    """FAULTS 14: what was read stays, the cursor is behind it, the reason is told."""
    first, second, _ = pages(3)
    mirror.script.steps = [first, second, DOWN]
    report = mirror.run()
    assert (report.partial, report.reasons) == (True, [DOWN.message])
    assert (report.cursor, mirror.source.cursor) == ("K-4", "K-4")
    assert runs(mirror)[0] == ("partial", DOWN.message)
    mirror.script.steps = [*pages(3)]
    assert counts(mirror.run()) == {"created": 2, "comments": 2}


def test_what_could_not_be_understood_makes_a_run_partial(mirror: Mirror) -> None:
    """Bad records are counted as a reason; skipped ones and notices are not."""
    bad = [BadRecord(f"record {n}", n, "it is no issue", "x") for n in range(25)]
    report = mirror.read(*bad, SkippedRecord("pull request"), remote("A"))
    assert report.reasons == ["25 records could not be understood"]
    assert len(report.problems) == SHOWN_PROBLEMS
    assert report.skipped == 1
    mirror.script.notices = ["work notes may not be read"]
    report = mirror.read(SkippedRecord("pull request"))
    assert (report.partial, report.notices) == (False, ["work notes may not be read"])


def test_since_reads_from_there_and_leaves_the_cursor(mirror: Mirror) -> None:
    """Reading a part anew never moves the cursor over what was not read."""
    mirror.script.steps = [*pages(2)]
    mirror.run()
    mirror.script.steps = [Page((remote("K-8"),), "K-8")]
    since = DAY + timedelta(days=1)
    assert counts(mirror.run(since=since)) == {"created": 1}
    assert mirror.script.asked[-1] == (None, since)
    assert mirror.source.cursor == "K-4"


def test_first_run_may_begin_later(mirror: Mirror) -> None:
    """Where nothing was read yet, later runs go on from what --since began."""
    mirror.script.steps = [*pages(2)]
    mirror.run(since=DAY)
    assert mirror.source.cursor == "K-4"


@pytest.mark.parametrize(
    ("limit", "there", "cursor"),
    [
        (2, 2, "K-2"),
        (3, 3, "K-2"),
        (4, 4, "K-4"),
        (99, 6, "K-6"),
    ],
)
def test_limit_is_exact(
    mirror: Mirror, limit: int, there: int, cursor: str | None
) -> None:
    """So many issues and no more; the cursor is behind the last whole page."""
    mirror.script.steps = [*pages(3)]
    report = mirror.run(limit=limit)
    assert counts(report)["created"] == there
    assert len(keys(mirror)) == there
    assert (mirror.source.cursor, report.cursor) == (cursor, cursor)
    assert not report.partial
    mirror.run()
    assert len(keys(mirror)) == 6


def test_full_run_asks_for_what_it_did_not_meet(mirror: Mirror) -> None:
    """What is deleted or moved is marked after everything was read, and kept."""
    mirror.script.steps = [*pages(3)]
    mirror.run()
    mirror.script.one = {
        "K-1": GoneIssue("K-1", GoneReason.DELETED),
        "K-2": GoneIssue("K-2", GoneReason.MOVED, "K-3"),
        "K-6": remote("K-6", id="K-6", title="not in the list, and there"),
    }
    first, second, third = pages(3)
    mirror.script.steps = [
        replace(second, items=second.items),
        replace(third, items=third.items[:1]),
    ]
    report = mirror.run(full=True)
    assert mirror.script.asked[-1] == (None, None)
    assert mirror.script.fetched == ["K-1", "K-2", "K-6"]
    assert counts(report) == {"updated": 3, "unchanged": 3, "gone": 2}
    assert (mirror.source.gone, mirror.source.issues) == (2, 6)
    assert mirror.issue("K-2").upstream.moved_to == "K-3"
    assert mirror.issue("K-6").summary.title == "not in the list, and there"

    mirror.script.fetched.clear()
    mirror.run(full=True)
    assert mirror.script.fetched == ["K-6"]
    assert mirror.source.gone == 2
    mirror.script.steps = [first]
    mirror.run()
    assert mirror.source.gone == 0


@pytest.mark.parametrize("where", ["page", "lookup"])
def test_full_run_that_fails_marks_nothing(mirror: Mirror, where: str) -> None:
    """Not met is not gone: only the tracker's own word counts."""
    mirror.script.steps = [*pages(3)]
    mirror.run()
    first, *_ = pages(3)
    mirror.script.steps = [first, *([DOWN] if where == "page" else [])]
    report = mirror.run(full=True)
    assert report.partial
    assert mirror.source.gone == 0
    assert mirror.script.fetched == ([] if where == "page" else ["K-3"])
    assert mirror.source.last_run is not None
    assert mirror.source.last_run.outcome is SyncOutcome.PARTIAL
    assert runs(mirror)[1][0] == "done"


@pytest.mark.parametrize("days", [-1, 1])
def test_full_run_finds_what_is_gone_on_another_day(mirror: Mirror, days: int) -> None:
    """FAULTS 10: the clock may have been set meanwhile, back or ahead."""
    mirror.script.steps = [*pages(2)]
    mirror.run(full=True)
    mirror.workspace._clock.now += timedelta(days=days)  # type: ignore[attr-defined]
    mirror.script.one = {"K-1": GoneIssue("K-1", GoneReason.DELETED)}
    first, second = pages(2)
    mirror.script.steps = [replace(first, items=first.items[1:]), second]
    assert counts(mirror.run(full=True)) == {"updated": 1, "unchanged": 3, "gone": 1}


def test_full_run_asks_for_so_many_only(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left to be looked for is told, and the next run goes on with it."""
    monkeypatch.setattr(sync_module, "MOST_LOOKUPS", 3)
    monkeypatch.setattr(sync_module, "LOOKUPS_AT_ONCE", 2)
    mirror.script.steps = [*pages(3)]
    mirror.run()
    mirror.script.one = {
        key: GoneIssue(key, GoneReason.DELETED) for key in keys(mirror)
    }
    mirror.script.steps = [Page((), "nothing")]
    report = mirror.run(full=True)
    assert (report.gone, report.partial) == (3, True)
    assert "3 issues that were not met" in report.reasons[0]
    report = mirror.run(full=True)
    assert (report.gone, report.partial, mirror.source.gone) == (3, False, 6)


@pytest.mark.parametrize("wish", [{}, {"full": True}, {"key": "K-1"}, {"limit": 1}])
def test_dry_run_writes_nothing(mirror: Mirror, wish: dict[str, Any]) -> None:
    """It counts what would be done; every row of every table is as it was."""
    mirror.script.steps = [*pages(2)]
    mirror.run()
    changed = replace(remote("K-1", id="K-1"), title="changed")
    mirror.script.one = {"K-1": changed}
    bad = BadRecord("record 7", 7, "it is no issue", "x")
    mirror.script.steps = [Page((changed, bad, remote("K-7"), remote("K-2")), "later")]
    before = mirror.tables()
    report = mirror.run(dry_run=True, **wish)
    assert mirror.tables() == before
    assert report.dry_run
    assert report.updated >= 1
    if not wish:
        assert (report.created, report.quarantined) == (1, 1)
        assert report.cursor == "K-4"


def test_dry_run_foresees_a_new_key(mirror: Mirror) -> None:
    """An issue that has got another key is foreseen as changed, not as new."""
    mirror.read(remote("A", id="1"))
    report = mirror.read(remote("B", id="1"), dry_run=True)
    assert counts(report) == {"updated": 1}


def test_one_issue_is_read_by_its_key(mirror: Mirror) -> None:
    """Neither the cursor nor another issue is touched."""
    mirror.script.steps = [*pages(1)]
    mirror.run()
    mirror.script.one = {"K-9": remote("K-9", title="by its key")}
    report = mirror.run(key="K-9")
    assert (counts(report), report.cursor) == ({"created": 1}, "K-2")
    assert mirror.source.cursor == "K-2"
    mirror.script.one = {"K-9": GoneIssue("K-9", GoneReason.DELETED)}
    assert counts(mirror.run(key="K-9")) == {"updated": 1, "gone": 1}
    assert mirror.issue("K-9").upstream.gone is GoneReason.DELETED


@pytest.mark.parametrize("moved_to", [None, "L-1"])
def test_key_of_nothing_is_an_error(mirror: Mirror, moved_to: str | None) -> None:
    """An issue that is neither there nor here is never an empty success."""
    mirror.script.one = {"K-9": GoneIssue("K-9", GoneReason.DELETED, moved_to)}
    for key in ("K-9", "K-8"):
        with pytest.raises(NotFoundError):
            mirror.run(key=key)
        assert runs(mirror)[0][0] == "failed"


@pytest.mark.parametrize(
    "wish",
    [
        {"key": "A", "full": True},
        {"key": "A", "limit": 1},
        {"key": "A", "since": DAY},
        {"full": True, "since": DAY},
        {"limit": 0},
    ],
)
def test_wishes_that_contradict_are_refused(
    mirror: Mirror, wish: dict[str, Any]
) -> None:
    """Nothing is asked of the tracker, and no run is noted."""
    with pytest.raises(UsageError):
        mirror.run(**wish)
    assert mirror.script.settings == []
    assert runs(mirror) == []


def test_paused_source_is_left_alone(mirror: Mirror) -> None:
    """A paused source refuses, and says how to take it in again; a dry run may."""
    workspace = mirror.workspace
    workspace.sources.pause(workspace.actor, "shop", paused=True)
    mirror.script.steps = [*pages(1)]
    with pytest.raises(UsageError, match="paused") as refused:
        mirror.run()
    assert refused.value.hint == "issuetrack source resume shop"
    assert counts(mirror.run(dry_run=True)) == {"created": 2, "comments": 2}
    workspace.sources.pause(workspace.actor, "shop", paused=False)
    assert counts(mirror.run()) == {"created": 2, "comments": 2}


def test_old_runs_are_forgotten(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last runs of each source are kept, and no more."""
    monkeypatch.setattr(sync_module, "KEPT_RUNS", 3)
    other = Mirror(mirror.workspace, Script(), "store")
    other.add()
    other.read(remote("A"))
    for number in range(5):
        mirror.read(remote(f"A{number}"))
    found = mirror.workspace.sources.runs(mirror.workspace.actor, None, 10)
    assert [run.source for run in found] == ["shop"] * 3 + ["store"]
    assert [run.counts["created"] for run in found] == [1] * 4
    assert all(run.finished_at is not None for run in found)


@contextmanager
def elsewhere(mirror: Mirror) -> Iterator["subprocess.Popen[bytes]"]:
    """Hold the lock of the source in another process."""
    ((number,),) = mirror.sql("SELECT id FROM source")
    path = lock_path(mirror.workspace.path, number)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"True\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_second_run_says_that_one_is_at_it(mirror: Mirror) -> None:
    """Nothing is asked or written; killed, the other leaves the way free."""
    mirror.script.steps = [*pages(1)]
    with elsewhere(mirror) as other:
        report = mirror.run()
        assert report.already_running
        assert (mirror.script.settings, runs(mirror)) == ([], [])
        assert running(mirror)
        other.kill()
        other.wait()
        assert not running(mirror)
        assert counts(mirror.run()) == {"created": 2, "comments": 2}


def test_run_that_waits_begins_where_the_other_ended(mirror: Mirror) -> None:
    """It looks for the cursor once it is its turn, not before."""
    with elsewhere(mirror) as other:
        sleeps = 0

        def sleep(_seconds: float) -> None:
            nonlocal sleeps
            sleeps += 1
            mirror.sql("UPDATE source SET cursor = 'K-2'")
            other.kill()
            other.wait()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("issuetrack.engine.store.locking.time.sleep", sleep)
            mirror.script.steps = [*pages(2)]
            report = mirror.run(wait=True)
    assert sleeps
    assert not report.already_running
    assert mirror.script.asked == [("K-2", None)]


def test_killed_run_is_shown_as_killed(mirror: Mirror) -> None:
    """A run without an end is running while its lock is held, else it was killed."""
    mirror.script.steps = [*pages(1)]
    mirror.run()
    mirror.sql(
        "INSERT INTO sync_run (source_id, actor, full, outcome, counts, reasons, "
        "started_at) SELECT id, 'owner', 0, 'running', '{}', '[]', created_at "
        "FROM source"
    )
    assert [outcome for outcome, _ in runs(mirror)] == ["killed", "done"]
    with elsewhere(mirror):
        assert [outcome for outcome, _ in runs(mirror)] == ["running", "done"]


def test_runs_are_in_the_audit_trail(mirror: Mirror) -> None:
    """Each page that changed something is recorded with its counts, without a token."""
    mirror.script.steps = [*pages(2), Page((), "K-4")]
    mirror.run()
    mirror.run()
    workspace = mirror.workspace
    found = list(workspace.trail.entries(workspace.actor, AuditFilter()))
    entries = [entry for entry in found if entry.action == "source.sync"]
    assert len(entries) == 2
    assert all(entry.actor == "owner" for entry in entries)
    told = json.dumps([str(entry) for entry in found])
    assert TOKEN not in told
    assert workspace.verify_audit().broken_at is None


@pytest.mark.parametrize(
    ("name", "may"), [("viewer", False), ("exporter", False), ("engineer", True)]
)
def test_engineers_synchronise_and_admins_manage(
    team: Team, name: str, may: bool
) -> None:
    """FAULTS 34: whoever may not is refused before anything is asked or written."""
    owner = Mirror(team.open("owner"))
    owner.add()
    mirror = Mirror(team.open(name), owner.script)
    mirror.script.steps = [*pages(1)]
    if may:
        assert counts(mirror.run()) == {"created": 2, "comments": 2}
    else:
        with pytest.raises(PermissionDenied):
            mirror.run()
        assert mirror.script.settings == []
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    with pytest.raises(PermissionDenied):
        Mirror(mirror.workspace, name="other").add()
    with pytest.raises(PermissionDenied):
        sources.pause(actor, "shop", paused=True)
    with pytest.raises(PermissionDenied):
        sources.remove(actor, "shop")
    assert not owner.source.paused


@pytest.mark.parametrize("act", ["remove", "edit"])
def test_source_is_not_changed_under_a_run(mirror: Mirror, act: str) -> None:
    """What a run reads for is not taken away or replaced while it runs."""
    sources, actor = mirror.workspace.sources, mirror.workspace.actor
    settings = replace(mirror.source.settings, mapping=("status:held=open",))

    def change() -> None:
        if act == "remove":
            sources.remove(actor, "shop")
        else:
            sources.edit(actor, "shop", settings, "repo acme/shop")

    with elsewhere(mirror), pytest.raises(ConflictError, match="synchronised"):
        change()
    assert mirror.source.settings.mapping == ()
    change()
