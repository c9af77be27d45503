"""What LangGraph's clients ask of runs, on the wire: how they begin, are followed, fail, call tools and are left."""

import asyncio

import msgspec
import pytest

from support.answering import begin_talk, open_place, texts
from support.scripted_model import DONE, Head, finish, tool_call
from support.streams import Stream
from support.waiting import SOON_S, eventually

PATH = "/langgraph"


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_CORS_ORIGINS="https://app.example.com") as place:
        yield place


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def ada(place):
    return await place.people.owner()


@pytest.fixture
async def id(ada):
    return (await post(ada, "/threads")).body["thread_id"]


async def post(who, path, body=None, **more):
    return await who.request("POST", f"{PATH}{path}", body or {}, **more)


async def get(who, path, **more):
    return await who.request("GET", f"{PATH}{path}", **more)


def asking(text, **more):
    return {"assistant_id": "agent", "input": {"messages": [{"type": "human", "content": text}]}, **more}


def events_in(answer):
    found = []
    for frame in answer.text.split("\n\n"):
        if frame and not frame.startswith(":"):
            fields = dict(line.split(": ", 1) for line in frame.split("\n"))
            found.append((fields["event"], msgspec.json.decode(fields["data"])))
    return found


def names(events):
    """Return the names of the events; how often a text comes in pieces is up to the server."""
    found = [name for name, _ in events]
    return [name for place, name in enumerate(found) if found[place - 1 : place] != [name]]


async def status_of(who, id, run_id):
    return (await get(who, f"/threads/{id}/runs/{run_id}")).body["status"]


@pytest.mark.parametrize("asks", [True, False])
async def test_leaving_a_stream_ends_its_run_only_where_that_was_asked_for(ada, model, id, asks):
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    body = asking("hi", stream_mode="messages-tuple", **({"on_disconnect": "cancel"} if asks else {}))
    stream = await Stream.open(ada, "POST", f"{PATH}/threads/{id}/runs/stream", body)
    async with stream:
        await eventually(lambda: stream.more(), lambda _: b"Hel" in stream.body, SOON_S)
        [run] = (await get(ada, f"/threads/{id}/runs")).body
    if asks:
        await eventually(lambda: status_of(ada, id, run["run_id"]), lambda status: status == "interrupted", SOON_S)
    go.set()
    wanted = "interrupted" if asks else "success"
    assert await eventually(
        lambda: status_of(ada, id, run["run_id"]), lambda status: status != "running", SOON_S
    ) == wanted  # fmt: skip


async def test_a_token_may_stand_in_the_field_of_the_key(ada, id):
    credential = {"x-api-key": str(ada.token)}
    found = await ada.client.get(f"{PATH}/threads/{id}", headers=credential)
    assert (found.status_code, found.json()["thread_id"]) == (200, id)
    wrong = await ada.client.get(f"{PATH}/threads/{id}", headers={"x-api-key": "no token"})
    assert (wrong.status_code, set(wrong.json())) == (401, {"detail", "code"})


async def test_a_run_makes_its_thread_only_where_that_was_asked_for(ada, model):
    id = "01234567-89ab-4cde-8f01-23456789abcd"
    assert (await post(ada, f"/threads/{id}/runs/wait", asking("hi"))).status == 404
    assert (await post(ada, f"/threads/{id}/runs/wait", asking("hi", if_not_exists="reject"))).status == 404

    made = await post(ada, f"/threads/{id}/runs/wait", asking("hi", if_not_exists="create"))

    assert made.body["messages"][0]["content"] == "hi"
    assert (await get(ada, f"/threads/{id}")).body["thread_id"] == id


async def test_a_busy_thread_refuses_or_is_interrupted_and_queues_nothing(ada, model):
    thread = (await begin_talk(ada, model)).thread
    [run] = (await get(ada, f"/threads/{thread.id}/runs")).body
    where = f"/threads/{run['thread_id']}/runs"
    assert (await post(ada, where, asking("a", multitask_strategy="reject"))).status == 409
    for strategy in ("enqueue", "rollback"):
        assert (await post(ada, where, asking("a", multitask_strategy=strategy))).status == 422
    model.answer("Yes.")

    values = (await post(ada, f"{where}/wait", asking("stop that", multitask_strategy="interrupt"))).body

    assert await status_of(ada, thread.id, run["run_id"]) == "interrupted"
    assert [each["content"] for each in values["messages"]] == ["hi", "Hel", "stop that", "Yes."]
    assert (await post(ada, f"{where}/{run['run_id']}/cancel", params={"action": "rollback"})).status == 422


