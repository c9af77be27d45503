"""Responses as other doors begin them: assistants' settings replaced, results of calls given to the same chain."""

import json

import pytest

from support.other_door import other_door
from support.scripted_model import DONE, answer_of, finish, tool_call
from threadkeep.contract.assistants import AssistantCreate, FunctionDefinition, Tool
from threadkeep.contract.messages import MessageCreate
from threadkeep.contract.responses import ResponseCreate
from threadkeep.errors import (
    AssistantBound,
    InvalidField,
    ResponseNotFound,
    ThreadEmpty,
    ThreadNotFound,
)
from threadkeep.operations.assistants import assistants
from threadkeep.operations.messages import appending
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import chains, responses
from threadkeep.operations.responses.continuing import NotWaiting
from threadkeep.operations.responses.manner import Manner
from threadkeep.operations.upkeep import verifying
from threadkeep.operations.upkeep.verifying import Report
from threadkeep.scope import Role

TOOL = Tool("function", FunctionDefinition("find_invoice"))
CALLS = [
    tool_call(0, "call_a", "find_invoice", '{"number": 1}'),
    tool_call(1, "call_b", "find_invoice", '{"number": 2}'),
    finish("tool_calls"),
    DONE,
]
RUN = Manner(overrides=True, needs_question=False, asked=b'{"kind": "run"}')


@pytest.fixture(scope="module")
async def door(new_database):
    async with other_door(await new_database()) as door:
        yield door


@pytest.fixture
def ada(door):
    door.model.reset()
    return door.as_user("uid_ada")


def result(call_id, text="found"):
    return MessageCreate("tool", text, tool_call_id=call_id)


def calling_first(*texts):
    """A model that calls two functions until it has got results."""

    def script(call):
        return answer_of(*texts) if call.body["messages"][-1]["role"] == "tool" else CALLS

    return script


async def waiting_chain(caller, **fields):
    """Begin a chain that waits for the results of two calls; return its thread and its first response."""
    caller.door.model.script = calling_first("Both found.")
    thread_id = await caller.thread("Where are they?")
    first = await caller.ask(thread_id, None, RUN, tools=[TOOL], **fields)
    assert first.finish_reason == "toolCalls"
    return thread_id, first


def sent(door):
    """What the model got last."""
    return door.model.calls[-1].body


async def assistant(door, **fields):
    owner = door.as_user("uid_owner", Role.OWNER)
    return (await owner.write(assistants.create, AssistantCreate(**fields))).object.id


async def problems(door):
    report = Report()
    await verifying.verify(door.database, report, lambda: None)
    return report.problems


async def test_a_requests_settings_win_over_those_of_the_assistant_that_it_names(door, ada):
    assistant_id = await assistant(door, model="scripted", temperature=0.1, instructions="Be brief.", top_p=0.5)
    thread_id = await ada.thread("hello")
    asked = {"assistant_id": assistant_id, "model": "other", "temperature": 0.9, "instructions": "Be long."}

    with pytest.raises(AssistantBound):
        await ada.ask(thread_id, **asked)
    response = await ada.ask(thread_id, None, RUN, **asked)

    assert (response.model, response.assistant_id) == ("other", assistant_id)
    assert (sent(door)["temperature"], sent(door)["top_p"]) == (0.9, 0.5)
    assert sent(door)["messages"][0] == {"role": "system", "content": "Be long."}


async def test_more_instructions_stand_behind_those_of_the_assistant(door, ada):
    assistant_id = await assistant(door, instructions="Be brief.")
    thread_id = await ada.thread("hello")

    await ada.ask(
        thread_id, None, Manner(overrides=True, additional_instructions="Be kind."), assistant_id=assistant_id
    )

    assert sent(door)["messages"][0]["content"] == "Be brief.\n\nBe kind."


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": "other"}, "model"),
        ({"instructions": "Be long."}, "instructions"),
        ({"assistant_id": "asst_x"}, "assistantId"),
    ],
)
async def test_the_assistant_that_a_thread_is_bound_to_keeps_what_it_fixes(door, ada, fields, param):
    assistant_id = await assistant(door, model="scripted", instructions="Be brief.")
    thread_id = await ada.thread("hello", assistant_id=assistant_id)

    with pytest.raises(AssistantBound) as refused:
        await ada.ask(thread_id, None, RUN, **fields)
    await ada.ask(thread_id, None, RUN, assistant_id=assistant_id, temperature=0.3, instructions="Be brief.")

    assert refused.value.param == param
    assert (sent(door)["temperature"], sent(door)["messages"][0]["content"]) == (0.3, "Be brief.")


async def test_an_empty_thread_and_one_that_ends_with_an_answer_are_answered_only_if_asked_so(door, ada):
    empty, answered = await ada.thread(), await ada.thread("hello")
    await ada.ask(answered)

    with pytest.raises(ThreadEmpty):
        await ada.ask(empty)
    with pytest.raises(InvalidField):
        await ada.ask(answered)
    first = await ada.ask(empty, None, RUN, instructions="Greet the user.")
    again = await ada.ask(answered, None, RUN)
    nothing = await ada.ask(await ada.thread(), None, RUN)

    assert (first.status, again.status) == ("completed", "completed")
    assert nothing.error.code == "model_refused"


