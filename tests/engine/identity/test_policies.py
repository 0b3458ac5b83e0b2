"""What the workspace allows: set by admins, checked, audited."""

import pytest

from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.identity import policies
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.identity.policies import POLICIES, is_on, value
from issuetrack.engine.workspace import Workspace


def test_every_policy_starts_with_its_default(workspace: Workspace) -> None:
    """Nobody has set anything in a new workspace."""
    found = workspace.policies.values(workspace.actor)

    assert [v.policy.name for v in found] == list(POLICIES)
    assert all(v.is_default for v in found)


@pytest.mark.parametrize("word", ["off", "No", " false ", "0"])
def test_switch_is_set_by_any_usual_word(workspace: Workspace, word: str) -> None:
    """What is set is there for every room, and for the next who asks."""
    set_to = workspace.policies.set(workspace.actor, "learning.ratings", word)
    got = workspace.policies.get(workspace.actor, "learning.ratings")

    assert (set_to.value, got.value, got.is_default) == (False, False, False)
    with workspace._database.read() as uow:
        assert not is_on(uow, policies.RATINGS_COUNT)


def test_hosts_are_kept_in_one_form(workspace: Workspace) -> None:
    """Spaces, capitals and repetitions are gone."""
    workspace.policies.set(
        workspace.actor, "inference.allowed_hosts", " A.example, b.example ,a.example,"
    )
    with workspace._database.read() as uow:
        assert value(uow, policies.ALLOWED_HOSTS) == "a.example,b.example"


def test_setting_a_policy_is_audited(workspace: Workspace) -> None:
    """The trail says what it was and what it became."""
    workspace.policies.set(workspace.actor, "learning.ratings", "off")
    (entry,) = workspace.trail.entries(workspace.actor, AuditFilter(action="policy"))

    assert (entry.action, entry.entity) == ("policy.set", "policy:learning.ratings")
    assert workspace.verify_audit().broken_at is None


def test_what_is_no_switch_is_refused(workspace: Workspace) -> None:
    """The message says what to type, and nothing is changed."""
    with pytest.raises(UsageError, match="on or off, not 'maybe'") as raised:
        workspace.policies.set(workspace.actor, "learning.ratings", "maybe")

    assert "config set learning.ratings on" in (raised.value.hint or "")
    assert workspace.policies.get(workspace.actor, "learning.ratings").is_default


def test_unknown_policy_is_not_found(workspace: Workspace) -> None:
    """Neither reading nor setting makes one up."""
    with pytest.raises(NotFoundError, match=r"no setting learning\.magic"):
        workspace.policies.get(workspace.actor, "learning.magic")
    with pytest.raises(NotFoundError):
        workspace.policies.set(workspace.actor, "learning.magic", "on")
