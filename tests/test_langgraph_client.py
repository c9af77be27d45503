"""Through LangGraph's own Python client, over a real server."""

import pytest
from langgraph_sdk import get_client
from langgraph_sdk.errors import ConflictError, NotFoundError

from support.answering import begin_talk, open_place


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def ada(place):
    return await place.people.owner()


@pytest.fixture
async def client(ada):
    credential = ada.token if "authorization" in ada.credential else ada.key
    async with get_client(url=f"{str(ada.client.base_url).rstrip('/')}/langgraph", api_key=credential) as client:
        yield client


async def test_the_client_makes_streams_reads_finds_and_deletes(client, model):
    thread = await client.threads.create(metadata={"topic": "x"})
    asked = {"messages": [{"role": "user", "content": "hello"}]}
    parts = [
        part
        async for part in client.runs.stream(
            thread["thread_id"], "agent", input=asked, stream_mode=["values", "messages-tuple"]
        )
    ]

    assert (parts[0].event, parts[-2].event) == ("metadata", "values")
    state = await client.threads.get_state(thread["thread_id"])
    assert state["values"] == parts[-2].data
    assert [each["thread_id"] for each in await client.threads.search(metadata={"topic": "x"})] == [thread["thread_id"]]
    assert len(await client.threads.get_history(thread["thread_id"])) == 3
    joined = await client.runs.join(thread["thread_id"], parts[0].data["run_id"])
    assert joined == state["values"]
    await client.threads.delete(thread["thread_id"])
    with pytest.raises(NotFoundError):
        await client.threads.get(thread["thread_id"])


async def test_a_busy_thread_is_a_conflict_until_its_run_is_cancelled(ada, client, model):
    native = (await begin_talk(ada, model)).thread
    [run] = await client.runs.list(native.id)

    with pytest.raises(ConflictError):
        await client.runs.create(run["thread_id"], "agent", input={"messages": "more"})
    await client.runs.cancel(run["thread_id"], run["run_id"], wait=True)

    assert (await client.runs.get(run["thread_id"], run["run_id"]))["status"] == "interrupted"
