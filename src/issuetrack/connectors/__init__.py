"""Trackers and files, in the common vocabulary. All HTTP to a tracker is here."""
