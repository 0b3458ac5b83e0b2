"""Who may do what."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from conftest import MEMBERS, Team
from issuetrack.engine.assistant.feedback_log import FeedbackFilter
from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity.audit_log import AuditFilter
from issuetrack.engine.identity.policy import (
    LEAST_ROLE,
    Permission,
    allowed,
    authorize,
    table,
)
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.issues.service import IssueDraft
from issuetrack.engine.issues.standing import Standing
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
        Permission.OWN_KEYS,
        Permission.READ,
        Permission.SUGGEST,
        Permission.RATE,
        Permission.USE_MODELS,
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
    lambda w: w.issues.standing(w.actor, "1"),
    lambda w: w.issues.unresolve(w.actor, "1", Standing(IssueStatus.OPEN)),
    lambda w: w.imports.run(w.actor, "s", "jsonl", []),
    lambda w: w.policies.set(w.actor, "learning.ratings", "off"),
    lambda w: w.policies.unset(w.actor, "learning.ratings"),
    lambda w: w.linking.link(w.actor, "1", "1"),
    lambda w: w.linking.unlink(w.actor, "1"),
    lambda w: w.feedback.entries(w.actor, FeedbackFilter(), 10),
    lambda w: w.drain_index(),
    lambda w: w.rebuild_index(),
    lambda w: w.maintenance.backup(w.actor),
    lambda w: w.maintenance.compact(w.actor),
    lambda w: w.trail.accept(w.actor),
    lambda w: next(w.trail.every(w.actor)),
]


# FAULTS 34
@pytest.mark.parametrize("name", ["viewer", "exporter"])
def test_lower_role_is_refused_at_every_door(team: Team, name: str) -> None:
    """What changes something asks for the role before it does anything."""
    owner = team.open("owner")
    owner.issues.create(owner.actor, IssueDraft("one"))
    before = owner.issues.get(owner.actor, "1")
    entries = owner.verify_audit().entries
    lower = team.open(name)
    for action in DOORS:
        with pytest.raises(PermissionDenied):
            action(lower)

    assert owner.issues.get(owner.actor, "1") == before
    assert owner.verify_audit().entries == entries + len(DOORS)


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
    assert workspace.feedback.rate(viewer, f"R{made.recommendation}", 5).stars == 5
    assert workspace.index_status().issues == 1
    assert workspace.integrity_problems() == []


def test_actor_does_not_show_its_key() -> None:
    """An actor in a log line is a name and a role."""
    shown = repr(actor_of(Role.ADMIN))

    assert "owner" in shown
    assert "Ed25519" not in shown


def test_table_is_shown_as_it_is_enforced() -> None:
    """What `help` prints of the roles is what `authorize` asks."""
    rows = {row["permission"]: row for row in table()}

    assert set(rows) == set(Permission)
    for permission, row in rows.items():
        assert row["covers"]
        for role in Role:
            assert row[role.value] == (permission in allowed(role))
    assert allowed(Role.NONE) == [Permission.IDENTIFY]
    assert set(allowed(Role.ADMIN)) == set(Permission)


# FAULTS 34
@pytest.mark.parametrize("name", ["viewer", "exporter"])
def test_refusal_is_written_down(team: Team, name: str) -> None:
    """Who was refused what, in which role, is in the trail."""
    lower = team.open(name)
    with pytest.raises(PermissionDenied, match="to write issues takes engineer"):
        lower.issues.create(lower.actor, IssueDraft("no"))
    owner = team.open("owner")
    (entry,) = owner.trail.entries(owner.actor, AuditFilter(action="access"))

    assert (entry.actor, entry.entity) == (name, "permission:write issues")
    assert entry.after == {"role": MEMBERS[name]}
    assert owner.verify_audit().broken_at is None
