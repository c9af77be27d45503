"""What is made of a history for the server that gets it: every server takes it, and the others get it as it is."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.strict_model import FAMILIES, SETTINGS, StrictModel
from threadkeep import titles
from threadkeep.contract.assistants import Configuration, FunctionDefinition, Tool
from threadkeep.providers import ModelRequest, manners
from threadkeep.providers.catalogue import Catalogue
from threadkeep.providers.manners import KNOWN, NO_ANSWER, NO_MESSAGE, Manners, manners_of, object_text
from threadkeep.providers.openai_chat import OpenAiChat, body_of
from threadkeep.settings import Settings


def fitted(messages: list[dict[str, Any]], wanted: Manners | None = None, *, has_tools: bool = False) -> Any:
    return manners.fitted(messages, wanted or Manners(), has_tools=has_tools)


USER = {"role": "user", "content": "Hello"}
SAID = {"role": "assistant", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be brief."}


def call(id: str, arguments: str = "{}", name: str = "look", **more: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def called(*calls: dict[str, Any], content: Any = None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def given(id: str, content: str = "seen") -> dict[str, Any]:
    return {"role": "tool", "content": content, "tool_call_id": id}


# Each can come of a thread: of answers that failed, of edits and deletions, of messages from elsewhere.
HISTORIES: dict[str, list[dict[str, Any]]] = {
    "two questions": [USER, USER],
    "an answer first": [SAID, USER],
    "a call first": [called(call("a")), given("a"), SAID, USER],
    "two answers": [USER, SAID, SAID, USER],
    "an answer last": [USER, SAID],
    "text and then calls": [USER, SAID, called(call("a")), given("a")],
    "system texts anywhere": [SYSTEM, SAID, SYSTEM, USER, SYSTEM],
    "a system text in a tool round": [USER, called(call("a")), given("a"), SYSTEM, USER],
    "a question after a result": [USER, called(call("a"), call("b")), given("a"), given("b"), USER],
    "a call after a result": [USER, called(call("a")), given("a"), called(call("b")), given("b"), SAID, USER],
    "an id that comes again": [USER, called(call("0")), given("0"), called(call("0")), given("0")],
    "one id for two calls": [USER, called(call("0"), call("0")), given("0"), given("0")],
    "an id as another server makes them": [USER, called(call("functions.look:0")), given("functions.look:0")],
    "a long id": [USER, called(call("c" * 200)), given("c" * 200)],
    "no arguments": [USER, called(call("a", "")), given("a")],
    "arguments of another kind": [USER, called(call("a", "[1]"), call("b", "cut")), given("a"), given("b")],
    "a name that is none": [USER, called(call("a", name="look at: it")), given("a")],
    "an empty result": [USER, called(call("a")), given("a", " ")],
    "a name": titles.request_messages([("user", "How do I bake bread?")]),
    "an image and its question": [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://i"}}]},
        USER,
    ],
}
TOOLS = [Tool("function", FunctionDefinition("look"))]


@pytest.mark.parametrize("with_tools", [True, False], ids=["tools", "no tools"])
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("what", HISTORIES)
def test_no_history_is_refused_by_a_server_whose_settings_are_set(what, family, with_tools, tmp_path):
    configuration = Configuration(tools=TOOLS if with_tools else None)

    body = sent_to(family, ModelRequest(family, HISTORIES[what], configuration), tmp_path)

    assert StrictModel().refused(body) == []


def sent_to(family: str, request: ModelRequest, folder: Path) -> Any:
    """Return the body that the server gets with the settings of its family."""
    file = folder / "models.toml"
    file.write_text(f'[{family}]\nurl = "http://127.0.0.1:9/v1"\n{SETTINGS[family]}\n')
    provider, _ = Catalogue(Settings(models_file=str(file)), {}).provider(family)
    assert isinstance(provider, OpenAiChat)
    return msgspec.to_builtins(body_of(request, "max_tokens", provider.manners))


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("api.openai.com", "openai"),
        ("us.openai.azure.com", "openai"),
        ("api.mistral.ai", "mistral"),
        ("api.perplexity.ai", "perplexity"),
        ("api.deepseek.com", "deepseek"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("europe-west4-aiplatform.googleapis.com", "gemini"),
        ("api.anthropic.com", "anthropic"),
    ],
)
def test_a_server_that_is_known_by_its_address_needs_no_setting(host, family):
    for messages in HISTORIES.values():
        sent = {"model": family, "messages": fitted(messages, manners_of(host))}

        assert StrictModel().refused(sent) == []


def test_an_unknown_server_gets_the_history_as_it_is():
    assert manners_of("api.openai.com.example.com") == manners_of("models.example.com") == Manners()
    for what in ("two questions", "an answer first", "system texts anywhere", "a question after a result"):
        assert fitted(HISTORIES[what], Manners()) == HISTORIES[what]


def test_turns_are_joined_and_filled():
    sent = fitted([SAID, USER, SYSTEM, USER], Manners(roles="alternate"))

    assert sent == [SYSTEM, NO_MESSAGE, SAID, {"role": "user", "content": "Hello\n\nHello"}]
    assert fitted([USER, SAID], Manners(roles="alternate")) == [USER, SAID, NO_MESSAGE]
    round_of_tools = [USER, called(call("a")), given("a")]
    assert fitted([*round_of_tools, USER], Manners(roles="alternate")) == [*round_of_tools, NO_ANSWER, USER]


def test_parts_and_texts_are_joined_to_parts():
    image = {"type": "image_url", "image_url": {"url": "https://i"}}

    [joined] = fitted([{"role": "user", "content": [image]}, USER], Manners(roles="alternate"))

    assert joined["content"] == [image, {"type": "text", "text": "Hello"}]


def test_system_texts_go_first_or_to_the_user():
    several = [USER, SYSTEM, SAID, {"role": "system", "content": "Be kind."}]

    assert fitted(several, Manners(system="first")) == [
        {"role": "system", "content": "Be brief.\n\nBe kind."}, USER, SAID,
    ]  # fmt: skip
    assert [each["role"] for each in fitted(several, Manners(system="user"))] == ["user", "user", "assistant", "user"]


def test_calls_are_said_in_words_where_there_are_no_tools():
    history = [USER, called(call("a", '{"b":1}'), content="Let me see."), given("a", "4 °C")]
    words = [
        USER,
        {"role": "assistant", "content": 'Let me see.\n\n[Call: look {"b":1}]'},
        {"role": "user", "content": "[Result: 4 °C]"},
    ]

    assert fitted(history, Manners(tool_calls="text"), has_tools=True) == words
    assert fitted(history, Manners(tool_calls="with_tools")) == words
    assert fitted(history, Manners(tool_calls="with_tools"), has_tools=True) == history


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ("", "{}"),
        (" \n", "{}"),
        ("null", "{}"),
        ('{"city": "Oslo", "n": 1.50}', '{"city": "Oslo", "n": 1.50}'),
        ('"{\\"city\\": \\"Oslo\\"}"', '{"city": "Oslo"}'),
        ("[1]", '{"arguments": [1]}'),
        ('"Oslo"', '{"arguments": "Oslo"}'),
        ('{"city": "Os', '{"arguments": "{\\"city\\": \\"Os"}'),
        ("[" * 100_000, json.dumps({"arguments": "[" * 100_000})),
    ],
)
def test_arguments_are_sent_as_an_object(arguments, sent):
    assert object_text(arguments) == sent


def test_a_name_is_sent_as_one_that_a_function_may_have():
    name = "look at: " + "it" * 100

    sent = fitted([USER, called(call("a", name=name)), given("a")])

    assert sent[1]["tool_calls"][0]["function"]["name"] == "look_at__" + "it" * 27 + "i"


def test_an_id_has_always_the_same_new_form_and_its_result_with_it():
    history = [USER, called(call("functions.look:0")), given("functions.look:0")]

    for form, length in (("short", 24), ("nine", 9)):
        first, again = fitted(history, Manners(call_ids=form)), fitted(history, Manners(call_ids=form))
        assert first == again
        assert len(first[2]["tool_call_id"]) == length
        assert first[1]["tool_calls"][0]["id"] == first[2]["tool_call_id"]
    assert fitted(history) == history


def test_what_a_model_wants_back_is_said_to_be_unknown_only_where_it_is():
    known = called(call("a", extra_content={"google": {"thought_signature": "sig"}}), reasoning_content="I think")
    unknown = called(call("b"))
    history = [USER, known, given("a"), unknown, given("b")]

    reasoning = fitted(history, Manners(calls_need="reasoning_content"))
    signatures = fitted(history, Manners(calls_need="thought_signature"))

    assert (reasoning[1], reasoning[3]["reasoning_content"]) == (known, " ")
    assert signatures[1] == known
    assert "skip" in signatures[3]["tool_calls"][0]["extra_content"]["google"]["thought_signature"]
    assert fitted(history) == history


def test_every_known_address_is_a_host():
    assert all(host.count(".") >= 2 for host in KNOWN)
