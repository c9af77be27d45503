"""P21: the page executes nothing that a title, a message or a model wrote, and calls no foreign host."""

import asyncio
import json
import math
from typing import Any

from playwright.async_api import expect

from browser.hostile import HOSTILE
from proof.place import Place
from proof.record import Record, proof
from proof.watched_page import WatchedPage, open_browser, open_page
from support.cast import Caller
from support.people import People
from support.scripted_model import DONE, ScriptedModel, finish, reasoning, text, tool_call

Chunks = list[list[str]]

TITLE_CHARACTERS_MAX = 200

# Their messages fill what the page reads at a time.
TEXTS_AT_ONCE = 5

DISMISS = "document.querySelectorAll('.toast [aria-label=Dismiss]').forEach((button) => button.click())"

# Where texts are shown; each place must have shown every one of them.
PLACES = (
    "the list",
    "the header and the window's title",
    "messages",
    "code blocks and tables",
    "tool calls and results",
    "details: title and metadata",
    "an answer that is streamed",
    "a name in the making and a toast",
    "errors",
    "addresses and filters",
    "names of assistants",
    "names of organizations",
)


@proof(
    "P21",
    "The page executes nothing that a title, a message or a model wrote, and calls no foreign host",
    # The page speaks HTTP only.
    databases=("sqlite",),
)
async def attack(place: Place, record: Record) -> None:
    [server, *_] = await place.serve()
    people = place.people(server)
    ada, bob = await asyncio.gather(people.owner("ORG_ACME", "uid_ada"), people.owner("ORG_MANY", "uid_bob"))
    # Each text is in each place; at a small scale more of them are shown at a time.
    count = record.size(len(HOSTILE), math.ceil(len(HOSTILE) / TEXTS_AT_ONCE))
    chunks = [HOSTILE[number::count] for number in range(count)]
    titles = titles_of(len(chunks[0]))
    await asyncio.gather(fill(ada, titles, chunks), name_all(bob, people))
    async with open_browser() as browser:
        async with open_page(browser, server.url, record) as watched:
            await watched.sign_in(ada, "Pick up a thread")
            await show_list(watched, len(titles) + len(chunks))
            for number, chunk in enumerate(chunks):
                await show_thread(watched, ada, number, chunk)
            await show_titles(watched, ada, titles)
            await stream(watched, ada, place.model, chunks)
            await show_errors(watched, ada, chunks)
            await type_in(watched, ada)
        async with open_page(browser, server.url, record) as watched:
            await show_names(watched, bob)
    record.count("hostile texts", len(HOSTILE))
    for name in PLACES:
        record.need(record.faults[f"in {name}"], f"hostile texts in {name}", len(HOSTILE))


def titles_of(most: int) -> Chunks:
    """Return the texts, at most so many together as a title has room for."""
    titles: Chunks = []
    for words in HOSTILE:
        last = titles[-1] if titles else []
        if 0 < len(last) < most and len(" ".join([*last, words])) <= TITLE_CHARACTERS_MAX:
            last.append(words)
        else:
            titles.append([words])
    return titles


def titled(chunk: list[str]) -> str:
    return " ".join(chunk)[:TITLE_CHARACTERS_MAX]


async def fill(ada: Caller, titles: Chunks, chunks: Chunks) -> None:
    """Store a thread for each title, and one for each chunk, with messages of all kinds."""
    free = asyncio.Semaphore(8)

    async def create(**body: Any) -> None:
        async with free:
            created = await ada.create_thread(**body)
            assert created.status == 201, created

    await asyncio.gather(
        *(
            create(id=f"thread_t{number}", title=titled(title), metadata=metadata_of(title))
            for number, title in enumerate(titles)
        ),
        *(
            create(
                id=f"thread_c{number}", title=chunk[0][:200], metadata=metadata_of(chunk), messages=messages_of(chunk)
            )
            for number, chunk in enumerate(chunks)
        ),
    )


