"""Suggestions asked for, stored and rated; what makes a past issue a source."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from issuetrack.engine.assistant.grounding import Section
from issuetrack.engine.assistant.sources import RELEVANT, Reader, Source, gather
from issuetrack.engine.errors import UsageError
from issuetrack.engine.issues.records import IssueRecord
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question, Search
from issuetrack.engine.store.types import CommentKind, IssueStatus, ResolutionHow, Role
from issuetrack.engine.sync.ports import RemoteComment, RemoteIssue
from issuetrack.engine.workspace import Workspace

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
FIX = "Root cause: old logs filled /var.\n\nFix: deleted them with `find -delete`."
LATER = "Workaround was to raise the volume, the fix was `lvextend -r -L +20G /dev/v`."


def sources_of(workspace: Workspace, question: Question) -> list[Source]:
    """Return the sources of a question."""
    with workspace._database.read() as uow:
        matches = Search(workspace.model).find(uow, question, 8)
        return gather(Reader(uow), question, matches)


def solved(workspace: Workspace, title: str, body: str, fix: str) -> int:
    """Store a solved issue and index it."""
    made = workspace.issues.create(workspace.actor, IssueDraft(title, body))
    workspace.issues.resolve(workspace.actor, str(made.number), fix)
    workspace.drain_index()
    return made.number


def payload_roles(workspace: Workspace) -> list[Role]:
    """Return whose keys the stored suggestions are sealed with, in order."""
    with workspace._database.read() as uow:
        rows = uow.sql("SELECT payload FROM recommendation ORDER BY id")
        keys = uow._cipher._keys
    payloads = [bytes(row[0]) for row in rows]
    return [keys[p[2 : 2 + p[1]].decode()].role for p in payloads]


def test_an_empty_workspace_suggests_nothing_and_asks(workspace: Workspace) -> None:
    """Without any past there is confidence 0 and a question, and it is stored."""
    made = workspace.suggestions.suggest(workspace.actor, Question("disk full"))
    assert (made.recommendation, made.issue, made.similar) == (1, None, ())
    assert made.composition.confidence == 0.0
    assert made.composition.steps == ()
    assert made.composition.questions


def test_an_open_issue_is_no_source_of_a_fix(workspace: Workspace) -> None:
    """A comment with a fix on an open issue is not accepted yet."""
    draft = IssueDraft("Disk full on app-07", "no space left", assignee="owner")
    workspace.issues.create(workspace.actor, draft)
    workspace.issues.comment(workspace.actor, "1", FIX)
    workspace.drain_index()
    question = Question("Disk full on app-07", "no space left")
    made = workspace.suggestions.suggest(workspace.actor, question)
    assert [summary.number for summary, _ in made.similar] == [1]
    assert (made.composition.confidence, made.composition.steps) == (0.0, ())
    assert "nobody wrote down what helped" in made.composition.questions[0]


def test_a_solved_issue_is_a_source(workspace: Workspace) -> None:
    """Coverage, error and spans are those of the past issue."""
    number = solved(workspace, "Disk full on app-07", "ENOSPC in the log", FIX)
    (source,) = sources_of(workspace, Question("Disk full", "touch says ENOSPC"))
    assert source.name == f"#{number}"
    assert source.same_error is True
    assert source.coverage == pytest.approx(3 / 5)
    assert source.quality == 1.0
    assert [(s.span.section, s.kind, s.reader) for s in source.fix] == [
        (Section.CAUSE, "resolution", Role.VIEWER),
        (Section.STEP, "resolution", Role.VIEWER),
    ]
    assert RELEVANT <= source.relevance <= 1.0


def test_an_issue_about_something_else_is_no_source(workspace: Workspace) -> None:
    """Below the threshold of relevance an issue is not used at all."""
    solved(workspace, "Disk full on app-07", "no space left on device", FIX)
    question = Question("the canteen menu is wrong on friday")
    assert sources_of(workspace, question) == []


def test_a_mined_fix_and_further_comments_are_read(workspace: Workspace) -> None:
    """Beside the mined comment, others that carry a fix are sources too, once."""
    said = [FIX, "Thanks a lot, have a nice day", LATER, FIX]
    issue = RemoteIssue(
        "OPS-1",
        "Disk full on app-07",
        NOW,
        NOW,
        status=IssueStatus.CLOSED,
        assignee="ops",
        comments=tuple(
            RemoteComment(body, NOW, "ops", key=f"c{n}") for n, body in enumerate(said)
        ),
    )
    workspace.imports.run(workspace.actor, "jira", "jira", [issue])
    workspace.drain_index()
    (source,) = sources_of(workspace, Question("Disk full on app-07"))
    assert isinstance(source.found, IssueRecord)
    resolution = source.found.resolution
    assert resolution is not None
    assert (resolution.how, source.quality) == (ResolutionHow.MINED, 0.85)
    quotes = [s.span.quote for s in source.fix]
    assert len(quotes) == len(set(quotes))
    assert any("lvextend" in quote for quote in quotes)
    assert any("find -delete" in quote for quote in quotes)
    assert not any("nice day" in quote for quote in quotes)
    assert {s.kind for s in source.fix} == {"comment"}


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ("HTTP 502 from the shop", "HTTP 404 from the shop"),
        ("pod ends with exit code 137", "pod ends with exit code 1"),
    ],
)
def test_other_codes_are_other_errors(
    workspace: Workspace, asked: str, known: str
) -> None:
    """Two errors of one kind with different codes are not the same error."""
    solved(workspace, known, "", FIX)
    (source,) = sources_of(workspace, Question(asked))
    assert source.same_error is False


def test_evidence_of_a_work_note_seals_the_suggestion_for_engineers(
    workspace: Workspace,
) -> None:
    """A viewer who opens the file cannot open what cites a work note."""
    issues, actor = workspace.issues, workspace.actor
    issues.create(actor, IssueDraft("Login fails for everybody", assignee="owner"))
    issues.comment(actor, "1", FIX, CommentKind.WORK_NOTE)
    issues.set_status(actor, "1", IssueStatus.CLOSED)
    workspace.drain_index()
    question = Question("Login fails for everybody")
    noted = workspace.suggestions.suggest(actor, question)
    assert {item.reader for item in noted.composition.evidence} == {Role.ENGINEER}
    issues.resolve(actor, "1", "Restarted the directory service on dc-01")
    workspace.drain_index()
    stated = workspace.suggestions.suggest(actor, question)
    assert {item.reader for item in stated.composition.evidence} == {Role.VIEWER}
    assert payload_roles(workspace) == [Role.ENGINEER, Role.VIEWER]


def test_a_suggestion_without_evidence_is_for_everybody(workspace: Workspace) -> None:
    """Nothing secret is in questions."""
    workspace.suggestions.suggest(workspace.actor, Question("disk full"))
    assert payload_roles(workspace) == [Role.VIEWER]


def test_suggestions_are_numbered_and_audited(workspace: Workspace) -> None:
    """Each suggestion is a row of its own with an entry in the audit chain."""
    numbers = [
        workspace.suggestions.suggest(workspace.actor, Question(text)).recommendation
        for text in ("disk full", "disk full")
    ]
    assert numbers == [1, 2]
    with workspace._database.read() as uow:
        actions = [
            row[0]
            for row in uow.sql("SELECT action FROM audit_entry ORDER BY sequence")
        ]
    assert actions[-2:] == ["recommendation.create"] * 2
    assert workspace.verify_audit().broken_at is None


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_question_is_refused(workspace: Workspace, text: str) -> None:
    """Nothing is stored for nothing."""
    with pytest.raises(UsageError, match="nothing to look for"):
        workspace.suggestions.suggest(workspace.actor, Question.from_text(text))
    assert payload_roles(workspace) == []


def test_a_viewer_may_ask_and_rate(workspace: Workspace) -> None:
    """Suggestions are for everybody who may read."""
    viewer = replace(workspace.actor, role=Role.VIEWER)
    asks: list[Callable[[], object]] = [
        lambda: workspace.suggestions.suggest(viewer, Question("disk full")),
        lambda: workspace.finding.similar(viewer, Question("disk full")),
        lambda: workspace.feedback.rate(viewer, "R1", 3),
    ]
    for ask in asks:
        assert ask() is not None
