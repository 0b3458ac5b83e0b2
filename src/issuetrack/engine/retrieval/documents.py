"""What is indexed of an issue: its title, its problem text and the fixes readers see.

Imported documents are in `page_documents`, procedures in `sop_documents`. Only
viewer-readable text becomes a document; see `lexical_index`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import col, select

from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval.chunking import chunks
from issuetrack.engine.retrieval.embedding import content_hash
from issuetrack.engine.retrieval.lexical_index import LexicalDocument
from issuetrack.engine.retrieval.subjects import Subject, SubjectKind
from issuetrack.engine.store.tables import Comment, Issue, Resolution
from issuetrack.engine.store.types import ChunkKind, CommentKind, Role
from issuetrack.engine.store.unit_of_work import UnitOfWork

LEXICAL_CHARACTERS = 200_000


@dataclass(frozen=True)
class Cut:
    """How much of a text is embedded: characters read, pieces made of them."""

    characters: int
    most: int


PART_OF_ISSUE = Cut(characters=40_000, most=8)


@dataclass(frozen=True)
class Piece:
    """One chunk to be indexed.

    Attributes:
        kind: which part of the issue or document it is from.
        source_row: the comment's id where it is from a comment.
        ordinal: its place in that part.
        heading: the heading above it.
        text: the stored span.
        embedded: what the model sees: the title of the whole, then the span.
    """

    kind: ChunkKind
    source_row: int | None
    ordinal: int
    heading: str | None
    text: str
    embedded: str

    @property
    def content_hash(self) -> bytes:
        """Return the key of the piece's embedding."""
        return content_hash(self.embedded)


@dataclass(frozen=True)
class IndexedDocument:
    """Everything of one issue or document that is indexed."""

    subject: Subject
    lexical: LexicalDocument
    pieces: tuple[Piece, ...]


def cut(
    model: EmbeddingModel,
    title: str,
    text: str,
    kind: ChunkKind,
    row: int | None = None,
    size: Cut = PART_OF_ISSUE,
) -> Iterator[Piece]:
    """Yield the pieces of a text, none of them longer than the model reads."""
    room = max(model.window // 4, model.window - model.count(title))
    for chunk in chunks(
        text.strip()[: size.characters],
        limit=room,
        count=model.count,
        most=size.most,
    ):
        yield Piece(
            kind,
            row,
            chunk.ordinal,
            chunk.heading,
            chunk.text,
            f"{title}\n{chunk.text}",
        )


def problem_pieces(model: EmbeddingModel, title: str, body: str) -> Iterator[Piece]:
    """Yield the pieces that stand for a problem; the title where there is no text."""
    if body.strip():
        yield from cut(model, title, body, ChunkKind.PROBLEM)
    else:
        yield Piece(ChunkKind.PROBLEM, None, 0, None, title, title)


def load(
    uow: UnitOfWork, model: EmbeddingModel, numbers: Sequence[int]
) -> list[IndexedDocument]:
    """Read issues and cut them; the ones that no longer exist are left out."""
    issues = uow.session.exec(select(Issue).where(col(Issue.number).in_(numbers)))
    resolutions = {
        row.issue_number: uow.open("resolution", "text", row.uuid, row.text)
        for row in uow.session.exec(
            select(Resolution).where(
                col(Resolution.issue_number).in_(numbers),
                Resolution.reader == Role.VIEWER,
            )
        )
    }
    fixes: dict[int, list[tuple[int | None, str]]] = {}
    for comment in uow.session.exec(
        select(Comment).where(
            col(Comment.issue_number).in_(numbers),
            col(Comment.carries_fix),
            Comment.kind == CommentKind.PUBLIC,
        )
    ):
        text = uow.open("comment", "body", comment.uuid, comment.body)
        if text != resolutions.get(comment.issue_number):
            fixes.setdefault(comment.issue_number, []).append((comment.id, text))
    return [_document(uow, model, issue, resolutions, fixes) for issue in issues]


def _document(
    uow: UnitOfWork,
    model: EmbeddingModel,
    issue: Issue,
    resolutions: dict[int, str],
    fixes: dict[int, list[tuple[int | None, str]]],
) -> IndexedDocument:
    assert issue.number is not None
    body = uow.open_optional("issue", "body", issue.uuid, issue.body) or ""
    resolution = resolutions.get(issue.number, "")
    comments = fixes.get(issue.number, [])
    pieces = [Piece(ChunkKind.TITLE, None, 0, None, issue.title, issue.title)]
    pieces += problem_pieces(model, issue.title, body)
    pieces += cut(model, issue.title, resolution, ChunkKind.RESOLUTION)
    for row, text in comments:
        pieces += cut(model, issue.title, text, ChunkKind.COMMENT, row)
    fix = "\n".join([resolution, *(text for _, text in comments)])
    lexical = LexicalDocument(
        issue.title, body[:LEXICAL_CHARACTERS], fix[:LEXICAL_CHARACTERS]
    )
    return IndexedDocument(
        Subject(SubjectKind.ISSUE, issue.number), lexical, tuple(pieces)
    )
