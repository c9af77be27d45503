"""Names: what a thread is named after, by a model or without one, and what is refused."""

import asyncio

import pytest

from support.answering import open_place
from support.naming import (
    CONVERSATION,
    NAME,
    NAME_PARTS,
    PASSPORT,
    asked,
    events_of,
    hold_name,
    listening,
    parts_of,
)
from support.scripted_model import CLOSE, DONE, STALL, Head, answer_of, chunk, finish
from support.waiting import SOON_S

# A model that has spoken, and the name is made of it.
MADE_S = 1.0
EXTRACTED = "Renew passport in Germany"
BY_MODEL = "Named by the model."
WITHOUT_MODEL = "No model is configured: the name is made of words from the conversation."
UNUSABLE = "The model's answer was no usable name: the name is made of words from the conversation."
CANARY = "canary-0815"


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def ben(place):
    return place.cast.ben


@pytest.fixture
def cleo(place):
    return place.cast.cleo


@pytest.fixture
def model(place):
    model = place.fresh_model()
    model.answer(*NAME_PARTS)
    return model


@pytest.fixture
def without_model(cast):
    """An owner whose server knows no model."""
    return cast.ada


# By a model


async def test_a_model_names_a_thread_and_the_name_becomes_its_title(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)

    named = await ada.generate_name(thread)

    assert named.status == 200
    assert named.body == {"success": True, "threadId": thread.id, "name": NAME, "message": BY_MODEL}
    assert (await ada.get(thread)).title == NAME
    assert [asked(call) for call in model.calls] == [[{"role": "user", "text": PASSPORT}]]


async def test_a_new_name_replaces_the_title(ada, model):
    thread = await ada.create_thread(title="Old", messages=CONVERSATION)

    await ada.generate_name(thread)

    assert (await ada.get(thread)).title == NAME


async def test_a_body_may_be_left_out(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)

    named = await ada.request("POST", f"/v1/threads/{thread.id}/generateName")

    assert named.name == NAME


async def test_a_streamed_name_comes_in_parts_that_add_up_to_it(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)

    streamed = await ada.generate_name(thread, stream=True)

    events = events_of(streamed.text)
    assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (streamed.headers["cache-control"], streamed.headers["x-accel-buffering"]) == ("no-store", "no")
    assert [type for type, _ in events[:-1]] == ["name.delta"] * (len(events) - 1)
    assert parts_of(events) == NAME
    assert events[-1] == (
        "name.completed", {"success": True, "threadId": thread.id, "name": NAME, "message": BY_MODEL}
    )  # fmt: skip
    assert (await ada.get(thread)).title == NAME


