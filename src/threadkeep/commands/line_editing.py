"""The input line of a chat, with history and the usual keys, by Python's own `readline`."""

import contextlib
import sys
import termios
from collections.abc import Iterable

try:
    import readline
except ImportError:  # Some Pythons are built without it; lines are then read without history.
    readline = None  # type: ignore[assignment]  # A module elsewhere.

# The index of the local modes in what `termios.tcgetattr` returns.
LOCAL_MODES = 3


def read_line(prompt: str) -> str | None:
    """Return the line that was typed; "" if Ctrl-C discarded one, None if there was nothing to discard.

    Raises EOFError at the end of input (Ctrl-D).
    """
    try:
        line = input(prompt)
    except KeyboardInterrupt:
        print()
        return "" if readline is not None and readline.get_line_buffer() else None
    except EOFError:
        print()
        raise
    # Bytes that are not UTF-8 come as lone surrogates.
    return line.encode(errors="replace").decode()


class Unechoed:
    """Until `end`, the terminal does not echo typed characters, such as the `^C` of Ctrl-C; they can be read later.

    Echoed characters would disturb the answer that is drawn again and again.
    """

    def __init__(self) -> None:
        self._file = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._file)
        quiet = list(self._before)
        quiet[LOCAL_MODES] &= ~termios.ECHO
        termios.tcsetattr(self._file, termios.TCSANOW, quiet)

    def end(self) -> None:
        termios.tcsetattr(self._file, termios.TCSANOW, self._before)


def remember(lines: Iterable[str]) -> None:
    """Put earlier messages into the history of the arrow keys. They come from the server; no file is written here."""
    if readline is None:
        return
    with contextlib.suppress(ValueError):  # A NUL character, which no terminal sends.
        for line in lines:
            readline.add_history(" ".join(line.split()))
