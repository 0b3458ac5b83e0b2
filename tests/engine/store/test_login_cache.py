"""What `login` keeps: for ten idle minutes, twelve hours at most, never on disk."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError, PasswordDeleteError

from issuetrack.engine.store import login_cache
from issuetrack.engine.store.login_cache import (
    IDLE_SECONDS,
    LONGEST_SECONDS,
    Keeper,
    KernelKeyring,
    LoginCache,
    SystemKeyring,
)

PAYLOAD = b"private keys " * 8
HOUR = 3600


class Wall:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Memory:
    """A keeper that drops what was not renewed in time, as the kernel does."""

    name = "the memory of a test"

    def __init__(self, clock: Wall) -> None:
        self.clock = clock
        self.kept: dict[str, tuple[bytes, float]] = {}

    def keep(self, label: str, content: bytes, seconds: int) -> None:
        """Keep bytes until so many seconds from now."""
        assert seconds > 0
        self.kept[label] = content, self.clock() + seconds

    def recall(self, label: str) -> bytes | None:
        """Return what is kept, and not over."""
        content, until = self.kept.get(label, (b"", 0.0))
        return content if self.clock() < until else None

    def forget(self, label: str) -> None:
        """Drop what is kept."""
        self.kept.pop(label, None)


@pytest.fixture
def wall() -> Wall:
    """Return a clock."""
    return Wall()


@pytest.fixture
def memory(wall: Wall) -> Memory:
    """Return a keeper."""
    return Memory(wall)


@pytest.fixture
def cache(memory: Memory, wall: Wall) -> LoginCache:
    """Return a cache with that keeper and that clock."""
    return LoginCache((lambda: memory,), wall)


def test_kept_keys_are_recalled(cache: LoginCache) -> None:
    """For the database and the principal they were kept for, and no other."""
    assert cache.recall("db", "anna") is None
    assert cache.keep("db", "anna", PAYLOAD)

    assert cache.recall("db", "anna") == PAYLOAD
    assert cache.recall("db", "otto") is None
    assert cache.recall("other", "anna") is None


def test_idle_keys_are_gone(cache: LoginCache, wall: Wall) -> None:
    """After ten minutes without a command the passphrase is asked for again."""
    cache.keep("db", "anna", PAYLOAD)
    wall.now += IDLE_SECONDS - 1
    assert cache.recall("db", "anna") == PAYLOAD
    wall.now += IDLE_SECONDS - 1
    assert cache.recall("db", "anna") == PAYLOAD
    wall.now += IDLE_SECONDS + 1

    assert cache.recall("db", "anna") is None


def test_used_keys_are_gone_after_twelve_hours(
    cache: LoginCache, memory: Memory, wall: Wall
) -> None:
    """However often they are used; near the end they are kept for what is left."""
    cache.keep("db", "anna", PAYLOAD)
    begun = wall.now
    while wall.now - begun < LONGEST_SECONDS - 100:
        assert cache.recall("db", "anna") == PAYLOAD
        wall.now += 300
    ((_, until),) = memory.kept.values()

    assert until <= begun + LONGEST_SECONDS + 1
    wall.now = begun + LONGEST_SECONDS
    assert cache.recall("db", "anna") is None


def test_keys_that_are_over_are_dropped(
    cache: LoginCache, memory: Memory, wall: Wall
) -> None:
    """A keeper that would keep them longer is told to forget them."""
    cache.keep("db", "anna", PAYLOAD)
    ((label, (content, _)),) = memory.kept.items()
    memory.kept[label] = content, wall.now + 100 * HOUR
    wall.now += LONGEST_SECONDS

    assert cache.recall("db", "anna") is None
    assert memory.kept == {}


# FAULTS 10
@pytest.mark.parametrize("back", [1, HOUR, 100 * HOUR])
def test_clock_set_back_does_not_lengthen_it(
    cache: LoginCache, memory: Memory, wall: Wall, back: float
) -> None:
    """Keys from the future are not used: their time cannot be known."""
    wall.now += 1000 * HOUR
    cache.keep("db", "anna", PAYLOAD)
    wall.now -= back

    assert cache.recall("db", "anna") is None
    assert memory.kept == {}


def test_forgotten_keys_are_gone(cache: LoginCache, memory: Memory) -> None:
    """`logout` tells whether there was anything to forget."""
    cache.keep("db", "anna", PAYLOAD)
    cache.keep("db", "otto", PAYLOAD)

    assert cache.forget("db", "anna")
    assert not cache.forget("db", "anna")
    assert cache.recall("db", "anna") is None
    assert cache.recall("db", "otto") == PAYLOAD
    assert len(memory.kept) == 1


def test_keys_that_cannot_be_renewed_are_used(cache: LoginCache, wall: Wall) -> None:
    """A keyring that is full, or not writable now, does not stop a command."""
    cache.keep("db", "anna", PAYLOAD)

    def full(label: str, content: bytes, seconds: int) -> None:
        raise OSError("no room")

    assert cache.keeper is not None
    cache.keeper.keep = full  # type: ignore[method-assign]

    assert cache.recall("db", "anna") == PAYLOAD
    assert not cache.keep("db", "anna", PAYLOAD)
    wall.now += IDLE_SECONDS
    assert cache.recall("db", "anna") is None


def absent() -> Keeper:
    """Be a keeper that this system does not have."""
    raise OSError("none here")


def test_without_a_safe_place_nothing_is_kept() -> None:
    """Keys are never put anywhere else."""
    cache = LoginCache((absent, absent))

    assert cache.keeper is None
    assert not cache.keep("db", "anna", PAYLOAD)
    assert cache.recall("db", "anna") is None
    assert not cache.forget("db", "anna")


def test_first_place_that_there_is_is_used(memory: Memory, wall: Wall) -> None:
    """The places are tried in order, once."""
    tried: list[str] = []

    def first() -> Keeper:
        tried.append("first")
        raise OSError("none here")

    def second() -> Keeper:
        tried.append("second")
        return memory

    cache = LoginCache((first, second, absent), wall)
    for _ in range(3):
        assert cache.keeper is memory

    assert tried == ["first", "second"]


def test_clock_of_the_program_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the start of the machine where the system can tell that."""
    one, two = (login_cache._seconds_since_boot() for _ in range(2))
    monkeypatch.delattr("time.CLOCK_BOOTTIME", raising=False)

    assert one <= two
    assert login_cache._seconds_since_boot() > 1_500_000_000


