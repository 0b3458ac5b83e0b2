"""What a person prefers of the application: `[tui]` in config.toml."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

from textual.keys import Keys, _character_to_key, key_to_character

from issuetrack.engine.errors import UsageError
from issuetrack.engine.settings import config_path, in_file, set_preference
from issuetrack.tui.actions import ACTIONS, BY_NAME, Action, Place
from issuetrack.tui.own_commands import FIELDS, PLACEHOLDER, OwnCommand
from issuetrack.tui.themes import BY_NAME as THEMES
from issuetrack.tui.themes import DARK

UNFINISHED = "status:open,in_progress"
VIEWS = {
    "Unfinished": UNFINISHED,
    "P1 and P2": f"{UNFINISHED} priority:P1,P2",
    "Mine": f"{UNFINISHED} assignee:me",
    "Unassigned": f"{UNFINISHED} assignee:none",
    "Resolved lately": "resolved:>=7d",
}
KNOWN = ("theme", "keys", "views", "commands")
MODIFIERS = ("ctrl", "shift", "alt", "meta", "super", "hyper")
NAMED_KEYS = frozenset(key.value for key in Keys)
_MINE = re.compile(r"(?<!\S)(-?(?:assignee|reporter):)me(?!\S)")
_AGO = re.compile(
    r"(?<!\S)(-?(?:created|updated|resolved|closed):[<>]=?)(\d{1,4})d(?!\S)"
)
_PANES = (Place.LIST, Place.READER)
_ON_TRIAGE = (Place.TRIAGE, Place.ANYWHERE, *_PANES)


@dataclass(frozen=True)
class TuiPreferences:
    """What holds for the application on this machine.

    Attributes:
        theme: the name of a theme.
        keymap: keys by the name of the action they do, joined by commas.
        views: queries by the name of the view.
        commands: what the person added.
        query: what the list shows at first.
    """

    theme: str = DARK.name
    keymap: Mapping[str, str] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=lambda: dict(VIEWS))
    commands: tuple[OwnCommand, ...] = ()
    query: str = UNFINISHED

    def of(self, name: str, now: datetime) -> "TuiPreferences":
        """Return them for somebody, at a moment: `me` and `7d` are put into words."""
        views = {view: meant(query, name, now) for view, query in self.views.items()}
        return replace(self, views=views, query=meant(self.query, name, now))


def meant(query: str, name: str, now: datetime) -> str:
    """Return a query with a name for `me` and dates for so many days ago."""

    def date(match: re.Match[str]) -> str:
        return f"{match[1]}{now - timedelta(days=int(match[2])):%Y-%m-%d}"

    query = _MINE.sub(lambda match: shlex.quote(match[1] + name), query)
    return _AGO.sub(date, query)


def read(environment: Mapping[str, str]) -> TuiPreferences:
    """Return what config.toml says of the application.

    Raises:
        UsageError: something in it is wrong; names it and what to write.
    """
    said = in_file(environment).get("tui", {})
    try:
        return _read(_table(said, "tui"))
    except UsageError as error:
        message = f"{config_path(environment)}: {error.message}"
        raise UsageError(message, error.hint) from error


def keep_view(environment: Mapping[str, str], name: str, query: str) -> None:
    """Write a view into config.toml.

    Raises:
        UsageError: the file is not TOML.
        OSError: it cannot be written.
    """
    set_preference(environment, name, query, ("tui", "views"))


def _read(said: dict[str, Any]) -> TuiPreferences:
    for name in said:
        if name not in KNOWN:
            raise UsageError(
                f"there is no tui.{name}", f"use one of: {', '.join(KNOWN)}"
            )
    keymap = dict(_keymap(_table(said.get("keys", {}), "tui.keys")))
    commands = tuple(_commands(said.get("commands", [])))
    _check_clashes(keymap, commands)
    views = VIEWS | _table(said.get("views", {}), "tui.views")
    for name, query in views.items():
        _text(query, f"tui.views.{name}")
    return TuiPreferences(
        theme_named(_text(said.get("theme", DARK.name), "tui.theme")),
        keymap,
        {name: query for name, query in views.items() if query},
        commands,
    )


def theme_named(name: str) -> str:
    """Return the name of a theme that there is.

    Raises:
        UsageError: there is none.
    """
    if name not in THEMES:
        raise UsageError(f"there is no theme {name!r}", f"one of: {', '.join(THEMES)}")
    return name


def _table(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} is not a table", f"write it as [{name}]")
    return value


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{name} cannot be {value!r}", "write a text in quotes")
    return value


def _keymap(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in said.items():
        called = f'tui.keys."{name}"'
        if name not in BY_NAME:
            close = get_close_matches(name, BY_NAME, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]}?" if close else "docs/tui.md names them"
            raise UsageError(f"{called}: there is no such action", hint)
        keys = value if isinstance(value, list) else [value]
        if not keys:
            raise UsageError(f"{called} has no key", 'write one, as "ctrl+r"')
        yield name, ",".join(key_named(_text(key, called), called) for key in keys)


def key_named(text: str, called: str) -> str:
    """Return a key as the application names it.

    Raises:
        UsageError: there is no such key.
    """
    *modifiers, key = text.split("+") if len(text) > 1 else [text]
    if len(key) == 1 and key.isprintable():
        key = _character_to_key(key)
    known = key in NAMED_KEYS or key_to_character(key) is not None
    if not key or not known or set(modifiers) - set(MODIFIERS):
        raise UsageError(
            f"{called}: there is no key {text!r}",
            'write a character, or as "ctrl+r", "f5", "enter", "slash"',
        )
    return "+".join((*modifiers, key))


def _commands(said: object) -> Iterator[OwnCommand]:
    if not isinstance(said, list):
        raise UsageError("tui.commands is no list", "write each as [[tui.commands]]")
    for place, entry in enumerate(said, start=1):
        called = f"[[tui.commands]] number {place}"
        table = _table(entry, called)
        names = ("key", "title", "run", "confirm", "waits")
        for name in table:
            if name not in names:
                raise UsageError(f"{called}: no {name}", f"one of: {', '.join(names)}")
        yield _command(table, called)


def _command(table: dict[str, Any], called: str) -> OwnCommand:
    switches = {name: table.get(name, True) for name in ("confirm", "waits")}
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise UsageError(f"{called}: {name} is {value!r}", "write true or false")
    title = _text(table.get("title", ""), f"{called}: title")
    key = key_named(_text(table.get("key", ""), f"{called}: key"), called)
    run = table.get("run")
    if not title or not run or not isinstance(run, list):
        raise UsageError(
            f"{called} needs a title and what to run",
            'write title = "Look" and run = ["program", "{key}"]',
        )
    words = tuple(_text(word, f"{called}: run") for word in run)
    _check_template(words, called)
    return OwnCommand(key, title, words, **switches)


def _check_template(words: tuple[str, ...], called: str) -> None:
    if not words[0] or PLACEHOLDER.search(words[0]):
        raise UsageError(
            f"{called}: the program must be named", "put {...} into the arguments only"
        )
    for name in PLACEHOLDER.findall(" ".join(words)):
        if name not in FIELDS:
            raise UsageError(
                f"{called}: there is no {{{name}}}",
                f"one of: {', '.join(FIELDS)}",
            )


def _check_clashes(keymap: dict[str, str], commands: tuple[OwnCommand, ...]) -> None:
    """Refuse a key that would do two things in one place.

    Raises:
        UsageError: names both and says what to change.
    """
    for name, keys in keymap.items():
        others = [
            action
            for action in ACTIONS
            if action.name != name and meet(action, BY_NAME[name])
        ]
        _check_free(keys.split(","), _taken(others, keymap), f'tui.keys."{name}"')
    taken = _taken([a for a in ACTIONS if a.place in _ON_TRIAGE], keymap)
    for command in commands:
        _check_free([command.key], taken, f"[[tui.commands]] {command.title!r}")
        taken[command.key] = command.title


def meet(one: Action, other: Action) -> bool:
    """Tell whether two actions can be at hand at the same time."""
    places = {one.place, other.place}
    if Place.HELP in places:
        return places <= {Place.HELP, Place.LIST}
    return (
        len(places) == 1 or Place.ANYWHERE in places or len(places & set(_PANES)) == 1
    )


def _taken(actions: Iterable[Action], keymap: dict[str, str]) -> dict[str, str]:
    return {
        key: action.name
        for action in actions
        for key in keymap.get(action.name, action.keys).split(",")
    }


def _check_free(keys: list[str], taken: dict[str, str], called: str) -> None:
    for key in keys:
        if key in taken:
            raise UsageError(
                f"{called}: the key {key} is taken by {taken[key]}",
                "choose another key, or give that action another one",
            )