async def test_a_ping_comes_at_once_and_parts_while_the_model_talks(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    begin, go = asyncio.Event(), asyncio.Event()
    model.script = [begin, "Passport renewal", " in Ger", go, *answer_of("many")]

    async with listening(ada, thread) as stream:
        first = await anext(stream)
        begin.set()
        second = await anext(stream)
        title_meanwhile = (await ada.get(thread)).title
        go.set()
        rest = "".join([text async for text in stream])

    assert first == ": ping\n\n"
    assert events_of(first + second)[0][0] == "name.delta"
    assert title_meanwhile is None
    assert parts_of(events_of(first + second + rest)) == NAME


@pytest.mark.one_database("a ping is of the connection alone, and a test of it takes its fifteen seconds")
async def test_a_silent_stream_is_pinged_every_fifteen_seconds(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    held = hold_name(model)

    async with asyncio.timeout(25), listening(ada, thread) as stream:
        first, second = await anext(stream), await anext(stream)
        held.go.set()
        rest = "".join([text async for text in stream])

    assert (first, second) == (": ping\n\n", ": ping\n\n")
    assert events_of(first + rest)[-1][0] == "name.completed"


@pytest.mark.parametrize(
    "said",
    [
        ["<think>They want a passport, I would say.</think>\n", "Passport renewal in Germany"],
        ['{"title": "Passport renewal ', 'in Germany"}'],
        ["Sure! Here is the title:\n\n**Passport renewal", " in Germany**."],
        ["“Passport renewal in", "\u202e Germany”"],
        list(NAME),
    ],
)
async def test_what_stands_around_the_name_is_not_in_it(ada, model, said):
    thread = await ada.create_thread(messages=CONVERSATION)
    model.answer(*said)

    streamed = events_of((await ada.generate_name(thread, stream=True)).text)
    named = await ada.generate_name(thread)

    assert (named.name, named["message"]) == (NAME, BY_MODEL)
    assert streamed[-1][1] == named.body


async def test_a_name_is_what_a_list_of_parts_says_and_not_what_it_thinks(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    thoughts = [{"type": "thinking", "thinking": each} for each in ("Weather in Bern", [{"type": "text", "text": "?"}])]
    model.script = [
        chunk({"content": [*thoughts, {"type": "text", "text": "Passport renewal "}]}),
        chunk({"content": [{"type": "text", "text": "in Germany"}]}),
        finish(),
        DONE,
    ]

    streamed = events_of((await ada.generate_name(thread, stream=True)).text)
    named = await ada.generate_name(thread)

    assert (named.name, named["message"]) == (NAME, BY_MODEL)
    assert streamed[-1][1] == named.body


@pytest.mark.parametrize(
    "said", [[], [" \n"], ["Passport"], ["I'm sorry, but I can't help with that."], ["word "] * 60]
)
async def test_an_answer_that_is_no_name_is_replaced_by_words_of_the_user(ada, model, said):
    thread = await ada.create_thread(messages=CONVERSATION)
    model.answer(*said)

    streamed = events_of((await ada.generate_name(thread, stream=True)).text)
    named = await ada.generate_name(thread)

    assert (named.name, named["message"]) == (EXTRACTED, UNUSABLE)
    assert streamed[-1] == ("name.completed", named.body)


async def test_a_model_that_does_not_stop_is_not_read_to_its_end(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    model.script = [*["more and more words of a poem " * 40] * 20, STALL]

    named = await ada.generate_name(thread)

    assert (named.name, named["message"]) == (EXTRACTED, UNUSABLE)


# Without one


async def test_without_a_model_the_name_is_made_of_the_users_words_and_the_message_says_so(without_model):
    thread = await without_model.create_thread(messages=CONVERSATION)

    named = await without_model.generate_name(thread)

    assert named.body == {"success": True, "threadId": thread.id, "name": EXTRACTED, "message": WITHOUT_MODEL}
    assert (await without_model.get(thread)).title == EXTRACTED


async def test_without_a_model_a_name_may_be_streamed_too(without_model):
    thread = await without_model.create_thread(messages=CONVERSATION)

    events = events_of((await without_model.generate_name(thread, stream=True)).text)

    assert (parts_of(events), events[-1][0], events[-1][1]["name"]) == (EXTRACTED, "name.completed", EXTRACTED)


async def test_a_name_is_made_in_the_language_of_the_user(without_model):
    thread = await without_model.create_thread()

    named = await without_model.generate_name(thread, [{"role": "user", "content": "如何在德国更新护照？"}])

    assert named.name == "如何在德国更新护照"


# From what


async def test_given_messages_are_named_instead_of_the_threads_own_and_not_stored(ada, model):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "hello"}])
    parts = [{"type": "text", "text": "Two "}, {"type": "text", "text": "parts"}]
    given = [{"role": "user", "content": PASSPORT}, {"role": "assistant", "content": parts}]

    named = await ada.generate_name(thread, given)

    assert named.name == NAME
    assert asked(model.calls[0]) == [
        {"role": "user", "text": PASSPORT},
        {"role": "assistant", "text": "Two parts"},
    ]
    assert (await ada.get(thread)).messageCount == 1


async def test_ten_messages_may_be_given_and_eleven_are_refused(ada, model):
    thread = await ada.create_thread()

    ten = await ada.generate_name(thread, CONVERSATION * 10)
    eleven = await ada.generate_name(thread, CONVERSATION * 11)
    none = await ada.generate_name(thread, [])

    assert (ten.status, len(asked(model.calls[0]))) == (200, 10)
    assert (eleven.status, eleven.code, eleven.param) == (400, "invalid_field", "messages")
    assert (none.status, none.code, none.param) == (400, "invalid_field", "messages")
    assert len(model.calls) == 1


async def test_otherwise_the_last_ten_messages_of_the_thread_count(ada, model):
    messages = [{"role": ("user", "assistant")[n % 2], "content": f"number {n}"} for n in range(12)]
    thread = await ada.create_thread(messages=messages)

    await ada.generate_name(thread)

    expected = [{"role": each["role"], "text": each["content"]} for each in messages[2:]]
    assert asked(model.calls[0]) == expected


async def test_deleted_messages_are_not_named(ada, model):
    thread = await ada.create_thread(messages=[{"role": "user", "content": CANARY}, *CONVERSATION])
    first = (await ada.list_messages(thread)).data[0]

    await ada.delete_message(thread, first)
    await ada.generate_name(thread)
    await ada.delete_messages(thread)
    empty = await ada.generate_name(thread)

    assert [asked(call) for call in model.calls] == [[{"role": "user", "text": PASSPORT}]]
    assert (empty.status, empty.code) == (400, "thread_empty")


@pytest.mark.parametrize("stream", [False, True])
async def test_where_nothing_was_said_there_is_nothing_to_name(ada, model, stream):
    empty = await ada.create_thread(title="kept")
    blank = await ada.create_thread(messages=[{"role": "assistant", "content": " \n\u3000"}])
    refusals = [
        await ada.generate_name(empty, stream=stream),
        await ada.generate_name(blank, stream=stream),
        await ada.generate_name(empty, [{"role": "user", "content": "  "}], stream=stream),
        await ada.generate_name(empty, [{"role": "user", "content": []}], stream=stream),
    ]

    assert [(each.status, each.code) for each in refusals] == [(400, "thread_empty")] * 4
    assert (await ada.get(empty)).body == empty.body
    assert model.calls == []


async def test_a_model_gets_a_bounded_part_of_long_messages(ada, model):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "long " * 10_000}] * 10)

    named = await ada.generate_name(thread)

    assert named.status == 200
    assert sum(len(message["text"]) for message in asked(model.calls[0])) <= 6_000
    assert model.calls[0].body["max_tokens"] == 256


