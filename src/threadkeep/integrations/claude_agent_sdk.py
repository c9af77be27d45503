"""Claude Agent SDK: a session store.

from threadkeep.integrations.claude_agent_sdk import ThreadkeepSessionStore

store = ThreadkeepSessionStore(threadkeep.Client(), user_id="uid_lea")
options = ClaudeAgentOptions(session_store=store)
async for message in query(prompt="What is on invoice 17?", options=options): ...
"""

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from threadkeep.client import AsyncClient, Client
from threadkeep.client.fields import portions
from threadkeep.client.given import MessageFields
from threadkeep.contract.messages import Message
from threadkeep.contract.threads import Thread
from threadkeep.errors import ExternalIdTaken, ThreadNotFound
from threadkeep.integrations.calls import Calls
from threadkeep.integrations.native import Json, call_of, message_of, text_of, value_of
from threadkeep.integrations.session_thread import SessionThread, external_id_of

FORMAT = "claude-agent-sdk/1"
SOURCE = "claude-agent-sdk"
TITLE_CHARACTERS = 200


class ThreadkeepSessionStore:
    """Transcripts of sessions, each a thread; those of subagents are hidden threads.

    Its methods are those of the SDK's protocol `SessionStore`, but for `list_session_summaries`, which is optional.
    Entries with a `uuid` are stored once. At most 100 entries, and 3 MB, are stored together or not at all.
    """

    def __init__(self, client: Client | AsyncClient, *, user_id: str | None = None) -> None:
        # Any: a client of either kind.
        self._client: Any = client if user_id is None else client.with_options(user_id=user_id)
        self._call = Calls(client)

    async def append(self, key: Json, entries: Sequence[Json]) -> None:
        """Add entries. A batch that comes again, since an answer was lost, is stored once, also what has no `uuid`."""
        if not entries:
            return
        session, metadata = self._session(key), {"project": key["project_key"], "id": key["session_id"]}
        if "subpath" in key:
            metadata["subpath"] = key["subpath"]
        change: Json = {"metadata": metadata}
        if title := title_in(entries):
            change["title"] = title
        for portion in portions(once([from_entry(each) for each in entries])):
            while True:
                try:
                    await session.add(portion, thread=change)
                    break
                except ExternalIdTaken:
                    known = {each.external_id for each in await session.messages()} - {None}
                    portion = [each for each in portion if each.get("external_id") not in known]
                    # All of a portion is stored, or nothing: what has no id is there with the others.
                    if not any("external_id" in each for each in portion):
                        break

    async def load(self, key: Json) -> list[Json] | None:
        """Return all entries; those that somebody else wrote are made of what the service knows. None: no session."""
        entries: list[Json] = []
        for message in await self._session(key).messages():
            entries.append(to_entry(message, key["session_id"], entries))
        return entries or None

    async def list_sessions(self, project_key: str) -> list[Json]:
        """Return the project's sessions, without those whose threads are archived; `mtime` is in milliseconds."""
        threads = await self._threads(project=project_key)
        return [
            {"session_id": thread.metadata["id"], "mtime": thread.updated_at * 1000}
            for thread in threads
            if "subpath" not in thread.metadata and thread.message_count
        ]

    async def delete(self, key: Json) -> None:
        """Delete a subagent's transcript, or a session with those of its subagents."""
        if "subpath" in key:
            await self._session(key).delete()
            return
        for thread in await self._threads(state="all", project=key["project_key"], id=key["session_id"]):
            try:
                await self._call(self._client.threads.delete, thread.id)
            except ThreadNotFound:
                continue

    async def list_subkeys(self, key: Json) -> list[str]:
        threads = await self._threads(state="all", project=key["project_key"], id=key["session_id"])
        return [str(thread.metadata["subpath"]) for thread in threads if "subpath" in thread.metadata]

    def _session(self, key: Json) -> SessionThread:
        names = [quote(key["project_key"], safe=""), key["session_id"], *([key["subpath"]] if "subpath" in key else [])]
        return SessionThread("/".join(names), self._client, source=SOURCE, holds_state="subpath" in key)

    async def _threads(self, state: str | None = None, **metadata: str) -> list[Thread]:
        listed = self._client.threads.list_own(metadata={"source": SOURCE, **metadata}, state=state, order="asc")
        return await self._call.all(listed)


def once(messages: Sequence[MessageFields]) -> list[MessageFields]:
    named = {each["external_id"]: each for each in reversed(messages) if "external_id" in each}
    return [each for each in messages if "external_id" not in each or named[each["external_id"]] is each]


def title_in(entries: Sequence[Json]) -> str | None:
    """Return the newest title that a person or the program gave the session."""
    titles = [each.get("customTitle") or each.get("aiTitle") for each in entries]
    return next((text_of([title])[:TITLE_CHARACTERS] for title in reversed(titles) if isinstance(title, str)), None)


def from_entry(entry: Json) -> MessageFields:
    """Return a message in which a person reads what is said, called or found; thoughts and settings are left out."""
    message = entry.get("message")
    message = message if isinstance(message, dict) else {}
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    blocks = [block for block in blocks if isinstance(block, dict)]
    answers = [str(block.get("tool_use_id")) for block in blocks if block.get("type") == "tool_result"]
    fields = message_of(
        FORMAT,
        entry,
        role="tool" if answers else str(message.get("role", "system")),
        texts=texts_of(blocks),
        calls=[
            call_of(str(block.get("id")), str(block.get("name")), block.get("input"))
            for block in blocks
            if block.get("type") == "tool_use"
        ],
        answers=answers[0] if answers else None,
    )
    if isinstance(entry.get("uuid"), str):
        fields["external_id"] = external_id_of(entry["uuid"])
    return fields


def texts_of(blocks: Sequence[Json]) -> Iterator[str]:
    for block in blocks:
        found = block.get("content") if block.get("type") == "tool_result" else block.get("text")
        if isinstance(found, str):
            yield found
        elif isinstance(found, list):
            yield from texts_of([each for each in found if isinstance(each, dict)])


def to_entry(message: Message, session_id: str, before: Sequence[Json]) -> Json:
    """Return the entry that was put in, or one that follows those before it, made of what the service knows."""
    if (value := value_of(FORMAT, message)) is not None:
        return value
    last: Json = next((each for each in reversed(before) if "uuid" in each), {})
    role = "assistant" if message.role == "assistant" else "user"
    content: list[Json] = [{"type": "text", "text": message.text}] if message.text else []
    for call in message.tool_calls or ():
        content.append({"type": "text", "text": f"{call.function.name}({call.function.arguments})"})
    return {
        **{name: last[name] for name in ("cwd", "gitBranch", "userType", "version") if name in last},
        "type": role,
        "uuid": message.external_id or str(uuid.uuid5(uuid.NAMESPACE_URL, message.id)),
        "parentUuid": last.get("uuid"),
        "isSidechain": False,
        "sessionId": session_id,
        "timestamp": datetime.fromtimestamp(message.created_at, UTC).isoformat(),
        "message": {"role": role, "content": content},
    }
