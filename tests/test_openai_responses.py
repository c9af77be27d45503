"""Responses through OpenAI's own client, and through its Agents SDK: they are the responses of this service."""

import asyncio
import json

import openai
import pytest
from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from pydantic import BaseModel

from support.answering import open_place
from support.openai_client import PATH, all_of, client_of, refusal
from support.scripted_model import DONE, Head, finish, tool_call, usage
from support.waiting import SOON_S, eventually

FIND = {
    "type": "function",
    "name": "find",
    "description": "Finds.",
    "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    "strict": False,
}
CALLS = [
    tool_call(0, "call_1", "find", '{"n": 1}'),
    tool_call(1, "call_2", "find", '{"n": 2}'),
    finish("tool_calls"),
    usage(10, 4),
    DONE,
]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def client(ada):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def responses(client):
    return client.responses


def sent(model, call=-1):
    """The roles and texts that the model got."""
    return [(each["role"], each.get("content")) for each in model.calls[call].body["messages"]]


async def test_a_response_has_every_field(responses, model):
    model.answer("Hello", " world", counts=(10, 2))

    made = await responses.create(
        model="scripted",
        input="hi",
        instructions="be brief",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        metadata={"topic": "greeting"},
        tools=[FIND],
        tool_choice={"type": "function", "name": "find"},
        parallel_tool_calls=False,
        text={"format": {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}, "verbosity": "low"},
        reasoning={"effort": "low"},
        truncation="auto",
        user="somebody",
        service_tier="auto",
        include=["reasoning.encrypted_content"],
    )

    assert made.output_text == "Hello world"
    assert (made.object, made.status, made.error, made.incomplete_details) == ("response", "completed", None, None)
    assert made.completed_at >= made.created_at
    assert (made.model, made.instructions, made.metadata) == ("scripted", "be brief", {"topic": "greeting"})
    assert (made.temperature, made.top_p, made.max_output_tokens) == (0.5, 0.9, 100)
    assert (made.conversation, made.previous_response_id, made.background, made.store) == (None, None, False, True)
    assert made.tools[0].to_dict() == FIND
    assert made.tool_choice.to_dict() == {"type": "function", "name": "find"}
    assert (made.parallel_tool_calls, made.truncation, made.service_tier) == (False, "auto", "default")
    assert made.text.to_dict()["format"] == {"type": "json_schema", "name": "answer", "schema": {"type": "object"}}
    assert (made.text.verbosity, made.reasoning.effort) == ("low", "low")
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (10, 2, 12)
    assert (made.usage.input_tokens_details.cached_tokens, made.usage.output_tokens_details.reasoning_tokens) == (0, 0)
    assert await responses.retrieve(made.id) == made
    body = model.calls[0].body
    assert sent(model) == [("system", "be brief"), ("user", "hi")]
    assert body["tools"][0]["function"]["name"] == "find"
    assert body["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert body["response_format"]["json_schema"]["name"] == "answer"
    assert "reasoning_effort" not in body


async def test_what_is_not_said_is_the_default(responses, model):
    made = await responses.create(input="hi")

    assert (made.model, made.instructions, made.tools, made.tool_choice) == ("scripted", None, [], "auto")
    assert (made.parallel_tool_calls, made.truncation, made.metadata) == (True, "disabled", {})
    assert made.text.to_dict() == {"format": {"type": "text"}, "verbosity": "medium"}
    assert (made.reasoning.effort, made.reasoning.summary, made.temperature) == (None, None, None)


async def test_a_response_goes_on_after_another(ada, responses, model):
    first = await responses.create(input="one", instructions="be brief")
    second = await responses.create(input="two", previous_response_id=first.id)
    branch = await responses.create(input="three", previous_response_id=first.id)

    assert (second.previous_response_id, second.instructions) == (first.id, None)
    assert sent(model, 1) == [("user", "one"), ("assistant", "Hello world"), ("user", "two")]
    assert sent(model, 2) == [("user", "one"), ("assistant", "Hello world"), ("user", "three")]
    assert branch.status == "completed"
    shown = await ada.list_threads(visibleInUi="true")
    assert "one" not in str(shown)


async def test_nothing_to_go_on_after_is_refused(responses, model, client):
    first = await responses.create(input="one")
    await responses.delete(first.id)
    for id in (first.id, "resp_" + "0" * 26, "none"):
        error = await refusal(openai.BadRequestError, responses.create(input="two", previous_response_id=id))
        assert (error.code, error.param) == ("previous_response_not_found", "previous_response_id")
    error = await refusal(openai.NotFoundError, responses.retrieve(first.id))
    assert (error.code, "No response found" in error.message) == ("response_not_found", True)


async def test_a_response_in_a_conversation_makes_its_items(ada, client, responses, model):
    conversation = await client.conversations.create(items=[{"role": "user", "content": "before"}])

    made = await responses.create(input=[{"role": "user", "content": "hi"}], conversation=conversation.id)
    again = await responses.create(input="and?", conversation={"id": conversation.id})

    assert (made.conversation.id, again.conversation.id) == (conversation.id, conversation.id)
    assert sent(model) == [
        ("user", "before"), ("user", "hi"), ("assistant", "Hello world"), ("user", "and?")
    ]  # fmt: skip
    items = (await client.conversations.items.list(conversation.id, order="asc")).data
    assert [each.role for each in items] == ["user", "user", "assistant", "user", "assistant"]
    assert items[2].to_dict() == made.output[0].to_dict()
    native = await ada.get(f"thread_{conversation.id.removeprefix('conv_')}")
    assert (native.messageCount, native.visibleInUi) == (5, True)
    listed = await ada.list_responses(native)
    assert [each["id"] for each in listed.data] == [made.id, again.id]
    elsewhere = await responses.create(input="alone", previous_response_id=again.id)
    assert (elsewhere.conversation, len(model.calls[-1].body["messages"])) == (None, 6)
    assert (await ada.get(native.id)).messageCount == 5


async def test_a_native_response_is_read_here(ada, responses, model):
    thread = await ada.create_thread()
    native = await ada.respond(thread, input="hi")

    read = await responses.retrieve(native.id)

    assert (read.output_text, read.conversation, read.tools, read.status) == ("Hello world", None, [], "completed")
    following = await responses.create(input="and?", previous_response_id=native.id)
    assert following.status == "completed"
    assert (await ada.get(thread)).messageCount == 2


async def test_a_tool_loop_with_two_calls_at_once(client, responses, model):
    model.script = CALLS
    first = await responses.create(input="find both", tools=[FIND])
    model.answer("Both", " found")

    second = await responses.create(
        previous_response_id=first.id,
        tools=[FIND],
        input=[
            {"type": "function_call_output", "call_id": "call_2", "output": "two"},
            {"type": "function_call_output", "call_id": "call_1", "output": "one"},
        ],
    )

    assert [(each.type, each.call_id, each.arguments) for each in first.output] == [
        ("function_call", "call_1", '{"n": 1}'),
        ("function_call", "call_2", '{"n": 2}'),
    ]
    assert (second.output_text, first.status) == ("Both found", "completed")
    assert [each["role"] for each in model.calls[-1].body["messages"]] == ["user", "assistant", "tool", "tool"]
    given = await all_of(responses.input_items.list(second.id, order="asc", limit=1))
    assert [each.output for each in given] == ["two", "one"]


async def test_a_tool_loop_by_hand_with_the_whole_history(responses, model):
    model.script = CALLS
    history = [{"role": "user", "content": "find both"}]
    first = await responses.create(input=history, tools=[FIND], store=False)
    history += first.output
    history += [
        {"type": "function_call_output", "call_id": each.call_id, "output": each.arguments} for each in first.output
    ]
    model.answer("Both")

    second = await responses.create(input=history, tools=[FIND], store=False)

    assert second.output_text == "Both"
    messages = model.calls[-1].body["messages"]
    assert [each["role"] for each in messages] == ["user", "assistant", "tool", "assistant", "tool"]


async def test_an_output_without_its_call_is_refused(ada, client, responses, model):
    output = [{"type": "function_call_output", "call_id": "call_9", "output": "x"}]
    conversation = await client.conversations.create()

    for fields in ({}, {"conversation": conversation.id}):
        error = await refusal(openai.BadRequestError, responses.create(input=output, **fields))
        assert error.param == "input"
        assert "No tool call found" in error.message
    assert model.calls == []


async def test_more_items_than_a_call_takes_natively(responses, model):
    input = [{"role": "user" if n % 2 == 0 else "assistant", "content": f"text {n}"} for n in range(251)]

    made = await responses.create(input=input)

    given = await all_of(responses.input_items.list(made.id, order="asc", limit=100))
    assert [each.content[0].text for each in given] == [each["content"] for each in input]
    newest = await responses.input_items.list(made.id)
    assert (newest.data[0].content[0].text, len(newest.data), newest.has_more) == ("text 250", 20, True)
    assert [each.id for each in await all_of(responses.input_items.list(made.id, limit=100))] == [
        each.id for each in given
    ][::-1]


async def test_reasoning_of_the_input_comes_back_in_its_items(responses, model):
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"}
    made = await responses.create(
        input=[
            {"role": "user", "content": "hi"},
            reasoning,
            {"role": "assistant", "content": "ho"},
            {"role": "user", "content": "and?"},
        ]
    )

    given = (await responses.input_items.list(made.id, order="asc")).data

    assert [each.type for each in given] == ["message", "reasoning", "message", "message"]
    assert given[1].encrypted_content == "secret"
    assert "secret" not in json.dumps(model.calls[-1].body)


@pytest.mark.parametrize(
    ("fields", "param", "word"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "web_search"),
        ({"tools": [FIND], "tool_choice": {"type": "file_search"}}, "tool_choice.type", "file_search"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "prompt"),
        ({"top_logprobs": 3}, "top_logprobs", ""),
        ({"conversation": "conv_1", "previous_response_id": "resp_1"}, "previous_response_id", ""),
        ({"conversation": "conv_1", "store": False}, "store", ""),
        ({"background": True, "store": False}, "store", ""),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type", "grammar"),
        ({"input": [{"type": "mcp_call", "id": "x"}]}, "input[0].type", "mcp_call"),
        ({"extra_body": {"moderation": {"model": "m"}}}, "moderation", "moderation"),
    ],
)
async def test_what_is_not_there_is_refused(responses, model, fields, param, word):
    error = await refusal(openai.BadRequestError, responses.create(**{"input": "hi", **fields}))

    assert (error.code, error.param) == ("unsupported_value", param)
    assert word in error.message
    assert model.calls == []


