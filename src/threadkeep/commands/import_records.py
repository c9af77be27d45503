"""Makes conversations of the lines (or objects) of a file for `threadkeep import`."""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from threadkeep.commands.export_format import VERSION, Begin, mark_of
from threadkeep.commands.kinds import BadTalk, as_exported
from threadkeep.commands.kinds.talks import Notes
from threadkeep.contract.basis import THREAD_ID, Value
from threadkeep.contract.lifecycle import STATES, State
from threadkeep.contract.limits import METADATA_PAIRS_MAX
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.threads import Thread, ThreadCreate
from threadkeep.decoding import convert, decode, decoder
from threadkeep.errors import InvalidRequest
from threadkeep.operations.metadata import check_limits

INTEGER_MAX = 2**53
# The place of the message before the first.
ROOT = -1
# A longer field cannot be a title, id or metadata: it is not decoded.
FIELD_BYTES_MAX = 1024 * 1024
UTF_8_PIECE_BYTES = 64 * 1024

THREAD_ID_PATTERN = re.compile(THREAD_ID)
# The fields of a line in any form. Other fields become metadata, except in exports.
OWN_FIELDS = {"id", "question_id", "messages", "turns", "title", "metadata"}

CUT_OFF = "the export was cut off here: its last line is missing"

Line: TypeAlias = bytes | bytearray
Record: TypeAlias = dict[str, Any]  # Any: values of somebody's file.
NULL = Raw(b"null")
encode = msgspec.json.Encoder().encode
read_message = decoder(dict[str, Raw]).decode


class BadLine(Exception):
    """A line that cannot be imported; the message says why."""


class Kept(msgspec.Struct, rename="camel", frozen=True):
    """Fields of an exported thread that a new thread cannot get as they are."""

    user_id: str | None = None
    assistant_id: str | None = None
    assistant_name: str | None = None
    visible_in_ui: bool = True
    state: State = State.OPEN
    # An archived thread may be locked as well; `state` does not show it.
    locked: bool = False

    @property
    def is_locked(self) -> bool:
        return self.locked or self.state == State.LOCKED


def names(kind: type[msgspec.Struct]) -> frozenset[str]:
    """Return the names of an object's fields as the API spells them."""
    return frozenset(kind.__struct_encode_fields__)


NEW_THREAD = names(ThreadCreate)
# These do not become metadata: they are sent when the thread is created or changed, or the server sets them itself.
EXPORTED_THREAD = OWN_FIELDS | NEW_THREAD | names(Thread) | names(Kept)
EXPORTED_MESSAGE = names(Message)
# OpenAI's spelling beside our own.
NEW_MESSAGE = dict(zip(MessageCreate.__struct_fields__, MessageCreate.__struct_encode_fields__, strict=True))
NEW_MESSAGE |= {name: name for name in NEW_MESSAGE.values()}


@dataclass(frozen=True, slots=True)
class Conversation:
    """One line of the file, ready to be sent."""

    thread_id: str
    # The fields of `ThreadCreate` under the API's names, without id and messages.
    fields: Record
    # Slices of the line's bytes; `sendable` turns each into what the API takes.
    messages: list[Raw]
    # How many fields are lost: metadata cannot hold them, or messages do not have them.
    left_out_count: int
    # None unless the line comes from an export.
    kept: Kept | None = None
    # Of messages that do not follow the one before them: the place of the one that they follow, or -1 for the root.
    parents: dict[int, int] = field(default_factory=dict)
    # Of another program's conversation: what did not come along as it was. All its messages have the source's ids.
    notes: Notes | None = None


def without_marks(lines: Iterable[tuple[int, Line | BadLine]]) -> Iterator[tuple[int, Line | BadLine]]:
    """Give the lines without the marks of exports, and a BadLine wherever an export is incomplete."""
    # Lines since an export began.
    count: int | None = None
    number = 0
    for number, line in lines:
        mark = None if isinstance(line, BadLine) else mark_of(line)
        if mark is None:
            count = None if count is None else count + 1
            yield number, line
        elif isinstance(mark, Begin):
            if mark.version != VERSION:
                yield number, BadLine("this export is of another version of threadkeep: nothing after it is read")
                return
            if count is not None:
                yield number, BadLine(CUT_OFF)
            count = 0
        else:
            if count != mark.thread_count:
                yield number, BadLine(f"the export had {mark.thread_count} threads, and {count or 0} are here")
            count = None
    if count is not None:
        yield number + 1, BadLine(CUT_OFF)


