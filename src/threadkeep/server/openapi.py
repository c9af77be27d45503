"""The OpenAPI 3.1 document, made from the structs and the route table."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec

from threadkeep import __version__, errors, ids
from threadkeep.contract.basis import Revised
from threadkeep.contract.limits import METADATA_FILTERS_MAX
from threadkeep.contract.responses import EventsQuery
from threadkeep.contract.threads import ThreadsQuery
from threadkeep.scope import Role
from threadkeep.server.endpoint import Endpoint, ExecutionMode
from threadkeep.server.meanings import sentence
from threadkeep.server.openapi_schemas import (
    components,
    error_examples,
    events_of,
    reference,
    schema_of,
    status_of,
    structs_of,
)

Json = dict[str, Any]  # Any: JSON.

DESCRIPTION = """Conversation threads for products with an AI assistant.

Send an API key in `X-API-Key`, or a key or user token as `Authorization: Bearer`. Times are Unix seconds, UTC.
Lists are paged with `limit`, `after` and `before`. Errors all have one shape, with a `code` for programs."""

ALWAYS = ("missing_authentication", "invalid_credentials", "organization_access_denied", "insufficient_permissions",
          "organization_required", "unknown_parameter", "invalid_parameter", "invalid_string", "rate_limited",
          "internal", "unavailable", "headers_too_large", "uri_too_long")  # fmt: skip
WITH_BODY = ("invalid_json", "invalid_field", "unknown_field", "too_large", "unsupported_media_type")
WITH_KEY = ("key_reused",)
WITH_WRITE = ("storage_full",)

# Which resource a path is about: the first of these that it has as a segment.
TAGS = {
    "bulk": "Bulks",
    "messages": "Messages",
    "responses": "Responses",
    "stream": "Responses",
    "context": "Responses",
    "members": "Members",
    "keys": "Keys",
    "tokens": "Tokens",
    "usage": "Usage",
    "conversations": "Threads",
    "threads": "Threads",
    "assistants": "Assistants",
    "models": "Models",
    "organizations": "Organizations",
    "user": "Users",
}
RESOURCES = {
    "Threads": "A conversation that belongs to a user of an organization. It is open, locked or archived.",
    "Bulks": "One change of many threads, done in the background. It can be watched, cancelled and undone.",
    "Messages": "What was said in a thread, in an order that is never ambiguous.",
    "Responses": "Answers of a model in a thread: waited for, streamed or in the background. One at a time in each "
    "thread. A response belongs to the server and is written to its end whoever listens.",
    "Assistants": "Configurations for responses, kept under an id. Members read them, admins and owners write them.",
    "Models": "What answers. They are configured on the server.",
    "Organizations": "Tenants: everything belongs to exactly one. They are created on the command line.",
    "Members": "Who belongs to an organization, and as what.",
    "Keys": "API keys: what programs call with. Each belongs to one organization and has one user id and one role.",
    "Tokens": "User tokens for a product's own users, who need no membership: a browser calls with them.",
    "Usage": "Tokens of an organization's responses, also of what was deleted since.",
    "Users": "Who is calling.",
}
HEADERS = {
    "X-User-Id": "Act as a member with this user id; keys of admins and owners only.",
    "If-Match": 'Do it only if the object still has this ETag, for example "1764000000000".',
    "If-None-Match": '304 without content if that still has this weak ETag; `W/"0"` asks for the first one.',
    "Idempotency-Key": "Do the work once, however often the request is sent; kept for 24 hours.",
    "Last-Event-ID": "The id of the last event that was read; it counts before `after`.",
}
ANSWER_HEADERS = {
    "X-Request-Id": "The request's id: the caller's own, if it sent one.",
    "ETag": "The object's revision, for `If-Match`; a weak one of the content, if `If-None-Match` came with one.",
    "Idempotent-Replayed": "`true` when the work was done by an earlier request with the same key.",
}
SECURITY = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key, `tk_…`."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "A user token, or an API key."},
}
PARAMETER_SCHEMAS: dict[str, Json] = {
    "organizationId": {"type": "string"},
    "threadId": {"type": "string", "examples": ["thread_01k0"]},
    "messageId": {"type": "string"},
    "responseId": {"type": "string"},
    "assistantId": {"type": "string"},
    "runId": {"type": "string"},
    "stepId": {"type": "string"},
    "conversationId": {"type": "string"},
    "itemId": {"type": "string"},
    "rowId": {"type": "string"},
    "graphThreadId": {"type": "string"},
    "graphRunId": {"type": "string"},
    "graphAssistantId": {"type": "string"},
    "keyId": {"type": "string"},
    "bulkId": {"type": "string"},
    "userId": {"type": "string", "pattern": f"^{ids.OPAQUE_SHAPE}$"},
    "model": {"type": "string"},
    "chatId": {"type": "string"},
}


@cache
def document(endpoints: tuple[Endpoint, ...]) -> bytes:
    """Return the document as JSON."""
    paths: Json = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation(endpoint)
    tags = [{"name": name, "description": text} for name, text in RESOURCES.items()]
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "threadkeep",
                "version": __version__,
                "description": DESCRIPTION,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "tags": tags,
            "paths": paths,
            "components": {
                "schemas": components(endpoints),
                "examples": error_examples(errors.__name__),
                "securitySchemes": SECURITY,
            },
            "security": [{"apiKey": []}, {"bearer": []}],
        }
    )


def operation(endpoint: Endpoint) -> Json:
    described: Json = {
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "description": description(endpoint),
        "tags": [tag(endpoint.path)],
        "parameters": list(parameters(endpoint)),
        "responses": responses(endpoint),
    }
    if endpoint.body is not None:
        described["requestBody"] = {
            "required": needs_body(endpoint.body),
            "content": {"application/json": {"schema": schema_of(endpoint.body)}},
        }
    return described


def tag(path: str) -> str:
    segments = path.split("/")
    return next((name for segment, name in TAGS.items() if segment in segments), "Responses")


def description(endpoint: Endpoint) -> str:
    needs = f"Needs the role {endpoint.role} in the organization." if endpoint.role is not Role.MEMBER else ""
    return " ".join(filter(None, (endpoint.description, needs)))


def needs_body(kind: Any) -> bool:
    return all(any(field.required for field in msgspec.structs.fields(each)) for each in structs_of(kind))


def operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[a-z]+", endpoint.summary.lower().replace("'s", ""))
    name = words[0] + "".join(word.capitalize() for word in words[1:] if word not in ("a", "an", "the"))
    return f"{name}ByPost" if endpoint.method == "POST" and words[0] == "change" else name


def parameters(endpoint: Endpoint) -> Iterable[Json]:
    path_names = re.findall(r"\{(\w+)\}", endpoint.path)
    for name in path_names:
        text = f"The {name.removesuffix('Id')}'s id."
        yield {"name": name, "in": "path", "required": True, "description": text, "schema": PARAMETER_SCHEMAS[name]}
    schema = msgspec.json.schema(endpoint.query)
    properties = next(iter(schema["$defs"].values()))["properties"]
    for name, its_schema in properties.items():
        if name != "pairs" and name not in path_names:
            schema = without_null(its_schema)
            schema.pop("description", None)
            meaning = sentence(endpoint.query, name)
            described: Json = {"schema": schema} if meaning is None else {"description": meaning, "schema": schema}
            if schema.get("type") == "array":
                described |= {"style": "form", "explode": False}
            yield {"name": name, "in": "query", "required": False, **described}
    if endpoint.query is ThreadsQuery:
        yield metadata_parameter()
    if endpoint.query is EventsQuery:
        yield header("Last-Event-ID")
    yield header("X-User-Id")
    if endpoint.takes_precondition:
        yield header("If-Match")
    if is_conditional(endpoint):
        yield header("If-None-Match")
    if endpoint.takes_idempotency_key:
        yield header("Idempotency-Key")


def metadata_parameter() -> Json:
    return {
        "name": "metadata",
        "in": "query",
        "required": False,
        "style": "form",
        "explode": True,
        "description": "Threads with this value: `metadata.<key>=<value>`. An array matches by each element. At most "
        f"{METADATA_FILTERS_MAX}; all must match.",
        "schema": {
            "type": "object",
            "patternProperties": {r"^metadata\..{1,64}$": {"type": "string"}},
            "additionalProperties": False,
        },
    }


def without_null(schema: Json) -> Json:
    """Return a parameter's schema without null, which a query string cannot express."""
    if "anyOf" in schema:
        kept: Json
        [kept] = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return kept | {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    enum = [each for each in schema.get("enum", ()) if each is not None]
    kept = schema | ({"enum": enum} if enum else {})
    return {key: value for key, value in kept.items() if key != "default" or value is not None}


def header(name: str) -> Json:
    text = HEADERS[name]
    return {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}


def responses(endpoint: Endpoint) -> Json:
    codes = [*ALWAYS, *endpoint.errors]
    codes += WITH_BODY if endpoint.body is not None else ()
    codes += WITH_KEY if endpoint.takes_idempotency_key else ()
    # Reading a stream may write too: it ends a response whose worker has died.
    codes += WITH_WRITE if endpoint.method != "GET" or endpoint.mode is ExecutionMode.ANSWER else ()
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(status_of(code), []).append(code)
    described: Json = {str(status): answer(endpoint, status) for status in (endpoint.status, *endpoint.more_statuses)}
    if is_conditional(endpoint):
        described["304"] = answer(endpoint, 304)
    for status, its_codes in sorted(by_status.items()):
        content = {
            "schema": reference("Error"),
            "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in its_codes},
        }
        described[str(status)] = {
            "description": ", ".join(f"`{code}`" for code in its_codes),
            "content": {"application/json": content},
        }
    return described


def answer(endpoint: Endpoint, status: int) -> Json:
    """Return the description of a successful answer."""
    names = ["X-Request-Id"]
    names += ["ETag"] if is_conditional(endpoint) or has_revision(endpoint.answer) else []
    names += ["Idempotent-Replayed"] if endpoint.takes_idempotency_key else []
    headers = {name: {"description": ANSWER_HEADERS[name], "schema": {"type": "string"}} for name in names}
    if status == 304:
        return {"description": "The content has not changed since `If-None-Match`.", "headers": headers}
    if status == 204:
        text = "Nothing runs, or nothing is left to read." if endpoint.method == "GET" else "Done."
        return {"description": text, "headers": headers}
    content: Json = {}
    if endpoint.answer is not None:
        content["application/json"] = {"schema": schema_of(endpoint.answer)}
    if endpoint.streams and status == 200:
        content["text/event-stream"] = {"schema": reference(events_of(endpoint.answer))}
    return {"description": "Begun." if status == 202 else "Done.", "headers": headers, "content": content}


def is_conditional(endpoint: Endpoint) -> bool:
    """Return whether the endpoint takes If-None-Match: every GET that answers at once does."""
    return endpoint.method == "GET" and endpoint.mode is not ExecutionMode.ANSWER


def has_revision(answer: Any) -> bool:
    """Return whether an answer is, or may be, one object with revisions. `(Message, …)`: one message or a list."""
    kind = answer[0] if isinstance(answer, tuple) else answer
    return isinstance(kind, type) and issubclass(kind, Revised)
