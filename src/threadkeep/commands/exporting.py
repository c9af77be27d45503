"""`threadkeep export` and `threadkeep threads export`: threads with their messages as JSON lines."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from threadkeep.commands.options import ServerAccess, ThreadsArgument, with_options
from threadkeep.errors import ThreadkeepError, Unavailable

if TYPE_CHECKING:
    from threadkeep import AsyncClient
    from threadkeep.client import Thread
    from threadkeep.commands.export_writing import Exporter

STANDARD_OUTPUT = "-"

OutOption = Annotated[
    str,
    typer.Option("--out", "-o", help="The file, compressed if its name ends in .gz; - is standard output."),
]
ConcurrencyOption = Annotated[
    int, typer.Option("--concurrency", min=1, max=64, help="Threads that are read at the same time.")
]


class ExportSelection:
    """Which threads are exported: those with these ids, or those that match."""

    def __init__(self, thread_ids: list[str] | None = None, filters: dict[str, Any] | None = None) -> None:
        self._thread_ids = None if thread_ids is None else list(dict.fromkeys(thread_ids))
        # Creation times never change, so threads that are created or changed meanwhile do not shift the list.
        self._listed = {"state": "all", **(filters or {}), "sort": "createdAt", "order": "asc", "include": "payload"}

    async def count(self, client: "AsyncClient") -> int | None:
        """Return how many there are, or None if the server cannot count them in time."""
        if self._thread_ids is not None:
            return len(self._thread_ids)
        try:
            return (await client.threads.list(**self._listed, limit=1, include_total=True).page()).total
        except Unavailable:
            return None

    async def threads(self, client: "AsyncClient") -> "AsyncIterator[Thread | str]":
        if self._thread_ids is not None:
            for thread_id in self._thread_ids:
                yield thread_id
            return
        async for thread in client.threads.list(**self._listed):
            yield thread


@with_options
def export_matching(
    connection: ServerAccess, filters: dict[str, Any], out: OutOption = "-", concurrency: ConcurrencyOption = 8
) -> None:
    """Export threads with their messages, one thread a line, the oldest first.

    Without filters it takes every thread that you may see, archived ones too. `threadkeep import` reads the file.
    """
    export(connection, ExportSelection(filters=filters), out, concurrency)


@with_options
def export_these(
    connection: ServerAccess,
    thread_ids: ThreadsArgument,
    out: OutOption = "-",
    concurrency: ConcurrencyOption = 8,
) -> None:
    """Export the threads with these ids."""
    export(connection, ExportSelection(thread_ids), out, concurrency)


def export(connection: ServerAccess, choice: ExportSelection, out: str, concurrency: int) -> None:
    """Export the chosen threads, with a progress bar on a terminal. Exit code 1 if a given id does not exist."""
    from threadkeep.commands.export_writing import Exporter, OnTerminal, opened, part_of
    from threadkeep.commands.showing import console_for_people, harmless, shown

    console = console_for_people(stderr=True)

    async def inside() -> "Exporter":
        async with connection.async_client() as client:
            exporter = Exporter(client, lambda sentence: console.print(harmless(sentence), soft_wrap=True))
            with opened(out) as output:
                # No bar if the export itself is written to the terminal: the bar would be in the midst of it.
                is_shown = console.is_terminal and not isinstance(output, OnTerminal)
                total = await choice.count(client) if is_shown else None
                async with shown(console, total, exporter.exported.state) if is_shown else nullcontext():
                    await exporter.write(choice.threads(client), output, concurrency)
            return exporter

    try:
        exported = asyncio.run(inside()).exported
    except (ThreadkeepError, OSError, KeyboardInterrupt):
        if out != STANDARD_OUTPUT:
            console.print(f"The export is not complete: as far as it came it is in {part_of(out)}", soft_wrap=True)
        raise
    if out != STANDARD_OUTPUT:
        console.print(f"threads exported: {exported.thread_count}\nmessages: {exported.message_count}")
        if exported.expired_count:
            console.print(f"threads left out, because their expiry has passed: {exported.expired_count}")
    if exported.missing_count:
        raise typer.Exit(1)
