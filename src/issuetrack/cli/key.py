"""`key`: what opens the workspace, new keys, and the recovery key."""

import os
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
from issuetrack.cli.output import Result, markdown_table, plain_table
from issuetrack.cli.registration import command, invoke

if TYPE_CHECKING:
    from rich.console import RenderableType

    from issuetrack.engine.identity.keys import KeyStatus


KEY_COLUMNS = ("key", "protects", "in_use", "values")
SLOT_COLUMNS = ("slot", "user", "opened_by")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    noun = typer.Typer(help="Keys, slots and recovery.", rich_markup_mode=None)
    app.add_typer(noun, name="key")
    _register_status(noun)
    _register_rotation(noun)
    _register_slots(noun)
    _register_recovery(noun)


def _register_status(noun: typer.Typer) -> None:
    @command(noun, "status", needs="change own keys", examples="issuetrack key status")
    def status(run: Invocation) -> None:
        """Show which keys are in use, what is under them, and who opens what."""
        with run.workspace() as workspace:
            found = workspace.keys.status(workspace.actor)
        if found.unfinished:
            run.warn("a change of keys is not finished: issuetrack key rotate --finish")
        run.show(
            Result(
                asdict(found),
                ("keys", "slots"),
                table=lambda: _told(found),
                markdown=lambda: _markdown(found),
            )
        )

    @noun.callback(invoke_without_command=True)
    def default_verb(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            invoke(context, status, "status")


def _rows(found: "KeyStatus") -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the keys and the slots as a person reads them."""
    keys = [
        {
            "key": line.key,
            "protects": f"what {line.role} may read" if line.role else "the whole file",
            "in_use": "yes" if line.current else "no longer",
            "values": line.rows,
        }
        for line in found.keys
    ]
    slots = [
        {"slot": slot.slot, "user": slot.user, "opened_by": words([slot.kind])}
        for slot in found.slots
    ]
    return keys, slots


def _told(found: "KeyStatus") -> "RenderableType":
    from rich.console import Group

    keys, slots = _rows(found)
    return Group(plain_table(keys, KEY_COLUMNS), "", plain_table(slots, SLOT_COLUMNS))


def _markdown(found: "KeyStatus") -> str:
    keys, slots = _rows(found)
    tables = (markdown_table(keys, KEY_COLUMNS), markdown_table(slots, SLOT_COLUMNS))
    return "\n\n".join(tables)


def _show(run: Invocation, data: dict[str, Any]) -> None:
    told = {k: words([v]) if k == "opened_by" else v for k, v in data.items()}
    run.show(Result(data, tuple(data), table=lambda: facts(told)))


def _register_rotation(noun: typer.Typer) -> None:
    @command(
        noun,
        "rotate",
        needs="manage keys",
        examples="issuetrack key rotate\nissuetrack key rotate --finish",
    )
    def rotate(
        run: Invocation,
        finish: Annotated[
            bool,
            typer.Option("--finish", help="Only finish what was interrupted."),
        ] = False,
    ) -> None:
        """Make new field keys and seal every value under them, while others work.

        Stop it at any time; the next run goes on.
        """
        with (
            run.workspace() as workspace,
            diagnostics.progress("Sealing under new keys") as advance,
        ):
            keys, actor = workspace.keys, workspace.actor
            work = keys.finish if finish else keys.rotate
            data: dict[str, Any] = {"values": work(actor, advance)}
            keys.finish_rekey(actor)
            data["keys"] = [k.key for k in keys.status(actor).keys if k.role]
        _show(run, data)

    @command(noun, "rekey", needs="manage keys", examples="issuetrack key rekey")
    def rekey(run: Invocation) -> None:
        """Encrypt the whole file anew under another page key; others wait.

        It takes as much free space as the file has. Killed at any point, the old or
        the new file opens.
        """
        with (
            run.workspace() as workspace,
            diagnostics.progress("Encrypting the file anew") as advance,
        ):
            key = workspace.keys.rekey(workspace.actor, advance)
        _show(run, {"page_key": key})


def _register_slots(noun: typer.Typer) -> None:
    @command(
        noun,
        "add-slot",
        needs="change own keys",
        examples="issuetrack key add-slot --keyring\n"
        "issuetrack key add-slot --new-key-file ~/.issuetrack.key",
    )
    def add_slot(
        run: Invocation,
        passphrase: PassphraseOption = False,
        passphrase_file: PassphraseFileOption = None,
        new_key_file: NewKeyFileOption = None,
        keyring: KeyringOption = False,
        environment_key: EnvironmentOption = False,
    ) -> None:
        """Add another way for you to open the workspace."""
        from issuetrack.engine.identity.policy import Permission, authorize

        new = NewKey(
            passphrase, passphrase_file, new_key_file, keyring, environment_key
        )
        new.check(run)
        with run.workspace() as workspace:
            authorize(workspace.actor, Permission.OWN_KEYS)
            slot = workspace.keys.add_slot(workspace.actor, new.maker(run))
        _show(run, {"slot": slot.slot, "opened_by": slot.kind})

    @command(
        noun,
        "remove-slot",
        needs="change own keys",
        examples="issuetrack key remove-slot 3f2a91c0",
    )
    def remove_slot(
        run: Invocation,
        slot: Annotated[str, typer.Argument(help="As `key status` names it.")],
    ) -> None:
        """Remove a way to open the workspace: yours, or as an admin anybody's."""
        with run.workspace() as workspace:
            workspace.keys.remove_slot(workspace.actor, slot)
        _show(run, {"removed": slot})


def _register_recovery(noun: typer.Typer) -> None:
    @command(
        noun,
        "recover",
        needs=None,
        examples="issuetrack key recover alice --new-key-file alice.key",
    )
    def recover(
        run: Invocation,
        name: Annotated[
            str, typer.Argument(metavar="NAME", help="The user to let in again.")
        ],
        passphrase: PassphraseOption = False,
        passphrase_file: PassphraseFileOption = None,
        new_key_file: NewKeyFileOption = None,
        keyring: KeyringOption = False,
        environment_key: EnvironmentOption = False,
    ) -> None:
        """Let a user who lost every key in again, with the recovery key.

        It is asked for, or read from ISSUETRACK_RECOVERY_KEY.
        """
        from issuetrack.engine.store.unlock import Unlock
        from issuetrack.engine.workspace import Workspace

        new = NewKey(
            passphrase, passphrase_file, new_key_file, keyring, environment_key
        )
        new.check(run)
        written = os.environ.get("ISSUETRACK_RECOVERY_KEY") or run.ask(
            "Recovery key", "ISSUETRACK_RECOVERY_KEY", hide=True
        )
        workspace = Workspace.open(run.database, Unlock(recovery_key=written))
        try:
            maker = new.maker(run)
            account = workspace.accounts.renew(workspace.actor, name, maker)
        finally:
            workspace.close()
        data = {
            "user": account.name,
            "role": account.role,
            "opened_by": account.slots[0],
        }
        _show(run, data)

    @command(
        noun,
        "export-recovery",
        needs="manage keys",
        examples="issuetrack key export-recovery",
    )
    def export_recovery(run: Invocation) -> None:
        """Make a new recovery key and show it once; the old one opens nothing."""
        from issuetrack.engine.store.unlock import new_recovery_key, recovery_secret

        written = new_recovery_key()
        with run.workspace() as workspace:
            workspace.keys.renew_recovery(workspace.actor, recovery_secret(written))
        diagnostics.say("Write it down and keep it elsewhere; it is kept nowhere.")
        _show(run, {"recovery_key": written})
