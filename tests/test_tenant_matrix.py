"""The tenant matrix has a row for every operation and every reference that the OpenAPI document shows.

The matrix itself runs in `make prove`, as P12; this notices a missing row at once.
"""

import copy
import json

import pytest

from proof.tenants import references
from proof.tenants.all_rows import ROWS
from proof.tenants.references import operations
from threadkeep.server import dialects, openapi
from threadkeep.server.routes import ENDPOINTS
from threadkeep.settings import DIALECTS


@pytest.fixture
def document():
    return copy.deepcopy(json.loads(openapi.document(tuple(ENDPOINTS))))


SPOKEN = [dialects.load(name) for name in DIALECTS]
OTHERS = [json.loads(each.document()) for each in SPOKEN]


def mistakes(document):
    return references.mistakes(document, *OTHERS)


def test_every_operation_and_every_reference_has_a_row(document):
    assert mistakes(document) == []
    assert sum(map(len, map(operations, (document, *OTHERS)))) == len(ROWS)
    assert len(operations(document)) == len(ENDPOINTS)
    assert [len(operations(each)) for each in OTHERS] == [len(each.endpoints) for each in SPOKEN]


def test_a_new_operation_without_a_row_is_noticed(document):
    document["paths"]["/v1/events"] = {"get": {"parameters": []}}

    assert mistakes(document) == ["GET /v1/events has no row in the tenant matrix"]


@pytest.mark.parametrize(
    ("place", "name"), [("query", "parentThreadId"), ("header", "X-Tenant"), ("path", "organizationId")]
)
def test_a_new_parameter_that_may_name_something_is_noticed(document, place, name):
    document["paths"]["/v1/threads"]["get"]["parameters"].append({"in": place, "name": name})

    assert mistakes(document) == [f"GET /v1/threads: {place} {name} has no row in the tenant matrix"]


def test_a_new_field_deep_in_a_body_is_noticed(document):
    document["components"]["schemas"]["TextPart"]["properties"]["quotedMessageId"] = {"type": "string"}

    found = mistakes(document)

    assert "POST /v1/threads: body messages.content.quotedMessageId has no row in the tenant matrix" in found
    assert any(each.startswith("POST /v1/responses: body thread.messages.content.quoted") for each in found)


def test_a_row_about_nothing_is_noticed(document):
    del document["paths"]["/v1/user"]

    assert mistakes(document) == ["GET /v1/user has a row in the tenant matrix and is no operation"]
