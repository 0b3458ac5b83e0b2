"""GitHub, in the cloud and on one's own host, as a kind of tracker.

A source covers repositories, all of an organisation, or what a search finds.
"""

import re
from dataclasses import replace

from issuetrack.connectors.github.connector import (
    API_PATH,
    ORG,
    QUERY,
    REPO,
    GitHubConnector,
)
from issuetrack.connectors.github.refusals import refusal
from issuetrack.connectors.http import Client, Patience
from issuetrack.connectors.settling import settled, transport_for
from issuetrack.engine.errors import (
    UsageError,
)
from issuetrack.engine.sync.connector import (
    Option,
    SourceSettings,
    Waiting,
)

CLOUD_URL = "https://api.github.com"
CLOUD = ("github.com",)
OPTIONS = (
    Option(REPO, "repositories, as acme/shop; several with commas"),
    Option(ORG, "an organisation; all of its repositories"),
    Option(QUERY, "a search, as 'org:acme label:incident'"),
    Option(API_PATH, "where the interface is on a host of your own"),
)
_RESIDENT = re.compile(r"api\.[\w-]+\.ghe\.com")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


class GitHub:
    """The kind of tracker."""

    kind = "github"
    title = "GitHub"
    options: tuple[Option, ...] = OPTIONS

    def settle(self, settings: SourceSettings) -> SourceSettings:
        """Return settings with their defaults.

        Raises:
            UsageError: something is missing or makes no sense; says what to write.
        """
        url = settings.base_url.rstrip("/")
        if url.lower() in ("https://github.com", "https://www.github.com"):
            settings = replace(settings, base_url=CLOUD_URL)
        done = settled(
            settings,
            OPTIONS,
            default_url=CLOUD_URL,
            cloud=CLOUD,
            path_hint="where the interface is under a path: --option api-path=/api/v3",
        )
        options = dict(done.options)
        scopes = [name for name in (REPO, ORG, QUERY) if name in options]
        if len(scopes) != 1:
            raise UsageError(
                "a source covers repositories, an organisation or a search",
                "give one of --repo acme/shop, --org acme, --query 'label:incident'",
            )
        if REPO in options:
            options[REPO] = ",".join(_repositories(options[REPO]))
        host = done.base_url.removeprefix("https://")
        cloud = host == "api.github.com" or _RESIDENT.fullmatch(host)
        options.setdefault(API_PATH, "" if cloud else "/api/v3")
        options[API_PATH] = "/" + options[API_PATH].strip("/")
        return replace(done, options=options)

    def scope(self, settings: SourceSettings) -> str:
        """Return in a few words what the source covers."""
        given = settings.options
        return " ".join(f"{n} {given[n]}" for n in (REPO, ORG, QUERY) if n in given)

    def connect(
        self,
        settings: SourceSettings,
        secret: str | None,
        waiting: Waiting,
        patience: Patience = Patience(),
    ) -> "GitHubConnector":
        """Return a conversation; nothing is sent yet."""
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        if secret:
            headers["Authorization"] = f"Bearer {secret}"
        client = Client(
            settings.base_url,
            transport_for(settings),
            refusal,
            headers=headers,
            waiting=waiting,
            patience=patience,
        )
        return GitHubConnector(settings, client, has_token=bool(secret))


TRACKER = GitHub()


def _repositories(text: str) -> list[str]:
    """Return the repositories of a list.

    Raises:
        UsageError: one of them is none.
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    for name in found:
        if not _REPOSITORY.fullmatch(name):
            raise UsageError(f"{name!r} is no repository", "as --repo acme/shop")
    return found
