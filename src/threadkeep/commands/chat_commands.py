"""The slash commands of a chat on a terminal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from rich.table import Table

from threadkeep.commands.chat_screens import Terminal
from threadkeep.commands.chat_talk import ChatSession
from threadkeep.commands.tables import print_messages, print_thread

SHOWN_MESSAGES = 20


class ChatEnds(Exception):
    """The person ends the chat."""


@dataclass(frozen=True, slots=True)
class Inside:
    """The chat that a command works on."""

    talk: ChatSession
    terminal: Terminal


Run: TypeAlias = Callable[[Inside, str], Awaitable[None]]


async def show_help(inside: Inside, _rest: str) -> None:
    grid = Table.grid(padding=(0, 2))
    for name, (words, meaning, _) in COMMANDS.items():
        grid.add_row(f"/{name}{' ' if words else ''}{words}", meaning)
    grid.add_row("//…", "a message that begins with a slash")
    grid.add_row("Ctrl-C", "ends the answer that is being written; at an empty prompt, twice: ends the chat")
    inside.terminal.console.print(grid)


async def set_title(inside: Inside, title: str) -> None:
    """Rename the thread; without a title, have one made."""
    client, thread = inside.talk.client, await inside.talk.make_thread()
    if title:
        inside.talk.thread = await client.threads.update(thread.id, title=title)
    else:
        await client.threads.generate_name(thread.id)
        inside.talk.thread = await client.threads.retrieve(thread.id)
    inside.terminal.note(f"Title: {inside.talk.thread.title}")


async def begin_new(inside: Inside, title: str) -> None:
    inside.talk.begin_new(title or None)


async def go_to(inside: Inside, thread_id: str) -> None:
    if thread_id:
        await inside.talk.open(thread_id)
    else:
        inside.terminal.note("Say which: /open thread_…")


async def show_messages(inside: Inside, _rest: str) -> None:
    if inside.talk.thread is None:
        inside.terminal.note("This thread begins with your first message.")
        return
    print_messages(await inside.talk.last_messages(SHOWN_MESSAGES), inside.terminal.console)


async def show_thread(inside: Inside, _rest: str) -> None:
    if inside.talk.thread is None:
        inside.terminal.note("This thread begins with your first message.")
        return
    print_thread(await inside.talk.client.threads.retrieve(inside.talk.thread.id))


async def answer_again(inside: Inside, _rest: str) -> None:
    await inside.talk.say_again()


async def choose_model(inside: Inside, name: str) -> None:
    """Have this model answer from now on; without a name, list what there is."""
    if name:
        inside.talk.model = name
        inside.terminal.note(f"From now on {name} answers.")
        return
    async for model in inside.talk.client.models.list():
        inside.terminal.note(f"{model.id} (the default)" if model.is_default else model.id)


async def end(_inside: Inside, _rest: str) -> None:
    raise ChatEnds


def to_state(action: str) -> Run:
    """Return the command that locks, unlocks, archives or unarchives the thread."""

    async def change(inside: Inside, _rest: str) -> None:
        thread = await inside.talk.make_thread()
        inside.talk.thread = await getattr(inside.talk.client.threads, action)(thread.id)
        inside.terminal.note(f"The thread is {inside.talk.thread.state}.")

    return change


COMMANDS: dict[str, tuple[str, str, Run]] = {
    "help": ("", "this list", show_help),
    "new": ("[TITLE]", "begin a new thread", begin_new),
    "open": ("ID", "go on in another thread", go_to),
    "title": ("[TITLE]", "rename this thread; without TITLE, have one made", set_title),
    "model": ("[NAME]", "have this model answer from now on; without NAME, list the models", choose_model),
    "retry": ("", "have the last message answered anew", answer_again),
    "messages": ("", f"show the last {SHOWN_MESSAGES} messages", show_messages),
    "thread": ("", "show everything about this thread", show_thread),
    "lock": ("", "take no more messages", to_state("lock")),
    "unlock": ("", "take messages again", to_state("unlock")),
    "archive": ("", "take this thread out of the lists", to_state("archive")),
    "unarchive": ("", "put it back", to_state("unarchive")),
    "quit": ("", "end the chat, as Ctrl-D does", end),
}


async def run_command(inside: Inside, line: str) -> None:
    """Run the command in a line that begins with a slash. Raises ChatEnds, or ThreadkeepError."""
    name, _, rest = line[1:].partition(" ")
    if name not in COMMANDS:
        inside.terminal.note(f"There is no /{name}: /help lists what there is. A message may begin with //.")
        return
    await COMMANDS[name][2](inside, rest.strip())
