"""Shows texts and tables on a terminal: without control characters, and as wide as the terminal."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# The width for output to a file or program: nothing is cut or wrapped there.
UNLIMITED_COLUMNS = 100_000
REFRESH_S = 0.1

# A title may hold characters that move the cursor, set colours or reverse the writing direction. Each is replaced by
# its visible symbol, or by the replacement character.
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
    """Return a text without control characters; line breaks and tabs stay."""
    return text.replace("\r\n", "\n").translate(HARMLESS_LINES)


def one_line(text: str) -> str:
    return " ".join(text.split()).translate(HARMLESS) if text.split() else ""


def console_for_people(*, stderr: bool = False) -> "Console":
    """Return a console as wide as the terminal, or without a limit if there is none."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = UNLIMITED_COLUMNS
    return console


@asynccontextmanager
async def shown(console: "Console", total: int | None, state: Callable[[], tuple[int, str]]) -> AsyncIterator[None]:
    """Show a progress bar around some work. `state` returns how much of `total` is done, and a text for it."""
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
            # The length of a pipe is known at its end.
            progress.update(bar, total=state()[0])
        finally:
            refreshing.cancel()
            update()


def print_table(console: "Console", table: "RenderableType") -> None:
    """Print a table; to a file or another program without blanks at the ends of lines."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().strip("\n").split("\n")
    typer.echo("\n".join(line.rstrip() for line in lines))


def print_json(value: Any) -> None:  # Any: whatever the client answers with.
    """Print one object as one line of ASCII, so that it is harmless on a terminal too."""
    import msgspec

    typer.echo(json.dumps(json.loads(msgspec.json.encode(value))))


def when(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
