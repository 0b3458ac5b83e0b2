"""`user`: who may open the workspace, and as what."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts, words
from issuetrack.cli.new_key import (
    EnvironmentOption,
    KeyringOption,
    NewKey,
    NewKeyFileOption,
    PassphraseFileOption,
    PassphraseOption,
)
from issuetrack.cli.output import Result, plain_table
from issuetrack.cli.registration import command, invoke
from issuetrack.engine.errors import InputNeeded, IssueTrackError, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.identity.accounts import Account
    from issuetrack.engine.workspace import Workspace

COLUMNS = ("name", "role", "kind", "disabled", "slots")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The user.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Who may open it, and as what.", rich_markup_mode=None)
    app.add_typer(noun, name="user")
    _register_looking(noun)
    _register_adding(noun)
    _register_changing(noun)
    _register_leaving(noun)
    _register_passwd(noun)


def _register_looking(noun: typer.Typer) -> None:
    @command(noun, "list", needs="change own keys", examples="issuetrack user list")
    def list_users(run: Invocation) -> None:
        """List users, services and the recovery key."""
        with run.workspace() as workspace:
            found = workspace.accounts.every(workspace.actor)
        told = [_row(a) | {"slots": words(a.slots)} for a in found]
        run.show(
            Result(
                [_row(a) for a in found],
                COLUMNS,
                table=lambda: plain_table(told, COLUMNS),
                fields=COLUMNS,
            )
        )

    @command(
        noun, "show", needs="change own keys", examples="issuetrack user show alice"
    )
    def show(run: Invocation, name: Name) -> None:
        """Show one user, and what the role allows."""
        with run.workspace() as workspace:
            _show(run, workspace.accounts.get(workspace.actor, name))

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, list_users, "list")


def _register_adding(noun: typer.Typer) -> None:
    @command(
        noun,
        "add",
        needs="manage users",
        examples="issuetrack user add alice --role engineer --passphrase\n"
        "issuetrack user add --service exporter --new-key-file exporter.key\n"
        "issuetrack user add nightly-sync --service --role engineer "
        "--new-key-file sync.key",
    )
    def add(
        run: Invocation,
        name: Name,
        role: Annotated[
            str | None,
            typer.Option(
                "--role",
                help="viewer (default), engineer or admin; a service has none unless "
                "it is given.",
            ),
        ] = None,
        service: Annotated[
            bool, typer.Option("--service", help="It is a program, not a person.")
        ] = False,
        passphrase: PassphraseOption = False,
        passphrase_file: PassphraseFileOption = None,
        new_key_file: NewKeyFileOption = None,
        keyring: KeyringOption = False,
        environment_key: EnvironmentOption = False,
    ) -> None:
        """Add a user, with the key that is theirs from now on.

        Give them the key file, or let them change the passphrase: `user passwd`.
        """
        from issuetrack.engine.identity.policy import Permission, authorize

        chosen = _role(role or ("none" if service else "viewer"))
        new = NewKey(
            passphrase, passphrase_file, new_key_file, keyring, environment_key
        )
        new.check(run)
        with run.workspace() as workspace:
            authorize(workspace.actor, Permission.MANAGE_USERS)
            added = workspace.accounts.add(
                workspace.actor, name, chosen, new.maker(run), service=service
            )
        _show(run, added)


def _register_changing(noun: typer.Typer) -> None:
    @command(
        noun, "role", needs="manage users", examples="issuetrack user role alice admin"
    )
    def role(
        run: Invocation,
        name: Name,
        role: Annotated[
            str,
            typer.Argument(
                metavar="ROLE", help="viewer, engineer or admin; none for a service."
            ),
        ],
    ) -> None:
        """Give a user another role; what they lose is sealed under new keys."""
        chosen = _role(role)
        with run.workspace() as workspace:
            account = workspace.accounts.set_role(workspace.actor, name, chosen)
            _seal_anew(workspace)
        _show(run, account)

    @command(
        noun, "enable", needs="manage users", examples="issuetrack user enable alice"
    )
    def enable(run: Invocation, name: Name) -> None:
        """Let a disabled user in again."""
        with run.workspace() as workspace:
            _show(run, workspace.accounts.enable(workspace.actor, name))


def _register_leaving(noun: typer.Typer) -> None:
    @command(
        noun, "disable", needs="manage users", examples="issuetrack user disable alice"
    )
    def disable(run: Invocation, name: Name) -> None:
        """Lock a user out: all keys they held are replaced."""
        with run.workspace() as workspace:
            account = workspace.accounts.disable(workspace.actor, name)
            _replace_keys(run, workspace)
        _show(run, account)

    @command(
        noun,
        "remove",
        needs="manage users",
        examples="issuetrack user remove alice --yes",
    )
    def remove(run: Invocation, name: Name, yes: Yes = False) -> None:
        """Remove a user for good: all keys they held are replaced."""
        confirm(run, f"Remove {name} for good?", yes)
        with run.workspace() as workspace:
            workspace.accounts.remove(workspace.actor, name)
            _replace_keys(run, workspace)
        removed = {"removed": name}
        run.show(Result(removed, ("removed",), table=lambda: facts(removed)))


def _register_passwd(noun: typer.Typer) -> None:
    @command(
        noun,
        "passwd",
        needs="identify",
        examples="issuetrack user passwd\nissuetrack user passwd alice",
    )
    def passwd(
        run: Invocation,
        name: Annotated[
            str | None,
            typer.Argument(metavar="NAME", help="Another user, who lost every key."),
        ] = None,
        passphrase_file: PassphraseFileOption = None,
    ) -> None:
        """Change your passphrase; as an admin, give somebody else a new one.

        Somebody else gets new keys with it: the old ones open nothing any more.
        """
        from issuetrack.engine.identity.policy import Permission, authorize

        new = NewKey(
            passphrase=passphrase_file is None, passphrase_file=passphrase_file
        )
        new.check(run)
        with run.workspace() as workspace:
            actor = workspace.actor
            own = name is None or name == actor.name
            authorize(actor, Permission.IDENTIFY if own else Permission.MANAGE_USERS)
            maker = new.maker(run)
            if name is None or own:
                workspace.keys.change_passphrase(actor, maker)
                account = workspace.accounts.own(actor)
            else:
                account = workspace.accounts.renew(actor, name, maker)
        _show(run, account)


def confirm(run: Invocation, question: str, yes: bool) -> None:
    """Ask whether to go on.

    Raises:
        InputNeeded: nobody can be asked.
        UsageError: the answer was no.
    """
    if yes:
        return
    if not run.interactive:
        raise InputNeeded(f"this asks: {question}", "add --yes")
    if not typer.confirm(question, err=True):
        raise UsageError("nothing was changed", "answer y, or add --yes")


def _seal_anew(workspace: "Workspace") -> None:
    with diagnostics.progress("Sealing under new keys") as advance:
        workspace.keys.finish(workspace.actor, advance)


def _replace_keys(run: Invocation, workspace: "Workspace") -> None:
    """Replace every key that somebody who left may have kept."""
    _seal_anew(workspace)
    try:
        with diagnostics.progress("Encrypting the file anew") as advance:
            workspace.keys.rekey(workspace.actor, advance)
    except IssueTrackError as error:
        run.warn(f"the file is still under the old page key: {error.message}")
        run.warn("finish it when nobody works: issuetrack key rekey")


def _role(name: str) -> Any:
    from issuetrack.engine.store.types import Role

    try:
        return Role(name)
    except ValueError as error:
        raise UsageError(
            f"{name!r} is not a role",
            "use viewer, engineer or admin; none for a service",
        ) from error


def _row(account: "Account") -> dict[str, Any]:
    row = asdict(account) | {"slots": list(account.slots)}
    return {name: row[name] for name in COLUMNS}


def _show(run: Invocation, account: "Account") -> None:
    from issuetrack.engine.identity.policy import allowed

    data = _row(account) | {"may": [] if account.disabled else allowed(account.role)}
    told = data | {"slots": words(account.slots), "may": data["may"] or "nothing"}
    run.show(Result(data, tuple(data), table=lambda: facts(told)))
