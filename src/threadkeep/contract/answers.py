"""Objects that all resources share: lists, receipts, errors."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from threadkeep.contract.basis import Body, Object


class Nothing(Body):
    """A request that needs no body; `{}` is accepted."""


class Deleted(Object):
    """The receipt for a deletion."""

    id: Annotated[str, Meta(examples=["thread_01m83e1pf8fctsytf9ppk22sey"])]
    """The id of the deleted object."""
    object: Annotated[str, Meta(examples=["thread.deleted"])]
    """The kind of the deleted object, with `.deleted` appended."""
    deleted: Literal[True]
    """Always true."""


class ListDeleted(Object):
    """The receipt for the deletion of all messages of a thread."""

    object: Literal["list.deleted"]
    """What kind of object this is."""
    deleted: Annotated[int, Meta(ge=0, examples=[2])]
    """How many were deleted."""


class ListPage(Object):
    """One page of a list. `nextCursor` goes on in the same direction."""

    object: Literal["list"]
    """What kind of object this is."""
    data: list[Any]  # Any: the endpoint's own kind of object, named in the OpenAPI document.
    """The objects, in the order asked for."""
    first_id: str | None
    """The id of the first; null if there is none."""
    last_id: str | None
    """The id of the last; null if there is none."""
    has_more: bool
    """Whether more objects follow in this direction."""
    next_cursor: str | None
    """The position for the next page: send it as `after`, or as `before` if that was sent."""
    total: int | UnsetType = UNSET
    """How many match. Only with `includeTotal=true`."""


class ErrorDetail(Object):
    """What is wrong: `code` is for programs, `message` for people."""

    message: Annotated[str, Meta(examples=["There is no such thread."])]
    """For people: what is wrong and what would be right."""
    type: Annotated[str, Meta(examples=["not_found_error"])]
    """The kind of error."""
    code: Annotated[str, Meta(examples=["thread_not_found"])]
    """For programs."""
    param: str | None
    """The field or parameter that is wrong; null if none is."""
    request_id: Annotated[str, Meta(examples=["req_a899d55b5cb8_c"])]
    """The request's id, as in `X-Request-Id`."""


class Error(Object):
    """The one shape of every error."""

    error: ErrorDetail
    """What is wrong."""
