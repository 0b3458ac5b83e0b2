"""The first screen of all: there is no workspace yet, and three ways to one."""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Static

from issuetrack.engine.errors import InputNeeded, IssueTrackError, UsageError
from issuetrack.terminal_safety import clean
from issuetrack.tui.background import Progress
from issuetrack.tui.screens.opening import BeforeWork, opened
from issuetrack.tui.widgets.dialogs import Ask, Choose, Dialog, Option
from issuetrack.tui.widgets.entries import Entries

if TYPE_CHECKING:
    from issuetrack.engine.sync.connector import SourceSettings
    from issuetrack.engine.workspace import NewWorkspace, Workspace

ABOUT = (
    "issuetrack keeps incidents and finds what fixed them the last time. "
    "Nothing leaves this machine."
)
CHOICES = (
    ("1", "Create a workspace here", "issuetrack init"),
    ("2", "Try it with demo data", "issuetrack demo"),
    ("3", "Connect a tracker", "issuetrack init; issuetrack source add github"),
)
KINDS = (
    Option("github", "GitHub", "1"),
    Option("jira", "Jira", "2"),
    Option("servicenow", "ServiceNow", "3"),
)
NOTHING_YET = (
    "Nothing here yet. Ctrl+N opens an issue; for many: issuetrack import FILE"
)
GROUP = "welcome"