async def test_the_results_of_its_calls_go_on_with_a_chain_in_its_own_settings(door, ada):
    thread_id, first = await waiting_chain(ada, temperature=0.7, instructions="Be brief.", metadata={"a": "b"})
    waiting = await ada.read(chains.find, thread_id, first.id)

    second = await ada.ask(thread_id, [result("call_b", "two"), result("call_a", "one")], Manner(continues=first.id))
    chain = await ada.read(chains.find, thread_id, first.id)

    assert waiting.is_waiting and [call.result for call in waiting.last.calls] == [None, None]
    assert (sent(door)["temperature"], sent(door)["tools"][0]["function"]["name"]) == (0.7, "find_invoice")
    assert sent(door)["messages"][0]["content"] == "Be brief."
    assert [each.row.id for each in chain.responses] == [first.id, second.id]
    assert [(call.id, call.result) for call in chain.first.calls] == [("call_a", "one"), ("call_b", "two")]
    assert not chain.is_waiting and chain.is_newest
    assert json.loads(bytes(chain.asked.own)) == {"kind": "run"}
    assert (chain.asked.configuration.temperature, chain.asked.instructions) == (0.7, "Be brief.")
    assert await problems(door) == []


async def test_a_chain_goes_on_as_it_began_though_its_assistant_was_changed_and_deleted(door, ada):
    assistant_id = await assistant(door, temperature=0.2, instructions="Be brief.", tools=[TOOL])
    owner = door.as_user("uid_owner", Role.OWNER)
    door.model.script = calling_first("Both found.")
    thread_id = await ada.thread("Where are they?")
    first = await ada.ask(thread_id, None, RUN, assistant_id=assistant_id)
    await owner.write(assistants.delete, assistant_id)

    second = await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))

    assert (second.status, second.assistant_id) == ("completed", assistant_id)
    assert (sent(door)["temperature"], sent(door)["messages"][0]["content"]) == (0.2, "Be brief.")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ([result("call_a")], "input"),
        ([result("call_a"), result("call_a")], "input[1]"),
        ([result("call_a"), result("call_b"), result("call_c")], "input[2]"),
        ([result("call_a"), result("call_b"), MessageCreate("user", "and?")], "input[2]"),
        ("and?", "input"),
        (None, "input"),
    ],
)
async def test_anything_but_each_result_once_is_refused_and_nothing_changes(ada, given, param):
    thread_id, first = await waiting_chain(ada)
    before = await ada.said(thread_id)

    with pytest.raises(InvalidField) as refused:
        await ada.ask(thread_id, given, Manner(continues=first.id))

    assert refused.value.param == param
    assert await ada.said(thread_id) == before
    assert (await ada.read(chains.find, thread_id, first.id)).is_waiting


async def test_a_chain_that_does_not_wait_takes_no_results(door, ada):
    both = [result("call_a"), result("call_b")]
    done_thread = await ada.thread("hello")
    done = await ada.ask(done_thread, None, RUN)
    left_thread, left = await waiting_chain(ada)
    door.model.answer("Never mind.")
    await ada.ask(left_thread, "Something else", RUN)
    cancelled_thread, cancelled = await waiting_chain(ada)
    await ada.write(chains.cancel, cancelled_thread, cancelled.id)

    for thread_id, first in ((done_thread, done), (left_thread, left), (cancelled_thread, cancelled)):
        with pytest.raises(NotWaiting):
            await ada.ask(thread_id, both, Manner(continues=first.id))
    with pytest.raises(ResponseNotFound):
        await ada.ask(done_thread, both, Manner(continues=left.id))


async def test_what_waits_may_have_messages_behind_it(door, ada):
    thread_id, first = await waiting_chain(ada)
    await ada.write(appending.append, thread_id, MessageCreate("user", "By the way."))

    await ada.ask(thread_id, [result("call_a", "one"), result("call_b", "two")], Manner(continues=first.id))

    assert [each["role"] for each in sent(door)["messages"]] == ["user", "assistant", "tool", "tool", "user"]


async def test_a_response_of_the_native_api_goes_on_with_its_assistant(door, ada):
    assistant_id = await assistant(door, temperature=0.4, tools=[TOOL])
    door.model.script = calling_first("Both found.")
    thread_id = await ada.thread("Where are they?")
    first = await ada.ask(thread_id, assistant_id=assistant_id)

    second = await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))

    assert second.status == "completed"
    assert (sent(door)["temperature"], len(sent(door)["tools"])) == (0.4, 1)


async def test_results_that_came_by_another_door_are_shown(ada):
    thread_id, first = await waiting_chain(ada)
    await ada.write(appending.append, thread_id, result("call_b", "two"))

    chain = await ada.read(chains.find, thread_id, first.id)

    assert [call.result for call in chain.last.calls] == [None, "two"]


