"""The two clients are one: made from the same text, with a method for every call and a parameter for every field."""

import inspect
import json
import re
import typing
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import UNSET

import threadkeep
from support import client_fields, sync_client
from support.either_client import KINDS, client_of
from threadkeep import errors, objects
from threadkeep.client import AsyncClient, Client, NotSendable
from threadkeep.client.failures import BY_CODE
from threadkeep.contract.basis import OrganizationQuery
from threadkeep.contract.events import KINDS as KINDS_OF_EVENTS
from threadkeep.server.body import convert
from threadkeep.server.endpoint import Endpoint
from threadkeep.server.meanings import examples, hints
from threadkeep.server.query import parse_query
from threadkeep.server.routes import LISTED

THREAD = "thread_01m83p9c9rf7cbwx31c977kh1x"
IDS = {
    "thread_id": THREAD,
    "message_id": "msg_01m83p9ca4fsb8njmg26j2bw69",
    "response_id": "resp_01m83p9ca4e79twp2hbqrmqjen",
    "assistant_id": "asst_01m83p9ca4e79twp2hbqrmqjen",
    "key_id": "key_01m83p9ca4e79twp2hbqrmqjen",
    "bulk_id": "bulk_01m83p9ca4e79twp2hbqrmqjen",
    "organization_id": "ORG_ACME",
    "user_id": "uid_ben",
}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
MESSAGE: dict[str, Any] = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
# A value for every parameter that a method may have: the contract's example, or one that suits here.
VALUES: dict[str, Any] = {
    **{name: examples(its)[0] for kind in client_fields.BODIES.values() for name, its in hints(kind).items()
       if examples(its)},
    **IDS, "id": "thread_x", "title": "t", "metadata": {"a": "b"}, "visible_in_ui": False, "messages": [MESSAGE],
    "role": "user", "content": "hi", "tool_call_id": "call_1",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    "name": "n", "description": "d", "instructions": "Be kind.", "model": "echo", "temperature": 0.5, "top_p": 0.5,
    "max_output_tokens": 5, "stop": ["."], "response_format": {"type": "text"}, "tool_choice": "auto", "tools": [TOOL],
    "parallel_tool_calls": False, "context_mode": "full", "context_tokens": 5, "context_messages": 5,
    "input": [MESSAGE], "when_busy": "interrupt", "replaces": "msg_x",
    "thread": {"title": "t", "messages": [MESSAGE], "metadata": {"a": 1}}, "background": True,
    "limit": 5, "order": "desc", "after": "x", "before": None, "state": "all", "status": "inactive",
    "title_contains": "x", "created_after": 1, "created_before": 2, "sort": "updatedAt",
    "include": ["lastMessage", "payload"], "include_total": True, "from_": "2026-01-01", "to": "2026-01-02",
    "group_by": "model", "threads": "delete",
    "external_id": "own", "parent_id": "msg_x", "branch": "current", "through": "msg_x", "created_at": 5,
    "expires_at": 2_000_000_000, "payload": {"format": "x", "data": "y"}, "retention_days": 90,
    "filter": {"state": "all", "metadata": {"a": 1}}, "ids": ["thread_x"], "change": {"title": "t"},
    "idempotency_key": "mine", "if_match": '"1"',
}  # fmt: skip
# What the same name means elsewhere.
OF_METHODS: dict[str, dict[str, Any]] = {
    "assistants": {"id": "asst_x"}, "organizations.members": {"role": "admin"}, "organizations.keys": {"role": "admin"},
    "threads.messages": {"thread": {"title": "t"}, "include": "payload", "status": "incomplete", "role": "assistant"},
}  # fmt: skip
PAGE = (sync_client.ROOT / "docs" / "client.md").read_text()
# Parameters of the way a call is made, and not of what is asked.
OF_THE_CALL = {"idempotency_key", "if_match"}
METHODS_OF_CLIENTS = {"close", "aclose", "own", "send", "with_options"}