def conversation_of(line: Line) -> Conversation:
    """Return the conversation in a line. Raises BadLine; other checks are left to the API."""
    check_utf_8(line)
    try:
        found = as_exported(line)
    except BadTalk as reason:
        raise BadLine(str(reason)) from None
    if found is None:
        return own_conversation_of(line)
    record, notes = found
    return replace(own_conversation_of(encode(record)), notes=notes)


def own_conversation_of(line: Line) -> Conversation:
    long, short, too_long_count = values_of(line)
    is_exported = short.get("object") == "thread"
    thread_id = exported_id_of(short) if is_exported else thread_id_of(short)
    messages, dropped_count = messages_of(long, EXPORTED_MESSAGE if is_exported else frozenset())
    metadata, left_out_count = metadata_of(short, EXPORTED_THREAD if is_exported else OWN_FIELDS)
    taken = NEW_THREAD if is_exported else OWN_FIELDS & NEW_THREAD
    fields = {name: value for name, value in short.items() if name in taken and name != "metadata"}
    fields["id"] = thread_id
    if metadata:
        fields["metadata"] = metadata
    kept = kept_of(short) if is_exported else None
    left_out_count += dropped_count + too_long_count
    return Conversation(thread_id, fields, messages, left_out_count, kept, parents_of(messages) if is_exported else {})


def values_of(line: Line) -> tuple[dict[str, Raw], Record, int]:
    """Return a line's messages undecoded, its other values, and how many values were dropped as too long."""
    try:
        record = decode(line, dict[str, Raw])
        long: dict[str, Raw] = {name: record.pop(name) for name in ("messages", "turns") if name in record}
        too_long = {name for name, value in record.items() if len(value) > FIELD_BYTES_MAX}
        short = {name: msgspec.json.decode(value) for name, value in record.items() if name not in too_long}
    except msgspec.ValidationError:
        raise BadLine("it is not a JSON object") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadLine(f"it is not JSON ({error})") from None
    if too_long & OWN_FIELDS:
        raise BadLine(f"its {min(too_long & OWN_FIELDS)} is longer than any may be")
    return long, {name: value for name, value in short.items() if value is not None}, len(too_long)


def check_utf_8(line: Line) -> None:
    """Raise BadLine for bytes that are not UTF-8: undecoded values are sent as they are, unchecked."""
    if line.isascii():
        return
    # In pieces, so that no copy of a long line is held.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(line), UTF_8_PIECE_BYTES):
            decoder.decode(line[start : start + UTF_8_PIECE_BYTES])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BadLine(f"it is not UTF-8 ({error.reason})") from None


def exported_id_of(record: Record) -> str:
    given = record.get("id")
    if not isinstance(given, str) or not THREAD_ID_PATTERN.search(given):
        raise BadLine("it says that it is a thread, and its id is not one of a thread")
    return given


def thread_id_of(record: Record) -> str:
    given = record.get("id", record.get("question_id"))
    if given is None:
        raise BadLine("it has neither id nor question_id")
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise BadLine("its id is neither text nor a whole number")
    # Ids from OpenAI, or from another server, begin with thread_ already.
    is_whole = str(given).startswith("thread_") and THREAD_ID_PATTERN.search(str(given))
    thread_id = str(given) if is_whole else f"thread_{given}"
    if not THREAD_ID_PATTERN.search(thread_id):
        raise BadLine("its id has other characters than A-Z a-z 0-9 _ - or is longer than 121")
    return thread_id


