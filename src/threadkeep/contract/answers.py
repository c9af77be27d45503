"""What is the same for every resource: lists, receipts, errors."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import Body, Object


class Nothing(Body):
    """A request that needs no body; `{}` is accepted."""


class Deleted(Object):
    """The receipt for a deletion."""

    id: str
    object: str
    deleted: Literal[True]


class ListDeleted(Object):
    """The receipt for the deletion of all messages of a thread."""

    object: Literal["list.deleted"]
    deleted: Annotated[int, Meta(ge=0)]


class Page(Object):
    """One page of a list. `nextCursor` goes on in the same direction."""

    object: Literal["list"]
    data: list[Any]  # Any: the endpoint's own kind of object, named in the OpenAPI document.
    first_id: str | None
    last_id: str | None
    has_more: bool
    next_cursor: str | None
    total: int | UnsetType = UNSET


class ErrorDetail(Object):
    """What is wrong: `code` is for programs, `message` for people."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class Error(Object):
    """The one shape of every error."""

    error: ErrorDetail
