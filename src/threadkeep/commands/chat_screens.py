"""What a chat looks like: on a terminal, and between pipes."""

import sys
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.spinner import Spinner
from rich.text import Text

from threadkeep.commands.answers_markdown import AnswerMarkdown
from threadkeep.commands.line_editing import Unechoed
from threadkeep.commands.showing import console_for_people, harmless, one_line
from threadkeep.commands.tables import NO_TITLE, print_messages

if TYPE_CHECKING:
    from threadkeep.client import Message, Thread

# How much of the end of a growing answer is laid out again at each refresh.
LAID_OUT_CHARACTERS = 8_000
REFRESHES_PER_S = 8
PROMPT = "you> "


class Screen(Protocol):
    """Where a chat is shown."""

    def opened(self, thread: "Thread | None", messages: "list[Message]") -> None:
        """Show where the chat is: in a thread with these last messages, or in none yet."""

    def answer(self) -> "ShownAnswer":
        """Begin to show an answer."""

    def note(self, sentence: str) -> None:
        """Show a sentence that is no part of the conversation."""


class ShownAnswer(Protocol):
    """An answer while it is being written."""

    def show(self, text: str) -> None:
        """Show the text so far."""

    def end(self) -> None:
        """Leave the text as it is."""


class Terminal:
    """Lays out Markdown while it is written: first as much of the end as fits the window, at last the whole."""

    def __init__(self) -> None:
        self.console = console_for_people()

    def opened(self, thread: "Thread | None", messages: "list[Message]") -> None:
        print_messages(messages, self.console)
        if messages:
            self.console.print()
        about = "A new thread" if thread is None else f"{one_line(thread.title or '') or NO_TITLE}, {thread.id}"
        self.console.print(Text(f"{about}. /help lists the commands, Ctrl-D ends the chat.", "dim"))

    def answer(self) -> "LiveAnswer":
        return LiveAnswer(self.console)

    def note(self, sentence: str) -> None:
        self.console.print(Text(harmless(sentence), "yellow"), soft_wrap=True)


class LiveAnswer:
    """The end of a growing answer; once it is complete, the whole answer replaces it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._text = ""
        self._live = Live(
            Spinner("dots"),
            console=console,
            transient=True,
            refresh_per_second=REFRESHES_PER_S,
            vertical_overflow="crop",
        )
        console.print()
        self._unechoed = Unechoed()
        self._live.start()

    def show(self, text: str) -> None:
        if text != self._text:
            self._text = text
            self._live.update(Tail(text[-LAID_OUT_CHARACTERS:]))

    def end(self) -> None:
        self._live.stop()
        self._unechoed.end()
        if self._text:
            self._console.print(AnswerMarkdown(self._text))
        self._console.print()


class Tail:
    """As many last lines of a text as fit the window."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(AnswerMarkdown(self._text), options, pad=False)
        for line in lines[-max(1, console.height - 2) :]:
            yield from line
            yield Segment.line()


class Pipe:
    """Writes only answers to standard output, as they come; everything else to standard error."""

    def opened(self, thread: "Thread | None", messages: "list[Message]") -> None:
        pass

    def answer(self) -> "PlainAnswer":
        return PlainAnswer()

    def note(self, sentence: str) -> None:
        print(harmless(sentence), file=sys.stderr, flush=True)


class PlainAnswer:
    """Writes an answer as it comes; without control characters if only the questions are piped."""

    def __init__(self) -> None:
        self._shown = ""
        self._is_seen = sys.stdout.isatty()

    def show(self, text: str) -> None:
        # After a lost connection `text` may begin again with all of the answer: only the new part is written.
        more = text.removeprefix(self._shown)
        sys.stdout.write(harmless(more) if self._is_seen else more)
        sys.stdout.flush()
        self._shown = text

    def end(self) -> None:
        if self._shown and not self._shown.endswith("\n"):
            sys.stdout.write("\n")
        sys.stdout.flush()
