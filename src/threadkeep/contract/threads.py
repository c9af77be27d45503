"""Threads, and what creates and changes them."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    Body,
    Metadata,
    MetadataChange,
    Object,
    OrganizationId,
    Seconds,
    ThreadId,
    Title,
    UserId,
)
from threadkeep.contract.lifecycle import State
from threadkeep.contract.limits import PREVIEW_CHARACTERS_MAX
from threadkeep.contract.messages import MessageCreate


class LastMessage(Object):
    """A preview of a thread's newest message."""

    role: str
    preview: Annotated[str, Meta(max_length=PREVIEW_CHARACTERS_MAX)]
    created_at: Seconds


class Thread(Object):
    """A conversation that belongs to a user of an organization."""

    id: str
    object: Literal["thread"]
    created_at: Seconds
    updated_at: Seconds
    metadata: Metadata
    assistant_id: str | None
    organization_id: str
    user_id: str
    title: Title | None
    visible_in_ui: bool
    message_count: Annotated[int, Meta(ge=0)]
    status: Literal["streaming", "inactive"]
    state: State
    last_message_at: Seconds | None
    last_message: LastMessage | UnsetType | None = UNSET


class ThreadCreate(Body):
    """A new thread; everything is optional."""

    id: ThreadId | UnsetType = UNSET
    title: Title | None = None
    metadata: MetadataChange | None = None
    assistant_id: Annotated[str, Meta(max_length=128)] | None = None
    visible_in_ui: bool = True
    organization_id: OrganizationId | UnsetType = UNSET
    user_id: UserId | UnsetType = UNSET
    messages: list[MessageCreate] = msgspec.field(default_factory=list)


class ThreadUpdate(Body):
    """What may change in a thread; an absent field stays as it is."""

    title: Title | UnsetType | None = UNSET
    metadata: MetadataChange | UnsetType | None = UNSET
    assistant_id: Annotated[str, Meta(max_length=128)] | UnsetType | None = UNSET
    visible_in_ui: bool | UnsetType = UNSET
