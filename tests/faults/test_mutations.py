"""Every test of a fault fails where the safeguard that it is about is taken out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import issuetrack
from faults.mutations import MUTATIONS, Mutation

PACKAGE = Path(issuetrack.__file__).parent
ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = "weights"
FAULTS = {
    1,
    2,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    12,
    14,
    17,
    18,
    25,
    27,
    28,
    29,
    30,
    31,
    32,
    33,
    34,
    35,
    36,
    43,
}
FAILED_TESTS = 1


def name_of(mutation: Mutation) -> str:
    """Return the name of a mutation in test reports."""
    return f"{mutation.fault} {mutation.what}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_mutation_still_fits_the_source(mutation: Mutation) -> None:
    """What it replaces is there once, and the test that it names exists."""
    text = (PACKAGE / mutation.file).read_text(encoding="utf-8")
    file, _, test = mutation.test.partition("::")
    function = test.partition("[")[0]

    assert text.count(mutation.old) == 1
    assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


def test_every_fault_has_a_mutation() -> None:
    """A test that nothing can make fail tells nothing."""
    assert {mutation.fault for mutation in MUTATIONS} == FAULTS


def copy_project(folder: Path) -> Path:
    """Return a copy of sources and tests; the model file is only linked."""
    source = folder / "src" / PACKAGE.name
    ignored = shutil.ignore_patterns(WEIGHTS, "__pycache__")
    shutil.copytree(PACKAGE, source, ignore=ignored)
    inference = Path("engine", "inference", WEIGHTS)
    (source / inference).symlink_to(PACKAGE / inference)
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for name in ("shared", "docs", "README.md"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return source


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run Python on a copy."""
    paths = [str(folder / "src"), str(folder / "tests")]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )


def run_test(folder: Path, test: str) -> "subprocess.CompletedProcess[str]":
    """Run one test on a copy, whose package must be the one that is imported."""
    found = run(folder, "-c", "import issuetrack; print(issuetrack.__file__)")
    assert found.stdout.startswith(str(folder))
    return run(folder, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test)


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what was told of tests on an unchanged copy, to be filled."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS, ids=name_of)
def test_mutation_is_noticed(
    tmp_path: Path, passed: dict[str, str], mutation: Mutation
) -> None:
    """The test passes on a copy, and fails once the copy is changed."""
    source = copy_project(tmp_path)
    if mutation.test not in passed:
        whole = run_test(tmp_path, mutation.test)
        assert whole.returncode == 0, whole.stdout + whole.stderr
        assert " passed" in whole.stdout
        passed[mutation.test] = whole.stdout
    file = source / mutation.file
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
    broken = run_test(tmp_path, mutation.test)

    assert broken.returncode == FAILED_TESTS, broken.stdout + broken.stderr
