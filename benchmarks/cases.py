"""What is measured: each case is run as often as asked, in turns with all others."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.filling import Filled, thread_id
from benchmarks.load import Generator, Job, Measurement
from benchmarks.servers import Address
from benchmarks.sqlite_loop import TEXT

REQUESTS_COUNT = 20_000
APPEND_BODY = json.dumps({"role": "user", "content": TEXT}).encode()


@dataclass
class Case:
    """One line's worth of runs: what, beside what, from how many clients."""

    operation: str
    side: str
    clients: int
    measure: Callable[[], Measurement]
    runs: list[Measurement] = field(default_factory=list)


def requests_for(operation: str, server: Address, filled: Filled) -> list[bytes]:
    """Return requests, ready to send, that no other operation's requests get in the way of."""
    some = random.Random(operation)
    threads = [thread_id(some.randint(2, filled.threads_count)) for _ in range(REQUESTS_COUNT)]
    match operation:
        case "get":
            return [server.request("GET", f"/v1/threads/{each}") for each in threads]
        case "list" | "list, first page":
            return [server.request("GET", "/v1/threads")]
        case "list, middle":
            return [server.request("GET", f"/v1/threads?after={filled.middle_cursor}")]
        case "append" | "append, short threads":
            return [server.request("POST", f"/v1/threads/{each}/messages", APPEND_BODY) for each in threads]
        case "append, long thread":
            return [server.request("POST", f"/v1/threads/{filled.long_thread_id}/messages", APPEND_BODY)]
    raise ValueError(operation)


def over_http(
    operation: str,
    server: Address,
    filled: Filled,
    clients: int,
    generator: Generator,
    database_pid: int | None,
    s: float,
) -> Case:
    job = Job(server.port, requests_for(operation, server, filled), clients, s, server.pid, database_pid)
    return Case(operation, server.name, clients, lambda: generator.run(job))


def alone(operation: str, side: str, clients: int, per_second: Callable[[], float]) -> Case:
    """Return a case whose work happens in no server of ours, so that only its rate is known."""
    nothing = float("nan")
    return Case(operation, side, clients, lambda: Measurement(per_second(), nothing, nothing, nothing, nothing))


def run_in_turns(cases: list[Case], repeats: int, progress: Callable[[int, Case], None]) -> None:
    """Run all cases once, then all again, so that a machine that becomes slower does so for all."""
    for repeat in range(repeats):
        for case in cases:
            progress(repeat, case)
            case.runs.append(case.measure())
