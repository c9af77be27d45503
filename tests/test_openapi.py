"""The OpenAPI document: valid, complete, and true. Schemathesis tries the server against it in the proof P13."""

import json
import re

import jsonschema_rs
import pytest

from support.streams import COMPLETED, CREATED, Stream, responses_path
from threadkeep import errors
from threadkeep.contract.events import KINDS

METHODS = ("get", "post", "put", "patch", "delete")
EXPECTED = {
    "/v1/threads": {"get", "post"},
    "/v1/user": {"get"},
    "/v1/user/threads": {"get"},
    "/v1/threads/bulk": {"post"},
    "/v1/threads/bulk/{}": {"get"},
    "/v1/threads/bulk/{}/cancel": {"post"},
    "/v1/threads/bulk/{}/undo": {"post"},
    "/v1/threads/{}": {"get", "patch", "post", "delete"},
    "/v1/threads/{}/copy": {"post"},
    "/v1/threads/{}/lock": {"post"},
    "/v1/threads/{}/unlock": {"post"},
    "/v1/threads/{}/archive": {"post"},
    "/v1/threads/{}/unarchive": {"post"},
    "/v1/threads/{}/messages": {"get", "post", "delete"},
    "/v1/threads/{}/messages/{}": {"get", "patch", "post", "delete"},
    "/v1/responses": {"post"},
    "/v1/threads/{}/responses": {"get", "post"},
    "/v1/threads/{}/responses/{}": {"get"},
    "/v1/threads/{}/responses/{}/cancel": {"post"},
    "/v1/threads/{}/responses/{}/events": {"get"},
    "/v1/threads/{}/stream": {"get"},
    "/v1/threads/{}/context": {"get"},
    "/v1/threads/{}/generateName": {"post"},
    "/v1/assistants": {"get", "post"},
    "/v1/models": {"get"},
    "/v1/assistants/{}": {"get", "patch", "post", "delete"},
    "/v1/organizations/{}": {"get", "patch", "post", "delete"},
    "/v1/organizations/{}/members": {"get"},
    "/v1/organizations/{}/members/{}": {"put", "delete"},
    "/v1/organizations/{}/keys": {"get", "post"},
    "/v1/organizations/{}/keys/{}": {"delete"},
    "/v1/organizations/{}/usage": {"get"},
    "/v1/tokens": {"post"},
}


@pytest.fixture
async def document(nobody):
    answer = await nobody.request("GET", "/openapi.json")
    assert answer.status == 200
    return answer.body


async def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")

    # Imported here: it takes a second, which each process that collects the tests would pay.
    from openapi_spec_validator import validate

    validate(document)


async def test_the_document_has_every_route_and_none_that_comes_later(document):
    found = {
        re.sub(r"\{\w+\}", "{}", path): {method for method in METHODS if method in item}
        for path, item in document["paths"].items()
        if path.startswith("/v1")
    }

    assert found == EXPECTED


async def test_the_thread_in_the_document_has_all_fields_and_requires_them(document):
    thread = document["components"]["schemas"]["Thread"]

    fields = "id object createdAt updatedAt metadata assistantId organizationId userId title visibleInUi messageCount"
    assert set(thread["required"]) >= {*fields.split(), "status", "state", "lastMessageAt"}


async def test_every_operation_says_how_it_is_refused(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and path.startswith("/v1"):
                assert "401" in item[method]["responses"] or "default" in item[method]["responses"], (method, path)


async def test_every_operation_parameter_and_field_says_what_it_means(document):
    silent = []
    for path, item in document["paths"].items():
        for method in item:
            silent += [(method, path, key) for key in ("summary", "description") if not item[method].get(key)]
            silent += [(method, path, each["name"]) for each in item[method]["parameters"] if not each["description"]]
    for name, schema in document["components"]["schemas"].items():
        silent += [name] * (not schema.get("description"))
        silent += [(name, field) for field, its in schema.get("properties", {}).items() if not its.get("description")]

    assert silent == []


async def test_every_operation_is_filed_under_a_resource_that_is_described(document):
    described = [each["name"] for each in document["tags"]]

    used = [tag for item in document["paths"].values() for its in item.values() for tag in its["tags"]]

    assert sorted(set(used)) == sorted(described)


async def test_every_body_and_answer_has_an_example_that_is_one(document):
    components = document["components"]
    for schema in components["schemas"].values():
        for example in schema.get("examples", ()):
            jsonschema_rs.Draft202012Validator({**schema, "components": components}).validate(example)
    shown = set(re.findall(r'content": \{"application/json": \{"schema": \{"\$ref": "#/components/schemas/(\w+)"',
                           json.dumps(document)))  # fmt: skip

    assert len(shown) >= 20
    assert {name for name in shown - {"Error"} if "examples" not in components["schemas"][name]} == set()


async def test_every_streaming_answer_names_its_events_and_what_is_in_them(document, ada):
    thread = await ada.create_thread()
    async with await Stream.post(ada, responses_path(thread), input="hi") as stream:
        await stream.rest()
    schemas = document["components"]["schemas"]
    streams = {
        path: answers["content"]["text/event-stream"]["schema"]["$ref"].rpartition("/")[2]
        for path, item in document["paths"].items()
        for its in item.values()
        for status, answers in its["responses"].items()
        if "text/event-stream" in answers.get("content", {})
    }
    data = {
        each["properties"]["event"]["const"]: each["properties"]["data"] for each in schemas["ResponseEvent"]["oneOf"]
    }

    assert len(streams) == 5
    assert {path for path, name in streams.items() if name != "ResponseEvent"} == {
        "/v1/threads/{threadId}/generateName"
    }
    assert data.keys() == {each.type for each in KINDS}
    assert [each.type for each in (stream.events[0], stream.events[-1])] == [CREATED, COMPLETED]
    for event in stream.events:
        schema = {**data[event.type]["contentSchema"], "components": document["components"]}
        jsonschema_rs.Draft202012Validator(schema).validate(event.data)
        assert "position" not in event.data


async def test_every_error_of_an_operation_stands_under_its_status_with_an_example(document):
    shown = document["components"]["examples"]
    for item in document["paths"].values():
        for its in item.values():
            for status, answer in its["responses"].items():
                for code in answer.get("content", {}).get("application/json", {}).get("examples", ()):
                    assert shown[code]["value"]["error"]["code"] == code
                    assert errors_by_code()[code].status == int(status), code
            assert "`internal`" in its["responses"]["500"]["description"]


def errors_by_code():
    kinds, found = [errors.ApiError], {}
    while kinds:
        kind = kinds.pop(0)
        kinds += kind.__subclasses__()
        if "code" in vars(kind):
            found[kind.code] = kind
    return found
