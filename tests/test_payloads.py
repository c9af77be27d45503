"""Payloads: kept word for word, read only by who asks for them, and gone with their object."""

import json
from itertools import pairwise

import pytest

from conftest import connect
from support.answering import open_place
from support.cast import Answer
from support.waiting import eventually

MIB = 1024 * 1024
LEFT = "select data from payloads"


def payload(data="data", format="acme/message"):
    return {"format": format, "data": data}


def deep(depth):
    return "[" * depth + "]" * depth


WORD_FOR_WORD = {
    "empty": "",
    "blank": " \t\r\n ",
    "null_escapes": json.dumps({"a": "\0"}),
    "half_surrogates": '{"a": "\\ud800", "b": "\\udfff x"}',
    "large_integers": json.dumps([2**53 + 1, -(2**64), 10**400]),
    "floats": "[1.0, 1e400, -0.0, 1E-400, NaN]",
    "repeated_keys": '{"a": 1, "a": 2,  "b" : 3}',
    "depth_1000": deep(1000),
    "scripts": "Grüße, 世界, مرحبا, 🧵, e\u0301, \u200d, \ufeff, \ufffe, \U0010ffff, \x7f\x80\x01",
    "not_json": "<xml/> \\ \" ' { \\u0000",
}


# Word for word


@pytest.mark.parametrize("data", WORD_FOR_WORD.values(), ids=WORD_FOR_WORD)
async def test_a_payload_comes_back_equal_to_the_byte(ada, data):
    thread = await ada.create_thread(payload=payload(data), messages=[{"role": "user", "payload": payload(data)}])
    added = await ada.post_message(thread, "hello", payload=payload(data))
    [first, second] = (await ada.list_messages(thread, include="payload")).data

    assert (await ada.get(thread)).payload == payload(data)
    assert (await ada.get_message(thread, added)).payload == payload(data)
    assert (first["payload"], second["payload"]) == (payload(data), payload(data))


async def test_payloads_of_4_mib_are_kept_and_longer_ones_are_refused(ada):
    # Fewer characters than bytes.
    most = "ü" * 1000 + "x" * (4 * MIB - 2000)
    thread = await ada.create_thread(payload=payload(most))
    message = await ada.post_message(thread, payload=payload(most))
    refused = [
        (await ada.create_thread(payload=payload(most + "x")), "payload"),
        (await ada.update(thread, payload=payload(most + "x")), "payload"),
        (await ada.post_message(thread, payload=payload(most + "x")), "payload"),
        (await ada.update_message(thread, message, payload=payload(most + "x")), "payload"),
        (
            await ada.post_messages(thread, [{"role": "user", "content": "a", "payload": payload(most + "x")}]),
            "messages[0].payload",
        ),
        (
            await ada.post_messages(thread, [], replaces="all", thread={"payload": payload(most + "x")}),
            "thread.payload",
        ),
        (
            await ada.respond(thread, input=[{"role": "user", "content": "a", "payload": payload(most + "x")}]),
            "input[0].payload",
        ),
        (await ada.respond_new(thread={"payload": payload(most + "x")}, input="a"), "thread.payload"),
    ]

    for answer, param in refused:
        assert (answer.status, answer.code, answer.param) == (413, "too_large", param)
        assert "4194304 bytes" in answer.message
    assert (await ada.get(thread)).payload["data"] == most
    assert (await ada.get_message(thread, message)).payload["data"] == most
    assert (await ada.list_messages(thread)).ids == [message.id]


async def test_only_calls_that_take_a_payload_accept_a_body_of_more_than_4_mib(ada):
    thread = await ada.create_thread()
    six = "x" * (6 * MIB)

    body_of_six = await ada.post_message(thread, "hi", metadata={"a": six})
    elsewhere = await ada.request("POST", f"/v1/threads/{thread.id}/lock", {"a": six})
    over_eight = await ada.create_thread(payload=payload("x" * (8 * MIB)))

    # Taken as a body, refused for what it says.
    assert (body_of_six.status, body_of_six.code) == (400, "metadata_value_too_long")
    assert (elsewhere.status, elsewhere.code) == (413, "too_large")
    assert (over_eight.status, over_eight.code) == (413, "too_large")


async def test_the_largest_payload_is_a_setting(start_server, people, zygote):
    from support.people import People

    server = await start_server(THREADKEEP_PAYLOAD_BYTES_MAX="10", THREADKEEP_BODY_BYTES_MAX="4000")
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner("ORG_SMALL", "uid_a")
        kept = await owner.create_thread(payload=payload("x" * 10))
        refused = await owner.create_thread(payload=payload("x" * 11))

    assert kept.status == 201
    assert (refused.status, refused.param) == (413, "payload")