class MemoryKeyring(KeyringBackend):
    """A system keyring that keeps secrets while the test runs."""

    priority = 1.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.answers = True

    def get_password(self, service: str, username: str) -> str | None:
        """Return what was kept."""
        if not self.answers:
            raise KeyringError("it is locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a secret."""
        if not self.answers:
            raise KeyringError("it is locked")
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Drop a secret."""
        if (service, username) not in self.kept:
            raise PasswordDeleteError("it is not there")
        del self.kept[service, username]


@pytest.fixture
def system() -> Iterator[MemoryKeyring]:
    """Put a system keyring in place for one test."""
    before = keyring.get_keyring()
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    yield backend
    keyring.set_keyring(before)


def test_system_keyring_keeps_and_forgets(system: MemoryKeyring) -> None:
    """Where there is no kernel keyring the system's own is used."""
    keeper = SystemKeyring()
    assert keeper.recall("label") is None
    keeper.keep("label", b"\0\xff", 60)
    assert keeper.recall("label") == b"\0\xff"
    keeper.forget("label")
    keeper.forget("label")

    assert keeper.recall("label") is None
    assert system.kept == {}


@pytest.mark.parametrize("shift", [-61, 61], ids=["over", "from the future"])
def test_system_keyring_drops_what_is_over(system: MemoryKeyring, shift: int) -> None:
    """It has no timeout of its own, so the time is kept beside the keys."""
    keeper = SystemKeyring()
    keeper.keep("label", b"content", 60)
    ((place, text),) = system.kept.items()
    kept = json.loads(text)
    for end in ("from", "until"):
        kept[end] += shift
    system.kept[place] = json.dumps(kept)

    assert keeper.recall("label") is None
    assert system.kept == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "{}",
        '"text"',
        "7",
        '{"from": 0, "until": 9e99, "content": 7}',
        '{"from": 0, "until": 9e99, "content": "?"}',
        '{"from": "a", "until": "b", "content": ""}',
    ],
)
def test_entry_of_another_program_is_none(system: MemoryKeyring, text: str) -> None:
    """What somebody else put under the label is not taken, and stops nothing."""
    system.kept[login_cache.SERVICE, "label"] = text

    assert SystemKeyring().recall("label") is None


def test_locked_system_keyring_has_nothing(system: MemoryKeyring) -> None:
    """A keyring that does not answer is one in which nobody is logged in."""
    keeper = SystemKeyring()
    keeper.keep("label", b"content", 60)
    system.answers = False

    assert keeper.recall("label") is None
    with pytest.raises(OSError, match="does not take it"):
        keeper.keep("label", b"content", 60)
    assert not LoginCache((SystemKeyring,)).keep("db", "anna", PAYLOAD)


