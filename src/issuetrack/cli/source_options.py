"""What can be said of a source on the command line, or is asked for."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from issuetrack.cli.context import Invocation
from issuetrack.engine.errors import InputNeeded, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.sync.connector import SourceSettings
    from issuetrack.engine.sync.credentials import CredentialSource

MOST_TOKEN = 65536
OnOff = Literal["on", "off"]

BaseUrl = Annotated[
    str | None, typer.Option("--base-url", help="The tracker, as https://host.")
]
Repo = Annotated[
    list[str] | None,
    typer.Option("--repo", help="GitHub: acme/shop; may be given several times."),
]
Org = Annotated[str | None, typer.Option("--org", help="GitHub: an organisation.")]
Query = Annotated[
    str | None,
    typer.Option("--query", help="GitHub: a search. ServiceNow: an encoded query."),
]
Jql = Annotated[str | None, typer.Option("--jql", help="Jira: what is covered.")]
ApiVersion = Annotated[
    Literal["2", "3"] | None,
    typer.Option("--api-version", help="Jira: 3 is the cloud's, 2 that of a server."),
]
Table = Annotated[
    str | None,
    typer.Option("--table", help="ServiceNow: incident, problem, change_request."),
]
Username = Annotated[
    str | None, typer.Option("--username", help="Whose the token or password is.")
]
TokenStdin = Annotated[
    bool, typer.Option("--token-stdin", help="Read the token from stdin; kept sealed.")
]
TokenCommand = Annotated[
    str | None,
    typer.Option("--token-command", help="Prints the token at each sync; no shell."),
]
TokenKeyring = Annotated[
    bool,
    typer.Option("--token-keyring", help="Keep the token in your system keyring."),
]
TokenEnv = Annotated[
    str | None,
    typer.Option("--token-env", help="The variable that holds the token."),
]
CaFile = Annotated[
    str | None, typer.Option("--ca-file", help="Certificates of a private authority.")
]
AllowAddress = Annotated[
    str | None,
    typer.Option("--allow-address", help="A loopback or link-local address to allow."),
]
InsecureHttp = Annotated[
    bool, typer.Option("--insecure-http", help="Send the token unencrypted.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", help="NAME=VALUE, another option of the kind."),
]
Maps = Annotated[
    list[str] | None,
    typer.Option("--map", help="FIELD:WORD=VALUE or FIELD=PLACE; see docs/sources.md."),
]
WriteBack = Annotated[
    OnOff | None, typer.Option("--write-back", help="Whether `push` may write there.")
]


@dataclass(frozen=True)
class Given:
    """What was said of a source on the command line; None for what was not."""

    base_url: BaseUrl = None
    repo: Repo = None
    org: Org = None
    query: Query = None
    jql: Jql = None
    api_version: ApiVersion = None
    table: Table = None
    username: Username = None
    ca_file: CaFile = None
    allow_address: AllowAddress = None
    insecure_http: InsecureHttp = False
    option: Options = None
    maps: Maps = None

    def applied(self, settings: "SourceSettings") -> "SourceSettings":
        """Return settings with what was said in place of what they had.

        Raises:
            UsageError: an option is not NAME=VALUE.
        """
        named = {
            "repo": ",".join(self.repo) if self.repo else None,
            "org": self.org,
            "query": self.query,
            "jql": self.jql,
            "api-version": self.api_version,
            "table": self.table,
            "ca-file": self.ca_file,
            "allow-address": self.allow_address,
            "insecure-http": "yes" if self.insecure_http else None,
        }
        options = dict(settings.options)
        options |= {name: value for name, value in named.items() if value is not None}
        for entry in self.option or []:
            name, separator, value = entry.partition("=")
            if not separator:
                raise UsageError(
                    f"--option {entry!r} is not NAME=VALUE", "as context-path=/jira"
                )
            options[name.strip()] = value.strip()
        return replace(
            settings,
            base_url=self.base_url or settings.base_url,
            username=self.username or settings.username,
            options=options,
            mapping=settings.mapping if self.maps is None else tuple(self.maps),
        )


@dataclass(frozen=True)
class TokenGiven:
    """Where the token is to come from, as said on the command line."""

    token_stdin: TokenStdin = False
    token_command: TokenCommand = None
    token_keyring: TokenKeyring = False
    token_env: TokenEnv = None

    def source(self, run: Invocation, name: str) -> "CredentialSource | None":
        """Return where the token of a source comes from; None if nothing was said.

        Raises:
            UsageError: two places are named.
            InputNeeded: the token is to be typed, and nobody can be asked.
        """
        from issuetrack.engine.sync.credentials import (
            CredentialFrom,
            CredentialSource,
            checked_command,
        )

        typed = self.token_stdin or self.token_keyring
        places = (typed, bool(self.token_command), self.token_env is not None)
        if sum(places) > 1:
            raise UsageError(
                "the token can come from one place only",
                "use one of --token-stdin, --token-command, --token-keyring, "
                "--token-env",
            )
        if self.token_command:
            command = checked_command(self.token_command)
            return CredentialSource(CredentialFrom.COMMAND, command)
        if self.token_env is not None:
            return CredentialSource(CredentialFrom.ENVIRONMENT, self.token_env)
        if not typed:
            return None
        kind = CredentialFrom.KEYRING if self.token_keyring else CredentialFrom.STORED
        return CredentialSource(kind, read_token(run, name, stdin=self.token_stdin))


def takes_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command every option of a source; it gets them as `given` and `token`."""
    kinds = {"given": Given, "token": TokenGiven}
    own = inspect.signature(function).parameters.values()
    shared = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=option.type,
        )
        for kind in kinds.values()
        for option in fields(kind)
    ]

    @wraps(function)
    def wrapper(run: Invocation, **arguments: Any) -> None:
        for name, kind in kinds.items():
            said = {option.name: arguments.pop(option.name) for option in fields(kind)}
            arguments[name] = kind(**said)
        function(run, **arguments)

    kept = [parameter for parameter in own if parameter.name not in kinds]
    parameters = [*kept[:1], *(p.replace(kind=p.KEYWORD_ONLY) for p in kept[1:])]
    wrapper.__signature__ = inspect.Signature([*parameters, *shared])  # type: ignore[attr-defined]
    return wrapper