@pytest.mark.parametrize("character", ["\\u0000", "\\ud800", "\\udc00 x"])
async def test_what_no_text_may_hold_is_refused_in_a_payload_too(ada, character):
    body = '{"payload": {"format": "x", "data": "a' + character + '"}}'

    refused = await ada.request("POST", "/v1/threads", content=body)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_string", "payload.data")


@pytest.mark.parametrize("format", ["a", "0", "x" * 64, "openai/responses.v1+json", "a/b_c-d.e"])
async def test_a_format_is_a_short_word(ada, format):
    made = await ada.create_thread(payload=payload(format=format))

    assert (made.status, made.payloadFormat) == (201, format)


@pytest.mark.parametrize("format", ["", "x" * 65, "A", "-a", "/a", "a b", "ü", "a\n", None, 1])
async def test_any_other_format_is_refused(ada, format):
    refused = await ada.create_thread(payload=payload(format=format))

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "payload.format")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("text", "payload"),
        ({"format": "x"}, "payload.data"),
        ({"data": "x"}, "payload.format"),
        ({"format": "x", "data": {"a": 1}}, "payload.data"),
        ({"format": "x", "data": None}, "payload.data"),
        ({"format": "x", "data": "y", "more": 1}, "payload.more"),
    ],
)
async def test_a_payload_is_a_format_and_a_text(ada, given, param):
    refused = await ada.create_thread(payload=given)

    assert (refused.status, refused.param) == (400, param)


# Who shows it


async def test_no_answer_to_a_write_has_the_payload_and_each_object_has_its_format(ada):
    made = await ada.create_thread(payload=payload("thread"))
    added = await ada.post_message(made, payload=payload("message"))
    writes = [
        made,
        await ada.update(made, payload=payload("changed")),
        await ada.update(made, title="a title"),
        await ada.update(made, title="a title"),
        await ada.lock(made),
        await ada.unlock(made),
        added,
        await ada.update_message(made, added, metadata={"a": 1}),
        await ada.update_message(made, added, metadata={"a": 1}),
    ]
    several = await ada.post_messages(made, [{"role": "user", "content": "x", "payload": payload("several")}])

    for each in [*(write.body for write in writes), *several.data]:
        assert ("payload" in each, each["payloadFormat"]) == (False, "acme/message")


async def test_lists_show_payloads_only_to_those_who_ask(fresh_user):
    made = await fresh_user.create_thread(payload=payload("of the thread"))
    bare = await fresh_user.create_thread()
    await fresh_user.post_messages(
        made, [{"role": "user", "content": "a", "payload": payload("of a")}, {"role": "user", "content": "b"}]
    )

    plain = [await fresh_user.list_threads(), await fresh_user.my_threads(include="lastMessage")]
    plain += [await fresh_user.list_messages(made), await fresh_user.list_messages(made, branch="current")]
    for page in plain:
        assert not any("payload" in each for each in page.data)
    for page in (await fresh_user.list_threads(include="payload"), await fresh_user.my_threads(include="payload")):
        assert [each.get("payload") for each in page.data] == [None, payload("of the thread")]
        assert page.ids == [bare.id, made.id]
    for query in ({}, {"branch": "current"}):
        page = await fresh_user.list_messages(made, include="payload", order="desc", **query)
        assert [each.get("payload") for each in page.data] == [None, payload("of a")]


async def walked(who, path, **params):
    """Return all objects of a list, and check that no page is larger than it may be."""
    found = []
    async for page in who.pages(path, **params):
        assert len(page.data) == 1 or len(page.text.encode()) <= 4 * MIB
        found += page.data
    return found


async def test_pages_with_payloads_stop_at_4_mib(fresh_user):
    sizes = [3 * MIB, 100, 100, 4 * MIB, 2 * MIB, 2 * MIB - 4096, 10, 1 * MIB, 1 * MIB]
    threads = [await fresh_user.create_thread(payload=payload("x" * size)) for size in sizes]
    for size in sizes:
        assert (await fresh_user.post_message(threads[0], payload=payload("x" * size))).status == 201

    for order in ("asc", "desc"):
        listed = await walked(fresh_user, "/v1/threads", include="payload", order=order, limit=100)
        assert [len(each["payload"]["data"]) for each in listed] == (sizes if order == "asc" else sizes[::-1])
        path = f"/v1/threads/{threads[0].id}/messages"
        for query in ({}, {"branch": "current"}):
            listed = await walked(fresh_user, path, include="payload", order=order, **query)
            assert [len(each["payload"]["data"]) for each in listed] == (sizes if order == "asc" else sizes[::-1])


