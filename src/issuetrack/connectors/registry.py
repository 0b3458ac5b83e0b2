"""The kinds of tracker that are installed: entry points of `issuetrack.connectors`."""

from importlib.metadata import entry_points

from issuetrack.engine.errors import UsageError
from issuetrack.engine.sync.connector import (
    Connector,
    SourceSettings,
    Tracker,
    Waiting,
)

GROUP = "issuetrack.connectors"


def kinds() -> list[str]:
    """Return the names of the kinds that are installed."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def tracker(kind: str) -> Tracker:
    """Return a kind of tracker; its module is read only now.

    Raises:
        UsageError: there is none of that name, or it cannot be used.
    """
    for entry in entry_points(group=GROUP, name=kind):
        try:
            found: Tracker = entry.load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"the connector {kind} cannot be loaded: {error}",
                "install it again, or ask who wrote it",
            ) from error
        return found
    raise UsageError(
        f"there is no connector for {kind}",
        f"installed are: {', '.join(kinds())}; see docs/writing-a-connector.md",
    )


def connect(
    settings: SourceSettings, secret: str | None, waiting: Waiting
) -> Connector:
    """Return a conversation with the tracker of a source; nothing is sent yet."""
    return tracker(settings.kind).connect(settings, secret, waiting)
