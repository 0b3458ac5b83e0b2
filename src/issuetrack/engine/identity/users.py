"""Principals, and the one who acts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from issuetrack.engine.store.key_log import Principal
from issuetrack.engine.store.private_keys import UnlockedKeys
from issuetrack.engine.store.tables import User
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork


def _untold(_permission: str) -> None:
    """Tell nobody: there is no database to write to."""


@dataclass(frozen=True)
class Actor:
    """The principal on whose behalf something is done.

    Attributes:
        denied: writes down that a permission was refused.
    """

    principal: str
    name: str
    role: Role
    signing: Ed25519PrivateKey = field(repr=False)
    denied: Callable[[str], None] = field(default=_untold, repr=False, compare=False)

    @classmethod
    def from_keys(
        cls, keys: UnlockedKeys, denied: Callable[[str], None] = _untold
    ) -> "Actor":
        """Return the actor whose slot was opened."""
        principal = keys.principal
        signing = keys.private.signing
        return cls(principal.uuid, principal.name, principal.role, signing, denied)


def register(uow: UnitOfWork, principal: Principal, now: datetime) -> None:
    """Write a principal of the key file into the database, or bring it up to date."""
    known = uow.session.get(User, principal.uuid)
    uow.session.add(
        known
        or User(
            uuid=principal.uuid,
            name=principal.name,
            kind=principal.kind,
            role=principal.role,
            sealing_key=principal.sealing_key,
            signing_key=principal.signing_key,
            created_at=now,
        )
    )
    if known is not None:
        known.role = principal.role
        known.disabled = principal.disabled
        known.sealing_key = principal.sealing_key
        known.signing_key = principal.signing_key
