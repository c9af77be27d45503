"""The plots of docs/benchmarks.md. matplotlib is in the extra `bench`, and imported only here and only to draw."""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.growth_part import AMONG_THREADS, IN_LONG_THREAD, MESSAGES_SIDE, THREADS_SIDE
from benchmarks.operations import OPERATIONS
from benchmarks.record import Record, find
from benchmarks.report_growth import TITLES
from benchmarks.tables import values

# The same figures make the same file.
SETTINGS = {"svg.hashsalt": "threadkeep", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
METADATA = {"Date": None}


def growth(made: Record, path: Path) -> None:
    """Draw the latency of each operation among more threads, and in longer threads."""
    figure, (left, right) = canvas(2, (10, 5))
    draw_growth(left, made, THREADS_SIDE, AMONG_THREADS, made["settings"]["threads"], "threads in one organization")
    draw_growth(right, made, MESSAGES_SIDE, IN_LONG_THREAD, made["settings"]["messages"], "messages in one thread")
    save(figure, path)


def draw_growth(axes: Any, made: Record, side: str, operations: tuple[str, ...], sizes: list[int], label: str) -> None:
    for operation in operations:
        cases = [find(made, operation, side, 1, size) for size in sizes]
        found = [(size, values(case, "p50_ms")) for size, case in zip(sizes, cases, strict=True)]
        points = [(size, median(each)) for size, each in found if each]
        axes.plot([size for size, _ in points], [at_ms for _, at_ms in points], marker="o", label=TITLES[operation])
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="p50 ms, one client")
    axes.set_ylim(min(0.01, axes.get_ylim()[0]), max(10.0, axes.get_ylim()[1]))
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)


def alternatives(made: Record, path: Path) -> None:
    """Draw the rates of all sides at the most clients, on a scale of powers of ten."""
    clients = max(case["clients"] for case in made["cases"])
    sides = [*made["ours"], *made["others"]]
    figure, axes = canvas(1, (10, 4.2))
    width = 0.8 / len(sides)
    for place, side in enumerate(sides):
        cases = [find(made, operation, side, clients) for operation in OPERATIONS]
        found = [values(case, "per_second") for case in cases]
        at = [number + place * width for number, each in enumerate(found) if each]
        axes.bar(at, [median(each) for each in found if each], width, label=side)
    axes.set_xticks([number + width * (len(sides) - 1) / 2 for number in range(len(OPERATIONS))], OPERATIONS)
    axes.set(yscale="log", ylabel=f"requests a second, {clients} clients")
    axes.legend(fontsize=7, frameon=False, ncols=2)
    save(figure, path)


def canvas(columns: int, inches: tuple[float, float]) -> Any:  # Any: matplotlib is not there when types are checked.
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(SETTINGS)
    from matplotlib import pyplot

    return pyplot.subplots(1, columns, figsize=inches, layout="constrained")


def save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata=METADATA)
    from matplotlib import pyplot

    pyplot.close(figure)
