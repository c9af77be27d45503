"""Every POST of the ways in for OpenAI's clients, as a work that is done once however often it is sent."""

from typing import Any

from proof.retried_calls import (
    Kind,
    Work,
    added,
    assistant,
    its_assistant,
    its_message,
    its_thread,
    listed_under_its_name,
    message,
    nothing,
    shared_thread,
    thread,
    threads_made,
)
from proof.retried_kinds import labelled, post, retitle
from support.cast import Caller

V1 = "/openai/v1"
THREAD = f"{V1}/threads/{{threadId}}"


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


KINDS = [
    Kind("openai: create", f"{V1}/threads", nothing, create, threads_made),
    Kind("openai: append", f"{THREAD}/messages", shared_thread, append, added("one")),
    Kind("openai: change a thread", THREAD, thread, change_thread, its_thread, retitle),
    Kind(
        "openai: change a message", f"{THREAD}/messages/{{messageId}}", message, change_message, its_message,
        lambda work, who: who.update_message(work.made["thread"], work.made["message"], content="undone"),
    ),
    Kind("openai: create an assistant", f"{V1}/assistants", nothing, create_assistant,
         listed_under_its_name("/v1/assistants")),
    Kind(
        "openai: change an assistant", f"{V1}/assistants/{{assistantId}}", assistant, change_assistant, its_assistant,
        lambda work, who: who.update_assistant(work.made["assistant"], instructions="undone"),
    ),
]  # fmt: skip
