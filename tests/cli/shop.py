"""A source of the stand-in for GitHub, added and read through the program."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cli.conftest import Cli, Done
from connectors.github_server import QUICK, TOKEN, FakeGitHub, running
from issuetrack.connectors.github.tracker import GitHub


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitHub]:
    """Serve a GitHub whose clients in this process are not patient."""
    monkeypatch.setattr(GitHub.connect, "__defaults__", (QUICK,))
    github = FakeGitHub()
    github.repo()
    with running(github):
        yield github


def said(github: FakeGitHub, name: str = "shop", repo: str = "acme/shop") -> list[str]:
    """Return how a source of a GitHub is named on the command line."""
    return [
        *("github", "--name", name, "--repo", repo, "--base-url", github.server.url),
        *("--option", "api-path=/"),
    ]


def add(
    cli: Cli, github: FakeGitHub, *more: str, token: str = TOKEN, **names: str
) -> Done:
    """Add a source."""
    given = said(github, **names)
    return cli("source", "add", *given, "--token-stdin", *more, stdin=token)


def sync(cli: Cli, *arguments: str, code: int = 0) -> Any:
    """Synchronise without indexing; return the data."""
    given = ("sync", *arguments, "--no-index", "-o", "json")
    return cli(*given, code=code).data


def lines(done: Done, start: str) -> list[str]:
    """Return what was told after a word such as `error: `."""
    found = done.err.splitlines()
    return [line.removeprefix(start) for line in found if line.startswith(start)]
