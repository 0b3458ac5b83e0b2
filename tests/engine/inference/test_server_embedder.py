"""An embedding model behind a server."""

from typing import Any

import numpy as np
import pytest

from engine.inference.loopback import Asked, Reply, json_reply, serving
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.server_client import ServerClient
from issuetrack.engine.inference.server_embedder import ServerEmbedder


def vectors(request: Asked) -> Reply:
    """Answer a vector for each text, out of order."""
    rows = [
        {"index": place, "embedding": [3.0, float(len(text)), 0.0]}
        for place, text in enumerate(request.json["input"])
    ]
    return json_reply({"data": rows[::-1]})


def test_rows_are_unit_vectors_in_the_order_of_the_texts() -> None:
    """Rows are put in order and made of length 1, also over two batches."""
    with serving(vectors) as server:
        model = ServerEmbedder(ServerClient(f"{server.url}/v1", "x"), "tiny")
        rows = model.embed(["a" * n for n in range(1, 41)])
        assert model.embed([]).shape == (0, 3)
        assert model.fingerprint.endswith(":tiny:3")
    assert (rows.shape, rows.dtype) == ((40, 3), np.dtype(np.float32))
    assert rows[:, 1] / rows[:, 0] == pytest.approx(np.arange(1, 41) / 3, rel=1e-4)


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{"index": 0, "embedding": [1.0]}] * 2},
        {"data": [{"index": 0, "embedding": ["x"]}]},
        {"data": [{"index": 0, "embedding": [float("inf")]}]},
        {"data": [{"index": 0}]},
        {"oops": 1},
        [],
    ],
)
def test_answer_that_is_no_vectors_is_an_error(answer: Any) -> None:
    """Nothing else gets into the index."""
    with serving(lambda _: json_reply(answer)) as server:
        model = ServerEmbedder(ServerClient(f"{server.url}/v1", "x"), "tiny")
        with pytest.raises(ModelError):
            model.embed(["text"])
