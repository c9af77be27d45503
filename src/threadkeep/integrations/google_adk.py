"""Google ADK: a session service.

from threadkeep.integrations.google_adk import ThreadkeepSessionService

sessions = ThreadkeepSessionService(threadkeep.Client())
runner = Runner(app_name="invoices", agent=agent, session_service=sessions)
events = runner.run_async(user_id="uid_lea", session_id="invoice 17", new_message=message)
"""

import hashlib
import time
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from threadkeep.client import AsyncClient, Client
from threadkeep.contract.threads import Thread
from threadkeep.errors import ExternalIdTaken, PreconditionFailed, ThreadExists, ThreadNotFound
from threadkeep.ids import OPAQUE
from threadkeep.integrations.calls import Calls
from threadkeep.integrations.installing import missing
from threadkeep.integrations.native import Json, payload_of, value_of
from threadkeep.integrations.session_thread import SessionThread

try:
    from google.adk.errors import StaleSessionError
    from google.adk.errors.already_exists_error import AlreadyExistsError
    from google.adk.errors.session_not_found_error import SessionNotFoundError
    from google.adk.events import Event
    from google.adk.sessions import Session
    from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig, ListSessionsResponse
    from google.adk.sessions.state import State
    from pydantic import Field
    from pydantic_core import to_jsonable_python

    from threadkeep.integrations.google_adk_events import FORMAT, from_event, to_event
except ImportError as error:
    raise missing("google-adk", error) from error

SOURCE = "google-adk"


class StoredSession(Session):
    """A session as it was read. Of the same revision one copy may be written."""

    revision: str | None = Field(default=None, exclude=True)


class ThreadkeepSessionService(BaseSessionService):
    """Sessions, each a thread of its user; events are its messages. The client's key is an admin's or owner's.

    An event and the state of its session are stored together, or not at all if the session has moved on meanwhile:
    StaleSessionError. What of it belongs to the user or the app is kept in hidden threads, and follows.
    """

    def __init__(self, client: Client | AsyncClient) -> None:
        self._client = client
        self._call = Calls(client)

    async def create_session(
        self, *, app_name: str, user_id: str, state: dict[str, Any] | None = None, session_id: str | None = None
    ) -> Session:
        session_id = (session_id or "").strip() or str(uuid4())
        app, users, own = parted(state or {})
        thread = self._thread(app_name, user_id, session_id)
        kept = {"app": app_name, "user": user_id, "id": session_id, "state": own, "at": time.time(), "count": 0}
        try:
            created = await thread.create(metadata={"app": app_name[:128]}, payload=payload_of(FORMAT, kept))
        except (ExternalIdTaken, ThreadExists):
            raise AlreadyExistsError(f"Session with id {session_id} already exists.") from None
        await self._change_shared(app_name, user_id, app, users)
        return to_session(created, kept, await self._shared(app_name, user_id))

    async def get_session(
        self, *, app_name: str, user_id: str, session_id: str, config: GetSessionConfig | None = None
    ) -> Session | None:
        session = self._thread(app_name, user_id, session_id.strip())
        newest, since = (config.num_recent_events, config.after_timestamp) if config else (None, None)
        while (thread := await session.find()) is not None:
            messages = await session.messages(newest if since is None else None)
            again = thread if thread.message_count == len(messages) else await session.find()
            # Events and state belong together: those of a moment between two events.
            if again is not None and marker_of(again) == marker_of(thread):
                events = [to_event(each) for each in messages]
                events = [each for each in events if since is None or each.timestamp >= since]
                events = events if newest is None else events[len(events) - min(newest, len(events)) :]
                known = known_of(thread, app_name, user_id)
                return to_session(thread, known, await self._shared(app_name, user_id), events)
        return None

    async def list_sessions(self, *, app_name: str, user_id: str | None = None) -> ListSessionsResponse:
        """Return a user's sessions, or everybody's, but for those whose threads are archived."""
        client: Any = self._client if user_id is None else self._acting(user_id)
        listed = client.threads.list if user_id is None else client.threads.list_own
        threads = await self._call.all(listed(metadata={"source": SOURCE, "app": app_name[:128]}, include=["payload"]))
        found = [(thread, known) for thread in threads if (known := value_of(FORMAT, thread)) and "id" in known]
        found = [(thread, known) for thread, known in found if known["app"] == app_name]
        shared = {user: await self._shared(app_name, user) for user in {known["user"] for _, known in found}}
        sessions = [to_session(thread, known, shared[known["user"]]) for thread, known in found]
        return ListSessionsResponse(
            sessions=sorted(sessions, key=lambda each: (each.last_update_time, each.user_id, each.id))
        )

    async def delete_session(self, *, app_name: str, user_id: str, session_id: str) -> None:
        await self._thread(app_name, user_id, session_id.strip()).delete()

    async def get_user_state(self, *, app_name: str, user_id: str) -> dict[str, Any]:
        return await state_in(self._users_state(app_name, user_id))

    async def append_event(self, session: Session, event: Event) -> Event:
        """Store an event with its change of state. One that was stored already, by a call whose answer was lost, stays.

        Raises SessionNotFoundError, and StaleSessionError if somebody else has added to the session meanwhile.
        """
        if event.partial:
            return event
        self._apply_temp_state(session, event)
        event = self._trim_temp_delta_state(event)
        app, users, own = parted(event.actions.state_delta)
        kept = self._thread(session.app_name, session.user_id, session.id)
        if not await self._append(kept, session, event, own):
            return event
        await self._change_shared(session.app_name, session.user_id, app, users)
        session.last_update_time = event.timestamp
        return self._commit_event_to_session(session, event)

    async def _append(self, kept: SessionThread, session: Session, event: Event, state: dict[str, Any]) -> bool:
        """Return whether the event was stored, and not before."""
        fields = from_event(event)
        while (thread := await kept.find()) is not None:
            newest = next(iter(await kept.messages(newest=1)), None)
            if newest is not None and newest.external_id == fields["external_id"] and to_event(newest) == event:
                return False
            revision = getattr(session, "revision", None)
            # One that somebody made by hand has as many events as it knows of.
            if marker_of(thread) != revision and (revision or len(session.events) < thread.message_count):
                break
            known = known_of(thread, session.app_name, session.user_id)
            known |= {"state": known["state"] | state, "at": event.timestamp, "count": known["count"] + 1}
            change: Any = {} if is_foreign(thread) else {"thread": {"payload": payload_of(FORMAT, known)}}
            try:
                await kept.add([fields], if_match=thread.etag, **change)
            except PreconditionFailed:
                # Stale only if there are other events: a person may have renamed the thread.
                continue
            if isinstance(session, StoredSession):
                session.revision = marker(known["count"], thread.message_count + 1)
            return True
        if thread is None:
            raise SessionNotFoundError(f"Session {session.id} not found.")
        raise StaleSessionError(f"Session {session.id} has other events than this copy of it: read it again.")

    def _acting(self, user_id: str) -> Any:
        return self._client.with_options(user_id=native_user(user_id))

    def _thread(self, app_name: str, user_id: str, session_id: str) -> SessionThread:
        own_id = session_id if session_id.startswith("thread_") else f"{quote(app_name, safe='')}/{session_id}"
        return SessionThread(own_id, self._acting(user_id), source=SOURCE)

    def _apps_state(self, app_name: str) -> SessionThread:
        return SessionThread(f"app state of {quote(app_name, safe='')}", self._client, source=SOURCE, holds_state=True)

    def _users_state(self, app_name: str, user_id: str) -> SessionThread:
        own_id = f"user state of {quote(app_name, safe='')}"
        return SessionThread(own_id, self._acting(user_id), source=SOURCE, holds_state=True)

    async def _shared(self, app_name: str, user_id: str) -> dict[str, Any]:
        """Return what a session shares with others of its app and user, with the prefixes of their keys."""
        apps = await state_in(self._apps_state(app_name))
        users = await state_in(self._users_state(app_name, user_id))
        return {State.APP_PREFIX + key: value for key, value in apps.items()} | {
            State.USER_PREFIX + key: value for key, value in users.items()
        }

    async def _change_shared(self, app_name: str, user_id: str, app: dict[str, Any], users: dict[str, Any]) -> None:
        for session, change in ((self._apps_state(app_name), app), (self._users_state(app_name, user_id), users)):
            while change:
                try:
                    if (thread := await session.find()) is None:
                        await session.create(payload=payload_of(FORMAT, {"state": change}))
                    else:
                        payload = payload_of(
                            FORMAT, {"state": (value_of(FORMAT, thread) or {}).get("state", {}) | change}
                        )
                        await self._call(
                            session.client.threads.update, thread.id, payload=payload, if_match=thread.etag
                        )
                    break
                except (ExternalIdTaken, PreconditionFailed, ThreadNotFound):
                    session.thread_id = None


