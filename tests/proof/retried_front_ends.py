"""Every POST of the ways in for front ends. Their clients send no keys: the ids of their messages do that work."""

import copy
from typing import Any

from proof.retried_calls import (
    Given,
    Kind,
    Trace,
    Work,
    added,
    assistant,
    cancelled,
    empty_thread,
    given,
    its_message,
    message,
    named,
    nothing,
    responses_begun,
    running,
    shared_thread,
    threads_made,
    was_replayed,
)
from proof.retried_kinds import post
from support.cast import Caller


async def told(work: Work, who: Caller, path: str, body: Any, *lasts: str) -> Given:
    """Send without a key, and read a stream to its end. What it says depends on when it is read.

    Nothing tells whether it was told before. Raises ConnectionError when it breaks off.
    """
    keyless = copy.copy(who)
    keyless.extra = {name: value for name, value in who.extra.items() if name != "idempotency-key"}
    answer = await keyless.request("POST", path, body)
    if answer.status == 200 and not any(last in answer.text for last in lasts):
        raise ConnectionError("the stream broke off")
    return Given(answer.status, answer.code, None, was_replayed=True)


def said(work: Work) -> dict[str, Any]:
    return {"id": f"{work.word}-1", "role": "user", "content": work.word}


async def ag_ui(work: Work, who: Caller) -> Given:
    path = f"/ag-ui/{work.made['assistant'].id}" if "assistant" in work.made else "/ag-ui"
    body = {"threadId": work.word, "runId": "run", "messages": [said(work)]}
    return await told(work, who, path, body, "RUN_FINISHED", "RUN_ERROR")


async def ai_sdk(work: Work, who: Caller) -> Given:
    message = {"id": f"{work.word}-1", "role": "user", "parts": [{"type": "text", "text": work.word}]}
    return await told(work, who, "/ai-sdk/chat", {"id": work.word, "messages": [message]}, "[DONE]")


async def stop(work: Work, who: Caller) -> Given:
    return await post(work, who, f"/ai-sdk/chat/{work.made['thread'].id}/stop", {})


async def asked_in_its_chat(work: Work, who: Caller) -> Trace:
    """Return how often the question is stored, in whatever thread."""
    found = [
        message
        for thread in (await who.list_threads(externalId=work.word)).data
        for message in (await who.list_messages(thread)).data
    ]
    return sum(each["role"] == "user" for each in found), [each["id"] for each in found]


CLOUD = "/assistant-ui/v1"
ROW = f"{CLOUD}/threads/{{threadId}}/messages"


def rows(work: Work) -> str:
    return f"{CLOUD}/threads/{work.made['thread'].id}/messages"


async def cloud_thread(work: Work, who: Caller) -> Given:
    return given(await who.request("POST", f"{CLOUD}/threads", {"metadata": {"work": work.word}}))


async def cloud_row(work: Work, who: Caller) -> Given:
    content = {"role": "user", "parts": [{"type": "text", "text": f"{work.word} one"}]}
    return given(await who.request("POST", rows(work), {"format": "ai-sdk/v6", "content": content}))


async def cloud_feedback(work: Work, who: Caller) -> Given:
    where = f"{rows(work)}/{work.made['message'].id}/feedback"
    return given(await who.request("POST", where, {"type": "negative", "comment": work.word}))


async def cloud_title(work: Work, who: Caller) -> Given:
    said = [{"role": "user", "content": work.word}]
    body = {"thread_id": work.made["thread"].id, "assistant_id": "system/thread_title", "messages": said}
    answer = await who.request("POST", f"{CLOUD}/runs/stream", body)
    return Given(answer.status, answer.code, answer.text, was_replayed(answer.headers))


GRAPH = "/langgraph/threads"
GRAPH_RUNS = f"{GRAPH}/{{graphThreadId}}/runs"


def graph(work: Work, way: str) -> str:
    return f"{GRAPH}/{work.made['thread'].id}/{way}"


def graph_run(work: Work) -> dict[str, Any]:
    return {"assistant_id": "agent", "input": {"messages": [said(work)]}}


async def graph_thread(work: Work, who: Caller) -> Given:
    return await post(work, who, GRAPH, {"metadata": {"work": work.word}})


async def labelled_thread(work: Work, who: Caller) -> None:
    work.made["thread"] = await who.create_thread(metadata={"work": work.word})


async def graph_copy(work: Work, who: Caller) -> Given:
    return await post(work, who, graph(work, "copy"), {})


async def copies_made(work: Work, who: Caller) -> Trace:
    times, found = await threads_made(work, who)
    return times - 1, found


async def graph_state(work: Work, who: Caller) -> Given:
    said = {"role": "user", "content": f"{work.word} one"}
    return await post(work, who, graph(work, "state"), {"values": {"messages": [said]}})


async def graph_stream(work: Work, who: Caller) -> Given:
    return await told(work, who, graph(work, "runs/stream"), graph_run(work), "event: end", "event: error")


async def graph_wait(work: Work, who: Caller) -> Given:
    return await told(work, who, graph(work, "runs/wait"), graph_run(work), "messages", "__error__")


async def graph_begin(work: Work, who: Caller) -> Given:
    return await told(work, who, graph(work, "runs"), graph_run(work), "run_id")


async def graph_cancel(work: Work, who: Caller) -> Given:
    return await post(work, who, graph(work, f"runs/{work.made['response'].id}/cancel"), {})


KINDS = [
    Kind("langgraph: create", GRAPH, nothing, graph_thread, threads_made),
    Kind("langgraph: copy", f"{GRAPH}/{{graphThreadId}}/copy", labelled_thread, graph_copy, copies_made),
    Kind("langgraph: add", f"{GRAPH}/{{graphThreadId}}/state", shared_thread, graph_state, added("one")),
    Kind("langgraph: stream", f"{GRAPH_RUNS}/stream", empty_thread, graph_stream, responses_begun, calls=1),
    Kind("langgraph: wait", f"{GRAPH_RUNS}/wait", empty_thread, graph_wait, responses_begun, calls=1),
    Kind("langgraph: run", GRAPH_RUNS, empty_thread, graph_begin, responses_begun, calls=1),
    Kind("langgraph: cancel", f"{GRAPH_RUNS}/{{graphRunId}}/cancel", running, graph_cancel, cancelled),
    Kind("assistant-ui: create", f"{CLOUD}/threads", nothing, cloud_thread, threads_made),
    Kind("assistant-ui: add a message", ROW, shared_thread, cloud_row, added("one")),
    Kind("assistant-ui: keep feedback", f"{ROW}/{{rowId}}/feedback", message, cloud_feedback, its_message),
    Kind("assistant-ui: make a title", f"{CLOUD}/runs/stream", empty_thread, cloud_title, named, calls=1, is_name=True),
    Kind("ag-ui: run", "/ag-ui", nothing, ag_ui, asked_in_its_chat, calls=1),
    Kind("ai-sdk: turn", "/ai-sdk/chat", nothing, ai_sdk, asked_in_its_chat, calls=1),
    Kind("ai-sdk: stop", "/ai-sdk/chat/{chatId}/stop", running, stop, cancelled),
    Kind("ag-ui: run an assistant", "/ag-ui/{assistantId}", assistant, ag_ui, asked_in_its_chat, calls=1),
]
