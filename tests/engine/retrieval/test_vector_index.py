"""Vectors as signs and bytes: nearest by bits, cosines kept, parts apart."""

import numpy as np
import numpy.typing as npt
import pytest

from issuetrack.engine.inference.ports import Vectors
from issuetrack.engine.retrieval import vector_index
from issuetrack.engine.retrieval.vector_index import quantise, sign_bits, unit_rows
from issuetrack.engine.workspace import Workspace

WIDTH = 384


def random_units(seed: int, rows: int) -> Vectors:
    """Return random unit rows, clustered a little as real ones are."""
    generator = np.random.default_rng(seed)
    centre = generator.normal(size=WIDTH)
    vectors = generator.normal(size=(rows, WIDTH)) + 0.5 * centre
    unit: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(
        np.float32
    )
    return unit


def stored(vectors: Vectors) -> dict[int, bytes]:
    """Return int8 rows by ids from 1."""
    rows = quantise(vectors)
    return {number: row.tobytes() for number, row in enumerate(rows, start=1)}


def distances(vectors: Vectors, query: Vectors) -> npt.NDArray[np.int64]:
    """Return the number of components whose sign differs, by brute force."""
    positive = quantise(vectors) > 0
    asked = quantise(query[np.newaxis])[0] > 0
    total: npt.NDArray[np.int64] = (positive != asked).sum(axis=1)
    return total


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_nearest_are_those_of_brute_force(workspace: Workspace, seed: int) -> None:
    """The index returns the rows with the smallest Hamming distances."""
    vectors = random_units(seed, 400)
    with workspace._database.write() as uow:
        vector_index.add(uow, "title", stored(vectors))
        for query in random_units(seed + 100, 5):
            found = vector_index.nearest(uow, "title", query, 25)
            expected = distances(vectors, query)
            assert sorted(expected[[n - 1 for n in found]]) == sorted(expected)[:25]


def test_a_vector_is_its_own_nearest(workspace: Workspace) -> None:
    """Every row finds itself first."""
    vectors = random_units(7, 50)
    with workspace._database.write() as uow:
        vector_index.add(uow, "title", stored(vectors))
        firsts = [vector_index.nearest(uow, "title", v, 1) for v in vectors]
    assert firsts == [[number] for number in range(1, 51)]


def test_cosines_survive_quantisation() -> None:
    """The int8 cosine is within a hundredth of the float cosine."""
    vectors = random_units(11, 200)
    kept = unit_rows([row.tobytes() for row in quantise(vectors)])
    assert np.abs(vectors @ vectors.T - kept @ kept.T).max() < 0.01


def test_quantised_rows_reach_127() -> None:
    """Each row is scaled to its own largest component."""
    rows = quantise(random_units(5, 20) * np.float32(0.001))
    assert rows.dtype == np.int8
    assert np.abs(rows.astype(int)).max(axis=1).tolist() == [127] * 20


def test_a_row_of_zeros_is_kept_as_zeros() -> None:
    """Nothing divides by zero, neither here nor on the way back."""
    zeros: Vectors = np.zeros((1, WIDTH), dtype=np.float32)
    rows = quantise(zeros)
    assert not rows.any()
    assert not unit_rows([rows[0].tobytes()]).any()


def test_signs_are_packed_eight_to_a_byte() -> None:
    """Bit 0 of byte 0 is the sign of the first component."""
    row = np.full((1, 16), -5, dtype=np.int8)
    row[0, [0, 3, 9]] = 7
    row[0, 1] = 0
    assert sign_bits(row) == [bytes([0b00001001, 0b00000010])]


def test_stored_rows_come_back_as_units() -> None:
    """Whatever their scale, rows have length 1 and float32."""
    back = unit_rows([row.tobytes() for row in quantise(random_units(3, 9))])
    assert (back.shape, back.dtype) == ((9, WIDTH), np.dtype(np.float32))
    assert np.linalg.norm(back, axis=1) == pytest.approx([1.0] * 9, abs=1e-5)


def test_parts_are_searched_apart(workspace: Workspace) -> None:
    """A title is never among the nearest texts."""
    vectors = random_units(13, 40)
    rows = stored(vectors)
    with workspace._database.write() as uow:
        vector_index.add(uow, "title", {n: r for n, r in rows.items() if n <= 20})
        vector_index.add(uow, "problem", {n: r for n, r in rows.items() if n > 20})
        titles = vector_index.nearest(uow, "title", vectors[30], 40)
        problems = vector_index.nearest(uow, "problem", vectors[30], 40)
        nothing = vector_index.nearest(uow, "resolution", vectors[30], 40)
    assert (set(titles), set(problems)) == (set(range(1, 21)), set(range(21, 41)))
    assert (problems[0], nothing) == (31, [])


def test_a_removed_row_is_not_found(workspace: Workspace) -> None:
    """After removal the next nearest moves up, and the id can be used again."""
    vectors = random_units(17, 10)
    rows = stored(vectors)
    with workspace._database.write() as uow:
        vector_index.add(uow, "title", rows)
        vector_index.remove(uow, [4, 5])
        found = vector_index.nearest(uow, "title", vectors[3], 10)
        assert set(found) == set(rows) - {4, 5}
        vector_index.add(uow, "title", {4: rows[4]})
        assert vector_index.nearest(uow, "title", vectors[3], 1) == [4]


def test_adding_and_removing_nothing_is_fine(workspace: Workspace) -> None:
    """An empty batch changes nothing."""
    with workspace._database.write() as uow:
        vector_index.add(uow, "title", {})
        vector_index.remove(uow, [])
        assert vector_index.nearest(uow, "title", random_units(1, 1)[0], 5) == []
