"""Every POST of the ways in for OpenAI's clients, as a work that is done once however often it is sent."""

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
    its_assistant,
    its_message,
    its_thread,
    listed_under_its_name,
    message,
    nothing,
    responses_begun,
    running,
    shared_thread,
    thread,
    threads_made,
    was_replayed,
)
from proof.retried_kinds import labelled, post, retitle
from support.cast import Caller
from threadkeep.ids import with_prefix

V1 = "/openai/v1"
THREAD = f"{V1}/threads/{{threadId}}"
CONVERSATION = f"{V1}/conversations/{{conversationId}}"
RUN = f"{THREAD}/runs/{{runId}}"


async def create(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/threads", labelled(work))


async def append(work: Work, who: Caller) -> Any:
    body = {"role": "user", "content": f"{work.word} one"}
    return await post(work, who, f"{V1}/threads/{work.made['thread'].id}/messages", body)


async def change_thread(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/threads/{work.made['thread'].id}", {"title": work.word})


async def change_message(work: Work, who: Caller) -> Any:
    where = f"{V1}/threads/{work.made['thread'].id}/messages/{work.made['message'].id}"
    return await post(work, who, where, labelled(work))


async def create_assistant(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/assistants", {"model": "scripted", "name": work.word})


async def change_assistant(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/assistants/{work.made['assistant'].id}", {"instructions": work.word})


async def runnable(work: Work, who: Caller) -> None:
    await empty_thread(work, who)
    await assistant(work, who)


async def waiting(work: Work, who: Caller) -> None:
    """A run that waits for the output of a call. One whose process died meanwhile is begun again."""
    await thread(work, who)
    tools = [{"type": "function", "function": {"name": "look"}}]
    while True:
        begun = await who.respond(work.made["thread"], input="call", tools=tools)
        if begun.status == 200 and begun.finishReason == "toolCalls":
            break
    work.made["run"] = f"{V1}/threads/{work.made['thread'].id}/runs/{with_prefix(begun.id, 'run')}"


async def begun(work: Work, who: Caller, path: str, body: Any) -> Given:
    """How a run stands is not the same for all: it goes on."""
    answer = await who.request("POST", path, body)
    same = [answer.body.get(name) for name in ("id", "thread_id", "created_at", "instructions")]
    return Given(answer.status, answer.code, same, was_replayed(answer.headers))


async def run(work: Work, who: Caller) -> Any:
    body = {"assistant_id": work.made["assistant"].id, "additional_messages": [{"role": "user", "content": work.word}]}
    return await begun(work, who, f"{V1}/threads/{work.made['thread'].id}/runs", body)


async def run_anew(work: Work, who: Caller) -> Any:
    described = labelled(work, messages=[{"role": "user", "content": work.word}])
    body = {"assistant_id": work.made["assistant"].id, "thread": described}
    return await begun(work, who, f"{V1}/threads/runs", body)


async def change_run(work: Work, who: Caller) -> Any:
    return await post(work, who, work.made["run"], labelled(work))


async def cancel_run(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{work.made['run']}/cancel", {})


async def submit(work: Work, who: Caller) -> Any:
    body = {"tool_outputs": [{"tool_call_id": "call_1", "output": "found"}]}
    return await begun(work, who, f"{work.made['run']}/submit_tool_outputs", body)


async def converse(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/conversations", labelled(work))


def conversation(work: Work) -> str:
    return f"{V1}/conversations/{with_prefix(work.made['thread'].id, 'conv')}"


async def change_conversation(work: Work, who: Caller) -> Any:
    return await post(work, who, conversation(work), {"title": work.word})


async def add_items(work: Work, who: Caller) -> Any:
    items = [{"role": "user", "content": f"{work.word} {part}"} for part in ("one", "two")]
    return await post(work, who, f"{conversation(work)}/items", {"items": items})


async def respond(work: Work, who: Caller) -> Any:
    body = {"conversation": with_prefix(work.made["thread"].id, "conv"), "input": work.word, "background": True}
    return await begun(work, who, f"{V1}/responses", body)


async def cancel_response(work: Work, who: Caller) -> Any:
    return await post(work, who, f"{V1}/responses/{work.made['response'].id}/cancel", {})


async def unlabel(work: Work, who: Caller) -> None:
    await who.request("POST", work.made["run"], {"metadata": None})


async def its_metadata(work: Work, who: Caller) -> Trace:
    """Changed back, it must stay so: only that it is not changed once more can be seen."""
    return 1, (await who.request("GET", work.made["run"])).metadata


async def is_cancelled(work: Work, who: Caller) -> Trace:
    run = await who.request("GET", work.made["run"])
    return int(run["status"] == "cancelled"), run.body


async def went_on(work: Work, who: Caller) -> Trace:
    found = (await who.list_responses(work.made["thread"])).ids
    first_id = with_prefix(work.made["run"].rpartition("/")[2], "resp")
    return len(found) - found.index(first_id) - 1, found


KINDS = [
    Kind("openai: create", f"{V1}/threads", nothing, create, threads_made),
    Kind("openai: append", f"{THREAD}/messages", shared_thread, append, added("one")),
    Kind("openai: change a thread", THREAD, thread, change_thread, its_thread, retitle),
    Kind(
        "openai: change a message", f"{THREAD}/messages/{{messageId}}", message, change_message, its_message,
        lambda work, who: who.update_message(work.made["thread"], work.made["message"], content="undone"),
    ),
    Kind("openai: run", f"{THREAD}/runs", runnable, run, responses_begun, calls=1),
    Kind("openai: run anew", f"{V1}/threads/runs", assistant, run_anew, threads_made, calls=1),
    Kind("openai: change a run", RUN, waiting, change_run, its_metadata, unlabel),
    Kind("openai: cancel a run", f"{RUN}/cancel", waiting, cancel_run, is_cancelled),
    Kind("openai: submit outputs", f"{RUN}/submit_tool_outputs", waiting, submit, went_on),
    Kind("openai: converse", f"{V1}/conversations", nothing, converse, threads_made),
    Kind("openai: change a conversation", CONVERSATION, thread, change_conversation, its_thread, retitle),
    Kind("openai: add items", f"{CONVERSATION}/items", shared_thread, add_items, added("one", "two")),
    Kind("openai: respond", f"{V1}/responses", empty_thread, respond, responses_begun, calls=1),
    Kind("openai: cancel a response", f"{V1}/responses/{{responseId}}/cancel", running, cancel_response, cancelled),
    Kind("openai: create an assistant", f"{V1}/assistants", nothing, create_assistant,
         listed_under_its_name("/v1/assistants")),
    Kind(
        "openai: change an assistant", f"{V1}/assistants/{{assistantId}}", assistant, change_assistant, its_assistant,
        lambda work, who: who.update_assistant(work.made["assistant"], instructions="undone"),
    ),
]  # fmt: skip
