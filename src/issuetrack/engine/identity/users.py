"""Principals, and the one who acts."""

from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from issuetrack.engine.store.keyslots import PublicPrincipal, UnlockedKeys
from issuetrack.engine.store.tables import User
from issuetrack.engine.store.types import Role
from issuetrack.engine.store.unit_of_work import UnitOfWork


@dataclass(frozen=True)
class Actor:
    """The principal on whose behalf something is done."""

    principal: str
    name: str
    role: Role
    signing: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_keys(cls, keys: UnlockedKeys) -> "Actor":
        """Return the actor whose slot was opened."""
        return cls(keys.principal, keys.name, keys.role, keys.signing)


def register(uow: UnitOfWork, principal: PublicPrincipal, now: datetime) -> None:
    """Write a principal of the key file into the database."""
    uow.session.add(
        User(
            uuid=principal.principal,
            name=principal.name,
            kind=principal.kind,
            role=principal.role,
            sealing_key=principal.sealing_key,
            signing_key=principal.signing_key,
            created_at=now,
        )
    )
