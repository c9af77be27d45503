"""The tables of others beside threadkeep, and what must be known to read them."""

from statistics import median

from benchmarks.operations import OPERATIONS, TITLES
from benchmarks.record import Record, find
from benchmarks.tables import NOTHING, middle, number, ratio, ratios, spread, table

FACTOR = 10.0
OURS_KEEP = {"threadkeep, SQLite": "SQLite, durable (synchronous=full)",
             "threadkeep, PostgreSQL": "PostgreSQL, durable (synchronous_commit=on)"}  # fmt: skip


def alternatives(made: Record) -> str:
    others = list(made["others"])
    parts = [f"### {' and '.join(others)}", sides(made)]
    remarks = dict.fromkeys(remark for other in made["others"].values() for remark in other["remarks"])
    parts.append("\n".join(f"- {remark}" for remark in remarks))
    parts += [rates(made, other) for other in others]
    parts += [below(made, other) for other in others]
    return "\n\n".join(parts)


def sides(made: Record) -> str:
    rows = [
        [name, "", OURS_KEEP[name], *(number(each) for each in made["memory_mb"][name])] for name in made["ours"]
    ] + [
        [name, f"{other['versions']}; {other['licence']}", other["keeps"],
         *(number(each) for each in made["memory_mb"][name])]
        for name, other in made["others"].items()
    ]  # fmt: skip
    return table(["server, one process", "versions, licence", "keeps", "MB at the end", "MB at most"], rows)


def rates(made: Record, other: str) -> str:
    rows = []
    for operation in OPERATIONS:
        for clients in sorted({case["clients"] for case in made["cases"]}):
            theirs = find(made, operation, other, clients)
            row = [
                TITLES[operation],
                str(clients),
                "no such operation" if theirs is None else spread(theirs, "per_second"),
            ]
            for name in made["ours"]:
                ours = find(made, operation, name, clients)
                latency = f"{middle(ours, 'p50_ms')} / {middle(ours, 'p99_ms')}"
                row += [spread(ours, "per_second"), ratio(ours, theirs, "per_second")]
                row += [ratio(theirs, ours, "cpu_us"), latency]
            row.append(f"{middle(theirs, 'p50_ms')} / {middle(theirs, 'p99_ms')}")
            rows.append(row)
    heads = ["requests a second", "clients", other]
    for name in made["ours"]:
        heads += [name, "threadkeep ÷ it, rate", "it ÷ threadkeep, CPU", "threadkeep p50 / p99 ms"]
    return table([*heads, "its p50 / p99 ms"], rows)


def below(made: Record, other: str) -> str:
    """Name the operations in which threadkeep is not ten times as fast."""
    found = []
    for operation in OPERATIONS:
        for clients in sorted({case["clients"] for case in made["cases"]}):
            theirs = find(made, operation, other, clients)
            for name in made["ours"]:
                rate = ratios(find(made, operation, name, clients), theirs, "per_second")
                if rate and median(rate) < FACTOR:
                    at = number(median(rate))
                    found.append(f"{operation}, clients: {clients} ({name.removeprefix('threadkeep, ')}): {at} ×")
    return f"Less than {FACTOR:g} × the rate of {other}: {'; '.join(found) or NOTHING}."
