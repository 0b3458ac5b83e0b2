"""Talks to one tracker over HTTP: to its origin, with its credential, nowhere else.

Answers are bounded in size and time. What fails for a moment is tried again a few
times, as long as the tracker asks for, up to a limit. A redirect or a next page at
another origin is refused.
"""

import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from issuetrack import __version__
from issuetrack.connectors.answers import (
    TOO_MANY,
    Answer,
    RateLimit,
    clean_words,
    is_limited,
    rate_limit,
    wait_asked,
)
from issuetrack.connectors.network import proxy_for
from issuetrack.engine.errors import (
    CredentialError,
    IssueTrackError,
    RemoteAnswerError,
    RemoteUnreachable,
)
from issuetrack.engine.store.encryption import origin_of

MOST_BYTES = 64 * 1024 * 1024
MOST_REDIRECTS = 5
OK, BAD, FORBIDDEN, PROXY_REFUSES, SERVER = 200, 400, 403, 407, 500
REDIRECTS = {301, 302, 307, 308}
REPEATING = {307, 308}
REDIRECTION = range(300, 400)
READ_SECONDS, CONNECT_SECONDS = 30.0, 10.0
PIECE = 256 * 1024


@dataclass(frozen=True)
class Patience:
    """How long and how often to try.

    Attributes:
        attempts: how often a request is sent at most.
        first: seconds before the second attempt; doubled for each further one.
        longest: the most seconds to wait at once, whatever the tracker asks for.
        answer: the most seconds that one answer may take to arrive.
    """

    attempts: int = 5
    first: float = 0.2
    longest: float = 60.0
    answer: float = 300.0


