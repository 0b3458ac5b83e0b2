"""How time grows with size, which a slow or busy machine does not change."""

import time
from collections.abc import Callable

# What takes less is not looked at: it is lost in the noise.
LEAST = 0.25


def cpu_seconds(work: Callable[[int], object], size: int) -> float:
    """Return how long a work of some size takes this process."""
    started = time.process_time()
    work(size)
    return time.process_time() - started


def growth(work: Callable[[int], object], size: int) -> float:
    """Return how many times as long the whole takes as a quarter; linear is 4."""
    quarter = max(cpu_seconds(work, size // 4), LEAST)
    return cpu_seconds(work, size) / quarter