class Sent(Exception):
    """What a method would have sent."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request


def send(request: httpx.Request) -> httpx.Response:
    raise Sent(request)


def methods(client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give every public method of a client and of what hangs on it."""
    waiting = [("", client)]
    while waiting:
        prefix, place = waiting.pop()
        for name in dir(place):
            value = getattr(place, name)
            if name.startswith("_") or (place is client and name in METHODS_OF_CLIENTS):
                continue
            if inspect.ismethod(value):
                yield prefix + name, value
            else:
                waiting.append((f"{prefix}{name}.", value))


def parameters(method: Callable[..., Any]) -> dict[str, Any]:
    """Return a method's parameters by name, those of its `**fields` too, each with its default."""
    found: dict[str, Any] = {}
    for each in inspect.signature(method).parameters.values():
        if each.kind is each.VAR_KEYWORD:
            [unpacked] = typing.get_args(each.annotation)
            required = unpacked.__required_keys__
            found |= {
                name: inspect.Parameter.empty if name in required else UNSET for name in typing.get_type_hints(unpacked)
            }
        else:
            found[each.name] = each.default
    return found


ASYNC_METHODS = dict(methods(AsyncClient("http://x", api_key="k")))
SYNC_METHODS = dict(methods(Client("http://x", api_key="k")))
# Made of others: they have parameters of their own.
COMPOSED = {"threads.find", "threads.find_or_create", "threads.messages.newest"}
CALLS = [name for name in ASYNC_METHODS if name not in COMPOSED]


async def sent_by(kind: str, name: str) -> httpx.Request:
    """Return the request of a method that gets a value for everything that it takes."""
    http = (httpx.Client if kind == "sync" else httpx.AsyncClient)(transport=httpx.MockTransport(send))
    client = client_of(kind, "http://x", api_key="k", http_client=http)
    method = client
    for part in name.split("."):
        method = getattr(method, part)
    values = {**VALUES, **OF_METHODS.get(name.rpartition(".")[0], {})}
    given = {each: values[each] for each in parameters(ASYNC_METHODS[name])}
    with pytest.raises(Sent) as sent:
        result = method(**given)
        result = await result if isinstance(result, Awaitable) else result
        if hasattr(result, "page"):
            await result.page()
        elif hasattr(result, "open"):
            await result.open()
        else:
            [_ async for _ in result]
    return sent.value.request


def endpoint_of(request: httpx.Request) -> Endpoint:
    # One with fewer parameters first: /v1/threads/bulk names no thread.
    for endpoint in sorted(LISTED, key=lambda each: each.path.count("{")):
        shape = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
        # Updates are sent as POST, which takes an idempotency key.
        if re.fullmatch(shape, request.url.path) and request.method in (
            endpoint.method,
            "POST" if endpoint.method == "PATCH" else "",
        ):
            return endpoint
    raise AssertionError(request)


def test_the_synchronous_client_is_made_from_the_asynchronous_one():
    made = {file.name: file.read_text() for file in sync_client.TO.glob("*.py")}

    assert made == sync_client.generated()


def test_what_the_client_takes_is_made_from_the_contract():
    assert client_fields.FILE.read_text() == client_fields.generated()


def test_both_clients_have_the_same_methods_with_the_same_parameters_and_documentation():
    assert list(ASYNC_METHODS) == list(SYNC_METHODS)
    for name, method in ASYNC_METHODS.items():
        assert parameters(method) == parameters(SYNC_METHODS[name]), name
        assert inspect.getdoc(method), name
        assert sync_client.synchronous(inspect.getdoc(method) or "") == inspect.getdoc(SYNC_METHODS[name])


