"""What `threadkeep import` makes of other programs' exports: titles, times, branches, models, calls, attachments."""

import asyncio
import copy
import json
import random

import pytest

from support import foreign_files as files
from support.server import environment
from threadkeep.commands.import_records import BadLine, conversation_of

ON_ONE = pytest.mark.one_database("what a file holds is read before anything is sent")


@pytest.fixture
def run(server, zygote, tmp_path):
    """Run a command as somebody, in a folder of its own; return the finished command."""

    async def run_one(who, *arguments):
        variables = {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": who.key}
        return await asyncio.to_thread(
            zygote.run, *arguments, cwd=tmp_path, environment=environment(server.database.url, variables)
        )

    return run_one


@pytest.fixture
def imported(run, tmp_path):
    """Import a value, or bytes, as somebody; return the finished command."""

    async def import_value(who, value, *options):
        file = tmp_path / "file"
        file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        finished = await run(who, "import", str(file), *options)
        assert (finished["returncode"], finished["stderr"]) == (0, ""), finished
        return finished["stdout"]

    return import_value


async def shown(who, thread_id, **params):
    """Return a thread's messages: role, text, what it follows, time, and what else it has."""
    listed = await who.walk(f"/v1/threads/{thread_id}/messages", limit=100, **params)
    names = {each["id"]: each["externalId"] for each in listed}
    return [
        (
            each["externalId"],
            each["role"],
            "".join(part["text"] for part in each["content"]),
            names.get(each["parentId"]),
            each["metadata"].get("model"),
        )
        for each in listed
    ]


async def line(who, thread_id):
    return [each[0] for each in await shown(who, thread_id, branch="current")]


# Each kind


async def test_a_conversation_of_chatgpt_keeps_its_branches_and_shows_the_one_that_was_shown(imported, fresh_owner):
    said = await imported(fresh_owner, files.CHATGPT)

    thread = await fresh_owner.get("thread_6a1c-rain")
    assert (thread.title, thread.createdAt, thread.state) == ("Rain in Oslo", 1700000000, "archived")
    assert thread.metadata == {"source": "chatgpt", "model": "gpt-4o"}
    assert await shown(fresh_owner, thread.id) == [
        ("ask", "user", "[attachment: rain.png]\n\nWhat is this?\n\n[attachment: notes.pdf]", None, None),
        ("answer-1", "assistant", "Rain.", "ask", "gpt-4o"),
        ("edited", "user", "How many drops?", None, None),
        ("code", "assistant", "```python\nprint(1)\n```", "edited", "gpt-4o"),
        ("call", "assistant", "", "edited", "o3"),
        ("result", "tool", "4", "call", None),
        ("answer-2", "assistant", "Four.", "result", "o3"),
    ]
    assert await line(fresh_owner, thread.id) == ["edited", "call", "result", "answer-2"]
    listed = (await fresh_owner.list_messages(thread.id)).data
    assert listed[0]["createdAt"] == 1700000001
    assert json.loads(listed[4]["toolCalls"][0]["function"]["arguments"]) == {"input": "print(2 + 2)"}
    assert listed[5]["toolCallId"] == listed[4]["toolCalls"][0]["id"]
    assert "attachments named in a line of text, because their files are not in the export: 2\n" in said
    assert "messages that were hidden left out: 2\n" in said
    assert "passages of reasoning left out: 1\n" in said


@ON_ONE
async def test_a_conversation_of_claude_is_cut_where_a_tool_was_called(imported, fresh_owner):
    said = await imported(fresh_owner, files.CLAUDE)

    thread = await fresh_owner.get("thread_c1a0-dinner")
    assert (thread.title, thread.createdAt, thread.metadata) == ("Dinner", 1714557600, {"source": "claude"})
    asked = "What is in these?\n\neggs, milk\n\n[attachment: list.csv]\n\n[attachment: fridge.jpg]"
    assert await shown(fresh_owner, thread.id) == [
        ("m-1", "user", asked, None, None),
        ("m-2", "assistant", "I look.", "m-1", None),
        ("m-2/2", "tool", "eggs", "m-2", None),
        ("m-2/3", "assistant", "Eggs.", "m-2/2", None),
        ("m-3", "user", "Thanks", "m-2/3", None),
        ("m-4", "user", "And now?", "m-2/3", None),
    ]
    listed = (await fresh_owner.list_messages(thread.id)).data
    call = {"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": '{"at":"fridge"}'}}
    assert (listed[1]["toolCalls"], listed[2]["toolCallId"]) == ([call], "toolu_1")
    # Of an older export.
    assert await line(fresh_owner, "thread_c1a0-old") == ["o-1", "o-2"]
    assert (await fresh_owner.get("thread_c1a0-old")).title is None
    assert "not in the export: 2\n" in said


