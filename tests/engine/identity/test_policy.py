"""Who may do what."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity.policy import LEAST_ROLE, Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.retrieval.search import Question
from issuetrack.engine.store.types import IssueStatus, Role
from issuetrack.engine.workspace import Workspace

Action = Callable[[Workspace], object]


def actor_of(role: Role) -> Actor:
    """Return an actor with a role."""
    return Actor("0" * 32, "owner", role, Ed25519PrivateKey.generate())


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", list(Permission))
def test_role_and_permission_agree_with_the_table(
    permission: Permission, role: Role
) -> None:
    """A role may do what the least role may that the table names, and no more."""
    actor = actor_of(role)
    if role.rank >= LEAST_ROLE[permission].rank:
        authorize(actor, permission)
    else:
        with pytest.raises(PermissionDenied, match=f"owner is {role}: to {permission}"):
            authorize(actor, permission)


def test_every_permission_is_in_the_table() -> None:
    """A permission that nobody decided on does not pass by accident."""
    assert set(LEAST_ROLE) == set(Permission)


def test_viewers_change_nothing() -> None:
    """Viewers read, ask and rate; issues, imports and indexes are for engineers."""
    of_viewers = {p for p, role in LEAST_ROLE.items() if role is Role.VIEWER}

    assert of_viewers == {
        Permission.READ,
        Permission.SUGGEST,
        Permission.RATE,
        Permission.EXPORT,
        Permission.VERIFY,
    }


DOORS: list[Action] = [
    lambda w: w.issues.create(w.actor, IssueDraft("two")),
    lambda w: w.issues.edit(w.actor, "1", {"title": "x"}),
    lambda w: w.issues.assign(w.actor, "1", "x"),
    lambda w: w.issues.comment(w.actor, "1", "x"),
    lambda w: w.issues.set_status(w.actor, "1", IssueStatus.CLOSED),
    lambda w: w.issues.resolve(w.actor, "1", "off and on again, twice"),
    lambda w: w.imports.run(w.actor, "s", "jsonl", []),
    lambda w: w.drain_index(),
    lambda w: w.rebuild_index(),
]


# FAULTS 34
def test_viewer_is_refused_at_every_door(workspace: Workspace) -> None:
    """What changes something asks for the role before it does anything."""
    workspace.issues.create(workspace.actor, IssueDraft("one"))
    before = workspace.issues.get(workspace.actor, "1")
    workspace.actor = replace(workspace.actor, role=Role.VIEWER)
    for action in DOORS:
        with pytest.raises(PermissionDenied):
            action(workspace)

    assert workspace.issues.get(workspace.actor, "1") == before
    assert workspace.verify_audit().entries == 2


def test_viewer_may_look_and_ask(workspace: Workspace) -> None:
    """Reading, asking, exporting and checking are open to everybody."""
    workspace.issues.create(workspace.actor, IssueDraft("the node is down"))
    workspace.drain_index()
    workspace.actor = viewer = replace(workspace.actor, role=Role.VIEWER)

    assert workspace.issues.get(viewer, "1").number == 1
    assert workspace.issues.matching(viewer)[1] == 1
    assert len(list(workspace.issues.every(viewer))) == 1
    assert workspace.finding.similar(viewer, Question("the node is down"))
    made = workspace.suggestions.suggest(viewer, Question("the node is down"))
    assert workspace.suggestions.rate(viewer, made.recommendation, 5).stars == 5
    assert workspace.index_status().issues == 1
    assert workspace.integrity_problems() == []


def test_actor_does_not_show_its_key() -> None:
    """An actor in a log line is a name and a role."""
    shown = repr(actor_of(Role.ADMIN))

    assert "owner" in shown
    assert "Ed25519" not in shown
