"""Where things are kept, what a person prefers, and what the environment says."""

import getpass
import os
import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import platformdirs

from issuetrack.engine.errors import UsageError

APPLICATION = "issuetrack"
CONFIG_FILE = "config.toml"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
NO_MODEL = "none"
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
VARIABLES = {
    "chat_model": "ISSUETRACK_CHAT_MODEL",
    "embedding_model": "ISSUETRACK_EMBEDDING_MODEL",
    "output": "ISSUETRACK_OUTPUT",
    "llm": "ISSUETRACK_LLM",
}


@dataclass(frozen=True)
class Preferences:
    """What one person prefers on this machine, in all workspaces.

    Attributes:
        chat_model: the name of an installed model that writes suggestions; `none` or
            None for none.
        embedding_model: the name of an installed model that makes vectors; None for
            the one that ships with the program.
        output: the form of output where neither an option nor the environment says.
        llm: whether the chat model is asked at all.
    """

    chat_model: str | None = None
    embedding_model: str | None = None
    output: str | None = None
    llm: bool = True


def default_database() -> Path:
    """Return where the workspace of this operating-system user is kept."""
    return Path(platformdirs.user_data_dir(APPLICATION)) / "issuetrack.db"


def database_path(option: Path | None, environment: Mapping[str, str]) -> Path:
    """Return the database to use: option, then ISSUETRACK_DB, then the default."""
    if option is not None:
        return option
    named = environment.get("ISSUETRACK_DB")
    return Path(named) if named else default_database()


def state_directory(environment: Mapping[str, str]) -> Path:
    """Return where log and crash reports go: ISSUETRACK_STATE_DIR, or the default."""
    named = environment.get("ISSUETRACK_STATE_DIR")
    return Path(named) if named else Path(platformdirs.user_state_dir(APPLICATION))


def data_directory(environment: Mapping[str, str]) -> Path:
    """Return where models are kept: ISSUETRACK_DATA_DIR, or the default."""
    named = environment.get("ISSUETRACK_DATA_DIR")
    return Path(named) if named else Path(platformdirs.user_data_dir(APPLICATION))


def config_path(environment: Mapping[str, str]) -> Path:
    """Return the file of preferences: ISSUETRACK_CONFIG, or the default."""
    named = environment.get("ISSUETRACK_CONFIG")
    default = Path(platformdirs.user_config_dir(APPLICATION)) / CONFIG_FILE
    return Path(named) if named else default


def _unreadable(path: Path, reason: object) -> UsageError:
    return UsageError(f"{path} cannot be read: {reason}", f"mend or remove {path}")


def _config_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error


def _accepts(name: str, value: object) -> bool:
    return isinstance(value, bool if name == "llm" else str)


def preferences(environment: Mapping[str, str]) -> Preferences:
    """Return what holds here: the environment's word, else config.toml's, else ours.

    Raises:
        UsageError: the file is not TOML, or a value is of the wrong type.
    """
    return Preferences(**{**_in_file(environment), **_in_environment(environment)})


def origins(environment: Mapping[str, str]) -> dict[str, str]:
    """Return for each preference who says it: environment, file or default.

    Raises:
        UsageError: the file is not TOML, or a value is of the wrong type.
    """
    said = _in_environment(environment)
    kept = _in_file(environment)
    return {
        field.name: "environment"
        if field.name in said
        else "file"
        if field.name in kept
        else "default"
        for field in fields(Preferences)
    }


def in_file(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that config.toml holds.

    Raises:
        UsageError: the file is not TOML.
    """
    path = config_path(environment)
    try:
        return tomllib.loads(_config_text(path))
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, error) from error


def _in_file(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the preferences in config.toml; keys that it does not know are left alone.

    Raises:
        UsageError: the file is not TOML, or a value is of the wrong type.
    """
    path = config_path(environment)
    known = in_file(environment)
    names = [field.name for field in fields(Preferences)]
    given = {name: known[name] for name in names if name in known}
    for name, value in given.items():
        if not _accepts(name, value):
            kind = "true or false" if name == "llm" else "a text in quotes"
            raise UsageError(
                f"{name} in {path} cannot be {value!r}", f"write {kind} there"
            )
    return given


def _in_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the preferences that the environment says; an empty word says nothing.

    Raises:
        UsageError: a value is of the wrong type.
    """
    said = {
        name: environment[variable]
        for name, variable in VARIABLES.items()
        if environment.get(variable)
    }
    return {name: parsed(name, text, VARIABLES[name]) for name, text in said.items()}


def parsed(name: str, text: str, called: str | None = None) -> str | bool:
    """Return a value as a preference takes it.

    Args:
        name: the preference.
        text: the value as a person writes it.
        called: what the person calls it, where that is not its name.

    Raises:
        UsageError: it does not take that value.
    """
    if name != "llm":
        return text.strip()
    word = text.strip().lower()
    if word not in YES + NO:
        raise UsageError(
            f"{called or name} is on or off, not {text!r}", "say on or off"
        )
    return word in YES


def set_preference(
    environment: Mapping[str, str],
    name: str,
    value: str | bool | None,
    tables: tuple[str, ...] = (),
) -> Path:
    """Write one preference, None to take it out; the rest of the file stays as it is.

    Args:
        environment: the environment variables.
        name: the preference.
        value: what it is from now on.
        tables: the tables that it stands in, the outer one first.

    Returns:
        The file that was written.

    Raises:
        UsageError: the file is not TOML.
        OSError: it cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    path = config_path(environment)
    try:
        document = tomlkit.parse(_config_text(path))
    except TOMLKitError as error:
        raise _unreadable(path, error) from error
    place: Any = document
    for depth, table in enumerate(tables, start=1):
        if table not in place:
            place[table] = tomlkit.table(is_super_table=depth < len(tables))
        place = place[table]
        if not isinstance(place, MutableMapping):
            raise _unreadable(path, f"{table} is not a table")
    if value is None:
        place.pop(name, None)
    else:
        place[name] = value
    _replace(path, tomlkit.dumps(document))
    return path


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a private file, whole or not at all."""
    path = path.resolve()
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(new, flags, PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def operating_system_user() -> str:
    """Return the name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "owner"