class _Again(Exception):  # noqa: N818 - not shown to anybody
    """The request may succeed a little later."""

    def __init__(self, error: IssueTrackError, wait: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.wait = wait


Explain = Callable[[Answer], IssueTrackError]


@dataclass
class Client:
    """Sends requests to one origin.

    Attributes:
        base_url: the origin; every request goes there.
        transport: what does the talking.
        explain: what makes an error of an answer with a status of 400 and above.
        headers: sent with each request; this is where a token goes.
        auth: a name and a password, sent with each request.
        patience: how long and how often to try.
        waiting: told before a wait why and for how many seconds.
        requests: how many were sent.
        rate: what is left of the rate limit, as last told.
    """

    base_url: str
    transport: httpx.BaseTransport
    explain: Explain
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: tuple[str, str] | None = field(default=None, repr=False)
    patience: Patience = Patience()
    waiting: Callable[[str, float], None] = lambda _reason, _seconds: None
    requests: int = 0
    rate: RateLimit | None = None

    def __post_init__(self) -> None:
        self._origin = origin_of(self.base_url)
        if not "".join(self.headers.values()).isascii():
            raise CredentialError(
                f"the token for {self._origin} holds letters that no token has",
                "check what it was copied from: issuetrack source edit NAME "
                "--token-stdin",
            )
        self._http = httpx.Client(
            transport=self.transport,
            headers={
                "User-Agent": f"issuetrack/{__version__}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                **self.headers,
            },
            auth=self.auth,
            timeout=httpx.Timeout(
                min(READ_SECONDS, self.patience.answer),
                connect=min(CONNECT_SECONDS, self.patience.answer),
            ),
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(
        self,
        target: str,
        params: Mapping[str, str] | None = None,
        etag: str | None = None,
    ) -> Answer:
        """Ask for something.

        Args:
            target: a path, or a url at the origin.
            params: the query.
            etag: of what is known already; the answer's status is 304 if it still is.

        Raises:
            RemoteUnreachable: there is no answer, or the target is elsewhere.
            IssueTrackError: the tracker refuses; see `explain`.
        """
        headers = {"If-None-Match": etag} if etag else {}
        return self._patiently("GET", target, params=params, headers=headers)

    def read(self, method: str, target: str, content: Mapping[str, Any]) -> Answer:
        """Ask for something with a content, such as a search; sent again like `get`."""
        return self._patiently(method, target, json=content)

    def send(self, method: str, target: str, content: Mapping[str, Any]) -> Answer:
        """Change something. It is sent once: a second time might do it twice.

        Raises:
            RemoteUnreachable: there is no answer; whether it was done is not known.
        """
        try:
            answer = self._followed(method, self.at_origin(target), json=content)
        except _Again as again:
            raise again.error from again
        if answer.status in REDIRECTION:
            raise RemoteAnswerError(
                f"{self._origin} has what was to be changed at another place now",
                "synchronise the source, then try again",
            )
        return answer

    def at_origin(self, target: str, base: str | None = None) -> str:
        """Return the whole url of a target, which may be relative to a base.

        Raises:
            RemoteUnreachable: it is at another origin.
        """
        shown = "somewhere that is no url"
        try:
            url = urljoin(base or self.base_url, target)
            parts = urlsplit(url)
            shown = clean_words(f"{parts.scheme}://{parts.hostname or '?'}")
            if origin_of(url) == self._origin and _peer(url) == _peer(self.base_url):
                return url
        except (IssueTrackError, ValueError, httpx.InvalidURL):
            pass
        raise RemoteUnreachable(
            f"{self._origin} sends us on to {shown}, another origin; nothing was "
            "sent there",
            "if the tracker has moved: issuetrack source edit NAME --base-url URL",
        )

    def _patiently(self, method: str, target: str, **content: Any) -> Answer:
        url = self.at_origin(target)
        try:
            return self._followed(method, url, **content)
        except _Again as again:
            return self._retried(again, method, url, **content)

    def _retried(self, first: _Again, method: str, url: str, **content: Any) -> Answer:
        """Try again as often as patience allows; `first` was the first failure."""
        import stamina

        stamina.instrumentation.set_on_retry_hooks([])

        left = self.patience.attempts

        def wait(error: Exception) -> bool | float:
            nonlocal left
            left -= 1
            if not isinstance(error, _Again):
                return False
            if error.wait is None:
                return True
            seconds = min(max(error.wait, self.patience.first), self.patience.longest)
            if left:
                self.waiting(error.error.message, seconds)
            return seconds

        try:
            for attempt in stamina.retry_context(
                on=wait,
                attempts=self.patience.attempts,
                timeout=None,
                wait_initial=self.patience.first,
                wait_max=self.patience.longest,
                wait_jitter=self.patience.first,
            ):
                with attempt:
                    if attempt.num == 1:
                        raise first
                    return self._followed(method, url, **content)
        except _Again as again:
            raise again.error from again
        raise AssertionError

    def _followed(self, method: str, url: str, **content: Any) -> Answer:
        for _ in range(MOST_REDIRECTS):
            answer = self._once(method, url, **content)
            followed = REDIRECTS if method == "GET" else REPEATING
            if answer.status not in followed:
                return answer
            url = self.at_origin(answer.headers.get("location", ""), url)
            if urlsplit(url).query:
                content.pop("params", None)
        raise RemoteUnreachable(
            f"{self._origin} redirects without an end", "check the base url"
        )

    def _once(self, method: str, url: str, **content: Any) -> Answer:
        self.requests += 1
        try:
            answer = self._received(method, url, **content)
        except httpx.HTTPError as error:
            raise _Again(_unreachable(self._origin, error)) from error
        except httpx.InvalidURL as error:
            raise RemoteAnswerError(
                f"{self._origin} sends us on to something that is no url; nothing was "
                "sent there",
                "check the base url and the kind of the source",
            ) from error
        if answer.status == PROXY_REFUSES:
            raise _proxy_refuses(self._origin, f"status {answer.status}")
        self.rate = rate_limit(answer) or self.rate
        if answer.status in (TOO_MANY, FORBIDDEN) and is_limited(answer):
            raise _Again(_limited(self._origin, answer), wait_asked(answer))
        if answer.status >= SERVER:
            raise _Again(_failing(self._origin, answer), wait_asked(answer))
        if answer.status >= BAD:
            raise self.explain(answer)
        return answer

    def _received(self, method: str, url: str, **content: Any) -> Answer:
        deadline = time.monotonic() + self.patience.answer
        with self._http.stream(method, url, **content) as response:
            body = bytearray()
            for part in unpacked(response):
                body += part
                if len(body) > MOST_BYTES or response.num_bytes_downloaded > MOST_BYTES:
                    raise RemoteAnswerError(
                        f"{self._origin} answers with more than "
                        f"{MOST_BYTES // 1024 // 1024} MiB",
                        "check the base url and the kind of the source",
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the answer does not end")
            return Answer(response.status_code, response.headers, bytes(body), url)


def _peer(url: str) -> tuple[str, str, int]:
    """Return what would be connected to for a url."""
    parts = httpx.URL(url)
    ports = {"http": 80, "https": 443}
    port = ports.get(parts.scheme, 0) if parts.port is None else parts.port
    return parts.scheme, parts.host, port


def unpacked(response: httpx.Response) -> Iterator[bytes]:
    """Yield a body as it arrives, a little at a time however well it is packed."""
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing in ("", "identity"):
        yield from response.iter_raw()
        return
    if packing not in ("gzip", "x-gzip"):
        raise RemoteAnswerError(
            f"{response.request.url.host} packs its answer as {clean_words(packing)}, "
            "which was not asked for",
            "check whether a proxy is in between",
        )
    gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        for part in response.iter_raw():
            yield gzip.decompress(part, PIECE)
            while gzip.unconsumed_tail:
                yield gzip.decompress(gzip.unconsumed_tail, PIECE)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer is not whole: {error}") from error
    if not gzip.eof and response.num_bytes_downloaded:
        raise httpx.DecodingError("the answer is not whole")


def _limited(origin: str, answer: Answer) -> RemoteUnreachable:
    rate = rate_limit(answer)
    until = ""
    if rate is not None and rate.reset_at is not None:
        until = f" until {rate.reset_at:%H:%M} UTC"
    return RemoteUnreachable(
        f"the rate limit of {origin} is used up{until}",
        "run the same command again later; it goes on from where it was",
    )


def _failing(origin: str, answer: Answer) -> RemoteUnreachable:
    return RemoteUnreachable(
        f"{origin} fails with status {answer.status}",
        "try again later; nothing that was read is lost",
    )


def _unreachable(origin: str, error: httpx.HTTPError) -> RemoteUnreachable:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RemoteUnreachable(
                f"the certificate of {origin} is not trusted: {cause.verify_message}",
                "for a private authority: issuetrack source edit NAME --ca-file FILE",
            )
        cause = cause.__cause__ or cause.__context__
    no_connection = isinstance(error, httpx.ConnectError) and proxy_for(origin)
    if isinstance(error, httpx.ProxyError) or no_connection:
        return _proxy_refuses(origin, clean_words(str(error)))
    if isinstance(error, httpx.TimeoutException):
        return RemoteUnreachable(
            f"{origin} does not answer in time", "try again later; check the base url"
        )
    said = clean_words(str(error)) or type(error).__name__
    return RemoteUnreachable(
        f"cannot talk to {origin}: {said}", "check the base url and the network"
    )


def _proxy_refuses(origin: str, said: str) -> RemoteUnreachable:
    return RemoteUnreachable(
        f"the proxy does not let us through to {origin}: {said}",
        "check HTTPS_PROXY and NO_PROXY",
    )


def next_link(answer: Answer, client: Client) -> str | None:
    """Return the url of the next page that a Link header names.

    https://datatracker.ietf.org/doc/html/rfc8288

    Raises:
        RemoteUnreachable: it is at another origin.
    """
    header = answer.headers.get("link")
    if not header:
        return None
    links = httpx.Response(OK, headers=[(b"link", header.encode())]).links
    url = links.get("next", {}).get("url")
    return client.at_origin(url, answer.url) if url else None
