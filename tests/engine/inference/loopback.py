"""Servers on this machine that stand for model servers, hubs and package indexes."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return what it says."""
        return json.loads(self.body)


@dataclass
class Reply:
    """What to answer; parts go out one by one."""

    status: int = 200
    parts: tuple[bytes, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    pause: Callable[[], None] = lambda: None


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return an answer in JSON."""
    return Reply(
        status, (json.dumps(value).encode(),), {"Content-Type": "application/json"}
    )


def sse(*events: Any) -> Reply:
    """Return an answer of server-sent events, as OpenAI-compatible servers stream."""
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    return Reply(
        200, (*lines, b"data: [DONE]\n\n"), {"Content-Type": "text/event-stream"}
    )


def spoken(*pieces: str, finish: str = "stop") -> Reply:
    """Return a streamed answer of a chat model."""
    parts = [
        {"choices": [{"delta": {"content": p}, "finish_reason": None}]} for p in pieces
    ]
    end: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": finish}]}
    usage = {"prompt_tokens": 7, "completion_tokens": len(pieces)}
    return sse(*parts, end, {"choices": [], "usage": usage})


class Loopback:
    """A server whose answers a test gives, and what it was asked."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.asked: list[Asked] = []
        self.answer = answer
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                asked = Asked(
                    self.command, self.path, dict(self.headers), self.rfile.read(length)
                )
                outer.asked.append(asked)
                reply = outer.answer(asked)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.length is not None:
                    self.send_header("Content-Length", str(reply.length))
                self.end_headers()
                if self.command == "HEAD":
                    return
                try:
                    for part in reply.parts:
                        self.wfile.write(part)
                        self.wfile.flush()
                        reply.pause()
                except OSError:
                    return

            do_GET = do_POST = do_HEAD = _handle  # noqa: N815

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def port(self) -> int:
        """Return where it listens."""
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        """Return its origin."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """Return what it was asked for."""
        return [asked.path for asked in self.asked]


@contextmanager
def serving(answer: Callable[[Asked], Reply]) -> Iterator[Loopback]:
    """Run a server during the block."""
    loopback = Loopback(answer)
    thread = threading.Thread(target=loopback.server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield loopback
    finally:
        loopback.server.shutdown()
        loopback.server.server_close()
        thread.join()


@dataclass
class Hub:
    """Answers as the hub does for one file.

    Attributes:
        break_after: how many bytes go out before the connection breaks; once.
        stated: the checksum that it states; None for the real one.
    """

    content: bytes
    break_after: int | None = None
    stated: str | None = None
    ranges: list[str | None] = field(default_factory=list)

    @property
    def sha256(self) -> str:
        """Return the checksum of the file."""
        return hashlib.sha256(self.content).hexdigest()

    def __call__(self, asked: Asked) -> Reply:
        """Answer."""
        headers = {
            "ETag": f'"{self.stated or self.sha256}"',
            "X-Repo-Commit": "c" * 40,
            "Accept-Ranges": "bytes",
        }
        if asked.method == "HEAD":
            return Reply(200, (), headers, len(self.content))
        wanted = asked.headers.get("Range")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").partition("-")[0]) if wanted else 0
        body = self.content[start:]
        if wanted:
            end = len(self.content) - 1
            headers["Content-Range"] = f"bytes {start}-{end}/{len(self.content)}"
        sent = body
        if self.break_after is not None:
            sent, self.break_after = body[: self.break_after], None
        return Reply(206 if wanted else 200, (sent,), headers, len(body))
