"""The tables of the operations: rates, CPU and latency beside the bare application and the driver alone."""

from statistics import median

from benchmarks.operations import OPERATIONS, TITLES
from benchmarks.operations_part import BARE, DRIVER, OURS, PGBENCH, TWO_PROCESSES
from benchmarks.record import Record, find
from benchmarks.tables import middle, number, ratio, ratios, spread, table, values, verdict

CPU_RATIO_MAX = 1.2
AIM_CLIENTS = 64
# Of what the same statements do without a server.
APPEND_SHARE_MIN = {"sqlite": 0.7, "postgres": 1.0}
BESIDE = {"sqlite": DRIVER, "postgres": PGBENCH}
START_S_MAX, RESIDENT_MB_MAX = 1.0, 90.0


def operations(made: Record) -> str:
    is_postgres = made["kind"] == "postgres"
    parts = [
        f"### Operations on {'PostgreSQL' if is_postgres else 'SQLite'}",
        "The bare application does the same statements and gives the same answers, without authentication, "
        "validation, limits, metrics or retries; the driver alone does the statements without HTTP, in "
        + (
            "as many tasks as there are clients over as many connections as threadkeep's pool has. pgbench runs the "
            "append's single-row statement, prepared."
            if is_postgres
            else "one thread, with as many writes to a commit as there are clients (reads one by one)."
        ),
        rates(made),
        cpu(made),
        aims(made),
        memory(made),
    ]
    return "\n\n".join(parts)


def lines_of(made: Record) -> list[tuple[str, int]]:
    clients = sorted({case["clients"] for case in made["cases"]})
    return [(operation, count) for operation in OPERATIONS for count in clients]


def rates(made: Record) -> str:
    is_postgres = made["kind"] == "postgres"
    rows = []
    for operation, clients in lines_of(made):
        ours, bare, driver, two, pgbench = (
            find(made, operation, side, clients) for side in (OURS, BARE, DRIVER, TWO_PROCESSES, PGBENCH)
        )
        more = [spread(two, "per_second"), ratio(two, ours, "per_second"), middle(pgbench, "per_second")]
        rows.append(
            [
                TITLES[operation], str(clients), spread(ours, "per_second"), spread(bare, "per_second"),
                spread(driver, "per_second"), ratio(ours, bare, "per_second"), ratio(ours, driver, "per_second"),
                *(more if is_postgres else []),
            ]
        )  # fmt: skip
    heads = ["requests a second", "clients", "threadkeep", "bare ASGI", "driver alone", "threadkeep ÷ bare",
             "threadkeep ÷ driver", *(["two processes", "two ÷ one", "pgbench"] if is_postgres else [])]  # fmt: skip
    return table(heads, rows)


def cpu(made: Record) -> str:
    rows = []
    for operation, clients in lines_of(made):
        ours, bare, driver = (find(made, operation, side, clients) for side in (OURS, BARE, DRIVER))
        rows.append(
            [
                TITLES[operation], str(clients), spread(ours, "cpu_us"), middle(bare, "cpu_us"),
                middle(driver, "cpu_us"), ratio(ours, bare, "cpu_us"),
                *([middle(ours, "database_cpu_us")] if made["kind"] == "postgres" else []),
                middle(ours, "p50_ms"), middle(ours, "p99_ms"), middle(bare, "p50_ms"), middle(bare, "p99_ms"),
            ]
        )  # fmt: skip
    heads = ["CPU a request, µs", "clients", "threadkeep", "bare ASGI", "driver alone", "threadkeep ÷ bare",
             *(["PostgreSQL, for threadkeep"] if made["kind"] == "postgres" else []), "threadkeep p50 ms", "p99 ms",
             "bare p50 ms", "p99 ms"]  # fmt: skip
    return table(heads, rows)


def aims(made: Record) -> str:
    """Say which aims are met at 64 clients, and which are not."""
    lines = []
    for operation in ("get", "list"):
        found = ratios(find(made, operation, OURS, AIM_CLIENTS), find(made, operation, BARE, AIM_CLIENTS), "cpu_us")
        if found:
            at = median(found)
            lines.append(
                f"- CPU to {TITLES[operation]} at most {CPU_RATIO_MAX} × the bare application's: {number(at)}, "
                f"{verdict(at <= CPU_RATIO_MAX)}"
            )
    beside, least = BESIDE[made["kind"]], APPEND_SHARE_MIN[made["kind"]]
    found = ratios(find(made, "append", OURS, AIM_CLIENTS), find(made, "append", beside, AIM_CLIENTS), "per_second")
    if found:
        share = median(found)
        lines.append(
            f"- Durable appends at {AIM_CLIENTS} clients at least {least:.0%} of {beside}'s: {share:.0%}, "
            f"{verdict(share >= least)}"
        )
    return "\n".join(["Aims:", "", *lines]) if lines else "The aims are about 64 clients, which were not measured."


def memory(made: Record) -> str:
    rows = [[side, number(first), number(peak)] for side, (first, peak) in made["memory_mb"].items()]
    start_s, ours_mb = median(made["start_s"]), values({"x": made["memory_mb"][OURS]}, "x")
    return (
        table(["resident memory, MB", "at the start", "at most, through all of it"], rows)
        + "\n\nSeveral processes are added up, and what they share counts for each. threadkeep is ready "
        f"{number(start_s)} s after its command (aim at most {START_S_MAX:g} s: {verdict(start_s <= START_S_MAX)}); "
        f"its memory stays at {RESIDENT_MB_MAX:g} MB at most: {verdict(max(ours_mb) <= RESIDENT_MB_MAX)}."
    )
