"""What remains of responses: their cost, in usage; of what was deleted, nothing."""

import pytest

from support.answering import begin_talk, open_place
from support.scripted_model import CLOSE, usage
from support.stored import stored_in
from support.waiting import eventually


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


async def test_usage_is_the_sum_of_all_responses_however_they_ended_and_outlives_their_thread(place, model):
    owner = await place.people.owner()
    assistant = await owner.create_assistant(name="Helper")
    thread = await owner.create_thread()
    ends = [await owner.respond(thread, input="counted", assistantId=assistant.id)]
    model.script = ["partly", CLOSE]
    ends.append(await owner.respond(thread, input="failed"))
    model.script = ["said", usage(100, 50), CLOSE]
    ends.append(await owner.respond(thread, input="counted and failed"))
    ends.append(await owner.respond(thread, input="too much", contextTokens=1))
    talk = await begin_talk(owner, model, thread=thread)
    ends.append(await owner.cancel(thread, talk))

    before = await owner.read_usage()
    by_assistant = await owner.read_usage(groupBy="assistant")
    await owner.delete(thread)
    after = await owner.read_usage()

    figures = [response.usage for response in ends]
    assert before.total == {
        "key": None,
        "responses": 5,
        "inputTokens": sum(each["inputTokens"] for each in figures),
        "outputTokens": sum(each["outputTokens"] for each in figures),
        "totalTokens": sum(each["totalTokens"] for each in figures),
        "estimatedTokens": sum(each["totalTokens"] for each in figures if each["estimated"]),
    }
    assert {each["key"]: each["responses"] for each in by_assistant.data} == {assistant.id: 1, None: 4}
    assert after.total == before.total
    assert [figures[2][name] for name in ("inputTokens", "outputTokens", "estimated")] == [100, 50, False]


async def test_a_response_of_a_deleted_thread_counts_too(place, model):
    owner = await place.people.owner()
    talk = await begin_talk(owner, model)

    await owner.delete(talk.thread)

    used = (await owner.read_usage()).total
    assert (used["responses"], used["outputTokens"]) == (1, 5)
    assert used["estimatedTokens"] == used["totalTokens"] > 5


async def test_nothing_that_was_deleted_is_left_in_any_table(place, ada, model):
    canary = "canary-" + place.people.new_user()
    model.answer(canary, f" and {canary}")
    thread, gone = await ada.create_thread(), await ada.create_thread()
    response = await ada.retrying(canary[7:]).respond(thread, input="hi")
    path = f"/v1/threads/{thread.id}/responses/{response.id}/cancel"
    cancelled = await ada.retrying("k").request("POST", path)
    await ada.respond(gone, input=canary, instructions=canary, metadata={"a": canary})

    await ada.delete_message(thread, response.messageId)
    await ada.delete(gone)

    replayed = await ada.retrying("k").request("POST", path)
    assert cancelled.outputText == f"{canary} and {canary}"
    assert canary not in replayed.text
    async with stored_in(place.server.database) as stored:
        await eventually(stored.everything, lambda text: canary not in text, 20)