async def test_a_retry_with_the_same_key_begins_no_second_response(ada):
    thread_id = await ada.thread("hello")
    body = ResponseCreate(metadata={"a": "b"})

    first = await ada.create(thread_id, body, RUN, key="k1")
    again = await ada.create(thread_id, body, RUN, key="k1")

    assert again.was_replayed and again.value.id == first.value.id


async def test_the_list_has_one_entry_for_each_chain_with_all_its_responses(ada):
    thread_id, first = await waiting_chain(ada)
    await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))
    alone = await ada.ask(thread_id, "Thanks", RUN)
    native = await ada.ask(thread_id, "Bye")

    page = await ada.read(chains.list_chains, thread_id, Window(2, True, None, None))
    rest = await ada.read(chains.list_chains, thread_id, Window(2, True, page.last_id, None))

    assert [chain.id for chain in page.data] == [native.id, alone.id]
    assert ([chain.id for chain in rest.data], rest.has_more) == ([first.id], False)
    assert [len(chain.responses) for chain in rest.data] == [2]
    assert [call.id for call in rest.data[0].first.calls] == ["call_a", "call_b"]
    assert [chain.is_newest for chain in page.data] == [True, False]


async def test_a_page_of_chains_costs_as_many_statements_as_one(door, ada, counted):
    thread_id = await ada.thread()
    for number in range(5):
        await ada.ask(thread_id, f"Question {number}", RUN)

    one = await counted(ada, chains.list_chains, thread_id, Window(1, True, None, None))
    five = await counted(ada, chains.list_chains, thread_id, Window(5, True, None, None))

    assert one == five == 1


@pytest.fixture
def counted():
    """Count the statements of a read."""

    async def count(caller, operation, *arguments):
        class Counting:
            def __init__(self, tx):
                self.tx, self.count, self.scope = tx, 0, tx.scope

            def fetch(self, statement, **parameters):
                self.count += 1
                return self.tx.fetch(statement, **parameters)

        async def run(tx):
            counting = Counting(tx)
            await operation(counting, *arguments)
            return counting.count

        return await caller.read(run)

    return count


async def test_cancelling_ends_what_runs_and_what_waits_and_leaves_what_has_ended(door, ada):
    waiting_thread, waiting = await waiting_chain(ada)
    _, was_ended = await ada.write(chains.cancel, waiting_thread, waiting.id)
    cancelled = await ada.read(chains.find, waiting_thread, waiting.id)
    _, again = await ada.write(chains.cancel, waiting_thread, waiting.id)

    assert was_ended and not again
    assert cancelled.cancelled_ms is not None and not cancelled.is_waiting
    assert json.loads(bytes(cancelled.asked.own)) == {"kind": "run"}
    assert cancelled.asked.configuration.model == "scripted"

    door.model.script = ["Once upon", 30]
    running_thread = await ada.thread("Tell me a story")
    answered = await ada.create(running_thread, ResponseCreate(background=True), RUN)
    chain, was_ended = await ada.write(chains.cancel, running_thread, answered.value.id)
    assert was_ended and chain.last.row.status == "cancelled"


async def test_metadata_of_a_chain_merges_also_in_a_locked_thread(ada):
    thread_id, first = await waiting_chain(ada, metadata={"a": "1", "b": "2"})

    chain = await ada.write(chains.update_metadata, thread_id, first.id, {"b": None, "c": "3"})
    read = await ada.read(responses.read, thread_id, first.id)

    assert chain.first.row.metadata == '{"a":"1","c":"3"}'
    assert json.loads(bytes(read.metadata)) == {"a": "1", "c": "3"}


async def test_nobody_else_finds_goes_on_with_or_cancels_a_chain(door, ada):
    thread_id, first = await waiting_chain(ada)
    ben = door.as_user("uid_ben")
    window = Window(20, True, None, None)

    with pytest.raises(ResponseNotFound):
        await ben.read(chains.of, first.id)
    for work in (
        ben.read(chains.find, thread_id, first.id),
        ben.read(chains.list_chains, thread_id, window),
        ben.write(chains.cancel, thread_id, first.id),
        ben.write(chains.update_metadata, thread_id, first.id, {"a": "b"}),
        ben.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id)),
    ):
        with pytest.raises(ThreadNotFound):
            await work
    assert (await ada.read(chains.find, thread_id, first.id)).is_waiting


async def test_a_later_response_of_a_chain_is_no_chain_of_its_own(ada):
    thread_id, first = await waiting_chain(ada)
    second = await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))

    with pytest.raises(ResponseNotFound):
        await ada.read(chains.find, thread_id, second.id)
    assert (await ada.read(chains.of, second.id)).id == first.id
    assert (await ada.read(chains.of, first.id)).id == first.id
    assert (await ada.read(responses.read, thread_id, second.id)).id == second.id


async def test_more_than_a_hundred_messages_go_in_at_once(ada):
    thread_id = await ada.thread()

    response = await ada.ask(thread_id, [MessageCreate("user", f"line {n}") for n in range(251)], RUN)

    assert len(response.input_message_ids) == 251
