"""A workspace of the first slice: schema 0001, key file of format 1.

The files in `first_slice` were made by that program: one resolved issue, an owner whose
key is KEY, and a recovery key.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import KEY
from issuetrack.engine.errors import AuthenticationError, TamperedError
from issuetrack.engine.inference.llama import LlamaEmbedder
from issuetrack.engine.retrieval.consistency import index_problems
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.audit_head import head_file_path
from issuetrack.engine.store.database import SCHEMA_VERSION
from issuetrack.engine.store.keyslots import key_file_path
from issuetrack.engine.store.unlock import Unlock
from issuetrack.engine.workspace import Workspace

RECOVERY = "C1JD-NF5Q-TD2M-SB46-FXBD-4N3Y-EXCF-72QA-CC0E-729D-8GGV-10Z6-CCWF"
FILES = Path(__file__).parent / "first_slice"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return a copy of the workspace."""
    for path in FILES.iterdir():
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / "first-slice.db"


def opened(path: Path, **offered: Any) -> Workspace:
    """Open it."""
    return Workspace.open(path, Unlock(**offered))


def test_owner_brings_it_to_the_new_format(old: Path) -> None:
    """Nothing is lost: text, fix, history and audit trail are there."""
    workspace = opened(old, environment_key=KEY)
    try:
        record = workspace.issues.get(workspace.actor, "1")
        assert record.body == "too many clients"
        assert record.resolution is not None
        assert "raise DB_POOL_MAX to 8" in (record.resolution.text or "")
        assert workspace.verify_audit().entries == 3
        assert workspace.verify_audit().broken_at is None
        assert workspace.schema_version() == SCHEMA_VERSION
        assert workspace.integrity_problems() == []
    finally:
        workspace.close()
    assert json.loads(key_file_path(old).read_text())["format"] == "issuetrack-keys/2"
    assert head_file_path(old).exists()


def test_what_waited_for_the_index_still_waits(
    old: Path, embedder: LlamaEmbedder
) -> None:
    """Its queue comes along: the issue is indexed and found."""
    workspace = Workspace.open(old, Unlock(environment_key=KEY), embedder)
    try:
        assert workspace.index_status().queued == 1
        workspace.drain_index()
        with workspace._database.read() as uow:
            assert index_problems(uow) == []
        found = workspace.finding.similar(workspace.actor, Question("too many clients"))
        assert [match.issue for _, match in found] == [1]
    finally:
        workspace.close()


def test_recovery_key_opens_it_afterwards(old: Path) -> None:
    """The upgrade keeps the slots of people who were absent."""
    opened(old, environment_key=KEY).close()
    workspace = opened(old, recovery_key=RECOVERY)
    try:
        assert workspace.actor.name == "recovery"
        assert workspace.issues.matching(workspace.actor)[1] == 1
    finally:
        workspace.close()


def test_only_the_first_admin_signs_the_new_log(old: Path) -> None:
    """The recovery key cannot begin a log that others trust, and says who can."""
    before = key_file_path(old).read_bytes()
    with pytest.raises(AuthenticationError) as raised:
        opened(old, recovery_key=RECOVERY)

    assert raised.value.hint == "let owner open the workspace once"
    assert key_file_path(old).read_bytes() == before


@pytest.mark.parametrize("name", ["sealing_key", "signing_key", "name"])
def test_changed_principal_is_not_taken_over(old: Path, name: str) -> None:
    """A substituted public key of the recovery principal is refused, not signed."""
    path = key_file_path(old)
    content = json.loads(path.read_text())
    owner, recovery = content["principals"]
    recovery[name] = owner[name]
    path.write_text(json.dumps(content, indent=1))

    with pytest.raises(TamperedError):
        opened(old, environment_key=KEY)


def test_changed_role_key_is_not_taken_over(old: Path) -> None:
    """A substituted role key is refused, not signed."""
    path = key_file_path(old)
    content = json.loads(path.read_text())
    roles = content["roles"]
    roles["admin"][0]["public"] = roles["viewer"][0]["public"]
    path.write_text(json.dumps(content, indent=1))

    with pytest.raises(TamperedError):
        opened(old, environment_key=KEY)


@pytest.mark.parametrize("name", ["principals", "roles", "database"])
def test_damaged_file_is_refused(old: Path, name: str) -> None:
    """A key file with a part missing is damaged."""
    path = key_file_path(old)
    content = json.loads(path.read_text())
    del content[name]
    path.write_text(json.dumps(content, indent=1))

    with pytest.raises(TamperedError):
        opened(old, environment_key=KEY)


def test_rotation_leaves_only_old_audit_entries_under_old_keys(old: Path) -> None:
    """Their hash covers the sealed change, so that they stay, and it is said."""
    workspace = opened(old, environment_key=KEY)
    try:
        workspace.keys.rotate(workspace.actor)
        left = [k for k in workspace.keys.status(workspace.actor).keys if not k.current]
        assert [(key.key, key.rows) for key in left] == [("admin-1", 3)]
        assert workspace.verify_audit().broken_at is None
        actions = [e.action for e in workspace.trail.every(workspace.actor)]
        assert actions[:3] == ["workspace.create", "issue.create", "issue.resolve"]
    finally:
        workspace.close()


def test_interrupted_upgrade_goes_on(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the key file was written, the next open does the rest."""

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("issuetrack.engine.store.database.Database.migrate", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(old, environment_key=KEY)
    workspace = opened(old, environment_key=KEY)
    try:
        assert workspace.verify_audit().broken_at is None
        assert workspace.issues.matching(workspace.actor)[1] == 1
    finally:
        workspace.close()


def test_upgrade_killed_in_the_migration_still_has_a_head(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head file is there before the schema says that there must be one."""

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("issuetrack.engine.store.database.Database.settle_keys", killed)
        with pytest.raises(KeyboardInterrupt):
            opened(old, environment_key=KEY)
    workspace = opened(old, environment_key=KEY)
    try:
        workspace.issues.assign(workspace.actor, "1", "oncall")
        assert workspace.verify_audit().entries == 4
    finally:
        workspace.close()
