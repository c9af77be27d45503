"""What all objects that cross the wire have in common: limits, types, and the two kinds of structs.

The structs are the source of the OpenAPI document too: a limit that the type can say is said by the type.
A limit in characters counts Unicode code points.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta, Raw

from threadkeep.contract.limits import METADATA_PAIRS_MAX, TITLE_CHARACTERS_MAX

# "$(?!\n)": Python's "$" alone would let a trailing line break through.
OPAQUE_ID = r"^[A-Za-z0-9_.:@|-]{1,128}$(?!\n)"
THREAD_ID = r"^thread_[A-Za-z0-9_-]{1,121}$(?!\n)"
OrganizationId: TypeAlias = Annotated[
    str, Meta(pattern=OPAQUE_ID, description="An organization's id, for example ORG_123.")
]

UserId: TypeAlias = Annotated[str, Meta(pattern=OPAQUE_ID, description="For example uid_user123.")]
ThreadId: TypeAlias = Annotated[str, Meta(pattern=THREAD_ID)]
Title: TypeAlias = Annotated[str, Meta(max_length=TITLE_CHARACTERS_MAX)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds: TypeAlias = Annotated[int, Meta(description="Unix seconds, UTC.")]
Scalar: TypeAlias = str | int | float | bool
MetadataChange: TypeAlias = Annotated[
    dict[str, str | int | float | bool | list[str | int | float | bool] | None],
    Meta(
        description="At most 16 pairs. Keys of 1-64 characters; strings of at most 512 characters, numbers, booleans, "
        "or arrays of those whose JSON has at most 512 characters. null removes a key."
    ),
]

Metadata: TypeAlias = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "type": "object",
            "maxProperties": METADATA_PAIRS_MAX,
            "additionalProperties": {
                "anyOf": [
                    {"type": ["string", "number", "boolean"]},
                    {"type": "array", "items": {"type": ["string", "number", "boolean"]}},
                ]
            },
        }
    ),
]


class Object(msgspec.Struct, rename="camel"):
    """What the service answers with. All fields are always present."""


class Body(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """What a caller sends. An absent field is UNSET: unchanged in an update, the default in a create."""
