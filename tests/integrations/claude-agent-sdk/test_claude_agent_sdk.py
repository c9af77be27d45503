"""The Claude Agent SDK's session store: what goes in comes out equal, and reads well for a person."""

import asyncio
import itertools
import json

import pytest
from claude_agent_sdk.testing import run_session_store_conformance

import threadkeep
from threadkeep.integrations.claude_agent_sdk import ThreadkeepSessionStore

KEY = {"project_key": "-home-lea-a/b", "session_id": "0d9c1c9e-9d4b-4c62-9a43-3b2f6a4f1f10"}
SUB = {**KEY, "subpath": "subagents/agent-1"}


def said(id, text, role="user", **more):
    return {"type": role, "uuid": id, "message": {"role": role, "content": text}, **more}


ODD = [
    {"type": "mode", "mode": "default"},
    said("u1", "What is\0 on it? \ud83d", cwd="/home/lea", parentUuid=None),
    said(
        "u2",
        [
            {"type": "thinking", "thinking": "Hm.", "signature": "x" * 20_000},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"number": 2**70, "odd": [None, 1.5]}},
        ],
        "assistant",
        parentUuid="u1",
    ),
    said("u3", [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "40 EUR"}]}]),
    {"type": "mode", "mode": "default"},
    {"type": "custom-title", "customTitle": "Invoice 17"},
]


@pytest.fixture
def store(either):
    return ThreadkeepSessionStore(either)


async def test_the_sdk_s_own_contracts_hold(either):
    users = (f"uid_{number}" for number in itertools.count())

    await run_session_store_conformance(lambda: ThreadkeepSessionStore(either, user_id=next(users)))


async def test_entries_come_out_as_they_went_in(store, service):
    assert await store.load(KEY) is None
    await store.append(KEY, ODD)

    assert await ThreadkeepSessionStore(service).load(KEY) == ODD


async def test_a_person_reads_texts_calls_and_results_and_no_subagents(store, service):
    await store.append(KEY, ODD)
    await store.append(SUB, [said("s1", "Look for it.")])

    [thread] = service.threads.list(visible_in_ui=True)
    shown = list(service.threads.messages.list(thread.id))

    assert thread.title == "Invoice 17"
    assert [(each.role, each.text) for each in shown] == [
        ("system", ""),
        ("user", "What is on it? "),
        ("assistant", "I look."),
        ("tool", "40 EUR"),
        ("system", ""),
        ("system", ""),
    ]
    assert (shown[2].tool_calls[0].function.name, shown[3].tool_call_id) == ("find", "toolu_1")
    assert len(list(service.threads.list())) == 2


async def test_a_batch_that_is_sent_three_times_is_stored_once(store):
    for _ in range(3):
        await store.append(KEY, ODD)
    await asyncio.gather(*(store.append(KEY, [said("u4", "a"), {"type": "x"}, said("u4", "a")]) for _ in range(3)))

    assert await store.load(KEY) == [*ODD, said("u4", "a"), {"type": "x"}]


async def test_of_a_batch_of_which_some_is_there_the_rest_is_added(store):
    await store.append(KEY, [said("u1", "a"), said("u2", "b")])
    await store.append(KEY, [said("u2", "b"), said("u3", "c"), {"type": "x"}])
    await store.append(KEY, [{"type": "x"}])

    assert await store.load(KEY) == [said("u1", "a"), said("u2", "b"), said("u3", "c"), {"type": "x"}, {"type": "x"}]


async def test_a_long_batch_keeps_its_order_and_is_stored_once(store):
    batch = [said(f"u{number}", str(number)) for number in range(250)]
    await store.append(KEY, batch[:120])
    await store.append(KEY, batch)

    assert await store.load(KEY) == batch


async def test_what_others_write_follows_in_the_transcript(store, service):
    await store.append(KEY, ODD[:3])
    [thread] = service.threads.list()
    service.threads.messages.create(thread.id, role="user", content="And on 18?")
    service.threads.messages.update(thread.id, list(service.threads.messages.list(thread.id))[1].id, content="Edited.")

    loaded = await store.load(KEY)

    assert (loaded[1]["uuid"], loaded[1]["message"]["content"]) == ("u1", [{"type": "text", "text": "Edited."}])
    assert (loaded[3]["parentUuid"], loaded[3]["message"]) == (
        "u2",
        {"role": "user", "content": [{"type": "text", "text": "And on 18?"}]},
    )
    assert await store.load(KEY) == loaded


async def test_users_have_sessions_of_their_own(service):
    lea, tom = (ThreadkeepSessionStore(service, user_id=f"uid_{name}") for name in ("lea", "tom"))
    await lea.append(KEY, [said("u1", "I am Lea.")])
    await tom.append(KEY, [said("u1", "I am Tom.")])

    assert await lea.load(KEY) == [said("u1", "I am Lea.")]
    assert len(await tom.list_sessions(KEY["project_key"])) == 1


