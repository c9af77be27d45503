"""Threads that the service makes for responses whose caller has none: hidden, going on, copied, and gone in time."""

import asyncio
import time

import pytest

from support.answering import change_stored
from support.other_door import other_door
from support.stored import stored_in
from support.waiting import eventually
from threadkeep.contract.messages import FunctionCall, MessageCreate, ToolCall
from threadkeep.contract.responses import ResponseCreate
from threadkeep.errors import InvalidField, ResponseNotFound, ThreadBusy, ThreadNotFound
from threadkeep.operations.messages import appending, messages
from threadkeep.operations.responses import responses, settling
from threadkeep.operations.responses.manner import Hidden, Manner
from threadkeep.operations.threads import service_made, threads
from threadkeep.operations.upkeep import expiring, verifying
from threadkeep.operations.upkeep.verifying import Report
from threadkeep.scope import Role

DAY_S = 24 * 3600
NEW = Manner(hidden=Hidden())
UNKEPT = Manner(hidden=Hidden(is_kept=False))


@pytest.fixture(scope="module")
async def door(new_database):
    async with other_door(await new_database()) as door:
        yield door


@pytest.fixture
def ada(door):
    door.model.reset()
    return door.as_user("uid_ada")


def after(response, *, is_kept=True):
    return Manner(hidden=Hidden(response.id, is_kept))


async def thread_of(caller, response):
    return (await caller.read(threads.read, response.thread_id)).object


async def texts(caller, thread_id):
    return [text for _, text in await caller.said(thread_id)]


async def expire(door, thread_id):
    await change_stored(door.place, f"update threads set expires_ms = 1 where id = '{thread_id}'")
    while await door.database.write(expiring.expire_threads, None):
        pass


async def problems(door):
    report = Report()
    await verifying.verify(door.database, report, lambda: None)
    return report.problems


async def test_a_response_without_a_thread_gets_a_hidden_one_that_ends_30_days_after_its_last_use(ada):
    response = await ada.ask(None, "hello", NEW)
    made = await thread_of(ada, response)

    assert response.status == "completed"
    assert (made.visible_in_ui, made.user_id, made.message_count) == (False, "uid_ada", 2)
    assert abs(made.expires_at - time.time() - 30 * DAY_S) < 60


async def test_it_ends_sooner_where_the_organization_keeps_no_thread_so_long(door):
    ben = door.as_user("uid_ben", retention_days=7)

    made = await thread_of(ben, await ben.ask(None, "hello", NEW))

    assert abs(made.expires_at - time.time() - 7 * DAY_S) < 60


async def test_what_follows_the_newest_answer_goes_on_in_the_same_thread_and_moves_its_end(door, ada):
    first = await ada.ask(None, "one", NEW)
    await change_stored(door.place, f"update threads set expires_ms = 2000000000000 where id = '{first.thread_id}'")

    second = await ada.ask(None, "two", after(first))
    made = await thread_of(ada, second)

    assert second.thread_id == first.thread_id
    assert made.message_count == 4
    assert abs(made.expires_at - time.time() - 30 * DAY_S) < 60
    assert [each["content"] for each in door.model.calls[-1].body["messages"]] == ["one", "Hello world", "two"]


async def test_what_follows_an_older_answer_goes_on_in_a_hidden_copy_of_the_line_up_to_it(door, ada):
    first = await ada.ask(None, "one", NEW)
    await ada.ask(None, "two", after(first))

    other = await ada.ask(None, "another two", after(first))
    copy = await thread_of(ada, other)

    assert other.thread_id != first.thread_id
    assert (copy.visible_in_ui, copy.copied_from.thread_id) == (False, first.thread_id)
    assert [each["content"] for each in door.model.calls[-1].body["messages"]] == ["one", "Hello world", "another two"]
    assert len(await ada.said(first.thread_id)) == 4
    again = await ada.ask(None, "and on", after(other))
    assert again.thread_id == other.thread_id
    assert await problems(door) == []


