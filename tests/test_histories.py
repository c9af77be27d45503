"""No history is unusable: whatever happened in a thread, the next request is one that its model's server takes."""

from typing import Any

import pytest

from conftest import stored_in
from support.answering import open_place
from support.cast import Caller
from support.scripted_model import CLOSE, DONE, STALL, ScriptedModel, chunk, finish, reasoning, text, tool_call
from support.waiting import SOON_S, SWEPT_S, eventually
from threadkeep.operations.messages.wanted_back import CHARACTERS_MAX

SIGNED = {"google": {"thought_signature": "canary-signature"}}
TOOLS = [{"type": "function", "function": {"name": "weather"}}]
THOUGHT = "canary-thought"


def signed_call(index: int, call_id: str, signature: dict[str, Any] | None = None) -> dict[str, Any]:
    """A whole call; with a signature as Gemini sends it."""
    call = {"index": index, "id": call_id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    return chunk({"tool_calls": [call | ({"extra_content": signature} if signature else {})]})


THOUGHTFUL = [reasoning("canary-"), reasoning("thought"), tool_call(0, "call_a", "weather", "{}"), finish("tool_calls")]
THOUGHTFUL = [*THOUGHTFUL, DONE]
SIGNING = [signed_call(0, "call_a", SIGNED), signed_call(1, "call_b"), finish("tool_calls"), DONE]


@pytest.fixture(scope="module")
async def place(new_database, zygote, workspace):
    """The model `scripted`, and at another server the models `always` and `never`, which have their own settings."""
    elsewhere = await ScriptedModel.start()
    models = workspace / "models of histories.toml"
    models.write_text(
        "".join(f'[{name}]\nurl = "{elsewhere.url}"\nreasoning = "{name}"\n' for name in ("always", "never"))
    )
    more = {"THREADKEEP_MODEL": "scripted,other", "THREADKEEP_MODELS_FILE": str(models)}
    async with open_place(new_database, zygote, **more) as place:
        place.elsewhere = elsewhere
        yield place
    await elsewhere.stop()


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


def given(call_id: str, content: str = "4 °C") -> dict[str, Any]:
    return {"role": "tool", "content": content, "toolCallId": call_id}


async def called(ada: Caller, model: Any, script: list[Any], **more: Any) -> tuple[Any, Any]:
    """Return a thread whose model has called, and that answer."""
    model.script = script
    thread = await ada.create_thread()
    response = await ada.respond(thread, input="How warm is it?", **more)
    model.answer("4 °C.")
    return thread, response


def sent(model: Any, role: str) -> list[dict[str, Any]]:
    return [message for message in model.calls[-1].body["messages"] if message["role"] == role]


async def test_a_call_without_arguments_is_sent_with_an_empty_object(ada, model):
    thread, response = await called(ada, model, [tool_call(0, "call_a", "weather", ""), finish("tool_calls"), DONE])

    await ada.respond(thread, input=[given("call_a")])

    assert response["status"] == "completed"
    assert sent(model, "assistant")[0]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize("stream", [False, True])
async def test_reasoning_goes_back_with_the_calls_that_came_with_it(ada, model, stream):
    thread, _ = await called(ada, model, THOUGHTFUL, stream=stream)

    await ada.respond(thread, input=[given("call_a")])
    await ada.respond(thread, input="And now?")

    for call in model.calls[1:]:
        assert call.body["messages"][1]["reasoning_content"] == THOUGHT
        assert call.body["messages"][1]["tool_calls"][0]["id"] == "call_a"


async def test_reasoning_goes_back_in_the_field_in_which_it_came(ada, model):
    script = [chunk({"reasoning": THOUGHT}), tool_call(0, "call_a", "weather", "{}"), finish("tool_calls"), DONE]
    thread, _ = await called(ada, model, script)

    await ada.respond(thread, input=[given("call_a")])

    assert sent(model, "assistant")[0]["reasoning"] == THOUGHT
    assert "reasoning_content" not in sent(model, "assistant")[0]


async def test_the_reasoning_of_a_whole_round_goes_back(ada, model):
    thread, _ = await called(ada, model, THOUGHTFUL)
    model.script = [reasoning("Therefore"), text("4 °C."), finish(), DONE]
    await ada.respond(thread, input=[given("call_a")])
    model.answer("fine")

    await ada.respond(thread, input="And now?")

    assert [each["reasoning_content"] for each in sent(model, "assistant")] == [THOUGHT, "Therefore"]


async def test_reasoning_without_calls_is_not_kept(ada, model, stored):
    thread, _ = await called(ada, model, [reasoning(THOUGHT), text("4 °C."), finish(), DONE])

    await ada.respond(thread, input="And now?")

    assert sent(model, "assistant") == [{"role": "assistant", "content": "4 °C."}]
    assert await kept(stored, thread) == [None, None]


@pytest.mark.parametrize(("name", "is_kept"), [("always", True), ("never", False)])
async def test_a_model_says_whether_its_reasoning_goes_back(place, ada, stored, name, is_kept):
    model = place.elsewhere
    model.script = [reasoning(THOUGHT), text("4 °C."), finish(), DONE]
    thread = await ada.create_thread()
    await ada.respond(thread, input="How warm is it?", model=name)
    model.script = THOUGHTFUL
    await ada.respond(thread, input="And now?", model=name)
    model.answer("fine")

    await ada.respond(thread, input=[given("call_a")], model=name)

    assert ["reasoning_content" in each for each in sent(model, "assistant")] == [is_kept, is_kept]
    assert [each is not None for each in await kept(stored, thread)] == [is_kept, is_kept, False]


async def kept(stored: Any, thread: Any) -> list[str | None]:
    """Return what is stored to be sent back with the thread's answers."""
    return [
        row[0]
        for row in await stored.rows(f"""
            select m.wanted_back from messages m join threads t on t.organization = m.organization and t.key = m.thread
            where t.id = '{thread.id}' and m.role = 'assistant' order by m.seq
            """)
    ]


@pytest.fixture
async def stored(server):
    async with stored_in(server.database) as stored:
        yield stored


async def test_a_signature_goes_back_with_its_call(ada, model):
    thread, _ = await called(ada, model, SIGNING)

    await ada.respond(thread, input=[given("call_a"), given("call_b")])

    first, second = sent(model, "assistant")[0]["tool_calls"]
    assert (first["id"], first["extra_content"]) == ("call_a", SIGNED)
    assert (second["id"], "extra_content" in second) == ("call_b", False)


async def test_what_one_model_wants_back_no_other_gets(ada, model):
    thread, _ = await called(ada, model, THOUGHTFUL[:2] + SIGNING)

    await ada.respond(thread, input=[given("call_a"), given("call_b")], model="other")

    assert set(sent(model, "assistant")[0]) == {"role", "content", "tool_calls"}
    assert all(set(call) == {"id", "type", "function"} for call in sent(model, "assistant")[0]["tool_calls"])


async def test_an_edit_removes_what_belonged_to_the_words_before(ada, model, stored):
    thread, response = await called(ada, model, [text("Let me see."), *THOUGHTFUL])
    message = await ada.get_message(thread, response.messageId)
    await ada.update_message(thread, message, metadata={"seen": True})
    before = await kept(stored, thread)

    await ada.update_message(thread, message, content="Wait.")
    await ada.respond(thread, input=[given("call_a")])

    assert before[0] is not None
    assert (await kept(stored, thread))[0] is None
    assert set(sent(model, "assistant")[0]) == {"role", "content", "tool_calls"}


async def test_nobody_is_shown_what_a_model_wants_back(ada, model):
    thread, response = await called(ada, model, THOUGHTFUL[:2] + SIGNING)

    shown = [
        await ada.get_message(thread, response.messageId),
        await ada.list_messages(thread),
        await ada.get_response(thread, response.id),
        await ada.request("GET", f"/v1/threads/{thread.id}/responses"),
        await ada.context(thread),
        await ada.context(thread, contextMode="full"),
        await ada.list_threads(include="lastMessage"),
    ]

    for answer in shown:
        assert answer.status == 200
        assert "canary" not in answer.text


@pytest.mark.parametrize("how", ["message", "messages", "thread"])
async def test_what_is_kept_is_erased_with_its_message(ada, model, stored, how):
    word = f"canary-erased-{how}"
    signature = {"google": {"thought_signature": word}}
    thread, response = await called(
        ada, model, [reasoning(word), signed_call(0, "call_a", signature), finish("tool_calls"), DONE]
    )
    before = await stored.everything()

    if how == "message":
        await ada.delete_message(thread, response.messageId)
    else:
        await (ada.delete_messages(thread) if how == "messages" else ada.delete(thread))

    assert before.count(word) >= 2
    await eventually(stored.everything, lambda after: word not in after, SWEPT_S)


async def test_what_is_kept_does_not_count_as_tokens(ada, model):
    long = [reasoning("x" * 40_000), *THOUGHTFUL]
    thread, _ = await called(ada, model, long)
    before = await ada.context(thread)

    response = await ada.respond(thread, input=[given("call_a")], contextTokens=100)

    assert before.totalTokens < 100
    assert response["status"] == "completed"
    assert sent(model, "assistant")[0]["reasoning_content"] == "x" * 40_000 + THOUGHT


async def test_older_reasoning_goes_along_as_far_as_the_context_leaves_room(ada, model):
    thread, _ = await called(ada, model, [reasoning("x" * 2_000), *THOUGHTFUL])
    await ada.respond(thread, input=[given("call_a")])

    await ada.respond(thread, input="And now?", contextTokens=200)
    narrow = sent(model, "assistant")[0]
    await ada.respond(thread, input="And then?", contextTokens=2_000)
    wide = sent(model, "assistant")[0]

    assert "reasoning_content" not in narrow
    assert wide["reasoning_content"] == "x" * 2_000 + THOUGHT


@pytest.mark.parametrize(("characters", "is_kept"), [(CHARACTERS_MAX - 200, True), (CHARACTERS_MAX + 1, False)])
async def test_what_is_too_long_is_not_kept(ada, model, stored, characters, is_kept):
    signature = {"google": {"thought_signature": "s" * characters}}
    thread, response = await called(ada, model, [signed_call(0, "call_a", signature), finish("tool_calls"), DONE])

    assert response["status"] == "completed"
    assert [each is not None for each in await kept(stored, thread)] == [is_kept]


@pytest.mark.parametrize(("characters", "is_kept"), [(1, True), (100, False)])
async def test_reasoning_in_thousands_of_pieces_is_counted_by_its_text(ada, model, stored, characters, is_kept):
    detail = {"type": "reasoning.encrypted", "id": "reasoning-1", "format": "anthropic-claude-v1", "index": 0}
    pieces = [chunk({"reasoning_details": [detail | {"data": "x" * characters}]}) for _ in range(4_000)]
    signed = chunk({"reasoning_details": [detail | {"signature": "canary-signature"}]})
    thread, _ = await called(ada, model, [*pieces, signed, *THOUGHTFUL[2:]])

    await ada.respond(thread, input=[given("call_a")])

    whole = detail | {"data": "x" * characters * 4_000, "signature": "canary-signature"}
    assert sent(model, "assistant")[0].get("reasoning_details") == ([whole] if is_kept else None)
    assert [each is not None for each in await kept(stored, thread)] == [is_kept, False]


async def test_pieces_without_any_text_are_not_kept_without_end(ada, model, stored):
    pieces = chunk({"reasoning_details": [{"type": "reasoning.text"}] * 1_000})
    thread, response = await called(ada, model, [*[pieces] * 20, *THOUGHTFUL[2:]])

    assert response["status"] == "completed"
    assert await kept(stored, thread) == [None]


THINKING = {"type": "thinking"}


@pytest.mark.parametrize("field", ["thinking_blocks", "content"])
async def test_blocks_in_pieces_go_back_as_they_were_and_none_without_its_signature(ada, model, field):
    hidden = {"type": "redacted_thinking", "data": "AAAA"}
    pieces = [
        *[THINKING | {"thinking": text} for text in ("Let", " me", " think")],
        THINKING | {"thinking": "", "signature": "canary-one"},
        hidden,
        THINKING | {"thinking": "Or", "signature": ""},
        THINKING | {"thinking": "", "signature": "canary-two"},
        THINKING | {"thinking": "never signed"},
    ]
    thread, _ = await called(ada, model, [*[chunk({field: [piece]}) for piece in pieces], *THOUGHTFUL[2:]])

    await ada.respond(thread, input=[given("call_a")])

    assert sent(model, "assistant")[0][field] == [
        THINKING | {"thinking": "Let me think", "signature": "canary-one"},
        hidden,
        THINKING | {"thinking": "Or", "signature": "canary-two"},
    ]


async def test_odd_characters_in_a_signature_do_no_harm(ada, model):
    body = (
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"call_a","function":{"name":"f","arguments":"{}"}'
    )
    body += b',"extra_content":{"google":{"thought_signature":"a\\u0000b%s"}}}]}}]}\n\n'
    for odd, is_kept in ((b"", True), (b"\\ud800", False)):
        thread, response = await called(ada, model, [body % odd, finish("tool_calls"), DONE])

        answered = await ada.respond(thread, input=[given("call_a")])

        assert (response["status"], answered["status"]) == ("completed", "completed")
        assert ("extra_content" in sent(model, "assistant")[0]["tool_calls"][0]) == is_kept


async def test_a_call_of_an_answer_that_broke_off_keeps_what_belongs_to_it(ada, model):
    thread, response = await called(ada, model, [*THOUGHTFUL[:3], CLOSE])

    await ada.respond(thread, input=[given("call_a")])

    assert response["status"] == "failed"
    assert sent(model, "assistant")[0]["reasoning_content"] == THOUGHT


async def test_a_cancelled_round_goes_on(ada, model):
    model.script = [*THOUGHTFUL[:3], "Hel", STALL]
    thread = await ada.create_thread()
    running = await ada.respond(thread, input="How warm is it?", background=True)
    await eventually(lambda: ada.get_response(thread, running), lambda answer: answer.outputText == "Hel", SOON_S)
    await ada.cancel(thread, running)
    model.answer("fine")

    again = await ada.respond(thread, input="And now?")

    calls = [call for message in sent(model, "assistant") for call in message.get("tool_calls", ())]
    assert again["status"] == "completed"
    assert [message["tool_call_id"] for message in sent(model, "tool")] == [call["id"] for call in calls]


async def test_what_is_blank_is_not_sent(ada, model):
    image = {"type": "image", "url": "https://i.example/a.png"}
    thread = await ada.create_thread(
        messages=[
            {"role": "assistant", "content": " \n"},
            {"role": "user", "content": [{"type": "text", "text": " "}, image]},
            {"role": "assistant", "content": "  ", "toolCalls": [call_of("a"), call_of("a")]},
            given("a", ""),
        ]
    )

    await ada.respond(thread, instructions=" ")

    messages = model.calls[-1].body["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert [part["type"] for part in messages[0]["content"]] == ["image_url"]
    assert messages[1]["content"] is None
    assert len({call["id"] for call in messages[1]["tool_calls"]}) == 2
    assert [message["tool_call_id"] for message in messages[2:]] == [call["id"] for call in messages[1]["tool_calls"]]
    assert all(message["content"].strip() for message in messages[2:])


def call_of(id: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "weather", "arguments": "{}"}}