async def test_errors_name_what_the_request_names(responses, client, model):
    unknown_model = await refusal(openai.BadRequestError, responses.create(input="hi", model="gpt-99"))
    unknown = await refusal(openai.NotFoundError, responses.create(input="hi", conversation="conv_none"))
    odd = await refusal(openai.NotFoundError, responses.create(input="hi", conversation="x"))
    blank = await refusal(openai.BadRequestError, responses.create(input=[{"role": "user", "content": ""}]))
    field = await refusal(openai.BadRequestError, responses.create(input="hi", extra_body={"colour": 1}))
    missing = await refusal(openai.BadRequestError, responses.create(model="scripted"))
    compact = await refusal(openai.NotFoundError, client.post("/responses/compact", body={}, cast_to=object))

    assert (unknown_model.code, unknown_model.param) == ("model_not_found", "model")
    assert (unknown.code, unknown.param) == ("conversation_not_found", "conversation")
    assert (odd.code, odd.param) == ("conversation_not_found", "conversation")
    assert blank.param == "input[0].content"
    assert (field.code, field.param) == ("unknown_field", "colour")
    assert missing.param == "input"
    assert compact.code == "not_found"


async def test_a_busy_conversation_says_so(client, responses, model):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    conversation = await client.conversations.create()
    running = await responses.create(input="hi", conversation=conversation.id, background=True)
    await model.called()

    for call in (
        responses.create(input="and?", conversation=conversation.id),
        client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "b"}]),
    ):
        error = await refusal(openai.BadRequestError, call)
        assert (error.code, error.param) == ("conversation_locked", "conversation")
    # The message of a response that runs is no item yet.
    items = await client.conversations.items.list(conversation.id)
    assert [each.role for each in items.data] == ["user"]
    go.set()
    ended = await eventually(
        lambda: responses.retrieve(running.id), lambda found: found.status != "in_progress", SOON_S
    )
    assert ended.output_text == "Hello"


