"""The only maker of ids: a prefix and a UUIDv7 in Crockford's base 32, as TypeID writes it."""

import re
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
# Two characters at a time: half the steps for each id.
PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
# Organization and user ids are the operator's own text.
OPAQUE = re.compile(r"[A-Za-z0-9_.:@|-]{1,128}")
VERSION_7 = 0x7 << 76
VARIANT = 0b10 << 62
VARIANT_MASK = ~(0b11 << 62)


def new_id(prefix: str) -> str:
    """Return `prefix`, an underscore and 26 characters that sort by the time of their making (RFC 9562, version 7)."""
    value = (time.time_ns() // 1_000_000) << 80 | VERSION_7 | (secrets.randbits(76) & VARIANT_MASK) | VARIANT
    pairs = [PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)]
    return f"{prefix}_{''.join(pairs)}"


def made_ms(id: str) -> int:
    """Return when an id of ours was made, in Unix milliseconds."""
    value = 0
    for character in id[-26:][:10]:
        value = value << 5 | ALPHABET.index(character)
    return value