class RecoveryKey(Dialog[bool]):
    """Shows the recovery key, once, until it is written down."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Written down", id="recovery.written"),
        Binding("escape,enter,q", "stay", "Stay", id="dialog.cancel"),
    ]
    DEFAULT_CSS = """
    RecoveryKey Static.key { padding: 1 2; width: 1fr; color: $accent; }
    """

    def __init__(self, made: "NewWorkspace") -> None:
        super().__init__(
            "Recovery key, shown only this once",
            "y when it is written down and kept elsewhere",
        )
        self.made = made

    def asked(self) -> Iterable[Widget]:
        """Yield the key, and where things are."""
        key = self.made.recovery_key
        half = key.find("-", len(key) // 2) + 1
        yield Static(f"{key[:half]}\n{key[half:]}", classes="key", markup=False)
        yield Static(
            clean(
                "It opens the workspace when nothing else does.\n"
                f"Workspace: {self.made.database}\n"
                f"Its keys:  {self.made.key_file}\n"
                f"Admin:     {self.made.owner}\n"
            ),
            markup=False,
        )

    def action_stay(self) -> None:
        """Say what ends it."""
        self.notify("Write the key down, then press y", markup=False)


class WelcomeScreen(BeforeWork):
    """Three ways to begin."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "begin('1')", "Create", id="welcome.create"),
        Binding("2", "begin('2')", "Demo", id="welcome.demo"),
        Binding("3", "begin('3')", "Connect", id="welcome.connect"),
    ]
    AUTO_FOCUS = "Entries"
    DEFAULT_CSS = """
    WelcomeScreen Static.told { padding: 1 2 0 2; height: auto; }
    WelcomeScreen #choices { height: 3; margin: 1 0; }
    """

    def parts(self) -> Iterable[Widget]:
        """Yield what it is, and the choices."""
        database = self.application.doors.database
        yield Static(ABOUT, classes="told", markup=False)
        missing = clean(f"There is no workspace at {database} yet.")
        yield Static(missing, classes="told", markup=False)
        yield Entries(self._line, id="choices")
        yield Static(
            "Press 1, 2 or 3; q quits. On the right: the same on the command line.\n"
            "3 reads GitHub, Jira or ServiceNow. A workspace is one encrypted file.",
            classes="told",
            markup=False,
        )

    def on_mount(self) -> None:
        """Show the choices."""
        self.query_one(Entries).show(CHOICES)

    def _line(self, choice: tuple[str, str, str], _width: int) -> Text:
        key, title, command = choice
        if key == "1" and self.application.workspace is not None:
            title = "Go into the new workspace"
        return Text.assemble(
            (f"  {key}  ", "accent"), f"{title:<28}", (command, "quiet"), no_wrap=True
        )

    def on_entries_opened(self, event: Entries.Opened) -> None:
        """Do what was chosen."""
        self.action_begin(event.entry[0])

    def action_begin(self, key: str) -> None:
        """Do what was chosen."""
        ways: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "1": self._to_new,
            "2": self._to_demo,
            "3": self._to_tracker,
        }
        self.begin(GROUP, ways[key]())

    def do_app_back(self) -> None:
        """Cancel what runs; with nothing running say how to leave."""
        if any(w.group == GROUP and not w.is_finished for w in self.workers):
            self.workers.cancel_group(self, GROUP)
            self.say("Cancelled")
        else:
            self.say("q quits")

    async def _to_new(self) -> None:
        workspace = await self._created()
        if workspace is not None:
            self.enter(workspace, NOTHING_YET)

    async def _to_demo(self) -> None:
        def made(progress: Progress) -> "Workspace":
            def told(text: str) -> None:
                if progress.cancelled.is_set():
                    raise InputNeeded("cancelled")
                progress.tell(text)

            return self.application.doors.demo(told)

        workspace = await self.beside(made, running="Making the demo workspace")
        self.say("A demo workspace with sample incidents; it is gone when you quit.")
        self.enter(workspace)

    async def _created(self) -> "Workspace | None":
        """Return the new workspace, open; None where it was left."""
        if self.application.workspace is not None:
            return self.application.workspace
        doors = self.application.doors
        key = await self._key()
        if key is None:
            return None
        made = await self.beside(
            lambda _: doors.created(key or None), running="Making the workspace"
        )
        await self.answer(RecoveryKey(made))
        workspace = await self.beside(
            lambda _: opened(doors, key or None), running="Opening the workspace"
        )
        self.application.workspace = workspace
        self.query_one(Entries).refresh()
        return workspace

    async def _key(self) -> str | None:
        """Return a new passphrase, "" for what is on offer, None for neither."""
        offered = await self.beside(lambda _: self.application.doors.offered())
        if offered:
            ways = [
                Option("offered", f"{clean(offered)}", "1"),
                Option("typed", "a passphrase", "2"),
            ]
            chosen = await self.answer(Choose("What will open it?", ways))
            if chosen != "typed":
                return "" if chosen else None
        return await self._new_passphrase()

    async def _new_passphrase(self) -> str | None:
        while True:
            first = await self.answer(
                Ask("A new passphrase, of 12 characters or more", secret=True)
            )
            if first is None:
                return None
            try:
                await self.beside(partial(_check, first))
            except UsageError as error:
                self.complain(error.message, error.hint)
                continue
            again = await self.answer(Ask("The same again", secret=True))
            if again is None:
                return None
            if again == first:
                return first
            self.complain("the two passphrases differ", "type them again")

    async def _to_tracker(self) -> None:
        workspace = await self._created()
        if workspace is None:
            return
        found = await self._source()
        if found is None:
            self.say("The workspace is there; 1 goes into it")
            return
        settings, token = found
        doors = self.application.doors
        missing = await self.beside(
            lambda _: doors.add_source(workspace, settings, token),
            running=f"Trying {settings.kind}",
        )
        for one in missing:
            self.complain(f"the token may not {one}")
        try:
            await self._read(workspace, settings.name)
        except IssueTrackError as error:
            self.complain(error.message, error.hint)
        self.enter(workspace, NOTHING_YET)

    async def _source(self) -> "tuple[SourceSettings, str] | None":
        """Ask which tracker, where, and with which token."""
        from issuetrack.engine.sync.connector import SourceSettings

        kind = await self.answer(Choose("Which tracker?", KINDS))
        if kind is None:
            return None
        asked = {
            "github": ("repo", "token"),
            "jira": ("base_url", "project", "username", "token"),
            "servicenow": ("base_url", "username", "token"),
        }[kind]
        said: dict[str, str] = {}
        for name in asked:
            answer = await self.answer(question(kind, name))
            if answer is None:
                return None
            said[name] = answer.strip()
        options = {"repo": said["repo"]} if "repo" in said else {}
        if said.get("project"):
            options["jql"] = f'project = "{said["project"]}"'
        base_url, username = said.get("base_url", ""), said.get("username") or None
        return SourceSettings(kind, kind, base_url, username, options), said["token"]

    async def _read(self, workspace: "Workspace", name: str) -> None:
        """Read the tracker for the first time, and make what was read findable."""
        from issuetrack.engine.sync.runs import SyncReport, Wish

        doors = self.application.doors

        def work(progress: Progress) -> SyncReport:
            def told(report: SyncReport) -> None:
                if progress.cancelled.is_set():
                    raise InputNeeded("cancelled")
                progress.tell(f"{report.issues} issues, {report.comments} comments")

            report = workspace.sync.run(
                workspace.actor,
                name,
                doors.connect,
                Wish(),
                environment=doors.environment,
                waiting=lambda why, s: progress.tell(f"{why}; waiting {s:.0f} s"),
                progress=told,
            )
            workspace.drain_index(
                lambda n, all_: progress.tell(f"indexed {n} of {all_}")
            )
            return report

        report = await self.beside(work, running=f"Reading {name}")
        for reason in report.reasons:
            self.complain(f"{name}: {reason}", report.hint)
        self.say(f"{report.issues} issues from {name}; S reads what is new")


def question(kind: str, name: str) -> Ask:
    """Return the question for one thing that a tracker needs."""
    secret = "Password" if kind == "servicenow" else "Token"
    optional = " (empty for public repositories)" if kind == "github" else ""
    address = "acme.atlassian.net" if kind == "jira" else "acme.service-now.com"
    asked = {
        "repo": "Repository, as acme/shop",
        "base_url": f"Address, as https://{address}",
        "project": "Project, as OPS (empty for all)",
        "username": "E-mail" if kind == "jira" else "User name",
        "token": f"{secret}{optional}; it is kept sealed",
    }
    return Ask(asked[name], secret=name == "token")


def _check(passphrase: str, _: object) -> None:
    from issuetrack.engine.store.unlock import new_passphrase_secret

    new_passphrase_secret(passphrase)
