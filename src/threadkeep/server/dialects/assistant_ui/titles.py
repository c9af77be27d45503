"""Titles: what assistant-ui asks its cloud's own assistant for, as plain text. They are saved here."""

from typing import Any, TypeAlias

import msgspec

from threadkeep.contract.limits import NAME_MESSAGES_MAX
from threadkeep.contract.names import NameCreate, NameMessage
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import AssistantNotFound
from threadkeep.operations import idempotency
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Allowed, Answered, Presence
from threadkeep.server.dialects.lenient import Lenient

ASSISTANT = "system/thread_title"
Json: TypeAlias = dict[str, Any]  # Any: JSON.


class RunStream(Lenient):
    """What a title is made from: the messages of a thread that may still be empty."""

    thread_id: str
    assistant_id: str
    messages: list[Json] = msgspec.field(default_factory=list)


def given(body: RunStream) -> NameCreate:
    """Return the native request: the texts of the first messages; without any, those that are stored."""
    found = [
        NameMessage(role, text)
        for message in body.messages
        if (role := message.get("role")) in ("user", "assistant", "system") and (text := text_of(message)).strip()
    ]
    return NameCreate(found[:NAME_MESSAGES_MAX] or None)


def text_of(message: Json) -> str:
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


async def stream(
    answering: Answering,
    db: ScopedDatabase,
    keyed: idempotency.IdempotentRequest | None,
    body: RunStream,
    allowed: Allowed,
    presence: Presence,
) -> Answered:
    """Make a title, save it and return it as text. A title that is there stays, and is returned."""
    if body.assistant_id != ASSISTANT:
        raise AssistantNotFound(f"Only {ASSISTANT} runs here: the chat's transport goes to /ai-sdk/chat.")
    named = await answering.generate_name(
        db, keyed, body.thread_id, given(body), False, allowed, presence, keeps_title=True
    )
    assert isinstance(named, Answered)
    return Answered(200, named.value.name or "", named.was_replayed and keyed is not None)
