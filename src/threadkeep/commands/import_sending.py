"""How `threadkeep import` brings a conversation to the server: whole, once, however often it is tried."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Raw

from threadkeep import clock
from threadkeep.commands.import_records import BadLine, Conversation, Kept, Record, encode, sendable
from threadkeep.contract.lifecycle import State

MESSAGES_PER_CALL = 100
# Below the server's limit of 4 MiB, so that the rest of a body fits as well.
MESSAGES_BYTES_MAX = 3 * 1024 * 1024
REQUEST_S = 60.0
CONNECT_S = 5.0
# How long a server that answers nothing, or 502 to 504, may take to come back.
PATIENCE_S = 60.0
PAUSE_S = 0.1
PAUSE_MAX_S = 5.0
RETRY_AFTER_MAX_S = 60.0
# How often messages that were imported may have been deleted and imported again within 24 hours.
DELETIONS_MAX = 10
DELETED_TOO_OFTEN = f"it was imported and deleted {DELETIONS_MAX} times within a day: import it tomorrow"

# httpcore asks some ten times in each request whether this is installed; a search for what is not takes long.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]  # None: not to be had.

TRY_LATER = (502, 503, 504)


class ImportStopped(Exception):
    """Nothing can be imported any more, or at all; the message is for people."""


class Refused(BadLine):
    """The API's own answer to a request that it did not accept."""

    def __init__(self, status: int, code: str, message: str, param: str | None) -> None:
        super().__init__(f"{message} ({status} {code}{f', {param}' if param else ''})")
        self.status = status
        self.code = code


@dataclass(slots=True)
class Outcome:
    """What became of one conversation."""

    is_new: bool
    sent_count: int
    # Messages that the thread has beyond those of the file.
    surplus_count: int = 0
    # Whether it was locked, archived or hidden after it was there.
    is_changed: bool = False
    # Hidden in the file and not here: only a user token can hide.
    is_shown: bool = False
    # Its assistant is not one of this organization.
    lacks_assistant: bool = False


class Answer(msgspec.Struct, rename="camel"):
    """As much of an answer as is needed here: a thread, or an error."""

    message_count: int = 0
    state: State = State.OPEN
    visible_in_ui: bool = True
    error: dict[str, Any] | None = None  # Any: the fields of ErrorDetail.


class Assistants(msgspec.Struct, rename="camel"):
    """As much of a page of assistants as is needed here."""

    data: list[Record]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What the importer may set in the organization, and the assistants that it has."""

    keeps_users: bool
    can_hide: bool
    # Ids, by id and by name.
    assistants: dict[str, str]

    def assistant_of(self, kept: Kept) -> str | None:
        """Return the id here of a thread's assistant: the same one, else the one of the same name, or None."""
        return self.assistants.get(kept.assistant_id or "") or self.assistants.get(kept.assistant_name or "")


read_answer = msgspec.json.Decoder(Answer).decode
read_assistants = msgspec.json.Decoder(Assistants).decode


