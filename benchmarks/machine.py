"""What the figures were measured on; they mean nothing without it."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("uvicorn", "uvloop", "httptools", "msgspec", "apsw", "asyncpg")


def describe() -> str:
    """Return the head of the report."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return "\n".join(
        [
            f"threadkeep benchmark, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"{cpu_model()}, {os.cpu_count()} cores, {memory_gb():.0f} GB, {platform.system()} {platform.release()}, "
            f"load average {os.getloadavg()[0]:.1f} before the start",
            f"Python {platform.python_version()}, {packages}",
            "Load generator, server and database share these cores: a rate is of all three together, CPU per request "
            "is the server's own.",
        ]
    )


def cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
