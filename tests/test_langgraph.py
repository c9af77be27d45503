"""LangGraph's API over this service's threads, on the wire: what a client sends, and what it reads."""

import msgspec
import pytest

from support.answering import begin_talk, open_place

PATH = "/langgraph"


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


async def post(who, path, body=None):
    return await who.request("POST", f"{PATH}{path}", body or {})


async def get(who, path, **more):
    return await who.request("GET", f"{PATH}{path}", **more)


async def new_thread(who):
    return (await post(who, "/threads")).body["thread_id"]


def asking(text, **more):
    return {"assistant_id": "agent", "input": {"messages": [{"type": "human", "content": text}]}, **more}


def events_in(answer):
    frames = [each for each in answer.text.split("\n\n") if each and not each.startswith(":")]
    found = []
    for each in frames:
        fields = dict(line.split(": ", 1) for line in each.split("\n"))
        found.append((fields.get("id"), fields["event"], msgspec.json.decode(fields["data"])))
    return found


async def test_a_thread_is_made_answered_and_read(ada, model):
    id = await new_thread(ada)
    modes = ["values", "updates", "messages-tuple"]

    streamed = await post(ada, f"/threads/{id}/runs/stream", asking("hello", stream_mode=modes))

    events = events_in(streamed)
    names = [name for _, name, _ in events]
    assert names[:2] == ["metadata", "values"]
    assert names[-3:] == ["updates", "values", "end"]
    chunks = [data[0] for _, name, data in events if name == "messages"]
    answer = events[-2][2]["messages"][-1]
    assert {each["id"] for each in chunks} == {answer["id"]}
    assert "".join(each["content"] for each in chunks) == answer["content"] != ""
    run_id = events[0][2]["run_id"]
    assert streamed.headers["content-location"] == f"/threads/{id}/runs/{run_id}"
    assert streamed.headers["location"].startswith(f"/threads/{id}/runs/{run_id}/stream")
    state = (await get(ada, f"/threads/{id}/state")).body
    assert state["values"] == events[-2][2]
    assert state["checkpoint"]["checkpoint_id"] == answer["id"]
    assert (await get(ada, f"/threads/{id}/runs/{run_id}")).body["status"] == "success"
    [found] = (await post(ada, "/threads/search", {"metadata": {"graph_id": "agent"}})).body
    assert (found["thread_id"], found["values"]["messages"][0]["content"]) == (id, "hello")


async def test_a_stream_goes_on_behind_an_event_and_minus_one_means_all_of_it(ada, model):
    id = await new_thread(ada)
    modes = ["values", "messages-tuple"]
    streamed = await post(ada, f"/threads/{id}/runs/stream", asking("hello", stream_mode=modes))
    events = events_in(streamed)
    where = streamed.headers["location"]
    middle = next(at for at, (_, name, _) in enumerate(events) if name == "messages")

    whole = await get(ada, where, headers={"Last-Event-ID": "-1"})
    rest = await get(ada, where, headers={"Last-Event-ID": events[middle][0]})

    assert events_in(whole)[0][1] == "metadata"
    assert events_in(rest)[-1] == events[-1]
    assert events_in(rest)[-2] == events[-2]
    assert "metadata" not in [name for _, name, _ in events_in(rest)]


async def test_waiting_gives_the_values_and_a_request_sent_again_begins_no_second_run(ada, model):
    id = await new_thread(ada)
    body = {"assistant_id": "agent", "input": {"messages": [{"id": "mine-1", "role": "user", "content": "hello"}]}}

    first = await post(ada, f"/threads/{id}/runs/wait", body)
    again = await post(ada, f"/threads/{id}/runs/wait", body)

    assert [each["type"] for each in first.body["messages"]] == ["human", "ai"]
    assert again.body == first.body
    assert len((await get(ada, f"/threads/{id}/runs")).body) == 1


async def test_a_checkpoint_begins_a_branch_that_the_history_shows(ada, model):
    id = await new_thread(ada)
    await post(ada, f"/threads/{id}/runs/wait", asking("one"))
    history = (await post(ada, f"/threads/{id}/history", {"limit": 10})).body
    assert [len(each["values"]["messages"]) for each in history] == [2, 1, 0]

    edited = await post(ada, f"/threads/{id}/runs/wait", asking("other", checkpoint=history[1]["parent_checkpoint"]))
    refreshed = await post(
        ada, f"/threads/{id}/runs/wait", {"assistant_id": "agent", "checkpoint": history[0]["parent_checkpoint"]}
    )

    assert edited.body["messages"][0]["content"] == "other"
    assert refreshed.body["messages"][0]["content"] == "one"
    assert len((await post(ada, f"/threads/{id}/history", {"limit": 1000})).body) == 6


async def test_a_run_is_cancelled_and_a_busy_thread_says_so(ada, model):
    thread = (await begin_talk(ada, model)).thread
    [run] = (await get(ada, f"/threads/{thread.id}/runs")).body
    assert run["status"] == "running"

    busy = await post(ada, f"/threads/{run['thread_id']}/runs", asking("more"))
    ended = await post(ada, f"/threads/{run['thread_id']}/runs/{run['run_id']}/cancel?wait=1")

    assert (busy.status, busy.body["code"]) == (409, "thread_busy")
    assert ended.status == 202
    assert (await get(ada, f"/threads/{thread.id}/runs/{run['run_id']}")).body["status"] == "interrupted"


async def test_what_is_refused_is_told_in_a_sentence(ada):
    id = await new_thread(ada)
    for body in (asking("x", command={"resume": 1}), asking("x", multitask_strategy="enqueue"), {"input": None}):
        refused = await post(ada, f"/threads/{id}/runs", body)
        assert refused.status == 422
        assert set(refused.body) == {"detail", "code"}
    assert (await post(ada, f"/threads/{id}/state", {"values": {"other": 1}})).status == 422
    assert (await get(ada, "/threads/no-id")).status == 422
    for path in ("/runs/stream", "/runs/crons", "/store/items", "/assistants", f"/threads/{id}/commands"):
        assert (await post(ada, path)).status == 404


async def test_a_thread_is_copied_changed_and_deleted(ada):
    id = await new_thread(ada)
    message = {"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a.png"}]}
    await post(ada, f"/threads/{id}/state", {"values": {"messages": [message]}})

    copied = (await post(ada, f"/threads/{id}/copy")).body
    changed = await ada.request("PATCH", f"{PATH}/threads/{id}", {"metadata": {"a": 1}})
    gone = await ada.request("DELETE", f"{PATH}/threads/{id}")

    assert copied["thread_id"] != id
    assert changed.body["metadata"] == {"a": 1}
    assert gone.status == 204
    assert (await get(ada, f"/threads/{id}")).body["code"] == "thread_not_found"
    read = (await get(ada, f"/threads/{copied['thread_id']}")).body
    assert read["values"]["messages"][0]["content"][0]["type"] == "image_url"
