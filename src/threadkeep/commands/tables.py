"""Threads and messages as people read them: tables on a wide terminal, two lines a thread on a narrow one."""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from threadkeep.commands.answers_markdown import AnswerMarkdown
from threadkeep.commands.showing import console_for_people, harmless, one_line, print_table, when
from threadkeep.contract.messages import FilePart, ImagePart

if TYPE_CHECKING:
    from threadkeep.client import Message, Thread

# Below this many columns a thread takes two lines instead of one.
WIDE_COLUMNS = 100
# Rows of one table: all must be known before its first line, since the widest cells set the columns' widths.
TABLE_ROWS_MAX = 1_000
NO_TITLE = "(no title)"
STYLES = {"user": "bold cyan", "assistant": "bold green", "system": "bold magenta", "tool": "bold yellow"}

T = TypeVar("T")


def print_threads(threads: "Iterable[Thread]") -> None:
    """Print a list of threads while it is fetched."""
    console = console_for_people()
    is_first = True
    for batch in batches(threads, TABLE_ROWS_MAX):
        is_wide = console.width >= WIDE_COLUMNS
        print_table(console, table_of(batch, show_header=is_first) if is_wide else lines_of(batch))
        is_first = False
    if is_first:
        console.print("No threads.")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    for first in iterator:
        yield list(chain((first,), islice(iterator, size - 1)))


def table_of(threads: "Sequence[Thread]", *, show_header: bool) -> Table:
    table = Table(box=SIMPLE_HEAD if show_header else None, show_header=show_header, pad_edge=False)
    table.add_column("id", no_wrap=True, overflow="fold")
    table.add_column("title", no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column("state", no_wrap=True)
    table.add_column("messages", justify="right", no_wrap=True)
    table.add_column("updated", no_wrap=True)
    for thread in threads:
        table.add_row(thread.id, title_of(thread), state_of(thread), str(thread.message_count), when(thread.updated_at))
    return table


def lines_of(threads: "Sequence[Thread]") -> Table:
    """Return a table for a narrow terminal. Ids are never cut: people copy them."""
    grid = Table.grid()
    grid.add_column(overflow="fold")
    for thread in threads:
        title = title_of(thread)
        title.stylize("bold")
        grid.add_row(title)
        grid.add_row(Text(thread.id))
        about = f"{state_of(thread)} · {thread.message_count} messages · {when(thread.updated_at)}"
        grid.add_row(Padding(Text(about, style="dim"), (0, 0, 1, 0)))
    return grid


def title_of(thread: "Thread") -> Text:
    title = one_line(thread.title or "")
    return Text(title) if title else Text(NO_TITLE, style="dim")


def state_of(thread: "Thread") -> str:
    hidden = "" if thread.visible_in_ui else ", hidden"
    return f"{thread.state}{', streaming' if thread.status == 'streaming' else ''}{hidden}"


def print_thread(thread: "Thread") -> None:
    """Print everything about a thread but its messages."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    rows: list[tuple[str, str | Text]] = [
        ("id", thread.id),
        ("title", title_of(thread)),
        ("state", state_of(thread)),
        ("user", thread.user_id),
        ("assistant", thread.assistant_id or ""),
        ("messages", str(thread.message_count)),
        ("created", when(thread.created_at)),
        ("updated", when(thread.updated_at)),
        *((f"metadata {one_line(key)}", value_text(value)) for key, value in thread.metadata.items()),
    ]
    for name, value in rows:
        if value:
            grid.add_row(name, value)
    print_table(console_for_people(), grid)


def value_text(value: object) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def print_messages(messages: "Iterable[Message]", console: Console | None = None) -> None:
    """Print messages one below the other, the assistant's with its Markdown on a terminal."""
    console = console or console_for_people()
    for message in messages:
        console.print()
        head = Text(message.role, style=STYLES[message.role])
        head.append(
            f"  {when(message.created_at)}{'' if message.status == 'completed' else '  ' + message.status}", "dim"
        )
        console.print(head)
        for part in parts_of(message, console):
            console.print(part)


def parts_of(message: "Message", console: Console) -> Iterator[RenderableType]:
    if message.text:
        is_markdown = message.role == "assistant" and console.is_terminal
        yield AnswerMarkdown(message.text) if is_markdown else Text(harmless(message.text))
    for part in message.content:
        if isinstance(part, ImagePart):
            yield Text(f"[image {one_line(part.url)}]")
        elif isinstance(part, FilePart):
            yield Text(f"[file {one_line(part.name or '')} {one_line(part.url)}]")
    for call in message.tool_calls or ():
        yield Text(f"[calls {one_line(call.function.name)}({one_line(call.function.arguments)})]")