def test_keyring_that_encrypts_nothing_is_not_used() -> None:
    """The null backend of the tests is as good as none."""
    with pytest.raises(OSError, match="no system keyring"):
        SystemKeyring()


def on_machine(monkeypatch: pytest.MonkeyPatch, machine: str) -> None:
    """Let the system say that it runs on some kind of machine."""
    answer = os.uname_result(("Linux", "here", "6.1", "#1", machine))
    monkeypatch.setattr(os, "uname", lambda: answer)


@pytest.mark.parametrize("machine", ["", "vax"])
def test_platform_without_a_kernel_keyring_has_none(
    monkeypatch: pytest.MonkeyPatch, machine: str
) -> None:
    """The numbers of system calls are known for some machines only."""
    on_machine(monkeypatch, machine)
    with pytest.raises(OSError, match="no kernel keyring"):
        KernelKeyring()


IN_A_SESSION = """
import ctypes, os, platform, sys, time
from issuetrack.engine.store.login_cache import KernelKeyring, LoginCache, SYSTEM_CALLS

JOIN = 1
add, control = SYSTEM_CALLS[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
joined = libc.syscall(ctypes.c_long(control), ctypes.c_long(JOIN), ctypes.c_char_p(None))
if joined < 0:
    sys.exit(77)
ring = KernelKeyring()
try:
    ring.keep("a label", b"\\0content\\xff", 60)
except OSError:
    sys.exit(77)
"""


def in_a_session(program: str) -> None:
    """Run a program with a session keyring of its own; skip where there is none."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_SESSION + program],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode == 77:
        pytest.skip("this system does not let us use the kernel's keyring")
    assert (done.returncode, done.stderr) == (0, "")


def test_kernel_keyring_keeps_and_forgets() -> None:
    """Bytes of any kind come back, are replaced, and go."""
    in_a_session(
        """
assert ring.recall("a label") == b"\\0content\\xff"
assert ring.recall("another") is None
ring.keep("a label", b"other", 60)
assert ring.recall("a label") == b"other"
ring.forget("a label")
ring.forget("a label")
assert ring.recall("a label") is None
"""
    )


def test_kernel_keyring_drops_keys_by_itself() -> None:
    """The kernel itself forgets what was not renewed."""
    in_a_session(
        """
ring.keep("a label", b"content", 1)
assert ring.recall("a label") == b"content"
time.sleep(1.5)
assert ring.recall("a label") is None
"""
    )


def test_login_is_kept_by_the_kernel() -> None:
    """The cache of the program uses that keyring first, across processes."""
    in_a_session(
        """
import subprocess
cache = LoginCache()
assert cache.keeper.name.startswith("the kernel keyring")
assert cache.keep("db", "anna", b"payload")
assert cache.recall("db", "anna") == b"payload"
again = (
    "from issuetrack.engine.store.login_cache import LoginCache; "
    "assert LoginCache().recall('db', 'anna') == b'payload'"
)
subprocess.run([sys.executable, "-c", again], check=True)
assert cache.forget("db", "anna")
assert cache.recall("db", "anna") is None
"""
    )


class Calls:
    """The system calls of a kernel, answered by the test."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.made: list[tuple[object, ...]] = []

    def __call__(self, *arguments: "ctypes._SimpleCData[int]") -> int:
        self.made.append(tuple(a.value for a in arguments))
        return self.answers.pop(0)


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Callable[..., KernelKeyring]:
    """Return a maker of kernel keyrings whose kernel answers what the test says."""
    on_machine(monkeypatch, "x86_64")

    def make(*answers: int) -> KernelKeyring:
        calls = Calls(77, *answers)

        class Library:
            syscall = calls

        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Library)
        return KernelKeyring()

    return make


def test_kernel_is_asked_for_a_timeout(ring: Callable[..., KernelKeyring]) -> None:
    """Whatever is kept has its end set with it."""
    kernel = ring(5, 0)
    kernel.keep("label", b"content", 60)
    calls: Any = kernel._libc.syscall

    assert calls.made[1:] == [
        (248, b"user", b"label", b"content", 7, 77),
        (250, 15, 5, 60),
    ]


def test_kernel_that_refuses_has_nothing(ring: Callable[..., KernelKeyring]) -> None:
    """A refused call is nothing kept when reading, and an error when keeping."""
    assert ring(-1).recall("label") is None
    assert ring(5, -1).recall("label") is None
    assert ring(5, 3, 0).recall("label") == b""
    ring(-1).forget("label")
    ring(5, 0).forget("label")
    with pytest.raises(OSError, match=r".*"):
        ring(-1).keep("label", b"content", 60)