async def test_a_callers_own_thread_is_never_gone_on_in(ada):
    thread_id = await ada.thread("hello", title="Mine", metadata={"a": "b"})
    answer = await ada.ask(thread_id)

    following = await ada.ask(None, "and?", after(answer))
    copy = await thread_of(ada, following)

    assert following.thread_id != thread_id
    assert (copy.title, bytes(copy.metadata), copy.visible_in_ui) == (None, b"{}", False)
    assert len(await ada.said(thread_id)) == 2


async def test_a_message_behind_the_answer_stays_out_of_what_follows_it(ada):
    first = await ada.ask(None, "one", NEW)
    await ada.write(appending.append, first.thread_id, MessageCreate("user", "aside"))

    second = await ada.ask(None, "two", after(first))

    assert second.thread_id != first.thread_id
    assert len(await ada.said(second.thread_id)) == 4


async def test_while_a_response_runs_in_the_thread_what_follows_goes_on_in_a_copy(door, ada):
    first = await ada.ask(None, "one", NEW)
    door.model.when("slow", "Once", 30)
    running = await ada.create(None, ResponseCreate(input="slow", background=True), after(first))

    second = await ada.ask(None, "two", after(first))

    assert running.value.thread_id == first.thread_id != second.thread_id
    assert len(await ada.said(second.thread_id)) == 4
    await ada.write(responses.cancel, first.thread_id, running.value.id)


async def test_what_follows_an_answer_that_is_being_written_goes_on_from_its_question_in_a_copy(door, ada):
    door.model.when("slow", "Once", 30)
    running = await ada.create(None, ResponseCreate(input="slow", background=True), NEW)

    second = await ada.ask(None, "two", after(running.value))

    assert second.thread_id != running.value.thread_id
    assert [each["content"] for each in door.model.calls[-1].body["messages"]] == ["slow", "two"]
    await ada.write(responses.cancel, running.value.thread_id, running.value.id)


async def test_where_the_answer_is_gone_its_last_input_is_followed_and_without_that_nothing(ada):
    first = await ada.ask(None, [MessageCreate("user", "a"), MessageCreate("user", "b")], NEW)
    await ada.write(messages.delete, first.thread_id, first.message_id)
    await ada.write(messages.delete, first.thread_id, first.input_message_ids[1])

    following = await ada.ask(None, "c", after(first))
    await ada.write(messages.delete, first.thread_id, first.input_message_ids[0])

    assert len(await ada.said(following.thread_id)) == 3
    with pytest.raises(ResponseNotFound):
        await ada.ask(None, "d", after(first))


async def test_an_emptied_thread_leaves_nothing_to_follow(ada):
    first = await ada.ask(None, "one", NEW)
    await ada.write(messages.delete_all, first.thread_id)

    with pytest.raises(ResponseNotFound):
        await ada.ask(None, "two", after(first))


async def test_nobody_else_follows_a_response(door, ada):
    first = await ada.ask(None, "one", NEW)
    ben = door.as_user("uid_ben")

    with pytest.raises(ResponseNotFound):
        await ben.ask(None, "two", after(first))
    owner = await door.as_user("uid_owner", Role.OWNER).ask(None, "two", after(first))

    assert owner.thread_id == first.thread_id


async def test_a_response_refused_leaves_no_thread_behind(door, ada):
    async with stored_in(door.place) as stored:
        before = await stored.rows("select count(*) from threads")
        with pytest.raises(Exception, match="blank"):
            await ada.ask(None, " ", NEW)
        assert await stored.rows("select count(*) from threads") == before


async def test_a_retry_with_the_same_key_makes_no_second_thread(door, ada):
    body = ResponseCreate(input="hello")
    first = await ada.create(None, body, NEW, key="made once")
    again = await ada.create(None, body, NEW, key="made once")

    assert (again.value.id, again.value.thread_id) == (first.value.id, first.value.thread_id)


async def test_two_who_follow_the_same_answer_at_once_get_a_thread_each(ada):
    first = await ada.ask(None, "one", NEW)

    both = await asyncio.gather(*(ada.ask(None, f"two {n}", after(first)) for n in range(2)))

    assert {each.status for each in both} == {"completed"}
    assert len({each.thread_id for each in both}) == 2
    assert first.thread_id in {each.thread_id for each in both}


