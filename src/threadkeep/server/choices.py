"""Lists the values that a field allows, for the error about any other value."""

from collections.abc import Iterator
from typing import Any

from msgspec import inspect


def choices(kind: Any, path: str) -> list[str]:
    """Return the values allowed in a struct's field at `path` (`tools.function.name`); empty if any is allowed."""
    kinds = [inspect.type_info(kind)]
    for name in path.split("."):
        kinds = [each for kind in kinds for each in fields_of(kind, name)]
    return sorted({str(value) for kind in kinds for each in alternatives(kind) for value in values_of(each)})


def alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Yield the types that a value may have: unions, arrays and constraints are replaced by the types in them."""
    if isinstance(kind, inspect.UnionType):
        for each in kind.types:
            yield from alternatives(each)
    elif isinstance(kind, inspect.Metadata):
        yield from alternatives(kind.type)
    elif isinstance(kind, inspect.ListType | inspect.VarTupleType):
        yield from alternatives(kind.item_type)
    else:
        yield kind


def fields_of(kind: inspect.Type, name: str) -> Iterator[inspect.Type]:
    for each in alternatives(kind):
        if not isinstance(each, inspect.StructType):
            continue
        if name == each.tag_field:
            yield inspect.LiteralType((each.tag,))
        yield from (field.type for field in each.fields if field.encode_name == name)


def values_of(kind: inspect.Type) -> tuple[Any, ...]:
    return kind.values if isinstance(kind, inspect.LiteralType) else ()
