"""The tables of instructions and memory a request, beside the bare application and the driver alone."""

from benchmarks.instructions import COUNTED
from benchmarks.operations import TITLES
from benchmarks.operations_part import BARE, DRIVER, OURS
from benchmarks.record import Record, find
from benchmarks.tables import middle, ratio, ratios, table, verdict

# Of the bare application's instructions.
RATIOS_MAX = {"get": 1.35, "list": 1.25, "create": 1.3}


def instructions(made: Record) -> str:
    parts = [
        f"### Instructions on {'PostgreSQL' if made['kind'] == 'postgres' else 'SQLite'}",
        "Counted by valgrind's callgrind over HTTP: what the server's process does in user space, SQLite included; the "
        "kernel, other processes and checkpoints are not in it. Unlike time, it does not depend on what else the "
        "machine does. Memory is what was not in simulated caches of 32 KiB for instructions and 32 KiB for data, in "
        "lines of 64 bytes: what neighbours who share the larger caches make slow. What a server "
        "does while nobody asks is subtracted by the time that a count took.",
        counted(made),
        aims(made),
    ]
    return "\n\n".join(part for part in parts if part)


def counted(made: Record) -> str:
    rows = []
    for operation in COUNTED:
        ours, bare, driver = (find(made, operation, side) for side in (OURS, BARE, DRIVER))
        rows.append(
            [
                TITLES[operation],
                *(middle(each, "instructions") for each in (ours, bare, driver)), ratio(ours, bare, "instructions"),
                *(middle(each, "kilobytes") for each in (ours, bare, driver)), ratio(ours, bare, "kilobytes"),
            ]
        )  # fmt: skip
    heads = ["a request", "instructions, threadkeep", "bare ASGI", "driver alone", "threadkeep ÷ bare",
             "kB of memory, threadkeep", "bare ASGI", "driver alone", "threadkeep ÷ bare"]  # fmt: skip
    return table(heads, rows)


def aims(made: Record) -> str:
    lines = []
    for operation, most in RATIOS_MAX.items():
        for at in ratios(find(made, operation, OURS), find(made, operation, BARE), "instructions"):
            lines.append(
                f"- Instructions to {TITLES[operation]} at most {most} × the bare application's: {at:.2f}, "
                f"{verdict(at <= most)}"
            )
    return "\n".join(["Aims:", "", *lines]) if lines else ""
