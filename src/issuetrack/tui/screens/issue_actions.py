"""What can be done with an issue, and with the trackers that issues come from."""

from issuetrack.tui.screens.issue_reading import IssueReading
from issuetrack.tui.screens.issue_resolving import IssueResolving
from issuetrack.tui.screens.syncing import Syncing


class IssueActions(IssueResolving, Syncing, IssueReading):
    """What can be done with the issue that is read."""
