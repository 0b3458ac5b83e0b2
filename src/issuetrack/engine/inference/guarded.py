"""Where the bytes of a model server may go: this machine and its private network.

The name is looked up first, and the address that was checked is the one that is
connected to. No redirect is followed and no proxy is asked.
"""

import ssl
from collections.abc import Set
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from issuetrack.engine.addresses import (
    Resolve,
    is_local,
    is_metadata,
    plain_address,
    resolve,
)
from issuetrack.engine.egress import DEFAULT_PORTS, Outcome, record
from issuetrack.engine.errors import ModelError, UsageError

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class ServerAddress:
    """Where a model server is.

    Attributes:
        base: the url of its interface, such as `http://127.0.0.1:8080/v1`.
    """

    base: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> str:
        """Return the url without its path."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}"


def server_address(url: str) -> ServerAddress:
    """Return where a url leads to.

    Raises:
        UsageError: it is no url of a server.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL) as error:
        raise _no_url(url) from error
    extra = parts.query or parts.fragment or parts.username or parts.password
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or extra:
        raise _no_url(url)
    return ServerAddress(url.rstrip("/"), parts.scheme, parts.hostname.lower(), port)


def _no_url(url: str) -> UsageError:
    shown = url.rpartition("@")[2].partition("?")[0]
    return UsageError(
        f"{shown} is no url of a model server",
        "give one such as http://127.0.0.1:8080/v1, a key through --key-env",
    )


def local_addresses(
    address: ServerAddress, allowed: Set[str], find: Resolve = resolve
) -> list[str]:
    """Return the addresses of a server, every one of which may be connected to.

    Args:
        address: the server.
        allowed: hosts that may be anywhere, by an admin's leave.
        find: what tells the addresses of a name.

    Raises:
        ModelError: the name has no address, or leads outside.
    """
    try:
        found = list(find(address.host, address.port))
    except (OSError, UnicodeError) as error:
        raise _unknown(address.host) from error
    if not found:
        raise _unknown(address.host)
    for text in found:
        ip = plain_address(text)
        if address.host in allowed and not is_metadata(ip):
            if not is_local(ip) and address.scheme != "https":
                raise ModelError(
                    f"{address.host} would be sent tickets over the internet "
                    "unencrypted",
                    "give its url with https",
                )
        elif not is_local(ip):
            raise ModelError(
                f"{address.host} is not on this machine or its private network",
                "give another url"
                if is_metadata(ip)
                else "an admin may allow it: issuetrack config set "
                f"inference.allowed_hosts {address.host}",
            )
    return found


def _unknown(host: str) -> ModelError:
    return ModelError(f"{host} has no address", "check the url: issuetrack models list")


class GuardedTransport(httpx.BaseTransport):
    """Connects to one server only, at the addresses that were checked.

    Args:
        address: the server.
        allowed: hosts that may be anywhere, by an admin's leave.
        purpose: what the server is contacted for, for the egress ledger.
        find: what tells the addresses of a name.
    """

    def __init__(
        self,
        address: ServerAddress,
        allowed: Set[str],
        purpose: str,
        find: Resolve = resolve,
    ) -> None:
        import truststore

        secure = address.scheme == "https"
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if secure else False
        self._inner = httpx.HTTPTransport(
            verify=context,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._address = address
        self._allowed = allowed
        self._purpose = purpose
        self._find = find
        self._noted: set[Outcome] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that can be connected to."""
        try:
            found = local_addresses(self._address, self._allowed, self._find)
            response = self._sent(request, found)
        except ModelError:
            self._note(Outcome.REFUSED)
            raise
        except httpx.TransportError:
            self._note(Outcome.FAILED)
            raise
        self._note(Outcome.CONTACTED)
        return response

    def _sent(self, request: httpx.Request, addresses: list[str]) -> httpx.Response:
        failure: httpx.TransportError | None = None
        for address in addresses:
            sent = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": self._address.host},
            )
            try:
                return self._inner.handle_request(sent)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    def _note(self, outcome: Outcome) -> None:
        if outcome not in self._noted:
            self._noted.add(outcome)
            record(self._address.host, self._address.port, self._purpose, outcome)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()
