"""Messages and their parts, and the requests that add, change and list them."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    AssistantId,
    Body,
    ExternalId,
    GivenSeconds,
    ListQuery,
    MessageRole,
    Metadata,
    MetadataChange,
    Payload,
    PayloadFormat,
    Revised,
    Seconds,
    Title,
)
from threadkeep.contract.limits import PARTS_MAX, TEXT_CHARACTERS_MAX, TOOL_CALLS_MAX

QUESTION = "My invoice has no VAT number."
ANSWER = "I can add it. What is the number?"
ParentId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Url: TypeAlias = Annotated[str, Meta(min_length=1)]


class TextPart(msgspec.Struct, tag_field="type", tag="text", frozen=True):
    """Text, in whatever markup the application uses."""

    text: Annotated[str, Meta(examples=[QUESTION])]
    """The text."""


class ImagePart(msgspec.Struct, tag_field="type", tag="image", frozen=True):
    """An image that stays where it is; only its address is kept."""

    url: Url


class FilePart(msgspec.Struct, tag_field="type", tag="file", rename="camel", frozen=True):
    """A file that stays where it is; only its address is kept."""

    url: Url
    name: Annotated[str, Meta(max_length=512, examples=["invoice.pdf"])] | None = None
    """The file's name."""
    mime_type: Annotated[str, Meta(max_length=255, examples=["application/pdf"])] | None = None
    """Its media type."""


Part: TypeAlias = TextPart | ImagePart | FilePart


class FunctionCall(msgspec.Struct, frozen=True):
    """The function that a model wants called; `arguments` is the text of JSON."""

    name: Annotated[str, Meta(min_length=1, max_length=256, examples=["find_invoice"])]
    """The function's name."""
    arguments: Annotated[str, Meta(max_length=TEXT_CHARACTERS_MAX, examples=['{"number": 17}'])]
    """Its arguments as the model wrote them: JSON, as a text. An empty text becomes `{}`."""


class ToolCall(msgspec.Struct, frozen=True):
    """A tool call as OpenAI's chat format has it."""

    id: Annotated[str, Meta(min_length=1, max_length=256, examples=["call_1"])]
    """The call's id, chosen by the model."""
    type: Literal["function"]
    function: FunctionCall
    """What is to be called."""


Content: TypeAlias = Annotated[
    str | Annotated[list[Part], Meta(max_length=PARTS_MAX)],
    Meta(
        description="A string, or parts. A user's or system message needs content that is not blank, or a payload.",
        examples=[QUESTION],
    ),
]
ToolCalls: TypeAlias = Annotated[list[ToolCall], Meta(max_length=TOOL_CALLS_MAX)]


class MessageCreate(Body):
    """A message to add to a thread."""

    role: MessageRole
    content: Content = ""
    tool_calls: ToolCalls | None = None
    tool_call_id: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    metadata: MetadataChange | None = None
    external_id: ExternalId | None = None
    parent_id: ParentId | UnsetType | None = UNSET
    """The message that it follows: an id or `externalId` of the thread, or of an earlier message of this call. Null
    begins the thread anew. Left out, it follows the one before it, the first one the newest."""
    payload: Payload | None = None
    created_at: GivenSeconds | UnsetType = UNSET
    """When it was created, if it is brought from elsewhere. Not in the future, and not for a user who is acted for."""
    status: Literal["completed", "incomplete"] = "completed"
    """`incomplete` for an answer that was cut off where it is brought from."""
    assistant_id: AssistantId | None = None
    """The assistant that wrote it where it is brought from. Only for messages of the assistant."""


class ThreadChange(Body):
    """What may change in a thread together with its messages; an absent field stays as it is."""

    title: Title | UnsetType | None = UNSET
    """Its title, stored as given."""
    metadata: MetadataChange | UnsetType | None = UNSET
    expires_at: GivenSeconds | UnsetType | None = UNSET
    """When it deletes itself; null means never."""
    payload: Payload | UnsetType | None = UNSET


class MessagesCreate(Body):
    """Several messages to add to a thread, all or nothing."""

    messages: Annotated[
        list[MessageCreate],
        Meta(examples=[[{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]]),
    ]
    """At most 100; none only with `replaces`."""
    thread: ThreadChange | UnsetType = UNSET
    """Changes of the thread in the same transaction."""
    replaces: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    """What goes first: `all`, or a message's id: that message and all that descends from it. The first new message
    then follows what it followed."""


class MessageUpdate(Body):
    """What may change in a message."""

    content: Content | UnsetType = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET
    payload: Payload | UnsetType | None = UNSET
    """Null removes it. New content without a new payload removes it as well."""


class Message(Revised):
    """One message of a thread; `seq` counts 1, 2, 3 … in the order in which messages were committed."""

    id: Annotated[str, Meta(examples=["msg_01m83e1pjhey7sy9fbc80r7w7a"])]
    object: Literal["thread.message"]
    created_at: Seconds
    updated_at: Seconds
    thread_id: str
    seq: Annotated[int, Meta(ge=1, examples=[1])]
    """Its number in the thread: 1, 2, 3 … in the order in which messages were stored."""
    parent_id: Annotated[str, Meta(examples=["msg_01m83e1pjhey7sy9fbc80r7w7a"])] | None
    """The message that it follows; null if it begins the thread."""
    external_id: ExternalId | None
    """An id of your own, unique in the thread. Free again after deletion."""
    role: MessageRole
    content: list[Part]
    """The content as parts, also if it was sent as a text."""
    status: Literal["completed", "in_progress", "incomplete"]
    """`in_progress` while it is being generated; `incomplete` if it was cut off."""
    user_id: Annotated[str, Meta(examples=["uid_lea"])] | None
    """Who added it or asked for it."""
    assistant_id: str | None
    """The assistant that wrote it, if any."""
    response_id: str | None
    """The response that wrote it; null if it was added."""
    tool_calls: list[ToolCall] | None
    tool_call_id: str | None
    payload_format: PayloadFormat | None
    metadata: Metadata
    payload: Payload | UnsetType = UNSET
    sibling_ids: Annotated[list[str], Meta(examples=[[]])] | UnsetType = UNSET
    """Only with `include=siblings`: the messages that follow the same message, in order and with this one; empty if it
    is the only one."""

    @property
    def text(self) -> str:
        """The text of all its parts."""
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class MessagesQuery(ListQuery, frozen=True):
    """What the list of messages takes."""

    role: MessageRole | None = None
    """Messages with this role."""
    external_id: ExternalId | None = None
    """The message with this id of your own."""
    branch: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """`current`, or a message's id: only the line of messages that ends there. Left out: the messages of all lines."""
    through: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """A message's id: only the line that leads through it, on to the newest message that descends from it."""
    include: tuple[Literal["payload", "siblings"], ...] = ()
    """Adds each message's payload, or the ids of its siblings."""
