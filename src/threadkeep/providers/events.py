"""Decodes server-sent events from chunks of bytes."""

from collections.abc import Iterator, Sequence


class TooLong(Exception):
    """A line, or the data of one event, is longer than the limit."""


class Events:
    """Reads an event stream. A character may be split over two chunks: only whole lines are decoded."""

    def __init__(self, line_bytes_max: int) -> None:
        self._line_bytes_max = line_bytes_max
        self._begun: list[bytes] = []
        self._begun_bytes = 0
        self._data: bytes | None = None
        self._is_error = False
        self._ended_with_cr = False
        # Whether the last event was whole, and nothing of the next has come.
        self._is_between = True

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        """Give each event that is complete now: its data, and whether it is marked as an error. Raises TooLong."""
        for line in self._lines(chunk):
            if len(line) > self._line_bytes_max:
                raise TooLong
            if not line:
                if self._data is not None:
                    yield self._data, self._is_error
                self._data = None
                self._is_error = False
            elif line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._is_error = line[6:].strip() == b"error"
            elif line.startswith(b"error:"):
                # Not a field of the format: llama.cpp sent errors this way until the end of 2025.
                self._is_error = True
                self._add(line[6:].strip())
        if self._begun_bytes > self._line_bytes_max:
            raise TooLong
        self._is_between = not (self._begun or self._data is not None or self._is_error or self._ended_with_cr)

    def whole(self, chunk: bytes) -> Sequence[bytes]:
        """Return the events' data if a chunk looks like whole events, each of one line of data; else none.

        Nearly all are. Whether the data is JSON tells for certain.
        """
        if self._is_between and chunk[:6] == b"data: " and len(chunk) <= self._line_bytes_max:
            for end in (b"\n\n", b"\r\n\r\n"):
                if chunk.endswith(end):
                    return chunk[6 : -len(end)].split(end + b"data: ")
        return ()

    def rest(self) -> Iterator[tuple[bytes, bool]]:
        """Give the last event, at the end of a stream that lacks the blank line after it."""
        yield from self.feed(b"\n\n")

    def _lines(self, chunk: bytes) -> list[bytes]:
        """Return the lines that are complete now, without their ends: CRLF, LF or CR."""
        if self._ended_with_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._ended_with_cr = False
        if chunk.find(b"\r") >= 0:  # Faster than `in`, which asks first whether this is a number.
            self._ended_with_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        unfinished = lines.pop()
        if lines and self._begun:
            lines[0] = b"".join((*self._begun, lines[0]))
            self._begun.clear()
            self._begun_bytes = 0
        if unfinished:
            self._begun.append(unfinished)
            self._begun_bytes += len(unfinished)
        return lines

    def _add(self, data: bytes) -> None:
        if self._data is None:
            self._data = data
            return
        if len(self._data) + len(data) >= self._line_bytes_max:
            raise TooLong
        self._data += b"\n" + data
