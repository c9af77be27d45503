"""Pydantic AI's records and entries as threads and messages."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.threads import Thread
from threadkeep.integrations.native import Json, call_of, message_of, payload_of, value_of
from threadkeep.integrations.session_thread import external_id_of

FORMAT = "pydantic-ai/1"
RECORD: TypeAdapter[ConversationRecord] = TypeAdapter(ConversationRecord)
# As its own adapter of messages, but infinity stays what it is.
MESSAGE: TypeAdapter[ModelMessage] = TypeAdapter(
    ModelMessage, config=ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
)


class EntryId(str):
    """An entry's id that knows its thread, so that nobody has to look for it."""

    thread_id: str

    def __new__(cls, id: str, thread_id: str = "") -> "EntryId":
        made = super().__new__(cls, id)
        made.thread_id = thread_id
        return made


def record_payload(record: ConversationRecord, newest: str | None) -> Any:
    return payload_of(FORMAT, {"record": RECORD.dump_python(record, mode="json"), "newest": newest})


def record_of(value: Json, thread: Thread) -> ConversationRecord:
    record = RECORD.validate_python(value)
    return replace(record, head_id=None if record.head_id is None else EntryId(record.head_id, thread.id))


def changed(conversation_id: str, thread: Thread, value: Json | None, newest: str | None) -> ConversationRecord:
    """Return the record of a conversation that somebody else began, or went on with."""
    empty = ConversationRecord(conversation_id=conversation_id, head_id=None, revision="")
    record = empty if value is None else record_of(value["record"], thread)
    return replace(
        record,
        head_id=None if newest is None else EntryId(newest, thread.id),
        revision=f"{record.revision}+{newest or ''}",
        updated_at=datetime.fromtimestamp(thread.updated_at, UTC),
    )


def id_of(message: Message) -> str:
    """Return the entry's id, which a message whose payload is gone still has as its `externalId`."""
    value = value_of(FORMAT, message)
    return str(value["id"]) if value is not None else message.external_id or message.id


def message_from(entry: ConversationEntry) -> MessageCreate:
    value = {
        "id": entry.id,
        "parent_id": entry.parent_id,
        "kind": entry.kind,
        "message": MESSAGE.dump_python(entry.message, mode="json"),
    }
    # Not the fields: of these, a parent that is None is not sent, and then it is the newest message.
    fields: Any = message_of(FORMAT, value, **shown(entry.message))
    parent_id = None if entry.parent_id is None else external_id_of(str(entry.parent_id))
    return MessageCreate(**fields, external_id=external_id_of(str(entry.id)), parent_id=parent_id)


def shown(message: ModelMessage) -> Any:
    """Return what a person reads. Tools that the provider calls itself are not shown, and neither are thoughts."""
    if isinstance(message, ModelResponse):
        calls = [call_of(each.tool_call_id, each.tool_name, each.args or {}) for each in of(message, ToolCallPart)]
        return {"role": "assistant", "texts": [each.content for each in of(message, TextPart)], "calls": calls}
    said = [text for each in of(message, UserPromptPart) for text in texts_of(each.content)]
    if results := of(message, ToolReturnPart):
        texts = [each.model_response_str(wrap_if_error=False) for each in results]
        return {"role": "tool", "texts": [*texts, *said], "answers": results[0].tool_call_id}
    systems = [each.content for each in of(message, SystemPromptPart)]
    if systems and not of(message, UserPromptPart):
        return {"role": "system", "texts": systems}
    return {"role": "user", "texts": said}


def of(message: ModelMessage, kind: type) -> list[Any]:
    return [each for each in message.parts if isinstance(each, kind)]


def texts_of(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    texts = [each if isinstance(each, str) else getattr(each, "content", None) for each in content]
    return [each for each in texts if isinstance(each, str)]


def entries_of(messages: Sequence[Message]) -> list[ConversationEntry]:
    """Return a line's entries; those of messages without one are made of what the service knows."""
    entries: list[ConversationEntry] = []
    names = {call.id: call.function.name for each in messages for call in each.tool_calls or []}
    for message in messages:
        value = value_of(FORMAT, message) or {"parent_id": message.parent_id}
        parent_id = entries[-1].id if entries else value["parent_id"]
        kept = value.get("message")
        entry = ConversationEntry(
            id=EntryId(id_of(message), message.thread_id),
            parent_id=None if parent_id is None else EntryId(parent_id, message.thread_id),
            message=to_pydantic(message, names) if kept is None else MESSAGE.validate_python(kept),
        )
        entries.append(entry)
    return entries


def to_pydantic(message: Message, names: dict[str, str]) -> ModelMessage:
    at = datetime.fromtimestamp(message.created_at, UTC)
    text = message.text
    if message.role == "assistant":
        calls = [
            ToolCallPart(each.function.name, each.function.arguments, each.id) for each in message.tool_calls or []
        ]
        return ModelResponse([*([TextPart(text)] if text else []), *calls], timestamp=at)
    if message.role == "tool":
        called = message.tool_call_id or ""
        return ModelRequest([ToolReturnPart(names.get(called, "tool"), text, called, timestamp=at)], timestamp=at)
    kind = SystemPromptPart if message.role == "system" else UserPromptPart
    return ModelRequest([kind(text, timestamp=at)], timestamp=at)
