"""Google ADK's events as messages: what a person reads of them, and the events themselves."""

import json
from collections.abc import Iterator

from google.adk.events import Event
from google.genai import types

from threadkeep.client.given import MessageFields
from threadkeep.contract.messages import Message
from threadkeep.integrations.native import call_of, message_of, value_of
from threadkeep.integrations.session_thread import external_id_of

FORMAT = "google-adk/1"


def from_event(event: Event) -> MessageFields:
    """Return a message in which a person reads what is said, called or found; thoughts are left out."""
    parts = event.content.parts or [] if event.content else []
    answers = [part.function_response for part in parts if part.function_response]
    role = "user" if event.author == "user" else "assistant"
    fields = message_of(
        FORMAT,
        event.model_dump(mode="json", exclude_none=True),
        role="tool" if answers else role,
        texts=texts_of(parts),
        calls=[
            call_of(call.id or "", call.name or "", call.args or {}) for part in parts if (call := part.function_call)
        ],
        answers=answers[0].id if answers else None,
    )
    fields["external_id"] = external_id_of(event.id)
    return fields


def texts_of(parts: list[types.Part]) -> Iterator[str]:
    for part in parts:
        if part.text and not part.thought:
            yield part.text
        if part.function_response:
            response = part.function_response.response or {}
            # What a function returns that is no dictionary.
            found = response["result"] if list(response) == ["result"] else response
            yield found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


def to_event(message: Message) -> Event:
    """Return the event that was put in, or one made of what the service knows."""
    if (value := value_of(FORMAT, message)) is not None:
        return Event.model_validate(value)
    parts = [types.Part(text=message.text)] if message.text or not message.tool_calls else []
    if message.role == "tool":
        answer = types.FunctionResponse(id=message.tool_call_id, name="function", response={"result": message.text})
        parts = [types.Part(function_response=answer)]
    for call in message.tool_calls or ():
        given = json.loads(call.function.arguments)
        arguments = given if isinstance(given, dict) else {"arguments": given}
        parts.append(types.Part(function_call=types.FunctionCall(id=call.id, name=call.function.name, args=arguments)))
    is_model = message.role == "assistant"
    return Event(
        id=message.id,
        invocation_id=message.response_id or message.id,
        author="assistant" if is_model else "user",
        content=types.Content(role="model" if is_model else "user", parts=parts),
        timestamp=message.created_at,
    )
