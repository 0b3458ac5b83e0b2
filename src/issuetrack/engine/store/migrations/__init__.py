"""Schema versions, forward only. The file's version changes with its tables."""
