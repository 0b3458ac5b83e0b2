"""What the application in the terminal is given: the workspace, trackers, the demo."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from issuetrack.cli.context import Invocation
from issuetrack.tui.app import Doors, PassphraseNeeded

if TYPE_CHECKING:
    from issuetrack.engine.assistant.suggestions import Suggestion
    from issuetrack.engine.issues.records import IssueRecord
    from issuetrack.engine.store.unlock import Unlock
    from issuetrack.engine.sync.connector import (
        Connector,
        SourceSettings,
        Waiting,
    )
    from issuetrack.engine.workspace import NewWorkspace, Workspace

SAMPLES = ("sample_incidents.jsonl", "sample_new_incidents.jsonl")


def doors_of(run: Invocation, kept: ExitStack) -> Doors:
    """Return what the application is given.

    Args:
        run: the options of the command.
        kept: what is closed at the end.
    """
    opening = _Opening(run, kept)
    return Doors(
        database=run.database,
        opened=opening.opened,
        created=lambda passphrase: _created(run, passphrase),
        demo=lambda told: _demo(kept, told),
        connect=_connect,
        issue_markdown=_issue_markdown,
        suggestion_markdown=_suggestion_markdown,
        report=_report,
        environment=os.environ,
        offered=lambda: _offered(run),
        add_source=_add_source,
        warmed=opening.warmed,
    )


class _Opening:
    """Opens the workspace, and loads its model later."""

    def __init__(self, run: Invocation, kept: ExitStack) -> None:
        self._run = run
        self._kept = kept
        self._load: Callable[[], None] = lambda: None

    def opened(self, passphrase: str | None) -> "Workspace":
        """Open it with what options, environment and login offer, or a passphrase."""
        from issuetrack.engine.inference.choice import InstalledModels
        from issuetrack.engine.inference.llama import LlamaEmbedder
        from issuetrack.engine.settings import data_directory, preferences
        from issuetrack.engine.workspace import Workspace

        prefers, model = preferences(os.environ), None
        if prefers.embedding_model is None:
            model = LlamaEmbedder()
            self._load = model.load_soon
        unlock = self._run.unlock()
        unlock = replace(unlock, ask=_asker(self._run, unlock, passphrase))
        choice = InstalledModels(prefers, data_directory(os.environ))
        workspace = Workspace.open(self._run.database, unlock, model, choice=choice)
        self._kept.callback(workspace.close)
        return workspace

    def warmed(self) -> None:
        """Load the model that ships with the program."""
        self._load()


def _asker(
    run: Invocation, unlock: "Unlock", passphrase: str | None
) -> Callable[[], str]:
    def ask() -> str:
        if passphrase is None:
            raise PassphraseNeeded(_whose(run, unlock))
        return passphrase

    return ask


def _whose(run: Invocation, unlock: "Unlock") -> str:
    """Return whose passphrase would open the workspace."""
    from issuetrack.engine.store.keyslots import KeyFile, key_file_path
    from issuetrack.engine.store.slots import SlotKind

    if unlock.user is not None:
        return unlock.user
    file = KeyFile.load(key_file_path(run.database))
    people = [
        principal.name
        for principal in file.principals()
        if any(
            slot["kind"] == SlotKind.PASSPHRASE for slot in file.slots(principal.uuid)
        )
    ]
    return people[0] if len(people) == 1 else unlock.system_user or ""


def _offered(run: Invocation) -> str:
    """Name what opens a new workspace where no passphrase is typed."""
    from issuetrack.engine.store.unlock import Unlock, secure_keyring_available

    offered = Unlock.from_environment(os.environ, run.key_file)
    if offered.environment_key and not run.key_file:
        return "the key in ISSUETRACK_KEY"
    if offered.key_file is not None:
        return f"the key file {offered.key_file}"
    if offered.passphrase_file is not None:
        return f"the passphrase in {offered.passphrase_file}"
    return "the system keyring" if secure_keyring_available() else ""


def _created(run: Invocation, passphrase: str | None) -> "NewWorkspace":
    from issuetrack.cli.initialise import secrets_maker
    from issuetrack.engine.settings import operating_system_user
    from issuetrack.engine.store.unlock import new_passphrase_secret
    from issuetrack.engine.workspace import Workspace

    if passphrase is None:
        maker = secrets_maker(run)
    else:
        secret = new_passphrase_secret(passphrase)
        maker = lambda _: [secret]  # noqa: E731
    return Workspace.create(run.database, operating_system_user(), maker)


def _demo(kept: ExitStack, told: Callable[[str], None]) -> "Workspace":
    from issuetrack.cli.demo import SOURCE, sample
    from issuetrack.cli.evaluate import temporary_workspace
    from issuetrack.connectors.files.reader import FileFormat, FileReader

    told("making an empty workspace")
    workspace = kept.enter_context(temporary_workspace())
    for name in SAMPLES:
        told("reading sample incidents")
        items = FileReader(sample(name), FileFormat.JSONL, {}).items()
        workspace.imports.run(workspace.actor, SOURCE, "jsonl", items)
    told("loading the model")
    workspace.drain_index(lambda done, total: told(f"indexed {done} of {total}"))
    return workspace


def _connect(
    settings: "SourceSettings", secret: str | None, waiting: "Waiting"
) -> "Connector":
    from issuetrack.connectors import registry

    return registry.connect(settings, secret, waiting)


def _add_source(
    workspace: "Workspace", settings: "SourceSettings", token: str
) -> list[str]:
    """Try a tracker and keep it; return what the token may not do."""
    from issuetrack.cli.source import checked
    from issuetrack.connectors import registry
    from issuetrack.engine.sync.credentials import CredentialFrom, CredentialSource

    tracker = registry.tracker(settings.kind)
    workspace.sources.check_new(workspace.actor, settings.name, settings.kind)
    settled = tracker.settle(settings)
    access = checked(settled, token or None)
    workspace.sources.add(
        workspace.actor,
        settled,
        tracker.scope(settled),
        CredentialSource(CredentialFrom.STORED, token) if token else None,
        write_back=False,
    )
    return list(access.may_not)


def _issue_markdown(record: "IssueRecord") -> str:
    from issuetrack.cli.issue_view import issue_markdown

    return issue_markdown(record)


def _suggestion_markdown(suggestion: "Suggestion") -> str:
    from issuetrack.cli.suggesting import result
    from issuetrack.cli.suggestion_view import suggestion_markdown

    return suggestion_markdown(result(suggestion).data)


def _report(error: BaseException) -> None:
    from issuetrack.cli.crashes import keep_report

    keep_report(error, "triage")
