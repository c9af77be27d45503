"""Figures as text: medians with their spread, ratios of runs that stood side by side, tables in Markdown."""

from collections.abc import Sequence
from statistics import median
from typing import Any

Case = dict[str, Any]  # Any: JSON, as `record` writes it.
NOTHING = "–"


def number(value: float) -> str:
    """Return three digits of a small number and all of a large one."""
    if value >= 100:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def values(case: Case | None, figure: str) -> list[float]:
    return [] if case is None else [each for each in case[figure] if each is not None]


def middle(case: Case | None, figure: str) -> str:
    found = values(case, figure)
    return number(median(found)) if found else NOTHING


def spread(case: Case | None, figure: str) -> str:
    """Return the median, between what the runs lay, and why there were no more of them, if one failed."""
    found = values(case, figure)
    said = f"{number(median(found))} ({number(min(found))}–{number(max(found))})" if found else NOTHING
    return f"{said}; failed: {case['failure'][:120].replace('|', '/')}" if case and "failure" in case else said


def ratios(case: Case | None, other: Case | None, figure: str) -> list[float]:
    """Return the ratio in each turn in which both ran."""
    pairs = zip(values(case, figure), values(other, figure), strict=False)
    return [one / another for one, another in pairs if another]


def ratio(case: Case | None, other: Case | None, figure: str) -> str:
    found = ratios(case, other, figure)
    return f"{number(median(found))} ({number(min(found))}–{number(max(found))})" if found else NOTHING


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
