"""Reads what a search found, and finds the passage in it that the question is about."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from issuetrack.engine.retrieval.subjects import SubjectKind
from issuetrack.tui import issue_view, search_view, sop_view
from issuetrack.tui.screens.sop_page import read_page
from issuetrack.tui.search_view import Hit
from issuetrack.tui.widgets.reader import Block

if TYPE_CHECKING:
    from issuetrack.engine.assistant.sops.procedure import Procedure
    from issuetrack.engine.issues.finding import By
    from issuetrack.engine.retrieval.passages import Passage
    from issuetrack.engine.retrieval.search import Question
    from issuetrack.engine.workspace import Workspace
    from issuetrack.tui.app import Doors


@dataclass(frozen=True)
class Reading:
    """A text to be read, and the passage in it that is meant.

    Attributes:
        part: the block that the passage is in; empty for none.
        words: the passage.
    """

    blocks: tuple[Block, ...]
    part: str = ""
    words: str = ""


def read(
    workspace: "Workspace", hit: Hit, question: "Question", by: "By", now: datetime
) -> Reading:
    """Return what was found, with the passage that is about the question."""
    actor, subject = workspace.actor, hit.match.subject
    passage = workspace.finding.passage(actor, question, subject, by)
    part = "" if passage is None else search_view.part_of(passage)
    if subject.kind is SubjectKind.ISSUE:
        record = workspace.issues.get(actor, subject.name)
        blocks = tuple(issue_view.blocks(record, None, now, alone=True))
    elif subject.kind is SubjectKind.DOCUMENT:
        page = workspace.documents.get(actor, subject.name)
        blocks = tuple(search_view.document_blocks(page, now))
    else:
        sop = read_page(workspace, subject.name, getattr(hit.found, "version", None))
        blocks = tuple(sop_view.blocks(sop, now))
        part = _field(sop.record.procedure, passage)
    words = "" if passage is None else search_view.spoken(passage)
    return Reading(blocks, part, words)


def _field(procedure: "Procedure", passage: "Passage | None") -> str:
    if passage is None:
        return ""
    start = next(iter(passage.text.strip().splitlines()), "")
    fields = (name for name in sop_view.TEXTS if start in procedure.field(name))
    return next(fields, "")


def markdown_of(workspace: "Workspace", hit: Hit, doors: "Doors") -> str:
    """Return what was found as Markdown."""
    from issuetrack.engine.assistant.sops import markdown as sop_markdown

    actor, subject = workspace.actor, hit.match.subject
    if subject.kind is SubjectKind.ISSUE:
        return doors.issue_markdown(workspace.issues.get(actor, subject.name))
    if subject.kind is SubjectKind.DOCUMENT:
        page = workspace.documents.get(actor, subject.name)
        return search_view.document_markdown(page)
    version = getattr(hit.found, "version", None)
    record = workspace.sops.get(actor, subject.name, version)
    return sop_markdown.write(record.procedure)