@pytest.mark.parametrize("value", ["payloads", "", "payload,", "payload lastMessage", "lastMessage,payloads"])
async def test_lists_include_nothing_else(ada, value):
    refused = await ada.list_threads(include=value)

    assert (refused.status, refused.param) == (400, "include")


async def test_a_list_includes_several_at_once(fresh_user):
    made = await fresh_user.create_thread(
        payload={"format": "x", "data": "its own"}, messages=[{"role": "user", "content": "said last"}]
    )

    for value in ("payload,lastMessage", "lastMessage,payload", "payload,lastMessage,payload"):
        [listed] = (await fresh_user.list_threads(include=value)).data
        assert (listed["id"], listed["payload"]["data"]) == (made.id, "its own")
        assert listed["lastMessage"]["preview"] == "said last"


async def test_a_member_sees_the_payloads_of_own_threads_only(ada, ben):
    thread = await ada.create_thread(payload=payload("of ada"))

    assert (await ben.get(thread)).status == 404
    assert "of ada" not in (await ben.list_threads(include="payload")).text


# What changes it


async def test_a_payload_is_set_replaced_and_removed(ada):
    thread = await ada.create_thread()
    first = await ada.update(thread, payload=payload("one"))
    same = await ada.update(thread, payload=payload("one"))
    other_format = await ada.update(thread, payload=payload("one", "other"))
    other_data = await ada.update(thread, payload=payload("two", "other"))
    untouched = await ada.update(thread, title="new")
    read = await ada.get(thread)
    removed = await ada.update(thread, payload=None)
    again = await ada.update(thread, payload=None)

    tags = [each.etag for each in (thread, first, same, other_format, other_data, untouched, removed, again)]
    assert [tag == before for before, tag in pairwise(tags)] == [
        False, True, False, False, False, False, True
    ]  # fmt: skip
    assert read.payload == payload("two", "other")
    assert (removed.payloadFormat, "payload" in (await ada.get(thread)).body) == (None, False)


async def test_a_payload_of_a_thread_follows_its_title_in_every_state(ada):
    thread = await ada.create_thread(payload=payload("kept"))

    await ada.lock(thread)
    locked = await ada.update(thread, payload=payload("other"))
    await ada.archive(thread)
    archived = await ada.update(thread, payload=None)

    assert (locked.status, locked.code) == (409, "thread_locked")
    assert (archived.status, archived.code) == (409, "thread_archived")
    assert (await ada.get(thread)).payload == payload("kept")


async def test_new_content_without_a_new_payload_removes_the_payload(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "one", payload=payload("of one"))

    same = await ada.update_message(thread, message, content="one")
    kept = await ada.get_message(thread, message)
    metadata = await ada.update_message(thread, message, metadata={"a": 1})
    both = await ada.update_message(thread, message, content="two", payload=payload("of two"))
    read = await ada.get_message(thread, message)
    changed = await ada.update_message(thread, message, content="three")
    last = await ada.get_message(thread, message)

    assert (same.etag, kept.payload) == (message.etag, payload("of one"))
    assert metadata.payloadFormat == "acme/message"
    assert (both.payloadFormat, read.payload) == ("acme/message", payload("of two"))
    assert (changed.payloadFormat, "payload" in last.body) == (None, False)


@pytest.mark.parametrize("role", ["user", "system", "assistant", "tool"])
async def test_a_message_without_content_or_calls_keeps_its_payload(ada, role):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "", role, payload=payload("all there is"))

    refused = await ada.update_message(thread, message, payload=None)
    emptied = await ada.update_message(thread, message, content="", payload=None)
    filled = await ada.update_message(thread, message, content="text", payload=None)

    for each in (refused, emptied):
        assert (each.status, each.code, each.param) == (400, "invalid_field", "payload")
    assert (filled.status, filled.payloadFormat) == (200, None)


async def test_a_message_with_calls_alone_may_lose_its_payload(ada):
    thread = await ada.create_thread()
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = await ada.post_message(thread, "", "assistant", toolCalls=[call], payload=payload("x"))

    removed = await ada.update_message(thread, message, payload=None)

    assert (removed.status, removed.payloadFormat) == (200, None)


@pytest.mark.parametrize("role", ["user", "system"])
async def test_only_a_payload_lets_a_person_say_nothing(ada, role):
    thread = await ada.create_thread()

    refused = await ada.post_message(thread, " ", role)
    null = await ada.post_message(thread, " ", role, payload=None)
    kept = await ada.post_message(thread, " ", role, payload=payload(""))

    for each in (refused, null):
        assert (each.status, each.param) == (400, "content")
    assert kept.status == 201


