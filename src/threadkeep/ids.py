"""Makes the ids of stored objects: a prefix and a UUIDv7 in Crockford's base 32, as TypeID writes it."""

import os
import re
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHARACTERS = frozenset(ALPHABET)
# Two characters at a time: half the steps for each id.
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
# The formats of all ids. Operators choose organization and user ids freely; callers may choose the id of a thread, or
# of an assistant.
OPAQUE_SHAPE = "[A-Za-z0-9_.:@|-]{1,128}"
THREAD_SHAPE = "thread_[A-Za-z0-9_-]{1,121}"
ASSISTANT_SHAPE = "asst_[A-Za-z0-9_-]{1,123}"
MADE_SHAPE = "_[0-9a-z]{26}"
OPAQUE = re.compile(OPAQUE_SHAPE)
THREAD = re.compile(THREAD_SHAPE)
ASSISTANT = re.compile(ASSISTANT_SHAPE)
# Of the 80 bits after the time, the first four are the version (7), and bits 16 and 17 the variant (binary 10).
VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
RANDOM_MASK = (1 << 80) - 1 ^ (0xF << 76 | 0b11 << 62)
BITS_40 = (1 << 40) - 1


def new_id(prefix: str, at_ms: int | None = None) -> str:
    """Return `prefix`, an underscore and 26 characters that sort by creation time (RFC 9562, version 7)."""
    now_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    rest = int.from_bytes(os.urandom(10)) & RANDOM_MASK | VERSION_AND_VARIANT
    return f"{prefix}_{PAIRS[now_ms >> 40]}{text_of(now_ms & BITS_40)}{text_of(rest >> 40)}{text_of(rest & BITS_40)}"


def text_of(value: int) -> str:
    """Return 40 bits as eight characters. Steps on larger integers would be slower."""
    return f"{PAIRS[value >> 30]}{PAIRS[value >> 20 & 1023]}{PAIRS[value >> 10 & 1023]}{PAIRS[value & 1023]}"


def made(prefix: str) -> re.Pattern[str]:
    """Return the pattern of the ids with this prefix, if only `new_id` makes them."""
    return re.compile(prefix + MADE_SHAPE)


def with_prefix(id: str, prefix: str) -> str:
    """Return the id of the same object under the name that another service has for it."""
    return f"{prefix}_{id.partition('_')[2]}"


def is_ours(text: str, prefix: str) -> bool:
    """Return whether `text` has the form of an id that `new_id` makes."""
    own, _, rest = text.partition("_")
    return own == prefix and len(rest) == 26 and set(rest) <= CHARACTERS


def made_ms(id: str) -> int:
    """Return when `new_id` made this id, in Unix milliseconds."""
    value = 0
    for character in id[-26:][:10]:
        value = value << 5 | ALPHABET.index(character)
    return value
