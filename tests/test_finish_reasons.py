"""Why answers ended: what a model's reason makes of a response, and where the reason is kept."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.answering import begin_talk, open_place, texts
from support.ending import in_the_end
from support.hearing import HELLO, KEY, PATIENCE, hear
from support.scripted_model import CLOSE, DONE, RESET, STALL, ScriptedModel, chunk, finish, tool_call, usage
from support.streams import Stream, responses_path
from threadkeep.providers import Text, ToolCallPart
from threadkeep.providers.chunks import Choice, Completion, Counts, Delta, FunctionDelta, ToolCallChunk
from threadkeep.providers.finish_reasons import OUTCOMES, REASONS
from threadkeep.providers.openai_chat import OpenAiChat

pytestmark = pytest.mark.one_database("what a model says, as the providers read it")

PART = {"type": "refusal"}


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


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [("stop", "stop"), ("end_turn", "stop"), ("length", "length"), ("MAX_TOKENS", "length")],
)
async def test_a_completed_response_says_why_its_answer_ended(ada, model, reason, finish_reason):
    model.script = ["Hello", finish(reason), usage(3, 1), DONE]
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi")
    again = await ada.get_response(thread, response)
    [listed] = (await ada.list_responses(thread)).data

    assert (response["status"], response.finishReason) == ("completed", finish_reason)
    assert again.body == listed == response.body
    assert list(response.body).index("finishReason") == list(response.body).index("status") + 1


@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
async def test_an_answer_with_calls_ended_for_them_whatever_its_server_says(ada, model, reason):
    model.script = [tool_call(0, "c", "f", "{}"), finish(reason), DONE]

    response = await ada.respond(await ada.create_thread(), input="hi")

    assert (response["status"], response.finishReason) == ("completed", "toolCalls")


async def test_echo_is_done_when_it_stops(ada):
    response = await ada.respond(await ada.create_thread(), input="hi", model="echo")

    assert (response["status"], response.finishReason) == ("completed", "stop")


async def test_the_last_event_of_a_stream_has_the_reason_and_the_first_has_none(ada, model):
    model.script = ["Hello", finish("length"), DONE]
    thread = await ada.create_thread()

    async with await Stream.post(ada, responses_path(thread), input="hi") as stream:
        events = await stream.rest()

    shown = [events[place].data["response"]["finishReason"] for place in (0, -1)]
    assert shown == [None, "length"]


@pytest.mark.parametrize(
    ("reason", "code", "said"),
    [
        ("network_error", "model_unavailable", "network_error"),
        ("abort", "model_unavailable", "abort"),
        ("MALFORMED_FUNCTION_CALL", "model_unavailable", "MALFORMED_FUNCTION_CALL"),
        ("sensitive", "model_refused", "sensitive"),
        ("PROHIBITED_CONTENT", "model_refused", "PROHIBITED_CONTENT"),
        ("nobody knows me", "model_unavailable", "nobody knows me"),
        ("<b>‮x</b>" + "y" * 100, "model_unavailable", "bxb" + "y" * 61 + ":"),
        ("原因", "model_unavailable", "cannot be shown"),
    ],
)
async def test_a_reason_that_is_no_success_fails_the_response_which_names_it(ada, model, reason, code, said):
    model.script = ["Hel", finish(reason), DONE]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hi")

    message = await ada.get_message(thread, failed.messageId)
    assert (failed["status"], failed.error["code"], failed.finishReason) == ("failed", code, None)
    assert said in failed.error["message"]
    assert (message["status"], texts([message.body])) == ("incomplete", ["Hel"])


async def test_a_response_that_runs_or_was_cancelled_has_no_reason(ada, model):
    talk = await begin_talk(ada, model)

    running = await ada.get_response(talk.thread, talk)
    cancelled = await ada.cancel(talk.thread, talk)

    assert (running["status"], running.finishReason) == ("in_progress", None)
    assert (cancelled["status"], cancelled.finishReason) == ("cancelled", None)


async def test_an_empty_answer_that_failed_behind_a_gateway_has_failed(ada, model):
    ended = chunk({}, "stop")
    ended["choices"][0]["native_finish_reason"] = "network_error"
    model.script = [ended, DONE]

    failed = await ada.respond(await ada.create_thread(), input="hi")

    assert (failed["status"], failed.error["code"]) == ("failed", "model_unavailable")
    assert "network_error" in failed.error["message"]


@pytest.mark.parametrize("form", ["field", "part"])
async def test_the_words_of_a_refusal_are_kept_and_the_response_has_failed(ada, model, form):
    words = ["I cannot ", "do that."]
    deltas = [{"refusal": each} if form == "field" else {"content": [PART | {"refusal": each}]} for each in words]
    model.script = [*map(chunk, deltas), finish(), DONE]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hi")

    assert (failed["status"], failed.error["code"]) == ("failed", "model_refused")
    assert failed.outputText == "I cannot do that."


# As a provider hears it

CALL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}


def said(delta: str | None, message: str, reason: str | None = None) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": message}, "finish_reason": reason}
    return {"choices": [choice if delta is None else choice | {"delta": {"content": delta}}]}


@pytest.fixture
async def server_of_models():
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def provider(server_of_models):
    provider = OpenAiChat(server_of_models.url, KEY, PATIENCE)
    yield provider
    await provider.close()


@pytest.mark.parametrize(
    ("script", "pieces"),
    [
        ([said("Hel", "Hel"), 0.15, said("lo", "Hello", "stop")], HELLO),
        ([said("Hel", "Hel"), 0.15, said("lo", "lo", "stop")], HELLO),
        ([said("", "Hel"), 0.15, said("", "Hello", "stop")], [Text("Hello")]),
        ([said(None, "Hel"), 0.15, said(None, "Hello", "stop")], HELLO),
        ([said(None, "Hel"), 0.15, said(None, "lo", "stop")], HELLO),
        (["Hel", "lo", said(None, "Hello", "stop")], HELLO),
    ],
)
async def test_a_message_beside_deltas_is_no_end_and_is_not_said_twice(
    script, pieces, server_of_models, provider, monkeypatch
):
    monkeypatch.setattr("threadkeep.providers.openai_chat.AFTER_FINISH_S", 0.05)
    server_of_models.script = [*script, DONE]

    heard = await hear(provider)

    assert (heard.pieces, heard.code, heard.finish) == (pieces, None, "stop")


@pytest.mark.parametrize(
    "fault",
    [
        finish("network_error"),
        {"error": {"message": "x"}},
        b"data: no completion\n\n",
        b"data: " + b"x" * 100_000,
        b"data: [DONE]\n\n",
        STALL,
        CLOSE,
        RESET,
    ],
)
async def test_an_answer_that_fails_keeps_what_was_said_in_messages_and_its_whole_calls(
    fault, server_of_models, provider
):
    told = said("", "Hello")
    told["choices"][0]["message"]["tool_calls"] = [CALL]
    server_of_models.script = [told, 0.05, fault, 0.05]
    in_message = await hear(provider)
    server_of_models.script = ["Hel", "lo", 0.05, chunk({"tool_calls": [CALL]}), 0.05, fault, 0.05]
    in_delta = await hear(provider)

    for heard in (in_message, in_delta):
        assert heard.code in ("model_unavailable", "model_timeout")
        assert (heard.text, heard.pieces[-1]) == ("Hello", ToolCallPart(0, "c", "f", "{}"))


async def test_the_last_message_of_a_response_that_failed_is_kept(ada, model):
    model.script = [said("", "Hel"), said("", "Hello", "network_error"), DONE]
    thread = await ada.create_thread()

    failed = await ada.respond(thread, input="hi")

    message = await ada.get_message(thread, failed.messageId)
    assert (failed["status"], failed.error["code"]) == ("failed", "model_unavailable")
    assert (message["status"], texts([message.body])) == ("incomplete", ["Hello"])


async def test_what_still_comes_behind_the_finish_gains_no_time(server_of_models, provider, monkeypatch):
    monkeypatch.setattr("threadkeep.providers.openai_chat.AFTER_FINISH_S", 0.3)
    server_of_models.script = ["Hel", "lo", finish(), *[0.1, b": ping\n\n"] * 6_000]

    async with in_the_end():
        heard = await hear(provider)

    assert (heard.text, heard.code, heard.finish) == ("Hello", None, "stop")


async def test_a_whole_completion_needs_no_reason(server_of_models, provider):
    server_of_models.script = [json.dumps(said(None, "Hello")).encode()]

    heard = await hear(provider)

    assert (heard.text, heard.finish) == ("Hello", "stop")


@pytest.mark.parametrize("reason", ["", "null", None, 7, True, []])
async def test_what_stands_in_place_of_no_reason_ends_nothing(reason, server_of_models, provider):
    server_of_models.script = [chunk({"content": "Hel"}, reason), chunk({"content": "lo"}, reason), finish()]

    heard = await hear(provider)

    assert (heard.pieces, heard.finish) == (HELLO, "stop")


@pytest.mark.parametrize("reason", ["null", None, 7])
async def test_a_stream_that_is_done_without_any_reason_has_failed(reason, server_of_models, provider):
    server_of_models.script = ["Hel", chunk({"content": "lo"}, reason), DONE]

    heard = await hear(provider)

    assert (heard.pieces, heard.code, heard.finish) == (HELLO, "model_unavailable", None)


@pytest.mark.parametrize(("outcome", "reason"), [(outcome, each) for outcome, all in REASONS.items() for each in all])
async def test_every_reason_of_the_table_ends_as_the_table_says(outcome, reason, server_of_models, provider):
    calls = [tool_call(0, "c", "f", "{}")] if outcome == "toolCalls" else []
    server_of_models.script = ["Hel", "lo", *calls, finish(reason.upper()), DONE]

    heard = await hear(provider)

    code = {"refused": "model_refused", "failed": "model_unavailable"}.get(outcome)
    assert (heard.text, heard.code, heard.finish) == ("Hello", code, None if code else outcome)


def test_no_reason_stands_in_the_table_twice():
    assert len(OUTCOMES) == sum(len(reasons) for reasons in REASONS.values())


async def test_a_later_reason_adds_to_an_earlier_one(server_of_models, provider):
    server_of_models.script = ["Hel", finish("stop"), "lo", finish("length"), DONE]

    heard = await hear(provider)

    assert (heard.pieces, heard.finish) == (HELLO, "length")


async def test_a_filter_behind_the_end_fails_the_answer_too(server_of_models, provider):
    server_of_models.script = ["Hel", "lo", finish("stop"), finish("content_filter"), DONE]

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (HELLO, "model_refused")


# As the documentation has it

CODE = re.compile(r"`([^`]+)`")
COMPLETIONS = (Completion, Choice, Delta, ToolCallChunk, FunctionDelta, Counts)


def rows() -> list[tuple[str, str]]:
    """The table of docs/models.md, as pairs of cells."""
    _, _, page = (Path(__file__).parents[1] / "docs" / "models.md").read_text().partition("## What is understood")
    section, _, _ = page.partition("\n## ")
    lines = [line.strip("| ") for line in section.splitlines() if line.startswith("| ")]
    return [(first, second) for first, _, second in (line.partition(" | ") for line in lines)]


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        ("stop", "completed, `finishReason` `stop`"),
        ("length", "completed, `finishReason` `length`"),
        ("toolCalls", "completed, `finishReason` `toolCalls`"),
        ("refused", "fails as `model_refused`"),
        ("failed", "fails as `model_unavailable`"),
    ],
)
def test_the_documented_reasons_are_those_of_the_table(outcome, word):
    documented = [
        CODE.findall(sent)
        for sent, becomes in rows()
        if sent.startswith("`finish_reason` `") and becomes.startswith(word)
    ]

    assert documented == [["finish_reason", *REASONS[outcome]]]


def test_every_field_that_is_read_is_documented():
    documented = {name for row in rows() for cell in row for name in CODE.findall(cell)}
    fields = {field for kind in COMPLETIONS for field in kind.__struct_fields__}

    assert fields - documented == set()
