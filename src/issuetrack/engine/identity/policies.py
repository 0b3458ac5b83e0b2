"""What the workspace allows, as its admins set it: read by every room, audited."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from issuetrack.engine.errors import NotFoundError, UsageError
from issuetrack.engine.identity import audit
from issuetrack.engine.identity.policy import Permission, authorize
from issuetrack.engine.identity.users import Actor
from issuetrack.engine.store.database import Database
from issuetrack.engine.store.unit_of_work import UnitOfWork

PREFIX = "policy."
YES, NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True)
class Policy:
    """One thing that can be set for everybody.

    Attributes:
        default: its value where nobody set it; its type says what it takes.
    """

    name: str
    default: bool | str
    about: str


AUTHOR_MAY_APPROVE = Policy(
    "sop.author_may_approve", False, "whoever wrote a procedure may approve it"
)
DRAFT_ON_RESOLVE = Policy(
    "sop.draft_on_resolve", False, "draft a procedure when an issue is resolved"
)
ALLOWED_HOSTS = Policy(
    "inference.allowed_hosts",
    "",
    "hosts of model servers outside the private network, with commas between",
)
RATINGS_COUNT = Policy(
    "learning.ratings", True, "ratings and outcomes re-order what is found"
)
ADAPTATION = Policy(
    "learning.adaptation", True, "the vector space adapts to this workspace"
)
WARN_OF_DUPLICATES = Policy(
    "duplicates.warn", True, "warn when a new issue is probably a duplicate"
)
POLICIES = {
    policy.name: policy
    for policy in (
        AUTHOR_MAY_APPROVE,
        DRAFT_ON_RESOLVE,
        ALLOWED_HOSTS,
        RATINGS_COUNT,
        ADAPTATION,
        WARN_OF_DUPLICATES,
    )
}


@dataclass(frozen=True)
class PolicyValue:
    """A policy and what it is set to."""

    policy: Policy
    value: bool | str

    @property
    def is_default(self) -> bool:
        """Tell whether it is as nobody set it."""
        return self.value == self.policy.default


def is_on(uow: UnitOfWork, policy: Policy) -> bool:
    """Tell whether a policy that is either on or off is on."""
    return value(uow, policy) is True


def value(uow: UnitOfWork, policy: Policy) -> bool | str:
    """Return what a policy is set to."""
    stored = uow.setting(PREFIX + policy.name)
    if stored is None:
        return policy.default
    return stored == YES[0] if isinstance(policy.default, bool) else stored


def named(name: str) -> Policy:
    """Return a policy.

    Raises:
        NotFoundError: there is none of that name.
    """
    if name not in POLICIES:
        raise NotFoundError(
            f"there is no setting {name}", "list them: issuetrack config list"
        )
    return POLICIES[name]


def parsed(policy: Policy, text: str) -> bool | str:
    """Return a value as a policy takes it.

    Raises:
        UsageError: it takes on or off, and the text is neither.
    """
    if not isinstance(policy.default, bool):
        hosts = (part.strip().lower() for part in text.split(","))
        return ",".join(dict.fromkeys(host for host in hosts if host))
    word = text.strip().lower()
    if word not in YES + NO:
        raise UsageError(
            f"{policy.name} is on or off, not {text!r}",
            f"type: issuetrack config set {policy.name} on",
        )
    return word in YES


class PolicyService:
    """The policies of one workspace."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def values(self, actor: Actor) -> list[PolicyValue]:
        """Return every policy with its value."""
        authorize(actor, Permission.READ)
        with self._database.read() as uow:
            return [PolicyValue(p, value(uow, p)) for p in POLICIES.values()]

    def get(self, actor: Actor, name: str) -> PolicyValue:
        """Return a policy with its value.

        Raises:
            NotFoundError: there is none of that name.
        """
        authorize(actor, Permission.READ)
        policy = named(name)
        with self._database.read() as uow:
            return PolicyValue(policy, value(uow, policy))

    def set(self, actor: Actor, name: str, text: str) -> PolicyValue:
        """Set a policy for everybody.

        Raises:
            NotFoundError: there is none of that name.
            UsageError: it does not take that value.
        """
        authorize(actor, Permission.MANAGE_POLICY)
        policy = named(name)
        new = parsed(policy, text)
        with self._database.write() as uow:
            before = value(uow, policy)
            stored = new if isinstance(new, str) else (YES[0] if new else NO[0])
            uow.set_setting(PREFIX + policy.name, stored)
            audit.record(
                uow,
                actor,
                self._clock(),
                "policy.set",
                ("policy", policy.name),
                before={"value": before},
                after={"value": new},
            )
        return PolicyValue(policy, new)

    def unset(self, actor: Actor, name: str) -> PolicyValue:
        """Go back to the default of a policy.

        Raises:
            NotFoundError: there is none of that name.
        """
        authorize(actor, Permission.MANAGE_POLICY)
        policy = named(name)
        with self._database.write() as uow:
            before = value(uow, policy)
            uow.sql("DELETE FROM setting WHERE key = ?", PREFIX + policy.name)
            audit.record(
                uow,
                actor,
                self._clock(),
                "policy.unset",
                ("policy", policy.name),
                before={"value": before},
                after={"value": policy.default},
            )
        return PolicyValue(policy, policy.default)