# What goes wrong


FAILURES = {
    "refused": ([Head(500, {"content-type": "application/json"}), b'{"error": "canary-0815"}'], 502),
    "wrong key": ([Head(401, {"content-type": "application/json"}), b'{"error": "canary-0815 sk-scripted"}'], 502),
    "no such model": ([Head(404, {"content-type": "text/html"}), b"<p>canary-0815"], 502),
    "broken off": (["canary-0815 is", CLOSE], 502),
    "no completion": ([b"data: canary-0815\n\n"], 502),
    "gone at once": ([CLOSE], 502),
    "slow behind a proxy": ([Head(504), b"canary-0815"], 504),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_a_model_that_fails_changes_nothing_and_its_words_go_nowhere(place, ada, model, failure):
    steps, status = FAILURES[failure]
    thread = await ada.create_thread(title="kept", messages=CONVERSATION)
    model.script = steps

    refused = await ada.generate_name(thread)
    streamed = await ada.generate_name(thread, stream=True)

    code = {502: "model_unavailable", 504: "model_timeout"}[status]
    type, failed = events_of(streamed.text)[-1]
    assert (refused.status, refused.code, refused.type) == (status, code, "upstream_error")
    assert (streamed.status, type) == (200, "name.failed")
    assert {**failed["error"], "requestId": ""} == {**refused.body["error"], "requestId": ""}
    now = await ada.get(thread)
    assert (now.body, now.etag) == (thread.body, thread.etag)
    for said in (refused.text, str(failed), place.server.log_text()):
        assert CANARY not in said
        assert "sk-scripted" not in said
    assert "Traceback" not in place.server.log_text()


async def test_a_model_that_is_silent_for_too_long_is_given_up(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_MODEL_FIRST_BYTE_S="0.3") as place:
        ada = place.cast.ada
        thread = await ada.create_thread(title="kept", messages=CONVERSATION)
        place.model.script = [STALL]

        plain, streamed = await asyncio.gather(ada.generate_name(thread), ada.generate_name(thread, stream=True))

        assert (plain.status, plain.code) == (504, "model_timeout")
        assert [(type, data["error"]["code"]) for type, data in events_of(streamed.text)] == [
            ("name.failed", "model_timeout")
        ]
        assert (await ada.get(thread)).body == thread.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("action", ["lock", "archive"])
async def test_a_locked_or_archived_thread_is_not_named(ada, model, action, stream):
    thread = await ada.create_thread(messages=CONVERSATION)
    await ada.act(thread, action)

    refused = await ada.generate_name(thread, stream=stream)

    assert (refused.status, refused.code) == (409, f"thread_{action}d" if action == "archive" else "thread_locked")
    assert model.calls == []
    assert (await ada.get(thread)).title is None


@pytest.mark.parametrize("action", ["lock", "archive"])
async def test_a_thread_that_is_locked_while_the_model_is_asked_keeps_its_title(ada, model, action):
    thread = await ada.create_thread(title="kept", messages=CONVERSATION)
    held = hold_name(model)

    plain, streamed = [asyncio.ensure_future(ada.generate_name(thread, stream=stream)) for stream in (False, True)]
    await model.called(2)
    done = await ada.act(thread, action)
    held.go.set()
    refused, events = await plain, events_of((await streamed).text)

    code = {"lock": "thread_locked", "archive": "thread_archived"}[action]
    assert (refused.status, refused.code) == (409, code)
    assert (events[-1][0], events[-1][1]["error"]["code"]) == ("name.failed", code)
    now = await ada.get(thread)
    assert (now.body, now.etag) == (done.body, done.etag)


async def test_a_thread_of_somebody_else_is_not_there(ada, ben, cleo, model):
    thread = await ada.create_thread(messages=CONVERSATION)

    for stranger in (ben, cleo):
        for stream in (False, True):
            refused = await stranger.generate_name(thread, stream=stream)
            assert (refused.status, refused.code) == (404, "thread_not_found")
    assert model.calls == []
    assert (await ada.get(thread)).title is None


async def test_an_owner_may_name_the_thread_of_a_member(ada, ben, model):
    thread = await ben.create_thread(messages=CONVERSATION)

    assert (await ada.generate_name(thread)).status == 200
    assert (await ben.get(thread)).title == NAME


async def test_a_deleted_thread_is_not_named_nor_another_that_gets_its_id(ada, model, people):
    thread_id = f"thread_{people.new_user()}"
    await ada.create_thread(id=thread_id, messages=CONVERSATION)
    held = hold_name(model)

    naming = asyncio.ensure_future(ada.generate_name(thread_id))
    await held.asked.wait()
    await ada.delete(thread_id)
    other = await ada.create_thread(id=thread_id)
    held.go.set()
    refused = await naming

    assert (refused.status, refused.code) == (404, "thread_not_found")
    assert (await ada.get(other)).body == other.body


async def test_a_stream_is_cut_off_when_its_key_is_revoked_and_the_name_is_not_saved(ada, model):
    created = await ada.create_key(userId="uid_ada", role="member")
    revoked = ada.with_key(created.key)
    thread = await ada.create_thread(messages=CONVERSATION)
    held = hold_name(model)

    async with asyncio.timeout(SOON_S), listening(revoked, thread) as stream:
        await held.asked.wait()
        await ada.delete_key(created)
        said = "".join([text async for text in stream])
    held.go.set()
    await asyncio.sleep(MADE_S)

    assert events_of(said) == []
    assert (await ada.get(thread)).title is None


# What a change of the title moves


async def test_a_name_moves_the_revision_and_the_time_and_is_found_by_search(place, model):
    owner = await place.people.owner()
    thread = await owner.create_thread(messages=CONVERSATION)
    model.answer("Straße nach Köln")

    await owner.generate_name(thread)
    now = await owner.get(thread)

    assert now.etag != thread.etag
    assert now.updatedAt >= thread.updatedAt
    assert {**now.body, "title": None, "updatedAt": thread.updatedAt} == thread.body
    assert (await owner.list_threads(titleContains="STRASSE")).ids == [thread.id]
    assert (await owner.list_threads(titleContains="passport")).ids == []


async def test_the_same_name_again_moves_nothing(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    await ada.generate_name(thread)
    named = await ada.get(thread)

    again = await ada.generate_name(thread)

    now = await ada.get(thread)
    assert again.name == NAME
    assert (now.body, now.etag) == (named.body, named.etag)


async def test_a_name_that_is_being_made_stops_nobody(ada, model):
    thread = await ada.create_thread(messages=CONVERSATION)
    held = hold_name(model)

    naming = asyncio.ensure_future(ada.generate_name(thread))
    await held.asked.wait()
    posted = await ada.post_message(thread, "more")
    locked_and_back = [await ada.lock(thread), await ada.unlock(thread)]
    held.go.set()

    assert [posted.status, *(each.status for each in locked_and_back)] == [201, 200, 200]
    assert (await naming).name == NAME
