"""Conversations that leave a canary in every place that takes a text."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from proof.canaries import WORD, Canaries
from support.cast import Caller, identifier
from support.scripted_model import CLOSE, DONE, Call, ScriptedModel, finish, reasoning, text, tool_call
from support.waiting import SOON_S, eventually


@dataclass
class Conversation:
    """A thread and the words in it; `never` are words that were only named in a request and belong nowhere."""

    thread: str
    words: set[str] = field(default_factory=set)
    in_messages: set[str] = field(default_factory=set)
    never: set[str] = field(default_factory=set)
    assistant: str = ""

    def plant(self, canaries: Canaries, place: str, *, in_message: bool = False) -> str:
        word = canaries.word(place)
        self.words.add(word)
        if in_message:
            self.in_messages.add(word)
        return word


def said(question: str, place: str) -> str:
    """Return the word that the model says about a question: of another place, with the same number."""
    found = re.search(r"canary[a-z]+(\d+)x", question)
    assert found is not None, question
    return f"canary{place}{found[1]}x"


def say(call: Call) -> Sequence[Any]:
    """What the model answers: canaries as text, reasoning, tool call; as a name; cut off in the middle."""
    question = json.dumps(call.body["messages"])
    if "canarynamed" in question:
        return [f"Bread {said(WORD.findall(question)[-1], 'generated')}", finish(), DONE]
    asked = WORD.findall(call.last_user_text)[-1]
    thought = [reasoning(said(asked, "reasoning")), text(f"Well: {said(asked, 'answer')}")]
    if "canarycut" in asked:
        return [*thought, CLOSE]
    called = tool_call(0, f"call_{asked}", said(asked, "function"), json.dumps({"x": said(asked, "argument")}))
    signature = {"google": {"thought_signature": said(asked, "signature")}}
    called["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = signature
    return [*thought, called, finish("tool_calls"), DONE]


ANSWERED = ("reasoning", "answer", "function", "argument", "signature")


def heard(conversation: Conversation, asked: str, places: Sequence[str] = ANSWERED) -> None:
    words = {said(asked, place) for place in places}
    conversation.words |= words
    conversation.in_messages |= words


async def converse(who: Caller, canaries: Canaries) -> Conversation:
    """Fill a thread: by its creation, appends, an edit, answers of all kinds and a generated name, with retry keys."""
    new = Conversation("")
    plant = lambda place: new.plant(canaries, place)  # noqa: E731
    inside = lambda place: new.plant(canaries, place, in_message=True)  # noqa: E731
    keyed = [who.retrying(canaries.word("key")) for _ in range(8)]
    file = {"type": "file", "url": f"https://a.example/{inside('url')}", "name": inside("file"), "mimeType": "text/x"}
    first = {"role": "user", "content": [{"type": "text", "text": inside("text")}, file], **own(inside, "message")}
    metadata = {plant("metadatakey"): plant("metadatavalue"), "list": [plant("metadataitem"), 1]}
    thread = await keyed[0].create_thread(
        title=plant("title"), metadata=metadata, messages=[first], **own(plant, "thread")
    )
    new.thread = thread.id
    if who.organization == "ORG_GONE" or who.user == "uid_ada":
        assistant = await keyed[1].create_assistant(name=plant("assistantname"), instructions=plant("assistanttext"))
        new.assistant = assistant.id
    arguments = json.dumps({"q": inside("json")})
    call = {"id": "call_1", "type": "function", "function": {"name": inside("tool"), "arguments": arguments}}
    await keyed[2].post_messages(
        thread,
        [
            {"role": "assistant", "content": inside("spoken"), "toolCalls": [call]},
            {"role": "tool", "content": inside("result"), "toolCallId": "call_1"},
        ],
    )
    message = await keyed[3].post_message(
        thread, "before", metadata={"k": inside("messagemetadata")}, externalId=inside("externalid")
    )
    await who.update_message(thread, message, content=inside("edited"), **new_payload(inside("changedpayload")))
    await keyed[4].update(thread, metadata={"later": plant("metadatalater")})
    for number, kind in ((5, "asked"), (6, "cut")):
        asked = inside(kind)
        await keyed[number].respond(thread, input=asked, metadata={"m": plant("responsemetadata")})
        heard(new, asked, ANSWERED if kind == "asked" else ANSWERED[:2])
    asked = inside("streamed")
    await who.respond(thread, input=asked, stream=True)
    heard(new, asked)
    await name(new, keyed[7], canaries)
    return new


def own(plant: Callable[[str], str], of: str) -> dict[str, Any]:
    """Return an id and a payload of the caller's own."""
    return {"externalId": plant(f"{of}externalid"), **new_payload(plant(f"{of}payload"))}


def new_payload(data: str) -> dict[str, Any]:
    return {"payload": {"format": "canary", "data": data}}


async def name(conversation: Conversation, who: Caller, canaries: Canaries) -> None:
    """Have a thread without a title of its own named; what the request names is nobody's to keep."""
    asked = canaries.word("named")
    conversation.never.add(asked)
    named = await who.generate_name(conversation.thread, [{"role": "user", "content": asked}])
    word = said(asked, "generated")
    assert word in named.name, f"the name is {named}"
    conversation.words.add(word)


async def converse_and_stay(who: Caller, canaries: Canaries, model: ScriptedModel) -> Conversation:
    """Begin an answer that is being written until somebody ends it; some of it is stored."""
    thread = await who.create_thread()
    new = Conversation(thread.id)
    asked = new.plant(canaries, "held", in_message=True)
    word = said(asked, "answer")
    new.words.add(word)
    # Rules are asked before the script that answers everything else.
    model.when(asked, word, asyncio.Event())
    response = await who.respond(thread, input=asked, background=True)
    await eventually(
        lambda: who.get_response(identifier(thread), response), lambda answer: word in answer.outputText, SOON_S
    )
    return new
