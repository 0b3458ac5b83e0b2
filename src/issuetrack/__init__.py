"""issuetrack: a terminal-first, local-AI issue tracker."""

__version__ = "0.1.0"