def test_the_page_about_the_client_names_its_methods_events_and_options():
    named = set()
    for group, cells in rows("`client."):
        prefix = group.strip("`").removeprefix("client.")
        named |= {f"{prefix}.{name}" for name in re.findall(r"`([\w.]+)`", cells)}
    table = PAGE.partition("| event | what it brings |")[2].partition("\n\n")[0]
    events = {name for first in re.findall(r"^\| (.+?) \|", table, re.M) for name in re.findall(r"`(\w+)`", first)}
    defaults = {name.strip("`"): float(cells.split(" | ")[0]) for name, cells in rows("`\\w+_timeout_s`|`timeout_s`")}

    assert named == set(ASYNC_METHODS)
    assert events == {each.__name__ for each in KINDS_OF_EVENTS} <= set(threadkeep.__all__)
    options = inspect.signature(AsyncClient).parameters
    assert defaults == {name: each.default for name, each in options.items() if name.endswith("timeout_s")}
    assert f"`retries_max` ({options['retries_max'].default})" in PAGE


def rows(first: str) -> list[tuple[str, str]]:
    """Return the rows of the page's tables whose first cell begins so: that cell, and the others."""
    return re.findall(rf"^\| ((?:{first})[^|]*?) \| (.+) \|$", PAGE, re.M)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_call_of_the_api_has_a_method(kind):
    reached = [endpoint_of(await sent_by(kind, name)) for name in CALLS]

    assert {f"{each.method} {each.path}" for each in LISTED} - {
        f"{each.method} {each.path}" for each in reached
    } == set()


@pytest.mark.parametrize("name", CALLS)
async def test_a_method_has_a_parameter_for_every_field_and_sends_it_under_its_name(name):
    request = await sent_by("sync", name)
    endpoint = endpoint_of(request)
    taken = set(parameters(ASYNC_METHODS[name]))
    decoded = json.loads(request.content or b"{}")
    body = None if endpoint.body is None else endpoint.body_for(decoded)

    expected = {each.name for each in msgspec.structs.fields(endpoint.query)}
    expected -= {"organization_id"} if "organization_id" not in taken else set()
    expected = {"metadata" if each == "pairs" else each for each in expected}
    expected |= set() if body is None else {each.name for each in msgspec.structs.fields(body)}
    # Who wants a stream, or to see first what would be done, calls another method.
    expected -= {"stream", "dry_run"} | ({"background"} if "background" not in taken else set())
    in_path = {camel_to_snake(each) for each in re.findall(r"\{(\w+)\}", endpoint.path)}

    assert taken - OF_THE_CALL == expected | in_path
    assert ("if_match" in taken) == endpoint.takes_precondition
    assert ("idempotency_key" in taken) == is_sent_with_key(endpoint, request)
    query = parse_query(request.url.query, endpoint.query, endpoint.query_kinds)
    if body is not None:
        # What the server takes for a field that it does not know is refused here.
        convert(decoded, body)
    for each in sorted(taken - in_path - OF_THE_CALL):
        if VALUES[each] is not None and each != "background":
            assert was_sent(each, query, decoded) or (each == "after" and "last-event-id" in request.headers), each


def is_sent_with_key(endpoint: Endpoint, request: httpx.Request) -> bool:
    """Whether the request is sent once however often: updates go as POST, which endpoints that are PATCH take too."""
    return request.method == "POST" and (endpoint.method == "PATCH" or endpoint.takes_idempotency_key)


def was_sent(name: str, query: OrganizationQuery, decoded: dict[str, Any]) -> bool:
    wire = msgspec.structs.fields(type(query))
    if name == "metadata" and getattr(query, "pairs", ()):
        return True
    if name in {each.name for each in wire}:
        return bool(getattr(query, name) is not None)
    first, *rest = name.split("_")
    return first + "".join(each.title() for each in rest) in decoded


def camel_to_snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)


@pytest.mark.parametrize("name", [name for name in ASYNC_METHODS if name.endswith((".create", ".update"))])
async def test_a_field_that_is_not_given_is_not_sent(name):
    required = [each for each, default in parameters(ASYNC_METHODS[name]).items() if default is inspect.Parameter.empty]
    given = {each: VALUES[each] for each in required}
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))
    method = dict(methods(client))[name]

    with pytest.raises(Sent) as sent:
        method(**given)

    path_values = set(sent.value.request.url.path.split("/"))
    decoded = json.loads(sent.value.request.content)
    decoded.pop("stream", None)
    assert set(decoded) == {camel(each) for each in given if given[each] not in path_values}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.title() for each in rest)


