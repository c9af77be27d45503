"""docs/benchmarks.md, made of whatever has been measured."""

from pathlib import Path

from benchmarks import plots, record, report_alternatives, report_operations, report_page, report_streams
from benchmarks.alternatives_part import GROUPS
from benchmarks.report_growth import growth
from benchmarks.report_instructions import instructions

TITLE = "# Benchmarks\n\n<!-- Made by `make bench`: change benchmarks/, not this page. -->"
INTRODUCTION = (
    "What threadkeep costs, beside the least that the same work can cost on the same machine, among more and more "
    "data, and beside other servers that keep conversations. What stands in one table was measured in one run, in "
    "turns; figures are medians, with the smallest and the largest of the runs in brackets; a ratio is the median of "
    "the ratios within each turn. Load generator, server and database share the machine's cores: a rate is of all "
    "three together, CPU a request is the server's own, without the database's. Such machines are noisy: trust "
    "ratios, and no difference under a fifth."
)
CONDITIONS = (
    "Every write that threadkeep answers is durable (SQLite `synchronous=full`, PostgreSQL `synchronous_commit=on`), "
    "and every request is authenticated, validated, limited and counted. All figures of all runs are in the "
    "repository as JSON, in `docs/benchmarks`. [Where the time goes](speed.md) says why the figures are what they are."
)
KINDS = ("sqlite", "postgres")
PARTS = (
    *(("operations", kind) for kind in KINDS),
    *(("instructions", kind) for kind in KINDS),
    *(("growth", kind) for kind in KINDS),
    ("streams", ""),
    *(("alternatives", group) for group in GROUPS),
    ("page", ""),
)
SECTIONS = {
    "operations": report_operations.operations,
    "instructions": instructions,
    "growth": growth,
    "streams": report_streams.streams,
    "alternatives": report_alternatives.alternatives,
    "page": report_page.page,
}
TITLES = {
    "operations": "Beside the least that it can cost",
    "instructions": "Instructions and memory",
    "growth": "Growth",
    "streams": "Streamed answers",
    "alternatives": "Beside others",
    "page": "The page",
}
PLOTS = {"growth": plots.growth, "alternatives": plots.alternatives}


def section_of(made: record.Record) -> str:
    """Return what one part has to say, with what it was measured on."""
    return f"{SECTIONS[made['part']](made)}\n\n{made_on(made)}"


def made_on(made: record.Record) -> str:
    settings = "; ".join(f"{name} {value}" for name, value in made["settings"].items())
    return f"Measured: {'; '.join(made['machine'].splitlines())}; {settings}."


def write(into: Path) -> None:
    """Write the page and its plots anew, of all that has been measured into this folder."""
    blocks, last_part = [TITLE, INTRODUCTION, CONDITIONS], ""
    for part, kind in PARTS:
        made = record.load(into / "benchmarks", part, kind)
        if part != last_part:
            blocks.append(f"## {TITLES[part]}")
            last_part = part
        if made is None:
            blocks.append(f"{record.name_of(part, kind)}: not measured.")
            continue
        blocks.append(section_of(made))
        if part in PLOTS:
            name = f"benchmarks-{record.name_of(part, kind)}.svg"
            PLOTS[part](made, into / "images" / name)
            blocks.append(f"![{TITLES[part]}, {kind}](images/{name})")
    (into / "benchmarks.md").write_text("\n\n".join(blocks) + "\n")
