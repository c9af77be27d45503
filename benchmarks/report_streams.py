"""The tables of streamed answers beside a relay that stores nothing."""

from statistics import median
from typing import Any

from benchmarks.record import Record
from benchmarks.streams import MODEL_WAITS_MS, PER_SECOND, RELAY, name_of
from benchmarks.tables import NOTHING, number, table, verdict

STREAM_CPU_RATIO_MAX = 2.0
ONE_CORE_FLOW = name_of(1_000, PER_SECOND)
TOKEN_US_MAX = 20.0
DELAY_MS_MAX = 30.0
READER_BYTES_MAX = 20_000
FIRST_DELTA_MS_MAX = 10.0

Side = dict[str, Any]  # Any: JSON, as `streams` makes it.


def streams(made: Record) -> str:
    sides: dict[str, Side] = made["sides"]
    parts = [
        "A model's server of its own sends tokens, to each answer so many a second. The relay reads the same answers "
        "with the same code, one token after the other, and stores nothing. CPU is the server's process alone, without "
        "model, readers and database. Delay: from the model's write to the reader's read. Around: what an answer costs "
        "besides its tokens.",
        table(
            ["answers × tokens a second", "server", "tokens a second", "CPU a token, µs", "÷ relay",
             f"aim ≤ {STREAM_CPU_RATIO_MAX:g}", "cores", "database's CPU, µs", "p50 ms", "p99 ms", "around, CPU ms"],
            [flow(name, sides, each) for each in sides[RELAY]["runs"] for name in sides],
        ),
        table(
            ["server", *(f"first piece, model after {wait_ms} ms" for wait_ms in MODEL_WAITS_MS),
             f"aim p50 ≤ {FIRST_DELTA_MS_MAX:g} ms", "kB a silent reader", f"aim ≤ {READER_BYTES_MAX // 1000}",
             "kB an answer with its reader"],
            [idle(name, side) for name, side in sides.items()],
        ),
        *(one_core(name, side) for name, side in sides.items() if ONE_CORE_FLOW in side["runs"] and name != RELAY),
    ]  # fmt: skip
    return "\n\n".join(parts)


def flow(name: str, sides: dict[str, Side], which: str) -> list[str]:
    """Return the row of one server with so many answers at once."""
    runs = sides[name]["runs"][which]
    cpu_us = [run["cpu_us"] for run in runs]
    ratio = median(cpu_us) / median(run["cpu_us"] for run in sides[RELAY]["runs"][which])
    is_relay = name == RELAY
    return [
        which, name, middle_of(runs, "tokens_per_second"),
        f"{number(median(cpu_us))} ({number(min(cpu_us))}–{number(max(cpu_us))})",
        NOTHING if is_relay else number(ratio), NOTHING if is_relay else verdict(ratio <= STREAM_CPU_RATIO_MAX),
        *(middle_of(runs, each) for each in ("cores", "database_cpu_us", "p50_ms", "p99_ms", "around_cpu_ms")),
    ]  # fmt: skip


def middle_of(runs: list[dict[str, float]], figure: str) -> str:
    return number(median(run[figure] for run in runs))


def idle(name: str, side: Side) -> list[str]:
    """Return the row of one server with nothing else to do."""
    is_relay = name == RELAY
    bytes_each = median(side["idle_reader_bytes"])
    delays = side["first_deltas_ms"].values()
    slowest_ms = max(median(delays_ms) for delays_ms in delays)
    return [
        name,
        *(f"{number(median(each))} ms ({number(min(each))}–{number(max(each))})" for each in delays),
        NOTHING if is_relay else verdict(slowest_ms <= FIRST_DELTA_MS_MAX),
        f"{bytes_each / 1000:.1f}",
        NOTHING if is_relay else verdict(bytes_each <= READER_BYTES_MAX),
        f"{median(side['answer_bytes']) / 1000:.1f}" if side.get("answer_bytes") else NOTHING,
    ]


def one_core(name: str, side: Side) -> str:
    """Say what of a core the answers of the aim take, and how many of them a core would carry at that."""
    runs = side["runs"][ONE_CORE_FLOW]
    cpu_us, delay_ms = median(run["cpu_us"] for run in runs), median(run["p50_ms"] for run in runs)
    cheap, quick = verdict(cpu_us <= TOKEN_US_MAX), verdict(delay_ms <= DELAY_MS_MAX)
    return (
        f"{name}: {ONE_CORE_FLOW} tokens a second take {middle_of(runs, 'cores')} cores, {number(cpu_us)} µs a token "
        f"(aim at most {TOKEN_US_MAX:g}: {cheap}), with a delay of {number(delay_ms)} ms in the middle (aim at most "
        f"{DELAY_MS_MAX:g}: {quick}); so one core carries {number(1e6 / cpu_us / PER_SECOND)} answers."
    )
