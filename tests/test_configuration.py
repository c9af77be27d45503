"""Settings of a response: the assistant's, the request's and the server's, combined."""

import msgspec
import pytest
from msgspec import structs

from threadkeep.contract.assistants import AssistantCreate, AssistantUpdate, Configuration
from threadkeep.contract.responses import ResponseCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.sqlite import SqliteTransaction, apply_migrations, connect
from threadkeep.errors import AssistantBound, AssistantDeleted, AssistantNotFound, InvalidField
from threadkeep.operations.assistants import assistants
from threadkeep.operations.assistants.rows import StoredAssistant
from threadkeep.operations.responses import configuration
from threadkeep.scope import Credential, Role, make_scope

FUNCTION = {"type": "function", "function": {"name": "look_up"}}
OTHER_FUNCTION = {"type": "function", "function": {"name": "send"}}

# For each setting two values, as they are sent; they go together with the tool of WITH_TOOL.
VALUES = {
    "model": ("one", "two"),
    "temperature": (0, 2),
    "topP": (0, 1),
    "maxOutputTokens": (1, 2),
    "stop": (["."], ["!", "?"]),
    "responseFormat": ({"type": "text"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}),
    "toolChoice": ("none", FUNCTION),
    "parallelToolCalls": (True, False),
    "reasoningEffort": ("low", "high"),
    "tools": ([FUNCTION], [FUNCTION, OTHER_FUNCTION]),
    "contextMode": ("smart", "full"),
    "contextTokens": (1, 2),
    "contextMessages": (1, 2),
}
SETTINGS = sorted(VALUES)


def settings(**sent):
    return msgspec.convert(sent, Configuration)


def with_tool(**sent):
    return settings(**{"tools": [FUNCTION], **sent})


def assistant_of(fixed, instructions=None):
    return StoredAssistant("asst_1", "Helper", None, instructions, fixed, "{}", 1, 1, 1)


def combine(fixed, request, instructions=None):
    return configuration.combine(assistant_of(fixed), request, instructions).configuration


def value_in(chosen, name):
    return msgspec.to_builtins(chosen).get(name)


def test_the_values_of_these_tests_cover_every_setting():
    assert {field.encode_name for field in structs.fields(Configuration)} == set(VALUES)
    assert all(one != two for one, two in VALUES.values())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_nobody_gives_stays_open(name):
    assert value_in(combine(settings(), settings()), name) is None
    assert value_in(configuration.combine(None, settings(), None).configuration, name) is None


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_of_the_assistant_counts(name):
    for value in VALUES[name]:
        assert value_in(combine(with_tool(**{name: value}), settings()), name) == value


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_the_assistant_leaves_open_is_the_requests(name):
    for value in VALUES[name]:
        assert value_in(combine(settings(), with_tool(**{name: value})), name) == value


@pytest.mark.parametrize("name", SETTINGS)
def test_without_an_assistant_the_requests_settings_count(name):
    for value in VALUES[name]:
        combined = configuration.combine(None, with_tool(**{name: value}), None)

        assert (combined.assistant_id, value_in(combined.configuration, name)) == (None, value)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_the_assistant_fixes_is_refused_by_name(name):
    one, two = VALUES[name]

    for fixed, given in ((one, two), (two, one)):
        with pytest.raises(AssistantBound) as refusal:
            combine(settings(**{name: fixed}), settings(**{name: given}))
        assert refusal.value.param == name
        assert name in refusal.value.message


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_may_repeat_what_the_assistant_fixes(name):
    for value in VALUES[name]:
        assert value_in(combine(with_tool(**{name: value}), with_tool(**{name: value})), name) == value


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_taken_from_bodies_that_create(name):
    for value in VALUES[name]:
        for body in (msgspec.convert({name: value, "name": "x"}, AssistantCreate), response(**{name: value})):
            assert msgspec.to_builtins(configuration.configuration_of(body)) == {name: value}


@pytest.mark.parametrize("name", SETTINGS)
def test_an_update_changes_clears_or_keeps_a_setting(name):
    one, two = VALUES[name]
    old = settings(**{name: one})

    assert value_in(configuration.changed(old, update(**{name: two})), name) == two
    assert value_in(configuration.changed(old, update(**{name: None})), name) is None
    assert configuration.changed(old, update()) == old


def response(**sent):
    return msgspec.convert(sent, ResponseCreate)


def update(**sent):
    return msgspec.convert(sent, AssistantUpdate)


def test_one_stop_is_a_list_of_one():
    assert configuration.configuration_of(response(stop="END")).stop == ["END"]
    assert configuration.changed(settings(stop=["."]), update(stop="END")).stop == ["END"]


def test_an_empty_list_of_tools_fixes_that_there_are_none():
    with pytest.raises(AssistantBound):
        combine(settings(tools=[]), settings(tools=[FUNCTION]))


