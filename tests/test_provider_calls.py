"""Calls in all the ways in which servers send them: none is lost, and none is glued to another."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.hearing import ASK, KEY, PATIENCE, Heard, hear
from support.scripted_model import ScriptedModel, chunk, finish
from threadkeep.contract.assistants import Configuration, FunctionDefinition, Tool
from threadkeep.providers import ModelRequest, ToolCallPart
from threadkeep.providers.openai_chat import OpenAiChat


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


def calls(*deltas: dict[str, Any]) -> dict[str, Any]:
    """A chunk with these entries among its calls."""
    return chunk({"tool_calls": list(deltas)})


def part(name: str | None, arguments: Any = "", index: int | None = 0, id: str | None = None) -> dict[str, Any]:
    """An entry; what is None is left out."""
    function = {"name": name, "arguments": arguments}
    entry = {"index": index, "id": id, "function": {key: each for key, each in function.items() if each is not None}}
    return {key: each for key, each in entry.items() if each is not None}


def put_together(heard: Heard) -> list[tuple[str, str]]:
    """The name and the arguments of each call, from its parts; ids differ and are there."""
    found: dict[int, list[Any]] = {}
    for piece in heard.pieces:
        if isinstance(piece, ToolCallPart):
            call = found.setdefault(piece.index, [piece.id, piece.name, ""])
            call[2] += piece.arguments
    assert len({id for id, _, _ in found.values()} - {None, ""}) == len(found)
    return [(name, arguments) for _, (_, name, arguments) in sorted(found.items())]


A, B = '{"a":1}', '{"b":2}'
A_SPACED = '{"a": 1}'

# name: (chunks, calls)
SPOKEN: dict[str, tuple[list[Any], list[tuple[str, str]]]] = {
    "two on index 0, with empty ids": (
        [calls(part("w", A, id="")), calls(part("x", B, id=""))],
        [("w", A), ("x", B)],
    ),
    "two on index 0, without ids": ([calls(part("w", A)), calls(part("x", B))], [("w", A), ("x", B)]),
    "two on index 0, without ids, in one chunk": ([calls(part("w", A), part("x", B))], [("w", A), ("x", B)]),
    "two of one name on index 0, without ids": ([calls(part("w", A)), calls(part("w", B))], [("w", A), ("w", B)]),
    "two of one name on index 0, in one chunk": ([calls(part("w", "{}"), part("w", "{}"))], [("w", "{}")] * 2),
    "two of one name without arguments, in one chunk": ([calls(part("w"), part("w"))], [("w", "{}")] * 2),
    "two with one id": ([calls(part("w", A, 0, "c"), part("x", B, 1, "c"))], [("w", A), ("x", B)]),
    "two with one id on index 0": ([calls(part("w", A, 0, "c")), calls(part("x", B, 0, "c"))], [("w", A), ("x", B)]),
    "two objects for one name": (
        [calls(part("glob")), calls(part(None, A)), calls(part(None, B))],
        [("glob", A), ("glob", B)],
    ),
    "two objects for one name and id": (
        [calls(part("glob", A, id="c")), calls(part(None, B, id="c"))],
        [("glob", A), ("glob", B)],
    ),
    "three objects in one text": ([calls(part("glob", A + B + "\n" + A))], [("glob", A), ("glob", B), ("glob", A)]),
    "an object in pieces after a whole one": (
        [calls(part("glob", A)), calls(part(None, '{"b"')), calls(part(None, ":2}"))],
        [("glob", A), ("glob", B)],
    ),
    "the whole again at the end": (
        [calls(part("w", '{"a"', id="c")), calls(part(None, ":1}")), calls(part(None, A))],
        [("w", A)],
    ),
    "an empty object before the arguments": (
        [calls(part("w", "{}", id="c")), calls(part(None, '{"a"')), calls(part(None, ":1}"))],
        [("w", A)],
    ),
    "braces in a text": (
        [calls(part("w", '{"code":"f() {}')), calls(part(None, '{}"')), calls(part(None, "}"))],
        [("w", '{"code":"f() {}{}"}')],
    ),
    "objects within a text, in a piece of their own": (
        [calls(part("w", '{"code":"')), calls(part(None, "{} {}")), calls(part(None, '"}'))],
        [("w", '{"code":"{} {}"}')],
    ),
    "a blank in a piece of its own": (
        [calls(part("w", '{"q":"a')), calls(part(None, " ")), calls(part(None, 'b"}'))],
        [("w", '{"q":"a b"}')],
    ),
    "a blank between, and the whole again at the end": (
        [
            calls(part("w", '{"a":', id="c")),
            calls(part(None, " ")),
            calls(part(None, "1}")),
            calls(part(None, A_SPACED)),
        ],
        [("w", A_SPACED)],
    ),
    "a blank and an object after a whole one": (
        [calls(part("w", A)), calls(part(None, "\n")), calls(part(None, B))],
        [("w", A + "\n"), ("w", B)],
    ),
    "a blank and the whole again": (
        [calls(part("w", A)), calls(part(None, "\n")), calls(part(None, A))],
        [("w", A + "\n")],
    ),
    "an empty object and a blank before the arguments": (
        [calls(part("w", "{}", id="c")), calls(part(None, " ")), calls(part(None, A))],
        [("w", A)],
    ),
    "a blank in arguments before the name": (
        [
            calls(part(None, '{"q":"a', id="c")),
            calls(part(None, " ")),
            calls(part(None, 'b"}')),
            calls(part("w", None)),
        ],
        [("w", '{"q":"a b"}')],
    ),
    "id, name and arguments one after the other": (
        [calls(part(None, None, id="c1")), calls(part("w", None)), calls(part(None, A))],
        [("w", A)],
    ),
    "the same without an index": (
        [calls(part(None, None, None, "c1")), calls(part("w", None, None)), calls(part(None, A, None))],
        [("w", A)],
    ),
    "name and arguments before the id": ([calls(part("w", None)), calls(part(None, A, id="c1"))], [("w", A)]),
    "arguments before the name": (
        [calls(part(None, '{"a"', id="c")), calls(part(None, ":1}")), calls(part("w", None))],
        [("w", A)],
    ),
    "a name in pieces": (
        [calls(part("get_", id="c")), calls(part("time", None)), calls(part(None, A))],
        [("get_time", A)],
    ),
    "a name that grows": (
        [calls(part("get_", id="c")), calls(part("get_time")), calls(part("get_time", A))],
        [("get_time", A)],
    ),
    "a name with every part": (
        [calls(part("w", '{"a"', id="c")), calls(part("w", ":1}")), calls(part("w", ""))],
        [("w", A)],
    ),
    "a name with every part, and new ids": (
        [calls(part("w", '{"a"', id="c1")), calls(part("w", ":1}", id="c2"))],
        [("w", A)],
    ),
    "a new id with every part": ([calls(part("w", '{"a"', id="c1")), calls(part(None, ":1}", id="c2"))], [("w", A)]),
    "no arguments at all": ([calls(part("w", None, id="c"))], [("w", "{}")]),
    "blank arguments": ([calls(part("w", " ", id="c")), calls(part(None, "\n"))], [("w", "{}")]),
    "arguments as an object": ([calls(part("w", {"city": "Köln"}, id="c"))], [("w", '{"city":"Köln"}')]),
    "arguments as an empty object": ([calls(part("w", {}, id="c"))], [("w", "{}")]),
    "a name beside the function": ([calls({"id": "c", "name": "w", "arguments": A})], [("w", A)]),
    "the function as a text": ([calls({"id": "c", "function": "w", "parameters": {"a": 1}})], [("w", A)]),
    "an index as a text": ([calls(part("w", '{"a"', "1", "c")), calls(part(None, ":1}", "1"))], [("w", A)]),
    "an id as a number": ([calls(part("w", A, id=7))], [("w", A)]),
    "one call that is not in a list": ([chunk({"tool_calls": part("w", A, id="c")})], [("w", A)]),
    "null among the calls": ([chunk({"tool_calls": [None, part("w", A, id="c")]})], [("w", A)]),
    "an empty entry at the end": ([calls(part("w", A, id="c")), calls({"index": 1})], [("w", A)]),
    "an id that is too long to be kept": ([calls(part("w", A, id="c" * 5000))], [("w", A)]),
    "the older form": (
        [chunk({"function_call": {"name": "w", "arguments": ""}}), chunk({"function_call": {"arguments": A}})],
        [("w", A)],
    ),
    "the older form, whole": ([chunk({"function_call": {"name": "w", "arguments": {"a": 1}}})], [("w", A)]),
    "both forms of one call": (
        [chunk({"function_call": {"name": "w", "arguments": A}, "tool_calls": [part("w", A, id="c")]})],
        [("w", A)],
    ),
    "a block of the content": (
        [chunk({"content": [{"type": "tool_use", "id": "c", "name": "w", "input": {"a": 1}}]})],
        [("w", A)],
    ),
    "in a message at the end": (
        [chunk({"content": "So"}), {"choices": [{"index": 0, "message": {"tool_calls": [part("w", A, id="c")]}}]}],
        [("w", A)],
    ),
    "after the finish": ([finish("stop"), calls(part("w", A, id="c"))], [("w", A)]),
}


@pytest.mark.parametrize("name", SPOKEN)
async def test_calls_are_understood_however_they_are_sent(name, model, provider):
    chunks, expected = SPOKEN[name]
    model.script = [*chunks, finish("tool_calls")]

    heard = await hear(provider)

    assert (put_together(heard), heard.code, heard.finish) == (expected, None, "toolCalls")


@pytest.mark.parametrize("name", ["arguments as an object", "the older form, whole", "a name beside the function"])
async def test_calls_of_a_whole_completion_are_understood_as_well(name, model, provider):
    [given], expected = SPOKEN[name]
    message = given["choices"][0]["delta"]
    model.script = [json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()]

    heard = await hear(provider)

    assert (put_together(heard), heard.code, heard.finish) == (expected, None, "toolCalls")


async def test_known_functions_tell_a_name_in_pieces_from_two_names(model, provider):
    tools = [Tool("function", FunctionDefinition(name)) for name in ("get_time", "time")]
    ask = ModelRequest("x", ASK.messages, Configuration(tools=tools))

    model.script = [calls(part("get_", id="c")), calls(part("time", None)), finish("tool_calls")]
    one = await hear(provider, ask)
    model.script = [calls(part("get_time")), calls(part("time")), finish("tool_calls")]
    two = await hear(provider, ask)

    assert put_together(one) == [("get_time", "{}")]
    assert put_together(two) == [("get_time", "{}"), ("time", "{}")]


async def test_a_function_whose_name_begins_with_that_of_another_is_another(model, provider):
    tools = [Tool("function", FunctionDefinition(name)) for name in ("list", "list_all")]
    ask = ModelRequest("x", ASK.messages, Configuration(tools=tools))

    model.script = [calls(part("list")), calls(part("list_all")), finish("tool_calls")]
    two = await hear(provider, ask)
    model.script = [calls(part("list")), calls(part("_all")), finish("tool_calls")]
    in_pieces = await hear(provider, ask)
    model.script = [calls(part("list", id="c")), calls(part("list_all", id="c")), finish("tool_calls")]
    growing = await hear(provider, ask)

    assert put_together(two) == [("list", "{}"), ("list_all", "{}")]
    assert put_together(in_pieces) == put_together(growing) == [("list_all", "{}")]


async def test_an_id_comes_once_with_the_name_and_the_first_arguments(model, provider):
    model.script = [calls(part("w", id="c1")), calls(part(None, '{"a"')), calls(part(None, ":1}")), finish()]

    heard = await hear(provider)

    assert heard.pieces == [ToolCallPart(0, "c1", "w", '{"a"'), ToolCallPart(0, None, None, ":1}")]


@pytest.mark.parametrize(
    "chunks",
    [
        [calls(part(None, A, id="c"))],
        [calls(part("", "", id="c"))],
        [calls(part("w", A, id="c"), part(None, B, 1, "d"))],
        ["It would be done."],
        [],
    ],
)
async def test_a_call_that_was_announced_and_did_not_come_fails_the_answer(chunks, model, provider):
    model.script = [*chunks, finish("tool_calls")]

    heard = await hear(provider)

    assert (heard.code, heard.finish) == ("model_unavailable", None)
    assert "call" in heard.error.message


async def test_more_calls_than_can_be_kept_fail_the_answer(model, provider):
    model.script = [calls(*(part("w", A, n, f"c{n}") for n in range(129))), finish("tool_calls")]

    heard = await hear(provider)

    assert heard.code == "model_unavailable"
    assert "128" in heard.error.message
    assert put_together(heard) == [("w", A)] * 128


async def test_a_call_in_five_thousand_parts_arrives_as_it_was_sent(model):
    model.script = [
        calls(part("w", '{"a":"', id="c")),
        *[calls(part(None, "}{ "[n % 3])) for n in range(5_001)],
        finish(),
    ]
    provider = OpenAiChat(model.url, KEY)

    heard = await hear(provider)

    [(name, arguments)] = put_together(heard)
    assert (name, len(arguments), heard.finish) == ("w", 5_007, "toolCalls")
    await provider.close()
