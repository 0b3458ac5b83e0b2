"""A real HTTP server on loopback that stands for a tracker, and that can misbehave."""

import gzip
import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

ENDLESS_BYTES = 10 * 1024**3
BOMB_BYTES = 1024**3
PIECE = 64 * 1024
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Received:
    """A request as it came.

    Attributes:
        query: the parameters after the question mark; the last of each name counts.
        headers: names in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """Return the decoded body; None if there is none."""
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Reply:
    """An answer: JSON content, or raw bytes."""

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None


Respond = Callable[[Received], Reply]
Fault = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class LoopbackServer:
    """Answers requests, keeps what came, and misbehaves when it is told to.

    Attributes:
        respond: makes the answers.
        received: every request so far.
        faults: what happens to the next requests in place of an answer; None answers.
    """

    respond: Respond
    received: list[Received] = field(default_factory=list)
    faults: deque[Fault | None] = field(default_factory=deque)
    url: str = ""

    def fail(self, *faults: Fault | None) -> None:
        """Let the next requests meet these faults, in order; None answers one."""
        self.faults.extend(faults)

    def take_fault(self) -> Fault | None:
        """Return what happens to this request in place of an answer."""
        return self.faults.popleft() if self.faults else None


@contextmanager
def serving(
    respond: Respond, tls: ssl.SSLContext | None = None
) -> Iterator[LoopbackServer]:
    """Run a server on a free port of 127.0.0.1 during the block.

    Args:
        respond: makes the answers.
        tls: its certificate; None to serve without encryption.
    """
    server = LoopbackServer(respond)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    if tls is not None:
        http.socket = tls.wrap_socket(http.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server.url = f"{scheme}://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _handler(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def answer(self) -> None:
            """Answer one request, or let it meet a fault."""
            parts = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            request = Received(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(size),
            )
            server.received.append(request)
            fault = server.take_fault()
            with suppress(ConnectionError):
                if fault is not None:
                    fault(self)
                else:
                    send(self, server.respond(request))

        def handle_one_request(self) -> None:
            """Serve one request; the other side may hang up at any moment."""
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    for method in METHODS:
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler


def send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    """Write an answer."""
    body = reply.raw
    if body is None:
        body = b"" if reply.content is None else json.dumps(reply.content).encode()
    headers = {"Content-Type": "application/json", **reply.headers}
    if "Date" in headers:
        handler.send_response_only(reply.status)
    else:
        handler.send_response(reply.status)
    for name, value in headers.items():
        handler.send_header(name, value)
    if "Content-Length" not in headers:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def answering(reply: Reply) -> Fault:
    """Return the fault of answering something else."""
    return lambda handler: send(handler, reply)


def status(code: int, headers: Mapping[str, str] | None = None) -> Fault:
    """Return the fault of answering with a status and an error message."""
    return answering(Reply({"message": f"status {code}"}, code, headers or {}))


def limited(retry_after: str | None) -> Fault:
    """Return the fault of a used-up rate limit; None leaves `Retry-After` away."""
    return status(429, {} if retry_after is None else {"Retry-After": retry_after})


def page(_code: int = 200) -> Fault:
    """Return the fault of a login page in place of JSON."""
    html = b"<!doctype html><title>Log in</title><form></form>"
    return answering(
        Reply(status=_code, raw=html, headers={"Content-Type": "text/html"})
    )


def truncated() -> Fault:
    """Return the fault of JSON that ends in the middle."""
    return answering(Reply(raw=b'[{"number": 1, "title": "brok'))


def reset(after: int = 20) -> Fault:
    """Return the fault of a connection that is reset in the middle of the body."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.wfile.write(b"[" * after)
        handler.wfile.flush()
        handler.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        handler.close_connection = True

    return fault


def slow(seconds: float) -> Fault:
    """Return the fault of an answer that does not come for a while."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def endless() -> Fault:
    """Return the fault of a body of 10 GiB."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(ENDLESS_BYTES))
        handler.end_headers()
        handler.close_connection = True
        piece = b" " * PIECE
        for _ in range(ENDLESS_BYTES // PIECE):
            handler.wfile.write(piece)

    return fault


def bomb(times: int = 1) -> Fault:
    """Return the fault of a small compressed body that is 1 GiB unpacked.

    Args:
        times: how often it is packed; twice makes it a few KiB.
    """
    body, names = _packed_blanks(), ["gzip"]
    for _ in range(times - 1):
        body, names = gzip.compress(body), [*names, "gzip"]
    headers = {"Content-Encoding": ", ".join(names)}
    return answering(Reply(raw=body, headers=headers))


def _packed_blanks() -> bytes:
    """Return 1 GiB of blanks as one gzip member, packed a piece at a time."""
    gz = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    piece = b" " * PIECE * 16
    first = gz.compress(piece) + gz.flush(zlib.Z_FULL_FLUSH)
    again = gz.compress(piece) + gz.flush(zlib.Z_FULL_FLUSH)
    return first + again * (BOMB_BYTES // len(piece) - 1)


def drip(pause: float, piece: bytes = b" ", packing: str = "identity") -> Fault:
    """Return the fault of a body that comes a little at a time and never ends."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Encoding", packing)
        handler.send_header("Content-Length", str(ENDLESS_BYTES))
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def redirect(url: str, code: int = 302) -> Fault:
    """Return the fault of being sent on to another url."""
    return answering(Reply({"message": "moved"}, code, {"Location": url}))
