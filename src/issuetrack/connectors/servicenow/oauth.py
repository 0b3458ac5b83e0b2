"""Gets a token with a client's id and secret, and puts it on each request.

https://www.servicenow.com/docs/bundle/zurich-platform-security/page/integrate/authentication/concept/client-credentials.html

The token is kept in memory only. One that has expired is asked for again, once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from issuetrack.connectors.answers import clean_words
from issuetrack.connectors.http import unpacked
from issuetrack.connectors.servicenow.api import refuse_hibernation
from issuetrack.engine.errors import (
    CredentialError,
    NotFoundError,
    RemoteAnswerError,
    RemoteForbidden,
)
from issuetrack.engine.store.encryption import origin_of

TOKEN_PATH = "/oauth_token.do"  # noqa: S105 - a path
MOST_BYTES = 64 * 1024
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 200, 401, 403, 404
TOO_MANY, SERVER = 429, 500
HINT = (
    "check the client id (--username) and the secret; the instance needs the property "
    "glide.oauth.inbound.client.credential.grant_type.enabled"
)


@dataclass
class BearerTransport(httpx.BaseTransport):
    """Sends requests to one origin with a token.

    Attributes:
        base_url: the origin.
        inner: what does the talking.
        requests: how often a token was asked for.
    """

    base_url: str
    client_id: str
    secret: str = field(repr=False)
    inner: httpx.BaseTransport
    requests: int = 0
    _token: str | None = field(default=None, repr=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; once more with a new token where the old one has expired."""
        if origin_of(str(request.url)) != origin_of(self.base_url):
            raise httpx.UnsupportedProtocol("the token is for another origin")
        fresh = self._token is None
        response = self._with_token(request)
        if response.status_code != UNAUTHORIZED or fresh:
            return response
        response.close()
        self._token = None
        return self._with_token(request)

    def close(self) -> None:
        """Close the connections and forget the token."""
        self._token = None
        self.inner.close()

    def _with_token(self, request: httpx.Request) -> httpx.Response:
        if self._token is None:
            self._token = self._ask(request.extensions)
        request.headers["Authorization"] = f"Bearer {self._token}"
        return self.inner.handle_request(request)

    def _ask(self, extensions: Mapping[str, Any]) -> str:
        self.requests += 1
        request = httpx.Request(
            "POST",
            f"{self.base_url}{TOKEN_PATH}",
            data={
                "grant_type": "client_credentials",
                "client_id": self.client_id,
                "client_secret": self.secret,
            },
            headers={"Accept": "application/json"},
            extensions=dict(extensions),
        )
        response = self.inner.handle_request(request)
        try:
            status = response.status_code
            if status == TOO_MANY or status >= SERVER:
                raise httpx.ReadError(f"the token endpoint fails with status {status}")
            body = _body(response)
            refuse_hibernation(body, self.base_url)
            return self._token_in(status, _decoded(body))
        finally:
            response.close()

    def _token_in(self, status: int, content: Any) -> str:
        host = urlsplit(self.base_url).netloc
        if isinstance(content, Mapping):
            token = content.get("access_token") if status == OK else None
            if isinstance(token, str) and token.isascii() and token.isprintable():
                return token
            said = content.get("error_description") or content.get("error")
            if said or status == UNAUTHORIZED:
                words = clean_words(str(said or "no reason given"))
                raise CredentialError(
                    f"{host} gives out no token to the client: {words}", HINT
                )
        if status == UNAUTHORIZED:
            raise CredentialError(f"{host} gives out no token to the client", HINT)
        if status == FORBIDDEN:
            raise RemoteForbidden(
                f"{host} does not let us ask for a token",
                "addresses may be restricted; ask the instance's admin",
            )
        if status == NOT_FOUND:
            raise NotFoundError(
                f"{host} gives out no tokens", "is the OAuth plugin active there?"
            )
        raise RemoteAnswerError(
            f"{host} answered {TOKEN_PATH} with status {status} and no token",
            "check the base url, and whether the OAuth plugin is active",
        )


def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    for part in unpacked(response):
        body += part
        if len(body) > MOST_BYTES:
            return b""
    return bytes(body)


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
