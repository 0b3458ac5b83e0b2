"""A chat model behind a server: what is sent, what is believed, where it may be."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.inference.loopback import (
    Asked,
    Loopback,
    Reply,
    json_reply,
    serving,
    spoken,
    sse,
)
from issuetrack.engine.egress import Outcome, recording_to
from issuetrack.engine.errors import (
    ContextOverflow,
    ModelCancelled,
    ModelError,
    UsageError,
)
from issuetrack.engine.inference.guarded import local_addresses, server_address
from issuetrack.engine.inference.ports import ChatMessage, ChatRequest, Completion
from issuetrack.engine.inference.probe import try_chat
from issuetrack.engine.inference.server_chat import ServerChat
from issuetrack.engine.inference.server_client import MOST_BYTES, ServerClient

MODELS = {"data": [{"id": "tiny", "max_model_len": 1000}]}
PUBLIC = "93.184.215.14"


def chat(server: Loopback, context: int | None = 4096, **options: Any) -> ServerChat:
    """Return a model behind a loopback server."""
    client = ServerClient(f"{server.url}/v1", "model test", **options)
    return ServerChat(client, "test", "tiny", context)


def asked(**options: Any) -> ChatRequest:
    """Return a short request."""
    return ChatRequest((ChatMessage("user", "why?"),), **{"timeout": 5.0, **options})


def answering(reply: Reply) -> Callable[[Asked], Reply]:
    """Answer completions so, and say that nothing else is known."""

    def answer(request: Asked) -> Reply:
        if request.path == "/v1/chat/completions":
            return reply
        if request.path == "/v1/models":
            return json_reply(MODELS)
        return json_reply({"error": "no"}, 404)

    return answer


def completed(reply: Reply, **options: Any) -> Completion:
    """Return what comes of an answer."""
    with serving(answering(reply)) as server:
        return chat(server).complete(asked(**options))


def test_streamed_answer_comes_whole_and_in_pieces() -> None:
    """Pieces, counts and the end are those of the server."""
    told: list[str] = []
    with serving(answering(spoken("the ", "disk"))) as server:
        answer = chat(server).complete(asked(), told.append)
    assert (told, answer.text, answer.finish) == (["the ", "disk"], "the disk", "stop")
    assert (answer.prompt_tokens, answer.completion_tokens) == (7, 2)


def test_request_says_what_was_asked() -> None:
    """Model, seed, length, schema and messages go out; no key where there is none."""
    schema = {"type": "object"}
    with serving(answering(spoken("{}"))) as server:
        chat(server).complete(asked(schema=schema, seed=5, most_tokens=9))
        sent = server.asked[-1]
    body = sent.json
    assert (body["model"], body["seed"], body["max_tokens"]) == ("tiny", 5, 9)
    assert body["messages"] == [{"role": "user", "content": "why?"}]
    assert body["response_format"]["json_schema"]["schema"] == schema
    assert "Authorization" not in sent.headers


def test_answer_in_one_object_is_read_too() -> None:
    """A server that does not stream is understood."""
    choice = {"message": {"content": "disk"}, "finish_reason": "stop"}
    assert completed(json_reply({"choices": [choice]})).text == "disk"


def test_cut_answer_says_so() -> None:
    """An answer that ended at its most tokens is told as such."""
    assert completed(spoken("{", finish="length")).finish == "length"


HTML = Reply(200, (b"<html>welcome</html>",), {"Content-Type": "text/html"})
NONSENSE = {
    "a web page": HTML,
    "nothing": Reply(200, ()),
    "broken JSON": Reply(200, (b"data: {oops\n\n",)),
    "a list": sse([1, 2]),
    "no choices": json_reply({"hello": 1}),
    "a number for a text": sse({"choices": [{"delta": {"content": 5}}]}),
    "half an answer": Reply(200, (b'data: {"choices":[{"delta":{"content":"x"}}]}\n',)),
    "deep nesting": Reply(200, (b"data: " + b"[" * 200_000 + b"\n",)),
    "bytes": Reply(200, (b"data: \xff\xfe\x00\n",)),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_answer_that_is_none_is_an_error(name: str) -> None:
    """Whatever else a server says, it is not taken for an answer."""
    with pytest.raises(ModelError, match="as a model server does"):
        completed(NONSENSE[name])


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (json_reply({"error": {"message": "no"}}, 401), ModelError, "key"),
        (json_reply({"error": {"message": "no"}}, 403), ModelError, "key"),
        (json_reply({}, 404), ModelError, "does not know"),
        (json_reply({"error": {"message": "boom"}}, 500), ModelError, "500: boom"),
        (
            Reply(302, (), {"Location": "http://127.0.0.1/"}),
            ModelError,
            "another place",
        ),
        (
            json_reply({"error": {"message": "exceeds the context size"}}, 400),
            ContextOverflow,
            "too long",
        ),
        (sse({"error": {"message": "cuda"}}), ModelError, "cuda"),
        (spoken("x", finish="content_filter"), ModelError, "content_filter"),
    ],
    ids=["401", "403", "404", "500", "302", "400", "error event", "filter"],
)
def test_refusal_of_a_server_is_told(
    reply: Reply, error: type[ModelError], told: str
) -> None:
    """Each has a cause in words and a remedy."""
    with pytest.raises(error, match=told) as caught:
        completed(reply)
    assert caught.value.hint


def test_redirect_is_not_followed() -> None:
    """The place that a server points at is not asked."""
    with serving(answering(spoken("x"))) as other:
        reply = Reply(307, (), {"Location": f"{other.url}/v1/chat/completions"})
        with pytest.raises(ModelError):
            completed(reply)
        assert other.asked == []


def test_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets go to the server that was named, and nowhere else."""
    with serving(answering(spoken("x"))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert completed(spoken("ok")).text == "ok"
        assert proxy.asked == []


def test_answer_without_an_end_is_broken_off() -> None:
    """More than the limit is not kept in memory."""
    part = b": " + b"x" * 1024 * 1024 + b"\n"
    endless = Reply(200, (part,) * (MOST_BYTES // len(part) + 2))
    with pytest.raises(ModelError, match="without an end"):
        completed(endless)


def test_silent_server_is_given_up() -> None:
    """A server that takes the request and says nothing costs only the time given."""
    released = threading.Event()

    def answer(request: Asked) -> Reply:
        released.wait(60)
        return spoken("late")

    started = time.monotonic()
    with serving(answer) as server:
        with pytest.raises(ModelError, match=r"in time|did not finish"):
            chat(server).complete(asked(timeout=0.3))
        released.set()
    assert time.monotonic() - started < 30


def test_slow_answer_can_be_cancelled() -> None:
    """Cancelled after its first piece, it ends at once."""
    cancel, released = threading.Event(), threading.Event()
    reply = spoken("a", "b", "c")

    def pause() -> None:
        released.wait(0.5)

    reply.pause = pause
    with serving(answering(reply)) as server:
        with pytest.raises(ModelCancelled):
            chat(server).complete(asked(), lambda _: cancel.set(), cancel)
        released.set()


def test_stopped_server_is_an_error_of_its_own() -> None:
    """Where nothing listens the remedy is to start it, or to do without."""
    with serving(answering(spoken("x"))) as server:
        model = chat(server)
    with pytest.raises(ModelError, match="cannot talk to 127") as caught:
        model.complete(asked())
    assert "use none" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        ("api.openai.com", [PUBLIC]),
        ("inside.example", ["10.0.0.5", PUBLIC]),
        ("metadata.internal", ["169.254.169.254"]),
        ("mapped.example", ["::ffff:93.184.215.14"]),
        ("zero.example", ["0.0.0.0"]),
        ("link.example", ["fe80::1"]),
        ("translated.example", ["64:ff9b::5db8:d70e"]),
    ],
)
def test_host_outside_is_refused_by_name(
    host: str, addresses: list[str], tmp_path: Path
) -> None:
    """No byte goes to a public address, and the ledger says that it was refused."""
    client = ServerClient(f"http://{host}/v1", "model test", find=lambda *_: addresses)
    with (
        recording_to(tmp_path / "egress.jsonl") as ledger,
        pytest.raises(
            ModelError, match=f"{host} is not on this machine or its private"
        ),
    ):
        ServerChat(client, "test", "tiny", 100).complete(asked())
    (entry,) = ledger.entries()
    assert (entry.host, entry.outcome) == (host, Outcome.REFUSED)


def test_allowed_host_is_not_refused_but_needs_encryption() -> None:
    """An admin's leave is for one host, and not for plain HTTP over the internet."""
    allowed = frozenset({"llm.example"})
    secure = server_address("https://llm.example/v1")
    assert local_addresses(secure, allowed, lambda *_: [PUBLIC]) == [PUBLIC]
    for url, address, told in (
        ("http://llm.example/v1", PUBLIC, "unencrypted"),
        ("https://llm.example/v1", "169.254.169.254", "private network"),
        ("https://other.example/v1", PUBLIC, "other.example is not on this machine"),
    ):
        with pytest.raises(ModelError, match=told):
            local_addresses(server_address(url), allowed, lambda *_, a=address: [a])


def test_name_that_changes_its_address_is_looked_at_each_time() -> None:
    """A name that leads inside first and outside then gets nothing the second time."""
    answers = iter([["127.0.0.1"], [PUBLIC]])
    with serving(answering(spoken("x"))) as server:
        client = ServerClient(
            f"http://rebinding.example:{server.port}/v1",
            "x",
            find=lambda *_: next(answers),
        )
        assert client.ask("GET", "/models") == MODELS
        with pytest.raises(ModelError, match="private network"):
            client.ask("GET", "/models")
        assert server.asked[0].headers["Host"] == f"rebinding.example:{server.port}"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1/v1",
        "http:///v1",
        "http://user:secret@127.0.0.1/v1",
        "http://127.0.0.1:99999/v1",
        "http://127.0.0.1/v1?key=secret",
        "",
    ],
)
def test_url_that_is_none_is_refused(url: str) -> None:
    """What is no plain url of a server is refused, and no secret is repeated."""
    with pytest.raises(UsageError) as caught:
        ServerClient(url, "x")
    assert "secret" not in caught.value.message