@pytest.mark.parametrize(
    ("own", "added", "expected"),
    [
        (None, None, None),
        ("Be kind.", None, "Be kind."),
        (None, "Be brief.", "Be brief."),
        ("Be kind.", "Be brief.", "Be kind.\n\nBe brief."),
        ("", "Be brief.", "Be brief."),
        ("Be kind.", "", "Be kind."),
        ("", "", None),
    ],
)
def test_instructions_of_the_request_are_appended_to_the_assistants(own, added, expected):
    combined = configuration.combine(assistant_of(settings(), own), settings(), added)

    assert (combined.instructions, combined.assistant_id) == (expected, "asst_1")


def test_instructions_of_a_request_without_an_assistant_stand_alone():
    assert configuration.combine(None, settings(), "Be brief.").instructions == "Be brief."
    assert configuration.combine(None, settings(), None).instructions is None


@pytest.mark.parametrize(
    ("choice", "tools"),
    [(FUNCTION, None), (FUNCTION, []), (FUNCTION, [OTHER_FUNCTION]), ("required", None), ("required", [])],
)
def test_a_tool_choice_that_the_tools_do_not_offer_is_refused(choice, tools):
    for fixed, request in (
        (settings(toolChoice=choice), settings(tools=tools)),
        (settings(tools=tools), settings(toolChoice=choice)),
        (settings(tools=tools, toolChoice=choice), settings()),
    ):
        with pytest.raises(InvalidField) as refusal:
            combine(fixed, request)
        assert refusal.value.param == "toolChoice"


def test_a_tool_choice_of_the_assistant_goes_with_tools_of_the_request():
    chosen = combine(settings(toolChoice=FUNCTION), settings(tools=[OTHER_FUNCTION, FUNCTION]))

    assert value_in(chosen, "toolChoice") == FUNCTION


@pytest.mark.parametrize("choice", ["none", "auto"])
def test_a_tool_choice_that_requires_none_needs_no_tools(choice):
    assert combine(settings(toolChoice=choice), settings()).tool_choice == choice


def test_a_json_schema_is_needed_where_it_is_announced():
    with pytest.raises(InvalidField) as refusal:
        configuration.combine(None, settings(responseFormat={"type": "json_schema"}), None)

    assert refusal.value.param == "responseFormat"


def test_what_nobody_gave_is_the_servers_default():
    filled = configuration.with_defaults(settings(temperature=1), model="echo", context_tokens=8000)

    assert filled == settings(temperature=1, model="echo", contextMode="recent", contextTokens=8000)


def test_what_somebody_gave_is_not_replaced_by_a_default():
    given = settings(model="own", contextMode="full", contextTokens=1)

    assert configuration.with_defaults(given, model="echo", context_tokens=8000) == given


def test_a_model_must_be_known_where_models_are_known():
    configuration.check_model("any", ())
    configuration.check_model("one", {"one", "two"})

    with pytest.raises(InvalidField) as refusal:
        configuration.check_model("three", {"one", "two"})
    assert refusal.value.param == "model"


@pytest.fixture
async def tx(tmp_path):
    """A transaction of an organization that has two assistants; another organization has asst_theirs."""
    connection = connect(tmp_path / "x.db", create=True)
    apply_migrations(connection)
    for organization, name in ((1, "ORG_1"), (2, "ORG_2")):
        connection.execute(
            "insert into organizations values (?, ?, ?, 1, 1, 1, null, null)", (organization, name, name)
        )
    mine, theirs = (
        ScopedTransaction(SqliteTransaction(connection), make_scope(number, "O", "uid", Role.OWNER, Credential.KEY))
        for number in (1, 2)
    )
    for where, id in ((mine, "asst_1"), (mine, "asst_2"), (theirs, "asst_theirs")):
        await where.fetch(assistants.INSERT, **assistant_of(settings())._replace(id=id, name=id).columns())
    yield mine
    connection.close()


@pytest.mark.parametrize(
    ("of_thread", "requested", "expected"),
    [
        (None, None, None),
        (None, "asst_1", "asst_1"),
        ("asst_1", None, "asst_1"),
        ("asst_1", "asst_1", "asst_1"),
    ],
)
async def test_the_assistant_of_a_response_is_the_threads_or_else_the_requests(tx, of_thread, requested, expected):
    found = await configuration.resolve(tx, of_thread, requested)

    assert (found and found.id) == expected


@pytest.mark.parametrize(
    ("of_thread", "requested", "error", "param"),
    [
        (None, "asst_gone", AssistantNotFound, "assistantId"),
        (None, "asst_theirs", AssistantNotFound, "assistantId"),
        ("asst_1", "asst_2", AssistantBound, "assistantId"),
        ("asst_1", "asst_gone", AssistantBound, "assistantId"),
        ("asst_gone", None, AssistantDeleted, None),
        ("asst_gone", "asst_gone", AssistantDeleted, None),
        ("asst_gone", "asst_1", AssistantDeleted, None),
    ],
)
async def test_another_or_a_missing_assistant_is_refused(tx, of_thread, requested, error, param):
    with pytest.raises(error) as refusal:
        await configuration.resolve(tx, of_thread, requested)

    assert refusal.value.param == param
