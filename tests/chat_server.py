"""Chat models that say what a test has them say: in this process, and behind HTTP."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from issuetrack.engine.errors import ContextOverflow, ModelCancelled
from issuetrack.engine.inference.ports import ChatRequest, Completion

LINE = re.compile(r"^(E\d+): (\w+) of (\S+): (.*)$")
FIELD_OF = {
    "cause": ("root_causes", "cause"),
    "step": ("steps", "action"),
    "validation": ("validation", "action"),
    "rollback": ("rollback", "action"),
}
Speak = Callable[[Sequence[Mapping[str, str]], Mapping[str, Any]], str]


@dataclass(frozen=True)
class Shown:
    """A line of evidence as the model sees it."""

    id: str
    kind: str
    place: str
    text: str
    command: str | None


def shown(messages: Sequence[Mapping[str, str]]) -> list[Shown]:
    """Return the evidence that a prompt offers."""
    told = messages[-1]["content"].partition("<evidence>")[2]
    lines = told.partition("</evidence>")[0].strip().splitlines()
    found = []
    for line in lines:
        match = LINE.match(line)
        assert match is not None, line
        text, end = json.JSONDecoder().raw_decode(match[4])
        rest = match[4][end:].removeprefix(" command: ")
        command = json.loads(rest) if rest else None
        found.append(Shown(match[1], match[2], match[3], text, command))
    return found


def quoting(messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> str:
    """Say what the evidence says, word by word."""
    said: dict[str, Any] = {
        name: "-" if name == "summary" else [] for name in schema["properties"]
    }
    for item in shown(messages):
        name, key = FIELD_OF[item.kind]
        if len(said[name]) == schema["properties"][name]["maxItems"]:
            continue
        stated: dict[str, Any] = {"evidence": [item.id], key: item.text[:240]}
        if item.command and item.kind != "cause":
            stated["command"] = item.command
        said[name].append(stated)
    return json.dumps(said)


@dataclass
class ScriptedModel:
    """A chat model in this process."""

    speak: Speak
    context: int = 8192
    name: str = "scripted"
    fingerprint: str = "scripted:1"
    requests: list[ChatRequest] = field(default_factory=list)
    finish: Any = "stop"

    def count(self, text: str) -> int:
        return len(text) // 4 + 1

    def complete(
        self,
        request: ChatRequest,
        on_token: Callable[[str], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> Completion:
        self.requests.append(request)
        prompt = sum(self.count(message.content) for message in request.messages)
        if prompt + request.most_tokens > self.context:
            raise ContextOverflow(f"{prompt} tokens are too many", "ask for less")
        if cancel is not None and cancel.is_set():
            raise ModelCancelled("the model was stopped")
        messages = [{"role": m.role, "content": m.content} for m in request.messages]
        text = self.speak(messages, request.schema or {})
        if on_token is not None:
            on_token(text)
        return Completion(text, self.finish, prompt, self.count(text), 0.01, 0.02)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send({"data": [{"id": "scripted", "max_model_len": 8192}]})
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = json.loads(body)
        if self.path != "/v1/chat/completions":
            self.send_error(404)
            return
        self.server.requests.append(asked)
        form = asked.get("response_format", {}).get("json_schema", {})
        text = self.server.speak(asked["messages"], form.get("schema", {}))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in _pieces(text):
            self._event({"choices": [{"delta": {"content": piece}}]})
        self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: Mapping[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())

    def _send(self, data: Mapping[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, speak: Speak) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.speak = speak
        self.requests: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """Return where its interface is."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


def _pieces(text: str, size: int = 40) -> Iterator[str]:
    yield from (text[i : i + size] for i in range(0, len(text), size))


@contextmanager
def chat_server(speak: Speak) -> Iterator[_Server]:
    """Run a model server on the loopback interface."""
    server = _Server(speak)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
