"""Probable duplicates: of a new issue, among those that came in, and linked."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from conftest import KEY, copy_files
from issuetrack.engine.assistant.duplicates import LIKENESS
from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.learning_tables import Calibration
from issuetrack.engine.store.slots import SlotKind, SlotSecret
from issuetrack.engine.store.types import CalibrationKind, IssueStatus
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.sync.ports import RemoteIssue
from issuetrack.engine.workspace import Workspace

START = datetime(2026, 10, 1, 8, 0, tzinfo=UTC)
PORTAL = "The certificate of the staff portal has expired"
BODY = "Browsers refuse the page since this morning, the certificate is out of date."
ISSUES = (
    ("OPS-1", PORTAL, BODY),
    ("OPS-2", "Printer on floor 3 jams", "Paper jam in tray two."),
    ("OPS-3", "Badge reader at the gate is dead", ""),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, embedder: LlamaEmbedder) -> Path:
    """Return a closed workspace with three indexed issues of a source."""
    path = tmp_path_factory.mktemp("alike") / "alike.db"
    secret = SlotSecret(SlotKind.ENVIRONMENT, KEY.encode())
    Workspace.create(path, "owner", lambda _: [secret])
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    take_in(workspace, *ISSUES)
    workspace.drain_index()
    workspace.close()
    return path


@pytest.fixture
def alike(
    template: Path, tmp_path: Path, embedder: LlamaEmbedder
) -> Iterator[Workspace]:
    """Return an open copy of it."""
    path = copy_files(template, tmp_path / "alike.db")
    workspace = Workspace.open(path, Unlock(environment_key=KEY), embedder)
    yield workspace
    workspace.close()


def take_in(
    workspace: Workspace,
    *issues: tuple[str, str, str],
    status: IssueStatus = IssueStatus.OPEN,
    after: int = 0,
) -> None:
    """Import issues, each opened an hour after the one before."""
    remote = [
        RemoteIssue(
            key=key,
            title=title,
            body=body,
            status=status,
            created_at=START + timedelta(hours=after + hour),
            updated_at=START + timedelta(hours=after + hour),
        )
        for hour, (key, title, body) in enumerate(issues)
    ]
    workspace.imports.run(workspace.actor, "ops", "jsonl", remote)


def opened(workspace: Workspace, title: str, body: str = "") -> int:
    """Open an issue, index it, and return its number."""
    made = workspace.issues.create(workspace.actor, IssueDraft(title, body))
    workspace.drain_index(only=made.number)
    return made.number


@pytest.mark.parametrize(
    ("title", "body", "original"),
    [
        (PORTAL, BODY, 1),
        (PORTAL, "", 1),
        ("Certificate of the staff portal has expired", BODY, 1),
        ("Badge reader at the gate is dead", "It shows no light at all.", 3),
        ("Printer on floor 3 has no paper", "", None),
        ("Payroll export is empty", "The file has no rows.", None),
    ],
)
def test_new_issue_that_is_there_already(
    alike: Workspace, title: str, body: str, original: int | None
) -> None:
    """The same problem again is noticed, another one is not."""
    number = opened(alike, title, body)
    found = alike.duplicates.of(alike.actor, number)
    assert (found and found.original) == original
    if found is not None:
        assert found.issue == number
        assert found.title == alike.issues.get(alike.actor, str(original)).summary.title
        assert LIKENESS <= found.chance <= 1.0


def test_first_issue_is_no_duplicate(workspace: Workspace) -> None:
    """Where nothing else is there, nothing is looked for."""
    number = opened(workspace, PORTAL)
    assert workspace.duplicates.of(workspace.actor, number) is None


def test_issue_that_is_not_indexed_is_not_looked_at(alike: Workspace) -> None:
    """No embedding is made for it, and nothing fails."""
    made = alike.issues.create(alike.actor, IssueDraft(PORTAL, BODY))
    assert alike.duplicates.of(alike.actor, made.number) is None
    assert alike.duplicates.of(alike.actor, 99) is None


def test_workspace_may_not_want_warnings(alike: Workspace) -> None:
    """With the policy off only who asks for it is told."""
    number = opened(alike, PORTAL, BODY)
    alike.policies.set(alike.actor, "duplicates.warn", "off")
    assert alike.duplicates.of(alike.actor, number) is None
    assert alike.duplicates.among_new(alike.actor, 3).duplicates == ()
    found = alike.duplicates.of(alike.actor, number, always=True)
    assert found is not None


def test_only_new_open_issues_are_looked_at(alike: Workspace) -> None:
    """Of what came in: not the old, not the finished, and the older is the original."""
    last = alike.duplicates.last_issue(alike.actor)
    take_in(
        alike,
        ("OPS-4", "Coffee machine explodes", "Hot water everywhere."),
        ("OPS-5", "Coffee machine explodes", "Hot water everywhere."),
        after=10,
    )
    take_in(alike, ("OPS-6", PORTAL, BODY), status=IssueStatus.CLOSED, after=20)
    take_in(alike, ("OPS-7", PORTAL, BODY), after=-20)
    alike.drain_index()
    found = alike.duplicates.among_new(alike.actor, last)
    assert [(d.issue, d.original) for d in found.duplicates] == [(5, 4)]
    assert found.unseen == 0
    assert alike.duplicates.among_new(alike.actor, 7).duplicates == ()


def test_looking_is_bounded_in_time(alike: Workspace) -> None:
    """What was not looked at for lack of time is counted."""
    take_in(alike, ("OPS-4", PORTAL, BODY), ("OPS-5", PORTAL, BODY), after=10)
    alike.drain_index()
    found = alike.duplicates.among_new(alike.actor, 3, seconds=0.0)
    assert (found.duplicates, found.unseen) == ((), 2)


def test_linked_issues_are_not_told_again(alike: Workspace) -> None:
    """Neither an original nor another duplicate of it is news."""
    first, second = opened(alike, PORTAL, BODY), opened(alike, PORTAL, BODY)
    alike.linking.link(alike.actor, str(first), "1")
    alike.linking.link(alike.actor, str(second), "1")
    assert alike.duplicates.of(alike.actor, first) is None
    assert alike.duplicates.of(alike.actor, second) is None


def test_backtest_draws_the_line(alike: Workspace) -> None:
    """With a calibration its chance and its threshold decide, not the likeness."""
    number = opened(alike, PORTAL, BODY)
    row = calibrated(alike, threshold=0.5)
    found = alike.duplicates.of(alike.actor, number)
    assert found is not None
    assert found.chance >= 0.5
    with alike._database.write() as uow:
        uow.session.get_one(Calibration, row).metrics = {"duplicate_threshold": 1.0}
    assert alike.duplicates.of(alike.actor, number) is None


def calibrated(workspace: Workspace, threshold: float) -> int:
    """Put a calibration in force that is always nearly sure; return its number."""
    from issuetrack.engine.assistant.confidence import CALIBRATED

    names = CALIBRATED[CalibrationKind.DUPLICATE]
    model = {
        "means": [0.0] * len(names),
        "scales": [1.0] * len(names),
        "weights": [3.0] + [0.0] * len(names),
    }
    row = Calibration(
        kind=CalibrationKind.DUPLICATE,
        created_at=START,
        fitted_on=100,
        positives=50,
        ratings=0,
        features=list(names),
        parameters={"model": model},
        metrics={"duplicate_threshold": threshold},
    )
    with workspace._database.write() as uow:
        uow.session.add(row)
        uow.session.flush()
        assert row.id is not None
        return row.id


def test_link_is_kept_told_and_taken_back(alike: Workspace) -> None:
    """A link is an event with a revision and an audit entry; so is its end."""
    linked = alike.linking.link(alike.actor, "OPS-2", "OPS-1")
    assert (linked.summary.duplicate_of, linked.summary.revision) == (1, 2)
    assert linked.summary.status is IssueStatus.OPEN
    back = alike.linking.unlink(alike.actor, "2")
    assert (back.summary.duplicate_of, back.links) == (None, ())
    assert [(e.before, e.after) for e in back.events] == [(None, "#1"), ("#1", None)]
    with alike._database.read() as uow:
        actions = uow.sql("SELECT action FROM audit_entry ORDER BY sequence DESC")[:2]
    assert actions == [("issue.unlink",), ("issue.link",)]


def test_links_that_make_no_sense_are_refused(alike: Workspace) -> None:
    """An issue is not its own duplicate, not in a ring, not twice."""
    link, actor = alike.linking.link, alike.actor
    link(actor, "2", "1")
    link(actor, "3", "2")
    for issue, original in (("1", "1"), ("2", "1"), ("1", "3"), ("1", "2")):
        with pytest.raises(UsageError):
            link(actor, issue, original)
    with pytest.raises(UsageError, match="no duplicate"):
        alike.linking.unlink(actor, "1")
    with pytest.raises(NotFoundError):
        link(actor, "1", "99")


def test_link_made_here_outlives_a_sync(alike: Workspace) -> None:
    """A change of the source does not undo what was said here."""
    alike.linking.link(alike.actor, "2", "1")
    take_in(alike, ("OPS-2", "Printer on floor 3 jams again", "Tray two."))
    found = alike.issues.get(alike.actor, "2").summary
    assert (found.title, found.duplicate_of) == ("Printer on floor 3 jams again", 1)
    alike.linking.unlink(alike.actor, "2")
    take_in(alike, ("OPS-2", "Printer on floor 3 jams", "Tray two."))
    assert alike.issues.get(alike.actor, "2").summary.duplicate_of is None