def read_token(run: Invocation, name: str, *, stdin: bool) -> str:
    """Return a token from stdin, or from a person who types it unseen.

    Raises:
        InputNeeded: there is none.
    """
    if stdin and not sys.stdin.isatty():
        token = sys.stdin.buffer.read(MOST_TOKEN).decode("utf-8", "replace").strip()
    else:
        token = run.ask(f"Token for {name}", "--token-stdin", hide=True).strip()
    if not token:
        raise InputNeeded("the token is empty", "echo TOKEN | issuetrack source ...")
    return token


def guided(
    run: Invocation, settings: "SourceSettings"
) -> tuple["SourceSettings", "CredentialSource | None"]:
    """Ask a person for what is still missing; nobody is asked without a terminal."""
    from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource

    if not run.interactive:
        return settings, None
    options = dict(settings.options)
    base_url, username = settings.base_url, settings.username
    if settings.kind == "github" and not options.keys() & {"repo", "org", "query"}:
        options["repo"] = run.ask("Repository, as acme/shop", "--repo")
    if settings.kind != "github" and not base_url:
        base_url = run.ask("Address, as https://acme.atlassian.net", "--base-url")
    if settings.kind == "jira" and "jql" not in options:
        options["jql"] = _optional("What to cover, in JQL (empty for all)")
    if settings.kind != "github" and not username:
        username = _optional("User name or e-mail (empty for a bearer token)") or None
    said = replace(settings, base_url=base_url, username=username, options=options)
    token = _optional("Token or password (not shown; empty for none)", hide=True)
    if not token:
        return said, None
    return said, CredentialSource(CredentialFrom.STORED, token)


def _optional(prompt: str, *, hide: bool = False) -> str:
    asked = typer.prompt(
        prompt, default="", show_default=False, hide_input=hide, err=True
    )
    return str(asked).strip()