class Sender:
    """One server, and the credential for it. Any number of conversations may be sent at once."""

    def __init__(self, url: str, api_key: str, user_id: str | None, organization_id: str | None, concurrency: int):
        self._url = url.rstrip("/")
        self._organization = f"organizationId={quote(organization_id, safe='')}" if organization_id else ""
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        if user_id:
            headers["X-User-Id"] = user_id
        # A client for each connection: one for all looks at every connection several times in each request.
        timeout, tls = httpx.Timeout(REQUEST_S, connect=CONNECT_S), httpx.create_ssl_context()
        # Like all other commands, it goes to the server itself: a proxy of the environment would be told the key.
        self._clients = [
            httpx.AsyncClient(headers=headers, timeout=timeout, verify=tls, trust_env=False) for _ in range(concurrency)
        ]
        # Threads that are being sent now: a second line with the same id waits for the first.
        self._busy: dict[str, asyncio.Event] = {}
        self._known_target: Target | None = None
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    async def check_server(self) -> None:
        """Raise ImportStopped at once if there is no server, or one that does not take the credential."""
        try:
            response = await self._clients[0].get(self._address("/v1/threads?limit=1"))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise ImportStopped("--url takes the server's address, for example http://127.0.0.1:8000") from None
        except httpx.TransportError as error:
            raise ImportStopped(
                f"There is no server to reach at {self._url} ({type(error).__name__}): "
                "start it with `threadkeep serve`, or say where it is with --url."
            ) from None
        stop_if_hopeless(response)
        if response.status_code != 200 and response.status_code != 429:
            reason = error_of(response).get("message", "is it threadkeep?")
            raise ImportStopped(f"{self._url} answers {response.status_code} to a request for threads: {reason}")

    async def send(self, conversation: Conversation) -> Outcome:
        """Bring the server to have the whole conversation. Raises Refused or ImportStopped."""
        while conversation.thread_id in self._busy:
            await self._busy[conversation.thread_id].wait()
        done = self._busy[conversation.thread_id] = asyncio.Event()
        try:
            return await self._send_alone(conversation)
        finally:
            del self._busy[conversation.thread_id]
            done.set()

    async def _send_alone(self, conversation: Conversation) -> Outcome:
        messages, kept = conversation.messages, conversation.kept
        outcome = Outcome(False, 0)
        fields = conversation.fields if kept is None else await self._with_kept(conversation.fields, kept, outcome)
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
            await self._bring_to(kept, conversation.thread_id, thread, outcome)
        return outcome

    async def _with_kept(self, fields: Record, kept: Kept, outcome: Outcome) -> Record:
        """Return the fields for creating an exported thread, as far as the importer may set them."""
        target = await self._target()
        fields = dict(fields)
        if kept.user_id is not None and target.keeps_users:
            fields["userId"] = kept.user_id
        if kept.assistant_id is not None or kept.assistant_name is not None:
            fields["assistantId"] = target.assistant_of(kept)
            outcome.lacks_assistant = fields["assistantId"] is None
        if kept.is_hidden and target.can_hide:
            fields["visibleInUi"] = False
        return fields

    async def _target(self) -> Target:
        """Find out once what may be set here; threads that come meanwhile wait for it."""
        async with self._asking:
            if self._known_target is None:
                self._known_target = await self._ask_target()
        return self._known_target

    async def _ask_target(self) -> Target:
        user = msgspec.json.decode((await self._request("GET", "/v1/user")).content)
        # One, since the request names it if there are several; whoever acts for a user is a member here.
        [organization] = user["organizations"]
        assistants: dict[str, str] = {}
        after = ""
        while True:
            page = await self._request("GET", f"/v1/assistants?limit=100{after}")
            listed = read_assistants(page.content)
            assistants.update({each["name"]: each["id"] for each in listed.data})
            if listed.next_cursor is None:
                break
            after = f"&after={quote(listed.next_cursor, safe='')}"
        # Last, so that no name can stand in the way of an id.
        assistants.update({id: id for id in list(assistants.values())})
        return Target(organization["role"] != "member", user["credential"] == "token", assistants)

    async def _bring_to(self, kept: Kept, thread_id: str, thread: Answer, outcome: Outcome) -> None:
        """Hide, lock and archive a thread that has all its messages now, as it was where it comes from."""
        target = await self._target()
        path = f"/v1/threads/{thread_id}"
        is_open = thread.state == State.OPEN
        changes: list[tuple[str, str, bytes | None]] = []
        if kept.is_hidden and thread.visible_in_ui:
            if target.can_hide and is_open:
                changes.append(("PATCH", path, b'{"visibleInUi":false}'))
            else:
                outcome.is_shown = True
        # A lock comes first: an archived thread takes none.
        if kept.is_locked and is_open:
            changes.append(("POST", f"{path}/lock", None))
        if kept.is_archived and thread.state != State.ARCHIVED:
            changes.append(("POST", f"{path}/archive", None))
        for method, where, body in changes:
            await self._request(method, where, body)
        outcome.is_changed = bool(changes)

    async def _create(self, conversation: Conversation, fields: Record) -> Answer | None:
        """Create the thread with its first messages. Return it, or None if it is there already."""
        first = next((chunk for _, chunk in chunks(conversation.messages, 0)), [])
        body = encode({"id": conversation.thread_id, **fields, "messages": [Raw(message) for message in first]})
        content = blake2b(body, digest_size=16).hexdigest()
        try:
            response = await self._post_thread(f"import-{content}", body)
        except Refused as refused:
            if refused.code == "thread_exists":
                return None
            raise
        # An answer from before says how the thread was then.
        return None if response.headers.get("Idempotent-Replayed") == "true" else read_answer(response.content)

    async def _read(self, thread_id: str) -> Answer:
        try:
            return read_answer((await self._request("GET", f"/v1/threads/{thread_id}")).content)
        except Refused as refused:
            if refused.code == "thread_not_found":
                raise BadLine(
                    "its id belongs to a thread of somebody else, whom neither this credential nor --user stands for"
                ) from None
            raise

    async def _fill(self, conversation: Conversation, start: int, outcome: Outcome) -> bool:
        """Append the messages from `start` on. Return False if another import does so too, and was quicker."""
        for place, chunk in chunks(conversation.messages, start):
            if not await self._append(conversation.thread_id, place, chunk):
                return False
            outcome.sent_count += len(chunk)
        return True

    async def _append(self, thread_id: str, place: int, chunk: Sequence[bytes]) -> bool:
        """Append messages at their place; return False if others came to it in another import."""
        body = encode({"messages": [Raw(message) for message in chunk]})
        for deletion in range(DELETIONS_MAX):
            # The key names the place, not the content: whatever another run sends for this place, one of them counts.
            key = f"import-{thread_id}-{place}-{deletion}"
            try:
                await self._request("POST", f"/v1/threads/{thread_id}/messages", body, key)
                return True
            except Refused as refused:
                # Both were sent before: the same messages, deleted since, or others, which may be deleted too.
                if refused.code == "key_reused":
                    if (await self._read(thread_id)).message_count > place:
                        return False
                # Or to a thread of this id that was deleted since.
                elif refused.code not in ("message_not_found", "thread_not_found"):
                    raise
        raise BadLine(DELETED_TOO_OFTEN)

    async def _post_thread(self, key: str, body: bytes) -> httpx.Response:
        """Create a thread under the first key that was not used for one that is deleted: every run comes to it."""
        for deletion in range(DELETIONS_MAX):
            try:
                return await self._request("POST", "/v1/threads", body, f"{key}-{deletion}")
            except Refused as refused:
                if refused.code != "thread_not_found":
                    raise
        raise BadLine(DELETED_TOO_OFTEN)

    async def _request(self, method: str, path: str, body: bytes | None = None, key: str = "") -> httpx.Response:
        """Send one request until it is answered. Raises Refused or ImportStopped."""
        headers = {"Idempotency-Key": key} if key else None
        pause_s, failing_since_s = PAUSE_S, None
        while True:
            try:
                response = await self._exchange(method, self._address(path), body, headers)
            except httpx.TransportError as error:
                problem, wait_s = f"does not answer ({type(error).__name__})", pause_s
            else:
                if response.is_success:
                    return response
                stop_if_hopeless(response)
                wait_s = max(pause_s, retry_after_s(response))
                if response.status_code == 429:
                    # The server is well and says when to go on.
                    await asyncio.sleep(wait_s)
                    continue
                if response.status_code not in TRY_LATER:
                    raise refusal(response)
                problem = f"answers {response.status_code}"
            failing_since_s = failing_since_s or clock.monotonic_s()
            if clock.monotonic_s() - failing_since_s > PATIENCE_S:
                raise ImportStopped(f"The server {problem} for {PATIENCE_S:g} seconds.")
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def _address(self, path: str) -> str:
        joint = ("&" if "?" in path else "?") if self._organization else ""
        return f"{self._url}{path}{joint}{self._organization}"

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str] | None
    ) -> httpx.Response:
        client = self._clients.pop()
        try:
            return await client.request(method, url, content=body, headers=headers)
        finally:
            self._clients.append(client)


