"""The only maker of ids: a prefix and a UUIDv7 in Crockford's base 32, as TypeID writes it."""

import os
import re
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
CHARACTERS = frozenset(ALPHABET)
# Two characters at a time: half the steps for each id.
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
# Organization and user ids are the operator's own text.
OPAQUE = re.compile(r"[A-Za-z0-9_.:@|-]{1,128}")
# Of the 80 bits behind the time the first four are the version (7), and bits 16 and 17 the variant (binary 10).
VERSION_AND_VARIANT = 0x7 << 76 | 0b10 << 62
RANDOM_MASK = (1 << 80) - 1 ^ (0xF << 76 | 0b11 << 62)
BITS_40 = (1 << 40) - 1


def new_id(prefix: str) -> str:
    """Return `prefix`, an underscore and 26 characters that sort by the time of their making (RFC 9562, version 7)."""
    now_ms = time.time_ns() // 1_000_000
    rest = int.from_bytes(os.urandom(10)) & RANDOM_MASK | VERSION_AND_VARIANT
    return f"{prefix}_{PAIRS[now_ms >> 40]}{text_of(now_ms & BITS_40)}{text_of(rest >> 40)}{text_of(rest & BITS_40)}"


def text_of(value: int) -> str:
    """Return 40 bits as eight characters. Larger integers would take longer for each step."""
    return f"{PAIRS[value >> 30]}{PAIRS[value >> 20 & 1023]}{PAIRS[value >> 10 & 1023]}{PAIRS[value & 1023]}"


def is_ours(text: str, prefix: str) -> bool:
    """Return whether `text` has the form of an id that `new_id` makes."""
    own, _, rest = text.partition("_")
    return own == prefix and len(rest) == 26 and set(rest) <= CHARACTERS


def made_ms(id: str) -> int:
    """Return when an id of ours was made, in Unix milliseconds."""
    value = 0
    for character in id[-26:][:10]:
        value = value << 5 | ALPHABET.index(character)
    return value
