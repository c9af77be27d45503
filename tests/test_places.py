"""What one caller may hold open: streams, waiting calls and names have limits, and others go on as before."""

import asyncio
from contextlib import suppress

import pytest

from conftest import connect
from support.answering import begin_talk, open_place
from support.holding import holding
from support.naming import CONVERSATION, hold_name
from support.scripted_model import DONE, STALL, finish
from support.streams import Stream, events_path, responses_path, stream_path
from support.waiting import SOON_S, eventually

pytestmark = pytest.mark.one_database("counted in the process's memory")

USER_MAX, ORGANIZATION_MAX, NAMES_MAX = 4, 9, 2
CONNECTIONS = 60


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(
        new_database,
        zygote,
        THREADKEEP_WAITING_PER_USER_MAX=str(USER_MAX),
        THREADKEEP_WAITING_PER_ORGANIZATION_MAX=str(ORGANIZATION_MAX),
        THREADKEEP_NAMES_PER_USER_MAX=str(NAMES_MAX),
    ) as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def owner(place):
    return await place.people.owner()


@pytest.fixture
async def member(place, owner):
    return (await place.people.member(owner)).with_token()


@pytest.fixture
async def opened():
    """Streams that end with the test."""
    streams = []
    yield streams
    for stream in streams:
        stream.cut()


async def follow(opened, who, talk, count):
    for _ in range(count):
        opened.append(await Stream.follow(who, talk.thread, talk.response))
    return [stream.status for stream in opened[-count:]]


def is_full(answer):
    assert "as many as may" in answer.message
    assert int(answer.headers["retry-after"]) >= 1
    return (answer.status, answer.code) == (429, "rate_limited")


async def test_one_user_has_so_many_streams_and_waiting_calls_and_no_more(owner, member, model, opened):
    talk = await begin_talk(member, model)
    waiting = asyncio.ensure_future(member.retrying("waits").respond(await member.create_thread(), input="hi"))
    await model.called(2)

    followed = await follow(opened, member, talk, USER_MAX - 1)
    path = f"/v1/threads/{talk.thread.id}"
    refused = [
        await member.request("GET", events_path(talk.thread, talk.response)),
        await member.request("GET", stream_path(talk.thread)),
        await member.request("POST", responses_path(await member.create_thread()), {"input": "hi"}),
        await member.request("POST", responses_path(await member.create_thread()), {"input": "hi", "stream": True}),
        await member.request("POST", "/v1/responses", {"thread": {"id": f"{talk.thread.id}x"}, "input": "hi"}),
        await member.request("POST", f"{path}/generateName", {}),
        await member.request("POST", f"{path}/generateName?stream=true", {}),
    ]

    assert followed == [200] * (USER_MAX - 1)
    assert [is_full(answer) for answer in refused] == [True] * len(refused)
    assert (await member.get(f"{talk.thread.id}x")).status == 404
    assert (await member.list_threads()).status == 200
    assert (await member.respond(await member.create_thread(), input="hi", background=True)).status == 202
    assert (await member.context(talk.thread)).status == 200
    assert (await owner.request("GET", events_path(talk.thread, "resp_" + "0" * 26))).status == 404
    talk.go.set()
    assert (await waiting).status == 200


async def test_whoever_ends_a_stream_may_open_another(member, model, opened):
    talk = await begin_talk(member, model)
    await follow(opened, member, talk, USER_MAX)
    opened.pop().cut()

    async def again():
        opened.append(await Stream.follow(member, talk.thread, talk.response))
        return opened[-1].status

    assert await eventually(again, lambda status: status == 200, SOON_S)
    assert (await member.request("GET", stream_path(talk.thread))).status == 429
    talk.go.set()
    for stream in opened:
        await stream.rest()
    assert (await member.request("GET", events_path(talk.thread, talk.response))).status == 200


async def test_a_program_takes_no_places_of_the_person_whose_user_id_it_has(owner, model, opened):
    person = owner.with_token()
    talk = await begin_talk(owner, model)

    await follow(opened, owner, talk, USER_MAX)

    assert await follow(opened, person, talk, USER_MAX) == [200] * USER_MAX
    talk.go.set()


