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
from threadkeep.commands.import_records import BadLine, Conversation, encode

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

# httpcore asks some ten times in each request whether this is installed; a search for what is not takes long.
sys.modules.setdefault("sniffio", None)  # type: ignore[arg-type]

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


class Answer(msgspec.Struct, rename="camel"):
    """As much of an answer as is needed here: a thread, or an error."""

    message_count: int = 0
    error: dict[str, Any] | None = None  # Any: the fields of ErrorDetail.


read_answer = msgspec.json.Decoder(Answer).decode


class Sender:
    """One server, and the credential for it. Any number of conversations may be sent at once."""

    def __init__(self, url: str, api_key: str, user_id: str | None, organization_id: str | None, concurrency: int):
        self._url = url.rstrip("/")
        self._query = f"?organizationId={quote(organization_id, safe='')}" if organization_id else ""
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        if user_id:
            headers["X-User-Id"] = user_id
        # A client for each connection: one for all looks at every connection several times in each request.
        timeout, tls = httpx.Timeout(REQUEST_S, connect=CONNECT_S), httpx.create_ssl_context()
        self._clients = [httpx.AsyncClient(headers=headers, timeout=timeout, verify=tls) for _ in range(concurrency)]
        # Threads that are being sent now: a second line with the same id waits for the first.
        self._busy: dict[str, asyncio.Event] = {}

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()

    async def check_server(self) -> None:
        """Raise ImportStopped at once if there is no server, or one that does not take the credential."""
        path = f"{self._url}/v1/threads{self._query}{'&' if self._query else '?'}limit=1"
        try:
            response = await self._clients[0].get(path)
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
        messages = conversation.messages
        outcome = Outcome(False, 0)
        stored_count = await self._create(conversation)
        if stored_count is None:
            stored_count = await self._count(conversation.thread_id)
        else:
            outcome = Outcome(True, stored_count)
        if stored_count > len(messages):
            outcome.surplus_count = stored_count - len(messages)
        for start, chunk in chunks(messages, stored_count):
            await self._append(conversation.thread_id, start, chunk)
            outcome.sent_count += len(chunk)
        return outcome

    async def _create(self, conversation: Conversation) -> int | None:
        """Create the thread with its first messages. Return how many, or None if the thread is there already."""
        first = next((chunk for _, chunk in chunks(conversation.messages, 0)), [])
        body = encode({"id": conversation.thread_id, **conversation.fields, "messages": first})
        content = blake2b(body, digest_size=16).hexdigest()
        try:
            response = await self._post_once(f"import-{content}", "thread_not_found", "/v1/threads", body)
        except Refused as refused:
            if refused.code == "thread_exists":
                return None
            raise
        # An answer from before says how the thread was then.
        return None if response.headers.get("Idempotent-Replayed") == "true" else len(first)

    async def _count(self, thread_id: str) -> int:
        try:
            return read_answer((await self._request("GET", f"/v1/threads/{thread_id}")).content).message_count
        except Refused as refused:
            if refused.code == "thread_not_found":
                raise BadLine("its id belongs to a thread that this credential may not see") from None
            raise

    async def _append(self, thread_id: str, start: int, chunk: Sequence[Raw]) -> None:
        # The key names the place, not the content: whatever another run sends for this place, one of them counts.
        await self._post_once(
            f"import-{thread_id}-{start}",
            "message_not_found",
            f"/v1/threads/{thread_id}/messages",
            encode({"messages": chunk}),
        )

    async def _post_once(self, key: str, deleted_code: str, path: str, body: bytes) -> httpx.Response:
        """Post with an Idempotency-Key. `deleted_code` tells that this was done before, and deleted since.

        Then it is to be done again, under the next key: every run comes to the same one.
        """
        for deletion in range(DELETIONS_MAX):
            try:
                return await self._request("POST", path, body, f"{key}-{deletion}")
            except Refused as refused:
                if refused.code != deleted_code:
                    raise
        raise BadLine(f"it was imported and deleted {DELETIONS_MAX} times within a day: import it tomorrow")

    async def _request(self, method: str, path: str, body: bytes | None = None, key: str = "") -> httpx.Response:
        """Send one request until it is answered. Raises Refused or ImportStopped."""
        headers = {"Idempotency-Key": key} if key else None
        pause_s, failing_since_s = PAUSE_S, None
        while True:
            try:
                response = await self._exchange(method, f"{self._url}{path}{self._query}", body, headers)
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

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str] | None
    ) -> httpx.Response:
        client = self._clients.pop()
        try:
            return await client.request(method, url, content=body, headers=headers)
        finally:
            self._clients.append(client)


def chunks(messages: Sequence[Raw], start: int) -> Iterator[tuple[int, Sequence[Raw]]]:
    """Cut what comes from `start` on into calls, always at the same places for the same start."""
    while start < len(messages):
        end, size_bytes = start, 0
        while end < len(messages) and end - start < MESSAGES_PER_CALL:
            size_bytes += len(messages[end]) + 1
            if size_bytes > MESSAGES_BYTES_MAX and end > start:
                break
            end += 1
        yield start, messages[start:end]
        start = end


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
    except msgspec.MsgspecError:
        return {}


def stop_if_hopeless(response: httpx.Response) -> None:
    """Raise ImportStopped for an answer that every other line would get as well."""
    if response.status_code in (401, 403, 507):
        message = error_of(response).get("message", "The server gave no reason.")
        raise ImportStopped(f"The server refuses ({response.status_code}): {message}")
