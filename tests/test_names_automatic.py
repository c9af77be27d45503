"""Names that come by themselves: after the first answer in a thread without a title, unless a setting says no."""

import asyncio

import pytest

from conftest import connect
from support.answering import open_place
from support.naming import CONVERSATION, NAME, PASSPORT, asked, asks_for_name, hold_name
from support.people import People
from support.scripted_model import DONE, Head, answer_of, finish
from support.waiting import SOON_S, eventually

OTHER = "Another fine name"
# Empty counts as unset: what the server does by itself.
BY_DEFAULT = {"THREADKEEP_AUTO_NAME": ""}


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote, **BY_DEFAULT) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    model = place.fresh_model()
    hold_name(model).go.set()
    return model


def names_asked(model):
    return [call for call in model.calls if asks_for_name(call)]


async def titled(who, thread):
    return await eventually(lambda: who.get(thread), lambda thread: thread.title is not None, SOON_S)


async def named_after(who, model, thread):
    """Return `thread` when another one was answered and named from beginning to end: its own turn is over then."""
    later = await who.create_thread()
    hold_name(model).go.set()
    await who.respond(later, input=PASSPORT)
    await titled(who, later)
    return await who.get(thread)


async def test_a_thread_without_a_title_is_named_after_its_first_answer(ada, model):
    thread = await ada.create_thread()

    response = await ada.respond(thread, input=PASSPORT)
    named = await titled(ada, thread)

    assert response["status"] == "completed"
    assert named.title == NAME
    assert asked(names_asked(model)[0]) == [
        {"role": "user", "text": PASSPORT},
        {"role": "assistant", "text": "Hello"},
    ]


async def test_a_name_that_comes_by_itself_moves_the_revision_and_is_found_by_search(place, model):
    owner = await place.people.owner()
    thread = await owner.create_thread()
    held = hold_name(model)
    await owner.respond(thread, input=PASSPORT)
    answered = await owner.get(thread)

    held.go.set()
    named = await titled(owner, thread)

    assert named.etag != answered.etag
    assert named.updatedAt >= answered.updatedAt
    assert {**named.body, "title": None, "updatedAt": answered.updatedAt} == answered.body
    assert (await owner.list_threads(titleContains="PASSPORT REN")).ids == [thread.id]


async def test_a_new_thread_that_begins_with_a_response_is_named_too(ada, model):
    response = await ada.respond_new(input=PASSPORT, thread={})

    assert (await titled(ada, response.threadId)).title == NAME


async def test_a_thread_with_a_title_keeps_it(ada, model):
    thread = await ada.create_thread(title="mine")

    await ada.respond(thread, input=PASSPORT)
    later = await named_after(ada, model, thread)

    assert later.title == "mine"
    assert len(names_asked(model)) == 1


@pytest.mark.parametrize("title", ["A person's title", None])
async def test_a_title_that_a_person_sets_while_the_name_is_made_stays(ada, model, title):
    thread = await ada.create_thread()
    held = hold_name(model)
    await ada.respond(thread, input=PASSPORT)
    await held.asked.wait()

    await ada.update(thread, title="for a moment")
    changed = await ada.update(thread, title=title)
    held.go.set()
    later = await named_after(ada, model, thread)

    assert (later.body, later.etag) == (changed.body, changed.etag)
    assert later.title == title


async def test_a_name_that_somebody_asked_for_meanwhile_stays(ada, model):
    """It is no person's title, but it is not null either."""
    thread = await ada.create_thread()
    held = hold_name(model)
    await ada.respond(thread, input=PASSPORT)
    await held.asked.wait()
    model.answer(OTHER)

    asked_for = await ada.generate_name(thread)
    held.go.set()
    later = await named_after(ada, model, thread)

    assert (asked_for.name, later.title) == (OTHER, OTHER)


async def test_a_title_that_is_set_during_the_answer_stays(ada, model):
    thread = await ada.create_thread()
    go = asyncio.Event()
    model.script = lambda call: answer_of(NAME) if asks_for_name(call) else [go, "Hello", finish(), DONE]
    answering = asyncio.ensure_future(ada.respond(thread, input=PASSPORT))
    await model.called()

    await ada.update(thread, title="mine")
    go.set()
    await answering
    later = await named_after(ada, model, thread)

    assert later.title == "mine"
    assert len(names_asked(model)) == 1