async def test_a_locked_thread_refuses_and_can_be_read(store, service):
    await store.append(KEY, [said("u1", "a")])
    [thread] = service.threads.list()
    service.threads.lock(thread.id)

    with pytest.raises(threadkeep.ThreadLocked):
        await store.append(KEY, [said("u2", "b")])
    assert await store.load(KEY) == [said("u1", "a")]


# Each run is a process of its own: the SDK's program, a model on this machine, and a turn that calls a tool.
PROGRAM = """
import asyncio, json, os, sys, tempfile, threading, threadkeep
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, create_sdk_mcp_server, query, tool
from threadkeep.integrations.claude_agent_sdk import ThreadkeepSessionStore

asked = []

class Model(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/v1/messages?") and self.path != "/v1/messages":
            return self.answer(b'{"input_tokens": 1}', "application/json")
        messages = body["messages"]
        block, piece, reason = {"type": "text", "text": ""}, {"type": "text_delta", "text": "Fine."}, "end_turn"
        if any(each["name"] == "mcp__calc__add" for each in body.get("tools", [])):
            asked.append(len(messages))
            parts = [part for part in messages[-1]["content"] if isinstance(part, dict)]
            results = [part for part in parts if part["type"] == "tool_result"]
            if results:
                piece = {"type": "text_delta", "text": f"It is {results[0]['content'][0]['text']}."}
            else:
                block = {"type": "tool_use", "id": f"toolu_{sys.argv[1]}", "name": "mcp__calc__add", "input": {}}
                piece, reason = {"type": "input_json_delta", "partial_json": '{"a": 1, "b": 2}'}, "tool_use"
        usage = {"input_tokens": 1, "output_tokens": 1}
        events = [
            {"type": "message_start", "message": {
             "id": f"msg_{sys.argv[1]}_{len(asked)}", "type": "message", "role": "assistant",
             "model": body["model"], "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": piece},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]
        told = "".join(f"event: {each['type']}\\ndata: {json.dumps(each)}\\n\\n" for each in events)
        self.answer(told.encode(), "text/event-stream")

    def answer(self, body, kind):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = lambda self: self.answer(b"{}", "application/json")
    log_message = lambda *arguments: None

@tool("add", "Adds.", {"a": int, "b": int})
async def add(given):
    return {"content": [{"type": "text", "text": str(given["a"] + given["b"])}]}

async def turn(number, session_id):
    model = ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=model.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as home:
        # Nothing of the session is on disk but in the store: each process begins with an empty folder.
        environment = {
            "HOME": home, "CLAUDE_CONFIG_DIR": home, "ANTHROPIC_API_KEY": "none",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{model.server_port}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1",
            "DISABLE_ERROR_REPORTING": "1", "NO_PROXY": "127.0.0.1", "ENABLE_TOOL_SEARCH": "false",
        }
        os.environ.update(environment)
        options = ClaudeAgentOptions(
            mcp_servers={"calc": create_sdk_mcp_server("calc", tools=[add])}, allowed_tools=["mcp__calc__add"],
            session_store=ThreadkeepSessionStore(threadkeep.Client()), resume=session_id or None,
            cwd="/", env=environment, setting_sources=[], max_turns=4,
        )
        async for message in query(prompt=f"What is 1 + 2? {number}", options=options):
            if isinstance(message, ResultMessage):
                print(json.dumps({"result": message.result, "session": message.session_id, "asked": asked}))

asyncio.run(asyncio.wait_for(turn(*sys.argv[1:]), 100))
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_a_session_goes_on_in_the_next_process(service, run):
    session_id, asked = "", []
    for number in range(1, 4):
        told = json.loads(run(PROGRAM, str(number), session_id))
        assert told["result"] == "It is 3."
        session_id = told["session"]
        asked.append(told["asked"][0])

    [thread] = service.threads.list(visible_in_ui=True)
    renamed = service.threads.update(thread.id, title="Sums")
    shown = [
        (each.role, each.text) for each in service.threads.messages.list(thread.id) if each.text or each.tool_calls
    ]
    print(
        "\n".join(
            str((each.role, each.text[:90], each.external_id, bool(each.tool_calls)))
            for each in service.threads.messages.list(thread.id)
        )
    )
    said_there = [each for each in shown if each[0] == "user" and each[1].startswith("What is 1 + 2?")]

    assert asked[0] < asked[1] < asked[2]
    assert renamed.title == "Sums"
    assert [text for _, text in said_there] == [f"What is 1 + 2? {number}" for number in range(1, 4)]
    assert [each for each in shown if each[0] in ("tool", "assistant")] == [
        ("assistant", ""),
        ("tool", "3"),
        ("assistant", "It is 3."),
    ] * 3
    assert '"format":"claude-agent-sdk/1"' in run("from threadkeep.__main__ import main; main()", "export")
    service.threads.delete(thread.id)
    [project] = {thread.metadata["project"]}
    assert await ThreadkeepSessionStore(service).list_sessions(project) == []


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("Claude Agent SDK")

    assert run(program) == printed
