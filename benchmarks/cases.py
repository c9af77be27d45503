"""What is measured: each case is run as often as asked, in turns with all others."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.load import Generator, Job, Measurement
from benchmarks.operations import Asked
from benchmarks.servers import Address

FAILURE_CHARACTERS_MAX = 300


@dataclass
class Case:
    """One line's worth of runs: what, by whom, from how many clients; in growth, among how many."""

    operation: str
    side: str
    clients: int
    measure: Callable[[], Measurement]
    among: int = 0
    runs: list[Measurement] = field(default_factory=list)
    # Why it was not run to the end: a refusal is a result as well, and ends nothing else.
    failure: str | None = None

    def run(self) -> None:
        """Measure once more, unless a request was refused already."""
        if self.failure is None:
            try:
                self.runs.append(self.measure())
            except RuntimeError as error:
                self.failure = " ".join(str(error).split())[:FAILURE_CHARACTERS_MAX]


@dataclass(frozen=True)
class Load:
    """How requests are sent, whoever gets them."""

    generator: Generator
    seconds: float
    database_pid: int | None

    def case(self, operation: str, server: Address, asked: Asked, clients: int, among: int = 0) -> Case:
        job = Job(
            server.port, asked.requests, clients, self.seconds, server.pid, self.database_pid, asked.must_hold
        )  # fmt: skip
        return Case(operation, server.name, clients, lambda: self.generator.run(job), among)


def run_in_turns(cases: list[Case], repeats: int, progress: Callable[[str], None]) -> None:
    """Run all cases once, then all again from the other end: a machine that becomes slower does so for all."""
    order = list(cases)
    for repeat in range(repeats):
        for case in order:
            progress(f"run {repeat + 1} of {repeats}: {case.operation}, {case.side}, {case.clients} clients")
            case.run()
        order.reverse()
