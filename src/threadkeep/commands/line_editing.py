"""The line in which a person types: with a history and the usual keys, by Python's own `readline`."""

import contextlib
import sys
import termios
from collections.abc import Iterable

try:
    import readline
except ImportError:  # Some systems' Python is built without; lines are read all the same.
    readline = None  # type: ignore[assignment]  # A module elsewhere.

# The place in what `termios` tells.
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
    # Bytes that are no UTF-8 come as halves of surrogate pairs.
    return line.encode(errors="replace").decode()


class Unechoed:
    """From now until `end`, the terminal does not show what is typed, as the `^C` of a Ctrl-C; it is read later.

    It would stand in the midst of what is drawn, and move the lines that are drawn anew.
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
    """Put what was said before within reach of the arrow keys. It is kept by the server, and in no file here."""
    if readline is None:
        return
    with contextlib.suppress(ValueError):  # A NUL, which no terminal sends.
        for line in lines:
            readline.add_history(" ".join(line.split()))
