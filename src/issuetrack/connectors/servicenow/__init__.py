"""ServiceNow as a tracker."""
