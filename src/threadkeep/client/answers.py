"""The pages of lists."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], rename="camel"):
    """One page of a list; `next_cursor` is the next one's position. `total` is None unless it was asked for."""

    data: list[T]
    first_id: str | None
    last_id: str | None
    has_more: bool
    next_cursor: str | None
    total: int | None = None
