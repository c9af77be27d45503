"""Strict types for requests: an unknown field is refused, at any depth.

Answers are read by clients that may be older than the server: they ignore unknown fields, so answers stay lenient.
"""

import operator
import types
from functools import cache, reduce
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT


def strict(kind: Any) -> Any:  # Any: any annotation of a field.
    """Return the type that reads what `kind` reads, but refuses fields that it does not know.

    A kind that says `is_lenient` stays as it is.
    """
    if getattr(kind, "is_lenient", False):
        return kind
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return strict_struct(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated[(strict(arguments[0]), *kind.__metadata__)]
    if origin in (Union, types.UnionType):
        return reduce(operator.or_, map(strict, arguments))
    return types.GenericAlias(list, (strict(arguments[0]),)) if origin is list else kind


@cache
def strict_struct(kind: type[msgspec.Struct]) -> type[msgspec.Struct]:
    fields = []
    for each in msgspec.structs.fields(kind):
        default = {} if each.default is NODEFAULT else {"default": each.default}
        factory = {} if each.default_factory is NODEFAULT else {"default_factory": each.default_factory}
        fields.append((each.name, strict(each.type), msgspec.field(name=each.encode_name, **default, **factory)))
    return msgspec.defstruct(
        kind.__name__, fields, bases=(kind,), module=kind.__module__, forbid_unknown_fields=True, kw_only=True
    )