def chunks(messages: Sequence[Raw], start: int) -> Iterator[tuple[int, Sequence[bytes]]]:
    """Cut what comes from `start` on into calls, always at the same places for the same start."""
    while start < len(messages):
        chunk: list[bytes] = []
        size_bytes = 0
        for each in messages[start : start + MESSAGES_PER_CALL]:
            message = sendable(each)
            size_bytes += len(message) + 1
            if size_bytes > MESSAGES_BYTES_MAX and chunk:
                break
            chunk.append(message)
        yield start, chunk
        start += len(chunk)


def retry_after_s(response: httpx.Response) -> float:
    text = response.headers.get("Retry-After", "")
    return min(float(text), RETRY_AFTER_MAX_S) if text.isdecimal() else 0.0


def refusal(response: httpx.Response) -> Refused:
    error = error_of(response)
    return Refused(
        response.status_code,
        str(error.get("code", "?")),
        str(error.get("message", "The server gave no reason.")),
        error.get("param"),
    )


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error in an answer, or nothing if it is not the API's."""
    try:
        return read_answer(response.content).error or {}
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return {}


def stop_if_hopeless(response: httpx.Response) -> None:
    """Raise ImportStopped for an answer that every other line would get as well."""
    if response.status_code in (401, 403, 507):
        message = error_of(response).get("message", "The server gave no reason.")
        raise ImportStopped(f"The server refuses ({response.status_code}): {message}")
