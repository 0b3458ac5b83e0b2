"""Processes that use one workspace at the same time, until a file tells them to stop.

Run as `python -m faults.crowd ROLE DATABASE SEED`; what a process did and what went
wrong goes to stdout as JSON, its first line says that it is ready.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from faults.kit import KEY
from issuetrack.engine.errors import ConflictError
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

READY = "ready"
PAUSE = 0.02


@dataclass
class Did:
    """What one process did.

    Attributes:
        acknowledged: titles of issues, with the moment after their commit.
        rounds: how often it did its work.
        errors: what went wrong.
        longest: the seconds of its slowest round.
    """

    role: str
    acknowledged: dict[str, float] = field(default_factory=dict)
    rounds: int = 0
    errors: list[str] = field(default_factory=list)
    longest: float = 0.0


def stop_file(database: Path) -> Path:
    """Return the path of the file that ends a crowd."""
    return database.with_name("stop")


def body_of(title: str) -> str:
    """Return the body of an issue, which its title tells."""
    return f"body of {title}"


def write(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Open an issue."""
    title = f"{did.role} {os.getpid()} {did.rounds}"
    draft = IssueDraft(title, body=body_of(title))
    made = workspace.issues.create(workspace.actor, draft)
    did.acknowledged[title] = time.time()
    if did.role == "commenter":
        name = str(made.summary.number)
        workspace.issues.comment(workspace.actor, name, f"note {name}")


def read(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Read issues in full, the newest among them."""
    total = workspace.issues.matching(workspace.actor)[1]
    if not total:
        return
    for number in (chance.randint(1, total), total):
        issue = workspace.issues.get(workspace.actor, str(number))
        assert issue.body == body_of(issue.summary.title), issue
        assert all(c.body == f"note {number}" for c in issue.comments), issue


def look_for(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """List what holds certain words."""
    word = chance.choice(["writer", "body", "absent", "note"])
    workspace.issues.matching(workspace.actor, word)
    if did.rounds % 20 == 0:
        assert workspace.verify_audit().broken_at is None


def back_up(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Make a backup, and keep two."""
    folder = workspace.path.with_name("crowd backups")
    workspace.maintenance.backup(workspace.actor, folder, keep=2)


def reopen(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Open the workspace once more, look and close it."""
    other = Workspace.open(workspace.path, Unlock(environment_key=KEY))
    try:
        other.issues.matching(other.actor)
    finally:
        other.close()


def rotate(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Make new field keys, as the command does."""
    workspace.keys.rotate(workspace.actor)
    workspace.keys.finish_rekey(workspace.actor)


def rekey(workspace: Workspace, did: Did, chance: random.Random) -> None:
    """Make a new page key, as often as it takes where others change keys too."""
    with contextlib.suppress(ConflictError):
        workspace.keys.rekey(workspace.actor)


ROLES: dict[str, Callable[[Workspace, Did, random.Random], None]] = {
    "writer": write,
    "commenter": write,
    "reader": read,
    "searcher": look_for,
    "backup": back_up,
    "opener": reopen,
    "rotator": rotate,
    "rekeyer": rekey,
}


def main(role: str, database: str, seed: str) -> None:
    """Work until the file is there that says to stop."""
    did, chance = Did(role), random.Random(seed)
    workspace = Workspace.open(Path(database), Unlock(environment_key=KEY))
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    while not stop_file(Path(database)).exists():
        began = time.monotonic()
        try:
            ROLES[role](workspace, did, chance)
        except Exception as error:  # noqa: BLE001 - it is told to the test
            did.errors.append(f"{role}: {type(error).__name__}: {error}")
        did.rounds += 1
        did.longest = max(did.longest, time.monotonic() - began)
        time.sleep(PAUSE)
    workspace.close()
    sys.stdout.write(json.dumps(asdict(did)) + "\n")


@contextmanager
def crowd(database: Path, *roles: str) -> Iterator[list[Did]]:
    """Let processes work during the block; afterwards the list says what they did."""
    tests = str(Path(__file__).resolve().parents[1])
    paths = [tests, *filter(None, [os.environ.get("PYTHONPATH")])]
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **one, "PYTHONPATH": os.pathsep.join(paths)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "faults.crowd", role, str(database), str(seed)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        for seed, role in enumerate(roles)
    ]
    did: list[Did] = []
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == READY
        yield did
        stop_file(database).touch()
        for process in started:
            output = process.communicate(timeout=120)[0]
            assert process.returncode == 0
            did.append(Did(**json.loads(output)))
    finally:
        for process in started:
            process.kill()
            process.communicate()
        stop_file(database).unlink(missing_ok=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
