"""How `threadkeep import` sends a conversation: completely and only once, however often it is run."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from importlib.util import find_spec
from typing import Any

import httpx
from msgspec import Raw

from threadkeep import clock, errors
from threadkeep.client import Assistant, AsyncClient, Thread
from threadkeep.client.calls import HttpAnswer, decode, path, post
from threadkeep.client.failures import ConnectionFailed, TransportError, UnexpectedAnswer
from threadkeep.client.options import address, certificates
from threadkeep.commands.import_records import BadLine, Conversation, Kept, Record, encode, external_id_of, sendable
from threadkeep.commands.options import ServerAccess, plain_refusals
from threadkeep.contract.lifecycle import State

MESSAGES_PER_CALL = 100
# Below the server's limit of 4 MiB, so that the rest of a body fits as well.
MESSAGES_BYTES_MAX = 3 * 1024 * 1024
# With these retries a server may be away for about a minute. The total is long enough to reach the next minute of a
# credential's rate limit in any case.
PATIENCE: dict[str, Any] = {"timeout_s": 60.0, "total_timeout_s": 300.0, "retries_max": 14}  # Any: options differ.
# How often the same messages can be imported, deleted and imported again within 24 hours.
DELETIONS_MAX = 10
DELETED_TOO_OFTEN = f"it was imported and deleted {DELETIONS_MAX} times within a day: import it tomorrow"
FOREIGN = "its id belongs to a thread of somebody else, whom neither this credential nor --user stands for"

# httpcore tries to import this about ten times in each request; a search for a missing module is slow. Where it is
# installed, other libraries may need it.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # None: importing it fails at once.

# Errors that every other line would get too: the import stops.
HOPELESS = (
    errors.AuthenticationError,
    errors.PermissionDenied,
    errors.RateLimited,
    errors.StorageFull,
    errors.Unavailable,
)


TIMES = frozenset({"createdAt"})
# An exported message has another id here, and so has the one that it follows.
PARENTS = frozenset({"parentId"})


class ImportStopped(Exception):
    """The import cannot start or go on; the message is for people."""


@dataclass(slots=True)
class Outcome:
    """What became of one conversation."""

    is_new: bool = False
    sent_count: int = 0
    # Messages that the thread has beyond those of the file.
    surplus_count: int = 0
    # Whether an existing thread was locked, archived or hidden.
    is_changed: bool = False
    # Hidden in the file but visible here: only a user token can hide.
    is_shown: bool = False
    # Whether this organization lacks its assistant.
    lacks_assistant: bool = False
    # Whether its expiry has passed, so that it is left out.
    is_expired: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The organization to import into: what the importer may set there, and its assistants."""

    keeps_users: bool
    can_hide: bool
    # Whether what is imported keeps its times: not where --user is acted for.
    keeps_times: bool
    # Ids of assistants, by id and by name.
    assistants: dict[str, str]

    def assistant_of(self, kept: Kept) -> str | None:
        """Return the id of the assistant here with the same id, else with the same name, or None."""
        return self.assistants.get(kept.assistant_id or "") or self.assistants.get(kept.assistant_name or "")


def stopped_by(error: errors.ApiError | TransportError) -> ImportStopped:
    refusal = f"The server refuses ({error.status}): " if isinstance(error, errors.ApiError) else ""
    return ImportStopped(refusal + error.message)


@contextmanager
def understood() -> Iterator[None]:
    """Turn an error of the client into BadLine if it is about one line, else into ImportStopped."""
    try:
        yield
    except HOPELESS as error:
        raise stopped_by(error) from error
    except errors.ApiError as error:
        about = f", {error.param}" if error.param else ""
        raise BadLine(f"{error.message} ({error.status} {error.code}{about})") from error
    except TransportError as error:
        # From a proxy that refuses a body of this size, for example.
        if isinstance(error, UnexpectedAnswer) and not error.outcome_is_unknown:
            raise BadLine(error.message) from error
        raise stopped_by(error) from error


@asynccontextmanager
async def senders(connection: ServerAccess, user_id: str | None, count: int) -> AsyncIterator[list["Sender"]]:
    """Open `count` clients with a connection each: one pool would check all its connections several times a request.

    Raises ImportStopped at once if there is no server, or one that does not take the credential.
    """
    async with AsyncExitStack() as stack:
        with plain_refusals():
            # Read once for all clients: it takes longer than a request.
            tls = certificates(address(connection.url))
            opened = [httpx.AsyncClient(verify=tls, trust_env=False) for _ in range(count)]
            for each in opened:
                stack.push_async_callback(each.aclose)
            clients = [connection.async_client(each).with_options(user_id=user_id, **PATIENCE) for each in opened]
        target = await target_of(clients[0], acts_for=user_id is not None)
        busy: dict[str, asyncio.Event] = {}
        yield [Sender(client, target, busy) for client in clients]


