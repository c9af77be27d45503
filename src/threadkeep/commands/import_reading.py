"""Reads the numbered conversations of a file: lines, or objects in a list or one after the other."""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec

from threadkeep.commands.export_format import MARK
from threadkeep.commands.import_archives import Archive, archive_in
from threadkeep.commands.import_files import (
    PIECE_BYTES,
    STANDARD_INPUT,
    NotImportable,
    Source,
    UnreadableFile,
    beginning,
)
from threadkeep.commands.import_kinds import kind_of, may_be_conversation, shape_of
from threadkeep.commands.import_records import BadLine, Line
from threadkeep.commands.json_values import Found, Scanner, is_open

MIB = 1024 * 1024
# With more than one comma in this many bytes, the decoded parts could take many times the text's memory.
BYTES_PER_PART_MIN = 16
# A longer object cannot be a mark of an export, even in another layout.
MARK_BYTES_MAX = 512

# How many files of an archive without conversations are named.
LEFT_OUT_MAX = 3
NOT_AN_OBJECT = "it is not a JSON object"

Item = tuple[int, Line | BadLine]


class Unfit(Exception):
    """A file, or one of an archive, is of a kind that has no conversations."""

    def __init__(self, what: str, right: str = "") -> None:
        super().__init__(what)
        self.what, self.right = what, right


