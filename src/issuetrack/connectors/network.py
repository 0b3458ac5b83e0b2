"""Where a connector's bytes may go: the address behind a name, the proxy, the roots.

A name must not lead to this machine or to a cloud's metadata service, whoever answers
for it; the address that was checked is the one that is connected to.
"""

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

import httpx
import truststore

from issuetrack.engine.addresses import (
    Network,
    Resolve,
    is_literal,
    is_metadata,
    plain_address,
    resolve,
)
from issuetrack.engine.egress import Outcome, record_url
from issuetrack.engine.errors import RemoteUnreachable, UsageError


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks named in a list such as `127.0.0.0/8, ::1`.

    Raises:
        UsageError: one of them is not an address or a network.
    """
    try:
        return tuple(ipaddress.ip_network(p) for p in text.replace(",", " ").split())
    except ValueError as error:
        raise UsageError(str(error), "as 127.0.0.1 or 10.1.0.0/16") from error


def refuse_address(host: str, text: str, allowed: Sequence[Network]) -> None:
    """Refuse an address that a name must not lead to.

    A loopback address that was itself named, or `localhost`, is what was asked for.

    Raises:
        RemoteUnreachable: it is this machine or a metadata service.
    """
    address = plain_address(text)
    if any(address in network for network in allowed):
        return
    named = is_literal(host) or host == "localhost"
    special = is_metadata(address)
    if named and address.is_loopback:
        return
    if special or address.is_loopback or address.is_unspecified or address.is_multicast:
        raise RemoteUnreachable(
            f"{host} leads to {address}, which is no address of a tracker",
            f"if it is meant: issuetrack source edit NAME --allow-address {address}",
        )


class GuardedTransport(httpx.BaseTransport):
    """Connects to the addresses of a host that may be connected to.

    Args:
        inner: what does the talking.
        allowed: networks that any name may lead to.
        find: what tells the addresses of a name.
    """

    def __init__(
        self,
        inner: httpx.BaseTransport,
        allowed: Sequence[Network] = (),
        find: Resolve = resolve,
    ) -> None:
        self._inner = inner
        self._allowed = allowed
        self._find = find
        self._known: dict[str, list[str]] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first address that can be connected to."""
        host = request.url.host
        failure: httpx.TransportError | None = None
        for address in self._addresses(host, request.url.port or 443):
            extensions = {**request.extensions, "sni_hostname": host}
            sent = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions=extensions,
            )
            try:
                return self._inner.handle_request(sent)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        self._known.pop(host, None)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        if host not in self._known:
            try:
                found = list(self._find(host, port))
            except OSError as error:
                raise httpx.ConnectError(f"{host} has no address: {error}") from error
            for address in found:
                refuse_address(host, address, self._allowed)
            if not found:
                raise httpx.ConnectError(f"{host} has no address")
            self._known[host] = found
        return self._known[host]

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return the roots of trust: the system's, and those of a file.

    Raises:
        UsageError: the file holds no certificates.
    """
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca_file:
        try:
            context.load_verify_locations(Path(ca_file).expanduser())
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"{ca_file} holds no certificates: {error}", "give a file in PEM form"
            ) from error
    return context


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment or the system names for a url."""
    parts = httpx.URL(url)
    if proxy_bypass(parts.netloc.decode()):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


class RecordedTransport(httpx.BaseTransport):
    """Notes in the egress ledger what becomes of the first request, and of failures.

    Args:
        inner: what does the talking.
        purpose: what for.
    """

    def __init__(self, inner: httpx.BaseTransport, purpose: str) -> None:
        self._inner = inner
        self._purpose = purpose
        self._noted: set[Outcome] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        try:
            response = self._inner.handle_request(request)
        except RemoteUnreachable:
            self._note(request, Outcome.REFUSED)
            raise
        except httpx.TransportError:
            self._note(request, Outcome.FAILED)
            raise
        self._note(request, Outcome.CONTACTED)
        return response

    def _note(self, request: httpx.Request, outcome: Outcome) -> None:
        if outcome not in self._noted:
            self._noted.add(outcome)
            record_url(str(request.url), self._purpose, outcome)

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def transport(
    url: str,
    ca_file: str | None,
    allowed: Sequence[Network],
    find: Resolve = resolve,
    purpose: str = "sync",
) -> httpx.BaseTransport:
    """Return what talks to a tracker: through the proxy where there is one.

    A proxy resolves names itself, so that they cannot be checked here.
    """
    roots: ssl.SSLContext | bool = trust(ca_file) if url.startswith("https") else False
    proxy = proxy_for(url)
    try:
        inner = httpx.HTTPTransport(verify=roots, trust_env=False, proxy=proxy)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise UsageError(
            "the proxy that the environment names cannot be used",
            "give HTTPS_PROXY as http://host:port",
        ) from error
    guarded = inner if proxy else GuardedTransport(inner, allowed, find)
    return RecordedTransport(guarded, purpose)
