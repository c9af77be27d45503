"""LangGraph's development server and Aegra: the same API, of threads that hold a graph's state."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from benchmarks.alternatives import HERE, Alternative, Threads, share_out, tell
from benchmarks.filling import CONVERSATION_MESSAGES_COUNT, TEXT
from benchmarks.operations import TOPIC, Asked
from benchmarks.places import free_port
from benchmarks.servers import Address, Server

GRAPH = "echo"
METADATA = {"topic": TOPIC, "graph_id": GRAPH}
LIMIT = 20
QUIET = {"LOG_LEVEL": "WARNING", "PYTHONWARNINGS": "ignore"}
# Nothing leaves this machine: no traces, no search for newer versions, no statistics.
OFFLINE = {
    "LANGSMITH_TRACING": "false", "LANGCHAIN_TRACING_V2": "false", "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
}  # fmt: skip
JOBS_COUNT = 64


def message(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def start_langgraph(alternative: Alternative, _url: str, folder: Path) -> Server:
    graph = shutil.copytree(HERE / "graph", folder / "graph")
    port = free_port()
    arguments = ["langgraph_cli", "dev", "--config", "langgraph.json", "--host", "127.0.0.1", "--port", str(port),
                 "--no-browser", "--no-reload", "--n-jobs-per-worker", str(JOBS_COUNT), "--server-log-level",
                 "WARNING"]  # fmt: skip
    return start(alternative, arguments, port, OFFLINE | QUIET, "/ok", graph)


def start_aegra(alternative: Alternative, url: str, folder: Path) -> Server:
    graph = shutil.copytree(HERE / "graph", folder / "graph")
    port = free_port()
    arguments = ["uvicorn", "aegra_api.main:app", "--host", "127.0.0.1", "--port", str(port), "--no-access-log",
                 "--log-level", "warning"]  # fmt: skip
    environment = OFFLINE | QUIET | {"DATABASE_URL": url, "AEGRA_CONFIG": "aegra.json", "AUTH_TYPE": "noop"}
    return start(alternative, arguments, port, environment, "/health", graph)


def start(
    alternative: Alternative, arguments: list[str], port: int, environment: dict[str, str], ready: str, folder: Path
) -> Server:
    binaries = f"{alternative.python.parent}{os.pathsep}{os.environ['PATH']}"
    return Server(
        alternative.name, arguments, port, "", environment | {"PATH": binaries}, python=str(alternative.python),
        ready=ready, folder=folder, log=folder.parent / "log",
    )  # fmt: skip


def fill(server: Server, count: int) -> Threads:
    def new_thread() -> str:
        path = f"/threads/{tell(server, 'POST', '/threads', {'metadata': METADATA})['thread_id']}"
        # Aegra forgets which graph a new thread was said to have.
        tell(server, "PATCH", path, {"metadata": METADATA})
        return path

    conversations = [new_thread() for _ in range(count // 10)]
    said = [{"role": "user", "content": TEXT}] * CONVERSATION_MESSAGES_COUNT
    for path in conversations:
        tell(server, "POST", f"{path}/state", {"values": {"messages": said}, "as_node": GRAPH})
    return share_out([new_thread() for _ in range(count - len(conversations))], conversations)


def ask(operation: str, server: Address, threads: Threads) -> Asked:
    """Return what to send. The messages of a thread are read with its state, all at once: there are no pages."""

    def posts(paths: list[str], rest: str, body: Any, must_hold: bytes = b"") -> Asked:
        data = json.dumps(body).encode()
        return Asked([server.request("POST", f"{path}{rest}", data) for path in paths], must_hold)

    match operation:
        case "create":
            return posts([""], "/threads", {"metadata": METADATA})
        case "append":
            return posts(threads.appended, "/state", {"values": message(TEXT), "as_node": GRAPH})
        case "get":
            return Asked([server.request("GET", path) for path in threads.untouched])
        case "list":
            return posts([""], "/threads/search", {"limit": LIMIT})
        case "messages":
            return Asked([server.request("GET", f"{path}/state") for path in threads.conversations])
        case "filter":
            return posts([""], "/threads/search", {"limit": LIMIT, "metadata": {"topic": TOPIC}})
        case "stream":
            body = {"assistant_id": GRAPH, "input": message(TEXT), "stream_mode": ["custom"]}
            return posts(threads.streamed, "/runs/stream", body, json.dumps(TEXT.split()[-1] + " ").encode())
    raise ValueError(operation)


READS = (
    "Messages are part of a thread's state: an append stores a new checkpoint, and reading messages reads the whole "
    "state; there are no pages of messages.",
    "No authentication.",
)

LANGGRAPH = Alternative(
    "LangGraph development server", "langgraph", ("langgraph-api", "langgraph-runtime-inmem"),
    "Elastic License 2.0 (not open source)",
    "in memory; pickled to files now and then: a crash loses what came since",
    (*READS, f"Runs wait in a queue for one of {JOBS_COUNT} jobs, up to a second: that is what its streams show.",
     "Its makers say that this server is for development and testing; the one with PostgreSQL takes a licence key, "
     "and was not run."),
    start_langgraph, fill, ask,
)  # fmt: skip

AEGRA = Alternative(
    "Aegra", "aegra", ("aegra-api", "langgraph"), "Apache-2.0",
    "PostgreSQL, durable (synchronous_commit=on)",
    (*READS, "Its default pools of 2 and 6 connections.",
     "Newer versions need Python 3.12, which this machine does not have: not run.",
     "It asks for the extension uuid-ossp, which this PostgreSQL lacks: a function of one line stands in for it."),
    start_aegra, fill, ask,
)  # fmt: skip
