"""Recognizes the kind of file for `threadkeep import`, by its content and never by its name."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

PIECE_BYTES = 64 * 1024
# A pipe may give a single byte at a time: this many are collected before the file's kind is judged.
BEGINNING_BYTES = 4 * 1024
# An xz file's header decides how much memory unpacking takes (`xz -9`: 65 MiB), so it is limited.
XZ_BYTES_MAX = 256 * 1024 * 1024
STANDARD_INPUT = Path("-")

TOO_MUCH_MEMORY = (
    "unpacking this xz file takes more than 256 MiB of memory: unpack it with xz and import what comes out"
)
DAMAGED = "the compressed file is damaged or cut off here: nothing after it can be read"
NOT_TEXT = "the file is not the text that its first bytes promise: nothing after it can be read"


class NotImportable(Exception):
    """The file is of a kind that cannot be imported; the message is a sentence for people."""


class UnreadableFile(Exception):
    """The file cannot be read any further; the message says why."""


class Pieces(io.RawIOBase):
    """A file made of pieces that come one after the other."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # Whatever can be written to.
        while not self._rest:
            piece = next(self._pieces, b"")
            if not piece:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def buffered(pieces: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(Pieces(from_the_beginning(pieces)), PIECE_BYTES)


def from_the_beginning(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Give the same bytes in pieces of which the first is long enough to judge the file's kind."""
    beginning = b""
    try:
        while len(beginning) < BEGINNING_BYTES and (piece := next(pieces, b"")):
            beginning += piece
    except UnreadableFile:
        yield beginning
        raise
    yield beginning
    yield from pieces


class Source:
    """A file or a pipe, read once from beginning to end: a pipe cannot be rewound."""

    def __init__(self, path: Path) -> None:
        self.raw = io.FileIO(0 if path == STANDARD_INPUT else str(path))
        # A pipe's size is not known: it is reported as 0.
        self.size_bytes = os.fstat(self.raw.fileno()).st_size or None
        self.read_bytes = 0
        self.text = as_utf_8(unpacked(buffered(self._counted())))

    def _counted(self) -> Iterator[bytes]:
        while piece := self.raw.read(PIECE_BYTES):
            self.read_bytes += len(piece)
            yield piece

    def close(self) -> None:
        self.raw.close()


def unpacked(file: io.BufferedReader) -> io.BufferedReader:
    """Return the content of a compressed file, or the file itself."""
    start = beginning(file)
    for mark, open_packed in PACKED.items():
        if start.startswith(mark):
            return buffered(checked(open_packed(file)))
    return file


def beginning(file: io.BufferedReader) -> bytes:
    """Return the first bytes without consuming them: at least one, unless the file is empty."""
    return file.peek(PIECE_BYTES)[:PIECE_BYTES]


def checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except lzma.LZMAError as error:
        # Only the message of the library's error tells that the limit was reached.
        raise UnreadableFile(TOO_MUCH_MEMORY if "Memory usage limit" in str(error) else DAMAGED) from None
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # An error of the disk, not of the data.
        raise UnreadableFile(DAMAGED) from None


def pieces_of(file: "gzip.GzipFile | bz2.BZ2File") -> Iterator[bytes]:
    while piece := file.read1(PIECE_BYTES):
        yield piece


def from_xz(file: io.BufferedReader) -> Iterator[bytes]:
    """Give the content of an xz file, with a limit on memory, which `lzma.open` does not offer."""
    data = b""
    while data := data.lstrip(b"\0") or file.read1(PIECE_BYTES):
        stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_BYTES_MAX)
        while not stream.eof:
            if not data and stream.needs_input and not (data := file.read1(PIECE_BYTES)):
                raise EOFError
            if piece := stream.decompress(data, PIECE_BYTES):
                yield piece
            data = b""
        data = stream.unused_data


PACKED: dict[bytes, Callable[[io.BufferedReader], Iterator[bytes]]] = {
    b"\x1f\x8b": lambda file: pieces_of(gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: pieces_of(bz2.BZ2File(file)),
    b"\xfd7zXZ\0": from_xz,
}

# UTF-32 first: its little-endian mark begins with that of UTF-16.
ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def as_utf_8(file: io.BufferedReader) -> io.BufferedReader:
    """Return the text as UTF-8 without a byte order mark, from any Unicode encoding that its first bytes show."""
    start = beginning(file)
    for mark, encoding in ORDER_MARKS.items():
        if start.startswith(mark):
            return buffered(recoded(file, encoding))
    # JSON begins with an ASCII character: in UTF-16 the position of its zero byte shows the byte order.
    if start[1:2] == b"\0" and start[:1] in b"{[ \r\n\t":
        return buffered(recoded(file, "utf-16-le"))
    if start[:1] == b"\0" and start[1:2] in (b"{", b"["):
        return buffered(recoded(file, "utf-16-be"))
    return file


def recoded(file: io.BufferedReader, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    is_last = False
    while not is_last:
        piece = file.read1(PIECE_BYTES)
        is_last = not piece
        try:
            text = decoder.decode(piece, is_last)
            encoded = text.encode()
        except UnicodeError:
            raise UnreadableFile(NOT_TEXT) from None
        if encoded:
            yield encoded
