"""The OpenAPI 3.1 document, made from the structs and the route table."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from threadkeep import __version__, errors
from threadkeep.objects import Error, Page, Part, ToolCall
from threadkeep.scope import Role
from threadkeep.server.endpoint import Endpoint, Way
from threadkeep.server.query import METADATA_FILTERS_MAX, EventsQuery, ThreadsQuery

Json = dict[str, Any]  # Any: JSON.

REF = "#/components/schemas/{name}"
DESCRIPTION = "Conversation threads for products with an AI assistant. Times are Unix seconds, UTC."

ALWAYS = ("missing_authentication", "invalid_credentials", "organization_access_denied", "insufficient_permissions",
          "organization_required", "unknown_parameter", "invalid_parameter", "invalid_string", "rate_limited",
          "internal", "unavailable", "headers_too_large", "uri_too_long")  # fmt: skip
WITH_BODY = ("invalid_json", "invalid_field", "unknown_field", "too_large", "unsupported_media_type")
WITH_KEY = ("key_reused",)
WITH_WRITE = ("storage_full",)

PARAMETER_SCHEMAS: dict[str, Json] = {
    "organizationId": {"type": "string"},
    "threadId": {"type": "string", "examples": ["thread_01k0"]},
    "messageId": {"type": "string"},
    "responseId": {"type": "string"},
    "assistantId": {"type": "string"},
    "keyId": {"type": "string"},
    "userId": {"type": "string", "pattern": "^[A-Za-z0-9_.:@|-]{1,128}$"},
}


@cache
def document(endpoints: tuple[Endpoint, ...]) -> bytes:
    """Return the document as JSON."""
    structs = {kind for endpoint in endpoints for kind in structs_of(endpoint.answer, endpoint.body)}
    named = [*sorted(structs, key=lambda kind: str(kind.__name__)), Error, Page, Part, ToolCall]
    _, components = msgspec.json.schema_components(named, ref_template=REF)
    components["Part"] = {"oneOf": [reference(name) for name in ("TextPart", "ImagePart", "FilePart")]}
    page = components.pop("Page")
    for endpoint in endpoints:
        for kind in pages_of(endpoint.answer):
            components[f"{kind.__name__}Page"] = page_of(page, kind)
    paths: Json = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation(endpoint)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "threadkeep", "version": __version__, "description": DESCRIPTION},
            "paths": paths,
            "components": {"schemas": components, "securitySchemes": SECURITY},
            "security": [{"apiKey": []}, {"bearer": []}],
        }
    )


SECURITY = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a user token."},
}


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


def page_of(page: Json, kind: Any) -> Json:
    properties = page["properties"] | {"data": {"type": "array", "items": reference(kind.__name__)}}
    return page | {"title": f"{kind.__name__}Page", "properties": properties}


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


def operation(endpoint: Endpoint) -> Json:
    described: Json = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "tags": [endpoint.path.split("/")[2] if "messages" not in endpoint.path else "messages"],
        "parameters": list(parameters(endpoint)),
        "responses": responses(endpoint),
    }
    if endpoint.role is not Role.MEMBER:
        described["description"] = f"Needs the role {endpoint.role} in the organization."
    if endpoint.body is not None:
        described["requestBody"] = {
            "required": needs_body(endpoint.body),
            "content": {"application/json": {"schema": schema_of(endpoint.body)}},
        }
    return described


def needs_body(kind: Any) -> bool:
    return all(any(field.required for field in msgspec.structs.fields(each)) for each in structs_of(kind))


def operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[a-z]+", endpoint.summary.lower().replace("'s", ""))
    name = words[0] + "".join(word.capitalize() for word in words[1:] if word not in ("a", "an", "the"))
    return f"{name}ByPost" if endpoint.method == "POST" and words[0] == "change" else name


def parameters(endpoint: Endpoint) -> Iterable[Json]:
    path_names = re.findall(r"\{(\w+)\}", endpoint.path)
    for name in path_names:
        yield {"name": name, "in": "path", "required": True, "schema": PARAMETER_SCHEMAS[name]}
    schema = msgspec.json.schema(endpoint.query)
    properties = next(iter(schema["$defs"].values()))["properties"]
    for name, its_schema in properties.items():
        if name != "pairs" and name not in path_names:
            yield {"name": name, "in": "query", "required": False, "schema": without_null(its_schema)}
    if endpoint.query is ThreadsQuery:
        yield metadata_parameter()
    if endpoint.query is EventsQuery:
        yield header("Last-Event-ID", "The id of the last event that was read; it counts before `after`.")
    yield header("X-User-Id", "Act as a member with this user id; API keys of admins and owners only.")
    if endpoint.takes_precondition:
        yield header("If-Match", 'Do it only if the object still has this ETag, for example "1764000000000".')
    if endpoint.method == "POST":
        yield header("Idempotency-Key", "Do the work once, however often the request is sent; kept for 24 hours.")


def metadata_parameter() -> Json:
    return {
        "name": "metadata",
        "in": "query",
        "required": False,
        "style": "form",
        "explode": True,
        "description": f"metadata.<key>=<value>, at most {METADATA_FILTERS_MAX}; all must match.",
        "schema": {
            "type": "object",
            "patternProperties": {r"^metadata\..{1,64}$": {"type": "string"}},
            "additionalProperties": False,
        },
    }


def without_null(schema: Json) -> Json:
    """Return a parameter's schema without null, which a query cannot say."""
    if "anyOf" in schema:
        kept: Json
        [kept] = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return kept | {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    enum = [each for each in schema.get("enum", ()) if each is not None]
    kept = schema | ({"enum": enum} if enum else {})
    return {key: value for key, value in kept.items() if key != "default" or value is not None}


def header(name: str, description: str) -> Json:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def responses(endpoint: Endpoint) -> Json:
    codes = [*ALWAYS, *endpoint.errors]
    codes += WITH_BODY if endpoint.body is not None else ()
    codes += WITH_KEY if endpoint.method == "POST" else ()
    codes += WITH_WRITE if endpoint.way not in (Way.READ, Way.READ_SLOWLY) else ()
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(status_of(code), []).append(code)
    described: Json = {str(status): answer(endpoint, status) for status in (endpoint.status, *endpoint.more_statuses)}
    for status, its_codes in sorted(by_status.items()):
        described[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in dict.fromkeys(its_codes)),
            "content": {"application/json": {"schema": reference("Error")}},
        }
    return described


def answer(endpoint: Endpoint, status: int) -> Json:
    """Return the description of an answer that is no error."""
    headers = {"X-Request-Id": {"schema": {"type": "string"}}}
    if status == 204:
        return {"description": "Nothing runs, or nothing is left to read.", "headers": headers}
    content: Json = {}
    if endpoint.answer is not None:
        content["application/json"] = {"schema": schema_of(endpoint.answer)}
    if endpoint.streams and status == 200:
        content["text/event-stream"] = {"schema": EVENT}
    return {"description": "Begun." if status == 202 else "Done.", "headers": headers, "content": content}


# Before OpenAPI 3.2 the schema of a stream is that of each event.
EVENT: Json = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@cache
def status_of(code: str) -> int:
    return next(kind.status for kind in error_classes() if kind.code == code)


def error_classes(root: type[errors.ApiError] = errors.ApiError) -> list[type[errors.ApiError]]:
    """Return every class of error, the most special ones first."""
    found: list[type[errors.ApiError]] = []
    for kind in root.__subclasses__():
        found += [*error_classes(kind), kind]
    return found
