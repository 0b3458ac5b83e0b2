"""Runs the command line: `python -m issuetrack`."""

from issuetrack.cli.main import main

if __name__ == "__main__":
    main()
