"""One response at a time: who meets a running one, who retries, and who comes after a worker that died."""

import asyncio
import itertools
import random

import pytest

from support.answering import (
    begin_talk,
    check_all_ended,
    ended,
    open_place,
    texts,
)
from support.scripted_model import DONE, answer_of, finish
from support.stored import WRONG_COUNTS, stored_in

HELLO = [{"role": "user", "content": "hello"}]
REFUSALS = {"thread_busy", "thread_locked", "thread_archived"}
keys = (f"key-{number}" for number in itertools.count())


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


# A thread that talks


WRITES = {
    "append": lambda who, thread, message: who.post_message(thread, "more"),
    "append several": lambda who, thread, message: who.post_messages(thread, HELLO * 2),
    "edit": lambda who, thread, message: who.update_message(thread, message, content="other"),
    "label": lambda who, thread, message: who.update_message(thread, message, metadata={"a": 1}),
    "delete": lambda who, thread, message: who.delete_message(thread, message),
    "delete all": lambda who, thread, message: who.delete_messages(thread),
    "respond": lambda who, thread, message: who.respond(thread, input="more"),
    "respond anew": lambda who, thread, message: who.respond_new(thread=thread.id, input="more"),
}


async def test_every_write_to_messages_of_a_thread_that_talks_is_refused(ada, model):
    talk = await begin_talk(ada, model)
    before = (await ada.list_messages(talk.thread)).data

    for place_of_message, (name, write) in itertools.product((0, 1), WRITES.items()):
        refused = await write(ada, talk.thread, before[place_of_message])
        assert (refused.status, refused.code) == (409, "thread_busy"), name
        assert int(refused.headers["retry-after"]) >= 1, name
        assert talk.id in refused.message, name
    assert (await ada.list_messages(talk.thread)).data == before
    assert (await ada.get(talk.thread)).messageCount == 2
    assert (await talk.ended(ada)).outputText == "Hello"


async def test_a_refused_write_is_done_when_the_response_has_ended(ada, model):
    talk = await begin_talk(ada, model)
    key = next(keys)

    refused = await ada.retrying(key).post_message(talk.thread, "more")
    await talk.ended(ada)
    written = await ada.retrying(key).post_message(talk.thread, "more")

    assert (refused.status, written.status, written.seq) == (409, 201, 3)


async def test_an_interruption_ends_the_running_response_and_answers_anew(ada, model):
    talk = await begin_talk(ada, model)
    model.answer("Again")

    response = await ada.respond(talk.thread, input="stop, please", whenBusy="interrupt")

    interrupted = await ada.get_response(talk.thread, talk)
    messages = (await ada.list_messages(talk.thread)).data
    assert (interrupted["status"], interrupted.outputText, interrupted.error) == ("cancelled", "Hel", None)
    assert (response["status"], response.outputText) == ("completed", "Again")
    assert texts(messages) == ["hi", "Hel", "stop, please", "Again"]
    assert [message["status"] for message in messages] == ["completed", "incomplete", "completed", "completed"]
    assert model.calls[-1].body["messages"][1:] == [
        {"role": "assistant", "content": "Hel"},
        {"role": "user", "content": "stop, please"},
    ]


@pytest.mark.parametrize("wrong", [{"model": "unknown"}, {"input": " "}, {"replaces": "msg_x"}, {"input": None}])
async def test_an_interruption_that_is_refused_interrupts_nothing(ada, model, wrong):
    talk = await begin_talk(ada, model)

    refused = await ada.respond(talk.thread, **{"input": "stop", "whenBusy": "interrupt", **wrong})

    assert refused.status == 400
    assert (await talk.ended(ada)).outputText == "Hello"


async def test_an_answer_is_replaced_while_it_is_being_given(ada, model):
    talk = await begin_talk(ada, model)
    model.answer("Better")

    response = await ada.respond(
        talk.thread, whenBusy="interrupt", replaces=(await ada.get_response(talk.thread, talk)).messageId
    )

    assert response.outputText == "Better"
    assert texts((await ada.list_messages(talk.thread)).data) == ["hi", "Better"]


