"""Native ids as UUIDs, and back: the 26 characters of an id that the service makes are 128 bits."""

import re
import uuid
from typing import Literal

from threadkeep import ids
from threadkeep.server.dialects.langgraph.errors import InvalidId

Prefix = Literal["thread", "resp", "asst"]

UUID_FORM = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# The first of them holds three bits.
MADE = re.compile("[0-7][0-9a-hjkmnp-tv-z]{25}")
NATIVE: dict[Prefix, re.Pattern[str]] = {"thread": ids.THREAD, "resp": ids.made("resp"), "asst": ids.ASSISTANT}
BITS_40 = (1 << 40) - 1


def shown(native_id: str) -> str:
    """Return the UUID that a native id is; an id that somebody chose is shown whole."""
    letters = native_id.partition("_")[2]
    if not MADE.fullmatch(letters):
        return native_id
    value = 0
    for letter in letters:
        value = value << 5 | ids.ALPHABET.index(letter)
    return str(uuid.UUID(int=value))


def native(given: str, prefix: Prefix) -> str:
    """Return the native id that a UUID is, or the native id itself. Raises InvalidId for another text."""
    if UUID_FORM.fullmatch(given):
        value = uuid.UUID(given).int
        parts = (ids.text_of(value >> place & BITS_40) for place in (80, 40, 0))
        return f"{prefix}_{ids.PAIRS[value >> 120]}{''.join(parts)}"
    if not NATIVE[prefix].fullmatch(given):
        raise InvalidId()
    return given