async def test_many_who_follow_and_ask_in_the_same_thread_at_once_never_wait_for_each_other_for_ever(door, ada):
    first = await ada.ask(None, "one", NEW)

    async def ask_in_it(number):
        try:
            return await ada.ask(first.thread_id, f"in it {number}", when_busy="interrupt")
        except ThreadBusy:
            return None

    async with asyncio.timeout(60):
        done = await asyncio.gather(
            *(ask_in_it(number) if number % 2 else ada.ask(None, "two", after(first)) for number in range(12))
        )

    assert {each.status for each in done if each is not None} <= {"completed", "cancelled"}
    assert await problems(door) == []


async def test_a_thread_for_one_answer_is_left_for_slow_readers_for_a_minute_and_then_goes(door, ada):
    response = await ada.ask(None, "hello", UNKEPT)
    made = await thread_of(ada, response)

    assert response.output_text == "Hello world"
    assert made.expires_at - time.time() < 70
    await expire(door, response.thread_id)
    with pytest.raises(ThreadNotFound):
        await thread_of(ada, response)


async def test_whoever_has_its_answer_may_delete_it_at_once_and_no_other_thread(ada):
    unkept, kept = await ada.ask(None, "hello", UNKEPT), await ada.ask(None, "hello", NEW)
    own = await ada.thread("hello")

    for thread_id in (unkept.thread_id, unkept.thread_id, kept.thread_id, own):
        await ada.write(service_made.leave, thread_id)

    assert (await thread_of(ada, kept)).message_count == 2
    assert len(await ada.said(own)) == 1
    with pytest.raises(ThreadNotFound):
        await thread_of(ada, unkept)


async def test_one_for_a_single_answer_after_another_is_a_copy_and_the_other_stays(door, ada):
    first = await ada.ask(None, "one", NEW)

    second = await ada.ask(None, "two", after(first, is_kept=False))
    await expire(door, second.thread_id)

    assert second.thread_id != first.thread_id
    assert len(await ada.said(first.thread_id)) == 2


async def test_a_thread_for_one_answer_goes_also_when_its_process_has_died(door, ada):
    door.model.script = ["Once", 30]
    answered = await ada.create(None, ResponseCreate(input="hello", background=True), UNKEPT)
    thread_id = answered.value.thread_id
    assert (await thread_of(ada, answered.value)).expires_at - time.time() > DAY_S

    # As the sweeper of another process does when the lease has run out.
    await change_stored(door.place, f"update threads set lease_until = 1 where id = '{thread_id}'")
    await door.database.write(settling.settle_one_expired, None)

    async def ends_soon():
        return (await thread_of(ada, answered.value)).expires_at - time.time() < 70

    await eventually(ends_soon, bool, 10)


async def test_a_result_needs_its_call_in_the_line_or_the_input_where_that_is_asked_for(door, ada):
    called = MessageCreate("assistant", "", tool_calls=[ToolCall("a", "function", FunctionCall("f", "{}"))])
    first = await ada.ask(None, [MessageCreate("user", "one"), called], Manner(needs_question=False, hidden=Hidden()))
    asking = Manner(requires_calls=True, hidden=Hidden(first.id))
    given = [MessageCreate("tool", "found", tool_call_id="a")]

    with pytest.raises(InvalidField) as refused:
        await ada.ask(None, [*given, MessageCreate("tool", "found", tool_call_id="b")], asking)
    answered = await ada.ask(None, given, asking)
    alone = await ada.ask(None, [called, *given], Manner(requires_calls=True, hidden=Hidden()))
    with pytest.raises(InvalidField):
        await ada.ask(None, [*given, called], Manner(requires_calls=True, hidden=Hidden()))

    assert refused.value.param == "input[1].toolCallId"
    assert (answered.status, answered.thread_id, alone.status) == ("completed", first.thread_id, "completed")


async def test_the_line_of_a_branched_thread_is_followed(door, ada):
    thread_id = await ada.thread("question")
    first = await ada.ask(thread_id)
    branch = await ada.ask(thread_id, "edited", after=None)

    following = await ada.ask(None, "and?", after(first))

    sent = [each["content"] for each in door.model.calls[-1].body["messages"]]
    assert branch.thread_id == thread_id
    assert sent == ["question", "Hello world", "and?"]
    assert len(await ada.said(following.thread_id)) == 4