def test_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes into the header, and its absence is told by the variable's name."""
    with serving(answering(spoken("x"))) as server:
        model = chat(server, key_env="LLM_KEY")
        with pytest.raises(ModelError, match="not in the environment") as caught:
            model.complete(asked())
        assert caught.value.hint == "set LLM_KEY"
        monkeypatch.setenv("LLM_KEY", "k3y")
        model.complete(asked())
        assert server.asked[-1].headers["Authorization"] == "Bearer k3y"


def props(request: Asked) -> Reply:
    """Answer as llama-server does."""
    if request.path == "/props":
        return json_reply({"default_generation_settings": {"n_ctx": 2048}})
    if request.path == "/tokenize":
        return json_reply({"tokens": request.json["content"].split()})
    return json_reply({"data": [{"id": "tiny"}]})


def test_context_is_asked_for() -> None:
    """vLLM tells it with the model, llama-server among its properties, others not."""
    with serving(answering(spoken())) as vllm, serving(props) as llama_server:
        assert (chat(vllm, None).context, chat(llama_server, None).context) == (
            1000,
            2048,
        )
    with serving(lambda _: json_reply({"data": [{"id": "tiny"}]})) as other:
        assert chat(other, None).context == 4096


def test_tokens_are_counted_by_a_server_that_can() -> None:
    """llama-server counts; elsewhere the bytes are the bound."""
    with serving(props) as able, serving(answering(spoken())) as unable:
        assert (chat(able).count("a b c"), chat(unable).count("a b ü")) == (3, 6)
        with pytest.raises(ContextOverflow):
            chat(able, 64).complete(asked(most_tokens=64))


@pytest.fixture
def schemaless() -> Iterator[Loopback]:
    """Return a server that answers prose whatever it is asked."""
    with serving(answering(spoken("Red is a ", "warm colour."))) as server:
        yield server


def test_trying_out_tells_whether_a_schema_is_kept(schemaless: Loopback) -> None:
    """Prose is told as such; an object of the schema passes."""
    report = try_chat(chat(schemaless, None))
    assert (report.json_schema, report.context) == (False, 1000)
    assert "does not keep" in str(report.detail)
    answer = json.dumps({"colour": "red", "warm": True})
    with serving(answering(spoken(answer[:5], answer[5:]))) as server:
        report = try_chat(chat(server, None))
    assert (report.json_schema, report.detail) == (True, None)
