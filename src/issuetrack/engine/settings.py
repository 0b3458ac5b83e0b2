"""Where things are kept, and what the environment says about it."""

import getpass
from collections.abc import Mapping
from pathlib import Path

import platformdirs

APPLICATION = "issuetrack"


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


def operating_system_user() -> str:
    """Return the name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "owner"
