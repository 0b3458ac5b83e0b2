"""What `login` keeps for a short while: the keys of somebody with a passphrase.

On Linux they are kept in the kernel's keyring of the login session (keyrings(7)), which
never reaches a disk and drops them by itself; elsewhere in the system keyring. Where
there is neither, nothing is kept. They go after ten idle minutes, and twelve hours
after `login` at the latest.
"""

import contextlib
import json
import os
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Protocol

IDLE_SECONDS = 600
LONGEST_SECONDS = 12 * 3600
SERVICE = "issuetrack login"
EXPIRY_BYTES = 8

SYSTEM_CALLS = {"x86_64": (248, 250), "aarch64": (217, 219), "riscv64": (217, 219)}
GET_KEYRING_ID, UNLINK, SEARCH, READ, SET_TIMEOUT = 0, 9, 10, 11, 15
SESSION_KEYRING = -3


class Keeper(Protocol):
    """A place that keeps a few bytes for a while."""

    name: str

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes under a label, for so long at most.

        Raises:
            OSError: they are not taken.
        """

    def recall(self, label: str) -> bytes | None:
        """Return what is kept; None if it is gone."""

    def forget(self, label: str) -> None:
        """Drop what is kept, if anything."""


class KernelKeyring:
    """The kernel's keyring of the login session.

    Raises:
        OSError: this system has none, or does not let us use it.
    """

    name = "the kernel keyring of this login session"

    def __init__(self) -> None:
        import ctypes

        self._ctypes = ctypes
        try:
            self._add, self._control = SYSTEM_CALLS[os.uname().machine]
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._libc.syscall.restype = ctypes.c_long
        except (KeyError, AttributeError, TypeError) as error:
            raise OSError("no kernel keyring on this platform") from error
        self._ring = self._call(self._control, GET_KEYRING_ID, SESSION_KEYRING, 0)

    def _call(self, number: int, *arguments: int | bytes | None) -> int:
        c_long, c_char_p = self._ctypes.c_long, self._ctypes.c_char_p
        given = [c_long(a) if isinstance(a, int) else c_char_p(a) for a in arguments]
        result = int(self._libc.syscall(c_long(number), *given))
        if result < 0:
            code = self._ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes under a label, for so long at most."""
        key = self._call(
            self._add, b"user", label.encode(), content, len(content), self._ring
        )
        self._call(self._control, SET_TIMEOUT, key, seconds)

    def _find(self, label: str) -> int:
        return self._call(self._control, SEARCH, self._ring, b"user", label.encode(), 0)

    def recall(self, label: str) -> bytes | None:
        """Return what is kept; None if it is gone."""
        try:
            key = self._find(label)
            size = self._call(self._control, READ, key, None, 0)
            buffer = self._ctypes.create_string_buffer(size)
            place = self._ctypes.addressof(buffer)
            read = self._call(self._control, READ, key, place, size)
        except OSError:
            return None
        return buffer.raw[:read]

    def forget(self, label: str) -> None:
        """Drop what is kept, if anything."""
        with contextlib.suppress(OSError):
            self._call(self._control, UNLINK, self._find(label), self._ring)


class SystemKeyring:
    """The system keyring: encrypted on disk, opened when the user logs in.

    Raises:
        OSError: there is none that keeps secrets encrypted.
    """

    name = "the system keyring"

    def __init__(self) -> None:
        from issuetrack.engine.store.unlock import secure_keyring_available

        if not secure_keyring_available():
            raise OSError("no system keyring that keeps secrets encrypted")

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes under a label, for so long at most."""
        import keyring
        from keyring.errors import KeyringError

        now = time.time()
        kept = {"from": now, "until": now + seconds, "content": _text(content)}
        try:
            keyring.set_password(SERVICE, label, json.dumps(kept))
        except KeyringError as error:
            raise OSError("the system keyring does not take it") from error

    def recall(self, label: str) -> bytes | None:
        """Return what is kept; None if it is gone."""
        import keyring
        from keyring.errors import KeyringError

        with contextlib.suppress(KeyringError, LookupError, TypeError, ValueError):
            kept = json.loads(keyring.get_password(SERVICE, label) or "{}")
            if kept["from"] <= time.time() < kept["until"]:
                return b64decode(kept["content"], validate=True)
            self.forget(label)
        return None

    def forget(self, label: str) -> None:
        """Drop what is kept, if anything."""
        import keyring
        from keyring.errors import KeyringError

        with contextlib.suppress(KeyringError):
            keyring.delete_password(SERVICE, label)


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _seconds_since_boot() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if clock is None else time.clock_gettime(clock)


class LoginCache:
    """Keeps private keys between commands, for a short while.

    Args:
        keepers: the places to try, in this order.
        clock: seconds since some moment; not turned back with the clock on the wall.
    """

    def __init__(
        self,
        keepers: tuple[Callable[[], Keeper], ...] = (KernelKeyring, SystemKeyring),
        clock: Callable[[], float] = _seconds_since_boot,
    ) -> None:
        self._makers = keepers
        self._clock = clock
        self._keeper: Keeper | None = None
        self._looked = False

    @property
    def keeper(self) -> Keeper | None:
        """Return where keys are kept; None where there is no safe place."""
        if not self._looked:
            self._looked = True
            for make in self._makers:
                with contextlib.suppress(OSError):
                    self._keeper = make()
                    break
        return self._keeper

    @staticmethod
    def _label(database: str, principal: str) -> str:
        return f"issuetrack:{database}:{principal}"

    def keep(self, database: str, principal: str, payload: bytes) -> bool:
        """Keep a principal's private keys; tell whether there is a place for it."""
        if self.keeper is None:
            return False
        until = int(self._clock() + LONGEST_SECONDS)
        content = until.to_bytes(EXPIRY_BYTES, "big") + payload
        try:
            self.keeper.keep(self._label(database, principal), content, IDLE_SECONDS)
        except OSError:
            return False
        return True

    def recall(self, database: str, principal: str) -> bytes | None:
        """Return private keys that are kept, for another ten minutes; else None."""
        if self.keeper is None:
            return None
        label = self._label(database, principal)
        content = self.keeper.recall(label)
        if content is None:
            return None
        left = int.from_bytes(content[:EXPIRY_BYTES], "big") - int(self._clock())
        if not 0 < left <= LONGEST_SECONDS:
            self.keeper.forget(label)
            return None
        with contextlib.suppress(OSError):
            self.keeper.keep(label, content, min(left, IDLE_SECONDS))
        return content[EXPIRY_BYTES:]

    def forget(self, database: str, principal: str) -> bool:
        """Drop what is kept; tell whether there was anything."""
        if self.keeper is None:
            return False
        label = self._label(database, principal)
        found = self.keeper.recall(label) is not None
        self.keeper.forget(label)
        return found
