"""Runs a proof in a process of its own, on the package as it is or on a copy of it."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from proof.record import Record

TESTS = Path(__file__).parents[1]
# None takes nearly as long, also on a busy machine.
END_S = 1_200


async def run_apart(id: str, database: str, scale: float, *, package: Path | None = None) -> Record:
    """Run one proof; `package` is the folder that holds the copy of `threadkeep` which it and its servers import."""
    paths = [str(TESTS)] if package is None else [str(package), str(TESTS)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proof.one", id, database, "--scale", str(scale)),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), END_S)
    except TimeoutError:
        return Record(scale, error=f"It did not end within {END_S} s.", took_s=END_S)
    finally:
        # Whatever it started and did not end is in its session.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    lines = out.decode(errors="replace").splitlines()
    if process.returncode != 0 or not lines:
        return Record(scale, error=f"It ended with {process.returncode}.\n{err.decode(errors='replace')[-4000:]}")
    record = Record.from_json(json.loads(lines[-1]))
    if not record.is_kept and err:
        record.error += f"\n{err.decode(errors='replace')[-2000:]}"
    return record
