"""`whoami`, `login` and `logout`: who acts, and not asking for a while."""

import os
from typing import Any

import typer

from issuetrack.cli import diagnostics
from issuetrack.cli.context import Invocation
from issuetrack.cli.facts import facts, words
from issuetrack.cli.output import Result
from issuetrack.cli.registration import command
from issuetrack.engine.errors import AuthenticationError, NotFoundError, StoreError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "whoami", needs="identify", examples="issuetrack whoami")(whoami)
    command(
        app,
        "login",
        needs="identify",
        examples="issuetrack login\nissuetrack login --user alice",
    )(login)
    command(app, "logout", needs=None, examples="issuetrack logout")(logout)


def whoami(run: Invocation) -> None:
    """Show who acts, in which role, and how the workspace was opened."""
    with run.workspace() as workspace:
        from issuetrack.engine.identity.policy import allowed

        account = workspace.accounts.own(workspace.actor)
        data: dict[str, Any] = {
            "name": account.name,
            "role": account.role,
            "kind": account.kind,
            "opened_by": workspace.opened_by,
            "database": str(workspace.path),
            "may": allowed(account.role),
        }
    _show(run, data)


def login(run: Invocation) -> None:
    """Ask for the passphrase once: for ten idle minutes, twelve hours at most.

    The keys are kept by the kernel for this login session, or by the system keyring,
    never in a file. Key files, keyrings and the environment need no login.
    """
    from issuetrack.engine.store.login_cache import LoginCache
    from issuetrack.engine.store.slots import SlotKind
    from issuetrack.engine.workspace import Workspace

    workspace = Workspace.open(run.database, run.unlock(cached=False))
    try:
        data: dict[str, Any] = {
            "name": workspace.actor.name,
            "kept_by": None,
            "opened_by": workspace.opened_by,
        }
        if workspace.opened_by is SlotKind.PASSPHRASE:
            cache = LoginCache()
            if not cache.keep(*workspace.login) or cache.keeper is None:
                raise StoreError(
                    "there is neither a kernel keyring nor a system keyring here: "
                    "the passphrase will be asked for each time",
                    "add a key file: issuetrack key add-slot --new-key-file PATH",
                )
            data["kept_by"] = cache.keeper.name
        else:
            how = words([workspace.opened_by])
            diagnostics.say(f"opened by {how}: that needs no login")
    finally:
        workspace.close()
    _show(run, data)


def logout(run: Invocation) -> None:
    """Forget what `login` keeps."""
    from issuetrack.engine.store.keyslots import KeyFile, key_file_path
    from issuetrack.engine.store.login_cache import LoginCache

    if not run.database.exists():
        raise NotFoundError(
            f"there is no workspace at {run.database}", "check --db and ISSUETRACK_DB"
        )
    file = KeyFile.load(key_file_path(run.database))
    user = run.user or os.environ.get("ISSUETRACK_USER") or None
    if user is not None and file.state.named(user) is None:
        raise AuthenticationError(
            f"there is no user {user} in this workspace",
            "check --user and ISSUETRACK_USER",
        )
    cache = LoginCache()
    gone = [
        p.name
        for p in file.principals()
        if user in (None, p.name) and cache.forget(file.database, p.uuid)
    ]
    told = {"forgotten": gone or "nothing was kept"}
    run.show(
        Result(
            [{"forgotten": name} for name in gone],
            ("forgotten",),
            table=lambda: facts(told),
            fields=("forgotten",),
        )
    )


def _show(run: Invocation, data: dict[str, Any]) -> None:
    told = data | {"opened_by": words([data["opened_by"]])}
    run.show(Result(data, tuple(data), table=lambda: facts(told)))
