"""What belongs to one user of one organization: one of everything, each with a word in it that nobody else may read."""

import asyncio
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from support.cast import Caller
from support.scripted_model import Call, answer_of, finish, tool_call
from threadkeep.ids import with_prefix

CANARY = re.compile("canary[a-z0-9]+")
STARTED_S = 20
numbers = itertools.count(1)

NEW_CHAT = {"threadId": "changed", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "changed"}]}

NEW_TURN = {
    "id": "changed here",
    "messages": [{"id": "t", "role": "user", "parts": [{"type": "text", "text": "changed"}]}],
}

NEW_RUN = {"assistant_id": "", "input": {"messages": "changed"}}

# What every operation accepts; one that is missing here takes {}. An assistant is put in by its id.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/threads/bulk": {"action": "unarchive", "filter": {}, "dryRun": True},
    "PATCH /v1/threads/{threadId}": {"title": "changed"},
    "POST /v1/threads/{threadId}": {"title": "changed"},
    "POST /v1/threads/{threadId}/messages": {"role": "user", "content": "changed"},
    "PATCH /v1/threads/{threadId}/messages/{messageId}": {"content": "changed"},
    "POST /v1/threads/{threadId}/messages/{messageId}": {"content": "changed"},
    "POST /v1/threads/{threadId}/responses": {"input": "changed"},
    "POST /v1/responses": {"thread": {}, "input": "changed"},
    "PATCH /v1/assistants/{assistantId}": {"instructions": "changed"},
    "POST /v1/assistants/{assistantId}": {"instructions": "changed"},
    "PATCH /v1/organizations/{organizationId}": {"name": "changed"},
    "POST /v1/organizations/{organizationId}": {"name": "changed"},
    "PUT /v1/organizations/{organizationId}/members/{userId}": {"role": "member"},
    "POST /v1/organizations/{organizationId}/keys": {"userId": "uid_bot", "role": "member"},
    "POST /v1/tokens": {"userId": "uid_of_the_product"},
    "POST /ai-sdk/chat": NEW_TURN,
    "POST /ag-ui": NEW_CHAT,
    "POST /ag-ui/{assistantId}": NEW_CHAT,
    "PATCH /langgraph/threads/{graphThreadId}": {"metadata": {"to": "changed"}},
    "POST /langgraph/threads/{graphThreadId}/state": {"values": {"messages": "changed"}},
    "POST /langgraph/threads/{graphThreadId}/runs": NEW_RUN,
    "POST /langgraph/threads/{graphThreadId}/runs/wait": NEW_RUN,
    "POST /langgraph/threads/{graphThreadId}/runs/stream": NEW_RUN,
    "PUT /assistant-ui/v1/threads/{threadId}": {"title": "changed"},
    "POST /assistant-ui/v1/threads/{threadId}/messages": {"format": "ai-sdk/v6", "content": {}},
    "DELETE /assistant-ui/v1/threads/{threadId}/messages": {"message_ids": [""]},
    "PUT /assistant-ui/v1/threads/{threadId}/messages/{rowId}": {"content": {}},
    "POST /assistant-ui/v1/threads/{threadId}/messages/{rowId}/feedback": {"type": "positive"},
    "POST /assistant-ui/v1/runs/stream": {"thread_id": "", "assistant_id": "system/thread_title"},
    "POST /openai/v1/threads/{threadId}": {"metadata": {"to": "changed"}},
    "POST /openai/v1/threads/{threadId}/messages": {"role": "user", "content": "changed"},
    "POST /openai/v1/threads/{threadId}/messages/{messageId}": {"metadata": {"to": "changed"}},
    "POST /openai/v1/threads/{threadId}/runs": {"assistant_id": ""},
    "POST /openai/v1/threads/runs": {"assistant_id": ""},
    "POST /openai/v1/threads/{threadId}/runs/{runId}": {"metadata": {"to": "changed"}},
    "POST /openai/v1/threads/{threadId}/runs/{runId}/submit_tool_outputs": {
        "tool_outputs": [{"tool_call_id": "call_1", "output": "changed"}]
    },
    "POST /openai/v1/conversations/{conversationId}": {"metadata": {"to": "changed"}},
    "POST /openai/v1/conversations/{conversationId}/items": {"items": [{"role": "user", "content": "changed"}]},
    "POST /openai/v1/responses": {"input": "changed"},
    "POST /openai/v1/assistants": {"model": "scripted"},
    "POST /openai/v1/assistants/{assistantId}": {"instructions": "changed"},
}