async def test_what_runs_is_followed_and_joined_by_others(ada, model):
    talk = await begin_talk(ada, model)
    [run] = (await get(ada, f"/threads/{talk.thread.id}/runs")).body
    where = f"/threads/{run['thread_id']}"
    follows = [
        asyncio.create_task(get(ada, path, params={"stream_mode": "values"}))
        for path in (f"{where}/stream", f"{where}/runs/{run['run_id']}/stream")
    ]
    joins = asyncio.create_task(get(ada, f"{where}/runs/{run['run_id']}/join"))
    await asyncio.sleep(0.1)
    await talk.ended(ada)

    values = (await joins).body
    for follow in follows:
        events = events_in(await follow)
        assert names(events) == ["metadata", "values", "end"]
        assert events[-2][1] == values
    assert [each["content"] for each in values["messages"]] == ["hi", "Hello"]
    idle = await get(ada, f"{where}/stream")
    assert (idle.status, events_in(idle)) == (200, [])


async def test_a_run_that_failed_says_so_in_each_way(ada, model, id):
    model.script = [Head(400, {"content-length": "0"})]

    streamed = events_in(await post(ada, f"/threads/{id}/runs/stream", asking("hi")))
    run_id = streamed[0][1]["run_id"]
    joined = (await get(ada, f"/threads/{id}/runs/{run_id}/join")).body

    assert streamed[-1][0] == "error"
    assert joined == {"__error__": streamed[-1][1]}
    assert set(streamed[-1][1]) == {"error", "message"}
    assert await status_of(ada, id, run_id) == "error"


async def test_each_mode_of_a_stream_shows_its_own(ada, model, id):
    model.answer("Hello!")
    modes = {
        "values": ["metadata", "values", "end"],
        "messages": ["metadata", "messages/partial", "end"],
        "messages-tuple": ["metadata", "messages", "end"],
        "updates": ["metadata", "updates", "end"],
        "debug": ["metadata", "end"],
    }
    for mode, wanted in modes.items():
        events = events_in(await post(ada, f"/threads/{id}/runs/stream", asking("hi", stream_mode=mode)))
        assert names(events) == wanted
        if mode == "messages":
            assert events[-2][1][0]["content"] == "Hello!"
        if mode == "updates":
            assert events[-2][1]["model"]["messages"][0]["content"] == "Hello!"


