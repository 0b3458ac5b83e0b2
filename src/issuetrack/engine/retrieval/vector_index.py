"""Nearness in meaning: sign bits to find candidates, int8 vectors to score them.

A unit vector is kept raw as int8, scaled by its largest component; cosines do not
depend on the scale. Its signs, packed, are searched exhaustively by Hamming distance
with sqlite-vec; the nearest are rescored with the int8 cosine. Where a transform is in
force, bits and scores are those of the transformed vectors; see `adaptation`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval.scope import EVERYTHING, SOP_PARTS, Scope
from issuetrack.engine.store.unit_of_work import UnitOfWork

CANDIDATES = 200
SQL_VARIABLES = 30000
BLOCK = 16384
INSERT = "INSERT INTO chunk_bits(chunk_id, part, bits) VALUES (?, ?, vec_bit(?))"


def quantise(vectors: Vectors) -> npt.NDArray[np.int8]:
    """Return an (n, d) float32 array as int8, each row scaled to its largest."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), 1e-12)
    quantised: npt.NDArray[np.int8] = np.round(vectors / largest * 127).astype(np.int8)
    return quantised


def sign_bits(vectors: npt.NDArray[np.int8]) -> list[bytes]:
    """Return the packed signs of each row, d / 8 bytes."""
    return _packed(vectors > 0)


def _packed(positive: npt.NDArray[np.bool_]) -> list[bytes]:
    packed = np.packbits(positive, axis=1, bitorder="little")
    return [row.tobytes() for row in packed]


def unit_rows(blobs: Sequence[bytes]) -> Vectors:
    """Return stored int8 vectors as an (n, d) float32 array of unit rows."""
    raw = np.frombuffer(b"".join(blobs), dtype=np.int8).reshape(len(blobs), -1)
    vectors = raw.astype(np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(norms, 1e-12)
    return unit


def transformed(vectors: Vectors, transform: "Vectors | None") -> Vectors:
    """Return (n, d) unit rows as they are compared; as they are without a transform."""
    if transform is None:
        return vectors
    moved = vectors @ transform
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    unit: Vectors = moved / np.maximum(norms, 1e-12)
    return unit


def add(
    uow: UnitOfWork,
    part: str,
    vectors: dict[int, bytes],
    transform: "Vectors | None" = None,
) -> None:
    """Index the int8 vectors of chunks, by chunk id."""
    if not vectors:
        return
    bits = _bits(list(vectors.values()), transform)
    uow.sql_many(
        INSERT, [(chunk, part, row) for chunk, row in zip(vectors, bits, strict=True)]
    )


def _bits(blobs: list[bytes], transform: "Vectors | None") -> list[bytes]:
    raw = np.frombuffer(b"".join(blobs), dtype=np.int8).reshape(len(blobs), -1)
    if transform is None:
        return sign_bits(raw)
    return _packed(raw.astype(np.float32) @ transform > 0)


def derive(uow: UnitOfWork, transform: "Vectors | None") -> None:
    """Make the index anew from the stored vectors, as a transform has them."""
    last = -1
    emptied = False
    while rows := uow.sql(
        "SELECT chunk.id, kind, vector FROM chunk JOIN chunk_vector "
        "USING (content_hash) WHERE chunk.id > ? ORDER BY chunk.id LIMIT ?",
        last,
        BLOCK,
    ):
        if not emptied:
            clear(uow, len(rows[0][2]))
            emptied = True
        bits = _bits([bytes(row[2]) for row in rows], transform)
        uow.sql_many(
            INSERT, [(row[0], row[1], b) for row, b in zip(rows, bits, strict=True)]
        )
        last = rows[-1][0]


def remove(uow: UnitOfWork, chunks: Sequence[int]) -> None:
    """Take chunks out of the index."""
    uow.sql_many("DELETE FROM chunk_bits WHERE chunk_id = ?", [(c,) for c in chunks])


def clear(uow: UnitOfWork, dimensions: int) -> None:
    """Make the index anew, empty, for vectors of so many dimensions."""
    uow.sql("DROP TABLE chunk_bits")
    uow.sql(
        "CREATE VIRTUAL TABLE chunk_bits USING vec0(chunk_id INTEGER PRIMARY KEY, "
        f"part TEXT PARTITION KEY, bits BIT[{int(dimensions)}])"
    )


def nearest(
    uow: UnitOfWork,
    part: str,
    query: Vectors,
    limit: int = CANDIDATES,
    scope: Scope = EVERYTHING,
) -> list[int]:
    """Return the ids of the chunks nearest to a (d,) query by sign bits.

    The scope is looked at where it splits the part; which parts are asked tells the rest.
    """
    (bits,) = sign_bits(quantise(query[np.newaxis]))
    within = ""
    parameters: list[str] = []
    if scope.splits(part):
        clause, parameters = scope.clause("id")
        if part in SOP_PARTS:
            clause = f"sop_id > 0 AND {clause}"
        within = f"AND chunk_id IN (SELECT id FROM chunk WHERE {clause})"
    rows = uow.sql(
        "SELECT chunk_id FROM chunk_bits "
        f"WHERE bits MATCH vec_bit(?) AND k = ? AND part = ? {within}",
        bits,
        limit,
        part,
        *parameters,
    )
    return [int(row[0]) for row in rows]
