"""Cuts the objects and arrays out of a JSON text one by one, for any layout and length."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# All up to the next bracket is skipped in one match, strings that end within the piece and escaped characters included.
OUTSIDE = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+["\[\]{}]', re.DOTALL)
INSIDE = re.compile(rb'["\\]')
QUOTE, BACKSLASH = b'"\\'
OPENING = b"[{"
BETWEEN_BYTES_MAX = 64


@dataclass(slots=True)
class Found:
    """A value; or None as value, at a surplus closing bracket or at the end of the text."""

    # The text between the last value and this one, stripped; of a long text only the beginning.
    before: bytes
    value: bytearray | None
    is_too_long: bool = False
    is_closing: bool = False
    # Whether the text ends within a value.
    is_cut: bool = False


class Scanner:
    """Looks for brackets and strings only; whether a value is valid JSON is left to its decoder."""

    def __init__(self, value_bytes_max: int) -> None:
        self._value_bytes_max = value_bytes_max
        self._depth = 0
        self.is_in_string = False
        self._is_protected = False
        self._is_too_long = False
        self._before = bytearray()
        self._value = bytearray()

    def cut(self, pieces: Iterable[bytes]) -> Iterator[Found]:
        for piece in pieces:
            kept = at = 0
            while (at := self._next_bracket(piece, at)) >= 0:
                is_opening = piece[at] in OPENING
                if self._depth == 0 or (self._depth == 1 and not is_opening):
                    end = at + self._depth
                    self._keep(piece[kept:end])
                    kept = end
                self._depth += 1 if is_opening else -1
                at += 1
                if self._depth <= 0 and not is_opening:
                    yield self._found(is_closing=self._depth < 0)
                    self._depth = 0
                    kept = at
            self._keep(piece[kept:])
        yield Found(bytes(self._before.strip()), None, is_cut=self._depth > 0 or self.is_in_string)

    def _next_bracket(self, piece: bytes, at: int) -> int:
        """Return where the next bracket outside of strings is, or -1."""
        while at < len(piece):
            if self._is_protected:
                self._is_protected = False
                at += 1
                continue
            match = INSIDE.search(piece, at) if self.is_in_string else OUTSIDE.match(piece, at)
            if match is None:
                return -1
            at = match.end()
            sign = piece[at - 1]
            if sign not in (QUOTE, BACKSLASH):
                return at - 1
            if sign == BACKSLASH:
                self._is_protected = True
            else:
                self.is_in_string = not self.is_in_string
        return -1

    def _keep(self, data: bytes) -> None:
        if self._depth == 0:
            self._before += data.strip()[:BETWEEN_BYTES_MAX]
            del self._before[BETWEEN_BYTES_MAX:]
        elif len(self._value) + len(data) > self._value_bytes_max:
            self._is_too_long = True
            self._value = bytearray()
        elif not self._is_too_long:
            self._value += data

    def _found(self, *, is_closing: bool) -> Found:
        found = Found(bytes(self._before), None if is_closing else self._value, self._is_too_long, is_closing)
        self._before, self._value, self._is_too_long = bytearray(), bytearray(), False
        return found


def is_open(line: bytes) -> bool:
    """Return whether a line ends with open brackets outside of a string: its value then goes on in the next line."""
    scanner = Scanner(len(line))
    *_, last = scanner.cut([line])
    return last.is_cut and not scanner.is_in_string