class Records:
    """The conversations of one file; several readers may share it. Raises NotImportable for a file of another kind.

    Each conversation is held in memory as a whole, once; one that is longer than `record_mib` is refused.
    """

    def __init__(self, path: Path, record_mib: int) -> None:
        self._name = "Standard input" if path == STANDARD_INPUT else str(path)
        self._record_mib = record_mib
        self.record_bytes_max = record_mib * MIB
        self.source = Source(path)
        self._archive: Archive | None = None
        # The files of an archive that have no conversations, and what they are.
        self.left_out: list[tuple[str, str]] = []
        # The unit that conversations are counted in.
        self.unit = "line"
        try:
            items = self._items()
            first = next(items, None)
        except BaseException:  # An interrupt too: the file must be closed. Raised again.
            self.close()
            raise
        self._items_left = items if first is None else itertools.chain([first], items)

    def __iter__(self) -> Iterator[Item]:
        return self._items_left

    @property
    def read_bytes(self) -> int:
        return self._archive.read_bytes if self._archive else self.source.read_bytes

    def close(self) -> None:
        if self._archive:
            self._archive.close()
        self.source.close()

    def _items(self) -> Iterator[Item]:
        """Give each conversation, or why it cannot be read. Raises NotImportable before the first."""
        is_empty = True
        try:
            self._archive = archive_in(self.source)
            for item in self._of_archive(self._archive) if self._archive else self._of_file(self.source.text):
                is_empty = False
                yield item
        except UnreadableFile as reason:
            yield 1, BadLine(str(reason))
            return
        except Unfit as kind:
            raise NotImportable(f"{self._name} is not imported. It is {kind.what}; {kind.right}.") from None
        except NotImportable as reason:
            raise NotImportable(f"{self._name} is not imported: {reason}.") from None
        if is_empty and self._archive:
            found = "".join(f"; {name} is {what}" for name, what in self.left_out[:LEFT_OUT_MAX])
            raise NotImportable(f"{self._name} is an archive without conversations{found}.")
        if is_empty:
            raise NotImportable(f"{self._name} has no conversation in it: it is empty.")

    def _of_archive(self, archive: Archive) -> Iterator[Item]:
        """Give the conversations of all files in an archive, counted through."""
        count = 0
        for name, text in archive.files():
            try:
                if isinstance(text, str):
                    raise Unfit(text)
                before = count
                for number, item in self._of_file(text, is_one_of_many=True):
                    count = before + number
                    yield count, item
            except Unfit as kind:
                self.left_out.append((name, kind.what))

    def _of_file(self, text: io.BufferedReader, *, is_one_of_many: bool = False) -> Iterator[Item]:
        is_first = True
        number = 0
        try:
            for number, item in self._found(text):
                if is_first and not isinstance(item, BadLine):
                    if kind := shape_of(item):
                        raise Unfit(*kind)
                    if is_one_of_many and not may_be_conversation(item):
                        raise Unfit("JSON of another kind")
                is_first = False
                yield number, self._bounded(item)
        except UnreadableFile as reason:
            yield number + 1, BadLine(str(reason))

    def _found(self, text: io.BufferedReader) -> Iterator[Item]:
        start = beginning(text)
        if kind := kind_of(start):
            raise Unfit(*kind)
        stripped = start.lstrip()
        if stripped.startswith(b"["):
            self.unit = "conversation"
            text.read(start.index(b"[") + 1)
            return self._values(text, is_list=True)
        first_line, newline, _ = stripped.partition(b"\n")
        if newline and first_line.startswith(b"{") and is_open(first_line):
            self.unit = "conversation"
            return self._values(text, is_list=False)
        return self._lines(text)

    def _bounded(self, item: Line | BadLine) -> Line | BadLine:
        """Refuse a conversation that would take many times its length in memory when it is decoded."""
        parts_max = self.record_bytes_max // BYTES_PER_PART_MIN
        if isinstance(item, BadLine) or len(item) < parts_max or item.count(b",") < parts_max:
            return item
        return BadLine(f"it has more than {parts_max} parts; --conversation-mib says how long one may be")

    @property
    def _too_long(self) -> BadLine:
        return BadLine(f"it is longer than {self._record_mib} MiB; --conversation-mib says how long one may be")

    # Lines

    def _lines(self, text: io.BufferedReader) -> Iterator[Item]:
        number = 0
        while line := self._read_line(text):
            number += 1
            if len(line) > self.record_bytes_max:
                self._skip_rest(text, line)
                yield number, self._too_long
            elif not line.isspace():
                yield number, line

    def _read_line(self, text: io.BufferedReader) -> Line:
        """Read one line. A long one is read in pieces into one buffer: `readline` alone would hold it twice."""
        readline = text.readline
        piece = readline(PIECE_BYTES)
        if len(piece) < PIECE_BYTES or piece.endswith(b"\n"):
            return piece
        line = bytearray(piece)
        while len(line) <= self.record_bytes_max and (piece := readline(PIECE_BYTES)):
            line += piece
            if piece.endswith(b"\n"):
                break
        return line

    def _skip_rest(self, text: io.BufferedReader, line: Line) -> None:
        while not line.endswith(b"\n"):
            line = text.readline(PIECE_BYTES)
            if not line:
                return

    # Objects that take any number of lines

    def _values(self, text: io.BufferedReader, *, is_list: bool) -> Iterator[Item]:
        numbers = itertools.count(1)
        has_ended = False
        for found in Scanner(self.record_bytes_max).cut(iter(lambda: text.read1(PIECE_BYTES), b"")):
            if has_ended and (found.before or found.value is not None):
                yield next(numbers), BadLine("something stands behind the end of the list: it is not read")
                return
            if found.before not in ((b"", b",") if is_list else (b"",)):
                yield next(numbers), BadLine(NOT_AN_OBJECT)
            if found.is_too_long:
                yield next(numbers), self._too_long
            elif found.value is not None:
                yield next(numbers), in_one_line(found.value)
            elif reason := end_of(found, is_list=is_list, has_ended=has_ended):
                yield next(numbers), BadLine(reason)
            has_ended = has_ended or (is_list and found.is_closing)


def end_of(found: Found, *, is_list: bool, has_ended: bool) -> str | None:
    """Return what is wrong at a place without a value: a surplus closing bracket, or the end of the text."""
    if found.is_closing:
        return None if is_list and not has_ended else "a bracket closes here that was not opened"
    if found.is_cut or (is_list and not has_ended):
        return "the file ends before what began in it: it was cut off here, or what began was"
    return None


def in_one_line(value: bytearray) -> Line:
    """Return a value as a line; one that may be a mark of an export is encoded again in the layout of marks."""
    if len(value) > MARK_BYTES_MAX or b"threadkeep.export" not in value:
        return value
    try:
        packed = msgspec.json.format(bytes(value), indent=-1)
    except msgspec.MsgspecError:
        return value
    return packed if packed.startswith(MARK) else value