async def test_a_stream_of_a_name_whose_client_left_before_it_began_holds_nothing(place, member, model):
    """Its name is not made, so nothing would ever end it."""
    thread = await member.create_thread(messages=CONVERSATION)
    hold_name(model)
    for _ in range(USER_MAX):
        async with holding(place.server.database, thread.id):
            with suppress(TimeoutError):
                await asyncio.wait_for(
                    member.request("POST", f"/v1/threads/{thread.id}/generateName?stream=true", {}), 0.3
                )
        await asyncio.sleep(0.2)

    async def waits():
        return await member.request("GET", events_path(thread, "resp_" + "0" * 26))

    assert await eventually(waits, lambda answer: answer.status == 404, SOON_S)
    model.answer("Hello")
    assert (await member.generate_name(thread)).status == 200


async def test_a_client_that_no_longer_waits_for_its_answer_holds_nothing(member, model):
    """The response goes on, and its readers find it."""
    talk = await begin_talk(member, model)
    thread = await member.create_thread()
    response = None
    for number in range(3 * USER_MAX):
        waiting = asyncio.ensure_future(member.retrying("left").respond(thread, input="hi"))
        await eventually(lambda: member.list_responses(thread), lambda answer: answer.data != [], SOON_S)
        await asyncio.sleep(0.05 * (number % 3))
        waiting.cancel()
        await asyncio.wait([waiting])
        response = (await member.list_responses(thread)).data[0]["id"]

    async def waits():
        return await member.request("GET", events_path(talk.thread, "resp_" + "0" * 26))

    await eventually(waits, lambda answer: answer.status == 404, SOON_S)
    talk.go.set()
    ended = await member.retrying("left").respond(thread, input="hi")
    assert (ended.id, ended["status"]) == (response, "completed")


async def test_one_organization_has_so_many_and_another_does_not_notice(place, owner, model, opened):
    """A program with a plain key has no limit of its own but that of its organization."""
    talk = await begin_talk(owner, model)

    followed = await follow(opened, owner, talk, ORGANIZATION_MAX)
    refused = await owner.request("GET", stream_path(talk.thread))
    members = await place.people.member(owner)
    theirs = await members.request("POST", "/v1/responses", {"thread": {}, "input": "hi"})
    stranger = await place.people.owner()
    thread = await stranger.create_thread()

    assert followed == [200] * ORGANIZATION_MAX
    assert is_full(refused)
    assert is_full(theirs)
    assert "organization" in refused.message
    assert (await stranger.request("GET", stream_path(thread))).status == 204
    talk.go.set()


async def test_users_of_a_backend_have_a_limit_each(owner, model, opened):
    one, two = owner.as_user("uid_one"), owner.as_user("uid_two")
    talk = await begin_talk(one, model)

    assert await follow(opened, one, talk, USER_MAX) == [200] * USER_MAX
    assert is_full(await one.request("GET", stream_path(talk.thread)))
    assert (await two.request("GET", stream_path(await two.create_thread()))).status == 204
    talk.go.set()


async def test_a_key_of_a_member_is_limited_as_its_member_is(owner, place, model, opened):
    by_key = await place.people.member(owner)
    talk = await begin_talk(by_key, model)

    await follow(opened, by_key, talk, USER_MAX - 1)
    await follow(opened, by_key.with_token(), talk, 1)

    assert is_full(await by_key.request("GET", stream_path(talk.thread)))
    assert is_full(await by_key.with_token().request("GET", stream_path(talk.thread)))
    talk.go.set()


async def test_one_user_has_so_many_names_made_at_once(member, owner, model):
    held = hold_name(model)
    threads = [await member.create_thread(messages=CONVERSATION) for _ in range(NAMES_MAX + 1)]
    making = [asyncio.ensure_future(member.generate_name(thread)) for thread in threads[:NAMES_MAX]]
    await model.called(NAMES_MAX)

    refused = [
        await member.generate_name(threads[-1]),
        await member.generate_name(threads[-1], stream="true"),
        await member.retrying("again").generate_name(threads[-1]),
    ]
    other = asyncio.ensure_future(owner.generate_name(await owner.create_thread(messages=CONVERSATION)))
    await model.called(NAMES_MAX + 1)
    held.go.set()

    assert [is_full(answer) for answer in refused] == [True] * 3
    assert [answer.status for answer in await asyncio.gather(*making, other)] == [200] * (NAMES_MAX + 1)
    assert (await member.retrying("again").generate_name(threads[-1])).status == 200


