"""A conversation with a model in one thread: ask, follow, end an answer, ask again."""

import asyncio
import signal
from typing import TYPE_CHECKING, Any, cast

from threadkeep.commands.shared import fail
from threadkeep.errors import ThreadkeepError

if TYPE_CHECKING:
    from threadkeep import AsyncClient
    from threadkeep.client import AsyncResponseStream, Message, Response, Thread
    from threadkeep.client.given import ThreadFields
    from threadkeep.commands.chat_screens import Screen, ShownAnswer

SHOWN_MESSAGES = 6
STOPPED = "Stopped. What came of the answer so far is kept."
# How long a person waits before a note explains the wait.
PATIENCE_S = 1.0
CUT_OFF = "The answer reached its greatest length and was cut off."
WAITING = "The server does not answer yet. Ctrl-C once more ends the waiting."
LEFT = "No longer waiting. The server may still be writing: --continue shows what came of it."


class ChatSession:
    """A chat in one thread; the thread is None until the first message creates it."""

    def __init__(self, client: "AsyncClient", screen: "Screen", model: str | None) -> None:
        self.client = client
        self.screen = screen
        self.thread: Thread | None = None
        self.messages: list[Message] = []
        # Which model answers from now on; None leaves that to the server and the thread's assistant.
        self.model = model
        # The fields to create the next thread with.
        self._new: dict[str, Any] = {}

    async def begin(
        self, thread_id: str | None, *, is_new: bool, goes_on: bool, title: str | None, assistant: str | None
    ) -> None:
        """Open the thread, or check that a new one may be created; show it, and the answer that runs in it."""
        if goes_on:
            thread_id = await self._last_thread_id()
        assistant_id = None if assistant is None else await self._assistant_id(assistant)
        if thread_id is None or is_new:
            self._new = given(id=thread_id, title=title, assistant_id=assistant_id)
            # A refused credential is reported now and not after the first message.
            await self.client.user.retrieve()
            self.screen.opened(None, [])
            return
        if assistant_id is not None:
            await self.client.threads.update(thread_id, assistant_id=assistant_id)
        await self.open(thread_id)

    async def open(self, thread_id: str) -> None:
        """Show a thread with its last messages, and follow the answer that runs in it."""
        self.thread = await self.client.threads.retrieve(thread_id)
        self.messages = await self.last_messages(SHOWN_MESSAGES)
        is_answering = self.thread.status == "streaming"
        self.screen.opened(self.thread, [each for each in self.messages if each.status != "in_progress"])
        if is_answering:
            stream = await self.client.threads.responses.follow_thread(thread_id)
            if stream is not None:
                await self._read(stream)

    def begin_new(self, title: str | None) -> None:
        """Let the next message create a new thread, with this one's assistant."""
        assistant_id = self._new.get("assistant_id") if self.thread is None else self.thread.assistant_id
        self._new = given(title=title, assistant_id=assistant_id)
        self.thread, self.messages = None, []
        self.screen.opened(None, [])

    async def last_messages(self, count: int) -> "list[Message]":
        if self.thread is None:
            return []
        page = await self.client.threads.messages.list(self.thread.id, order="desc", limit=count).page()
        return page.data[::-1]

    async def say(self, text: str) -> "Response | None":
        """Send a message and show its answer. Return the response as it ended, or None if that was not awaited.

        The thread is created together with its first message: a refused message leaves no thread behind.
        """
        if self.thread is not None:
            return await self._ask(self.thread, input=text)
        fields = cast("ThreadFields", self._new)
        stream = self.client.threads.responses.stream_in_new_thread(
            thread=fields, input=text, **given(model=self.model)
        )
        return await self._read(stream)

    async def say_again(self) -> "Response | None":
        """Have the last question answered again; the new answer replaces the old one."""
        messages = await self.last_messages(1)
        if self.thread is None or not messages:
            self.screen.note("There is nothing to answer yet.")
            return None
        [last] = messages
        return await self._ask(self.thread, **given(replaces=last.id if last.role == "assistant" else None))

    async def make_thread(self) -> "Thread":
        if self.thread is None:
            self.thread = await self.client.threads.create(**self._new)
            self._new = given(assistant_id=self.thread.assistant_id)
        return self.thread

    async def _ask(self, thread: "Thread", **fields: Any) -> "Response | None":
        stream = self.client.threads.responses.stream(thread.id, **fields, **given(model=self.model))
        return await self._read(stream)

    async def _read(self, stream: "AsyncResponseStream") -> "Response | None":
        """Show an answer to its end. Ctrl-C cancels it; a second Ctrl-C stops waiting for that."""
        answer = self.screen.answer()
        has_begun = asyncio.Event()
        reading = asyncio.create_task(self._show(stream, answer, has_begun))
        stopping: list[asyncio.Task[None]] = []

        def interrupt() -> None:
            if stopping:
                reading.cancel()
            else:
                stopping.append(asyncio.create_task(self._stop(stream, has_begun)))

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, interrupt)
        try:
            await asyncio.wait({reading})
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            answer.end()
            for task in (reading, *stopping):
                task.cancel()
            await asyncio.gather(*stopping, return_exceptions=True)
        if reading.cancelled():
            self.screen.note(LEFT)
            return None
        response = reading.result()
        await self._tell_end(response, stream.text)
        return response

    async def _show(self, stream: "AsyncResponseStream", answer: "ShownAnswer", has_begun: asyncio.Event) -> "Response":
        """Read a stream to its end and return the response. If it created a thread, the chat is in that thread."""
        async with stream:
            if self.thread is None:
                self.thread = await self.client.threads.retrieve(stream.response.thread_id)
                self._new = given(assistant_id=self.thread.assistant_id)
            has_begun.set()
            async for _ in stream:
                answer.show(stream.text)
        return stream.response

    async def _stop(self, stream: "AsyncResponseStream", has_begun: asyncio.Event) -> None:
        """Cancel the answer, as soon as its id is known; the stream then ends by itself."""
        late = asyncio.get_running_loop().call_later(PATIENCE_S, self.screen.note, WAITING)
        try:
            await has_begun.wait()
            await stream.cancel()
            await asyncio.Event().wait()
        except ThreadkeepError as error:
            self.screen.note(f"It could not be stopped: {error}")
        finally:
            late.cancel()

    async def _tell_end(self, response: "Response", text: str) -> None:
        if response.status == "cancelled":
            self.screen.note(STOPPED)
        elif response.error is not None:
            self.screen.note(f"{response.error.code}: {response.error.message} ({response.id})")
        elif response.finish_reason == "length":
            self.screen.note(CUT_OFF)
        elif not text and response.message_id is not None:
            message = await self.client.threads.messages.retrieve(response.thread_id, response.message_id)
            for call in message.tool_calls or ():
                self.screen.note(
                    f"The model wants {call.function.name}({call.function.arguments}). A chat runs no tools."
                )

    async def _last_thread_id(self) -> str:
        listed = self.client.threads.list_own(visible_in_ui=True, sort="updatedAt", limit=1)
        threads = (await listed.page()).data
        if not threads:
            fail("You have no thread to go on in yet: leave --continue out.")
        return threads[0].id

    async def _assistant_id(self, name_or_id: str) -> str:
        """Return the id of the assistant with this id, or with this name."""
        listed = [each async for each in self.client.assistants.list()]
        # Ids go first: an assistant's name may be another one's id.
        found = [each for each in listed if each.id == name_or_id] or [
            each for each in listed if each.name == name_or_id
        ]
        if not found:
            fail("There is no assistant with this name or id.")
        if len(found) > 1:
            fail(f"{len(found)} assistants have this name: give the id of one, such as {found[0].id}.")
        return found[0].id


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
