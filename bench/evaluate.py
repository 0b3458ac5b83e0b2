"""Measures what the assistant is worth and writes docs/evaluation.md: `make eval`.

The data is beside the project (../shared/data); a section whose data is absent says so.
Named sections are printed and the page is left as it is.
"""

import argparse
import importlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from evaluation import ROOT, DataAbsent, Section
from issuetrack import __version__

SECTIONS = (
    "mining",
    "suggestions",
    "confidence",
    "adaptation",
    "ratings",
    "alerts",
    "sop_round_trip",
    "speed",
)
PAGE = ROOT / "docs/evaluation.md"


def measured(name: str, folder: Path) -> Section:
    """Return one section, or why it could not be measured."""
    started = time.perf_counter()
    try:
        section: Section = importlib.import_module(f"evaluation.{name}").section(folder)
    except DataAbsent as absent:
        section = Section(name.replace("_", " ").capitalize(), [f"Left out: {absent}."])
    seconds = time.perf_counter() - started
    told = f"`python bench/evaluate.py {name}`: {seconds:.0f} s."
    return Section(section.title, [told, "", *section.lines])


def page(sections: Sequence[Section]) -> str:
    """Return the page."""
    day = datetime.now(UTC).date().isoformat()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    lines = [
        "# Evaluation",
        "",
        "What the assistant is worth on real data, from one run of `make eval`: "
        f"issuetrack {__version__}, Python {platform.python_version()}, {machine}, "
        f"{day}. The command beside each table makes it again.",
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", *section.lines]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure all sections, or the ones named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", choices=[[], *SECTIONS])
    parser.add_argument("--folder", type=Path, help="keep and reuse workspaces here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="issuetrack-eval-") as temporary:
        folder = given.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        made = []
        for name in given.sections or SECTIONS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            made.append(measured(name, folder))
    if given.sections:
        print(page(made))
    else:
        PAGE.write_text(page(made), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
