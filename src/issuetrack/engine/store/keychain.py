"""The keys of one principal, kept current while the key file changes."""

import threading
from pathlib import Path

from issuetrack.engine.errors import LockedError, TamperedError
from issuetrack.engine.store.encryption import FieldCipher
from issuetrack.engine.store.key_log import Principal
from issuetrack.engine.store.keyslots import KeyFile
from issuetrack.engine.store.private_keys import PrivateKeys, UnlockedKeys


class Keychain:
    """What one principal holds of a database's keys.

    Args:
        path: the key file.
        file: its content.
        private: the private keys of the principal.

    Raises:
        LockedError: the principal may not open the database.
        TamperedError: the key file was changed by somebody who is no admin.
    """

    def __init__(self, path: Path, file: KeyFile, private: PrivateKeys) -> None:
        self.path = path
        self.file = file
        self._keys = file.unseal(private)
        self._mutex = threading.RLock()
        self.cipher = FieldCipher(
            file.database, self._keys.role_keys, self._keys.current, self.reload
        )

    @property
    def keys(self) -> UnlockedKeys:
        """Return the keys."""
        return self._keys

    @property
    def principal(self) -> Principal:
        """Return whose they are."""
        return self._keys.principal

    def page_key(self, salt: bytes) -> bytes:
        """Return the page key of a file, found by its salt.

        Raises:
            TamperedError: the key file has none for it.
        """
        if salt not in self._keys.page_keys:
            self.reload()
        try:
            return self._keys.page_keys[salt]
        except KeyError as error:
            raise TamperedError(
                f"{self.path.name} has no key for the database beside it",
                "put back database and key file from one backup",
            ) from error

    def page_key_id(self, salt: bytes) -> str:
        """Return the name of the page key that a file is under."""
        return next(
            (p.key_id for p in self.file.state.page_keys if p.salt == salt), "none"
        )

    def reload(self) -> None:
        """Read the key file again, if it is newer."""
        file = KeyFile.load(self.path)
        if file.revision > self.file.revision:
            self.adopt(file)

    def adopt(self, file: KeyFile, *, own: bool = False) -> None:
        """Use a newer key file from now on.

        Args:
            file: the newer key file.
            own: the change was made through this keychain.

        Raises:
            TamperedError: it does not go on from the one known so far.
            LockedError: somebody else changed what the principal may do.
        """
        with self._mutex:
            if file.database != self.file.database or not file.extends(self.file.state):
                raise TamperedError(
                    f"{self.path.name} does not go on from the keys known so far",
                    "put it back from a backup",
                )
            before = self._keys.principal.role
            keys = file.unseal(self._keys.private)
            if keys.principal.role is not before and not own:
                raise LockedError(
                    f"{keys.principal.name} is {keys.principal.role} now",
                    "run the command again",
                )
            self.file, self._keys = file, keys
            self.cipher.replace(keys.role_keys, keys.current)
