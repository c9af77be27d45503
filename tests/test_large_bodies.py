"""Bodies that cost much to read: each is answered, and other requests go on meanwhile."""

import asyncio

import pytest

from conftest import connect

pytestmark = pytest.mark.one_database("bodies are read before a database is asked")

# So many others are answered while one body is read, however slow the machine is: it slows both alike.
# A server that reads it on its loop answers 2 or 3, those that were under way.
MEANWHILE_MIN = 10


def large(count, value):
    return b'{"metadata":{"a":[' + b",".join([value] * count) + b"]}}"


LARGE_BODIES = {
    "2 000 000 scalars": large(2_000_000, b"1"),
    "370 000 keys and an escape": b'{"metadata":{"\\u0041":1,'
    + b",".join(b'"%d":1' % number for number in range(370_000))
    + b"}}",
}
# The decoder makes these in one go, which nothing divides: a few hundredths of a second.
IN_ONE_GO = {
    "1 300 000 empty arrays": large(1_300_000, b"[]"),
    "4 MB of text and an escape": b'{"title":"\\u0041' + b"a" * 4_100_000 + b'"}',
}


@pytest.mark.parametrize("name", LARGE_BODIES)
async def test_a_body_that_costs_much_to_read_keeps_nobody_else_waiting(ada, server, name):
    async with connect(server) as client:
        sending = asyncio.create_task(create(ada, LARGE_BODIES[name]))
        answered = 0
        while not sending.done():
            assert (await client.get("/healthz")).status_code == 200
            answered += 1

    assert (await sending).status in (400, 413)
    assert answered >= MEANWHILE_MIN


@pytest.mark.parametrize("name", IN_ONE_GO)
async def test_a_body_that_is_decoded_in_one_go_is_answered(ada, name):
    assert (await create(ada, IN_ONE_GO[name])).status in (400, 413)


@pytest.mark.parametrize("levels", [40, 100_000])
async def test_deep_nesting_is_refused_and_named(ada, levels):
    refused = await create(ada, '{"metadata":' + "[" * levels + "]" * levels + "}")

    assert (refused.status, refused.code) == (400, "invalid_field")
    assert refused.param


@pytest.mark.parametrize("number", ["1e-400", "-1e-400", "0.0001e-330", "1e400", "-1e400"])
async def test_a_number_that_cannot_be_kept_is_refused(ada, number):
    refused = await create(ada, f'{{"metadata":{{"n":{number}}}}}')

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "metadata.n")


@pytest.mark.parametrize("number", ["0e-400", "0.000", "-0.0e-400", "1e-300", "1e300"])
async def test_a_number_that_can_be_kept_is_taken(ada, number):
    created = await create(ada, f'{{"metadata":{{"n":{number}}}}}')

    assert (created.status, created.metadata["n"]) == (201, float(number))


async def test_metadata_of_one_of_several_messages_is_named_with_its_place(ada):
    thread = await ada.create_thread()
    messages = [{"role": "user", "content": "a"}, {"role": "user", "content": "b", "metadata": {"k": "x" * 513}}]

    appended = await ada.post_messages(thread, messages)
    created = await ada.create_thread(messages=messages)
    alone = await ada.post_message(thread, "b", metadata={"k": "x" * 513})

    for refused in (appended, created):
        assert (refused.status, refused.code) == (400, "metadata_value_too_long")
        assert refused.param == "messages[1].metadata.k"
    assert alone.param == "metadata.k"
    assert (await ada.get(thread)).messageCount == 0


@pytest.mark.parametrize("key", ["<b>\n", "a.b", "é", "\u202e", "a b"])
@pytest.mark.parametrize("value", ["x" * 513, {"no": "object"}, 2**60])
async def test_a_key_that_is_not_plain_is_not_echoed(ada, key, value):
    refused = await ada.create_thread(metadata={key: value})

    assert refused.status == 400
    assert refused.param.startswith("metadata")
    assert key not in refused.param
    assert key not in refused.message


def create(who, content):
    return who.request("POST", "/v1/threads", content=content)