def metadata_of(chunk: list[str]) -> dict[str, Any]:
    return {words[:64]: words[:500] for words in chunk} | {"tags": [chunk[0][:200], "b"]}


def messages_of(chunk: list[str]) -> list[dict[str, Any]]:
    return [message for words in chunk for message in messages_with(words)]


def messages_with(words: str) -> list[dict[str, Any]]:
    file = {
        "type": "file",
        "url": f"data:text/html,<script>pwn()</script>{words[:100]}",
        "name": words,
        "mimeType": "text/html",
    }
    call = {"id": words[:200], "type": "function", "function": {"name": words, "arguments": json.dumps({"x": words})}}
    return [
        {"role": "system", "content": words},
        {"role": "user", "content": [{"type": "text", "text": words}, file]},
        {"role": "assistant", "content": f"{words}\n\n{words}", "toolCalls": [call]},
        {"role": "tool", "content": words, "toolCallId": words[:200]},
        {
            "role": "assistant",
            "content": f"```{words}\n{words}\n```\n\n| a |\n|---|\n| {words} |\n\n> {words}\n\n1. {words}",
        },
        {"role": "user", "content": [{"type": "image", "url": f"https://evil.example/{words}"}]},
    ]


async def name_all(bob: Caller, people: People) -> None:
    """Give every text as a name to assistants of one organization, and some to organizations."""
    for words in HOSTILE:
        await bob.create_assistant(name=words[:256])
    await bob.update_organization(name=HOSTILE[2])
    for words in (HOSTILE[0], "\u202e</option><script>pwn()</script>", HOSTILE[44]):
        other = await people.owner()
        await other.update_organization(name=words)
        await other.put_member(bob.user, "owner")


async def show_list(watched: WatchedPage, thread_count: int) -> None:
    """Scroll to the end of the list, which reads page after page: all texts are titles in it."""
    rows = watched.screen.rows
    await expect(rows.first).to_be_visible()
    while True:
        count = await rows.count()
        await rows.last.scroll_into_view_if_needed()
        try:
            await expect(rows).not_to_have_count(count, timeout=1_000)
        except AssertionError:
            break
    await watched.check("the list", len(HOSTILE) if await rows.count() == thread_count else 0)


async def show_thread(watched: WatchedPage, ada: Caller, number: int, chunk: list[str]) -> None:
    screen = watched.screen
    watched.place = "messages"
    await screen.open_thread(ada, f"thread_c{number}")
    await expect(screen.messages).to_have_count(6 * len(chunk))
    shown = [await screen.texts.nth(1).text_content(), await screen.page.locator(".title h1").text_content()]
    watched.record.check(shown[0] == chunk[0], f"a message is shown as {shown[0]!a} and not as {chunk[0]!a}")
    watched.record.check(shown[1] == chunk[0][:200], f"a title is shown as {shown[1]!a} and not as {chunk[0]!a}")
    for place in ("messages", "code blocks and tables", "tool calls and results"):
        await watched.check(place, len(chunk))
    watched.place = "details: title and metadata"
    await screen.button("Details, tags and metadata").click()
    await expect(screen.dialog.locator(".dialog-title")).to_be_visible()
    await watched.check("details: title and metadata", len(chunk))
    await screen.page.keyboard.press("Escape")


async def show_titles(watched: WatchedPage, ada: Caller, titles: Chunks) -> None:
    """Open the thread of each title, and the title's editor."""
    name = "the header and the window's title"
    screen = watched.screen
    for number, title in enumerate(titles):
        watched.place = name
        await screen.open_thread(ada, f"thread_t{number}")
        await expect(screen.page.locator(".title h1")).to_have_attribute("title", titled(title))
        shown = await screen.page.evaluate("document.title")
        watched.record.check("threadkeep" in shown, f"the window's title is {shown!a}")
        await screen.button("Rename").click()
        await watched.check(name, len(title))
        await screen.page.keyboard.press("Escape")


