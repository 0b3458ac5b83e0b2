"""What each section of docs/evaluation.md is made of."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
DATA = SHARED / "data"


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        title: its heading.
        lines: Markdown under it.
    """

    title: str
    lines: list[str]


class DataAbsent(Exception):  # noqa: N818 - the condition's own name
    """The data that a section measures on is not beside the project."""


def data(name: str) -> Path:
    """Return the path of a data file beside the project.

    Raises:
        DataAbsent: it is not there.
    """
    path = DATA / name
    if not path.exists():
        raise DataAbsent(f"needs ../shared/data/{name}")
    return path