async def test_a_background_response_is_answered_at_once_and_cancelled(responses, model):
    model.script = ["Hel", 30, "lo", finish(), DONE]
    running = await responses.create(input="hi", background=True)
    assert (running.status, running.background, running.output, running.usage) == ("in_progress", True, [], None)
    await model.called()
    await asyncio.sleep(0.3)

    cancelled = await responses.cancel(running.id)

    assert (cancelled.status, cancelled.error, cancelled.completed_at) == ("cancelled", None, None)
    assert cancelled.output[0].status == "incomplete"
    assert await responses.retrieve(running.id) == cancelled
    assert await responses.cancel(running.id) == cancelled
    following = await responses.create(input="go on", previous_response_id=running.id, background=True)
    assert (await responses.cancel(following.id)).status in ("cancelled", "completed")


async def test_an_answer_cut_by_its_length_is_incomplete(client, responses, model):
    model.script = ["Hel", finish("length"), usage(3, 1), DONE]
    conversation = await client.conversations.create()

    made = await responses.create(input="hi", max_output_tokens=1, conversation=conversation.id)

    assert (made.status, made.incomplete_details.reason, made.completed_at) == ("incomplete", "max_output_tokens", None)
    assert made.output[0].status == "incomplete"
    assert (await client.conversations.items.list(conversation.id)).data[0].status == "incomplete"


