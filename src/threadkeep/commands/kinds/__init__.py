"""The kinds of conversations that `threadkeep import` reads besides its own, each a module of its own.

Each says by which fields a conversation is known, what of it is read, and what talk it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from threadkeep.commands.kinds import chatgpt, claude, librechat, open_webui, openai, sharegpt
from threadkeep.commands.kinds.talks import Notes, Record, Talk, thread_of
from threadkeep.decoding import decode

OWN_IDS, OWN_MESSAGES = {"id", "question_id"}, {"messages", "turns"}
LOOK_BYTES = 4096
# A message of OpenAI's threads, or a text as they have it.
OF_OPENAI = re.compile(rb'"object"\s*:\s*"thread.message"|"text"\s*:\s*\{\s*"(value|annotations)"')
OF_SHAREGPT = re.compile(rb'\[\s*\{[^\[]*?"from"\s*:')


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of conversations."""

    name: str
    is_one: Callable[[dict[str, Raw]], bool]
    struct: type[msgspec.Struct]
    talk_of: Callable[[Any], Talk]  # Any: an instance of `struct`.


def having(*names: str) -> Callable[[dict[str, Raw]], bool]:
    """Return whether the first of the fields is an object or a list, and the others are there."""
    return lambda record: beginning(record, names[0])[:1] in (b"{", b"[") and set(names) <= record.keys()


def beginning(record: dict[str, Raw], name: str) -> bytes:
    return bytes(memoryview(record.get(name, Raw()))[:LOOK_BYTES])


def is_of_openai(record: dict[str, Raw]) -> bool:
    # Our own export says that it is a thread too, and has its time in other letters.
    if "createdAt" in record or ("created_at" not in record and "messages" not in record):
        return False
    is_one = beginning(record, "object") in (b'"thread"', b'"conversation"') and "created_at" in record
    return is_one or OF_OPENAI.search(beginning(record, "messages")) is not None


def is_of_sharegpt(record: dict[str, Raw]) -> bool:
    return OF_SHAREGPT.match(beginning(record, "conversations")) is not None


OPENAI = Kind("OpenAI", is_of_openai, openai.Record, openai.talk_of)
KINDS = (
    Kind("ChatGPT", having("mapping"), chatgpt.Conversation, chatgpt.talk_of),
    Kind("Claude", having("chat_messages"), claude.Conversation, claude.talk_of),
    Kind("LibreChat", having("messagesTree", "conversationId"), librechat.Conversation, librechat.talk_of),
    Kind("LibreChat", having("messages", "conversationId"), librechat.Conversation, librechat.talk_of),
    Kind("Open WebUI", having("chat"), open_webui.Record, open_webui.talk_of),
    OPENAI,
    Kind("ShareGPT", is_of_sharegpt, sharegpt.Record, sharegpt.talk_of),
)


class BadTalk(Exception):
    """A conversation of a known kind that is not as that kind has it; the message says what is wrong."""


def kind_of_record(record: dict[str, Raw]) -> Kind | None:
    if OWN_IDS & record.keys() and OWN_MESSAGES & record.keys():
        # A line of somebody's own: another field of it may be called as another program's is.
        return OPENAI if OPENAI.is_one(record) else None
    return next((kind for kind in KINDS if kind.is_one(record)), None)


def as_exported(line: bytes | bytearray) -> tuple[Record, Notes] | None:
    """Return a conversation of one of these kinds as an export has it, or None for any other. Raises BadTalk."""
    kind = None
    try:
        kind = kind_of_record(decode(line, dict[str, Raw]))
        return None if kind is None else thread_of(kind.talk_of(decode(line, kind.struct)))
    except RecursionError:
        raise BadTalk("its messages stand too deep within one another: export it as a list") from None
    except msgspec.MsgspecError as error:
        if kind is None:
            return None
        raise BadTalk(f"it looks like {kind.name}'s and is not as that has it ({error})") from None
