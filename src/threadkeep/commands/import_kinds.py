"""Recognizes files that cannot be imported by their first bytes, and says what to do instead."""

import re

import msgspec
from msgspec import Raw

from threadkeep.commands.export_format import mark_of
from threadkeep.commands.kinds import OWN_IDS, OWN_MESSAGES, kind_of_record
from threadkeep.decoding import decode

UNPACK = "unpack it and import the JSON file in it"
OBJECTS = (
    "what is imported are JSON objects with id and messages, one a line or in a list, and the exports of other "
    "programs that docs/importing.md names"
)

# Recognized by bytes at a fixed offset.
MARKS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PK\x03\x04", "a ZIP archive, or a document that is one inside", UNPACK),
    (0, b"PK\x05\x06", "an empty ZIP archive", "there is nothing in it"),
    (257, b"ustar", "a tar archive", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", "`zstd -dc FILE | threadkeep import -` imports it"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "`lz4 -dc FILE | threadkeep import -` imports it"),
    (0, b"\x1f\x9d", "compressed with compress", "`uncompress -c FILE | threadkeep import -` imports it"),
    (0, b"\x1f\x8b", "compressed twice", "unpack it once and import what comes out"),
    (0, b"BZh", "compressed twice", "unpack it once and import what comes out"),
    (0, b"\xfd7zXZ\0", "compressed twice", "unpack it once and import what comes out"),
    (0, b"SQLite format 3\0", "a database of SQLite", "`threadkeep export` writes what a server of threadkeep has"),
    (0, b"PGDMP", "a dump of a PostgreSQL database", "pg_restore reads it, and `threadkeep export` what a server has"),
    (0, b"%PDF-", "a PDF", OBJECTS),
    (0, b"PAR1", "a Parquet file", OBJECTS),
    (0, b"\x89PNG", "an image", OBJECTS),
    (0, b"\xff\xd8\xff", "an image", OBJECTS),
    (0, b"GIF8", "an image", OBJECTS),
    (0, b"\xd0\xcf\x11\xe0", "a document of an office program", OBJECTS),
    (0, b"\x7fELF", "a program", OBJECTS),
    (0, b"-----BEGIN PGP", "encrypted with PGP", "decrypt it first"),
)  # fmt: skip

# Recognized by the beginning of the text, in upper or lower case.
LOOKS: tuple[tuple[str, str, str], ...] = (
    (r"<!doctype html|<html|<head|<body", "a web page (HTML)", OBJECTS),
    (r"<\?xml|<[a-z]", "XML", OBJECTS),
    (r"version https://git-lfs", "a pointer of Git LFS, and not the file itself", "`git lfs pull` fetches that"),
    (r"[\w.$ ]+(=|\()\s*[\[{(]", "a program in JavaScript with data in it", "leave the JSON alone in the file"),
)
LOOKS_WITHOUT_JSON: tuple[tuple[str, str, str], ...] = (
    (r"(create table|insert into|begin;|pragma |-- )", "SQL", OBJECTS),
    (r"(\"[^\n]*\"|-?\d[\d.e+-]*|true|false|null)\s*$", "JSON, but one value alone", OBJECTS),
)
JSON_LINE = re.compile(r"^\{.*\}\s*$", re.MULTILINE)

# Fields that hold the list when a file is one object around it.
AROUND = ("conversations", "data", "threads", "items", "chats")


def kind_of(start: bytes) -> tuple[str, str] | None:
    """Return what a file with this beginning is and what to do instead; None if it may hold conversations."""
    for at, mark, what, right in MARKS:
        if start.startswith(mark, at):
            return what, right
    if b"\0" in start:
        return "a binary file of a kind that is not known here", OBJECTS
    text = start.decode(errors="replace").strip()
    if not text or text[0] in "{[":
        return None
    # One line of JSON is enough: other lines may be broken.
    if (look := first_look(LOOKS, text)) or JSON_LINE.search(text):
        return look
    return first_look(LOOKS_WITHOUT_JSON, text) or plain_text(text)


def first_look(looks: tuple[tuple[str, str, str], ...], text: str) -> tuple[str, str] | None:
    return next(((what, right) for look, what, right in looks if re.match(look, text, re.IGNORECASE)), None)


def plain_text(text: str) -> tuple[str, str]:
    head, *rest = text.split("\n")[:2]
    is_table = any(sign in head and (not rest or head.count(sign) == rest[0].count(sign)) for sign in ",;\t")
    return ("a table in text, such as CSV", OBJECTS) if is_table else ("a text, and not JSON", OBJECTS)


def fields_of(first: bytes | bytearray) -> dict[str, Raw]:
    """Return the fields of the first object of a file; none if it is no object."""
    try:
        return decode(first, dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def may_be_conversation(first: bytes | bytearray) -> bool:
    """Return whether a file with this first object has conversations: its own, another program's, or an export."""
    record = fields_of(first)
    is_own = bool(OWN_IDS & record.keys() and OWN_MESSAGES & record.keys())
    return is_own or kind_of_record(record) is not None or mark_of(first) is not None


def shape_of(first: bytes | bytearray) -> tuple[str, str] | None:
    """Return what a file with this first object is and what to do instead; None if it may be a conversation."""
    record = fields_of(first)
    if may_be_conversation(first):
        return None
    if {"role", "content"} <= record.keys():
        return "a list of messages, and not of conversations", OBJECTS
    for name in AROUND:
        if not OWN_MESSAGES & record.keys() and bytes(record.get(name, Raw()))[:1] == b"[":
            return (
                "one object around a list",
                f"the list alone is imported: `jq .{name} FILE | threadkeep import -`",
            )
    return None