async def test_a_model_that_refuses_is_a_failed_response(responses, model):
    refused = b'{"error": {"message": "no"}}'
    model.script = [Head(400, {"content-type": "application/json", "content-length": str(len(refused))}), refused]

    made = await responses.create(input="hi")

    assert (made.status, made.error.code, made.output) == ("failed", "invalid_prompt", [])


async def test_a_response_that_is_not_stored_is_gone_with_its_answer(ada, responses, model):
    before = await ada.list_threads(limit=100)
    first = await responses.create(input="kept")
    made = await responses.create(input="hi", store=False, previous_response_id=first.id)

    assert (made.output_text, made.store) == ("Hello world", False)
    assert sent(model) == [("user", "kept"), ("assistant", "Hello world"), ("user", "hi")]
    await refusal(openai.NotFoundError, responses.retrieve(made.id))
    assert (await responses.retrieve(first.id)).output_text == "Hello world"
    after = await ada.list_threads(limit=100)
    assert len(after.data) == len(before.data) + 1


async def test_a_retry_with_its_key_asks_the_model_once(responses, model):
    key = {"Idempotency-Key": "asked once"}

    first = await responses.create(input="hi", extra_headers=key)
    again = await responses.create(input="hi", extra_headers=key)

    assert (again, len(model.calls)) == (first, 1)
    with pytest.raises(openai.UnprocessableEntityError):
        await responses.create(input="ho", extra_headers=key)


async def test_nobody_else_sees_a_response(place, responses, model):
    made = await responses.create(input="hi")
    for who in (place.cast.ben, place.cast.cleo):
        async with client_of(who) as client:
            theirs = client.responses
            for call in (
                theirs.retrieve(made.id),
                theirs.cancel(made.id),
                theirs.delete(made.id),
                theirs.input_items.list(made.id),
            ):
                assert (await refusal(openai.NotFoundError, call)).code == "response_not_found"
            error = await refusal(openai.BadRequestError, theirs.create(input="x", previous_response_id=made.id))
            assert error.code == "previous_response_not_found"


async def test_input_tokens_are_estimated(client, responses, model):
    conversation = await client.conversations.create(items=[{"role": "user", "content": "x" * 400}])

    alone = await responses.input_tokens.count(input="y" * 40)
    behind = await responses.input_tokens.count(input="y" * 40, conversation=conversation.id)

    assert (alone.object, alone.input_tokens, behind.input_tokens) == ("response.input_tokens", 14, 118)


async def test_the_client_that_does_not_await(ada, model):
    def talk():
        with openai.OpenAI(base_url=f"{str(ada.client.base_url).rstrip('/')}{PATH}", api_key=ada.key) as client:
            conversation = client.conversations.create()
            made = client.responses.create(input="hi", conversation=conversation.id)
            return made.output_text, len(list(client.conversations.items.list(conversation.id, limit=1)))

    assert await asyncio.to_thread(talk) == ("Hello world", 2)


class Answer(BaseModel):
    n: int


async def test_an_answer_in_a_schema_is_parsed(responses, model):
    model.answer('{"n":', " 3}")

    made = await responses.parse(input="a number", text_format=Answer)

    assert made.output_parsed == Answer(n=3)
    again = await responses.create(input=[{"role": "user", "content": "a number"}, *made.output])
    assert again.status == "completed"


@function_tool
def find(n: int) -> str:
    """Find a thing by its number.

    Args:
        n: The number.
    """
    return f"thing {n}"


@pytest.fixture
def agent(client, monkeypatch):
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    return Agent(
        name="finder",
        instructions="Find things.",
        tools=[find],
        model=OpenAIResponsesModel("scripted", client),
        model_settings=ModelSettings(temperature=0.1),
    )


RUN = RunConfig(tracing_disabled=True)


