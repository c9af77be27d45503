"""Threads, and the requests that create, change and list them."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    AssistantId,
    Body,
    ExternalId,
    GivenSeconds,
    ListQuery,
    Metadata,
    MetadataChange,
    Object,
    OrganizationId,
    Payload,
    PayloadFormat,
    Revised,
    Seconds,
    ThreadId,
    Title,
    UserId,
)
from threadkeep.contract.lifecycle import State
from threadkeep.contract.limits import PREVIEW_CHARACTERS_MAX
from threadkeep.contract.messages import ANSWER, MessageCreate, ParentId

PAIRS = {"category": "billing", "tags": ["pdf", "tax"]}
Status: TypeAlias = Literal["streaming", "inactive"]


class LastMessage(Object):
    """A preview of a thread's newest message."""

    role: Annotated[str, Meta(examples=["assistant"])]
    """Who said it."""
    preview: Annotated[str, Meta(max_length=PREVIEW_CHARACTERS_MAX, examples=[ANSWER])]
    """The beginning of its text."""
    created_at: Seconds


class CopiedFrom(Object):
    """Where a thread was copied from."""

    thread_id: str
    """The thread that was copied."""
    message_id: Annotated[str, Meta(examples=["msg_01m83e1pjhey7sy9fbc80r7w7a"])] | None
    """The last message that was copied; null if there was none."""


class Thread(Revised):
    """A conversation that belongs to a user of an organization."""

    id: Annotated[str, Meta(examples=["thread_01m83e1pf8fctsytf9ppk22sey"])]
    object: Literal["thread"]
    created_at: Seconds
    updated_at: Annotated[Seconds, Meta(examples=[1_795_411_731])]
    """When its title, metadata, assistant, visibility, state or messages last changed; `status` does not count."""
    metadata: Annotated[Metadata, Meta(examples=[PAIRS])]
    assistant_id: Annotated[str, Meta(examples=["asst_01m83e1pg2e1mvs5m3c7tdgvny"])] | None
    """The assistant that answers in it. May be set while null; bound once there are messages."""
    organization_id: str
    user_id: str
    """The user that it belongs to. This user, admins and owners may see it."""
    title: Title | None
    """Its title, stored as given."""
    visible_in_ui: Annotated[bool, Meta(examples=[True])]
    """Whether user interfaces show it. Only a user token may change it."""
    message_count: Annotated[int, Meta(ge=0, examples=[2])]
    """How many messages it has now."""
    status: Annotated[Status, Meta(examples=["inactive"])]
    """`streaming` while a response is being generated."""
    state: State
    """What it accepts: everything, no messages, or no changes at all."""
    last_message_at: Annotated[Seconds, Meta(examples=[1_795_411_731])] | None
    """When its newest message was created, in Unix seconds, UTC."""
    external_id: ExternalId | None
    """An id of your own, unique for the organization and the user. Free again after deletion."""
    expires_at: Annotated[Seconds, Meta(examples=[1_795_498_128])] | None
    """When the thread deletes itself, in Unix seconds, UTC."""
    payload_format: PayloadFormat | None
    copied_from: CopiedFrom | None
    """Where it was copied from; null if that thread is gone, or the caller may not see it."""
    last_message: LastMessage | UnsetType | None = UNSET
    """Only with `include=lastMessage`."""
    payload: Payload | UnsetType = UNSET


class ThreadCreate(Body):
    """A new thread; everything is optional."""

    id: ThreadId | UnsetType = UNSET
    """An id of your own, unique in the organization."""
    external_id: ExternalId | None = None
    title: Title | None = None
    metadata: Annotated[MetadataChange | None, Meta(examples=[PAIRS])] = None
    assistant_id: AssistantId | None = None
    """The assistant that answers in it."""
    visible_in_ui: bool = True
    expires_at: GivenSeconds | UnsetType | None = UNSET
    """When it deletes itself. Left out, the organization's retention decides; null means never."""
    payload: Payload | None = None
    created_at: GivenSeconds | UnsetType = UNSET
    """When it was created, if it is brought from elsewhere. Not in the future, and not for a user who is acted for."""
    organization_id: OrganizationId | UnsetType = UNSET
    """Where it is created, for callers with several organizations."""
    user_id: UserId | UnsetType = UNSET
    """The user that it will belong to; only admins and owners may name another user than themselves."""
    messages: list[MessageCreate] = msgspec.field(default_factory=list)
    """Its first messages, at most 100."""


class ThreadUpdate(Body):
    """What may change in a thread; an absent field stays as it is."""

    title: Title | UnsetType | None = UNSET
    metadata: Annotated[MetadataChange | UnsetType | None, Meta(examples=[{"priority": 2, "tags": None}])] = UNSET
    assistant_id: AssistantId | UnsetType | None = UNSET
    """Another assistant, while there are no messages or the present one was deleted."""
    visible_in_ui: bool | UnsetType = UNSET
    expires_at: GivenSeconds | UnsetType | None = UNSET
    """When it deletes itself; null means never."""
    payload: Payload | UnsetType | None = UNSET


class ThreadCopy(Body):
    """What a copy has of its own; everything else is the source's."""

    message_id: ParentId | None = None
    """The last message to copy, by id or `externalId`; left out, the current line is copied to its end."""
    title: Title | UnsetType | None = UNSET
    """The copy's title; left out, the source's."""
    metadata: Annotated[MetadataChange | UnsetType | None, Meta(examples=[PAIRS])] = UNSET
    user_id: UserId | UnsetType = UNSET
    """The user that the copy will belong to; only admins and owners may name another user than themselves."""


class ThreadsQuery(ListQuery, frozen=True):
    """What the list of threads takes, besides `metadata.<key>=<value>`."""

    order: Literal["asc", "desc"] = "desc"
    user_id: UserId | None = None
    """Threads of this user. Members have only their own."""
    external_id: ExternalId | None = None
    """The thread with this id of your own; one for each user."""
    assistant_id: AssistantId | None = None
    """Threads with this assistant."""
    visible_in_ui: bool | None = None
    """Threads that user interfaces show, or those that they do not."""
    state: Literal["open", "locked", "archived", "all"] | None = None
    """Threads in this state, or `all`. Left out: open and locked ones."""
    status: Status | None = None
    """Threads in which a response is being generated, or in which none is."""
    title_contains: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """Threads whose title has this text; upper and lower case do not matter."""
    created_after: Annotated[int, Meta(ge=0)] | None = None
    """Threads created after this second."""
    created_before: Annotated[int, Meta(ge=0)] | None = None
    """Threads created before this second."""
    sort: Literal["createdAt", "updatedAt"] = "createdAt"
    """The time to sort by."""
    include: tuple[Literal["lastMessage", "payload"], ...] = ()
    """Adds a preview of the newest message, so that one call draws a sidebar, each thread's payload, or both with a
    comma between them."""
    include_total: bool = False
    """Adds `total`, which has to count all that match."""
    # Not a parameter of its own: the pairs of all metadata.<key>=<value>.
    pairs: tuple[tuple[str, str], ...] = ()
