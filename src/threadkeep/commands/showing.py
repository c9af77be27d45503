"""How texts and threads are shown on a terminal: harmless, and as wide as it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# A file or another program is not a page: nothing is cut or broken there.
UNLIMITED_COLUMNS = 100_000
REFRESH_S = 0.1

# A title may hold what moves the cursor, sets colours or turns the writing direction around. Each such character
# becomes a picture of itself, or the replacement character.
BIDIRECTIONAL = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
HARMLESS = {
    **{code: chr(0x2400 + code) for code in range(0x20)},
    0x7F: "\N{SYMBOL FOR DELETE}",
    **dict.fromkeys(range(0x80, 0xA0), REPLACEMENT),
    **dict.fromkeys((*BIDIRECTIONAL, 0x2028, 0x2029), REPLACEMENT),
}
HARMLESS_LINES = {code: shown for code, shown in HARMLESS.items() if chr(code) not in "\n\t"}


def harmless(text: str) -> str:
    """Return a text of several lines without anything that would steer the terminal."""
    return text.replace("\r\n", "\n").translate(HARMLESS_LINES)


def one_line(text: str) -> str:
    return " ".join(text.split()).translate(HARMLESS) if text.split() else ""


def console_for_people(*, stderr: bool = False) -> "Console":
    """Return a console as wide as the terminal, or as wide as it takes where there is none."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED_COLUMNS
    return console


@asynccontextmanager
async def shown(console: "Console", total: int | None, state: Callable[[], tuple[int, str]]) -> AsyncIterator[None]:
    """Show a bar while something goes on. `state` says how much of `total` is done, and in words what."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=total)

        def update() -> None:
            completed, description = state()
            progress.update(bar, completed=completed, description=description)

        async def refresh() -> None:
            while True:
                update()
                await asyncio.sleep(REFRESH_S)

        refreshing = asyncio.create_task(refresh())
        try:
            yield
            # A pipe has a length when it has ended.
            progress.update(bar, total=state()[0])
        finally:
            refreshing.cancel()
            update()


def print_table(console: "Console", table: "RenderableType") -> None:
    """Print a table, without the blanks at the ends of lines where it goes to a file or another program."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().strip("\n").split("\n")
    typer.echo("\n".join(line.rstrip() for line in lines))


def print_json(value: Any) -> None:  # Any: whatever the client answers with.
    """Print one object on one line, in ASCII, since it may be read on a terminal as well."""
    import msgspec

    typer.echo(json.dumps(json.loads(msgspec.json.encode(value))))


def when(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
