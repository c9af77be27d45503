"""What the operator sees of models and streams, and that a credential which was taken away stops waiting as well."""

import asyncio
import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.answering import begin_talk, ended, open_place
from support.scripted_model import DONE, STALL, Head, finish, tool_call
from support.streams import Stream, responses_path
from support.waiting import eventually

REVOKED_S = 10
TOOL_CALL = "response.tool_call.delta"


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


async def measured(who):
    """Every sample of /metrics by its name and the values of its labels, in the order of their names."""
    text = (await who.request("GET", "/metrics")).text
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    return {(each.name, *(value for _, value in sorted(each.labels.items()))): each.value for each in samples}


async def test_metrics_tell_what_runs_who_reads_and_how_answers_ended(ada, model):
    before = await measured(ada)
    talk = await begin_talk(ada, model)
    async with await Stream.follow(ada, talk.thread, talk.response) as stream:
        await stream.until("response.output_text.delta")
        during = await measured(ada)
        talk.go.set()
        await stream.rest()
    model.script = [Head(503)]
    await ada.respond(talk.thread, input="again")
    model.script = ["Hel", STALL]
    taken = await ada.respond(talk.thread, input="again", background=True)
    await model.called(3)
    await ada.cancel(talk.thread, taken)

    after = await eventually(lambda: measured(ada), lambda found: not found["threadkeep_responses_running",], 5)

    assert (during["threadkeep_responses_running",], during["threadkeep_stream_readers",]) == (1, 1)
    assert after["threadkeep_stream_readers",] == 0
    assert after["threadkeep_journal_flushes_total",] > before["threadkeep_journal_flushes_total",]
    for status, error in (("completed", ""), ("failed", "model_unavailable"), ("taken", "")):
        key = ("threadkeep_responses_total", error, status)
        assert after[key] == before.get(key, 0) + 1


async def test_a_model_that_fails_leaves_one_line_a_minute_in_the_log(ada, model, server):
    thread = await ada.create_thread()
    for _ in range(3):
        model.script = [Head(401)]
        failed = await ada.respond(thread, input="canary-of-the-log")
        assert failed["status"] == "failed"

    lines = [line for line in server.log_text().splitlines() if failed.error["code"] in line]

    assert len(lines) == 1
    assert "WARNING" in lines[0] and f"The model scripted at {model.url} failed" in lines[0]
    assert "canary-of-the-log" not in server.log_text()


async def test_a_caller_who_waits_is_sent_away_when_the_credential_is_taken_away(ada, model):
    created = await ada.create_key(userId="uid_bot", role="member")
    bot = ada.with_key(created.key)
    thread = await bot.create_thread()
    model.script = ["Hel", STALL]
    waiting = asyncio.create_task(bot.respond(thread, input="hi"))
    await model.called(1)

    await ada.delete_key(created)
    answer = await asyncio.wait_for(waiting, REVOKED_S)

    assert (answer.status, answer.code) == (401, "invalid_credentials")
    [running] = (await ada.list_responses(thread)).data
    assert running["status"] == "in_progress"
    await ada.cancel(thread, running)


async def test_arguments_that_come_in_crumbs_are_stored_and_shown_in_pieces(ada, model):
    arguments = json.dumps({"text": "crumb " * 5_000})
    model.script = [
        tool_call(0, "call_1", "write", ""),
        *(tool_call(0, None, None, arguments[at : at + 2]) for at in range(0, len(arguments), 2)),
        finish("tool_calls"),
        DONE,
    ]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="write") as stream:
        events = await stream.rest()
    shown = [event.data for event in events if event.type == TOOL_CALL]
    response = events[-1].data["response"]
    await ended(ada, thread, response)
    message = await ada.get_message(thread, response["messageId"])

    assert "".join(part["arguments"] for part in shown) == arguments
    assert len(shown) < len(arguments) / 100
    assert max(len(part["arguments"]) for part in shown) <= 9_000
    assert message.toolCalls[0]["function"] == {"name": "write", "arguments": arguments}
