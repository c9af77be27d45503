"""What the modules of tests about names share: a model that gives names, and what it and a stream said."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.cast import Answer, Caller, identifier
from support.scripted_model import Call, ScriptedModel, answer_of

PASSPORT = "How do I renew my passport in Germany?"
CONVERSATION = [{"role": "user", "content": PASSPORT}]
NAME = "Passport renewal in Germany"
NAME_PARTS = ("Pass", "port renewal", " in", " Germany")


def asks_for_name(call: Call) -> bool:
    return bool(call.body["messages"][0]["content"].startswith("You name conversations"))


def asked(call: Call) -> list[dict[str, str]]:
    """Return the conversation that the model was given to name."""
    return [json.loads(line) for line in call.body["messages"][-1]["content"].split("\n")]


class HeldName:
    """A name for which the model was `asked`, and which it says when told to `go`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()


def hold_name(model: ScriptedModel, *texts: str) -> HeldName:
    """Let the model hold back the next names that it is asked for; whatever else it is asked, it answers."""
    held = HeldName()

    def script(call: Call) -> list[Any]:
        if not asks_for_name(call):
            return answer_of("Hello")
        held.asked.set()
        return [held.go, *answer_of(*(texts or NAME_PARTS))]

    model.script = script
    return held


def events_of(stream: str) -> list[tuple[str, Any]]:
    """Return the events of a stream of a name, each with its data. It begins with a ping."""
    ping, *frames = stream.removesuffix("\n\n").split("\n\n")
    assert ping == ": ping"
    lines = [frame.split("\n") for frame in frames if frame != ": ping"]
    return [(type.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for type, data in lines]


def parts_of(events: list[tuple[str, Any]]) -> str:
    return "".join(data["delta"] for type, data in events if type == "name.delta")


@asynccontextmanager
async def listening(who: Caller, thread: Answer) -> AsyncIterator[AsyncIterator[str]]:
    """Ask for a name as a stream and read it while it comes."""
    path = f"/v1/threads/{identifier(thread)}/generateName"
    headers = {**who.credential, **who.extra}
    async with who.client.stream("POST", path, params={"stream": True}, headers=headers) as response:
        yield response.aiter_text()
