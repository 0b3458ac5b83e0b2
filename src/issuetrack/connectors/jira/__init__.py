"""Jira, Cloud and Server, as a tracker."""
