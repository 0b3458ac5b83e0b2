"""Who may do what: one table, asked before every action."""

from collections.abc import Iterator
from dataclasses import dataclass

from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity.permissions import Permission as Permission
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.types import Role


@dataclass(frozen=True)
class Rule:
    """The least role for something, and what it covers."""

    least: Role
    covers: str


RULES = {
    Permission.IDENTIFY: Rule(Role.NONE, "see who you are, change your own passphrase"),
    Permission.READ: Rule(Role.VIEWER, "list, show and search issues"),
    Permission.SUGGEST: Rule(Role.VIEWER, "ask for suggestions"),
    Permission.RATE: Rule(
        Role.VIEWER, "rate suggestions and procedures, say what became of them"
    ),
    Permission.USE_MODELS: Rule(Role.VIEWER, "see and test language models"),
    Permission.EXPORT: Rule(Role.VIEWER, "export what you may read"),
    Permission.VERIFY: Rule(Role.VIEWER, "check the file and the audit chain"),
    Permission.OWN_KEYS: Rule(Role.VIEWER, "see keys and users, change your own slots"),
    Permission.WRITE_ISSUES: Rule(Role.ENGINEER, "open, change and resolve issues"),
    Permission.IMPORT: Rule(Role.ENGINEER, "import issues"),
    Permission.SYNC: Rule(Role.ENGINEER, "read from trackers"),
    Permission.PUSH: Rule(Role.ENGINEER, "write to trackers that allow it"),
    Permission.CURATE_FIXES: Rule(
        Role.ENGINEER, "confirm, correct and reject mined fixes"
    ),
    Permission.WRITE_SOPS: Rule(Role.ENGINEER, "draft, edit and import procedures"),
    Permission.APPROVE_SOPS: Rule(
        Role.ENGINEER, "approve, reject and deprecate procedures of others"
    ),
    Permission.READ_FEEDBACK: Rule(Role.ENGINEER, "read what raters wrote"),
    Permission.BACKTEST: Rule(
        Role.ENGINEER, "measure on past issues and fit the confidence"
    ),
    Permission.INDEX: Rule(Role.ENGINEER, "update and rebuild the search index"),
    Permission.BACKUP: Rule(Role.ENGINEER, "back up and compact the database"),
    Permission.MANAGE_SOURCES: Rule(
        Role.ADMIN, "add, change and remove sources and their tokens"
    ),
    Permission.MANAGE_POLICY: Rule(
        Role.ADMIN, "change what the workspace allows: see config list"
    ),
    Permission.MANAGE_USERS: Rule(Role.ADMIN, "add, change and remove users"),
    Permission.MANAGE_KEYS: Rule(
        Role.ADMIN, "rotate keys, renew the recovery key, restore a backup"
    ),
    Permission.READ_AUDIT: Rule(Role.ADMIN, "read and export the audit trail"),
}
LEAST_ROLE = {permission: rule.least for permission, rule in RULES.items()}


def table() -> Iterator[dict[str, str | bool]]:
    """Yield a row for each permission: what it covers, and whether each role has it."""
    for permission, rule in RULES.items():
        yield {"permission": permission.value, "covers": rule.covers} | {
            role.value: role.includes(rule.least) for role in Role
        }


def allowed(role: Role) -> list[str]:
    """Return the permissions of a role."""
    return [p.value for p, rule in RULES.items() if role.includes(rule.least)]


def authorize(actor: Actor, permission: Permission) -> None:
    """Let an action pass, or refuse it and have that written down.

    Raises:
        PermissionDenied: the actor's role does not include the one needed.
    """
    needed = LEAST_ROLE[permission]
    if actor.role.includes(needed):
        return
    actor.denied(permission.value)
    raise PermissionDenied(
        f"{actor.name} is {actor.role}: to {permission} takes {needed}",
        "ask an admin for the role",
    )
