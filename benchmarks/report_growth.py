"""The tables of growth: what each operation costs among more threads, and in longer ones."""

from statistics import median

from benchmarks.growth_part import AMONG_THREADS, IN_LONG_THREAD, MESSAGES_SIDE, THREADS_SIDE
from benchmarks.record import Record, find
from benchmarks.tables import NOTHING, Case, middle, number, table, values

ALIKE_RATIO_MAX = 1.3
TITLES = {
    "get": "get a thread",
    "list": "list 20 threads",
    "list, middle": "list 20 threads in the middle",
    "filter": "filter by metadata: a tenth match",
    "filter, rare": "filter by metadata: one in 10 000 matches",
    "append": "append a message",
    "messages, first page": "list 20 messages",
    "messages, middle": "list 20 messages in the middle",
    "messages, role=user": "list 20 messages of the user in the middle",
}


def growth(made: Record) -> str:
    database = "PostgreSQL" if made["kind"] == "postgres" else "SQLite"
    return "\n\n".join(
        [
            f"### Growth on {database}",
            "One client. CPU is the server's and the database's together; the last column is what it costs among the "
            f"most, divided by what it costs among the fewest: up to {ALIKE_RATIO_MAX} is within the noise.",
            grown(made, THREADS_SIDE, AMONG_THREADS, made["settings"]["threads"], "threads"),
            grown(made, MESSAGES_SIDE, IN_LONG_THREAD, made["settings"]["messages"], "messages"),
        ]
    )


def grown(made: Record, side: str, operations: tuple[str, ...], sizes: list[int], unit: str) -> str:
    rows = []
    for operation in operations:
        cases = [find(made, operation, side, 1, size) for size in sizes]
        costs = [cost_us(case) for case in cases]
        cells = [
            f"{middle(case, 'p50_ms')} ms, {NOTHING if cost is None else number(cost)} µs"
            for case, cost in zip(cases, costs, strict=True)
        ]
        rows.append([TITLES[operation], *cells, grows(costs[0], costs[-1])])
    heads = [f"p50, CPU: among {unit}", *(f"{size:,}".replace(",", " ") for size in sizes), "most ÷ fewest, CPU"]
    return table(heads, rows)


def cost_us(case: Case | None) -> float | None:
    """Return the CPU of server and database; None when no run came to an end."""
    both = [values(case, figure) for figure in ("cpu_us", "database_cpu_us")]
    return sum(map(median, both)) if all(both) else None


def grows(fewest: float | None, most: float | None) -> str:
    if not fewest or most is None:
        return NOTHING
    return f"{most / fewest:.2f}: {'flat' if most / fewest <= ALIKE_RATIO_MAX else 'GROWS'}"
