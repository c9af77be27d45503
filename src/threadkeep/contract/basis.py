"""What all objects of the API have in common: limits, types, and the base structs.

A field's limits and example are in its type; its description is under it, or in its type as well. Without one, a field
of ThreadCreate or ThreadUpdate has the description of that field in Thread, and any other the one in `Settings` or
`Common`. The OpenAPI document, the reference, both clients, exports and imports are made from these.

A limit in characters counts Unicode code points.
"""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import Meta

from threadkeep import ids
from threadkeep.contract.limits import (
    EXTERNAL_ID_CHARACTERS_MAX,
    METADATA_PAIRS_MAX,
    PAGE_OBJECTS_MAX,
    TITLE_CHARACTERS_MAX,
)

# "$(?!\n)": Python's "$" alone would let a trailing line break through.
OPAQUE_ID = rf"^{ids.OPAQUE_SHAPE}$(?!\n)"
THREAD_ID = rf"^{ids.THREAD_SHAPE}$(?!\n)"
ASSISTANT_ID = rf"^{ids.ASSISTANT_SHAPE}$(?!\n)"
OrganizationId: TypeAlias = Annotated[str, Meta(pattern=OPAQUE_ID)]
UserId: TypeAlias = Annotated[str, Meta(pattern=OPAQUE_ID)]
ThreadId: TypeAlias = Annotated[str, Meta(pattern=THREAD_ID)]
AssistantId: TypeAlias = Annotated[str, Meta(max_length=128)]
ExternalId: TypeAlias = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=EXTERNAL_ID_CHARACTERS_MAX,
        pattern=r"^[^\u0000-\u001f\u007f-\u009f]+$(?!\n)",
        examples=["ticket-4711"],
    ),
]
Title: TypeAlias = Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX, examples=["Broken invoice"])]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds: TypeAlias = int
GivenSeconds: TypeAlias = Annotated[int, Meta(ge=0, examples=[1_795_411_728])]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
MessageRole: TypeAlias = Annotated[Literal["user", "assistant", "system", "tool"], Meta(description="Who said it.")]
Scalar: TypeAlias = str | int | float | bool
Value: TypeAlias = Scalar | list[Scalar]
MetadataChange: TypeAlias = Annotated[
    dict[str, Value | None],
    Meta(
        description="Pairs of your own, at most 16. Keys of 1-64 characters; strings of at most 512 characters, "
        "numbers, booleans, or arrays of those whose JSON has at most 512 characters. null removes a key.",
    ),
]

# A limit in the document only: clients accept whatever a server sends.
Metadata: TypeAlias = Annotated[dict[str, Value], Meta(extra_json_schema={"maxProperties": METADATA_PAIRS_MAX})]

# The type of fields that are stored as JSON and sent as stored, without decoding.
Raw: Any = msgspec.Raw


GivenFormat: TypeAlias = Annotated[
    str, Meta(pattern=r"^[a-z0-9][a-z0-9._/+-]{0,63}$(?!\n)", examples=["acme/message+json"])
]


class Payload(msgspec.Struct, frozen=True):
    """Data of your own, kept word for word and never read by the service; at most 4 MiB of UTF-8."""

    format: GivenFormat
    """What it is, in a word of your own."""
    data: Annotated[str, Meta(examples=['{"draft": 3}'])]
    """The data as text; a program puts its JSON in as text."""


PayloadFormat: TypeAlias = Annotated[str, Meta(examples=["acme/message+json"])]


class Object(msgspec.Struct, rename="camel"):
    """An object in an answer. All its fields are always present."""


class Revised(Object, dict=True):
    """An object that has revisions. Its tag is no field: it does not count in comparisons."""

    @property
    def etag(self) -> str | None:
        """The revision, for `if_match`; only of an object that was read or changed by itself, None in lists."""
        tag: str | None = vars(self).get("tag")
        return tag


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The body of a request. An absent field is UNSET: unchanged in an update, the default in a create."""


class Common(Object):
    """The descriptions and examples of fields that have none of their own, by name."""

    id: str
    """Its id."""
    object: str
    """What kind of object this is."""
    created_at: Annotated[Seconds, Meta(examples=[1_795_411_728])]
    """When it was created, in Unix seconds, UTC."""
    updated_at: Annotated[Seconds, Meta(examples=[1_795_411_728])]
    """When it last changed, in Unix seconds, UTC."""
    deleted: Literal[True]
    """Always true."""
    organization_id: Annotated[str, Meta(examples=["ORG_acme"])]
    """The organization that it belongs to."""
    user_id: Annotated[str, Meta(examples=["uid_lea"])]
    """The user that it belongs to."""
    thread_id: Annotated[str, Meta(examples=["thread_01m83e1pf8fctsytf9ppk22sey"])]
    """The thread that it is in."""
    name: Annotated[str, Meta(examples=["Acme"])]
    """Its name, for people."""
    metadata: Annotated[Metadata, Meta(examples=[{}])]
    """Pairs of your own."""
    external_id: ExternalId | None
    """An id of your own. It is never changed, and free again after deletion."""
    payload_format: PayloadFormat | None
    """The format of its payload; null without one."""
    payload: Payload | None
    """Data of your own. An answer has it, where there is any, if one object is read or with `include=payload`."""
    tool_calls: list[Any] | None  # Any: tool calls.
    """Functions that the model wants called, as in OpenAI's chat format."""
    tool_call_id: str | None
    """In a tool's message: which call this is the result of."""
    type: str
    """Which kind it is."""
    url: Annotated[str, Meta(examples=["https://example.com/invoice.pdf"])]
    """Where it is: `https:` or `http:` with at most 8 192 characters, or a `data:` URL. It is not fetched."""


class OrganizationQuery(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True):
    """What every endpoint takes."""

    organization_id: OrganizationId | None = None
    """Which organization, for callers with several."""


class ListQuery(OrganizationQuery, frozen=True):
    """What every list takes."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_OBJECTS_MAX)] = 20
    """How many objects a page has at most."""
    order: Literal["asc", "desc"] = "asc"
    """From the first to the last, or the other way."""
    after: Annotated[str, Meta(max_length=512)] | None = None
    """Objects behind this position, in the order asked for: an object's id or a `nextCursor`."""
    before: Annotated[str, Meta(max_length=512)] | None = None
    """Objects before this position, in the order asked for: an object's id or a `nextCursor`."""
