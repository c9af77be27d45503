"""The strict model server of the tests really refuses what it is there to refuse."""

from typing import Any

import pytest

from support.strict_model import FAMILIES, StrictModel

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello"}
SAID = {"role": "assistant", "content": "Hi"}
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {}}}]


def called(*ids: str, arguments: str = "{}", name: str = "look", **more: Any) -> dict[str, Any]:
    calls = [{"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def given(id: str, content: str = "seen") -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": id}


def signed(message: dict[str, Any], signature: str) -> dict[str, Any]:
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": signature}}
    return message


def refused(family: str, *messages: dict[str, Any], **more: Any) -> list[str]:
    return StrictModel().refused({"model": family, "messages": list(messages), **more})


EVERYWHERE = {
    "a result without a call": [USER, given("a")],
    "a call without a result": [USER, called("a")],
    "a call whose result comes late": [USER, called("a"), USER, given("a")],
    "two results of one call": [USER, called("a"), given("a"), given("a")],
    "one id for two calls": [USER, called("a", "a"), given("a"), given("a")],
    "an id that comes again": [USER, called("a"), given("a"), called("a"), given("a")],
    "arguments that are nothing": [USER, called("a", arguments=""), given("a")],
    "arguments that are cut off": [USER, called("a", arguments='{"b'), given("a")],
    "arguments that are no object": [USER, called("a", arguments="[]"), given("a")],
    "a name with a space": [USER, called("a", name="look at"), given("a")],
    "no content": [USER, {"role": "assistant", "content": None}],
    "an empty answer": [USER, {"role": "assistant", "content": ""}, USER],
    "a blank answer": [USER, {"role": "assistant", "content": " \n"}, USER],
    "an empty result": [USER, called("a"), given("a", "")],
    "an empty part": [{"role": "user", "content": [{"type": "text", "text": ""}]}],
    "no parts": [{"role": "user", "content": []}],
    "an unknown field": [{**USER, "name": "Ada"}],
    "an empty list of calls": [USER, {**SAID, "tool_calls": []}, USER],
    "an unknown role": [{"role": "developer", "content": "Be brief."}, USER],
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("what", EVERYWHERE)
def test_every_family_refuses(what, family):
    assert refused(family, *EVERYWHERE[what])


CALL = [USER, called("abcdefgh1"), given("abcdefgh1"), SAID, USER]
THOUGHT = [
    USER,
    called("abcdefgh1", reasoning_content=" "),
    given("abcdefgh1"),
    {**SAID, "reasoning_content": " "},
    USER,
]
ONE_FAMILY = {
    "openai": [[USER, called("a" * 41), given("a" * 41)], [USER, {**SAID, "reasoning_content": "x"}, USER]],
    "mistral": [
        [USER, called("call_1"), given("call_1")],
        [USER, USER],
        [SAID, USER],
        [USER, SAID, SYSTEM, USER],
        [USER, called("abcdefgh1"), given("abcdefgh1"), USER],
        [USER, SAID],
    ],
    "gemma": [[SYSTEM, USER], CALL, [USER, USER]],
    "perplexity": [CALL, [USER, USER], [USER, SAID, SYSTEM, USER], [SYSTEM, SYSTEM, USER]],
    "qwen": [[USER, SAID, SYSTEM, USER], [SYSTEM, SYSTEM, USER]],
    "deepseek": [CALL, [*THOUGHT[:3], SAID, USER]],
    "groq": [THOUGHT],
    "gemini": [
        CALL[:3],
        [USER, SAID, called("a"), given("a")],
        [USER, signed(called("a"), "made up"), given("a")],
    ],
    "anthropic": [CALL, [USER, called("functions.look:0"), given("functions.look:0")]],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_refuses_what_it_is_known_for(family):
    for messages in ONE_FAMILY[family]:
        assert refused(family, *messages)


TAKEN = {
    "openai": [USER, USER, called("call_1"), given("call_1"), SYSTEM, USER],
    "mistral": [SYSTEM, *CALL],
    "gemma": [USER, SAID, USER],
    "perplexity": [SYSTEM, USER, SAID, USER],
    "qwen": [SYSTEM, USER, USER],
    "deepseek": THOUGHT,
    "groq": CALL,
    "gemini": [SYSTEM, *CALL],
    "anthropic": [SYSTEM, USER, SAID, USER],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_takes_what_is_right(family):
    assert refused(family, *TAKEN[family]) == []


def test_reasoning_and_signatures_are_taken_from_whom_they_were_given_to_alone():
    model = StrictModel()
    model.remember("deepseek", "I think")
    model.remember("gemini", "sig")
    thought = [USER, called("a", reasoning_content="I think"), given("a")]
    with_signature = [USER, signed(called("a"), "sig"), given("a")]

    assert model.refused({"model": "deepseek", "messages": thought}) == []
    assert model.refused({"model": "qwen", "messages": thought}) != []
    assert model.refused({"model": "gemini", "messages": with_signature}) == []
    assert model.refused({"model": "qwen", "messages": with_signature}) != []


def test_what_is_owed_with_a_call_must_come_back_while_its_turn_lasts():
    model = StrictModel()
    model.remember("deepseek", "I think", "a")
    unknown = [USER, called("a", reasoning_content=" "), given("a")]

    assert model.refused({"model": "deepseek", "messages": unknown}) != []
    assert model.refused({"model": "deepseek", "messages": [*unknown, USER]}) == []
    model.forget("a")
    assert model.refused({"model": "deepseek", "messages": unknown}) == []
