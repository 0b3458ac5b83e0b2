"""Which passage of what was found is about the question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.lexical_index import words
from issuetrack.engine.retrieval.subjects import Subject
from issuetrack.engine.store.types import ChunkKind
from issuetrack.engine.store.unit_of_work import UnitOfWork

SHORT, STEM = 3, 6
IN_TEXTS = "kind NOT IN ('title', 'document_title', 'sop_title')"


@dataclass(frozen=True)
class Passage:
    """Some lines of an issue, a document or a procedure.

    Attributes:
        kind: which part of it they are from.
        comment: the comment that they are from; None for any other part.
        text: the lines, as they are stored.
    """

    kind: ChunkKind
    comment: int | None
    text: str


@dataclass(frozen=True)
class _Chunk:
    passage: Passage
    vector: bytes


def by_words(uow: UnitOfWork, subject: Subject, question: str) -> Passage | None:
    """Return the line with most words of a question; None where no line has any."""
    return _line(_chunks(uow, subject), question)


def by_meaning(
    uow: UnitOfWork, subject: Subject, question: str, asked: bytes
) -> Passage | None:
    """Return what of the nearest chunk has the question's words, else all of it.

    Args:
        uow: what to read through.
        subject: what was found.
        question: the words.
        asked: the raw int8 (d,) vector of the question.
    """
    chunks = _chunks(uow, subject)
    if not chunks:
        return None
    vectors = vector_index.unit_rows([chunk.vector for chunk in chunks])
    cosines = vectors @ vector_index.unit_rows([asked])[0]
    nearest = chunks[int(cosines.argmax())]
    return _line([nearest], question) or nearest.passage


def _chunks(uow: UnitOfWork, subject: Subject) -> list[_Chunk]:
    rows = uow.sql(
        "SELECT chunk.uuid, kind, source_row, text, vector FROM chunk "
        f"JOIN chunk_vector USING (content_hash) WHERE {subject.column} = ? "
        f"AND {IN_TEXTS} ORDER BY chunk.id",
        subject.number,
    )
    return [
        _Chunk(
            Passage(
                ChunkKind(row[1]),
                row[2],
                uow.open("chunk", "text", str(row[0]), bytes(row[3])),
            ),
            bytes(row[4]),
        )
        for row in rows
    ]


def _stems(text: str) -> set[str]:
    told = (word for word in words(text) if len(word) > SHORT or re.search(r"\d", word))
    return {word[:STEM] for word in told}


def _line(chunks: Sequence[_Chunk], question: str) -> Passage | None:
    wanted = _stems(question)
    lines = [
        Passage(chunk.passage.kind, chunk.passage.comment, line)
        for chunk in chunks
        for line in chunk.passage.text.splitlines()
    ]
    held = [len(wanted & _stems(line.text)) for line in lines]
    most = max(held, default=0)
    return lines[held.index(most)] if most else None