def kept_of(record: Record) -> Kept:
    """Return the Kept fields of an exported thread. Raises BadLine for a field of the wrong type."""
    try:
        return convert(record, Kept)
    except msgspec.ValidationError:
        raise BadLine(
            "its userId, assistantId and assistantName are not all texts, visibleInUi and locked not both true or "
            f"false, or its state is not one of {', '.join(STATES)}"
        ) from None


def messages_of(record: dict[str, Raw], known: Set[str]) -> tuple[list[Raw], int]:
    """Return the line's messages, and how many of their fields the API does not take, not counting those in `known`."""
    messages, turns = (record.get(name, NULL) for name in ("messages", "turns"))
    if is_null(messages) and is_null(turns):
        raise BadLine("it has neither messages nor turns")
    if is_null(messages):
        try:
            texts = decode(turns, list[str])
        except msgspec.MsgspecError:
            raise BadLine("its turns are not a list of texts") from None
        return [Raw(encode({"role": "user", "content": text})) for text in texts], 0
    try:
        listed = decode(messages, list[Raw])
        dropped_count = sum(dropped_fields_count(read_message(each), known) for each in listed)
    except msgspec.MsgspecError:
        raise BadLine("its messages are not a list of objects") from None
    return listed, dropped_count


class Linked(msgspec.Struct, rename="camel"):
    """What says which message an exported message is, and which it follows."""

    id: str = ""
    external_id: str | None = None
    parent_id: str | UnsetType | None = UNSET


read_link = decoder(Linked).decode


def parents_of(messages: Sequence[Raw]) -> dict[int, int]:
    """Return the parents of exported messages that do not follow the one before them, by their places."""
    places: dict[str, int] = {}
    parents: dict[int, int] = {}
    for place, each in enumerate(messages):
        try:
            link = read_link(each)
        except msgspec.MsgspecError:
            raise BadLine("the id or the parentId of a message is no text") from None
        if link.parent_id is not UNSET:
            parent = ROOT if link.parent_id is None else places.get(link.parent_id)
            if parent is None:
                raise BadLine("a message follows one that does not come before it")
            if parent != place - 1:
                parents[place] = parent
        places[link.id] = place
    return parents


def external_id_of(message: Raw) -> str | None:
    return read_link(message).external_id


def dropped_fields_count(message: dict[str, Raw], known: Set[str]) -> int:
    return sum(name not in NEW_MESSAGE and name not in known for name in message)


def is_null(value: Raw) -> bool:
    # Length first: comparing the bytes copies them.
    return len(value) == len(NULL) and bytes(value) == bytes(NULL)


def sendable(message: Raw, left_out: Set[str] = frozenset()) -> Record:
    """Return a message of a line as the API takes it, without some fields."""
    # OpenAI writes null for a missing field; the API wants it absent. A parent that is null is the root.
    return {
        NEW_MESSAGE[name]: value
        for name, value in read_message(message).items()
        if name in NEW_MESSAGE
        and NEW_MESSAGE[name] not in left_out
        and (NEW_MESSAGE[name] == "parentId" or not is_null(value))
    }


def metadata_of(record: Record, taken: Set[str]) -> tuple[Record, int]:
    """Return `metadata` with those of the line's other fields that fit, and how many did not."""
    given = record.get("metadata", {})
    if not isinstance(given, dict):
        raise BadLine("its metadata is not an object")
    metadata = dict(given)
    left_out_count = 0
    for name, value in record.items():
        # A question_id beside an id is a field like any other.
        if name in taken and not (name == "question_id" and "id" in record):
            continue
        if name in metadata or len(metadata) >= METADATA_PAIRS_MAX or not fits(name, value):
            left_out_count += 1
        else:
            metadata[name] = value
    return metadata, left_out_count


def fits(name: str, value: Any) -> bool:
    """Return whether a field is within metadata's limits."""
    try:
        pair = convert({name: value}, dict[str, Value])
        check_limits(pair)
    except (msgspec.ValidationError, InvalidRequest):
        return False
    elements = value if isinstance(value, list) else [value]
    return "\0" not in name and all(
        "\0" not in each if isinstance(each, str) else abs(each) <= INTEGER_MAX or isinstance(each, float)
        for each in elements
    )
