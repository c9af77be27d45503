"""What all objects of this dialect share: structs, lists, metadata, and what is refused."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeAlias

import msgspec
from msgspec import Meta

from threadkeep.contract.basis import OrganizationQuery, Value
from threadkeep.contract.limits import PAGE_OBJECTS_MAX
from threadkeep.operations import metadata
from threadkeep.operations.paging import Window, window
from threadkeep.server.dialects.openai.errors import UnsupportedValue

PREFIX = "/openai/v1"
# How values that are no strings are shown begins like this. Cheaper than reading what is stored at each update.
SHOWN_FORM = re.compile(r"[\[\-0-9tf]")
PLAIN = re.compile("[a-z0-9_]{1,64}")
METADATA_NAME = re.compile(r"metadata\[(.*)\]", re.S)
NO_FILES = "threadkeep keeps no files and no vector stores: leave them out, or send an address."


class Object(msgspec.Struct):
    """An object in an answer. All its fields are always present."""


class Body(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The body of a request. null is as good as absent."""


class Page(Object):
    """One page of a list."""

    object: Literal["list"]
    data: list[Any]  # Any: the endpoint's own kind of object.
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(Object):
    """The receipt for a deletion."""

    id: str
    object: str
    deleted: Literal[True]


class ListQuery(OrganizationQuery, frozen=True):
    """What every list takes."""

    limit: Annotated[int, Meta(ge=1, le=PAGE_OBJECTS_MAX)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[str, Meta(max_length=512)] | None = None
    before: Annotated[str, Meta(max_length=512)] | None = None


Json: TypeAlias = dict[str, Any]  # Any: JSON.
Metadata: TypeAlias = dict[str, str]
# Here values are strings. In an update null removes a key. To the type checker it is the native kind, since a
# dictionary of strings is none of values.
if TYPE_CHECKING:
    MetadataGiven: TypeAlias = dict[str, Value | None]
else:
    MetadataGiven = dict[str, str | None]


def window_of(query: ListQuery) -> Window:
    return window(query.limit, query.order, query.after, query.before)


def page_of(data: list[Any], has_more: bool) -> Page:
    first_id, last_id = (data[0].id, data[-1].id) if data else (None, None)
    return Page("list", data, first_id, last_id, has_more)


def metadata_key(name: str) -> str | None:
    """Return the key in `metadata[<key>]`; None for another parameter."""
    match = METADATA_NAME.fullmatch(name)
    return None if match is None else match.group(1)


def shown_metadata(stored: Any) -> Metadata:  # Any: the JSON that is stored, as text or Raw.
    """Return metadata with every value as a string: others are shown as compact JSON."""
    return {key: metadata_text(value) for key, value in metadata.decode(stored).items()}


def metadata_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def may_repeat(change: MetadataGiven | None) -> bool:
    """Return whether a change may hold the shown form of a stored value that is no string."""
    return change is not None and any(isinstance(value, str) and SHOWN_FORM.match(value) for value in change.values())


def without_repeated(change: MetadataGiven, stored: str) -> MetadataGiven:
    """Leave out of a change the shown forms of stored values: a program that writes back what it read loses no type."""
    values: Mapping[str, Any] = metadata.decode(stored)
    return {
        key: value
        for key, value in change.items()
        if key not in values or isinstance(values[key], str) or metadata_text(values[key]) != value
    }


def refuse(param: str, message: str) -> NoReturn:
    """Raise UnsupportedValue: a part of OpenAI's API that is not there."""
    raise UnsupportedValue(message, param=param)


def refuse_type(type: Any, param: str, there: str) -> NoReturn:  # Any: JSON.
    """Raise UnsupportedValue, naming the type of something that is not there, and what is."""
    name = f"The type {type}" if isinstance(type, str) and PLAIN.fullmatch(type) else "This type"
    refuse(param, f"{name} is not there: there are {there}.")


def require_no_resources(resources: Any, param: str = "tool_resources") -> None:  # Any: JSON of a caller.
    """Refuse resources of tools that are not there; empty ones, as clients send them, mean nothing."""
    if resources is None or (isinstance(resources, dict) and not any(map(holds_something, resources.values()))):
        return
    refuse(param, NO_FILES)


def holds_something(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(holds_something, value.values()))
    return value not in (None, [], "")
