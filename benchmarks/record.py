"""What a part of the benchmark leaves behind: every run of every case, and what it was measured on, as JSON."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.cases import Case
from benchmarks.load import Measurement

Record = dict[str, Any]  # Any: JSON.
DIGITS_COUNT = 4


def new(part: str, kind: str, settings: dict[str, Any], cases: list[Case]) -> Record:
    return {
        "part": part,
        "kind": kind,
        "machine": machine.describe(),
        "settings": settings,
        "cases": [as_json(case) for case in cases],
    }


def as_json(case: Case) -> dict[str, Any]:
    """Return a case with a list for each figure: the figure of its first run, of its second, ..."""
    runs = [asdict(run) for run in case.runs]
    return {
        "operation": case.operation,
        "side": case.side,
        "clients": case.clients,
        "among": case.among,
        **{each.name: [short(run[each.name]) for run in runs] for each in fields(Measurement)},
        **({"failure": case.failure} if case.failure else {}),
    }


def short(value: float) -> float | None:
    """Return what is written of a figure: four digits; nothing for one that is not known."""
    return None if value != value else float(f"{value:.{DIGITS_COUNT}g}")


def save(record: Record, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name_of(record['part'], record['kind'])}.json").write_text(
        json.dumps(record, separators=(",", ":"), ensure_ascii=False).replace('{"operation"', '\n{"operation"') + "\n"
    )


def load(folder: Path, part: str, kind: str) -> Record | None:
    path = folder / f"{name_of(part, kind)}.json"
    return json.loads(path.read_text()) if path.exists() else None


def name_of(part: str, kind: str) -> str:
    return f"{part}-{kind}" if kind else part


def find(
    record: Record, operation: str, side: str, clients: int | None = None, among: int | None = None
) -> dict[str, Any] | None:
    """Return the one case with these properties, if it was measured."""
    for case in record["cases"]:
        if (
            case["operation"] == operation
            and case["side"] == side
            and clients in (None, case["clients"])
            and among in (None, case["among"])
        ):
            return case
    return None
