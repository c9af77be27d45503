"""`contextMessages`: how many messages of a thread a model gets at most, in every mode."""

import pytest

from support.answering import open_place, texts
from support.scripted_model import DONE, finish, tool_call

TEN = [{"role": "user" if number % 2 else "assistant", "content": str(number)} for number in range(1, 11)]
CALL = {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "look_up"}}]


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
async def thread(ada):
    return await ada.create_thread(messages=TEN)


def sent(model):
    return [message["content"] for message in model.calls[-1].body["messages"]]


@pytest.mark.parametrize("mode", ["recent", "full"])
@pytest.mark.parametrize(("count", "kept"), [(1, 1), (4, 4), (10, 10), (10_000, 10)])
async def test_the_newest_so_many_are_chosen(ada, thread, mode, count, kept):
    context = await ada.context(thread, contextMode=mode, contextMessages=count)

    assert texts(context.messages) == [str(number) for number in range(11 - kept, 11)]
    assert context.contextMessages == count


@pytest.mark.parametrize(
    ("count", "numbers"), [(1, [1, 2, 3, 10]), (4, [1, 2, 3, 10]), (5, [1, 2, 3, 9, 10]), (100, range(1, 11))]
)
async def test_in_smart_the_first_three_stay_and_count(ada, thread, count, numbers):
    context = await ada.context(thread, contextMode="smart", contextMessages=count)

    assert texts(context.messages) == [str(number) for number in numbers]


async def test_the_limit_in_tokens_holds_besides(ada, thread):
    context = await ada.context(thread, contextTokens=15, contextMessages=5)

    assert texts(context.messages) == ["8", "9", "10"]


async def test_instructions_are_no_message_of_the_thread(ada, model, thread):
    await ada.respond(thread, input="11", instructions="Be brief.", contextMessages=2)

    assert sent(model) == ["Be brief.", "10", "11"]


async def test_all_of_the_input_stays_even_where_it_is_more(ada, model, thread):
    await ada.respond(thread, input=[{"role": "user", "content": text} for text in "abc"], contextMessages=2)

    assert sent(model) == ["a", "b", "c"]


async def test_a_result_keeps_the_call_that_it_answers(ada, model, thread):
    model.script = [tool_call(0, "call_a", "look_up", "{}"), finish("tool_calls"), DONE]
    await ada.respond(thread, input="11", tools=TOOLS)
    model.answer("done")

    response = await ada.respond(
        thread, input=[{"role": "tool", "toolCallId": "call_a", "content": "found"}], contextMessages=1
    )

    assert response["status"] == "completed"
    assert [message["role"] for message in model.calls[-1].body["messages"]] == ["assistant", "tool"]


async def test_a_result_whose_call_is_outside_is_left_out(ada):
    said = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "toolCalls": [CALL]},
        {"role": "tool", "toolCallId": "call_a", "content": "found"},
        {"role": "assistant", "content": "b"},
    ]
    thread = await ada.create_thread(messages=said)

    assert texts((await ada.context(thread, contextMessages=2)).messages) == ["b"]
    assert texts((await ada.context(thread, contextMessages=3)).messages) == ["", "found", "b"]


async def test_an_assistant_fixes_the_number_or_leaves_it_open(ada, place, model):
    fixing = await ada.create_assistant(name=place.people.new_user(), contextMessages=2)
    thread = await ada.create_thread(assistantId=fixing.id, messages=TEN)

    shown = await ada.context(thread)
    refused = [await ada.context(thread, contextMessages=3), await ada.respond(thread, input="11", contextMessages=3)]
    await ada.respond(thread, input="11", contextMessages=2)

    assert (texts(shown.messages), shown.contextMessages) == (["9", "10"], 2)
    for each in refused:
        assert (each.status, each.code, each.param) == (409, "assistant_bound", "contextMessages")
    assert sent(model) == ["10", "11"]


@pytest.mark.parametrize("count", ["0", "10001", "-1", "1.5", "many"])
async def test_a_number_that_cannot_be_is_refused(ada, thread, count):
    refused = await ada.context(thread, contextMessages=count)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "contextMessages")


async def test_without_a_number_only_tokens_count(ada, thread):
    context = await ada.context(thread)

    assert (len(context.messages), context.contextMessages) == (10, None)
