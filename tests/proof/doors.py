"""The ways into the service as doors: what somebody says in a thread through each, and what each shows of it."""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from support.cast import Answer, Caller
from threadkeep.ids import with_prefix

PAGE = 100
ROWS = 200
numbers = itertools.count(1)
# What was said in a thread, the oldest first: who, and the text.
Said = list[tuple[str, str]]


@dataclass(frozen=True)
class Door:
    """`ask` says something in a thread and waits for its answer; `read` returns what was said there."""

    name: str
    read: Callable[[Caller, str], Awaitable[Said]]
    ask: Callable[[Caller, str, str], Awaitable[Answer]] | None = None
    # Whether the same question may be sent again: its id tells that it is the same.
    has_ids: bool = False


async def ask_natively(who: Caller, thread_id: str, text: str) -> Answer:
    return await who.respond(thread_id, input=text)


async def read_natively(who: Caller, thread_id: str) -> Said:
    found: Said = []
    after = None
    while True:
        more = {} if after is None else {"after": after}
        page = await who.list_messages(thread_id, branch="current", limit=PAGE, order="asc", **more)
        found += [(each["role"], "".join(part["text"] for part in each["content"])) for each in page.data]
        after = page.nextCursor
        if after is None:
            return found


async def converse(who: Caller, thread_id: str, text: str) -> Answer:
    return await who.request(
        "POST", "/openai/v1/responses", {"conversation": with_prefix(thread_id, "conv"), "input": text}
    )


async def read_items(who: Caller, thread_id: str) -> Said:
    path = f"/openai/v1/conversations/{with_prefix(thread_id, 'conv')}/items"
    items = await pages(who, path)
    return [(each["role"], "".join(part["text"] for part in each["content"])) for each in items]


async def run_openai(who: Caller, thread_id: str, text: str) -> Answer:
    made = await who.request("POST", "/openai/v1/assistants", {"model": "scripted"})
    said = {"role": "user", "content": text}
    body = {"assistant_id": made["id"], "additional_messages": [said], "stream": True}
    return await who.request("POST", f"/openai/v1/threads/{thread_id}/runs", body)


async def read_openai(who: Caller, thread_id: str) -> Said:
    found = await pages(who, f"/openai/v1/threads/{thread_id}/messages")
    return [(each["role"], "".join(part["text"]["value"] for part in each["content"])) for each in found]


async def pages(who: Caller, path: str) -> list[Any]:
    found: list[Any] = []
    params: dict[str, Any] = {"order": "asc", "limit": PAGE}
    while True:
        page = await who.request("GET", path, params=params)
        found += page.data
        if not page["has_more"]:
            return found
        params["after"] = page["last_id"]


async def run_ag_ui(who: Caller, thread_id: str, text: str) -> Answer:
    """Send the whole conversation, as its client does."""
    message = {"id": text, "role": "user", "content": text}
    body = {"threadId": thread_id, "runId": "run", "messages": [*await snapshot(who, thread_id), message]}
    return await who.request("POST", "/ag-ui", body)


async def snapshot(who: Caller, thread_id: str) -> list[Any]:
    shown = await who.request("POST", "/ag-ui", {"threadId": thread_id, "runId": "run", "messages": []})
    events = [msgspec.json.decode(each[6:]) for each in shown.text.split("\n\n") if each.startswith("data: ")]
    [messages] = [each["messages"] for each in events if each["type"] == "MESSAGES_SNAPSHOT"]
    return list(messages)


async def read_ag_ui(who: Caller, thread_id: str) -> Said:
    return [(each["role"], each["content"]) for each in await snapshot(who, thread_id)]


async def read_assistant_ui(who: Caller, thread_id: str) -> Said:
    """Return the line that ends at the newest row."""
    rows: list[Any] = []
    path = f"/assistant-ui/v1/threads/{thread_id}/messages"
    while len(rows) % ROWS == 0:
        after = {"after": rows[-1]["id"]} if rows else {}
        page = (await who.request("GET", path, params={"format": "ai-sdk/v6", **after})).messages
        rows += page
        if not page:
            break
    by_id = {each["id"]: each for each in rows}
    found: Said = []
    row = rows[0] if rows else None
    while row is not None:
        content = row["content"]
        found.insert(0, (content["role"], "".join(part.get("text", "") for part in content["parts"])))
        row = by_id.get(row["parent_id"])
    return found


async def run_langgraph(who: Caller, thread_id: str, text: str) -> Answer:
    said = {"messages": [{"id": text, "type": "human", "content": text}]}
    return await who.request("POST", f"/langgraph/threads/{thread_id}/runs/wait", {"input": said})


async def read_langgraph(who: Caller, thread_id: str) -> Said:
    state = await who.request("GET", f"/langgraph/threads/{thread_id}/state")
    roles = {"human": "user", "ai": "assistant"}
    return [(roles[each["type"]], each["content"]) for each in state["values"]["messages"]]


NATIVE = Door("native", read_natively, ask_natively)
DOORS = [
    NATIVE,
    Door("openai: conversations", read_items, converse),
    Door("openai: threads", read_openai, run_openai),
    # Nothing is asked there.
    Door("assistant-ui", read_assistant_ui),
    Door("ag-ui", read_ag_ui, run_ag_ui, has_ids=True),
    Door("langgraph", read_langgraph, run_langgraph, has_ids=True),
]