async def test_an_answer_that_failed_or_was_cancelled_names_nothing_and_the_first_complete_one_does(ada, model):
    thread = await ada.create_thread()
    stall = asyncio.Event()

    model.script = [Head(500)]
    failed = await ada.respond(thread, input="hello")
    model.script = ["Hel", stall]
    running = await ada.respond(thread, input=PASSPORT, background=True)
    cancelled = await ada.cancel(thread, running)
    after_both = await named_after(ada, model, thread)
    asked_count = len(names_asked(model))
    completed = await ada.respond(thread, input="again")
    named = await titled(ada, thread)

    assert [each["status"] for each in (failed, cancelled, completed)] == ["failed", "cancelled", "completed"]
    assert (after_both.title, asked_count) == (None, 1)
    assert named.title == NAME


async def test_only_the_first_answer_names_a_thread(ada, model):
    thread = await ada.create_thread()
    await ada.respond(thread, input=PASSPORT)
    await titled(ada, thread)
    await ada.update(thread, title=None)

    await ada.respond(thread, input="more")
    later = await named_after(ada, model, thread)

    assert later.title is None
    assert len(names_asked(model)) == 2


async def test_a_message_that_is_added_names_nothing(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)

    await ada.post_message(thread, PASSPORT)
    await ada.post_message(thread, "Like this.", role="assistant")
    later = await named_after(ada, model, thread)

    assert later.title is None
    assert len(names_asked(model)) == 1


async def test_a_hidden_thread_is_never_named_by_itself(ada, model):
    thread = await ada.with_token().create_thread(visibleInUi=False)

    response = await ada.respond(thread, input=PASSPORT)
    later = await named_after(ada, model, thread)

    assert (response["status"], later.title) == ("completed", None)
    assert len(names_asked(model)) == 1


async def test_a_model_that_cannot_name_leaves_the_title_alone_and_the_answer_whole(server, ada, model):
    thread = await ada.create_thread()
    failure = [Head(500, {"content-type": "application/json"}), b'{"error": "canary-0815 sk-scripted"}']
    model.script = lambda call: failure if asks_for_name(call) else answer_of("Hello")

    response = await ada.respond(thread, input=PASSPORT)
    await model.called(2)
    later = await named_after(ada, model, thread)

    assert (response["status"], later.title) == ("completed", None)
    for secret in ("canary-0815", "sk-scripted", "Traceback"):
        assert secret not in server.log_text()


@pytest.mark.parametrize("action", ["lock", "archive", "delete"])
async def test_a_thread_that_is_closed_while_its_name_is_made_is_left_alone(server, ada, model, action):
    thread = await ada.create_thread()
    held = hold_name(model)
    await ada.respond(thread, input=PASSPORT)
    await held.asked.wait()

    done = await (ada.delete(thread) if action == "delete" else ada.act(thread, action))
    held.go.set()
    later = await named_after(ada, model, thread)

    assert later.status == 404 if action == "delete" else later.body == done.body
    assert "Traceback" not in server.log_text()


@pytest.mark.prove
async def test_a_server_that_stops_does_not_wait_for_a_name(new_database, zygote):
    async with open_place(new_database, zygote, **BY_DEFAULT) as place:
        thread = await place.cast.ada.create_thread()
        held = hold_name(place.model)
        await place.cast.ada.respond(thread, input=PASSPORT)
        await held.asked.wait()

        async with asyncio.timeout(SOON_S):
            assert await asyncio.to_thread(place.server.stop) == 0

        await place.server.start()
        assert (await place.cast.ada.get(thread)).title is None
        assert "Traceback" not in place.server.log_text()


async def test_where_the_setting_says_no_nothing_is_named_by_itself(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_AUTO_NAME="false") as place:
        thread = await place.cast.ada.create_thread(messages=CONVERSATION)

        await place.cast.ada.respond(thread)
        await place.cast.ada.respond(thread)

        assert (await place.cast.ada.get(thread)).title is None
        assert names_asked(place.model) == []


async def test_without_a_model_the_name_is_made_of_the_users_words(start_server, zygote):
    server = await start_server(**BY_DEFAULT)
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()

        await owner.respond(thread, input=PASSPORT)

        assert (await titled(owner, thread)).title == "Renew passport in Germany"
