"""The tables: medians with their spread, and the ratio that each aim is about."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.cases import Case
from benchmarks.load import Measurement

CPU_RATIO_MAX = 1.4
APPEND_PERCENT_MIN = {"sqlite": 60, "postgres": 90}
# What appends are compared with.
BESIDE = {"sqlite": "group-commit loop", "postgres": "pgbench"}
AIM_CLIENTS = 64
ALIKE_RATIO_MAX = 1.3

Value = Callable[[Measurement], float]
RATE: Value = lambda run: run.per_second  # noqa: E731
CPU: Value = lambda run: run.cpu_us  # noqa: E731
DATABASE_CPU: Value = lambda run: run.database_cpu_us  # noqa: E731


def spread(case: Case, value: Value) -> str:
    values = [value(run) for run in case.runs]
    return f"{median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def middle(case: Case, value: Value) -> float:
    return median(value(run) for run in case.runs)


def find(cases: list[Case], operation: str, side: str, clients: int) -> Case:
    return next(each for each in cases if (each.operation, each.side, each.clients) == (operation, side, clients))


def reads(cases: list[Case]) -> str:
    """Return the table of reads beside the bare application."""
    rows = []
    for ours in cases:
        if ours.side != "threadkeep" or ours.operation not in ("get", "list"):
            continue
        bare = find(cases, ours.operation, "bare ASGI", ours.clients)
        ratio = middle(ours, CPU) / middle(bare, CPU)
        rows.append(
            [
                ours.operation, str(ours.clients), spread(ours, RATE), spread(bare, RATE), spread(ours, CPU),
                spread(bare, CPU), f"{ratio:.2f}", f"≤ {CPU_RATIO_MAX}: {verdict(ratio <= CPU_RATIO_MAX)}",
                f"{middle(ours, DATABASE_CPU):,.0f}", f"{middle(ours, lambda run: run.p50_ms):.2f}",
                f"{middle(ours, lambda run: run.p99_ms):.1f}",
            ]
        )  # fmt: skip
    return table(
        ["read", "clients", "ours/s", "bare ASGI/s", "ours CPU µs", "bare CPU µs", "ratio", "aim", "db CPU µs",
         "p50 ms", "p99 ms"],
        rows,
    )  # fmt: skip


def appends(cases: list[Case], kind: str) -> str:
    """Return the table of appends beside the same statements without a server."""
    side, percent_min = BESIDE[kind], APPEND_PERCENT_MIN[kind]
    rows = []
    for ours in cases:
        if ours.side != "threadkeep" or ours.operation != "append":
            continue
        beside = find(cases, "append", side, AIM_CLIENTS if kind == "sqlite" else ours.clients)
        percent = 100 * middle(ours, RATE) / middle(beside, RATE)
        is_aim = ours.clients == AIM_CLIENTS
        rows.append(
            [
                str(ours.clients), spread(ours, RATE), spread(beside, RATE), f"{percent:.0f} %",
                f"≥ {percent_min} %: {verdict(percent >= percent_min)}" if is_aim else "",
                spread(ours, CPU), f"{middle(ours, DATABASE_CPU):,.0f}",
                f"{middle(ours, lambda run: run.p50_ms):.2f}", f"{middle(ours, lambda run: run.p99_ms):.1f}",
            ]
        )  # fmt: skip
    return table(
        ["append: clients", "ours/s", f"{side}/s", "share", "aim", "ours CPU µs", "db CPU µs", "p50 ms", "p99 ms"],
        rows,
    )


def growth(cases: list[Case], pairs: Sequence[tuple[str, str]]) -> str:
    """Return the table of what must cost the same far out as at the beginning."""
    rows = []
    for far, near in pairs:
        far_case, near_case = find(cases, far, "threadkeep", 1), find(cases, near, "threadkeep", 1)
        costs = [
            middle(case, CPU) + middle(case, DATABASE_CPU) for case in (far_case, near_case)
        ]  # The database's as well: growth would show there.
        ratio = costs[0] / costs[1]
        rows.append(
            [far, near, f"{costs[0]:,.0f}", f"{costs[1]:,.0f}", f"{ratio:.2f}",
             f"≤ {ALIKE_RATIO_MAX}: {verdict(ratio <= ALIKE_RATIO_MAX)}",
             f"{middle(far_case, lambda run: run.p50_ms):.2f}", f"{middle(near_case, lambda run: run.p50_ms):.2f}"]
        )  # fmt: skip
    return table(
        ["far (1 client)", "near", "far CPU+db µs", "near CPU+db µs", "ratio", "aim", "far p50 ms", "near p50 ms"], rows
    )


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def table(heads: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def as_json(cases: list[Case]) -> list[dict[str, Any]]:
    return [
        {
            "operation": each.operation,
            "side": each.side,
            "clients": each.clients,
            "runs": [asdict(r) for r in each.runs],
        }
        for each in cases
    ]