async def stream(watched: WatchedPage, ada: Caller, model: ScriptedModel, chunks: Chunks) -> None:
    """Write hostile texts, and have the model say them in halves, think them and call tools named so."""
    name = "an answer that is streamed"
    screen = watched.screen
    for chunk in chunks:
        watched.place = name
        await screen.open_thread(ada, await ada.create_thread(title="streamed"))
        halves = [part for words in chunk for part in (words[: len(words) // 2], words[len(words) // 2 :], "\n\n")]
        calls = [
            tool_call(index, f"call_{index}", words[:200], json.dumps({"x": words}))
            for index, words in enumerate(chunk)
        ]
        # Some texts alone show nothing, such as the definition of a link.
        said = [reasoning("".join(chunk)), text("the beginning\n\n"), *map(text, filter(None, halves))]
        go = asyncio.Event()
        model.script = [*said, go, *calls, text("the end"), finish(), DONE]
        await screen.write("\n".join(chunk))
        await expect(screen.texts.last).to_contain_text("the beginning")
        await watched.check(name, 0)
        go.set()
        await expect(screen.texts.last).to_contain_text("the end")
        await expect(screen.button("Send")).to_be_visible()
        await watched.check(name, len(chunk))


async def show_errors(watched: WatchedPage, ada: Caller, chunks: Chunks) -> None:
    """Let the server seem to answer with hostile sentences, and names in the making be hostile."""
    screen = watched.screen
    thread = await ada.create_thread(title="wronged", messages=[{"role": "user", "content": "hi"}])
    await screen.open_thread(ada, thread)
    for chunk in chunks:
        watched.place = "errors"
        error = {"message": " ".join(chunk), "type": "conflict_error", "code": chunk[0][:100], "requestId": "req_1"}
        await watched.fulfil("**/lock*", 409, json.dumps({"error": {**error, "param": None}}))
        await screen.button("Lock").click()
        await expect(screen.toast.last).to_contain_text(chunk[-1][-5:].strip())
        await watched.check("errors", len(chunk))
        watched.place = "a name in the making and a toast"
        events = "".join(
            f"event: {event}\ndata: {json.dumps(data)}\n\n"
            for event, data in (
                *(("name.delta", {"delta": words}) for words in chunk),
                ("name.completed", {"success": True, "name": chunk[0], "message": " ".join(chunk)}),
            )
        )
        await watched.fulfil("**/generateName*", 200, events, "text/event-stream")
        await screen.button("Generate a name").click()
        await watched.check("a name in the making and a toast", len(chunk))
        await expect(screen.button("Generate a name")).to_be_enabled()
        await screen.page.evaluate(DISMISS)
        await expect(screen.toast).to_have_count(0)


async def type_in(watched: WatchedPage, ada: Caller) -> None:
    """Put the texts into the page's address, where a link may bring them, and into the field of its search."""
    page = watched.screen.page
    for words in HOSTILE:
        watched.place = "addresses and filters"
        address = f"#/{ada.organization}/{words}"
        await page.evaluate("(address) => { location.hash = address; }", address)
        await page.get_by_role("searchbox").first.fill(words[:200])
        await watched.check("addresses and filters", 1)


async def show_names(watched: WatchedPage, bob: Caller) -> None:
    screen = watched.screen
    watched.place = "names of organizations"
    await watched.sign_in(bob, "Choose an organization")
    await watched.check("names of organizations", len(HOSTILE))
    await screen.page.locator(".choice", has_text=HOSTILE[2]).click()
    watched.place = "names of assistants"
    await screen.button("Filters").click()
    await expect(screen.page.locator("#filter-panel option", has_text="constructor")).to_be_attached()
    await watched.check("names of assistants", 0)
    await screen.page.keyboard.press("n")
    await expect(screen.page.locator("#new-assistant")).to_be_visible()
    await watched.check("names of assistants", len(HOSTILE))
