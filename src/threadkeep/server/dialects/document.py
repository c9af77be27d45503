"""The OpenAPI document of a dialect. What its fields mean stands in the reference of the service that has them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from threadkeep import __version__, errors
from threadkeep.contract.answers import Error
from threadkeep.server import openapi
from threadkeep.server.endpoint import Endpoint
from threadkeep.server.openapi_schemas import REF, error_examples, one_line, pages_of, reference, structs_of

Json = dict[str, Any]  # Any: JSON.
NO_OTHERS: Mapping[int, int] = {}


def describing(
    service: str,
    description: str,
    endpoints: Sequence[Endpoint],
    *own_errors: str,
    error: Any = Error,
    page: Any = None,
    statuses: Mapping[int, int] = NO_OTHERS,
) -> Callable[[], bytes]:
    """Return what returns the document as JSON.

    `own_errors` are modules with errors of the dialect, `error` the struct that all are shown as (None: a sentence as
    plain text), and `page` that of its lists. Any: a struct, or None. `statuses` are those that errors have instead of
    their native ones.
    """

    of_error: Json = {"text/plain": {"schema": {"type": "string"}}}
    if error is not None:
        of_error = {"application/json": {"schema": reference(error.__name__)}}

    @cache
    def document() -> bytes:
        paths: Json = {}
        for endpoint in endpoints:
            described = openapi.operation(endpoint)
            for status, other in statuses.items():
                described["responses"][str(other)] = described["responses"].pop(str(status))
            for status, answer in described["responses"].items():
                if "text/event-stream" in answer.get("content", {}):
                    # OpenAPI before 3.2 cannot describe a stream.
                    answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
                if error is not Error and int(status) >= 400:
                    answer["content"] = of_error
            paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = described
        info = {"title": f"threadkeep, as {service}", "version": __version__, "description": description}
        examples = error_examples(errors.__name__, *own_errors) if error is Error else {}
        schemas = schemas_of(endpoints, error, page)
        components = {"schemas": schemas, "examples": examples, "securitySchemes": openapi.SECURITY}
        whole: Json = {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
        whole["security"] = [{"bearer": []}, {"apiKey": []}]
        return msgspec.json.encode(whole)

    return document


def schemas_of(endpoints: Sequence[Endpoint], error: Any, page: Any) -> Json:
    """Return the schemas of everything that the endpoints take and give, by name."""
    named = [*sorted_structs(each.body for each in endpoints), *sorted_structs(each.answer for each in endpoints)]
    _, found = msgspec.json.schema_components(
        [*named, *(each for each in (error, page) if each is not None)], ref_template=REF
    )
    if "ErrorDetail" in found:
        code = found["ErrorDetail"]["properties"]["code"]
        found["ErrorDetail"]["properties"]["code"] = {"type": ["string", "null"], "examples": code["examples"]}
    for schema in found.values():
        if "description" in schema:
            schema["description"] = one_line(schema["description"])
    if page:
        of_any = found.pop(page.__name__)
        for kind in {kind for endpoint in endpoints for kind in pages_of(endpoint.answer)}:
            data = of_any["properties"]["data"] | {"items": reference(kind.__name__)}
            found[f"{kind.__name__}Page"] = of_any | {
                "title": f"{kind.__name__}Page",
                "properties": of_any["properties"] | {"data": data},
            }
    return dict(sorted(found.items()))


def sorted_structs(kinds: Iterable[Any]) -> list[Any]:
    return sorted({each for kind in kinds for each in structs_of(kind)}, key=lambda each: str(each.__name__))
