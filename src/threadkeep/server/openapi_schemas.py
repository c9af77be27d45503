"""The components of the OpenAPI document: the schemas of all structs, described, with examples; and of all errors."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from threadkeep import errors
from threadkeep.contract.answers import Error, Page
from threadkeep.contract.messages import Part, ToolCall
from threadkeep.server import examples
from threadkeep.server.descriptions import FIELDS, SCHEMAS
from threadkeep.server.endpoint import Endpoint

Json = dict[str, Any]  # Any: JSON.

REF = "#/components/schemas/{name}"
PARTS = ("TextPart", "ImagePart", "FilePart")


def components(endpoints: tuple[Endpoint, ...]) -> Json:
    """Return the schemas of everything that the endpoints take and give, by name."""
    structs = {kind for endpoint in endpoints for kind in structs_of(endpoint.answer, endpoint.body)}
    named = [*sorted(structs, key=lambda kind: str(kind.__name__)), Error, Page, Part, ToolCall]
    _, schemas = msgspec.json.schema_components(named, ref_template=REF)
    schemas["Part"] = {"oneOf": [reference(name) for name in PARTS]}
    page = schemas.pop("Page")
    for name, schema in schemas.items():
        describe(name, schema)
    for kind in {kind for endpoint in endpoints for kind in pages_of(endpoint.answer)}:
        schemas[f"{kind.__name__}Page"] = page_of(page, kind.__name__)
    return dict(sorted(schemas.items()))


def describe(name: str, schema: Json) -> None:
    """Add to a schema what it means, and an example."""
    if name in SCHEMAS:
        schema["description"] = SCHEMAS[name]
    if name in examples.EXAMPLES:
        schema["examples"] = [examples.EXAMPLES[name]]
    for field, its_schema in schema.get("properties", {}).items():
        text = FIELDS.get(f"{name}.{field}") or FIELDS.get(field)
        if text is not None:
            its_schema["description"] = text


def structs_of(*kinds: Any) -> Iterable[Any]:
    """Give the structs in an endpoint's answer or body: one, a union, or (Page, kind of its items)."""
    for kind in kinds:
        if isinstance(kind, tuple):
            yield from structs_of(*(each for each in kind if each is not Page))
        elif kind is not None:
            yield from structs_of(*kind.__args__) if hasattr(kind, "__args__") else [kind]


def pages_of(answer: Any) -> Iterable[Any]:
    if isinstance(answer, tuple):
        if answer[0] is Page:
            yield answer[1]
        else:
            for each in answer:
                yield from pages_of(each)


def page_of(page: Json, name: str) -> Json:
    data = {"type": "array", "items": reference(name)}
    schema = page | {"title": f"{name}Page", "properties": page["properties"] | {"data": data}}
    describe("Page", schema)
    return schema | {"examples": [examples.page_of(examples.EXAMPLES[name])]}


def reference(name: str) -> Json:
    return {"$ref": REF.format(name=name)}


def schema_of(kind: Any) -> Json:
    if isinstance(kind, tuple):
        if kind[0] is Page:
            return reference(f"{kind[1].__name__}Page")
        return {"oneOf": [schema_of(each) for each in kind]}
    if hasattr(kind, "__args__"):
        return {"oneOf": [reference(each.__name__) for each in kind.__args__]}
    return reference(kind.__name__)


def error_examples() -> Json:
    """Return an example of each error, by its code."""
    return {
        kind.code: {"summary": kind.code, "value": examples.error(kind.code, kind.type, kind.default)}
        for kind in reversed(error_classes())
        if "code" in vars(kind)
    }


@cache
def status_of(code: str) -> int:
    """Return the status of the errors with a code of their own; inherited ones do not count."""
    return next(kind.status for kind in error_classes() if vars(kind).get("code") == code)


def error_classes(root: type[errors.ApiError] = errors.ApiError) -> list[type[errors.ApiError]]:
    """Return `root` and every class of error below it, the most special ones first."""
    found: list[type[errors.ApiError]] = []
    for kind in root.__subclasses__():
        found += error_classes(kind)
    return [*found, root]
