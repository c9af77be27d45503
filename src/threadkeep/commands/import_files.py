"""What kind of file `threadkeep import` was given: told by its content and never by its name."""

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
# What a pipe gives at once may be a single byte; so much is waited for before a file's kind is told.
BEGINNING_BYTES = 4 * 1024
# Whoever packed a file says how much memory unpacking takes: `xz -9` says 65 MiB.
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
    """Give pieces of which the first is long enough to tell what they are."""
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
    """A file or a pipe, read to its end once: never sought in, since a pipe cannot be."""

    def __init__(self, path: Path) -> None:
        self._raw = io.FileIO(0 if path == STANDARD_INPUT else str(path))
        # A pipe has no size that could be known.
        self.size_bytes = os.fstat(self._raw.fileno()).st_size or None
        self.read_bytes = 0
        self.text = as_utf_8(unpacked(buffered(self._counted())))

    def _counted(self) -> Iterator[bytes]:
        while piece := self._raw.read(PIECE_BYTES):
            self.read_bytes += len(piece)
            yield piece

    def close(self) -> None:
        self._raw.close()


def unpacked(file: io.BufferedReader) -> io.BufferedReader:
    """Return what a compressed file holds, or the file itself."""
    start = beginning(file)
    for mark, open_packed in PACKED.items():
        if start.startswith(mark):
            return buffered(checked(open_packed(file)))
    return file


def beginning(file: io.BufferedReader) -> bytes:
    """Return the first bytes without taking them: one at least, unless the file is empty."""
    return file.peek(PIECE_BYTES)[:PIECE_BYTES]


def checked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except lzma.LZMAError as error:
        # The library tells its limit by words alone.
        raise UnreadableFile(TOO_MUCH_MEMORY if "Memory usage limit" in str(error) else DAMAGED) from None
    except (EOFError, OSError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # The disk's and not the unpacker's.
        raise UnreadableFile(DAMAGED) from None


def pieces_of(file: "gzip.GzipFile | bz2.BZ2File") -> Iterator[bytes]:
    while piece := file.read1(PIECE_BYTES):
        yield piece


def from_xz(file: io.BufferedReader) -> Iterator[bytes]:
    """Give what an xz file holds, with a limit on memory, which `lzma.open` does not take."""
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

# The longer before the shorter that it begins with.
ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def as_utf_8(file: io.BufferedReader) -> io.BufferedReader:
    """Return a text in UTF-8 without a mark, whichever form of Unicode its first bytes say."""
    start = beginning(file)
    for mark, encoding in ORDER_MARKS.items():
        if start.startswith(mark):
            return buffered(recoded(file, encoding))
    # JSON begins with a sign of ASCII: where its zero stands tells the form as well.
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
