"""What a model gets of a thread and a request: messages, settings, instructions, functions and their results."""

import pytest

from support.answering import begin_talk, open_place, texts
from support.scripted_model import DONE, finish, tool_call, usage

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


async def test_the_model_gets_the_conversation_and_the_key(ada, model):
    thread = await ada.create_thread(messages=[{"role": "system", "content": "be kind"}, *HELLO])

    await ada.respond(thread)
    await ada.respond(thread, input="more")

    assert [call.path for call in model.calls] == ["/v1/chat/completions"] * 2
    assert model.calls[0].headers["authorization"] == "Bearer sk-scripted"
    assert model.calls[0].body == {
        "model": "scripted",
        "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert model.calls[1].body["messages"][2:] == [
        {"role": "assistant", "content": "Hello world"},
        {"role": "user", "content": "more"},
    ]


FUNCTION = {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True}
CHOICE = {"type": "function", "function": {"name": "weather"}}
FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "place", "schema": {"properties": {"b": {}, "a": {}}, "type": "object"}, "strict": True},
}
SETTINGS = {
    "temperature": (0.5, "temperature", 0.5),
    "topP": (0.25, "top_p", 0.25),
    "maxOutputTokens": (99, "max_tokens", 99),
    "stop": ("END", "stop", ["END"]),
    "responseFormat": (FORMAT, "response_format", FORMAT),
    "tools": ([{"type": "function", "function": FUNCTION}], "tools", [{"type": "function", "function": FUNCTION}]),
    "toolChoice": (CHOICE, "tool_choice", CHOICE),
    "parallelToolCalls": (False, "parallel_tool_calls", False),
    "reasoningEffort": ("low", "reasoning_effort", "low"),
}


@pytest.mark.parametrize("source", ["request", "assistant", "request's assistant"])
async def test_every_setting_arrives_under_openais_name(place, ada, model, source):
    given = {name: value for name, (value, _, _) in SETTINGS.items()} | {"model": "scripted"}
    assistant = None
    if source != "request":
        assistant = (await ada.create_assistant(name=place.people.new_user(), **given)).id
    thread = await ada.create_thread(assistantId=assistant if source == "assistant" else None)
    body = {"request": given, "assistant": {}, "request's assistant": {"assistantId": assistant}}[source]

    response = await ada.respond(thread, input="hi", **body)

    sent = model.calls[-1].body
    assert {name: sent[name] for _, name, _ in SETTINGS.values()} == {
        name: value for _, name, value in SETTINGS.values()
    }
    assert (response.assistantId, sent["model"]) == (assistant, "scripted")
    assert (await ada.get_message(thread, response.messageId)).assistantId == assistant


async def test_instructions_lead_and_those_of_the_request_come_after_the_assistants(place, ada, model):
    assistant = await ada.create_assistant(name=place.people.new_user(), instructions="Be brief.")
    thread = await ada.create_thread(assistantId=assistant.id)

    await ada.respond(thread, input="hi", instructions="Be kind.")

    assert model.calls[0].body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "hi"},
    ]


async def test_functions_are_called_and_answered(ada, model):
    model.script = [
        tool_call(0, "call_a", "weather", '{"city": '),
        tool_call(0, None, None, '"Rome"}'),
        finish("tool_calls"),
        usage(3, 4),
        DONE,
    ]
    thread = await ada.create_thread()
    asked = await ada.respond(thread, input="weather?", tools=SETTINGS["tools"][0])
    model.answer("Sunny.")

    await ada.post_message(thread, "22 °C", role="tool", toolCallId="call_a")
    answered = await ada.respond(thread)

    calls = [{"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}]
    message = await ada.get_message(thread, asked.messageId)
    assert (asked["status"], asked.outputText, message.content, message.toolCalls) == ("completed", "", [], calls)
    assert model.calls[1].body["messages"] == [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "content": "22 °C", "tool_call_id": "call_a"},
    ]
    assert (answered.outputText, answered.inputMessageIds) == ("Sunny.", [])


async def test_a_result_may_come_as_input_and_one_that_never_came_is_made_up(ada, model):
    model.script = [tool_call(0, "a", "f", "{}"), tool_call(1, "b", "f", "{}"), finish("tool_calls"), DONE]
    thread = await ada.create_thread()
    await ada.respond(thread, input="hi")
    model.answer("done")

    response = await ada.respond(thread, input=[{"role": "tool", "toolCallId": "b", "content": "ok"}])

    assert response["status"] == "completed"
    results = {each["tool_call_id"]: each["content"] for each in model.calls[1].body["messages"][2:]}
    assert (results["b"], set(results)) == ("ok", {"a", "b"})
    assert "cancelled" in results["a"]


async def test_the_context_shows_what_the_model_would_get(ada, model):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "x" * 400}, *HELLO])

    whole = await ada.context(thread)
    short = await ada.context(thread, contextTokens=50)
    full = await ada.context(thread, contextMode="full")
    refused = await ada.context(thread, contextTokens=1)
    await ada.respond(thread, contextTokens=50)

    assert (whole.contextMode, whole.contextTokens, len(whole.messages)) == ("recent", 8000, 2)
    assert [texts(answer.messages) for answer in (short, full)] == [["hello"], ["x" * 400, "hello"]]
    assert full.contextTokens is None
    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "contextTokens")
    assert model.calls[-1].body["messages"] == [{"role": "user", "content": "hello"}]


async def test_the_context_leaves_out_an_answer_that_is_being_generated(ada, model):
    talk = await begin_talk(ada, model)

    during = await ada.context(talk.thread)
    await talk.ended(ada)
    after = await ada.context(talk.thread)

    assert (texts(during.messages), texts(after.messages)) == (["hi"], ["hi", "Hello"])


WHOLE, CUT = tool_call(0, "call_a", "weather", '{"city": "Rome"}'), tool_call(1, "call_b", "weather", '{"city": "R')


@pytest.mark.parametrize(
    ("reason", "code", "word"),
    [("length", "answer_too_long", "maxOutputTokens"), ("tool_calls", "model_unavailable", "JSON")],
)
async def test_an_answer_with_a_call_that_cannot_be_kept_has_failed_and_keeps_the_others(
    ada, model, reason, code, word
):
    model.script = ["So: ", WHOLE, CUT, finish(reason), DONE]
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi")

    message = await ada.get_message(thread, response.messageId)
    assert (response["status"], response.error["code"], response.finishReason) == ("failed", code, None)
    assert word in response.error["message"]
    assert (message["status"], response.outputText) == ("incomplete", "So: ")
    assert [call["id"] for call in message.toolCalls] == ["call_a"]


async def test_a_call_without_arguments_is_kept_with_an_empty_object(ada, model):
    model.script = [tool_call(0, "call_a", "now", ""), finish("tool_calls"), DONE]
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi")

    message = await ada.get_message(thread, response.messageId)
    assert (response["status"], response.finishReason) == ("completed", "toolCalls")
    assert message.toolCalls == [{"id": "call_a", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
