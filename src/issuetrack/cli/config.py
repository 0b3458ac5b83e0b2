"""`config`: what the workspace allows, and what you prefer on this machine."""

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts
from issuetrack.cli.output import OutputFormat, Result
from issuetrack.cli.registration import command, invoke
from issuetrack.engine.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.identity.policies import PolicyValue

COLUMNS = ("name", "value", "from", "detail")
FIELDS = ("name", "value", "default", "from", "detail")
PREFERENCES = {
    "chat_model": "the installed model that writes suggestions; none for no model",
    "embedding_model": "the installed model that makes vectors; the shipped one if unset",
    "output": "the form of output: table, json, jsonl, csv or markdown",
    "llm": "ask the chat model at all",
}
WORKSPACE = "workspace"
Name = Annotated[str, typer.Argument(metavar="NAME", help="As config list names it.")]


@dataclass(frozen=True)
class Setting:
    """One setting, whoever keeps it.

    Attributes:
        origin: who says so: workspace, flag, environment, file or default.
        about: what it does.
    """

    name: str
    value: str | bool | None
    default: str | bool | None
    origin: str
    about: str

    @property
    def data(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "name": self.name,
            "value": self.value,
            "default": self.default,
            "from": self.origin,
            "detail": self.about,
        }


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(
        help="Policies of the workspace, and your preferences.", rich_markup_mode=None
    )
    app.add_typer(noun, name="config")
    command(
        noun,
        "list",
        needs="read",
        examples="issuetrack config list\nissuetrack config list --output json",
    )(list_settings)
    command(
        noun,
        "get",
        needs="read",
        examples="issuetrack config get output\n"
        "issuetrack config get learning.ratings --output json",
    )(get)
    command(
        noun,
        "set",
        needs="manage policy",
        examples="issuetrack config set output json\n"
        "issuetrack config set sop.draft_on_resolve on\n"
        "issuetrack config set inference.allowed_hosts llm.example.com",
    )(change)
    command(
        noun,
        "unset",
        needs="manage policy",
        examples="issuetrack config unset output\n"
        "issuetrack config unset duplicates.warn",
    )(unset)
    command(noun, "path", needs=None, examples="issuetrack config path")(path)

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, list_settings, "list")


def list_settings(run: Invocation) -> None:
    """List every setting: its value, who says so, and what it does.

    A flag goes before the environment, that before your file, that before the default;
    policies are the same for everybody and are kept in the workspace.
    """
    found = _preferences(run)
    if run.database.exists():
        with run.workspace() as workspace:
            values = workspace.policies.values(workspace.actor)
        found += [_policy(value) for value in values]
    else:
        run.warn("there is no workspace here: its policies are not shown")
    rows = [setting.data for setting in found]
    run.show(Result(rows, COLUMNS, fields=FIELDS))


def get(run: Invocation, name: Name) -> None:
    """Show one setting."""
    _check_name(name)
    if name in PREFERENCES:
        (setting,) = (one for one in _preferences(run) if one.name == name)
    else:
        with run.workspace() as workspace:
            setting = _policy(workspace.policies.get(workspace.actor, name))
    _show(run, setting)


def change(
    run: Invocation,
    name: Name,
    value: Annotated[str, typer.Argument(help="On or off for what is a switch.")],
) -> None:
    """Change a policy for everybody (admins only), or a preference of yours."""
    _check_name(name)
    if name in PREFERENCES:
        _prefer(run, name, _checked(name, value))
        return
    with run.workspace() as workspace:
        setting = _policy(workspace.policies.set(workspace.actor, name, value))
    _show(run, setting)


def unset(run: Invocation, name: Name) -> None:
    """Go back to the default of a policy (admins only), or of a preference."""
    _check_name(name)
    if name in PREFERENCES:
        _prefer(run, name, None)
        return
    with run.workspace() as workspace:
        setting = _policy(workspace.policies.unset(workspace.actor, name))
    _show(run, setting)


def path(run: Invocation) -> None:
    """Show where your preferences and the workspace are kept."""
    from issuetrack.engine.settings import config_path

    data = {
        "preferences": str(config_path(os.environ)),
        "workspace": str(run.database),
    }
    run.show(Result(data, tuple(data), table=lambda: facts(data)))


def _check_name(name: str) -> None:
    """Refuse a name that no setting has.

    Raises:
        NotFoundError: there is none; names the closest.
    """
    from issuetrack.engine.identity.policies import POLICIES

    known = [*PREFERENCES, *POLICIES]
    if name in known:
        return
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else "list them: issuetrack config list"
    raise NotFoundError(f"there is no setting {name}", hint)


def _preferences(run: Invocation) -> list[Setting]:
    from issuetrack.engine.settings import Preferences, origins, preferences

    held, default = preferences(os.environ), Preferences()
    said = origins(os.environ)
    values: dict[str, Any] = {name: getattr(held, name) for name in PREFERENCES}
    if run.output is not None:
        values["output"], said["output"] = run.output.value, "flag"
    return [
        Setting(name, values[name], getattr(default, name), said[name], about)
        for name, about in PREFERENCES.items()
    ]


def _policy(found: "PolicyValue") -> Setting:
    policy = found.policy
    origin = "default" if found.is_default else WORKSPACE
    return Setting(policy.name, found.value, policy.default, origin, policy.about)


def _checked(name: str, text: str) -> str | bool:
    """Return the value of a preference.

    Raises:
        UsageError: it does not take that value.
    """
    from issuetrack.engine.settings import parsed

    value = parsed(name, text)
    if name == "output" and value not in set(OutputFormat):
        raise UsageError(
            f"{text!r} is not a form of output", f"one of: {', '.join(OutputFormat)}"
        )
    if value == "":
        raise UsageError(
            f"{name} cannot be empty", f"type: issuetrack config unset {name}"
        )
    return value


def _prefer(run: Invocation, name: str, value: str | bool | None) -> None:
    """Write a preference; say so where the environment goes before it."""
    from issuetrack.engine.settings import VARIABLES, set_preference

    set_preference(os.environ, name, value)
    (setting,) = (one for one in _preferences(run) if one.name == name)
    if setting.origin == "environment":
        run.warn(f"{VARIABLES[name]} is set and goes before it")
    _show(run, setting)


def _show(run: Invocation, setting: Setting) -> None:
    run.show(Result(setting.data, COLUMNS, table=lambda: facts(setting.data)))
