"""A source of several parts, such as repositories or tables."""

from collections.abc import Callable, Iterable, Iterator

from issuetrack.engine.errors import IssueTrackError, NotFoundError, RemoteForbidden
from issuetrack.engine.sync.connector import Page


def pages_of_all(
    parts: Iterable[str], read: Callable[[str], Iterator[Page]]
) -> Iterator[Page]:
    """Yield the pages of each part; one that is refused does not stop the others.

    Raises:
        NotFoundError: a part is not there, told when the others are read.
        RemoteForbidden: a part may not be read, told in the same way.
    """
    refused: list[IssueTrackError] = []
    for part in parts:
        try:
            yield from read(part)
        except (NotFoundError, RemoteForbidden) as error:
            refused.append(error)
    if refused:
        raise refused[0]
