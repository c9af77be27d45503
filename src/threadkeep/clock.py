"""The clock: Unix time in milliseconds, and monotonic time in seconds."""

import time


def now_ms() -> int:
    """Return Unix milliseconds, UTC."""
    return time.time_ns() // 1_000_000


monotonic_s = time.monotonic
