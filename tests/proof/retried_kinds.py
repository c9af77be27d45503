"""Every POST of the API, as a work that is done once however often it is sent."""

from typing import Any

from proof.retried_calls import (
    ENDED_S,
    Kind,
    Work,
    added,
    assistant,
    cancelled,
    empty_thread,
    given,
    given_in_background,
    its_assistant,
    its_message,
    its_thread,
    listed_under_its_name,
    message,
    named,
    nothing,
    organization,
    renamed_organization,
    responses_begun,
    running,
    shared_thread,
    streamed,
    thread,
    thread_that_is,
    threads_made,
)
from support.cast import Answer, Caller, identifier
from support.streams import responses_path
from support.waiting import eventually

THREAD = "/v1/threads/{threadId}"
RESPONSES = f"{THREAD}/responses"
NAME = f"{THREAD}/generateName"
BULK = "/v1/threads/bulk"
# Each call makes a token of its own: the contract says that it knows no key (section 1). The others only read, or keep
# nothing.
NEVER_REPLAYED = {
    "/v1/tokens",
    "/assistant-ui/v1/auth/tokens",
    "/assistant-ui/v1/runs",
    # They read.
    "/langgraph/assistants/search",
    "/langgraph/assistants/count",
    "/langgraph/threads/search",
    "/langgraph/threads/count",
    "/langgraph/threads/{graphThreadId}/history",
    "/assistant-ui/v1/events",
    "/openai/v1/responses/input_tokens",
}
ORGANIZATION = "/v1/organizations/{organizationId}"


def labelled(work: Work, **more: Any) -> dict[str, Any]:
    return {"metadata": {"work": work.word}, **more}


