"""The Python client: `Client`, and `AsyncClient` for asyncio, with the types of their arguments and results."""

from threadkeep.client.answers import Page
from threadkeep.client.asynchronous.client import AsyncClient
from threadkeep.client.asynchronous.lists import AsyncList
from threadkeep.client.asynchronous.names import AsyncNameStream
from threadkeep.client.asynchronous.streams import AsyncResponseStream
from threadkeep.client.failures import (
    ClientUnusable,
    ConnectionFailed,
    NotSendable,
    TimedOut,
    TransportError,
    UnexpectedAnswer,
)
from threadkeep.client.synchronous.client import Client
from threadkeep.client.synchronous.lists import List
from threadkeep.client.synchronous.names import NameStream
from threadkeep.client.synchronous.streams import ResponseStream
from threadkeep.contract.assistants import Assistant
from threadkeep.contract.events import (
    ReasoningDelta,
    ResponseCancelled,
    ResponseCompleted,
    ResponseCreated,
    ResponseEnded,
    ResponseEvent,
    ResponseFailed,
    ResponseReset,
    TextDelta,
    ToolCallDelta,
)
from threadkeep.contract.messages import FilePart, ImagePart, Message, Part, TextPart, ToolCall
from threadkeep.contract.models import Model
from threadkeep.contract.organizations import Key, Member, Organization
from threadkeep.contract.responses import Context, ContextMessage, Response
from threadkeep.contract.threads import Thread

__all__ = [
    "Assistant",
    "AsyncClient",
    "AsyncList",
    "AsyncNameStream",
    "AsyncResponseStream",
    "Client",
    "ClientUnusable",
    "ConnectionFailed",
    "Context",
    "ContextMessage",
    "FilePart",
    "ImagePart",
    "Key",
    "List",
    "Member",
    "Message",
    "Model",
    "NameStream",
    "NotSendable",
    "Organization",
    "Page",
    "Part",
    "ReasoningDelta",
    "Response",
    "ResponseCancelled",
    "ResponseCompleted",
    "ResponseCreated",
    "ResponseEnded",
    "ResponseEvent",
    "ResponseFailed",
    "ResponseReset",
    "ResponseStream",
    "TextDelta",
    "TextPart",
    "Thread",
    "TimedOut",
    "ToolCall",
    "ToolCallDelta",
    "TransportError",
    "UnexpectedAnswer",
]