def test_every_error_code_has_its_class():
    codes = {each.code for each in walk(errors.ApiError) if each.__module__ == errors.__name__}

    assert set(BY_CODE) == codes
    assert BY_CODE["unavailable"] is errors.Unavailable
    assert BY_CODE["internal"] is errors.Internal


def walk(kind: type[errors.ApiError]) -> Iterator[type[errors.ApiError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from walk(each)


def test_a_field_that_no_method_knows_is_a_mistake_of_the_program():
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))

    with pytest.raises(TypeError, match="inputs"):
        client.threads.responses.create(THREAD, inputs="hi")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="text"):
        client.threads.messages.create_many(THREAD, [{"role": "user", "text": "hi"}])  # type: ignore[typeddict-unknown-key]


def test_what_json_cannot_say_is_not_sent():
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))

    # Written as null it would remove the key.
    with pytest.raises(ValueError, match="JSON"):
        client.threads.update(THREAD, metadata={"score": float("nan")})
    with pytest.raises(NotSendable, match="title"):
        client.threads.update(THREAD, title="\ud800")


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_would_name_something_else_is_refused(id):
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))

    with pytest.raises(ValueError, match="id"):
        client.threads.messages.delete(THREAD, id)


def test_the_tag_of_an_object_from_a_list_is_no_tag():
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))

    with pytest.raises(TypeError, match="etag"):
        client.threads.delete(THREAD, if_match=None)  # type: ignore[arg-type]


def test_structs_may_be_given_in_place_of_dictionaries():
    client = Client("http://x", api_key="k", http_client=httpx.Client(transport=httpx.MockTransport(send)))
    message = objects.MessageCreate("user", [objects.TextPart("hi"), objects.FilePart("https://x", mime_type="a/b")])

    with pytest.raises(Sent) as sent:
        client.threads.create(messages=[message])

    parts = [{"type": "text", "text": "hi"}, {"type": "file", "url": "https://x", "name": None, "mimeType": "a/b"}]
    assert json.loads(sent.value.request.content) == {"messages": [{"role": "user", "content": parts}]}


# Since the structs stood in `threadkeep.objects` themselves: programs import them from there (docs/client.md).
NAMES_OF_OBJECTS = """
    METADATA_KEY_CHARACTERS_MAX METADATA_PAIRS_MAX METADATA_VALUE_CHARACTERS_MAX NAME_MESSAGES_MAX OPAQUE_ID
    PARTS_MAX PREVIEW_CHARACTERS_MAX STOPS_MAX TEXT_CHARACTERS_MAX THREAD_ID TITLE_CHARACTERS_MAX TOOLS_MAX
    TOOL_CALLS_MAX Assistant AssistantCreate AssistantUpdate Body Configuration Context ContextMessage ContextMode
    Deleted Error ErrorDetail FilePart FunctionCall FunctionDefinition FunctionName ImagePart Instructions Key
    KeyCreate KeyCreated LastMessage ListDeleted Member MemberDeleted MemberPut Message MessageCreate MessageUpdate
    MessagesCreate Metadata MetadataChange ModelName Name NameCreate NameGenerated NameMessage NamedToolChoice
    Nothing Object Organization OrganizationId OrganizationUpdate Page Part Response ResponseCreate ResponseCreated
    ResponseEnded ResponseError ResponseFormat ResponseInThreadCreate ResponseReset ResponseUsage Scalar Seconds
    Stop Stops Temperature TextPart Thread ThreadCreate ThreadId ThreadUpdate Title TokensMax Tool ToolCall
    ToolChoice Tools TopP Usage UsageGroup User UserId UserOrganization
"""


def test_the_objects_keep_the_names_that_callers_know():
    assert [name for name in NAMES_OF_OBJECTS.split() if not hasattr(objects, name)] == []
