"""Fields of forms that nobody expects: what is not needed is left aside, what is needed is read all the same."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.hearing import HELLO, HELLO_STEPS, KEY, PATIENCE, hear
from support.scripted_model import DONE, Head, ScriptedModel, chunk, event, finish, usage
from threadkeep.providers import Piece, Reasoning, Text, TokenCounts
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


def with_choice(**more: Any) -> dict[str, Any]:
    """A chunk with more in its choice."""
    given = chunk()
    given["choices"][0] |= more
    return given


def whole(content: Any, **more: Any) -> list[bytes]:
    """A whole completion."""
    choice = {"message": {"role": "assistant", "content": content, **more}, "finish_reason": "stop"}
    return [json.dumps({"choices": [choice]}).encode()]


TEXT = {"type": "text", "text": "Hel"}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}], "closed": True}
FILTERED = {"hate": {"filtered": False, "severity": "safe"}}
HUGE = 10**40

# name: (script, pieces). Each ends well.
SPOKEN: dict[str, tuple[list[Any], list[Piece]]] = {
    # The content
    "Mistral: parts that think and speak": (
        [chunk({"content": [THOUGHT, TEXT]}), *HELLO_STEPS[1:]],
        [Reasoning("Hm"), *HELLO],
    ),
    "Mistral: the same in a whole completion": (
        whole([THOUGHT, {"type": "text", "text": "Hello"}]),
        [Reasoning("Hm"), Text("Hello")],
    ),
    "parts of a text in a whole completion": (whole([TEXT, "lo"]), [Text("Hello")]),
    "a part whose text is an object": (
        [chunk({"content": [{"type": "text", "text": {"value": "Hel"}}]}), "lo", finish()],
        HELLO,
    ),
    "a part that is not in a list": ([chunk({"content": TEXT}), *HELLO_STEPS[1:]], HELLO),
    "a part of another name": ([chunk({"content": [{"type": "output_text", "text": "Hel"}]}), "lo", finish()], HELLO),
    "an image among the parts": (
        [chunk({"content": [TEXT, {"type": "image_url", "image_url": {"url": "data:,"}}]}), *HELLO_STEPS[1:]],
        HELLO,
    ),
    "an empty list": ([chunk({"content": []}), *HELLO_STEPS], HELLO),
    "a number": (["Hel", chunk({"content": 42}), finish()], [Text("Hel"), Text("42")]),
    "false": ([chunk({"content": False}), *HELLO_STEPS], HELLO),
    "text of completions that are no chat": ([{"choices": [{"index": 0, "text": "Hel"}]}, *HELLO_STEPS[1:]], HELLO),
    # The reasoning
    "reasoning as an object": ([chunk({"reasoning": {"effort": "low"}}), *HELLO_STEPS], HELLO),
    "reasoning as an object with a text": (
        [chunk({"reasoning": {"text": "Hm"}}), *HELLO_STEPS],
        [Reasoning("Hm", "reasoning"), *HELLO],
    ),
    "reasoning as a list": (
        [chunk({"reasoning_content": [{"type": "text", "text": "Hm"}]}), *HELLO_STEPS],
        [Reasoning("Hm", "reasoning_content"), *HELLO],
    ),
    "reasoning as a number": ([chunk({"reasoning": 0}), *HELLO_STEPS], HELLO),
    "reasoning under two names": (
        [chunk({"reasoning": "Hm", "reasoning_content": "Hm"}), *HELLO_STEPS],
        [Reasoning("Hm", "reasoning_content"), *HELLO],
    ),
    "GitHub Copilot: reasoning under a third": (
        [chunk({"reasoning_text": "Hm"}), *HELLO_STEPS],
        [Reasoning("Hm", "reasoning_text"), *HELLO],
    ),
    # The delta and the choice
    "PHP: an empty list for an empty object": ([with_choice(delta=[]), *HELLO_STEPS], HELLO),
    "a delta that is a list of nothing known": ([with_choice(delta=[None, {"x": 1}]), *HELLO_STEPS], HELLO),
    "a delta that is a text": ([with_choice(delta="Hel"), *HELLO_STEPS[1:]], HELLO),
    "one choice that is not in a list": ([{"choices": {"delta": {"content": "Hel"}}}, *HELLO_STEPS[1:]], HELLO),
    "null among the choices": ([{"choices": [None]}, *HELLO_STEPS], HELLO),
    "an index as a text": ([with_choice(index="0", delta={"content": "Hel"}), *HELLO_STEPS[1:]], HELLO),
    "an index of null": ([with_choice(index=None, delta={"content": "Hel"}), *HELLO_STEPS[1:]], HELLO),
    "a finish that is a number": ([chunk({"content": "Hel"}, 0), *HELLO_STEPS[1:]], HELLO),  # type: ignore[arg-type]
    "a finish that is an object": (
        ["Hel", "lo", with_choice(finish_reason={"type": "stop", "matched": 2}), DONE],
        HELLO,
    ),
    "logprobs of any form": (
        [with_choice(logprobs=7, delta={"content": "Hel"}), "lo", with_choice(logprobs="x"), finish()],
        HELLO,
    ),
    "audio and annotations of any form": (
        [chunk({"content": "Hel", "audio": 7, "annotations": "x", "images": {}, "citations": [7]}), *HELLO_STEPS[1:]],
        HELLO,
    ),
    "a role of any form": (
        [chunk({"role": 7, "content": "Hel"}), chunk({"role": None, "content": "lo"}), finish()],
        HELLO,
    ),
    "a refusal of null, false or nothing": (
        [chunk({"refusal": None}), chunk({"refusal": False}), chunk({"refusal": ""}), *HELLO_STEPS],
        HELLO,
    ),
    "no calls of any form": (
        [chunk({"tool_calls": []}), chunk({"tool_calls": None, "function_call": None}), *HELLO_STEPS],
        HELLO,
    ),
    "what is wanted back of any form": (
        [chunk({"extra_content": 7, "provider_specific_fields": "x"}) | {"extra_content": 1}, *HELLO_STEPS],
        None,
    ),
    # The chunk
    "ids and times of any form": (
        [chunk({"content": "Hel"}) | {"id": 7, "created": "now", "model": None, "object": []}, *HELLO_STEPS[1:]],
        HELLO,
    ),
    "counts as a list": (["Hel", "lo", finish(), chunk(usage=[]), DONE], HELLO),
    "counts as a text": (["Hel", "lo", finish(), chunk(usage="12"), DONE], HELLO),
    "counts that are no numbers": (
        ["Hel", "lo", finish(), chunk(usage={"prompt_tokens": [], "completion_tokens": HUGE}), DONE],
        HELLO,
    ),
    "counts with every chunk": (
        [
            chunk({"content": "Hel"}, usage={"prompt_tokens": 1, "completion_tokens": 1}),
            "lo",
            finish(),
            usage(1, 2),
            DONE,
        ],
        [Text("Hel"), TokenCounts(1, 1), Text("lo"), TokenCounts(1, 2)],
    ),
    "counts without choices": (
        [*HELLO_STEPS[:3], {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}, DONE],
        [*HELLO, TokenCounts(1, 2)],
    ),
    "Moonshot: counts in the choice": (
        ["Hel", "lo", with_choice(finish_reason="stop", usage={"prompt_tokens": 1, "completion_tokens": 2}), DONE],
        [*HELLO, TokenCounts(1, 2)],
    ),
    "MiniMax: an account of success": ([chunk(base_resp={"status_code": 0, "status_msg": ""}), *HELLO_STEPS], HELLO),
    "an error with nothing in it": (
        [chunk(error={}), chunk(error={"message": "", "code": None}), chunk(error=""), *HELLO_STEPS],
        HELLO,
    ),
    "Azure: chunks of its filter": (
        [
            {"choices": [], "id": "", "model": "", "object": "", "prompt_filter_results": [{"prompt_index": 0}]},
            "Hel",
            {"choices": [{"index": 0, "finish_reason": None, "content_filter_results": FILTERED}], "id": ""},
            {"choices": [{"index": 0, "content_filter_result": {"error": {"code": "content_filter_error"}}}]},
            *HELLO_STEPS[1:],
        ],
        HELLO,
    ),
    # The stream
    "DeepInfra: a comment as data": (
        [b"data: : ping - 2\n\n", "Hel", b"data: : OPENROUTER PROCESSING\n\n", *HELLO_STEPS[1:]],
        HELLO,
    ),
    "empty data": ([b"data:\n\n", "Hel", b"data: \n\n", *HELLO_STEPS[1:]], HELLO),
    "a ping of its own": ([b'event: ping\ndata: {"type": "ping"}\n\n', *HELLO_STEPS], HELLO),
    "an id and a retry alone": ([b"id: 1\n\nretry: 3000\n\n", *HELLO_STEPS], HELLO),
    "pretty-printed chunks": (
        [
            b"".join(
                b"data: " + line + b"\n"
                for line in json.dumps(chunk({"content": "Hel"}), indent=1).encode().split(b"\n")
            )
            + b"\n",
            *HELLO_STEPS[1:],
        ],
        HELLO,
    ),
    "a chunk in a list": ([event([chunk({"content": "Hel"})]), *HELLO_STEPS[1:]], HELLO),
    "a stream that calls itself JSON": ([Head(200, {"content-type": "application/json"}), *HELLO_STEPS], HELLO),
    "a whole completion that calls itself a stream": (whole("Hello"), [Text("Hello")]),
    "a whole completion with reasoning": (
        whole("Hello", reasoning_content="Hm"),
        [Reasoning("Hm", "reasoning_content"), Text("Hello")],
    ),
}


@pytest.mark.parametrize("name", SPOKEN)
async def test_an_odd_field_does_not_end_an_answer(name, model, provider, monkeypatch):
    monkeypatch.setattr("threadkeep.providers.openai_chat.AFTER_FINISH_S", 0.1)
    model.script, pieces = SPOKEN[name]

    heard = await hear(provider)

    assert (heard.code, heard.finish) == (None, "stop")
    assert heard.pieces == pieces if pieces is not None else heard.text == "Hello"


# name: (script, code)
ERRORS: dict[str, tuple[list[Any], str]] = {
    "vLLM: an object of its own": (
        [{"object": "error", "message": "x", "type": "BadRequestError", "code": 400}],
        "model_refused",
    ),
    "Anthropic's gateways": (
        [b'event: error\ndata: {"type": "error", "error": {"type": "overloaded_error"}}\n\n'],
        "model_unavailable",
    ),
    "FastAPI": ([{"detail": "x"}], "model_unavailable"),
    "DashScope": ([{"code": "DataInspectionFailed", "message": "x", "request_id": "1"}], "model_unavailable"),
    "Baidu": ([{"error_code": 336003, "error_msg": "x"}], "model_unavailable"),
    "MiniMax": ([{"choices": None, "base_resp": {"status_code": 1004, "status_msg": "x"}}], "model_unavailable"),
    "Google: a list": ([event([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}])], "model_unavailable"),
    "OpenRouter: within the choice": ([with_choice(finish_reason="error", error={"code": 408})], "model_timeout"),
    "a status as a text": ([{"error": {"code": "504", "message": "x"}}], "model_timeout"),
    "llama.cpp until 2025": (
        [b'error: {"code":400,"message":"the request exceeds the available context size"}\n\n', DONE],
        "context_too_long",
    ),
}


@pytest.mark.parametrize("name", ERRORS)
async def test_an_error_is_understood_however_it_is_told(name, model, provider):
    script, code = ERRORS[name]
    model.script = ["Hel", "lo", *script]

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (HELLO, code)


@pytest.mark.parametrize(
    "odd",
    [
        {"choices": "none"},
        {"choices": ["none"]},
        chunk({"tool_calls": "f"}),
        chunk({"tool_calls": ["f"]}),
        chunk({"tool_calls": [{"function": 7}]}),
    ],
)
async def test_what_may_hold_a_part_of_the_answer_and_cannot_be_understood_ends_it(odd, model, provider):
    model.script = ["Hel", "lo", odd, finish()]

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (HELLO, "model_unavailable")


async def test_a_field_of_a_thousand_levels_ends_nothing_but_its_answer(model, provider):
    model.script = [
        b'data: {"choices":[{"delta":{"content":' + b"[" * 900 + b'"x"' + b"]" * 900 + b"}}]}\n\n",
        finish(),
    ]

    heard = await hear(provider)

    assert heard.text == "x" or heard.code == "model_unavailable"
