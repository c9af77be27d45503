"""The tables: medians with their spread, and the ratio that each aim is about."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.cases import Case
from benchmarks.load import Measurement
from benchmarks.stream_readers import Run
from benchmarks.streams import MODEL_WAITS_MS, PER_SECOND, RELAY, Side, per_second

CPU_RATIO_MAX = 1.4
APPEND_PERCENT_MIN = {"sqlite": 60, "postgres": 90}
# What appends are compared with.
BESIDE = {"sqlite": "group-commit loop", "postgres": "pgbench"}
AIM_CLIENTS = 64
ALIKE_RATIO_MAX = 1.3
STREAM_CPU_RATIO_MAX = 2.0
ONE_CORE_STREAMS = 200
READER_BYTES_MAX = 20_000
FIRST_DELTA_MS_MAX = 10.0

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


def streams(sides: list[Side]) -> str:
    """Return the tables of streamed answers beside the relay."""
    relay = next(side for side in sides if side.name == RELAY)
    runs = next(iter(relay.runs.values()))
    parts = [
        f"## Streams\n\nTokens of {PER_SECOND:g} a second and stream, fewer where all would be more than this machine "
        f"can show; median of {len(runs)} alternating runs (smallest–largest).\nDelay: from the upstream's write to "
        "the reader's read. Around: what a response costs besides its tokens, to claim and to end it.",
        table(
            ["streams", "each/s", "server", "tokens/s", "CPU µs a token", "relay", "aim", "cores", "db CPU µs",
             "p50 ms", "p99 ms", "around CPU ms"],
            [flow(side, relay, count) for count in relay.runs for side in sides],
        ),
        table(
            ["server", *(f"first delta {wait_ms} ms after the call" for wait_ms in MODEL_WAITS_MS), "aim",
             "kB a reader", "aim"],
            [idle(side) for side in sides],
        ),
        *(one_core(side) for side in sides if ONE_CORE_STREAMS in side.runs and side is not relay),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def flow(side: Side, relay: Side, count: int) -> list[str]:
    """Return the row of one server with `count` streams."""
    runs = side.runs[count]
    cpu_us = [run.cpu_us for run in runs]
    ratio = median(cpu_us) / median(run.cpu_us for run in relay.runs[count])
    is_relay = side is relay

    def middle_of(value: Callable[[Run], float], digits: int) -> str:
        return f"{median(value(run) for run in runs):,.{digits}f}"

    return [
        str(count), f"{per_second(count):g}", side.name, middle_of(lambda run: run.tokens_per_second, 0),
        f"{median(cpu_us):,.0f} ({min(cpu_us):,.0f}–{max(cpu_us):,.0f})", "" if is_relay else f"{ratio:.2f} ×",
        "" if is_relay else f"≤ {STREAM_CPU_RATIO_MAX:g} ×: {verdict(ratio <= STREAM_CPU_RATIO_MAX)}",
        middle_of(lambda run: run.cores, 2), middle_of(lambda run: run.database_cpu_us, 0),
        middle_of(lambda run: run.p50_ms, 1), middle_of(lambda run: run.p99_ms, 1),
        middle_of(lambda run: run.around_cpu_ms, 2),
    ]  # fmt: skip


def idle(side: Side) -> list[str]:
    """Return the row of one server with nothing else to do."""
    is_relay = side.name == RELAY
    bytes_each = median(side.idle_reader_bytes)
    slowest_ms = max(median(delays_ms) for delays_ms in side.first_deltas_ms.values())
    return [
        side.name,
        *(f"{median(each):.1f} ms ({min(each):.1f}–{max(each):.1f})" for each in side.first_deltas_ms.values()),
        "" if is_relay else f"p50 ≤ {FIRST_DELTA_MS_MAX:g} ms: {verdict(slowest_ms <= FIRST_DELTA_MS_MAX)}",
        f"{bytes_each / 1000:.1f}",
        "" if is_relay else f"≤ {READER_BYTES_MAX / 1000:g}: {verdict(bytes_each <= READER_BYTES_MAX)}",
    ]


def one_core(side: Side) -> str:
    """Say what of a core the streams of the aim take, and how many of them a core would carry at that."""
    cores = median(run.cores for run in side.runs[ONE_CORE_STREAMS])
    cpu_us = median(run.cpu_us for run in side.runs[ONE_CORE_STREAMS])
    return (
        f"{side.name}: {ONE_CORE_STREAMS} streams × {PER_SECOND:g}/s take {cores:.2f} cores (aim ≤ 1: "
        f"{verdict(cores <= 1)}); at this cost a token, one core carries {1e6 / cpu_us / PER_SECOND:,.0f} such streams."
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
