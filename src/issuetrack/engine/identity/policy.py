"""Who may do what: one table, asked before every action."""

from enum import StrEnum

from issuetrack.engine.errors import PermissionDenied
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.types import Role


class Permission(StrEnum):
    """One thing that can be allowed."""

    READ = "read"
    SUGGEST = "suggest"
    RATE = "rate"
    WRITE_ISSUES = "write issues"
    IMPORT = "import"
    INDEX = "index"
    EXPORT = "export"
    VERIFY = "verify"


LEAST_ROLE = {
    Permission.READ: Role.VIEWER,
    Permission.SUGGEST: Role.VIEWER,
    Permission.RATE: Role.VIEWER,
    Permission.WRITE_ISSUES: Role.ENGINEER,
    Permission.IMPORT: Role.ENGINEER,
    Permission.INDEX: Role.ENGINEER,
    Permission.EXPORT: Role.VIEWER,
    Permission.VERIFY: Role.VIEWER,
}


def authorize(actor: Actor, permission: Permission) -> None:
    """Let an action pass, or refuse it.

    Raises:
        PermissionDenied: the actor's role does not include the one needed.
    """
    needed = LEAST_ROLE[permission]
    if not actor.role.includes(needed):
        raise PermissionDenied(
            f"{actor.name} is {actor.role}: to {permission} takes {needed}",
            "ask an admin for the role",
        )
