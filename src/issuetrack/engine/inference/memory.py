"""How much memory this machine has for a model, and how much a model takes."""

import os
import platform
from collections.abc import Callable
from pathlib import Path

from issuetrack.engine.errors import ModelError
from issuetrack.engine.inference.gguf import GgufHeader

FreeMemory = Callable[[], int | None]

CACHE_BYTES_PER_NUMBER = 2
WORKING_BYTES = 256 * 1024 * 1024
GIB = 1024**3
KIB = 1024


def _meminfo(field: str, table: Path = Path("/proc/meminfo")) -> int | None:
    try:
        lines = table.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * KIB
    return None


def _cgroup_left(folder: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return what a container's limit leaves (cgroup v2); None if there is none."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = (folder / "memory.current").read_text(encoding="ascii").strip()
        return max(int(limit) - int(used), 0)
    except (OSError, ValueError):
        return None


def _windows_memory() -> tuple[int, int] | None:
    """Return total and free bytes on Windows; None elsewhere."""
    if platform.system() != "Windows":
        return None
    import ctypes

    status = (ctypes.c_uint64 * 8)(64)
    kernel = ctypes.CDLL("kernel32")
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        return None
    return int(status[1]), int(status[2])


def _pages(name: str) -> int | None:
    try:
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def free_bytes() -> int | None:
    """Return how many bytes a program could take now; None if nobody knows."""
    windows = _windows_memory()
    if windows is not None:
        return windows[1]
    known = [_meminfo("MemAvailable"), _cgroup_left()]
    figures = [figure for figure in known if figure is not None]
    return min(figures) if figures else total_bytes()


def total_bytes() -> int | None:
    """Return how many bytes of memory this machine has; None if nobody knows."""
    windows = _windows_memory()
    if windows is not None:
        return windows[0]
    return _meminfo("MemTotal") or _pages("SC_PHYS_PAGES")


def needed_bytes(file_bytes: int, header: GgufHeader, context: int) -> int:
    """Estimate what a model takes: weights, what it keeps of a context, workings."""
    kept = header.cached_per_token * context * CACHE_BYTES_PER_NUMBER
    return file_bytes + kept + WORKING_BYTES


def refuse_too_big(name: str, needed: int, free: FreeMemory = free_bytes) -> None:
    """Refuse a model that this machine has no memory for now.

    Raises:
        ModelError: there is too little; says how much is needed and there is.
    """
    found = free()
    if found is not None and needed > found:
        raise ModelError(
            f"{name} needs about {needed / GIB:.1f} GiB of memory, and "
            f"{found / GIB:.1f} GiB are free",
            "close other programs, or choose a smaller one: issuetrack models list",
        )