@pytest.mark.parametrize("streams", [False, True])
async def test_a_name_that_nobody_can_get_any_more_is_not_made(member, model, streams):
    hold_name(model)
    thread = await member.create_thread(messages=CONVERSATION)
    path = f"/v1/threads/{thread.id}/generateName?stream={str(streams).lower()}"

    for number in range(3 * NAMES_MAX):
        stream = await Stream.open(member, "POST", path, {}, reads_head=streams)
        await model.called(number + 1)
        stream.cut()
        await asyncio.wait_for(model.calls[number].gone.wait(), SOON_S)

    assert (await member.get(thread)).title is None


async def test_a_name_whose_retry_can_get_it_is_made_though_its_client_has_gone(member, model):
    held = hold_name(model)
    thread = await member.create_thread(messages=CONVERSATION)
    stream = await Stream.open(
        member.retrying("once"), "POST", f"/v1/threads/{thread.id}/generateName", {}, reads_head=False
    )
    await model.called(1)
    stream.cut()
    await asyncio.sleep(0.2)
    held.go.set()

    async def again():
        return await member.retrying("once").generate_name(thread)

    named = await eventually(again, lambda answer: answer.status == 200, SOON_S)
    assert named.headers["idempotent-replayed"] == "true"
    assert len(model.calls) == 1


async def test_names_count_in_usage_with_their_tokens_and_as_no_response(owner, member, model):
    """Also those that failed, and those that nobody waited for."""
    thread = await member.create_thread(messages=CONVERSATION)
    model.script = ["Passport renewal", finish(), DONE]
    await member.generate_name(thread)
    model.answer("Passport renewal")
    await member.generate_name(thread)
    before = (await owner.read_usage(groupBy="user")).data[0]
    model.script = ["Half a", STALL]
    stream = await Stream.open(member, "POST", f"/v1/threads/{thread.id}/generateName", {}, reads_head=False)
    await model.called(3)
    await asyncio.sleep(0.3)
    stream.cut()

    async def used():
        return (await owner.read_usage(groupBy="user")).data[0]

    after = await eventually(used, lambda group: group["totalTokens"] > before["totalTokens"], SOON_S)

    assert (before["key"], before["responses"]) == (member.user, 0)
    assert 0 < before["totalTokens"] - before["estimatedTokens"] < 100
    assert before["estimatedTokens"] > 100
    assert after["outputTokens"] == before["outputTokens"] + 6
    assert after["responses"] == 0
    [model_group] = (await owner.read_usage(groupBy="model")).data
    assert model_group["totalTokens"] == after["totalTokens"]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_one_member_who_opens_all_that_he_can_leaves_room_for_others(new_database, zygote):
    """As many streams as connections, half-sent bodies, and answers that are not read."""
    async with open_place(new_database, zygote, THREADKEEP_CONNECTIONS_MAX=str(CONNECTIONS)) as place:
        member = (await place.people.member(place.cast.ada)).with_token()
        talk = await begin_talk(member, place.model)
        opened = [await Stream.follow(member, talk.thread, talk.response) for _ in range(CONNECTIONS)]
        half = {"content-length": "100", "content-type": "application/json"}
        opened += [
            await Stream.open(member, "POST", "/v1/threads", headers=half, reads_head=False) for _ in range(CONNECTIONS)
        ]
        await asyncio.sleep(0.3)

        for _ in range(5):
            async with connect(place.server) as client:
                assert (await client.get("/healthz")).status_code == 200
            async with connect(place.server) as client:
                answer = await client.get("/v1/threads", headers=place.cast.cleo.credential)
                assert answer.status_code == 200

        statuses = [stream.status for stream in opened[:CONNECTIONS]]
        assert (statuses.count(200), statuses.count(429)) == (32, CONNECTIONS - 32)
        for stream in opened:
            stream.cut()
        talk.go.set()
