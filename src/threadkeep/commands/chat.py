"""`threadkeep chat`: a conversation on the terminal, or between pipes."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from threadkeep.commands.options import ServerAccess, check_thread_ids, with_options
from threadkeep.errors import ThreadkeepError

if TYPE_CHECKING:
    from threadkeep.commands.chat_screens import Terminal
    from threadkeep.commands.chat_talk import ChatSession

INTERRUPTED = 130
PROMPT = "you> "
END_HINT = "Ctrl-C once more, or Ctrl-D, ends the chat."


@with_options
def chat(
    connection: ServerAccess,
    thread_id: Annotated[
        str | None,
        typer.Argument(metavar="[THREAD_ID]", help="The thread to go on in.", callback=check_thread_ids),
    ] = None,
    go_on: Annotated[bool, typer.Option("--continue", "-c", help="Go on in your last thread.")] = False,
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new thread, also where THREAD_ID says how it is to be called.")
    ] = False,
    title: Annotated[str | None, typer.Option("--title", help="The title of the new thread.")] = None,
    assistant: Annotated[str | None, typer.Option("--assistant", help="An assistant's name or id.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Which model answers, if no assistant says; /model lists them.")
    ] = None,
) -> None:
    """Talk with a model; the conversation is kept. Without THREAD_ID a new thread begins.

    On a terminal, Ctrl-C ends an answer and keeps what came of it, Ctrl-D ends the chat, and /help lists its commands.
    Between pipes each line of standard input is a message, and the answers go to standard output.
    """
    if go_on and (thread_id is not None or new):
        raise typer.BadParameter("--continue chooses the thread by itself: leave THREAD_ID and --new out")
    if title is not None and (go_on or (thread_id is not None and not new)):
        raise typer.BadParameter("--title is for new threads")

    from threadkeep.commands.chat_screens import Pipe, Terminal
    from threadkeep.commands.chat_talk import ChatSession

    terminal = Terminal() if sys.stdin.isatty() and sys.stdout.isatty() else None
    client = connection.async_client()
    with asyncio.Runner() as runner:
        try:
            talk = ChatSession(client, terminal or Pipe(), model)
            runner.run(talk.begin(thread_id, is_new=new, goes_on=go_on, title=title, assistant=assistant))
            if terminal is None:
                answer_lines(runner, talk)
            else:
                converse(runner, talk, terminal)
        finally:
            runner.run(client.aclose())


def answer_lines(runner: asyncio.Runner, talk: "ChatSession") -> None:
    """Answer each line of standard input. Stops at a failure or interrupt: the next line may depend on the answer."""
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # The console's own, a TextIOWrapper.
    for line in sys.stdin:
        if not line.strip():
            continue
        response = runner.run(talk.say(line.rstrip("\n")))
        if response is None or response.status == "cancelled":
            raise typer.Exit(INTERRUPTED)
        if response.status == "failed":
            raise typer.Exit(1)


def converse(runner: asyncio.Runner, talk: "ChatSession", terminal: "Terminal") -> None:
    """Read lines and answer them until the person ends the chat. An error is shown, and the chat goes on."""
    from threadkeep.commands.chat_commands import ChatEnds, Inside, run_command
    from threadkeep.commands.line_editing import read_line, remember

    inside = Inside(talk, terminal)
    remember(each.text for each in talk.messages if each.role == "user")
    was_interrupted = False
    try:
        while True:
            line = read_line(PROMPT)
            if line is None:
                if was_interrupted:
                    raise typer.Exit(INTERRUPTED)
                terminal.note(END_HINT)
            was_interrupted = line is None
            if line is None or not line.strip():
                continue
            try:
                if line.startswith("/") and not line.startswith("//"):
                    runner.run(run_command(inside, line))
                else:
                    runner.run(talk.say(line.removeprefix("/") if line.startswith("//") else line))
            except ThreadkeepError as error:
                terminal.note(str(error))
            except KeyboardInterrupt:
                terminal.note("Interrupted.")
    except (EOFError, ChatEnds):
        pass
    finally:
        if talk.thread is not None:
            terminal.note(f"To go on: threadkeep chat {talk.thread.id}")
