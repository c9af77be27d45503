"""`threadkeep verify`: checks the promises on the stored data and prints each violation."""

import asyncio
import json
from typing import TYPE_CHECKING

import typer

from threadkeep import clock
from threadkeep.commands.shared import DatabaseOption, JsonOption, settings_for
from threadkeep.settings import Settings

if TYPE_CHECKING:
    from threadkeep.operations.upkeep.verifying import Report

SHOWN = ("organizations", "threads", "messages")


def verify(database: DatabaseOption = None, as_json: JsonOption = False) -> None:
    """Prove that everything stored is as promised; print what is not. Works while a server runs; changes nothing."""
    from threadkeep.operations.upkeep.verifying import Report

    report = Report()
    started_s = clock.monotonic_s()
    asyncio.run(run(settings_for(database), report))
    print_report(report, clock.monotonic_s() - started_s, as_json)
    if report.problems_count:
        raise typer.Exit(1)


async def run(settings: Settings, report: "Report") -> None:
    """Check the database, with the counts so far on a terminal."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn

    from threadkeep.database import open_database
    from threadkeep.operations.upkeep import verifying

    console = Console(stderr=True)
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    task = progress.add_task("")

    def show() -> None:
        progress.update(task, description=counts(report))

    database = await open_database(settings, serving=False)
    try:
        with progress:
            await verifying.verify(database, report, show)
    finally:
        await database.close()


def counts(report: "Report") -> str:
    return ", ".join(f"{report.checked.get(name, 0)} {name}" for name in SHOWN)


def print_report(report: "Report", seconds: float, as_json: bool) -> None:
    if as_json:
        problems = [
            {
                "organizationId": problem.organization_id,
                "threadId": problem.thread_id,
                "messageId": problem.message_id,
                "problem": problem.what,
            }
            for problem in report.problems
        ]
        checked = {name: report.checked.get(name, 0) for name in SHOWN}
        typer.echo(
            json.dumps(
                {**checked, "problemCount": report.problems_count, "problems": problems, "seconds": round(seconds, 1)}
            )
        )
        return
    for problem in report.problems:
        where = [each for each in problem[:3] if each is not None]
        typer.echo(f"{' '.join(where) or '(nowhere)'}: {problem.what}")
    more_count = report.problems_count - len(report.problems)
    if more_count:
        typer.echo(f"… and {more_count} more")
    verdict = f"{report.problems_count} things do not hold" if report.problems_count else "everything holds"
    typer.echo(f"checked {counts(report)} in {seconds:.1f} s: {verdict}")
