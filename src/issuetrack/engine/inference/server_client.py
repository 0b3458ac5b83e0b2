"""Talks to one OpenAI-compatible model server: llama-server, Ollama, vLLM, LM Studio.

Interface: https://platform.openai.com/docs/api-reference/chat. Answers are bounded in
size and time, and nothing is sent twice.
"""

import json
import os
from collections.abc import Generator, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import httpx

from issuetrack import __version__
from issuetrack.engine.addresses import Resolve, resolve
from issuetrack.engine.errors import ContextOverflow, ModelError
from issuetrack.engine.inference.guarded import (
    CONNECT_SECONDS,
    GuardedTransport,
    server_address,
)

MOST_BYTES = 16 * 1024 * 1024
MOST_SAID = 200
OK, REDIRECT, BAD, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 300, 400, 401, 403, 404
PROBE_SECONDS = 10.0
REMEDY = "check it: issuetrack models test NAME"


class ServerClient:
    """Sends requests to one model server.

    Args:
        url: of its interface, such as `http://127.0.0.1:8080/v1`.
        purpose: what it is contacted for, for the egress ledger.
        allowed: hosts that may be outside the private network, by an admin's leave.
        key_env: the environment variable that holds the server's key, if it has one.
        find: what tells the addresses of a name.
    """

    def __init__(
        self,
        url: str,
        purpose: str,
        allowed: Set[str] = frozenset(),
        key_env: str | None = None,
        find: Resolve = resolve,
    ) -> None:
        self.address = server_address(url)
        self._key_env = key_env
        self._http = httpx.Client(
            transport=GuardedTransport(self.address, allowed, purpose, find),
            headers={
                "User-Agent": f"issuetrack/{__version__}",
                "Accept-Encoding": "identity",
            },
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _headers(self) -> dict[str, str]:
        if self._key_env is None:
            return {}
        key = os.environ.get(self._key_env, "").strip()
        if not key or not key.isascii():
            raise ModelError(
                f"the key of {self.address.host} is not in the environment",
                f"set {self._key_env}",
            )
        return {"Authorization": f"Bearer {key}"}

    @contextmanager
    def _answer(
        self, method: str, url: str, content: Mapping[str, Any] | None, timeout: float
    ) -> Iterator[httpx.Response]:
        patience = httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS))
        try:
            with self._http.stream(
                method, url, json=content, headers=self._headers(), timeout=patience
            ) as response:
                yield response
        except httpx.TimeoutException as error:
            raise ModelError(
                f"{self.address.host} does not answer in time", REMEDY
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise ModelError(
                f"cannot talk to {self.address.host} at port {self.address.port}: "
                f"{said(str(error)) or type(error).__name__}",
                "start the model server, or: issuetrack models use none",
            ) from error

    def lines(
        self, path: str, content: Mapping[str, Any], timeout: float
    ) -> Generator[str, None, None]:
        """Yield the lines of an answer as they come.

        Raises:
            ModelError: the server cannot be reached, refuses, or says too much.
        """
        with self._answer(
            "POST", self.address.base + path, content, timeout
        ) as response:
            if response.status_code != OK:
                self._refuse(response.status_code, self._whole(response))
            rest = b""
            read = 0
            for part in response.iter_raw():
                read = self._bounded(read + len(part))
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    yield line.decode("utf-8", "replace")
            yield rest.decode("utf-8", "replace")

    def ask(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        timeout: float = PROBE_SECONDS,
    ) -> Any:
        """Return an answer in JSON.

        Args:
            method: GET or POST.
            path: under the url; one that begins with two slashes is under the origin.
            content: what is sent.
            timeout: seconds.

        Raises:
            ModelError: the server cannot be reached, refuses, or sends no JSON.
        """
        at_origin = path.startswith("//")
        base = self.address.origin if at_origin else self.address.base
        target = base + (path[1:] if at_origin else path)
        with self._answer(method, target, content, timeout) as response:
            data = self._whole(response)
            if response.status_code != OK:
                self._refuse(response.status_code, data)
        return self.decoded(data)

    def decoded(self, data: bytes | str) -> Any:
        """Return what JSON says.

        Raises:
            ModelError: it is none.
        """
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self.nonsense() from error

    def nonsense(self) -> ModelError:
        """Return the error for an answer of another kind than promised."""
        return ModelError(
            f"{self.address.host} does not answer as a model server does",
            "check the url: it often ends in /v1",
        )

    def _whole(self, response: httpx.Response) -> bytes:
        data = b""
        for part in response.iter_raw():
            data += part
            self._bounded(len(data))
        return data

    def _bounded(self, size: int) -> int:
        if size > MOST_BYTES:
            raise ModelError(f"{self.address.host} answers without an end", REMEDY)
        return size

    def _refuse(self, status: int, data: bytes) -> None:
        host = self.address.host
        if status < BAD and status >= REDIRECT:
            raise ModelError(
                f"{host} sends us on to another place; nothing was sent there",
                "give the url that it means: issuetrack models add --url URL NAME",
            )
        if status in (UNAUTHORIZED, FORBIDDEN):
            raise ModelError(
                f"{host} does not take the key", "name it with --key-env VARIABLE"
            )
        if status == NOT_FOUND:
            raise ModelError(f"{host} does not know the model or the url", REMEDY)
        told = _told_error(data)
        if status == BAD and "context" in told.lower():
            raise ContextOverflow(
                f"{host} says that the request is too long: {told}",
                "ask with less evidence, or start the server with more context",
            )
        raise ModelError(f"{host} fails with status {status}: {told}", REMEDY)


def said(text: str) -> str:
    """Return the beginning of what a server says, in one line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[
        :MOST_SAID
    ]


def _told_error(data: bytes) -> str:
    try:
        error = json.loads(data)["error"]
        return said(str(error["message"] if isinstance(error, dict) else error))
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it does not say why"