def body_of(operation: str) -> dict[str, Any]:
    if operation == "POST /v1/assistants":
        return {"name": f"changed {next(numbers)}"}
    return dict(BODIES.get(operation, {}))


@dataclass
class World:
    """`ids` are by the names of the paths' parameters; `live` is a thread whose model has not finished speaking."""

    canary: str
    ids: dict[str, str]
    live: str = ""
    live_response: str = ""
    foreign: set[str] = field(default_factory=set)

    @property
    def event(self) -> str:
        return f"{self.ids['responseId']}:2"


class Speaker:
    """The model of all worlds: it repeats the word that it heard, and goes on speaking in live threads."""

    def __init__(self) -> None:
        self.go = asyncio.Event()

    def __call__(self, call: Call) -> Sequence[Any]:
        heard = " ".join(CANARY.findall(str(call.body.get("messages"))))
        if "stay" in call.last_user_text:
            return [f"heard {heard}", self.go, finish()]
        if "call" in call.last_user_text and call.body["messages"][-1]["role"] != "tool":
            return [tool_call(0, "call_1", "look", json.dumps({"for": heard})), finish("tool_calls")]
        return answer_of(f"heard {heard}")


async def make_world(owner: Caller, user: Caller, canary: str, *, lives: bool = False) -> World:
    """Make one of everything for `user`, in the owner's organization, which all of it may read of assistants."""
    everybodys = f"canaryof{owner.organization.lower().replace('_', '')}"
    words = {"title": f"title {canary}", "metadata": {"word": canary}}
    first = {"role": "user", "content": f"said {canary}", "metadata": {"word": canary}}
    thread = await user.create_thread(messages=[first], **words)
    await user.create_thread(messages=[first], **words)
    messages = await user.list_messages(thread)
    response = await user.respond(thread, input=f"and {canary}", metadata={"word": canary})
    # A run that waits for the output of a call.
    run = await user.respond(thread, input=f"call {canary}", tools=[{"type": "function", "function": {"name": "look"}}])
    assistant = await owner.create_assistant(name=f"name {everybodys} {next(numbers)}", instructions=f"be {everybodys}")
    key = await owner.create_key(userId=user.user, role="member", name=f"key {canary}")
    bulk = await user.request("POST", "/v1/threads/bulk", {"action": "archive", "ids": ["thread_never"]})
    ids = {
        "threadId": thread.id,
        "chatId": thread.id,
        "messageId": messages.ids[0],
        "rowId": messages.ids[0],
        "responseId": response.id,
        "runId": with_prefix(run.id, "run"),
        "stepId": f"{with_prefix(run.id, 'step')}_2",
        "conversationId": with_prefix(thread.id, "conv"),
        "itemId": messages.ids[0],
        "assistantId": assistant.id,
        "keyId": key.id,
        "bulkId": bulk.id,
        "userId": user.user,
        "organizationId": owner.organization,
        "model": "scripted",
        "graphThreadId": thread.id,
        "graphRunId": response.id,
        "graphAssistantId": assistant.id,
    }
    world = World(canary, ids)
    if lives:
        live = await user.respond_new(thread=words, input=f"stay {canary}", background=True)
        world.live, world.live_response = live.threadId, live.id
    return world


def near(value: str) -> str:
    """Return what is like this reference and never was: its last letter is another, so that it sorts beside it."""
    name, colon, number = value.partition(":")
    last = "b" if name[-1] != "b" else "c"
    return f"{name[:-1]}{last}{colon}{number}"
