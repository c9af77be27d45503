"""Finds the description and an example of a contract's field, for the OpenAPI document.

Descriptions are read from the contract's source only when needed: a program that only uses the structs pays nothing.
"""

import ast
import builtins
import enum
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from functools import cache
from types import ModuleType, NoneType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from threadkeep.contract.assistants import ModelSettings
from threadkeep.contract.basis import Common, Object

Struct: TypeAlias = type[msgspec.Struct]

# Their descriptions apply to every field of the same name that has none itself.
SHARED: tuple[Struct, ...] = (ModelSettings, Common)
# The examples of simple types that have none.
FIRST: dict[Any, Any] = {bool: False, int: 0}


def sentence(kind: Struct, name: str) -> str | None:
    """Return the description of a field, given its JSON name: from the struct, its resource, or a shared struct."""
    for struct in (kind, *resource(kind), *SHARED):
        field = dict(zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True)).get(name)
        text = None if field is None else own_sentence(struct, field)
        if text is not None:
            return text
    return own_sentence(Common, "type") if name == kind.__struct_config__.tag_field else None


def resource(kind: Struct) -> list[Struct]:
    """Return the struct that another is about: Thread for ThreadCreate."""
    name = re.sub("(Create|Update|Put)$", "", kind.__name__)
    found: Any = vars(sys.modules[kind.__module__]).get(name)
    return [found] if is_struct(found) else []


def own_sentence(kind: Struct, field: str) -> str | None:
    """Return the text under a field, in the struct or a base of it; otherwise the description of the field's type."""
    for each in kind.__mro__:
        text = sentences_in(sys.modules[each.__module__]).get((each.__name__, field)) if is_struct(each) else None
        if text is not None:
            return text
    return next((each.description for each in metas(hints(kind)[field]) if each.description), None)


@cache
def sentences_in(module: ModuleType) -> dict[tuple[str, str], str]:
    """Return the descriptions in a module, by struct and field: the string literals right under the fields."""
    found = {}
    structs = [each for each in ast.parse(inspect.getsource(module)).body if isinstance(each, ast.ClassDef)]
    for struct in structs:
        for field, text in zip(struct.body, struct.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                    found[struct.name, name] = " ".join(said.split())
    return found


def example_of(kind: Struct) -> dict[str, Any]:
    """Return an example object, made from the examples of its fields.

    An answer shows all fields; a body the required ones, and those with an example of their own.
    """
    config = kind.__struct_config__
    example: dict[str, Any] = {} if config.tag_field is None else {config.tag_field: config.tag}
    for field in msgspec.structs.fields(kind):
        its = hints(kind)[field.name]
        if field.required or (not issubclass(kind, Object) and examples(its)):
            example[field.encode_name] = value_of(its, hints(Common).get(field.name))
    return example


def value_of(kind: Any, common: Any = None) -> Any:  # Any: a field's type form.
    """Return a type's example: its own, that of the `common` field, or the first value that it allows."""
    arguments = get_args(kind)
    if examples(kind):
        return examples(kind)[0]
    if NoneType in arguments:
        return None
    if examples(common):
        return examples(common)[0]
    match get_origin(kind):
        case typing.Literal:
            return arguments[0]
        case typing.Annotated | typing.Union | types.UnionType:
            return value_of(arguments[0])
        case builtins.list:
            return [value_of(arguments[0])]
    if is_struct(kind):
        return example_of(kind)
    return next(iter(kind)).value if isinstance(kind, enum.EnumMeta) else FIRST[kind]


def examples(kind: Any) -> list[Any]:
    return next((each.examples for each in metas(kind) if each.examples), [])


def metas(kind: Any) -> Iterator[Meta]:
    """Yield the Meta annotations of a type, then of its alternatives."""
    origin = get_origin(kind)
    if origin is typing.Annotated:
        # The last annotation takes precedence.
        yield from reversed(kind.__metadata__)
    if origin in (typing.Annotated, typing.Union, types.UnionType):
        for each in get_args(kind)[: 1 if origin is typing.Annotated else None]:
            yield from metas(each)


@cache
def hints(kind: Struct) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