@ON_ONE
@pytest.mark.parametrize("layout", ["one object", "pretty", "a list"])
async def test_conversations_of_librechat_come_flat_and_as_trees(imported, fresh_owner, layout):
    for record in (files.LIBRECHAT, files.LIBRECHAT_RECURSIVE):
        value = [record] if layout == "a list" else record
        await imported(fresh_owner, json.dumps(value, indent=2 if layout == "pretty" else None).encode())

    assert await shown(fresh_owner, "thread_11bb-tree") == [
        ("l-1", "user", "Name a ship\n\n[attachment: ship.png]", None, None),
        ("l-2", "assistant", "Fram", "l-1", "gpt-4.1"),
        ("l-3", "assistant", "", "l-1", "gpt-4.1"),
        ("l-3/2", "tool", "Maud", "l-3", None),
        ("l-3/3", "assistant", "Maud", "l-3/2", "gpt-4.1"),
    ]
    listed = (await fresh_owner.list_messages("thread_11bb-tree")).data
    assert [each["status"] for each in listed[1:3]] == ["completed", "incomplete"]
    assert await shown(fresh_owner, "thread_11bb-deep") == [
        ("d-1", "user", "One", None, None),
        ("d-3", "assistant", "Three", "d-1", "gpt-4.1"),
        ("d-2", "assistant", "Two", "d-1", "gpt-4.1"),
    ]
    assert (await fresh_owner.get("thread_11bb-tree")).createdAt == 1717200000


@ON_ONE
async def test_a_chat_of_open_webui_shows_the_answer_that_was_chosen(imported, fresh_owner):
    said = await imported(fresh_owner, files.OPEN_WEBUI)

    thread = await fresh_owner.get("thread_0e0e-chat")
    assert (thread.title, thread.createdAt) == ("Birds", 1710000000)
    assert thread.metadata == {"source": "open-webui", "model": "llama3:8b"}
    assert await shown(fresh_owner, thread.id) == [
        ("w-1", "user", "A bird?\n\n[attachment: image]\n\n[attachment: birds.txt]", None, None),
        ("w-3", "assistant", "Ro", "w-1", "mistral"),
        ("w-2", "assistant", "Wren.", "w-1", "llama3:8b"),
    ]
    assert await line(fresh_owner, thread.id) == ["w-1", "w-2"]
    assert "not in the export: 2\n" in said


@ON_ONE
async def test_dumps_of_openais_threads_and_conversations_keep_their_ids_and_times(imported, fresh_owner):
    await imported(fresh_owner, files.OPENAI)

    thread = await fresh_owner.get("thread_dump1")
    assert (thread.createdAt, thread.metadata) == (1700000000, {"customer": "4711"})
    assert await shown(fresh_owner, thread.id) == [
        ("msg_1", "user", "Hello\n\n[attachment: file-8]\n\n[attachment: file-9]", None, None),
        ("msg_2", "assistant", "Hi.", "msg_1", None),
    ]
    [_, answer] = (await fresh_owner.list_messages(thread.id)).data
    assert (answer["createdAt"], answer["assistantId"]) == (1700000002, "asst_x")
    assert await shown(fresh_owner, "thread_dump2") == [
        ("msg_a", "user", "Weather?", None, None),
        ("fc_a", "assistant", "", "msg_a", None),
        ("fco_a", "tool", "rain", "fc_a", None),
        ("msg_b", "assistant", "Rain.", "fco_a", None),
    ]