def calls_then(text):
    """A script: two calls for a question, an answer for their results."""

    def script(call):
        messages = call.body["messages"]
        if messages[-1]["role"] == "tool":
            return [text, finish(), usage(10, 2), DONE]
        # The SDK drops calls that have the id of an earlier one.
        ids = [f"call_{len(messages)}_{n}" for n in (1, 2)]
        calls = [tool_call(n, id, "find", f'{{"n": {n + 1}}}') for n, id in enumerate(ids)]
        return [*calls, finish("tool_calls"), usage(10, 4), DONE]

    return script


async def test_an_agent_with_a_conversation_over_three_turns(client, agent, model):
    model.script = calls_then("found")
    session = OpenAIConversationsSession(openai_client=client)

    for turn in range(3):
        result = await Runner.run(agent, f"question {turn}", session=session, run_config=RUN)
        assert result.final_output == "found"

    items = await session.get_items()
    kinds = [each["type"] for each in items]
    assert kinds == ["message", *["function_call"] * 2, *["function_call_output"] * 2, "message"] * 3
    assert [each["output"] for each in items if each["type"] == "function_call_output"] == ["thing 1", "thing 2"] * 3
    last = model.calls[-1].body["messages"]
    assert [each["content"] for each in last if each["role"] == "user"] == ["question 0", "question 1", "question 2"]
    popped = await session.pop_item()
    assert popped["content"][0]["text"] == "found"
    assert len(await session.get_items()) == 17
    assert len(await session.get_items(limit=5)) == 5
    await session.clear_session()


@pytest.mark.parametrize("streams", [False, True])
async def test_an_agent_without_a_session_over_five_turns(agent, model, streams):
    model.script = calls_then("found")
    history = []
    for turn in range(5):
        given = [*history, {"role": "user", "content": f"question {turn}"}]
        if streams:
            result = Runner.run_streamed(agent, given, run_config=RUN)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, given, run_config=RUN)
        assert result.final_output == "found"
        history = result.to_input_list()

    assert len(history) == 30
    roles = [each["role"] for each in model.calls[-1].body["messages"]]
    assert (roles.count("user"), roles.count("tool")) == (5, 10)


async def test_an_agent_that_goes_on_after_its_responses(agent, model):
    model.script = calls_then("found")
    previous = None
    for turn in range(3):
        result = await Runner.run(agent, f"question {turn}", previous_response_id=previous, run_config=RUN)
        previous = result.last_response_id

    roles = [each["role"] for each in model.calls[-1].body["messages"]]
    assert (roles.count("user"), roles.count("tool")) == (3, 6)


async def test_an_agent_in_a_conversation_of_the_service(client, agent, model):
    model.script = calls_then("found")
    conversation = await client.conversations.create()
    for turn in range(2):
        await Runner.run(agent, f"question {turn}", conversation_id=conversation.id, run_config=RUN)

    items = await all_of(client.conversations.items.list(conversation.id))
    assert len(items) == 12


async def test_a_deleted_response_takes_its_input_and_its_answer_from_the_conversation(client, responses, model):
    conversation = await client.conversations.create()
    first = await responses.create(input="one", conversation=conversation.id)
    second = await responses.create(input="two", conversation=conversation.id)

    assert await responses.delete(first.id) is None

    items = (await client.conversations.items.list(conversation.id, order="asc")).data
    assert [each.content[0].text for each in items] == ["two", "Hello world"]
    await refusal(openai.NotFoundError, responses.delete(first.id))
    assert (await responses.retrieve(second.id)).output_text == "Hello world"


async def test_a_locked_conversation_takes_no_response(ada, client, responses, model):
    conversation = await client.conversations.create()
    await ada.lock(await ada.get(f"thread_{conversation.id.removeprefix('conv_')}"))

    error = await refusal(openai.ConflictError, responses.create(input="hi", conversation=conversation.id))

    assert (error.code, model.calls) == ("thread_locked", [])


async def test_an_answer_that_is_not_stored_is_found_by_a_retry_for_a_minute(ada, responses, model):
    model.answer("Once")
    headers = {"Idempotency-Key": "unstored"}

    first = await responses.create(input="one", store=False, extra_headers=headers)
    again = await responses.create(input="one", store=False, extra_headers=headers)

    assert (again.id, again.output_text) == (first.id, "Once")
    assert len(model.calls) == 1
    [newest] = (await ada.list_threads(visibleInUi=False, limit=1)).data
    assert newest["expiresAt"] <= first.created_at + 120
