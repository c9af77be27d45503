"""What servers want to have back with an answer: read word for word, and put together again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.hearing import HELLO, HELLO_STEPS, KEY, PATIENCE, hear
from support.scripted_model import ScriptedModel, chunk, finish, reasoning
from threadkeep.providers import Piece, Reasoning, Text, ToolCallPart, WantedBackPiece
from threadkeep.providers.openai_chat import OpenAiChat
from threadkeep.providers.wanted_back import joined

SIGNED = {"google": {"thought_signature": "c2lnbmVk"}}
CALL = {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}
PART = ToolCallPart(0, "a", "f", "{}")
DETAIL = {"type": "reasoning.text", "index": 0, "text": "Hm", "format": "x"}
ENCRYPTED = {"type": "reasoning.encrypted", "index": 1, "data": "AAAA"}
HIDDEN = {"type": "redacted_thinking", "data": "AAAA"}
BLOCK = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
OPEN = {"type": "thinking", "thinking": "Let"}


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


WANTED: dict[str, tuple[list[Any], list[Piece]]] = {
    "Gemini: a signature of a call": (
        [chunk({"tool_calls": [CALL | {"extra_content": SIGNED}]}), finish()],
        [WantedBackPiece(0, "extra_content", SIGNED), PART],
    ),
    "Gemini: a signature of the text": (
        [*HELLO_STEPS[:-2], chunk({"extra_content": SIGNED}), finish()],
        [*HELLO, WantedBackPiece(None, "extra_content", SIGNED)],
    ),
    "LiteLLM: a signature among other things": (
        [chunk({"tool_calls": [CALL | {"provider_specific_fields": {"thought_signature": "s", "x": 1}}]}), finish()],
        [WantedBackPiece(0, "provider_specific_fields", {"thought_signature": "s"}), PART],
    ),
    "LiteLLM: blocks": (
        [chunk({"reasoning_content": "Hm", "thinking_blocks": [BLOCK]}), *HELLO_STEPS],
        [Reasoning("Hm"), WantedBackPiece(None, "thinking_blocks", [BLOCK]), *HELLO],
    ),
    "OpenRouter: details": (
        [
            chunk({"reasoning": "Hm", "reasoning_details": [DETAIL]}),
            chunk({"reasoning_details": [ENCRYPTED]}),
            *HELLO_STEPS,
        ],
        [
            Reasoning("Hm"),
            WantedBackPiece(None, "reasoning_details", [DETAIL]),
            WantedBackPiece(None, "reasoning_details", [ENCRYPTED]),
            *HELLO,
        ],
    ),
    "Anthropic's blocks: one that is signed": (
        [chunk({"content": [BLOCK, {"type": "text", "text": "Hello"}]}), finish()],
        [Reasoning("Hm"), WantedBackPiece(None, "content", [BLOCK]), Text("Hello")],
    ),
    "Anthropic's blocks: one whose signature comes later": (
        [
            chunk({"content": [OPEN]}),
            chunk({"content": [BLOCK | {"thinking": ""}]}),
            chunk({"content": [{"type": "text", "text": "Hello"}]}),
            finish(),
        ],
        [
            Reasoning("Let"),
            WantedBackPiece(None, "content", [OPEN]),
            WantedBackPiece(None, "content", [BLOCK | {"thinking": ""}]),
            Text("Hello"),
        ],
    ),
    "Anthropic's blocks: one that is hidden": (
        [chunk({"content": [HIDDEN, {"type": "text", "text": "Hello"}]}), finish()],
        [WantedBackPiece(None, "content", [HIDDEN]), Text("Hello")],
    ),
    "a gateway: a signature in the function": (
        [
            chunk({"tool_calls": [{"function": {"name": "f", "arguments": {}, "thought_signature": "s"}, "id": "a"}]}),
            finish(),
        ],
        [WantedBackPiece(0, "thought_signature", "s"), PART],
    ),
    "DeepSeek: reasoning": (
        [reasoning("H"), reasoning("m"), *HELLO_STEPS],
        [Reasoning("H", "reasoning_content"), Reasoning("m", "reasoning_content"), *HELLO],
    ),
    "GitHub Copilot: an opaque text": (
        [chunk({"reasoning_opaque": "AAAA"}), *HELLO_STEPS],
        [WantedBackPiece(None, "reasoning_opaque", "AAAA"), *HELLO],
    ),
}


@pytest.mark.parametrize("name", WANTED)
async def test_what_a_server_wants_back_is_read_with_its_name_and_place(name, model, provider):
    model.script, pieces = WANTED[name]

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (pieces, None)


@pytest.mark.parametrize(
    ("before", "more", "result"),
    [
        ("ab", "cd", "abcd"),
        ([1], [2], [1, 2]),
        ([BLOCK], [BLOCK], [BLOCK, BLOCK]),
        ([OPEN], [OPEN | {"thinking": " me"}], [OPEN | {"thinking": "Let me"}]),
        ([OPEN], [BLOCK], [BLOCK | {"thinking": "LetHm"}]),
        ([BLOCK], [OPEN], [BLOCK, OPEN]),
        ([OPEN], [HIDDEN], [OPEN, HIDDEN]),
        ([OPEN | {"index": 0}], [OPEN], [OPEN | {"index": 0}, OPEN]),
        ([DETAIL], [DETAIL | {"text": " Hm"}], [DETAIL | {"text": "Hm Hm"}]),
        ([DETAIL], [DETAIL | {"text": None, "signature": "c2ln"}], [DETAIL | {"signature": "c2ln"}]),
        ([DETAIL], [ENCRYPTED], [DETAIL, ENCRYPTED]),
        ([ENCRYPTED], [ENCRYPTED | {"data": "BBBB"}], [ENCRYPTED | {"data": "AAAABBBB"}]),
        ({"a": {"b": 1}}, {"a": {"c": 2}, "d": 3}, {"a": {"b": 1, "c": 2}, "d": 3}),
        ({"signature": "old"}, {"signature": "new"}, {"signature": "new"}),
        ({"signature": "old"}, {"signature": ""}, {"signature": "old"}),
        ({"a": 1}, None, {"a": 1}),
        ("ab", {"a": 1}, {"a": 1}),
    ],
)
def test_pieces_of_one_field_are_joined_by_their_kind(before, more, result):
    assert joined(before, more) == result