async def test_a_payload_needs_the_revision_that_its_writer_saw(ada):
    thread = await ada.create_thread(payload=payload("one"))

    stale = await ada.if_match('"1"').update(thread, payload=payload("two"))
    fresh = await ada.if_match(thread.etag).update(thread, payload=payload("two"))

    assert (stale.status, stale.code) == (412, "precondition_failed")
    assert (fresh.status, (await ada.get(thread)).payload) == (200, payload("two"))


# Who never reads it


async def test_neither_model_nor_preview_nor_names_see_a_payload(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        ada, model = place.cast.ada, place.fresh_model()
        thread = await ada.create_thread(payload=payload("hidden word"))
        await ada.post_message(thread, "spoken", payload=payload("hidden word"))
        silent = await ada.post_message(thread, "", "assistant", payload=payload("hidden word"))
        asked = [{"role": "user", "content": "and?", "payload": payload("hidden word")}]

        answered = await ada.respond(thread, input=asked)
        await ada.delete_message(thread, answered.messageId)
        await ada.delete_message(thread, answered.inputMessageIds[0])
        context = await ada.context(thread, contextMode="full")
        await ada.generate_name(thread)
        [shown] = (await ada.list_threads(include="lastMessage")).data

        assert answered.status == 200
        assert len(model.calls) == 2
        assert not any("hidden word" in json.dumps(call.body) for call in model.calls)
        assert silent.id not in [each["id"] for each in context["messages"]]
        assert shown["lastMessage"]["preview"] == "spoken"
        assert "hidden word" not in context.text


async def test_a_retry_repeats_the_answer_and_no_stored_answer_holds_a_payload(ada, stored):
    word = "word-of-a-payload-that-nobody-else-has"
    retrying = ada.retrying("payload-retry")
    thread = await retrying.create_thread(payload=payload(word))
    again = await retrying.create_thread(payload=payload(word))
    other = await retrying.create_thread(payload=payload(word + "!"))
    await retrying.post_messages(thread, [{"role": "user", "content": "a", "payload": payload(word)}])
    await retrying.post_message(thread, payload=payload(word))

    assert (again.id, again.headers["idempotent-replayed"]) == (thread.id, "true")
    assert (other.status, other.code) == (422, "key_reused")
    assert not any(word in str(row) for row in await stored.rows("select * from idempotency"))
    assert any(word in str(row) for row in await stored.rows(LEFT))


# How it goes


async def test_no_deletion_leaves_a_payload(ada, people, stored):
    leaver = people.new_user()
    owner = await people.owner()
    words = [f"payload-that-goes-{n}" for n in range(7)]

    async def full(who, word, **body) -> Answer:
        bodies = [{"role": "user", "content": "a", "payload": payload(word)}, {"role": "user", "content": "b"}]
        return await who.create_thread(
            payload=payload(word) if body.pop("whole", True) else None, messages=bodies, **body
        )

    deleted, emptied, single, replaced, content = [await full(ada, word, whole=word == words[0]) for word in words[:5]]
    await full(ada, words[5], userId=leaver)
    await full(owner, words[6])
    kept = await full(ada, "payload-that-stays")

    await ada.delete(deleted)
    await ada.delete_messages(emptied)
    [first, _] = (await ada.list_messages(single)).ids
    await ada.delete_message(single, first)
    [first, _] = (await ada.list_messages(replaced)).ids
    await ada.post_messages(replaced, [], replaces=first)
    [first, _] = (await ada.list_messages(content)).ids
    await ada.update_message(content, first, content="other")
    await ada.delete_member(leaver, threads="delete")
    await owner.delete_organization()

    async def left():
        return {data for (data,) in await stored.rows(LEFT)} & {*words, "payload-that-stays"}

    # A deleted organization's rows wait for a minute.
    await eventually(left, lambda found: found == {words[6], "payload-that-stays"}, 30)
    assert (await ada.get(kept)).payload == payload("payload-that-stays")


async def test_deleting_all_messages_keeps_the_threads_own_payload(ada, stored):
    thread = await ada.create_thread(payload=payload("of the thread that is emptied"))
    await ada.post_message(thread, payload=payload("of its message"))

    await ada.delete_messages(thread)

    async def left():
        return [data for (data,) in await stored.rows(LEFT) if data == "of its message"]

    await eventually(left, lambda found: found == [], 30)
    assert (await ada.get(thread)).payload == payload("of the thread that is emptied")
