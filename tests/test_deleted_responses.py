"""A deleted response: out of reach with its input and its answer, while what it used stays counted."""

import pytest

from support.other_door import other_door
from support.scripted_model import DONE, finish, reasoning
from support.stored import stored_in
from test_response_chains import RUN, problems, result, waiting_chain
from threadkeep.contract.messages import MessageCreate
from threadkeep.contract.responses import ResponseCreate
from threadkeep.errors import MessageNotFound, ResponseNotFound, ThreadBusy, ThreadLocked, ThreadNotFound
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import chains, deleting, responses
from threadkeep.operations.responses.manner import Hidden, Manner
from threadkeep.operations.threads import state, threads

NEW = Manner(hidden=Hidden())
PAGE = Window(100, False, None, None)


@pytest.fixture(scope="module")
async def door(new_database):
    async with other_door(await new_database()) as door:
        yield door


@pytest.fixture
def ada(door):
    door.model.reset()
    return door.as_user("uid_ada")


async def rows(door, sql):
    async with stored_in(door.place) as stored:
        return await stored.rows(sql)


async def test_its_messages_go_and_what_stands_around_them_stays(door, ada):
    thread_id = await ada.thread("before")
    first = await ada.ask(thread_id, "one", RUN)
    second = await ada.ask(thread_id, "two", RUN)

    deleted_from = await ada.write(deleting.delete, first.id)
    thread = (await ada.read(threads.read, thread_id)).object
    listed = await ada.read(responses.list_responses, thread_id, PAGE)

    assert deleted_from == thread_id
    assert [role for role, _ in await ada.said(thread_id)] == ["user", "user", "assistant"]
    assert (thread.message_count, [each.id for each in listed.data]) == (3, [second.id])
    with pytest.raises(ResponseNotFound):
        await ada.read(responses.read, thread_id, first.id)
    with pytest.raises(ResponseNotFound):
        await ada.write(deleting.delete, first.id)
    with pytest.raises(MessageNotFound):
        await ada.read(messages.read, thread_id, first.message_id)
    assert await problems(door) == []


async def test_nothing_that_it_streamed_is_kept_and_its_tokens_are(door, ada):
    used = "select coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0) from usage_rows"
    [before] = await rows(door, used)
    response = await ada.ask(await ada.thread(), "hello", RUN)
    [[key]] = await rows(door, f"select key from responses where id = '{response.id}'")

    await ada.write(deleting.delete, response.id)

    [after] = await rows(door, used)
    assert await rows(door, f"select 1 from response_events where response = {key}") == []
    assert (after[0] - before[0], after[1] - before[1]) == (10, 2)


async def test_nothing_is_kept_of_one_that_thought_and_said_nothing(door, ada):
    door.model.script = [reasoning("Hm."), finish(), DONE]
    response = await ada.ask(await ada.thread(), "hello", RUN)
    [[key]] = await rows(door, f"select key from responses where id = '{response.id}'")
    of_it = f"select count(*) from response_events where response = {key}"
    assert await rows(door, of_it) == [(1,)]

    await ada.write(deleting.delete, response.id)

    assert await rows(door, of_it) == [(0,)]


async def test_one_that_runs_is_cancelled_first(door, ada):
    thread_id = await ada.thread()
    door.model.script = ["Once upon", 30]
    answered = await ada.create(thread_id, ResponseCreate(input="a story", background=True), RUN)
    with pytest.raises(ThreadBusy):
        await ada.write(appending.append, thread_id, MessageCreate("user", "wait"))

    await ada.write(deleting.delete, answered.value.id)

    assert await ada.said(thread_id) == []
    await ada.write(appending.append, thread_id, MessageCreate("user", "now"))
    assert await problems(door) == []


async def test_one_is_not_deleted_while_another_runs_or_from_a_locked_thread(door, ada):
    thread_id = await ada.thread()
    first = await ada.ask(thread_id, "one", RUN)
    door.model.script = ["Once upon", 30]
    running = await ada.create(thread_id, ResponseCreate(input="a story", background=True), RUN)

    with pytest.raises(ThreadBusy):
        await ada.write(deleting.delete, first.id)
    await ada.write(responses.cancel, thread_id, running.value.id)
    await ada.write(state.lock, thread_id)
    with pytest.raises(ThreadLocked):
        await ada.write(deleting.delete, first.id)


async def test_a_thread_that_the_service_made_goes_with_its_last_message(door, ada):
    first = await ada.ask(None, "one", NEW)
    second = await ada.ask(None, "two", Manner(hidden=Hidden(first.id)))

    await ada.write(deleting.delete, second.id)
    assert len(await ada.said(first.thread_id)) == 2
    await ada.write(deleting.delete, first.id)

    with pytest.raises(ThreadNotFound):
        await ada.read(threads.read, first.thread_id)
    assert await problems(door) == []


async def test_a_callers_own_thread_stays_though_it_is_empty(ada):
    thread_id = await ada.thread()
    response = await ada.ask(thread_id, "one", RUN)

    await ada.write(deleting.delete, response.id)

    assert (await ada.read(threads.read, thread_id)).object.message_count == 0


async def test_with_the_first_of_a_chain_all_of_it_goes(door, ada):
    thread_id, first = await waiting_chain(ada)
    second = await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))

    await ada.write(deleting.delete, first.id)

    assert [role for role, _ in await ada.said(thread_id)] == ["user"]
    for response in (first, second):
        with pytest.raises(ResponseNotFound):
            await ada.read(responses.read, thread_id, response.id)
    assert await problems(door) == []


async def test_without_its_last_response_a_chain_waits_again(ada):
    thread_id, first = await waiting_chain(ada)
    second = await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))

    await ada.write(deleting.delete, second.id)

    assert (await ada.read(chains.find, thread_id, first.id)).is_waiting
    await ada.ask(thread_id, [result("call_a"), result("call_b")], Manner(continues=first.id))


async def test_in_a_branched_thread_those_who_followed_follow_what_it_followed(door, ada):
    thread_id = await ada.thread("question")
    first = await ada.ask(thread_id, "one", RUN)
    await ada.ask(thread_id, "another branch", RUN, after=None)
    await ada.ask(thread_id, "on from one", RUN, after=first.message_id)

    await ada.write(deleting.delete, first.id)
    await ada.ask(thread_id, "and?", RUN)

    sent = [each["content"] for each in door.model.calls[-1].body["messages"]]
    assert sent == ["question", "on from one", "Hello world", "and?"]
    assert len(await ada.said(thread_id)) == 7
    assert await problems(door) == []


async def test_nobody_else_deletes_it(door, ada):
    response = await ada.ask(await ada.thread(), "one", RUN)

    with pytest.raises(ResponseNotFound):
        await door.as_user("uid_ben").write(deleting.delete, response.id)
    assert (await ada.read(responses.read, response.thread_id, response.id)).id == response.id


async def test_a_retry_of_its_request_is_refused_and_repeats_nothing(door, ada):
    thread_id = await ada.thread()
    body = ResponseCreate(input="once")
    answered = await ada.create(thread_id, body, RUN, key="deleted")

    await ada.write(deleting.delete, answered.value.id)

    with pytest.raises(ThreadNotFound):
        await ada.create(thread_id, body, RUN, key="deleted")
    assert await ada.said(thread_id) == []