def said(work: Work, *parts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": f"{work.word} {part}"} for part in parts]


def path(work: Work, what: str) -> str:
    return f"/v1/threads/{identifier(work.made['thread'])}/{what}"


async def post(work: Work, who: Caller, where: str, body: Any) -> Any:
    return given(await who.request("POST", where, body))


def state(action: str, opposite: str, prepare: Any = thread) -> Kind:
    async def send(work: Work, who: Caller) -> Any:
        return given(await who.act(work.made["thread"], action))

    async def undo(work: Work, who: Caller) -> None:
        await who.act(work.made["thread"], opposite)

    return Kind(action, f"{THREAD}/{action}", prepare, send, its_thread, undo)


async def create(work: Work, who: Caller) -> Any:
    return given(await who.create_thread(**labelled(work, title="once")))


async def create_full(work: Work, who: Caller) -> Any:
    return given(await who.create_thread(**labelled(work, messages=said(work, "a", "b"))))


async def append(work: Work, who: Caller) -> Any:
    return given(await who.post_message(work.made["thread"], f"{work.word} one"))


async def append_several(work: Work, who: Caller) -> Any:
    return given(await who.post_messages(work.made["thread"], said(work, "a", "b", "c")))


async def respond(work: Work, who: Caller) -> Any:
    return given(await who.respond(work.made["thread"], input=work.word))


async def respond_in_stream(work: Work, who: Caller) -> Any:
    return await streamed(who, responses_path(work.made["thread"]), {"input": work.word, "stream": True})


async def respond_in_background(work: Work, who: Caller) -> Any:
    return given_in_background(await who.respond(work.made["thread"], input=work.word, background=True))


async def respond_anew(work: Work, who: Caller) -> Any:
    return given(await who.respond_new(thread=labelled(work), input=work.word))


async def respond_anew_in_stream(work: Work, who: Caller) -> Any:
    body = {"thread": labelled(work), "input": work.word, "stream": True}
    return await streamed(who, "/v1/responses", body)


async def cancel(work: Work, who: Caller) -> Any:
    return given(await who.cancel(work.made["thread"], work.made["response"]))


async def name(work: Work, who: Caller) -> Any:
    return given(await who.generate_name(work.made["thread"]))


async def name_in_stream(work: Work, who: Caller) -> Any:
    return await streamed(who, path(work, "generateName?stream=true"), {})


async def change_thread(work: Work, who: Caller) -> Any:
    return await post(work, who, f"/v1/threads/{work.made['thread'].id}", {"title": work.word})


async def change_message(work: Work, who: Caller) -> Any:
    return await post(work, who, path(work, f"messages/{work.made['message'].id}"), {"content": "changed"})


async def create_assistant(work: Work, who: Caller) -> Any:
    return given(await who.create_assistant(name=work.word, instructions="Be brief."))


async def change_assistant(work: Work, who: Caller) -> Any:
    return await post(work, who, f"/v1/assistants/{work.made['assistant'].id}", {"instructions": work.word})


async def create_key(work: Work, who: Caller) -> Any:
    return given(await who.create_key(userId="uid_program", role="member", name=work.word))


async def change_organization(work: Work, who: Caller) -> Any:
    return await post(work, who, f"/v1/organizations/{who.organization}", {"name": work.word})


async def copy(work: Work, who: Caller) -> Any:
    return await post(work, who, path(work, "copy"), labelled(work))


async def ask_many(work: Work, who: Caller) -> Answer:
    return await who.request("POST", BULK, {"action": "lock", "filter": {"metadata": {"work": work.word}}})


async def many(work: Work, who: Caller) -> None:
    made = [await who.create_thread(**labelled(work)) for _ in range(3)]
    work.made["thread"] = await who.get(made[0])


async def bulk_that_ended(work: Work, who: Caller) -> None:
    await many(work, who)
    work.made["bulk"] = await ask_many(work, who)
    await ended(work, who)


async def bulk(work: Work, who: Caller) -> Any:
    answer = await ask_many(work, who)
    if answer.status == 202:
        work.made["bulk"] = answer
    return given(answer)


async def ended(work: Work, who: Caller) -> Answer:
    path = f"{BULK}/{work.made['bulk'].id}"
    return await eventually(
        lambda: who.request("GET", path), lambda each: each["status"] not in ("in_progress", "undoing"), ENDED_S
    )


async def bulk_done(work: Work, who: Caller) -> Any:
    """A lock moves the revision of a thread once; who is asked for late does nothing more."""
    if "bulk" in work.made:
        await ended(work, who)
    return await its_thread(work, who)


def of_bulk(action: str) -> Kind:
    async def send(work: Work, who: Caller) -> Any:
        return given(await who.request("POST", f"{BULK}/{work.made['bulk'].id}/{action}"))

    async def look(work: Work, who: Caller) -> Any:
        found = await ended(work, who)
        return 1, (found["status"], found.undone)

    return Kind(f"{action} a bulk", f"{BULK}/{{bulkId}}/{action}", bulk_that_ended, send, look)


# Names are saved as titles, changes are undone: what is done again afterwards shows.
def retitle(work: Work, who: Caller) -> Any:
    return who.update(work.made["thread"], title="undone")


KINDS = [
    Kind("create", "/v1/threads", nothing, create, threads_made),
    Kind("create with messages", "/v1/threads", nothing, create_full, threads_made),
    Kind("append", f"{THREAD}/messages", shared_thread, append, added("one")),
    Kind("append several", f"{THREAD}/messages", shared_thread, append_several, added("a", "b", "c")),
    Kind("respond", RESPONSES, empty_thread, respond, responses_begun, calls=1),
    Kind("respond, streamed", RESPONSES, empty_thread, respond_in_stream, responses_begun, calls=1),
    Kind("respond, background", RESPONSES, empty_thread, respond_in_background, responses_begun, calls=1),
    Kind("respond anew", "/v1/responses", nothing, respond_anew, threads_made, calls=1),
    Kind("respond anew, streamed", "/v1/responses", nothing, respond_anew_in_stream, threads_made, calls=1),
    Kind("cancel", f"{RESPONSES}/{{responseId}}/cancel", running, cancel, cancelled),
    Kind("generateName", NAME, thread, name, named, retitle, calls=1, is_name=True),
    Kind("generateName, streamed", NAME, thread, name_in_stream, named, retitle, calls=1, is_name=True),
    Kind("copy", f"{THREAD}/copy", thread, copy, threads_made),
    Kind("bulk", BULK, many, bulk, bulk_done, lambda work, who: who.act(work.made["thread"], "unlock")),
    of_bulk("cancel"),
    of_bulk("undo"),
    state("lock", "unlock"),
    state("unlock", "lock", thread_that_is("lock")),
    state("archive", "unarchive"),
    state("unarchive", "archive", thread_that_is("archive")),
    Kind("change a thread", THREAD, thread, change_thread, its_thread, retitle),
    Kind(
        "change a message", f"{THREAD}/messages/{{messageId}}", message, change_message, its_message,
        lambda work, who: who.update_message(work.made["thread"], work.made["message"], content="undone"),
    ),
    Kind(
        "create an assistant", "/v1/assistants", nothing, create_assistant,
        listed_under_its_name("/v1/assistants"),
    ),
    Kind(
        "change an assistant", "/v1/assistants/{assistantId}", assistant, change_assistant, its_assistant,
        lambda work, who: who.update_assistant(work.made["assistant"], instructions="undone"),
    ),
    Kind(
        "create a key", f"{ORGANIZATION}/keys", nothing, create_key,
        listed_under_its_name("/v1/organizations/{}/keys"),
    ),
    Kind(
        "change the organization", ORGANIZATION, organization, change_organization, renamed_organization,
        lambda work, who: who.update_organization(name="undone"),
    ),
]  # fmt: skip
