"""The many ways in which servers of models say the same, and what they are asked."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.hearing import ASK, CUT_CHARACTER, HELLO, HELLO_STEPS, KEY, PATIENCE, STREAM, hear
from support.scripted_model import (
    DONE,
    RESET,
    STALL,
    Head,
    Raw,
    ScriptedModel,
    answer_of,
    chunk,
    event,
    finish,
    reasoning,
    tool_call,
    usage,
)
from threadkeep.contract.assistants import Configuration, FunctionDefinition, ResponseFormat, Tool
from threadkeep.providers import ModelRequest, Piece, Reasoning, Text, TokenCounts, ToolCallPart
from threadkeep.providers.echo import Echo
from threadkeep.providers.openai_chat import OpenAiChat, limit_name_of


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def provider(model: ScriptedModel) -> AsyncIterator[OpenAiChat]:
    provider = OpenAiChat(model.url, KEY, PATIENCE)
    yield provider
    await provider.close()


def body(data: bytes) -> list[Any]:
    """The data in pieces of every size that cuts lines and characters."""
    return [data[at : at + 7] for at in range(0, len(data), 7)]


WHOLE = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}

SPOKEN: dict[str, tuple[list[Any], list[Piece]]] = {
    "as OpenAI": (
        ["Hel", "lo", finish(), usage(10, 2), DONE],
        [*HELLO, TokenCounts(10, 2)],
    ),
    "in seven bytes at a time": (body(STREAM), HELLO),
    "in seven bytes at a time, with CRLF": (body(STREAM.replace(b"\n", b"\r\n")), HELLO),
    "in seven bytes at a time, with CR": (body(STREAM.replace(b"\n", b"\r")), HELLO),
    "all at once": ([STREAM], HELLO),
    "with CRLF cut in two": ([part + b"\r" for part in STREAM.split(b"\n")[:-1]] + [b"\n"], HELLO),
    "with a byte order mark and blank lines": ([b"\xef\xbb\xbf\n\n", STREAM], HELLO),
    "with comments": ([b": working\n\n", "Hel", b":\n", "lo", finish(), b": bye\n\n", DONE], HELLO),
    "with other fields": ([b"event: message\nid: 7\nretry: 10\nnonsense\n", "Hel", "lo", finish(), DONE], HELLO),
    "without a space after data": ([STREAM.replace(b"data: ", b"data:")], HELLO),
    "with data of several lines": (
        [b'data: {"choices": [\ndata: {"delta": {"content": "Hel"}}]}\n\n', "lo", finish()],
        HELLO,
    ),
    "without DONE": (["Hel", "lo", finish()], HELLO),
    "without DONE, in silence": (["Hel", "lo", finish(), STALL], HELLO),
    "without DONE, cut off": (["Hel", "lo", finish(), 0.02, RESET], HELLO),
    "without a last blank line": (["Hel", "lo", event(finish()).rstrip()], HELLO),
    "with unknown fields": ([chunk({"content": "Hel", "x": [{}]}, y=1), "lo", finish(), DONE], HELLO),
    "with empty choices": ([{"choices": []}, "Hel", {"choices": None}, "lo", finish(), DONE], HELLO),
    "with empty and null content": ([chunk({"content": ""}), chunk({"content": None}), *HELLO_STEPS], HELLO),
    "with a null delta": ([{"choices": [{"index": 0, "delta": None}]}, *HELLO_STEPS], HELLO),
    "with an error of null": ([chunk(error=None), *HELLO_STEPS], HELLO),
    "with a second choice": ([{"choices": [{"index": 1, "delta": {"content": "No"}}]}, *HELLO_STEPS], HELLO),
    "with two finishes": (["Hel", "lo", finish(), finish(), DONE], HELLO),
    "with text after the finish": (["Hel", finish(), "lo", DONE], HELLO),
    "with text after DONE": ([*HELLO_STEPS, "no"], HELLO),
    "ended by its length": (["Hel", "lo", finish("length"), DONE], HELLO),
    "with an empty finish": ([chunk({"content": "Hel"}, finish_reason=""), "lo", finish(), DONE], HELLO),
    "with strange counts": (["Hel", "lo", finish(), chunk(usage={"prompt_tokens": "ten"}), DONE], HELLO),
    "with bytes that are no UTF-8": (
        [b'data: {"choices":[{"delta":{"content":"a\xffb"}}]}\n\n', finish()],
        [Text("a\ufffdb")],
    ),
    "with a character cut between two writes": (
        [CUT_CHARACTER.partition(b"\xbc")[0], b"\xbc" + CUT_CHARACTER.partition(b"\xbc")[2], finish()],
        [Text("grün")],
    ),
    "with NUL": (["a\0b", finish()], [Text("a\ufffdb")]),
    "with halves of surrogate pairs": (["a\ud83d", "\ude00b", finish()], [Text("a"), Text("\U0001f600b")]),
    "with halves of two kinds": (
        ["\ud83d", reasoning("\ud83d"), "\ude00", reasoning("\ude01"), finish()],
        [Text("\U0001f600"), Reasoning("\U0001f601", "reasoning_content")],
    ),
    "with halves that stay alone": (
        ["a\ud83d", "b", "\ude00", "c\ud83d", finish(), DONE],
        [Text("a"), Text("\ufffdb"), Text("\ufffd"), Text("c"), Text("\ufffd")],
    ),
    "with reasoning": (
        [reasoning("Hm"), chunk({"reasoning": "m"}), *HELLO_STEPS],
        [Reasoning("Hm", "reasoning_content"), Reasoning("m", "reasoning"), *HELLO],
    ),
    "in one completion": (
        [Head(200, {"content-type": "application/json"}), *body(json.dumps(WHOLE, indent=1).encode())],
        [Text("Hello")],
    ),
    "in a body without length": ([Head(200, {"connection": "close"}), STREAM], HELLO),
    "in a body with length": ([Head(200, {"content-length": str(len(STREAM))}), STREAM], HELLO),
    "after 100 Continue": (
        [Raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + STREAM)],
        HELLO,
    ),
    "tool calls": (
        [
            tool_call(0, "call_a", "find", ""),
            tool_call(0, None, None, '{"x":'),
            tool_call(0, None, None, "1}"),
            tool_call(1, "call_b", "stop", "{}"),
            finish("tool_calls"),
            DONE,
        ],
        [
            ToolCallPart(0, "call_a", "find", '{"x":'),
            ToolCallPart(0, None, None, "1}"),
            ToolCallPart(1, "call_b", "stop", "{}"),
        ],
    ),
    "tool calls with id and name repeated": (
        [tool_call(0, "call_a", "find", "{"), tool_call(0, "call_a", "find", "}"), finish("tool_calls")],
        [ToolCallPart(0, "call_a", "find", "{"), ToolCallPart(0, None, None, "}")],
    ),
    "whole tool calls without an index": (
        [
            chunk({"tool_calls": [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]}),
            finish(),
        ],
        [ToolCallPart(0, "a", "a", "{}"), ToolCallPart(1, "b", "b", "{}")],
    ),
    "tool calls that all have index 0": (
        [tool_call(0, "a", "find", "{"), tool_call(0, None, None, "}"), tool_call(0, "b", "find", "{}"), finish()],
        [ToolCallPart(0, "a", "find", "{"), ToolCallPart(0, None, None, "}"), ToolCallPart(1, "b", "find", "{}")],
    ),
    "tool calls counted from 1, mixed": (
        [tool_call(1, "a", "f", ""), tool_call(2, "b", "g", ""), tool_call(1, None, None, "{}"), finish()],
        [ToolCallPart(0, "a", "f", ""), ToolCallPart(0, None, None, "{}"), ToolCallPart(1, "b", "g", "{}")],
    ),
    "tool call whose arguments stay unfinished": (
        [tool_call(0, "a", "find", '{"x'), finish("length"), DONE],
        [ToolCallPart(0, "a", "find", '{"x')],
    ),
}


@pytest.mark.parametrize("name", SPOKEN)
async def test_an_answer_is_understood_however_it_is_spoken(name, model, provider, monkeypatch):
    monkeypatch.setattr("threadkeep.providers.openai_chat.AFTER_FINISH_S", 0.1)
    model.script, pieces = SPOKEN[name]

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (pieces, None)


async def test_the_settings_go_out_under_openais_names(model, provider):
    tool = Tool("function", FunctionDefinition("find", parameters={"type": "object"}))
    configuration = Configuration(
        model="ours",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=100,
        stop=["END"],
        response_format=ResponseFormat("json_object"),
        tool_choice="auto",
        parallel_tool_calls=False,
        reasoning_effort="high",
        tools=[tool],
        context_mode="full",
        context_tokens=100,
        context_messages=10,
    )

    await hear(provider, ModelRequest("theirs", ASK.messages, configuration))

    [call] = model.calls
    assert call.body == {
        "model": "theirs",
        "messages": [{"role": "user", "content": "Hello?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["END"],
        "response_format": {"type": "json_object"},
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "reasoning_effort": "high",
        "tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}],
    }
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert call.headers["accept-encoding"] == "identity"
    assert call.headers["content-type"] == "application/json"


async def test_what_is_not_set_is_not_sent(model):
    provider = OpenAiChat(model.url + "/", "", PATIENCE)

    await hear(
        provider, ModelRequest("x", ASK.messages, Configuration(tool_choice="auto", parallel_tool_calls=True, tools=[]))
    )

    [call] = model.calls
    assert set(call.body) == {"model", "messages", "stream", "stream_options"}
    assert "authorization" not in call.headers
    assert call.path == "/v1/chat/completions"
    await provider.close()


async def test_the_length_of_an_answer_is_called_as_its_server_calls_it(model):
    provider = OpenAiChat(model.url, KEY, PATIENCE, "max_completion_tokens")

    await hear(provider, ModelRequest("x", ASK.messages, Configuration(max_output_tokens=7)))

    assert model.calls[0].body["max_completion_tokens"] == 7
    assert "max_tokens" not in model.calls[0].body
    assert limit_name_of("api.openai.com") == limit_name_of("us.openai.azure.com") == "max_completion_tokens"
    assert limit_name_of("openai.example.com") == "max_tokens"
    await provider.close()


async def test_a_call_without_an_id_gets_one(model, provider):
    model.script = [tool_call(0, None, "find", "{}"), finish("tool_calls")]

    [part] = (await hear(provider)).pieces

    assert isinstance(part, ToolCallPart)
    assert part.id is not None
    assert part.id.startswith("call_")


@pytest.mark.parametrize(
    ("messages", "answer"),
    [
        ([{"role": "user", "content": "What  is\n new?"}], "You said: What  is\n new?"),
        ([{"role": "user", "content": [{"type": "text", "text": "A"}, {"type": "image_url"}]}], "You said: A"),
        ([{"role": "user", "content": "A"}, {"role": "tool", "content": "42"}], "The tool said: 42"),
        ([{"role": "user", "content": " "}], "There was no text to repeat."),
        ([{"role": "user", "content": None}], "There was no text to repeat."),
        ([{"role": "system", "content": "Be kind."}], "Nobody has said anything yet."),
        ([{"role": "user", "content": "x" * 3_000}], "You said: " + "x" * 2_000 + "…"),
    ],
)
async def test_echo_says_that_it_is_echo_and_repeats_what_was_said(messages, answer):
    first, second = [await hear(Echo(), ModelRequest("echo", messages)) for _ in range(2)]

    assert first.text == f"This is echo, the built-in stand-in for a model. {answer}"
    assert len(first.pieces) > 5
    assert first == second


async def test_the_scripted_model_answers_by_words_and_by_model(model, provider):
    model.when("weather", *answer_of("Sunny."))
    model.for_model("other", *answer_of("Other."))

    weather = await hear(provider, ModelRequest("x", [{"role": "user", "content": "The weather?"}]))
    other = await hear(provider, ModelRequest("other", ASK.messages))
    default = await hear(provider)

    assert (weather.text, other.text, default.text) == ("Sunny.", "Other.", "Hello world")