async def target_of(client: AsyncClient, *, acts_for: bool) -> Target:
    try:
        # A refusal for the rate shows that the server works.
        with suppress(errors.RateLimited):
            await client.with_options(retries_max=0).threads.list(limit=1).page()
        user = await client.user.retrieve()
        listed = [each async for each in client.assistants.list()]
    except ConnectionFailed as error:
        start = "Start it with `threadkeep serve`, or say where it is with --url."
        raise ImportStopped(f"{error.message} {start}") from error
    except (errors.ApiError, TransportError) as error:
        raise stopped_by(error) from error
    # Exactly one: the request names it if there are several.
    [organization] = user.organizations
    keeps_users = organization.role != "member"
    return Target(keeps_users, user.credential == "token", not acts_for, assistants_by_name(listed))


def assistants_by_name(listed: Sequence[Assistant]) -> dict[str, str]:
    """Return the ids of assistants by id, and by name where only one has it."""
    counts = Counter(each.name for each in listed)
    named = {each.name: each.id for each in listed if each.name is not None and counts[each.name] == 1}
    # Ids last: an id wins over an equal name.
    return named | {each.id: each.id for each in listed}


class Sender:
    """Sends one conversation after the other. `busy` has the threads that any sender is working on."""

    def __init__(self, client: AsyncClient, target: Target, busy: dict[str, asyncio.Event]) -> None:
        self._client = client
        self._target = target
        self._busy = busy
        # Of one thread: the ids of its messages, by their places.
        self._ids: dict[str, list[str]] = {}

    async def send(self, conversation: Conversation) -> Outcome:
        """Make sure that the server has the whole conversation. Raises BadLine or ImportStopped."""
        busy, thread_id = self._busy, conversation.thread_id
        # Two lines with one id: the second waits until the first is done.
        while thread_id in busy:
            await busy[thread_id].wait()
        done = busy[thread_id] = asyncio.Event()
        try:
            with understood():
                return await self._send_alone(conversation)
        finally:
            del busy[thread_id]
            done.set()

    async def _send_alone(self, conversation: Conversation) -> Outcome:
        messages, kept = conversation.messages, conversation.kept
        outcome = Outcome()
        if is_past(conversation.fields.get("expiresAt")):
            outcome.is_expired = True
            return outcome
        fields = conversation.fields if kept is None else self._settable(conversation.fields, kept, outcome)
        thread = await self._create(conversation, fields)
        if thread is None:
            thread = await self._read(conversation.thread_id)
        else:
            outcome.is_new, outcome.sent_count = True, thread.message_count
        if thread.message_count > len(messages):
            outcome.surplus_count = thread.message_count - len(messages)
            return outcome
        while thread.message_count < len(messages):
            if await self._fill(conversation, thread.message_count, outcome):
                break
            thread = await self._read(conversation.thread_id)
        if kept is not None:
            await self._bring_to(kept, thread, outcome)
        return outcome

    def _settable(self, fields: Record, kept: Kept, outcome: Outcome) -> Record:
        """Return the fields to create an exported thread with, without those that the importer may not set."""
        # The thread goes into the importer's organization.
        left_out = {"organizationId"}
        if not self._target.keeps_users:
            left_out.add("userId")
        if not self._target.can_hide:
            left_out.add("visibleInUi")
        if not self._target.keeps_times:
            left_out.add("createdAt")
        fields = {name: value for name, value in fields.items() if name not in left_out}
        if kept.assistant_id is not None or kept.assistant_name is not None:
            fields["assistantId"] = self._target.assistant_of(kept)
            outcome.lacks_assistant = fields["assistantId"] is None
        return fields

    async def _bring_to(self, kept: Kept, thread: Thread, outcome: Outcome) -> None:
        """Hide, lock and archive a thread as it was in the export, once it has all its messages."""
        threads, is_open = self._client.threads, thread.state == State.OPEN
        if not kept.visible_in_ui and thread.visible_in_ui:
            if is_open and self._target.can_hide:
                await threads.update(thread.id, visible_in_ui=False)
                outcome.is_changed = True
            else:
                outcome.is_shown = True
        # Lock before archive: an archived thread cannot be locked.
        if kept.is_locked and is_open:
            await threads.lock(thread.id)
            outcome.is_changed = True
        if kept.state == State.ARCHIVED and thread.state != State.ARCHIVED:
            await threads.archive(thread.id)
            outcome.is_changed = True

    async def _create(self, conversation: Conversation, fields: Record) -> Thread | None:
        """Create the thread with its first messages. Return it, or None if it is there already."""
        first = next((chunk for _, chunk in self._chunks(conversation, 0)), [])
        body = encode({**fields, "messages": [Raw(encode(message)) for message in first]})
        content = blake2b(body, digest_size=16).hexdigest()
        try:
            answer = await self._post(path("threads"), body, f"import-{content}", conversation.thread_id, 0)
        except errors.ThreadExists:
            return None
        # A replayed answer shows the thread as it was then, not now.
        return None if answer is None or answer.was_replayed else decode(answer, Thread)

    async def _read(self, thread_id: str) -> Thread:
        try:
            return await self._client.threads.retrieve(thread_id)
        except errors.ThreadNotFound:
            raise BadLine(FOREIGN) from None

    async def _fill(self, conversation: Conversation, start: int, outcome: Outcome) -> bool:
        """Append the messages from `start` on. Return False if another import was faster."""
        thread_id, present_count = conversation.thread_id, start
        if conversation.notes is not None:
            conversation, start = await self._without_present(conversation), 0
        for place, chunk in self._chunks(conversation, start):
            parent = conversation.parents.get(place)
            if parent is not None and conversation.notes is None:
                chunk[0]["parentId"] = await self._id_at(thread_id, parent)
            body = encode({"messages": chunk})
            # The key names the position and not the content: if two runs send messages for it, only one succeeds.
            position = present_count + place - start
            key = f"import-{thread_id}-{position}"
            try:
                answer = await self._post(path("threads", thread_id, "messages"), body, key, thread_id, position)
            except errors.ExternalIdTaken:
                # Another import sent some of these meanwhile: which ones is looked up again.
                if conversation.notes is None:
                    raise
                return False
            if answer is None:
                return False
            outcome.sent_count += len(chunk)
        return True

    async def _without_present(self, conversation: Conversation) -> Conversation:
        """Return another program's conversation with those of its messages that the thread does not have."""
        listed = self._client.threads.messages.list(conversation.thread_id, limit=100)
        present = {message.external_id async for message in listed}
        missing = [each for each in conversation.messages if external_id_of(each) not in present]
        return replace(conversation, messages=missing)

    def _chunks(self, conversation: Conversation, start: int) -> Iterator[tuple[int, list[Record]]]:
        left_out = frozenset() if conversation.notes else PARENTS
        return chunks(conversation, start, left_out if self._target.keeps_times else left_out | TIMES)

    async def _id_at(self, thread_id: str, place: int) -> str | None:
        """Return the id of the message at a place of the file; None for the root, which is -1."""
        if place < 0:
            return None
        if place >= len(self._ids.get(thread_id, ())):
            listed = self._client.threads.messages.list(thread_id, limit=100)
            self._ids = {thread_id: [message.id async for message in listed]}
        return self._ids[thread_id][place]

    async def _post(self, at: str, body: bytes, key: str, thread_id: str, place: int) -> HttpAnswer | None:
        """Send messages for position `place` in a thread; return None if another import filled it with others.

        Keys whose messages were deleted since are skipped; every run therefore arrives at the same key.
        """
        for deletion in range(DELETIONS_MAX):
            try:
                return await self._client.send(post(at, body, idempotency_key=f"{key}-{deletion}"))
            except (errors.ThreadNotFound, errors.MessageNotFound):
                # The same messages were sent before, but they or their thread were deleted since: try the next key.
                continue
            except errors.KeyReused:
                # Other messages were sent before; if they were deleted since, try the next key.
                if (await self._read(thread_id)).message_count > place:
                    return None
        raise BadLine(DELETED_TOO_OFTEN)


def is_past(expires_at: Any) -> bool:  # Any: a value of somebody's file.
    return isinstance(expires_at, int) and expires_at <= clock.now_ms() // 1000


def chunks(conversation: Conversation, start: int, left_out: Set[str]) -> Iterator[tuple[int, list[Record]]]:
    """Cut the messages from `start` on into calls, always at the same places for the same start.

    A message that does not follow the one before it begins a call: by then what it follows is there, and has its id.
    With the ids of another program messages name each other by these.
    """
    messages = conversation.messages
    while start < len(messages):
        chunk: list[Record] = []
        size_bytes = 0
        for place, each in enumerate(messages[start : start + MESSAGES_PER_CALL], start):
            size_bytes += len(each) + 1
            begins = conversation.notes is None and place in conversation.parents
            if chunk and (size_bytes > MESSAGES_BYTES_MAX or begins):
                break
            chunk.append(sendable(each, left_out))
        yield start, chunk
        start += len(chunk)
