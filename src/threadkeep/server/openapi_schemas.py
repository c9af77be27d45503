"""The components of the OpenAPI document: the schemas of all structs, described, with examples; and of all errors."""

from collections.abc import Iterable
from functools import cache
from typing import Any, get_args

import msgspec

from threadkeep import errors
from threadkeep.contract.answers import Error, ListPage
from threadkeep.contract.events import NameEvent, ResponseEvent
from threadkeep.contract.names import NameGenerated
from threadkeep.server.endpoint import Endpoint
from threadkeep.server.meanings import example_of, hints, is_struct, sentence

Json = dict[str, Any]  # Any: JSON.

REF = "#/components/schemas/{name}"
EVENTS = {"ResponseEvent": ResponseEvent, "NameEvent": NameEvent}
# The messages of errors that are worded where they are raised; the others have their class's default.
ERROR_MESSAGES = {
    "invalid_field": "This field is not what it must be: Expected str, got int.",
    "unknown_field": "This field is unknown here: leave it out.",
    "unknown_parameter": "This path does not take this parameter.",
    "invalid_parameter": "This parameter is an integer.",
    "too_large": "A request body has at most 4194304 bytes.",
    "uri_too_long": "The path and query are too long: at most 8192 bytes together.",
    "headers_too_large": "The header is too large: at most 32768 bytes.",
    "insufficient_permissions": "This needs the role owner in the organization.",
}
ERROR_PARAMS = {
    "invalid_field": "title",
    "unknown_field": "colour",
    "unknown_parameter": "colour",
    "invalid_parameter": "limit",
}


def components(endpoints: tuple[Endpoint, ...]) -> Json:
    """Return the schemas of everything that the endpoints take and give, by name."""
    taken = {kind for endpoint in endpoints for kind in structs_of(endpoint.body)}
    given = {kind for endpoint in endpoints for kind in structs_of(endpoint.answer)}
    streamed = [kind for union in EVENTS.values() for kind in get_args(union)]
    named = [*sorted(taken | given, key=lambda kind: str(kind.__name__)), Error, ListPage, *streamed]
    _, schemas = msgspec.json.schema_components(named, ref_template=REF)
    kinds = {kind.__name__: kind for kind in structs_below(named)}
    for name in {kind.__name__ for kind in structs_below(taken)}:
        schemas[name]["additionalProperties"] = False
    for name, schema in schemas.items():
        describe(schema, kinds.get(name))
    schemas = with_parts(schemas, schemas["Message"]["properties"]["content"]["items"])
    for kind in streamed:
        schemas[kind.__name__]["properties"].pop("position", None)
    schemas |= {name: frames(union) for name, union in EVENTS.items()}
    page = schemas.pop("ListPage")
    for kind in {kind for endpoint in endpoints for kind in pages_of(endpoint.answer)}:
        schemas[f"{kind.__name__}Page"] = page_of(page, kind)
    return dict(sorted(schemas.items()))


def describe(schema: Json, kind: Any) -> None:
    """Add to a struct's schema what its fields mean, and an example."""
    schema["description"] = one_line(schema["description"])
    for name, its in schema.get("properties", {}).items():
        its["description"] = sentence(kind, name)
        for each in its.get("anyOf", ()):
            each.pop("description", None)
    if kind not in (None, ListPage):
        schema["examples"] = [example_of(kind)]


def frames(union: Any) -> Json:
    """Return the schema of one event of a stream: OpenAPI before 3.2 cannot describe the whole stream."""
    frames = [
        {
            "type": "object",
            "description": one_line(kind.__doc__),
            "required": ["event", "data"],
            "properties": {
                "id": {"type": "string"},
                "event": {"const": kind.type},
                "data": {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": reference(kind.__name__),
                },
            },
        }
        for kind in get_args(union)
    ]
    return {"description": "One event of a stream: its name says what is in its data.", "oneOf": frames}


def events_of(answer: Any) -> str:
    """Return the name of the schema of the events that an endpoint with this answer streams."""
    return "NameEvent" if answer is NameGenerated else "ResponseEvent"


