"""Turns arguments, in Python's own dictionaries and lists, into JSON and query parameters.

A field that is left out is not sent: unchanged in an update, the default in a create. None is sent as null.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from threadkeep import objects
from threadkeep.client.failures import NotSendable
from threadkeep.contract.basis import Scalar
from threadkeep.contract.limits import PAGE_OBJECTS_MAX
from threadkeep.contract.messages import MessageCreate

MetadataFilter: TypeAlias = Mapping[str, Scalar | Sequence[Scalar]]
# The ETag of a revision. None is refused: it must not be mistaken for "any revision".
Tag: TypeAlias = str | UnsetType

# Names are only translated in parts: in metadata, tools and formats they are the caller's own.
PART_NAMES = {
    name: api_name
    for kind in (objects.TextPart, objects.ImagePart, objects.FilePart)
    for name, api_name in zip(kind.__struct_fields__, kind.__struct_encode_fields__, strict=True)
}
CHANGES = (
    objects.ThreadUpdate,
    objects.ThreadChange,
    objects.MessageUpdate,
    objects.AssistantUpdate,
    objects.OrganizationUpdate,
)
# Of messages in one call; a body may have 4 MiB with all that is around them.
CALL_BYTES = 3_000_000
HALF = "holds half of a surrogate pair, which is no character: remove it."


def body_of(kind: type[objects.Body], fields: Mapping[str, Any]) -> bytes:
    """Return the JSON of a body. Raises TypeError for an unknown field, NotSendable for a value that JSON lacks."""
    body = kind(**fields_of(kind, fields))
    try:
        return encode("The body", body)
    except NotSendable:
        # Again, field by field, so that the error names the field.
        for name, value in fields.items():
            if value is not UNSET:
                encode(name, given(kind, name, value))
        raise


def portions(messages: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Give messages in as few calls' worth as the limits of a call allow; none are one call's worth."""
    for start in range(0, max(len(messages), 1), PAGE_OBJECTS_MAX):
        yield from light(messages[start : start + PAGE_OBJECTS_MAX])


def light(messages: Sequence[Any]) -> Iterator[Sequence[Any]]:
    half = len(messages) // 2
    if half and len(encode("messages", messages)) > CALL_BYTES:
        yield from light(messages[:half])
        yield from light(messages[half:])
    else:
        yield messages


def fields_of(kind: type[objects.Body], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields to send. None leaves out a field that cannot be null, such as the id of a new thread."""
    left_out = {each.name for each in msgspec.structs.fields(kind) if each.default is UNSET}
    is_new = not issubclass(kind, CHANGES)
    return {
        name: given(kind, name, value)
        for name, value in fields.items()
        if not (value is None and is_new and name in left_out)
    }


def given(kind: type[objects.Body], name: str, value: Any) -> Any:
    """Return a field in the API's form: dictionaries for messages, parts and threads become their types."""
    if name in ("messages", "input") and not isinstance(value, str | NoneType | UnsetType):
        return [message(kind, each) for each in value]
    if name == "content":
        return content(value)
    if name in ("filter", "change") and isinstance(value, Mapping):
        part = objects.BulkFilter if name == "filter" else objects.ThreadUpdate
        return part(**fields_of(part, value))
    if name == "thread" and isinstance(value, Mapping):
        its = objects.ThreadChange if kind is objects.MessagesCreate else objects.ThreadCreate
        return its(**fields_of(its, value))
    return value


def message(kind: type[objects.Body], fields: Any) -> Any:
    if not isinstance(fields, Mapping):
        return fields
    made = objects.NameMessage if kind is objects.NameCreate else MessageCreate
    return made(**fields_of(made, fields))


def content(value: Any) -> Any:
    """Return content with the fields of its parts under the API's names; Python's names are accepted too."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        return value
    return [
        {PART_NAMES.get(name, name): each for name, each in part.items()} if isinstance(part, Mapping) else part
        for part in value
    ]


def encode(name: str, value: Any) -> bytes:
    """Return JSON. Raises NotSendable, which names the field `name`."""
    try:
        # Left to itself, msgspec writes NaN as null, which in metadata removes a key, and bytes as base64.
        plain = msgspec.to_builtins(value, builtin_types=(bytes, bytearray), enc_hook=plain_collection)
        return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise NotSendable(f"{name} {HALF}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSendable(f"{name} has no form in JSON: {error}") from None


def encodable(name: str, value: str) -> str:
    """Return the text if UTF-8 can encode it. Raises NotSendable."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotSendable(f"{name} {HALF}") from None
    return value


def plain_collection(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON.")


def metadata_filters(metadata: MetadataFilter | None) -> list[tuple[str, str]]:
    """Return query parameters for metadata; a list means that all of its values must be there."""
    pairs = []
    for key, value in (metadata or {}).items():
        values = [value] if isinstance(value, str | int | float) else value
        pairs += [(f"metadata.{encodable('metadata', key)}", text("metadata", each)) for each in values]
    return pairs


def text(name: str, value: object) -> str:
    """Return a value as text for a query, several with commas between them. Raises NotSendable."""
    if isinstance(value, list | tuple):
        return ",".join(text(name, each) for each in value)
    return encodable(name, value) if isinstance(value, str) else encode(name, value).decode()
