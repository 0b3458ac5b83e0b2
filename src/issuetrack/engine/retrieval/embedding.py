"""Embeddings kept by the hash of their text, so that nothing is embedded twice."""

import hashlib
from collections.abc import Iterable, Sequence

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.ports import EmbeddingModel
from issuetrack.engine.retrieval.vector_index import quantise
from issuetrack.engine.store.unit_of_work import UnitOfWork

MODEL_SETTING = "index.model"
SQL_VARIABLES = 20000


def content_hash(text: str) -> bytes:
    """Return the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def stored(uow: UnitOfWork, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return the int8 vectors that are kept already, by hash."""
    wanted = list(dict.fromkeys(hashes))
    found: dict[bytes, bytes] = {}
    for start in range(0, len(wanted), SQL_VARIABLES):
        part = wanted[start : start + SQL_VARIABLES]
        marks = ",".join("?" * len(part))
        found |= {
            bytes(row[0]): bytes(row[1])
            for row in uow.sql(
                "SELECT content_hash, vector FROM chunk_vector "
                f"WHERE content_hash IN ({marks})",
                *part,
            )
        }
    return found


def embed(model: EmbeddingModel, texts: Sequence[str]) -> dict[bytes, bytes]:
    """Embed texts; return their int8 vectors by hash."""
    distinct = {content_hash(text): text for text in texts}
    if not distinct:
        return {}
    rows = quantise(model.embed(list(distinct.values())))
    return {key: row.tobytes() for key, row in zip(distinct, rows, strict=True)}


def keep(uow: UnitOfWork, vectors: dict[bytes, bytes]) -> None:
    """Keep vectors for whoever needs the same text again."""
    uow.sql_many(
        "INSERT OR IGNORE INTO chunk_vector(content_hash, vector) VALUES (?, ?)",
        list(vectors.items()),
    )


def drop_unused(uow: UnitOfWork, hashes: Iterable[bytes]) -> None:
    """Forget those of these vectors whose text no chunk has any more."""
    uow.sql_many(
        "DELETE FROM chunk_vector WHERE content_hash = ? AND NOT EXISTS "
        "(SELECT 1 FROM chunk WHERE chunk.content_hash = chunk_vector.content_hash)",
        [(content,) for content in set(hashes)],
    )


def drop_all_unused(uow: UnitOfWork) -> None:
    """Forget vectors whose text no chunk has any more."""
    uow.sql(
        "DELETE FROM chunk_vector WHERE content_hash NOT IN "
        "(SELECT content_hash FROM chunk)"
    )


def check_model(uow: UnitOfWork, model: EmbeddingModel) -> None:
    """Refuse to mix the vectors of two models.

    Raises:
        ModelError: the index was made with another model.
    """
    known = uow.setting(MODEL_SETTING)
    if known is not None and known != model.fingerprint:
        raise ModelError(
            "the search index was made with another embedding model",
            "run: issuetrack index rebuild",
        )