def structs_below(kinds: Iterable[Any]) -> set[Any]:
    """Return structs, and those in their fields."""
    found: set[Any] = set()
    waiting = [*kinds]
    while waiting:
        kind = waiting.pop()
        if is_struct(kind) and kind not in found:
            found.add(kind)
            waiting += hints(kind).values()
        elif not is_struct(kind):
            waiting += get_args(kind)
    return found


def with_parts(schemas: Json, part: Json) -> Json:
    """Return the schemas with the union of content's parts as a schema of its own, `Part`, which they refer to."""

    def named(value: Any) -> Any:
        if value == part:
            return reference("Part")
        if isinstance(value, dict):
            return {name: named(each) for name, each in value.items()}
        return [named(each) for each in value] if isinstance(value, list) else value

    choice = {
        "description": "Text, an image or a file.",
        "oneOf": part["anyOf"],
        "discriminator": part["discriminator"],
    }
    return {**named(schemas), "Part": choice}


def one_line(text: str) -> str:
    return " ".join(text.split())


def is_page(kind: Any) -> bool:
    """Return whether a struct is the page of a list, natively or in another service's shape."""
    return "has_more" in getattr(kind, "__struct_fields__", ())


def structs_of(*kinds: Any) -> Iterable[Any]:
    """Yield the structs in an endpoint's answer or body: one, a union, or (ListPage, kind of its items)."""
    for kind in kinds:
        if isinstance(kind, tuple):
            yield from structs_of(*(each for each in kind if not is_page(each)))
        elif kind is not None:
            yield from structs_of(*kind.__args__) if hasattr(kind, "__args__") else [kind]


def pages_of(answer: Any) -> Iterable[Any]:
    if isinstance(answer, tuple):
        if is_page(answer[0]):
            yield answer[1]
        else:
            for each in answer:
                yield from pages_of(each)


def page_of(page: Json, kind: Any) -> Json:
    """Return the schema of a list of such objects, with an example of one."""
    name, one = kind.__name__, example_of(kind)
    id = one.get("id", one.get("userId"))
    data = page["properties"]["data"] | {"items": reference(name)}
    example = {"object": "list", "data": [one], "firstId": id, "lastId": id, "hasMore": False, "nextCursor": None}
    return page | {
        "title": f"{name}Page", "properties": page["properties"] | {"data": data}, "examples": [example]
    }  # fmt: skip


def reference(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def schema_of(kind: Any) -> Json:
    if isinstance(kind, tuple):
        if is_page(kind[0]):
            return reference(f"{kind[1].__name__}Page")
        return {"oneOf": [schema_of(each) for each in kind]}
    if getattr(kind, "__origin__", None) is list:
        return {"type": "array", "items": schema_of(kind.__args__[0])}
    if hasattr(kind, "__args__"):
        return {"oneOf": [reference(each.__name__) for each in kind.__args__]}
    return reference(kind.__name__)


def error_examples(*modules: str) -> Json:
    """Return an example of each error that one of these modules defines, by its code."""
    return {
        kind.code: {"summary": kind.code, "value": error_example(kind)}
        for kind in reversed(error_classes())
        if vars(kind).get("code") and kind.__module__ in modules
    }


def error_example(kind: type[errors.ApiError]) -> Json:
    """Return an error as the service answers it."""
    message = ERROR_MESSAGES.get(kind.code, kind.default)
    detail = {"message": message, "type": kind.type, "code": kind.code, "param": ERROR_PARAMS.get(kind.code)}
    return {"error": {**detail, "requestId": "req_a899d55b5cb8_c"}}


@cache
def status_of(code: str) -> int:
    """Return the status of the error class that defines this code itself, not by inheritance."""
    return next(kind.status for kind in error_classes() if vars(kind).get("code") == code)


def error_classes(root: type[errors.ApiError] = errors.ApiError) -> list[type[errors.ApiError]]:
    """Return `root` and every class of error below it, subclasses first."""
    found: list[type[errors.ApiError]] = []
    for kind in root.__subclasses__():
        found += error_classes(kind)
    return [*found, root]