@ON_ONE
async def test_the_form_of_sharegpt_becomes_threads_with_its_calls(imported, fresh_owner):
    await imported(fresh_owner, "\n".join(json.dumps(each) for each in files.SHAREGPT).encode())

    listed = (await fresh_owner.list_messages("thread_abc_0")).data
    assert [each["role"] for each in listed] == ["system", "user", "assistant", "tool", "assistant"]
    assert listed[2]["toolCalls"][0]["function"] == {"name": "add", "arguments": '{"a":1}'}
    assert listed[3]["toolCallId"] == listed[2]["toolCalls"][0]["id"]
    threads = await fresh_owner.walk("/v1/threads", limit=100)
    [other] = [each["id"] for each in threads if each["id"] != "thread_abc_0"]
    assert [each[2] for each in await shown(fresh_owner, other)] == ["Hm.", "No id", "None needed."]


# Again, and what has grown

EVERYTHING = [
    *files.CHATGPT, *files.CLAUDE, files.LIBRECHAT, files.LIBRECHAT_RECURSIVE, *files.OPEN_WEBUI, *files.OPENAI,
    *files.SHAREGPT,
]  # fmt: skip


async def test_an_import_of_all_kinds_that_is_run_again_sends_nothing(imported, fresh_owner):
    first = await imported(fresh_owner, EVERYTHING)
    again = await imported(fresh_owner, EVERYTHING)

    assert f"threads created: {len(EVERYTHING)}, " in first
    assert f"already there: {len(EVERYTHING)}, " in again
    assert "messages sent: 0\n" in again


async def test_what_was_added_anywhere_in_a_tree_is_added_by_a_later_export(imported, fresh_owner):
    grown = copy.deepcopy(files.OPEN_WEBUI)
    messages = grown[0]["chat"]["history"]["messages"]
    messages["w-4"] = {"id": "w-4", "parentId": "w-3", "role": "user", "content": "Go on", "timestamp": 1710000004}
    messages["w-5"] = {"id": "w-5", "parentId": "w-2", "role": "user", "content": "More", "timestamp": 1710000005}
    grown[0]["chat"]["history"]["currentId"] = "w-5"
    await imported(fresh_owner, files.OPEN_WEBUI)

    said = await imported(fresh_owner, grown)

    assert "messages sent: 2\n" in said
    listed = await shown(fresh_owner, "thread_0e0e-chat")
    assert [each[0] for each in listed] == ["w-1", "w-3", "w-2", "w-4", "w-5"]
    assert {each[0]: each[3] for each in listed[3:]} == {"w-4": "w-3", "w-5": "w-2"}
    assert await line(fresh_owner, "thread_0e0e-chat") == ["w-1", "w-2", "w-5"]


async def test_an_export_of_what_was_imported_is_imported_elsewhere_as_the_same(imported, run, fresh_owner, people):
    other = await people.owner()
    await imported(fresh_owner, EVERYTHING)

    exported = (await run(fresh_owner, "export"))["stdout"]
    await imported(other, exported.encode())

    here, there = [by_id(each) for each in (exported, (await run(other, "export"))["stdout"])]
    assert len(here) == len(EVERYTHING)
    assert there == here


def by_id(exported):
    """Return the threads of an export by their ids, without what an import gives anew."""
    anew = {"id", "seq", "updatedAt", "responseId", "userId", "threadId", "organizationId", "parentId"}
    found = {}
    for thread in map(json.loads, exported.splitlines()[1:-1]):
        names = {each["id"]: each["externalId"] for each in thread["messages"]}
        messages = [
            {name: value for name, value in each.items() if name not in anew} | {"parent": names.get(each["parentId"])}
            for each in thread["messages"]
        ]
        found[thread["id"]] = {name: value for name, value in thread.items() if name not in anew} | {
            "messages": messages
        }
    return found


# Any tree


def random_tree(seed):
    """Return a conversation of ChatGPT with a random tree, and which message follows which."""
    chance = random.Random(seed)
    count = chance.randint(1, 260 if seed == 0 else 30)
    parents = {"n0": "root"} | {f"n{n}": f"n{max(0, n - chance.choice([1, 1, 1, 2, n]))}" for n in range(1, count)}
    hidden = {name for name in parents if chance.random() < 0.15}
    leaves = sorted(set(parents) - set(parents.values()) - hidden) or [None]
    nodes = [files.node("root", None)]
    for n, (name, parent) in enumerate(parents.items()):
        about = {"is_visually_hidden_from_conversation": True} if name in hidden else {}
        role = chance.choice(["user", "assistant"])
        nodes.append(files.node(name, parent, files.said(name, role, [f"text {name}"], 1700000000 + n, **about)))
    chance.shuffle(nodes)
    record = {
        "id": f"tree-{seed}",
        "title": f"{seed}",
        "create_time": 1700000000,
        "current_node": chance.choice(leaves),
    }
    record["mapping"] = {each["id"]: each for each in nodes}

    def kept(name):
        while name in hidden:
            name = parents[name]
        return None if name == "root" else name

    return record, {name: kept(parents[name]) for name in parents if name not in hidden}


