"""Bulks: one change of many threads."""

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import (
    AssistantId,
    Body,
    Count,
    ExternalId,
    Object,
    OrganizationId,
    Seconds,
    ThreadId,
    UserId,
    Value,
)
from threadkeep.contract.limits import BULK_IDS_MAX
from threadkeep.contract.threads import Status, ThreadUpdate

BulkAction: TypeAlias = Annotated[
    Literal["archive", "unarchive", "lock", "unlock", "delete", "update"],
    Meta(description="What is done with each thread, as the call for one thread does it.", examples=["archive"]),
]
Refused: TypeAlias = Annotated[
    dict[str, int],
    Meta(
        description="How many threads were refused, by the code of the error that the call for one thread answers.",
        examples=[{"thread_archived": 1}],
    ),
]


class BulkFilter(Body):
    """Which threads: the filters of the list of threads. All must match; none at all means every thread it shows."""

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
    metadata: Annotated[dict[str, Value] | None, Meta(examples=[{"category": "billing"}])] = None
    """Threads with these values, at most 8; of a list all. `metadata.<key>` beside the other filters works too."""
    organization_id: OrganizationId | UnsetType = UNSET
    """Where they are, for callers with several organizations."""


class BulkCreate(Body):
    """What is to be done with which threads: either `filter` or `ids`."""

    action: BulkAction
    filter: BulkFilter | UnsetType = UNSET
    """The threads that match now."""
    ids: Annotated[list[ThreadId], Meta(max_length=BULK_IDS_MAX)] | UnsetType = UNSET
    """The threads themselves, at most 1 000."""
    change: ThreadUpdate | UnsetType = UNSET
    """What an `update` changes; metadata merges."""
    dry_run: bool = False
    """Whether to say only what would be done."""
    organization_id: OrganizationId | UnsetType = UNSET
    """Where it is done, for callers with several organizations."""


class Bulk(Object):
    """A change of many threads, and how far it is."""

    id: Annotated[str, Meta(examples=["bulk_01m83e1pf8fctsytf9ppk22sey"])]
    object: Literal["bulk"]
    created_at: Seconds
    organization_id: str
    user_id: str
    """Who asked for it. This user, admins and owners may see it."""
    action: BulkAction
    status: Annotated[
        Literal["in_progress", "completed", "cancelled", "undoing", "undone"], Meta(examples=["in_progress"])
    ]
    """`in_progress` and `undoing` while it goes on; otherwise how it ended."""
    matched: Annotated[Count, Meta(examples=[3])]
    """How many threads it is about: those that matched when it was asked for."""
    done: Count
    """How many of them were looked at so far."""
    changed: Count
    """How many of those were changed; the others were refused, or had nothing to change."""
    refused: Refused
    undone: Count
    """How many were taken back; a thread that has changed since stays as it is."""
    undo_until: Annotated[Seconds, Meta(examples=[1_795_498_128])] | None
    """Until when it can be undone, in Unix seconds, UTC; null for a deletion."""


class BulkPreview(Object):
    """What a bulk would do now."""

    object: Literal["bulk.preview"]
    matched: Annotated[Count, Meta(examples=[3])]
    """How many threads match."""
    would_change: Annotated[Count, Meta(examples=[2])]
    """How many of them would be changed."""
    refused: Refused
