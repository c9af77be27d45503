"""Which values a field admits, for the sentence that refuses another one."""

from collections.abc import Iterator
from typing import Any

from msgspec import inspect


def choices(kind: Any, path: str) -> list[str]:
    """Return the texts that the field at `path` (`tools.function.name`) of a struct admits; none if it takes any."""
    kinds = [inspect.type_info(kind)]
    for name in path.split("."):
        kinds = [each for kind in kinds for each in fields_of(kind, name)]
    return sorted({str(value) for kind in kinds for each in alternatives(kind) for value in values_of(each)})


def alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    """Give what a value of this kind may be: members of unions, items of arrays, what stands behind constraints."""
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
