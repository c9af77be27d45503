"""What `threadkeep import` reads: lines of a file, and the conversation that a line holds."""

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw

from threadkeep.errors import InvalidRequest
from threadkeep.objects import METADATA_PAIRS_MAX, THREAD_ID
from threadkeep.operations.metadata import Value, check_limits

LINE_BYTES_MAX = 64 * 1024 * 1024
GZIP_MARK = b"\x1f\x8b"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
INTEGER_MAX = 2**53

THREAD_ID_PATTERN = re.compile(THREAD_ID)
OWN_FIELDS = {"id", "question_id", "messages", "turns", "title", "metadata"}
# OpenAI's spelling beside our own.
MESSAGE_FIELDS = {
    "role": "role",
    "content": "content",
    "metadata": "metadata",
    "toolCalls": "toolCalls",
    "tool_calls": "toolCalls",
    "toolCallId": "toolCallId",
    "tool_call_id": "toolCallId",
}

Record: TypeAlias = dict[str, Any]  # Any: what stands in somebody's file.
encode = msgspec.json.Encoder().encode


class BadLine(Exception):
    """A line that cannot be imported; the message says why."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One line of the file, ready to be sent."""

    thread_id: str
    # `title` and `metadata` as the API takes them.
    fields: Record
    messages: list[Raw]
    # Fields of the line that metadata cannot hold, or that messages do not have.
    left_out_count: int


class Lines:
    """The lines of a file with their numbers, JSON or gzip by content; several readers may share one."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("rb")
        self.size_bytes = path.stat().st_size
        mark = self._raw.read(len(GZIP_MARK))
        self._raw.seek(0)
        self._file: io.BufferedIOBase = gzip.GzipFile(fileobj=self._raw) if mark == GZIP_MARK else self._raw

    @property
    def read_bytes(self) -> int:
        """How much of the file itself was read so far."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[tuple[int, bytes | BadLine]]:
        """Give each line that is not blank, or why it cannot be read."""
        number = 0
        try:
            while line := self._file.readline(LINE_BYTES_MAX):
                number += 1
                if len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
                    self._skip_rest()
                    yield number, BadLine(f"it is longer than {LINE_BYTES_MAX} bytes")
                    continue
                if number == 1:
                    line = line.removeprefix(BYTE_ORDER_MARK)
                if not line.isspace():
                    yield number, line
        except (EOFError, gzip.BadGzipFile, zlib.error):
            yield number + 1, BadLine("the compressed file is damaged or cut off here: nothing after it can be read")

    def _skip_rest(self) -> None:
        while rest := self._file.readline(LINE_BYTES_MAX):
            if rest.endswith(b"\n"):
                return

    def close(self) -> None:
        self._file.close()
        self._raw.close()


def conversation_of(line: bytes) -> Conversation:
    """Return the conversation in a line. Raises BadLine; what the API judges itself is left to it."""
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadLine(f"it is not JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadLine("it is not a JSON object")
    thread_id = thread_id_of(record)
    messages, dropped_count = messages_of(record)
    metadata, left_out_count = metadata_of(record)
    fields: Record = {"title": record["title"]} if record.get("title") is not None else {}
    if metadata:
        fields["metadata"] = metadata
    return Conversation(
        thread_id, fields, [Raw(encode(message)) for message in messages], left_out_count + dropped_count
    )


def thread_id_of(record: Record) -> str:
    given = record.get("id", record.get("question_id"))
    if given is None:
        raise BadLine("it has neither id nor question_id")
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise BadLine("its id is neither text nor a whole number")
    thread_id = f"thread_{given}"
    if not THREAD_ID_PATTERN.search(thread_id):
        raise BadLine("its id has other characters than A-Z a-z 0-9 _ - or is longer than 121")
    return thread_id


def messages_of(record: Record) -> tuple[list[Record], int]:
    """Return the line's messages as the API takes them, and how many fields were dropped from them."""
    turns, messages = record.get("turns"), record.get("messages")
    if messages is None and turns is None:
        raise BadLine("it has neither messages nor turns")
    if messages is None:
        if not isinstance(turns, list) or not all(isinstance(turn, str) for turn in turns):
            raise BadLine("its turns are not a list of texts")
        return [{"role": "user", "content": turn} for turn in turns], 0
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise BadLine("its messages are not a list of objects")
    dropped_count = sum(name not in MESSAGE_FIELDS for message in messages for name in message)
    # OpenAI writes null for what is not there; the API has such fields absent.
    return [
        {MESSAGE_FIELDS[name]: value for name, value in message.items() if name in MESSAGE_FIELDS and value is not None}
        for message in messages
    ], dropped_count


def metadata_of(record: Record) -> tuple[Record, int]:
    """Return `metadata` as given, with the line's other fields as far as they fit, and how many did not."""
    given = record.get("metadata")
    if given is not None and not isinstance(given, dict):
        raise BadLine("its metadata is not an object")
    metadata = dict(given or {})
    left_out_count = 0
    for name, value in record.items():
        # A question_id beside an id is a field like any other.
        if value is None or (name in OWN_FIELDS and not (name == "question_id" and "id" in record)):
            continue
        if name in metadata or len(metadata) >= METADATA_PAIRS_MAX or not fits(name, value):
            left_out_count += 1
        else:
            metadata[name] = value
    return metadata, left_out_count


def fits(name: str, value: Any) -> bool:
    """Return whether a field keeps metadata's rules."""
    try:
        pair = msgspec.convert({name: value}, dict[str, Value], strict=True)
        check_limits(pair)
    except (msgspec.ValidationError, InvalidRequest):
        return False
    elements = value if isinstance(value, list) else [value]
    return "\0" not in name and all(
        "\0" not in each if isinstance(each, str) else abs(each) <= INTEGER_MAX or isinstance(each, float)
        for each in elements
    )
