"""Where the limits are: for each, how to send a text of any length there, where it comes back, and what refuses it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from support.cast import Answer, Caller

METADATA_PAIRS_MAX = 16
UNESCAPED = {code: 0x10FF00 + code for code in (*range(0x20), ord('"'), ord("\\"))}


@dataclass(frozen=True)
class Edge:
    """`send` takes a text; `back` finds it in the answer; one character beyond `most` is refused with `code`."""

    name: str
    most: int
    code: str
    send: Callable[[Caller, str, str], Awaitable[Answer]]
    back: Callable[[Answer], Any]
    # A unique name, or a user's text that may not be blank.
    prefix: str = ""


# All of them take the id of an open thread, which an edge may use.


async def title(who: Caller, thread: str, text: str) -> Answer:
    return await who.update(thread, title=text)


async def metadata_key(who: Caller, thread: str, text: str) -> Answer:
    await who.update(thread, metadata=None)
    return await who.update(thread, metadata={text: 1})


async def metadata_value(who: Caller, thread: str, text: str) -> Answer:
    return await who.update(thread, metadata={"k": text})


async def message_metadata(who: Caller, thread: str, text: str) -> Answer:
    return await who.post_message(thread, "m", metadata={"k": text})


async def content(who: Caller, thread: str, text: str) -> Answer:
    return await who.post_message(thread, text)


async def parts(who: Caller, thread: str, text: str) -> Answer:
    """The limit is for all parts of text together."""
    middle = len(text) // 2
    halves = [{"type": "text", "text": each} for each in (text[:middle], text[middle:])]
    return await who.post_message(thread, halves)


async def edited(who: Caller, thread: str, text: str) -> Answer:
    message = await who.post_message(thread, "before")
    return await who.update_message(thread, message, content=text)


async def file_name(who: Caller, thread: str, text: str) -> Answer:
    return await who.post_message(thread, [{"type": "file", "url": "https://u", "name": text}])


async def arguments(who: Caller, thread: str, text: str) -> Answer:
    """Arguments are JSON: the text in quotes, and what JSON escapes as characters that nobody uses."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": f'"{text.translate(UNESCAPED)}"'}}
    return await who.post_message(thread, "", role="assistant", toolCalls=[call])


async def assistant_name(who: Caller, _thread: str, text: str) -> Answer:
    return await who.create_assistant(name=text)


async def assistant_description(who: Caller, _thread: str, text: str) -> Answer:
    return await who.create_assistant(description=text)


async def instructions(who: Caller, _thread: str, text: str) -> Answer:
    named = await who.create_assistant(name=f"edge {id(text)}")
    answer = await who.update_assistant(named, instructions=text)
    await who.delete_assistant(named)
    return answer


def arguments_of(answer: Answer) -> str:
    text: str = answer.toolCalls[0]["function"]["arguments"][1:-1]
    return text.translate({unused: escaped for escaped, unused in UNESCAPED.items()})


def text_of(answer: Answer) -> str:
    return "".join(part["text"] for part in answer.content)


EDGES = [
    Edge("title", 200, "invalid_field", title, lambda answer: answer.title),
    Edge("metadata key", 64, "metadata_key_too_long", metadata_key, lambda answer: next(iter(answer.metadata))),
    Edge("metadata value", 512, "metadata_value_too_long", metadata_value, lambda answer: answer.metadata["k"]),
    Edge("metadata value of a message", 512, "metadata_value_too_long", message_metadata, lambda a: a.metadata["k"]),
    Edge("content", 256 * 1024, "invalid_field", content, text_of, "m"),
    Edge("parts", 256 * 1024, "invalid_field", parts, text_of, "mm"),
    Edge("edited content", 256 * 1024, "invalid_field", edited, text_of, "m"),
    Edge("file name", 512, "invalid_field", file_name, lambda answer: answer.content[0]["name"]),
    Edge("tool arguments", 256 * 1024 - 2, "invalid_field", arguments, arguments_of),
    Edge("assistant name", 256, "invalid_field", assistant_name, lambda answer: answer["name"], "n"),
    Edge("assistant description", 512, "invalid_field", assistant_description, lambda answer: answer.description),
    Edge("instructions", 256 * 1024, "invalid_field", instructions, lambda answer: answer.instructions),
]


@dataclass(frozen=True)
class Count:
    """A limit on how many: `send` tries to put so many things in one request."""

    name: str
    most: int
    code: str
    send: Callable[[Caller, str, int], Awaitable[Answer]]


async def pairs(who: Caller, _thread: str, count: int) -> Answer:
    return await who.create_thread(metadata={f"k{number}": number for number in range(count)})


async def array(who: Caller, _thread: str, count: int) -> Answer:
    """An array's JSON has as many characters as `count` says: brackets, quotes and the characters between."""
    return await who.create_thread(metadata={"k": ["😀" * (count - 4)]})


async def appended(who: Caller, thread: str, count: int) -> Answer:
    return await who.post_messages(thread, [{"role": "user", "content": "m"}] * count)


async def created(who: Caller, _thread: str, count: int) -> Answer:
    return await who.create_thread(messages=[{"role": "user", "content": "m"}] * count)


async def message_parts(who: Caller, thread: str, count: int) -> Answer:
    return await who.post_message(thread, [{"type": "text", "text": "m"}] * count)


async def named_messages(who: Caller, thread: str, count: int) -> Answer:
    return await who.generate_name(thread, [{"role": "user", "content": "How do I bake bread?"}] * count)


async def listed(who: Caller, _thread: str, count: int) -> Answer:
    return await who.list_threads(limit=count)


async def filters(who: Caller, _thread: str, count: int) -> Answer:
    return await who.list_threads(**{f"metadata.k{number}": "v" for number in range(count)})


async def integer(who: Caller, _thread: str, count: int) -> Answer:
    return await who.create_thread(metadata={"k": count})


async def retry_key(who: Caller, _thread: str, count: int) -> Answer:
    return await who.retrying("k" * count).create_thread()


async def chosen_id(who: Caller, _thread: str, count: int) -> Answer:
    answer = await who.create_thread(id="thread_" + "i" * (count - 7))
    if answer.status == 201:
        await who.delete(answer)
    return answer


async def chosen_assistant_id(who: Caller, _thread: str, count: int) -> Answer:
    return await who.create_assistant(id="asst_" + "i" * (count - 5))


COUNTS = [
    Count("metadata pairs", METADATA_PAIRS_MAX, "metadata_too_many", pairs),
    Count("characters of an array", 512, "metadata_value_too_long", array),
    Count("messages appended", 100, "invalid_field", appended),
    Count("messages created", 100, "invalid_field", created),
    Count("parts", 64, "invalid_field", message_parts),
    Count("messages to name", 10, "invalid_field", named_messages),
    Count("limit of a list", 100, "invalid_parameter", listed),
    Count("metadata filters", 8, "invalid_parameter", filters),
    Count("integer", 2**53, "invalid_field", integer),
    Count("retry key", 255, "invalid_parameter", retry_key),
    Count("thread id", 128, "invalid_field", chosen_id),
    Count("assistant id", 128, "invalid_field", chosen_assistant_id),
]