async def test_any_tree_of_chatgpt_is_the_same_tree_here(imported, fresh_owner):
    made = [random_tree(seed) for seed in range(25)]

    await imported(fresh_owner, [record for record, _ in made])

    for record, parents in made:
        thread_id = f"thread_{record['id']}"
        assert {each[0]: each[3] for each in await shown(fresh_owner, thread_id)} == parents
        if record["current_node"]:
            wanted, at = [], record["current_node"]
            while at:
                wanted.append(at)
                at = parents[at]
            assert await line(fresh_owner, thread_id) == wanted[::-1]


# What is odd


def conversation(nodes, **fields):
    record = {"id": "odd", "mapping": {each["id"]: each for each in nodes}, **fields}
    return conversation_of(json.dumps(record).encode())


def messages(made):
    return [json.loads(bytes(each)) for each in made.messages]


def left_out(made):
    return {what: count for what, count in made.notes.left_out.items() if count}


@ON_ONE
def test_messages_in_a_circle_are_left_out_and_those_without_their_parent_begin_the_thread():
    made = conversation(
        [
            files.node("a", "b", files.said("a", "user", ["a"], 1)),
            files.node("b", "a", files.said("b", "user", ["b"], 2)),
            files.node("c", "gone", files.said("c", "user", ["c"], 3)),
        ]
    )

    assert [each["content"] for each in messages(made)] == ["c"]
    assert left_out(made) == {"messages that follow each other in a circle": 2}


@ON_ONE
def test_what_no_message_may_have_is_mended_or_left_out_and_counted():
    long = "x" * (256 * 1024 + 1)
    made = conversation(
        [
            files.node("a", None, files.said("a", "user", ["nul \0 here"], 4_000_000_000)),
            files.node("b", "a", files.said("b", "assistant", [long], float(2**53))),
            files.node("c", "b", files.said("c", "critic of art", ["c"], 1)),
            files.node("d", "c", files.said("d", "assistant", [""], 1)),
            files.node("e" * 300, "d", files.said("e", "assistant", ["e", {"content_type": "new"}], 1)),
        ],
        title="t" * 201,
        create_time=None,
    )

    said = messages(made)
    assert [each["content"] for each in said] == ["nul \N{REPLACEMENT CHARACTER} here", long[:-1], "e"]
    assert [each.get("createdAt") for each in said] == [None, None, 1]
    assert len(said[2]["externalId"]) == 32
    assert (len(made.fields["title"]), made.fields["createdAt"]) == (200, 1)
    assert left_out(made) == {
        "ends of texts and calls that are longer than a message may be": 1,
        "messages of a role that is not known here": 1,
        "messages without a text": 1,
        "passages of kinds that are not known here": 1,
    }


@ON_ONE
def test_a_line_of_somebodys_own_may_have_a_field_that_another_program_has():
    made = conversation_of(b'{"id": 1, "turns": ["a"], "mapping": {"a": {}}, "chat": "b"}')

    assert (made.thread_id, made.fields["metadata"], made.left_out_count) == ("thread_1", {"chat": "b"}, 1)


@ON_ONE
def test_a_conversation_of_a_known_program_in_another_form_says_so():
    with pytest.raises(BadLine, match="it looks like Claude's and is not as that has it"):
        conversation_of(b'{"uuid": "a", "chat_messages": {"a": 1}}')


@ON_ONE
def test_a_tree_that_is_too_deep_says_what_to_do():
    text = json.dumps({"conversationId": "deep", "messagesTree": []})

    with pytest.raises(BadLine, match="as a list"):
        conversation_of(text.replace("[]", "[" + nested(2000) + "]").encode())


def nested(depth):
    """Return messages within messages; the library's own encoder stops at such a depth."""
    start = '{"messageId": "m", "isCreatedByUser": true, "text": "a", "children": ['
    return start * depth + "]}" * depth
