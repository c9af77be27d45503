"""The OpenAPI document of this dialect. What fields mean is said in OpenAI's own reference."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from threadkeep import __version__, errors
from threadkeep.contract.answers import Error
from threadkeep.server import openapi
from threadkeep.server.dialects.openai import errors as own_errors
from threadkeep.server.dialects.openai.common import Page
from threadkeep.server.dialects.openai.routes import ENDPOINTS
from threadkeep.server.openapi_schemas import REF, error_examples, one_line, pages_of, reference, structs_of

Json = dict[str, Any]  # Any: JSON.

DESCRIPTION = """OpenAI's API over threadkeep's threads: set a client's base URL to /openai/v1.

Fields mean what OpenAI's reference says of them. What is refused and why stands in docs/openai.md."""


@cache
def document() -> bytes:
    """Return the document as JSON."""
    paths: Json = {}
    for endpoint in ENDPOINTS:
        described = openapi.operation(endpoint)
        for answer in described["responses"].values():
            if "text/event-stream" in answer.get("content", {}):
                # OpenAPI before 3.2 cannot describe a stream.
                answer["content"]["text/event-stream"] = {"schema": {"type": "string"}}
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = described
    info = {"title": "threadkeep, as OpenAI's API", "version": __version__, "description": DESCRIPTION}
    examples = error_examples(errors.__name__, own_errors.__name__)
    components = {"schemas": schemas(), "examples": examples, "securitySchemes": openapi.SECURITY}
    whole: Json = {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}
    whole["security"] = [{"bearer": []}, {"apiKey": []}]
    return msgspec.json.encode(whole)


def schemas() -> Json:
    """Return the schemas of everything that the endpoints take and give, by name."""
    named = [*sorted_structs(each.body for each in ENDPOINTS), *sorted_structs(each.answer for each in ENDPOINTS)]
    _, found = msgspec.json.schema_components([*named, Error, Page], ref_template=REF)
    code = found["ErrorDetail"]["properties"]["code"]
    found["ErrorDetail"]["properties"]["code"] = {"type": ["string", "null"], "examples": code["examples"]}
    for schema in found.values():
        if "description" in schema:
            schema["description"] = one_line(schema["description"])
    page = found.pop("Page")
    for kind in {kind for endpoint in ENDPOINTS for kind in pages_of(endpoint.answer)}:
        data = page["properties"]["data"] | {"items": reference(kind.__name__)}
        found[f"{kind.__name__}Page"] = page | {
            "title": f"{kind.__name__}Page",
            "properties": page["properties"] | {"data": data},
        }
    return dict(sorted(found.items()))


def sorted_structs(kinds: Iterable[Any]) -> list[Any]:
    return sorted({each for kind in kinds for each in structs_of(kind)}, key=lambda each: str(each.__name__))
