"""LangChain: chat histories.

from threadkeep.integrations.langchain import ThreadkeepChatMessageHistory

history = ThreadkeepChatMessageHistory("session 1", threadkeep.Client(), user_id="uid_lea")
history.add_user_message("What is on invoice 17?")
chain = RunnableWithMessageHistory(chain, lambda id: ThreadkeepChatMessageHistory(id, client))
"""

from collections.abc import Sequence

from threadkeep.client import Client
from threadkeep.client.given import MessageFields
from threadkeep.contract.messages import Message
from threadkeep.integrations.calls import at_once
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import call_of, message_of, value_of
from threadkeep.integrations.session_thread import SessionThread

try:
    from langchain_core.chat_history import BaseChatMessageHistory
    from langchain_core.messages import (
        AIMessage,
        BaseMessage,
        ChatMessage,
        HumanMessage,
        SystemMessage,
        ToolMessage,
        message_to_dict,
        messages_from_dict,
    )
except ImportError as error:
    raise missing("langchain", error) from error

FORMAT = "langchain/1"
ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool", "function": "user"}


class ThreadkeepChatMessageHistory(BaseChatMessageHistory):
    """The messages of a thread. `session_id` is a thread's id, or an id of your own for one of this user."""

    def __init__(self, session_id: str, client: Client, *, user_id: str | None = None) -> None:
        self._thread = SessionThread(session_id, client, source="langchain", user_id=user_id, blocks=True)

    @property
    def thread_id(self) -> str | None:
        """The thread's id, as soon as it is known."""
        return self._thread.thread_id

    @property
    def messages(self) -> list[BaseMessage]:  # type: ignore[override]  # As its own stores have it.
        """All messages, read anew each time."""
        return [to_langchain(each) for each in at_once(self._thread.messages())]

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, at most 100 all or nothing. The first ones create the thread."""
        if messages:
            at_once(self._thread.add([from_langchain(each) for each in messages]))

    def clear(self) -> None:
        """Delete all messages; the thread stays."""
        at_once(self._thread.replace(()))


def from_langchain(message: BaseMessage) -> MessageFields:
    role = message.role if isinstance(message, ChatMessage) else ROLES.get(message.type, "user")
    calls = message.tool_calls if isinstance(message, AIMessage) else []
    return message_of(
        FORMAT,
        message_to_dict(message),
        role=role,
        texts=[message.text],
        calls=[call_of(call["id"] or "", call["name"], call["args"]) for call in calls],
        answers=message.tool_call_id if isinstance(message, ToolMessage) else None,
    )


def to_langchain(message: Message) -> BaseMessage:
    """Return the message that was put in, or one made of what the service knows."""
    if (value := value_of(FORMAT, message)) is not None:
        return messages_from_dict([value])[0]
    if message.role == "assistant":
        calls = [
            {
                "type": "function",
                "id": call.id,
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in message.tool_calls or []
        ]
        return AIMessage(message.text, id=message.id, additional_kwargs={"tool_calls": calls} if calls else {})
    if message.role == "tool":
        return ToolMessage(message.text, tool_call_id=message.tool_call_id or "", id=message.id)
    kind = SystemMessage if message.role == "system" else HumanMessage
    return kind(message.text, id=message.id)
