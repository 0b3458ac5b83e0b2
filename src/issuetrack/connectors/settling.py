"""Checks what a person said of a source: the options of its kind and its base url."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from issuetrack.connectors.mapping import Overrides
from issuetrack.connectors.network import networks, transport
from issuetrack.engine.errors import UsageError
from issuetrack.engine.store.encryption import origin_of
from issuetrack.engine.sync.connector import Option, SourceSettings

YES, NO = "yes", "no"
COMMON = (
    Option("ca-file", "certificates of a private authority, PEM"),
    Option("allow-address", "addresses that the host may lead to, such as 127.0.0.1"),
    Option("insecure-http", "send without encryption", default=NO, choices=(YES, NO)),
)


def settled(
    settings: SourceSettings,
    options: Sequence[Option],
    *,
    default_url: str | None,
    cloud: Sequence[str],
    path_hint: str,
) -> SourceSettings:
    """Return settings with their defaults, the base url as a plain origin.

    Args:
        settings: as a person gave them.
        options: those of the kind.
        default_url: where the tracker is when nobody says; None if it can be anywhere.
        cloud: the ends of host names that are never spoken to without encryption.
        path_hint: what to write in place of a path in the base url.

    Raises:
        UsageError: something is missing or makes no sense; says what to write.
    """
    known = {option.name: option for option in (*options, *COMMON)}
    given = {name: value for name, value in settings.options.items() if value}
    for name, value in given.items():
        if name not in known:
            raise UsageError(
                f"a source of kind {settings.kind} has no {name}",
                f"it has: {', '.join(known)}",
            )
        choices = known[name].choices
        if choices and value not in choices:
            raise UsageError(
                f"--{name} cannot be {value!r}", f"use one of: {', '.join(choices)}"
            )
    for option in known.values():
        if option.default is not None:
            given.setdefault(option.name, option.default)
        if option.required and option.name not in given:
            raise UsageError(f"--{option.name} is needed", f"give the {option.help}")
    networks(given.get("allow-address", ""))
    Overrides.parse(settings.mapping)
    insecure = given["insecure-http"] == YES
    url = checked_origin(settings.base_url or default_url or "", path_hint)
    _refuse_plain_http(url, cloud, insecure=insecure)
    return replace(settings, base_url=url, options=given)


def checked_origin(url: str, path_hint: str) -> str:
    """Return a base url as `scheme://host[:port]`.

    Raises:
        UsageError: it is none, or holds a path or credentials.
    """
    if not url:
        raise UsageError("--base-url is needed", "as https://tracker.example.com")
    parts = urlsplit(url)
    if "@" in parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        raise UsageError(
            "the base url has a user name or password in it",
            f"use --base-url {parts.scheme}://{host} --username NAME --token-stdin",
        )
    origin_of(url)
    if parts.scheme not in ("http", "https"):
        raise UsageError(
            f"the base url {url} is neither https nor http",
            "as https://tracker.example.com",
        )
    plain = f"{parts.scheme}://{parts.netloc.lower()}"
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            f"the base url {url} has a path", f"use --base-url {plain}; {path_hint}"
        )
    return plain


def _refuse_plain_http(url: str, cloud: Sequence[str], *, insecure: bool) -> None:
    host = urlsplit(url).hostname or ""
    in_cloud = any(host == end or host.endswith(f".{end}") for end in cloud)
    if url.startswith("http:") and in_cloud and not insecure:
        raise UsageError(
            f"{url} would send the token over the internet unencrypted",
            f"use --base-url https:{url.partition(':')[2]}, or --insecure-http to force it",
        )


def transport_for(settings: SourceSettings) -> httpx.BaseTransport:
    """Return what talks to the tracker of a source."""
    allowed = networks(settings.options.get("allow-address", ""))
    return transport(
        settings.base_url,
        settings.options.get("ca-file"),
        allowed,
        purpose=f"sync {settings.kind}",
    )