async def state_in(session: SessionThread) -> dict[str, Any]:
    thread = await session.find()
    value = None if thread is None else value_of(FORMAT, thread)
    return dict(value["state"]) if value else {}


def parted(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return what is the app's, the user's and the session's, as JSON; what is no JSON as its text."""
    safe = {key: to_jsonable_python(value, fallback=str) for key, value in state.items()}
    app = {key.removeprefix(State.APP_PREFIX): safe.pop(key) for key in state if key.startswith(State.APP_PREFIX)}
    users = {key.removeprefix(State.USER_PREFIX): safe.pop(key) for key in state if key.startswith(State.USER_PREFIX)}
    return app, users, {key: value for key, value in safe.items() if not key.startswith(State.TEMP_PREFIX)}


def native_user(user_id: str) -> str:
    """Return the user's id; one that the service does not take is named by its SHA-256."""
    if OPAQUE.fullmatch(user_id):
        return user_id
    return "uid_" + hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


def is_foreign(thread: Thread) -> bool:
    return thread.payload_format not in (None, FORMAT)


def known_of(thread: Thread, app_name: str, user_id: str) -> dict[str, Any]:
    """Return what is kept of a session; of a thread that somebody else began, what the service knows."""
    begun = {"app": app_name, "user": user_id, "id": thread.id, "state": {}, "at": thread.updated_at, "count": 0}
    return value_of(FORMAT, thread) or begun


def marker_of(thread: Thread) -> str:
    return marker((value_of(FORMAT, thread) or {"count": 0})["count"], thread.message_count)


def marker(events_count: int, messages_count: int) -> str:
    """Return what moves with each event, and when others write or delete, but not with a title."""
    return f"{events_count}.{messages_count}"


def to_session(thread: Thread, known: Json, shared: dict[str, Any], events: list[Event] | None = None) -> Session:
    return StoredSession(
        id=known["id"],
        app_name=known["app"],
        user_id=known["user"],
        state={**known["state"], **shared},
        events=events or [],
        last_update_time=known["at"],
        revision=marker_of(thread),
    )
