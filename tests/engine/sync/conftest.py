"""A workspace with a source whose tracker a test writes the script of."""

import pytest

from conftest import Team
from engine.sync.scripted import Mirror


@pytest.fixture
def mirror(team: Team) -> Mirror:
    """Return an open workspace with one source."""
    made = Mirror(team.open("owner"))
    made.add(write_back=True)
    return made
