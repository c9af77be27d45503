"""The first and last line of an export, which prove to its reader that it is complete."""

import msgspec

from threadkeep.decoding import decoder

VERSION = 1


class Begin(msgspec.Struct, tag_field="object", tag="threadkeep.export", frozen=True):
    """The first line."""

    version: int = VERSION


class End(msgspec.Struct, tag_field="object", tag="threadkeep.export.end", rename="camel", frozen=True):
    """The last line: how much came before it."""

    thread_count: int
    message_count: int


# Every mark begins so: other lines need not be decoded to see that they are no marks.
MARK = b'{"object":"threadkeep.export'

# Some readers end a line at these too, so they are escaped. JSON has them in strings only.
LINE_ENDS = [(end.encode(), f"\\u{ord(end):04x}".encode()) for end in "\u0085\u2028\u2029"]

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Begin | End] = decoder(Begin | End)


def encode(value: object) -> bytes:
    """Return JSON that every reader takes as one line."""
    line = _encode(value)
    for end, escaped in LINE_ENDS:
        line = line.replace(end, escaped)
    return line


def mark_of(line: bytes | bytearray) -> Begin | End | None:
    """Return the mark in a line, or None if the line is none."""
    if not line.startswith(MARK):
        return None
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
