"""`init`: makes a workspace."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuetrack.cli import new_key
from issuetrack.cli.context import Invocation
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import InputNeeded, UsageError

if TYPE_CHECKING:
    from issuetrack.engine.store.slots import SlotSecret

HOW = "use --key-file PATH, --passphrase or --keyring"


def register(app: typer.Typer) -> None:
    """Add the command."""

    @command(
        app,
        "init",
        needs=None,
        examples="issuetrack init\n"
        "issuetrack --db team.db init --key-file team.key --no-input",
    )
    def init(
        run: Invocation,
        passphrase: Annotated[
            bool,
            typer.Option(
                "--passphrase",
                help="Open it with a passphrase; asked for, or the first line of the "
                "file named by ISSUETRACK_PASSPHRASE_FILE.",
            ),
        ] = False,
        keyring: Annotated[
            bool, typer.Option("--keyring", help="Open it with the system keyring.")
        ] = False,
        environment_key: Annotated[
            bool,
            typer.Option("--env-key", help="Open it with the key in ISSUETRACK_KEY."),
        ] = False,
    ) -> None:
        """Make a workspace; you become its first admin.

        Its recovery key is shown once: write it down. Without an option the system
        keyring keeps the key, and where there is none a passphrase is asked for.
        """
        from issuetrack.engine.settings import operating_system_user
        from issuetrack.engine.workspace import Workspace

        chosen = sum((passphrase, keyring, environment_key))
        if chosen > 1:
            raise UsageError("more than one way to open it was chosen", HOW)
        maker = secrets_maker(
            run,
            passphrase=passphrase,
            keyring=keyring,
            environment_key=environment_key,
        )
        made = Workspace.create(run.database, operating_system_user(), maker)
        data = {
            "database": str(made.database),
            "key_file": str(made.key_file),
            "owner": made.owner,
            "recovery_key": made.recovery_key,
        }
        run.show(Result(data, tuple(data), table=lambda: _told(data)))


def _told(data: dict[str, Any]) -> Any:
    from rich.text import Text

    return Text(
        f"Workspace made: {data['database']}\n"
        f"Its keys:       {data['key_file']} (back up with: issuetrack db backup)\n"
        f"Admin:          {data['owner']}\n\n"
        f"Recovery key, shown only this once. Write it down, keep it elsewhere:\n\n"
        f"    {data['recovery_key']}\n\n"
        f"Next: issuetrack import FILE, or issuetrack issue new 'what is wrong'"
    )


def secrets_maker(
    run: Invocation,
    *,
    passphrase: bool = False,
    keyring: bool = False,
    environment_key: bool = False,
) -> "Callable[[str], Iterable[SlotSecret]]":
    """Return what makes the secrets of a new workspace: the way chosen, or offered."""
    from issuetrack.engine.store import unlock
    from issuetrack.engine.store.unlock import Unlock

    offered = Unlock.from_environment(os.environ, run.key_file)
    by_option = passphrase or keyring or environment_key or run.key_file
    if environment_key or (offered.environment_key and not by_option):
        secret = new_key.environment_secret("ISSUETRACK_KEY")
        return lambda _: [secret]
    path = offered.key_file
    if path is not None and not (passphrase or keyring):
        return lambda _: [new_key.key_file_secret(path)]
    named = passphrase or offered.passphrase_file
    if keyring or (not named and unlock.secure_keyring_available()):
        return lambda database: [new_key.keyring_maker(database)]
    if offered.passphrase_file is not None:
        written = new_key.passphrase_file_secret(offered.passphrase_file)
        return lambda _: [written]
    if not run.interactive:
        raise InputNeeded("a key for the workspace is needed", HOW)
    asked = new_key.asked_passphrase(run)
    return lambda _: [asked]
