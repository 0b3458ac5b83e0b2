"""Prism, which answers as an API description says and judges what it is asked."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ENVIRONMENT = dict(os.environ)
CACHE = Path(ENVIRONMENT.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = CACHE / "issuetrack-tests" / "prism"
PACKAGE = "@stoplight/prism-cli@5"
INSTALL_SECONDS = 300
START_SECONDS = 120
_VIOLATION = re.compile(r"Violation: request\S* (.*)")


@dataclass(frozen=True)
class Prism:
    """A running Prism."""

    url: str
    log: Path

    @property
    def violations(self) -> list[str]:
        """Return what was wrong with the requests so far."""
        return _VIOLATION.findall(self.log.read_text())

    @property
    def unknown_paths(self) -> list[str]:
        """Return the paths that the description does not have."""
        pattern = r"\] (\w+ \S+) .*NO_PATH_MATCHED_ERROR"
        return [p for p in re.findall(pattern, self.log.read_text()) if "/rest" in p]


StartPrism = Callable[[Path], Prism]


def installed(package: str, name: str, folder: Path) -> Path:
    """Return a program of an npm package, installed once for each machine."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not here")
    program = folder / "node_modules" / ".bin" / name
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--prefix", str(folder))
        subprocess.run(
            [npm, "install", *quiet, package],
            check=True,
            env=ENVIRONMENT,
            timeout=INSTALL_SECONDS,
            cwd=folder,
        )
    return program


@pytest.fixture(scope="session")
def prism_program() -> Path:
    """Return the program of Prism."""
    return installed(PACKAGE, "prism", FOLDER)


@pytest.fixture(scope="session")
def prism(
    prism_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartPrism]:
    """Return what starts Prism with a description; it ends with the last test."""
    folder = tmp_path_factory.mktemp("prism")
    with ExitStack() as running:
        yield lambda spec: running.enter_context(_mocking(prism_program, spec, folder))


@contextmanager
def _mocking(program: Path, spec: Path, folder: Path) -> Iterator[Prism]:
    if not spec.is_file():
        pytest.skip(f"the shared description {spec.name} is not here")
    port = _free_port()
    log = folder / f"prism-{port}.log"
    where = ["-h", "127.0.0.1", "-p", str(port), "--multiprocess", "false"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [program, "mock", *where, spec],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )
    try:
        _await_start(process, port, log)
        yield Prism(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await_start(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"Prism does not start: {log.read_text()[-2000:]}")
