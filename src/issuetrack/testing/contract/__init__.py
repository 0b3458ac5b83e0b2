"""What every connector keeps to, as tests: subclass `ConnectorContract`.

class TestDeskbell(ConnectorContract):
    tracker = TRACKER

    @contextmanager
    def serve(self): ...

    def settings(self, upstream): ...
"""

import pytest

PARTS = ("basis", "reading", "following", "refusing", "writing", "keeping")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in PARTS))

from issuetrack.testing.contract.following import FollowingContract  # noqa: E402
from issuetrack.testing.contract.keeping import KeepingContract  # noqa: E402
from issuetrack.testing.contract.reading import ReadingContract  # noqa: E402
from issuetrack.testing.contract.refusing import RefusingContract  # noqa: E402
from issuetrack.testing.contract.writing import WritingContract  # noqa: E402


class ConnectorContract(
    ReadingContract,
    FollowingContract,
    RefusingContract,
    WritingContract,
    KeepingContract,
):
    """All of it."""


__all__ = ["ConnectorContract"]