async def test_tools_are_called_in_a_stream_and_answered_by_a_message(ada, model):
    function = {"name": "look", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    assistant = await ada.create_assistant(name="looks", model="scripted", tools=tools)
    id = (await post(ada, "/threads")).body["thread_id"]
    model.script = [
        tool_call(0, "call_1", "look", '{"at":'),
        tool_call(0, None, None, "1}"),
        finish("tool_calls"),
        DONE,
    ]
    body = asking("look", stream_mode=["messages-tuple", "values"]) | {"assistant_id": "looks"}

    events = events_in(await post(ada, f"/threads/{id}/runs/stream", body))

    chunks = [call for name, data in events if name == "messages" for call in data[0]["tool_call_chunks"]]
    assert "".join(each["args"] for each in chunks) == '{"at":1}'
    answer = events[-2][1]["messages"][-1]
    assert answer["tool_calls"] == [{"id": "call_1", "name": "look", "args": {"at": 1}, "type": "tool_call"}]
    model.answer("It is 42.")
    result = {"type": "tool", "tool_call_id": "call_1", "content": "42"}
    whole = [*events[-2][1]["messages"], result]

    values = (await post(ada, f"/threads/{id}/runs/wait", {"assistant_id": "looks", "input": {"messages": whole}})).body

    assert [each["type"] for each in values["messages"]] == ["human", "ai", "tool", "ai"]
    assert values["messages"][2]["tool_call_id"] == "call_1"
    assert [each["role"] for each in model.calls[-1].body["messages"]] == ["user", "assistant", "tool"]
    [run, _] = (await get(ada, f"/threads/{id}/runs")).body
    assert run["assistant_id"] == (await get(ada, "/assistants/looks")).body["assistant_id"]
    assert (await get(ada, f"/assistants/{assistant.id}")).body["name"] == "looks"


async def test_assistants_are_found_by_name_and_a_name_that_two_have_is_refused(ada, model, id):
    for _ in range(2):
        await ada.create_assistant(name="twin", instructions="x")

    refused = await post(ada, f"/threads/{id}/runs/wait", asking("hi") | {"assistant_id": "twin"})

    found = (await post(ada, "/assistants/search", {"name": "twin"})).body
    assert (refused.status, refused.body["code"]) == (422, "ambiguous_name")
    assert all(each["assistant_id"] in refused.body["detail"] for each in found)
    assert (await post(ada, "/assistants/count", {"name": "twin"})).body == len(found) == 2
    assert (await get(ada, "/assistants/agent")).body["graph_id"] == "agent"
    assert (await post(ada, f"/threads/{id}/runs/wait", asking("hi") | {"assistant_id": "unknown"})).status == 200


async def test_a_history_goes_on_before_a_checkpoint(ada, model, id):
    for text in ("one", "two"):
        await post(ada, f"/threads/{id}/runs/wait", asking(text))
    where = f"/threads/{id}/history"

    whole = (await post(ada, where, {"limit": 1000})).body
    first = (await post(ada, where, {"limit": 2})).body
    rest = (await post(ada, where, {"limit": 1000, "before": first[-1]["checkpoint"]})).body

    assert [*first, *rest] == whole
    assert [len(each["values"]["messages"]) for each in whole] == [4, 3, 2, 1, 0]
    assert [each["parent_checkpoint"] for each in whole[:-1]] == [each["checkpoint"] for each in whole[1:]]
    assert (await post(ada, where, {"limit": 1001})).status == 422
    steps = [(await post(ada, where, {"limit": 1, "metadata": each})).body for each in ({"step": 1}, {"step": 9})]
    assert [[len(each["values"]["messages"]) for each in found] for found in steps] == [[2], []]
    assert (await post(ada, where, {"limit": 1000, "metadata": {"source": "loop"}})).body == whole


async def test_runs_of_a_status_are_counted_among_those(ada, model, id):
    model.when("two", Head(400))
    for text in ("one", "two", "three"):
        await post(ada, f"/threads/{id}/runs/wait", asking(text))

    found = [
        (await get(ada, f"/threads/{id}/runs?status={status}&limit=1&offset={offset}")).body
        for status, offset in (("success", 0), ("success", 1), ("success", 2), ("error", 0))
    ]
    assert [[each["status"] for each in runs] for runs in found] == [["success"], ["success"], [], ["error"]]
    assert found[0] != found[1]


async def test_a_page_of_another_origin_may_read_where_its_run_is(ada, model, id):
    origin = {"Origin": "https://app.example.com"}
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    allowed = await ada.client.options(f"{PATH}/threads/{id}/runs/stream", headers=asked)
    streamed = await post(ada, f"/threads/{id}/runs/stream", asking("hi"), headers=origin)
    other = await ada.client.options(
        f"{PATH}/threads/{id}/runs/stream", headers=asked | {"Origin": "https://evil.example"}
    )

    assert "x-api-key" in allowed.headers["access-control-allow-headers"].lower()
    exposed = streamed.headers["access-control-expose-headers"].lower()
    assert "content-location" in exposed
    assert "location" in exposed.replace("content-location", "")
    assert "access-control-allow-origin" not in other.headers


async def test_the_same_request_sent_at_once_is_one_run(ada, model, id):
    message = {"id": "mine", "type": "human", "content": "hi"}
    body = {"assistant_id": "agent", "input": {"messages": [message]}}

    answers = await asyncio.gather(*(post(ada, f"/threads/{id}/runs/wait", body) for _ in range(4)))

    assert all(each.body == answers[0].body for each in answers)
    assert len(model.calls) == 1
    assert len(texts((await ada.list_messages((await ada.list_threads()).data[0])).data)) == 2


async def test_what_asks_for_graphs_is_refused_with_the_name_of_its_field(ada, id):
    for field, value in {
        "command": {"resume": 1}, "interrupt_before": ["a"], "interrupt_after": "*", "webhook": "https://example.org",
        "after_seconds": 5,
    }.items():  # fmt: skip
        refused = await post(ada, f"/threads/{id}/runs", asking("x", **{field: value}))
        assert refused.status == 422
        assert field in refused.body["detail"]
    for body in ({"ttl": {"ttl": 5}}, {"supersteps": [{}]}):
        assert (await post(ada, "/threads", body)).status == 422
    for body in ({"values": {"a": 1}}, {"extract": {"a": "b"}}):
        assert (await post(ada, "/threads/search", body)).status == 422
    taken = await post(ada, "/threads", {"thread_id": id})
    assert (taken.status, taken.body["code"]) == (409, "thread_exists")
    assert (await post(ada, "/threads", {"thread_id": id, "if_exists": "do_nothing"})).body["thread_id"] == id
    assert (await get(ada, "/info")).body["version"]
