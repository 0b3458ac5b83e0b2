"""Nearness in meaning: sign bits to find candidates, int8 vectors to score them.

A unit vector is kept raw as int8, scaled by its largest component; cosines do not
depend on the scale. Its signs, packed, are searched exhaustively by Hamming distance
with sqlite-vec; the nearest are rescored with the int8 cosine.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.store.unit_of_work import UnitOfWork

CANDIDATES = 200
SQL_VARIABLES = 30000


def quantise(vectors: Vectors) -> npt.NDArray[np.int8]:
    """Return an (n, d) float32 array as int8, each row scaled to its largest."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    quantised: npt.NDArray[np.int8] = np.round(vectors / largest * 127).astype(np.int8)
    return quantised


def sign_bits(vectors: npt.NDArray[np.int8]) -> list[bytes]:
    """Return the packed signs of each row, d / 8 bytes."""
    packed = np.packbits(vectors > 0, axis=1, bitorder="little")
    return [row.tobytes() for row in packed]


def unit_rows(blobs: Sequence[bytes]) -> Vectors:
    """Return stored int8 vectors as an (n, d) float32 array of unit rows."""
    raw = np.frombuffer(b"".join(blobs), dtype=np.int8).reshape(len(blobs), -1)
    vectors = raw.astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(norms, 1e-12)
    return unit


def add(uow: UnitOfWork, part: str, vectors: dict[int, bytes]) -> None:
    """Index the int8 vectors of chunks, by chunk id."""
    if not vectors:
        return
    width = len(next(iter(vectors.values())))
    raw = np.frombuffer(b"".join(vectors.values()), dtype=np.int8)
    bits = sign_bits(raw.reshape(-1, width))
    uow.sql_many(
        "INSERT INTO chunk_bits(chunk_id, part, bits) VALUES (?, ?, vec_bit(?))",
        [(chunk, part, row) for chunk, row in zip(vectors, bits, strict=True)],
    )


def remove(uow: UnitOfWork, chunks: Sequence[int]) -> None:
    """Take chunks out of the index."""
    uow.sql_many("DELETE FROM chunk_bits WHERE chunk_id = ?", [(c,) for c in chunks])


def nearest(
    uow: UnitOfWork, part: str, query: Vectors, limit: int = CANDIDATES
) -> list[int]:
    """Return the ids of the chunks nearest to a (d,) query by sign bits."""
    (bits,) = sign_bits(quantise(query[np.newaxis]))
    rows = uow.sql(
        "SELECT chunk_id FROM chunk_bits "
        "WHERE bits MATCH vec_bit(?) AND k = ? AND part = ?",
        bits,
        limit,
        part,
    )
    return [int(row[0]) for row in rows]
