"""Threads saved as files: Markdown for people, an export for programs, one thread or all of them."""

import asyncio
import json
import os
import re
import subprocess
import sys

from playwright.async_api import expect

CALL = {"id": "call_1", "type": "function", "function": {"name": "find_invoice", "arguments": '{"number": 17}'}}


async def a_talk(who):
    thread = await who.create_thread(title='Invoice: "17" / x', metadata={"n": 2**53 - 1, "f": 1.0})
    first = await who.post_message(thread, "What is on it?\u2028Tell me.")
    asked = await who.post_message(thread, "I look.", role="assistant", toolCalls=[CALL])
    await who.post_message(thread, "40 EUR ``` fence", role="tool", toolCallId="call_1")
    await who.post_message(thread, "Other.", role="assistant", parentId=first.id)
    await who.post_message(thread, "It is **40** EUR.", role="assistant", parentId=asked.id,
                           payload={"format": "x/y", "data": "\\ud83d and 12345678901234567890"})  # fmt: skip
    return thread


async def exported(place, who):
    """Return what `threadkeep export` writes."""
    variables = {"THREADKEEP_URL": place.server.url, "THREADKEEP_TOKEN": who.token}
    command = [sys.executable, "-m", "threadkeep", "export", "--out", "-"]
    finished = await asyncio.to_thread(
        subprocess.run, command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=True
    )
    return finished.stdout


async def saved(screen, click):
    async with screen.page.expect_download() as waiting:
        await click()
    download = await waiting.value
    path = await download.path()
    return download.suggested_filename, path.read_text()


async def test_a_thread_is_saved_as_markdown(visit, ada):
    thread = await a_talk(ada)
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()

    name, text = await saved(screen, screen.button("Save as Markdown").click)

    assert name == "Invoice 17 x.md"
    lines = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME", text).split("\n\n")
    assert lines == [
        '# Invoice: "17" / x',
        f"TIME · `{thread.id}`",
        "## User · TIME",
        "What is on it?\u2028Tell me.",
        "## Assistant · TIME · version 1 of 2",
        "I look.",
        '```\nfind_invoice({"number": 17})\n```',
        "## Assistant · TIME · version 2 of 2",
        "It is **40** EUR.\n",
    ]


async def test_markdown_has_the_line_that_is_shown(visit, ada):
    thread = await a_talk(ada)
    screen = await visit(ada, thread)
    await screen.button("Previous version").last.click()
    await expect(screen.page.get_by_text("40 EUR ``` fence")).to_have_count(1)
    await screen.button("Details, tags and metadata").click()

    _, text = await saved(screen, screen.button("Save as Markdown").click)

    assert "````\n40 EUR ``` fence\n````" in text
    assert "It is **40** EUR." not in text


async def test_a_saved_thread_is_what_the_command_exports(visit, ada, place):
    thread = await a_talk(ada)
    screen = await visit(ada, thread)
    await screen.button("Details, tags and metadata").click()

    name, text = await saved(screen, screen.button("Save as JSON").click)

    assert name == "Invoice 17 x.jsonl"
    assert text == await exported(place, ada)
    assert '"f":1.0' in text


async def test_all_threads_are_saved_archived_and_hidden_ones_too(visit, ada, place):
    await a_talk(ada)
    for number in range(110):
        await ada.create_thread(title=str(number))
    await ada.archive(await ada.create_thread(title="archived"))
    await ada.with_token().create_thread(title="hidden", visibleInUi=False)
    assistant = await ada.create_assistant(name="Ann", model="echo")
    await ada.create_thread(title="with assistant", assistantId=assistant.id)
    screen = await visit(ada)

    name, text = await saved(screen, screen.button("Save all threads").click)

    assert re.fullmatch(r"threadkeep-\d{4}-\d\d-\d\d\.jsonl", name)
    assert text == await exported(place, ada)
    assert json.loads(text.splitlines()[-1]) == {
        "object": "threadkeep.export.end",
        "threadCount": 114,
        "messageCount": 5,
    }
    await expect(screen.page.get_by_text("114 threads saved.").first).to_be_visible()


async def test_saving_all_can_be_stopped_and_then_nothing_is_saved(visit, ada):
    thread = await a_talk(ada)
    screen = await visit(ada)
    held = asyncio.Event()

    async def hold(route):
        await held.wait()
        await route.continue_()

    await screen.page.route(f"**/v1/threads/{thread.id}/messages*", hold)
    downloads = []
    screen.page.on("download", lambda download: downloads.append(download))
    await screen.button("Save all threads").click()
    await expect(screen.page.get_by_text("0 threads read.")).to_be_visible()

    await screen.button("Stop").click()
    held.set()

    await expect(screen.page.get_by_text("Stopped. Nothing was saved.").first).to_be_visible()
    assert downloads == []


async def test_saving_that_fails_says_why_and_saves_nothing(visit, ada):
    await a_talk(ada)
    screen = await visit(ada)
    screen.expects_refusals = True
    await screen.page.route("**/v1/assistants*", lambda route: route.fulfill(status=503, body="{}"))

    await screen.button("Save all threads").click()

    await expect(screen.page.get_by_text("The server answered 503.").first).to_be_visible()
    await expect(screen.dialog).to_have_count(0)