async def test_many_who_interrupt_each_other_leave_one_answer_each_and_none_running(ada, model):
    thread = await ada.create_thread()
    model.script = lambda call: answer_of(f"to {call.last_user_text}")

    answers = await asyncio.gather(
        *(ada.respond(thread, input=f"{number}", whenBusy="interrupt") for number in range(12))
    )

    messages = (await ada.list_messages(thread, limit=100)).data
    assert {(answer.status, answer["status"] in ("completed", "cancelled")) for answer in answers} == {(200, True)}
    assert sorted(texts([each for each in messages if each["role"] == "user"]), key=int) == [str(n) for n in range(12)]
    for answer in answers:
        [said] = [each for each in messages if each["id"] == answer.inputMessageIds[0]]
        whole = f"to {texts([said])[0]}"
        is_whole = answer["status"] == "completed"
        assert answer.outputText == whole if is_whole else whole.startswith(answer.outputText)
    assert (await ada.get(thread)).messageCount == len(messages)


async def test_of_many_who_ask_at_once_one_is_answered_and_the_others_are_told(ada, model):
    thread = await ada.create_thread()
    go = asyncio.Event()
    model.script = [go, "done", finish(), DONE]

    answers = await asyncio.gather(*(ada.respond(thread, input=f"{number}", background=True) for number in range(12)))
    go.set()

    [begun] = [answer for answer in answers if answer.status == 202]
    assert {answer.code for answer in answers if answer is not begun} == {"thread_busy"}
    await ended(ada, thread, begun)
    assert (await ada.get(thread)).messageCount == 2


ACTIONS = [
    lambda who, thread: who.respond(thread, input="hi", background=True),
    lambda who, thread: who.respond(thread, input="hi", whenBusy="interrupt"),
    lambda who, thread: who.respond(thread, input="hi"),
    lambda who, thread: who.post_message(thread, "more"),
    lambda who, thread: who.delete_messages(thread),
    lambda who, thread: who.archive(thread),
    lambda who, thread: who.unarchive(thread),
    lambda who, thread: cancel_newest(who, thread),
]


async def cancel_newest(who, thread):
    [newest] = (await who.list_responses(thread, order="desc", limit=1)).ids or [None]
    return await (who.cancel(thread, newest) if newest else who.get(thread))


async def freeze(who, thread):
    """Lock the thread; whatever others try, it has the same messages until it is unlocked."""
    locked = await who.lock(thread)
    if locked.status == 200:
        messages = (await who.list_messages(thread, limit=100)).data
        later = await who.get(thread)
        assert (later.messageCount, later["status"]) == (locked.messageCount, "inactive")
        assert (await who.list_messages(thread, limit=100)).data == messages
        assert (await who.get(thread)).messageCount == locked.messageCount
        await who.unlock(thread)
    return locked


async def test_whatever_happens_at_once_counts_stay_exact_and_locked_threads_as_they_were(place, model):
    ada = await place.people.owner()
    threads = [await ada.create_thread() for _ in range(3)]
    model.script = lambda call: ["one ", 0.005, "two ", 0.005, "three", finish(), DONE]
    dice = random.Random(7)
    done = asyncio.Event()

    async def act(actions):
        for _ in range(20):
            answer = await dice.choice(actions)(ada, dice.choice(threads))
            assert answer.status in (200, 201, 202) or answer.code in REFUSALS, answer

    async def observe():
        async with stored_in(place.server.database) as stored:
            while not done.is_set():
                assert await stored.rows(WRONG_COUNTS) == []
                await asyncio.sleep(0.02)

    observer = asyncio.create_task(observe())
    # Only one locks: two would find each other's unlock between their looks.
    await asyncio.gather(act([freeze]), *(act(ACTIONS) for _ in range(6)))
    done.set()
    await observer

    await check_all_ended(place.server.database)
    made = [each for thread in threads for each in await ada.walk(f"/v1/threads/{thread.id}/responses", limit=100)]
    used = (await ada.read_usage()).total
    assert (used["responses"], used["totalTokens"]) == (len(made), sum(each["usage"]["totalTokens"] for each in made))


async def test_whoever_began_a_response_is_told_of_it_though_its_thread_was_deleted_at_once(place, model):
    owner = await place.people.owner()
    model.answer("done")
    threads = [await owner.create_thread() for _ in range(60)]

    async def begin_and_delete(thread):
        answer, _ = await asyncio.gather(owner.respond(thread, input="hi"), owner.delete(thread))
        return answer.status

    statuses = await asyncio.gather(*(begin_and_delete(thread) for thread in threads))

    used = await owner.read_usage()
    assert set(statuses) <= {200, 404}
    assert used.total["responses"] == statuses.count(200)
