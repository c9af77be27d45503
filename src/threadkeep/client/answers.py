"""The pages of lists."""

from typing import Generic, TypeVar

import msgspec

from threadkeep.contract.messages import Message

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a list; `next_cursor` is the next one's position. `total` is None unless it was asked for."""

    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
    next_cursor: str | None
    total: int | None = None


class AddedMessages(list[Message]):
    """Messages that were added. `thread_etag` is the thread's new tag, if the call named one, or changed the thread."""

    def __init__(self, messages: list[Message], thread_etag: str | None) -> None:
        super().__init__(messages)
        self.thread_etag = thread_etag
