"""The API server of Google's Agent Development Kit: sessions of an application's users, with events."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.alternatives import HERE, Alternative, Threads, share_out, tell
from benchmarks.filling import CONVERSATION_MESSAGES_COUNT, TEXT
from benchmarks.operations import TOPIC, Asked
from benchmarks.places import free_port
from benchmarks.servers import Address, Server

SESSIONS_OF_USER_COUNT = 20
USERS = "/apps/echo/users"
NEW_SESSION = {"state": {"topic": TOPIC}}


def start(uri_of: Callable[[str, Path], str]) -> Callable[[Alternative, str, Path], Server]:
    def start_there(alternative: Alternative, url: str, folder: Path) -> Server:
        agents = shutil.copytree(HERE / "adk_agents", folder / "agents")
        port = free_port()
        arguments = ["google.adk.cli", "api_server", "--host", "127.0.0.1", "--port", str(port), "--log_level",
                     "warning", "--session_service_uri", uri_of(url, folder), str(agents)]  # fmt: skip
        return Server(
            alternative.name, arguments, port, "", {"PYTHONWARNINGS": "ignore"}, python=str(alternative.python),
            ready="/health", folder=folder, log=folder / "log",
        )  # fmt: skip

    return start_there


def fill(server: Server, count: int) -> Threads:
    def new_session(number: int, body: Any) -> str:
        users = f"{USERS}/u{number // SESSIONS_OF_USER_COUNT}/sessions"
        return f"{users}/{tell(server, 'POST', users, body)['id']}"

    said = [
        {"author": "user", "invocationId": f"i{place}", "content": {"role": "user", "parts": [{"text": TEXT}]}}
        for place in range(CONVERSATION_MESSAGES_COUNT)
    ]
    talking = count // 10
    conversations = [new_session(number, {**NEW_SESSION, "events": said}) for number in range(talking)]
    return share_out([new_session(number, NEW_SESSION) for number in range(talking, count)], conversations)


def ask(operation: str, server: Address, threads: Threads) -> Asked | None:
    match operation:
        case "create":
            return Asked([server.request("POST", f"{USERS}/creator/sessions", json.dumps(NEW_SESSION).encode())])
        case "append":
            body = json.dumps({"stateDelta": {"text": TEXT}}).encode()
            return Asked([server.request("PATCH", path, body) for path in threads.appended])
        case "get":
            return Asked([server.request("GET", path) for path in threads.untouched])
        case "list":
            users = sorted({path.rsplit("/", 1)[0] for path in threads.untouched})
            return Asked([server.request("GET", path) for path in users])
        case "messages":
            return Asked([server.request("GET", path) for path in threads.conversations])
        case "stream":
            bodies = [json.dumps(run(path)).encode() for path in threads.streamed]
            return Asked([server.request("POST", "/run_sse", body) for body in bodies], b'"partial":false')
    return None


def run(path: str) -> dict[str, Any]:
    _, _, _, _, user, _, session = path.split("/")
    new = {"role": "user", "parts": [{"text": TEXT}]}
    return {"appName": "echo", "userId": user, "sessionId": session, "newMessage": new, "streaming": True}


REMARKS = (
    f"A list has no pages: it is asked for a user who has {SESSIONS_OF_USER_COUNT} sessions.",
    "There is no append besides running the agent; a change of state, which stores an event, stands for it.",
    "A session comes with all of its events, and so its messages are read by the same request as itself.",
    "It has no filter by metadata.",
    "No authentication.",
)
PACKAGES = ("google-adk", "sqlalchemy")

ON_SQLITE = Alternative(
    "ADK API server, SQLite", "adk", PACKAGES, "Apache-2.0", "SQLite with its defaults: durable (rollback journal, "
    "synchronous=FULL)", REMARKS, start(lambda _, folder: f"sqlite+aiosqlite:///{folder}/adk.db"), fill, ask,
)  # fmt: skip
ON_POSTGRES = Alternative(
    "ADK API server, PostgreSQL", "adk", PACKAGES, "Apache-2.0", "PostgreSQL, durable (synchronous_commit=on)",
    REMARKS, start(lambda url, _: url.replace("postgresql://", "postgresql+asyncpg://")), fill, ask,
)  # fmt: skip
