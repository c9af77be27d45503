"""Reads the files in a ZIP for `threadkeep import` one after the other, as streams: none is written anywhere."""

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import IO, cast

from threadkeep.commands.import_files import (
    PIECE_BYTES,
    NotImportable,
    Source,
    UnreadableFile,
    as_utf_8,
    beginning,
    buffered,
)

ZIP_MARK = b"PK\x03\x04"
# A pipe's archive is kept in a file without a name meanwhile: its list of files stands at its end.
SPOOLED_BYTES_MAX = 16 * 1024**3
# The list is held in memory, with some ten times its length.
DIRECTORY_BYTES_MAX = 8 * 1024**2
# Conversations are some 5 to 20 times as long as they are packed; a bomb is up to 1 032 times, or more by overlapping.
RATIO_MAX = 200
UNPACKED_BYTES_ALWAYS = 64 * 1024**2
UNPACKED_BYTES_MAX = 256 * 1024**3
METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
ENCRYPTED = 0x1

TOO_LONG_A_PIPE = "the archive is longer than 16 GiB: give the file itself, and not a pipe"
NO_ROOM = "the folder for temporary files has no room for the archive: give the file itself, and not a pipe"
DAMAGED = "the archive is damaged or cut off"
TOO_MANY = "the archive has too many files: pack those with conversations alone"
BOMB = f"the archive unpacks to more than {RATIO_MAX} times its length: nothing after this is read"


class Guarded(io.BufferedReader):
    """The archive's file. It refuses to be read in one piece that a damaged archive may make as long as it likes."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > DIRECTORY_BYTES_MAX:
            raise NotImportable(TOO_MANY)
        return super().read(size)


def archive_in(source: Source) -> "Archive | None":
    """Return the archive that a file is, or None if it is none. Raises NotImportable if it cannot be read."""
    if not beginning(source.text).startswith(ZIP_MARK):
        return None
    # A pipe, or an archive that is packed once more, cannot be read from its end.
    is_itself = source.raw.seekable() and os.pread(source.raw.fileno(), len(ZIP_MARK), 0) == ZIP_MARK
    return Archive(source.raw if is_itself else spooled(source.text))


def spooled(file: io.BufferedReader) -> IO[bytes]:
    """Return the rest of a pipe as a file that can be read from its end."""
    with ExitStack() as until_failed:
        kept = until_failed.enter_context(TemporaryFile())
        try:
            while (piece := file.read1(PIECE_BYTES)) and kept.tell() < SPOOLED_BYTES_MAX:
                kept.write(piece)
            kept.seek(0)
        except OSError:
            raise NotImportable(NO_ROOM) from None
        if piece:
            raise NotImportable(TOO_LONG_A_PIPE)
        until_failed.pop_all()
        return kept


class Archive:
    """The files of a ZIP. Raises NotImportable if it cannot be read."""

    def __init__(self, file: io.RawIOBase | IO[bytes]) -> None:
        file.seek(0, io.SEEK_END)
        self._bytes_max = min(max(UNPACKED_BYTES_ALWAYS, RATIO_MAX * file.tell()), UNPACKED_BYTES_MAX)
        self._unpacked_bytes = 0
        # How far the archive is read.
        self.read_bytes = 0
        with ExitStack() as until_failed:
            self._file = until_failed.enter_context(Guarded(cast(io.RawIOBase, file)))
            try:
                self._zip = zipfile.ZipFile(self._file)
            except (zipfile.BadZipFile, EOFError, ValueError, OverflowError):
                raise NotImportable(DAMAGED) from None
            until_failed.pop_all()

    def files(self) -> Iterator[tuple[str, io.BufferedReader | str]]:
        """Give each file's name with its text, or why it cannot be read."""
        for info in self._zip.infolist():
            if self._unpacked_bytes > self._bytes_max:
                return
            if info.flag_bits & ENCRYPTED:
                yield info.filename, "encrypted: unpack it and import what comes out"
            elif info.compress_type not in METHODS:
                yield info.filename, "packed in a way that is rare: unpack it and import what comes out"
            elif info.file_size:
                yield info.filename, as_utf_8(buffered(self._pieces(info)))

    def _pieces(self, info: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with self._zip.open(info) as file:
                while piece := file.read(PIECE_BYTES):
                    self._unpacked_bytes += len(piece)
                    self.read_bytes = self._file.tell()
                    if self._unpacked_bytes > self._bytes_max:
                        raise UnreadableFile(BOMB)
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
            raise UnreadableFile(f"{DAMAGED} within {info.filename}") from None

    def close(self) -> None:
        self._zip.close()
        self._file.close()
