"""`threadkeep threads`, and how all commands reach a server: options, environment, JSON, exit statuses."""

import asyncio
import json
import re

import pytest

from support.ports import free_port
from support.server import environment
from support.terminal import Terminal

pytestmark = pytest.mark.one_database("the command's side of the API")


@pytest.fixture
def run(server, zygote, tmp_path):
    """Run a command as somebody; return the finished command."""

    async def run_one(who, *arguments, **variables):
        return await asyncio.to_thread(
            zygote.run,
            *arguments,
            cwd=tmp_path,
            environment=environment(
                server.database.url, {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": who.key or "", **variables}
            ),
        )

    return run_one


@pytest.fixture
def objects(run):
    """Run a command with --json; return the objects that it prints."""

    async def run_one(who, *arguments, **variables):
        finished = await run(who, *arguments, "--json", **variables)
        assert (finished["returncode"], finished["stderr"]) == (0, ""), finished
        return [json.loads(line) for line in finished["stdout"].splitlines()]

    return run_one


# List


async def test_json_is_the_apis_own_objects_one_a_line(objects, fresh_owner):
    for n in range(3):
        await fresh_owner.create_thread(title=f"Ä {n} \u2028\u009b", metadata={"n": n})

    listed = await objects(fresh_owner, "threads", "list")

    assert listed == (await fresh_owner.list_threads()).data


async def test_a_list_goes_through_pages_as_far_as_it_is_asked_to(objects, fresh_owner):
    made = [(await fresh_owner.create_thread()).id for _ in range(130)]

    default, some, every = [
        await objects(fresh_owner, "threads", "list", "--order", "asc", *more)
        for more in ([], ["--limit", "120"], ["--all"])
    ]

    assert [each["id"] for each in default] == made[:20]
    assert [each["id"] for each in some] == made[:120]
    assert [each["id"] for each in every] == made


async def test_filters_and_order_are_those_of_the_api(objects, fresh_owner):
    assistant = await fresh_owner.create_assistant(name="Guide")
    one = await fresh_owner.create_thread(title="One", metadata={"kind": "x", "tags": ["a", "b"]})
    two = await fresh_owner.create_thread(title="Two", assistantId=assistant.id, metadata={"kind": "x"})
    three = await fresh_owner.with_token().create_thread(visibleInUi=False, userId="uid_lea")
    await fresh_owner.archive(two)
    await fresh_owner.update(one, title="One again")

    async def found(*options):
        return [each["id"] for each in await objects(fresh_owner, "threads", "list", *options)]

    assert await found() == [three.id, one.id]
    assert await found("--state", "all") == [three.id, two.id, one.id]
    assert await found("--state", "all", "--sort", "updatedAt", "--order", "asc") == [three.id, two.id, one.id]
    assert await found("--state", "archived", "--assistant", assistant.id) == [two.id]
    assert await found("--title", "one") == [one.id]
    assert await found("--metadata", "kind=x", "--metadata", "tags=a", "--metadata", "tags=b") == [one.id]
    assert await found("--user", "uid_lea") == await found("--hidden") == [three.id]


async def test_a_table_is_for_people(run, fresh_owner):
    thread = await fresh_owner.create_thread(title="Broken invoice", messages=[{"role": "user", "content": "hello"}])
    untitled = await fresh_owner.create_thread()

    finished = await run(fresh_owner, "threads", "list")

    [head, _, first, second] = [line.split() for line in finished["stdout"].splitlines() if line.strip()]
    assert head == ["id", "title", "state", "messages", "updated"]
    assert first[:5] == [untitled.id, "(no", "title)", "open", "0"]
    assert second[:5] == [thread.id, "Broken", "invoice", "open", "1"]


async def test_a_title_cannot_steer_the_terminal(run, fresh_owner, tmp_path):
    thread = await fresh_owner.create_thread(
        title="\x1b]0;owned\x07[red]a\u202eb\nc\x9b31m",
        messages=[{"role": "user", "content": "\x1b[2Jclear\r\n\u2066x"}],
    )

    listed = await run(fresh_owner, "threads", "list")
    shown = await run(fresh_owner, "threads", "show", thread.id)

    for text in (listed["stdout"], shown["stdout"]):
        assert "␛]0;owned␇[red]a\ufffdb c\ufffd31m" in text
        assert not set("\x1b\x07\u202e\x9b\u2066\r") & set(text)
    assert "␛[2Jclear" in shown["stdout"]


@pytest.mark.parametrize(
    "words", [["threads", "show"], ["threads", "lock"], ["threads", "export"], ["threads", "list", "--title"], ["chat"]]
)
async def test_what_a_server_refuses_with_cannot_steer_the_terminal(run, fresh_owner, words):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        shape = {"message": "\x1b]0;owned\x07", "type": "t", "code": "c\x9b", "param": None, "requestId": "r\u202e"}
        body = json.dumps({"error": shape}).encode()
        writer.write(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as liar:
        port = liar.sockets[0].getsockname()[1]
        refused = await run(fresh_owner, *words, "thread_a", THREADKEEP_URL=f"http://127.0.0.1:{port}")

    assert refused["returncode"] == 1
    assert "c\ufffd: ␛]0;owned␇ (request r\ufffd)" in refused["stderr"]


async def test_a_narrow_terminal_gets_two_lines_a_thread_and_whole_ids(server, fresh_owner, tmp_path):
    thread = await fresh_owner.create_thread(title="A title that is much longer than this terminal is wide")
    variables = environment("", {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": fresh_owner.key})

    terminal = Terminal("threads", "list", environment=variables, cwd=tmp_path, columns=40)
    try:
        shown = await terminal.shows("messages")
    finally:
        terminal.close()

    assert thread.id in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 40


async def test_an_empty_list_says_so(run, objects, fresh_owner):
    assert (await run(fresh_owner, "threads", "list"))["stdout"] == "No threads.\n"
    assert await objects(fresh_owner, "threads", "list") == []


# Show


async def test_a_line_is_shown_and_copied(run, objects, fresh_owner):
    thread = await fresh_owner.create_thread(title="Cats")
    question = await fresh_owner.post_message(thread, "A name for a cat?", externalId="q")
    first = await fresh_owner.post_message(thread, "Felix", role="assistant")
    await fresh_owner.post_message(thread, "Minka", role="assistant", parentId=question.id)

    [current] = await objects(fresh_owner, "threads", "show", thread.id, "--branch", "current")
    [other] = await objects(fresh_owner, "threads", "show", thread.id, "--branch", first.id)
    [copied] = await objects(fresh_owner, "threads", "copy", thread.id, "--message", first.id, "--title", "Felix")
    [same] = await objects(fresh_owner, "threads", "copy", thread.id)
    refused = await run(fresh_owner, "threads", "copy", thread.id, "--message", "msg_1")

    texts = [[each["content"][0]["text"] for each in shown["messages"]] for shown in (current, other)]
    assert texts == [["A name for a cat?", "Minka"], ["A name for a cat?", "Felix"]]
    assert (copied["title"], copied["copiedFrom"]["messageId"], same["title"]) == ("Felix", first.id, "Cats")
    assert refused["returncode"] == 1 and "msg_1" not in refused["stdout"]


async def test_show_has_the_thread_and_its_last_messages(run, objects, fresh_owner):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    image = [{"type": "text", "text": "see"}, {"type": "image", "url": "https://example.com/cat.png"}]
    said = [{"role": "user", "content": f"number {n}"} for n in range(25)]
    last = [{"role": "user", "content": image}, {"role": "assistant", "toolCalls": calls}]
    thread = await fresh_owner.create_thread(title="Long", metadata={"tags": ["a", 1]}, messages=said + last)

    people = (await run(fresh_owner, "threads", "show", thread.id, "--limit", "4"))["stdout"]
    [some] = await objects(fresh_owner, "threads", "show", thread.id)
    [every] = await objects(fresh_owner, "threads", "show", thread.id, "--all")
    [none] = await objects(fresh_owner, "threads", "show", thread.id, "--limit", "0")

    assert re.findall(r"number (\d+)", people) == ["23", "24"]
    for shown in ("Long", "metadata tags", '["a", 1]', "[image https://example.com/cat.png]", "[calls look({})]"):
        assert shown in people
    assert every == {**(await fresh_owner.get(thread)).body, "messages": every["messages"]}
    assert every["messages"] == (await fresh_owner.list_messages(thread, limit=100)).data
    assert some["messages"] == every["messages"][-20:]
    assert none["messages"] == []


# Change


async def test_threads_are_locked_and_archived_and_brought_back(objects, fresh_owner):
    threads = [(await fresh_owner.create_thread()).id for _ in range(2)]
    states = []

    for action in ("lock", "archive", "unarchive", "unlock"):
        changed = await objects(fresh_owner, "threads", action, *threads)
        states.append({each["state"] for each in changed})
        assert [each["id"] for each in changed] == threads

    assert states == [{"locked"}, {"archived"}, {"locked"}, {"open"}]


async def test_a_thread_is_renamed_or_gets_a_name(run, objects, fresh_owner):
    thread = await fresh_owner.create_thread(messages=[{"role": "user", "content": "How do I bake bread?"}])

    [named] = await objects(fresh_owner, "threads", "rename", thread.id, "My bread")
    [generated] = await objects(fresh_owner, "threads", "rename", thread.id, "--generate")
    neither = await run(fresh_owner, "threads", "rename", thread.id)
    both = await run(fresh_owner, "threads", "rename", thread.id, "x", "--generate")

    assert named["title"] == "My bread"
    assert generated["title"] not in (None, "My bread")
    assert (neither["returncode"], both["returncode"]) == (2, 2)


async def test_delete_asks_unless_it_is_told_not_to(run, objects, fresh_owner, server, tmp_path):
    thread, other = [await fresh_owner.create_thread() for _ in range(2)]
    variables = environment("", {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": fresh_owner.key})

    unanswered = await run(fresh_owner, "threads", "delete", thread.id)
    terminal = Terminal("threads", "delete", thread.id, environment=variables, cwd=tmp_path)
    try:
        await terminal.shows(f"Delete {thread.id} for good? [y/N]:")
        terminal.types("n\n")
        await terminal.shows("Nothing was deleted.")
        refused = await terminal.ends()
    finally:
        terminal.close()
    assert (unanswered["returncode"], refused) == (1, 1)
    assert (await fresh_owner.get(thread)).status == 200
    deleted = await objects(fresh_owner, "threads", "delete", thread.id, other.id, "--yes")

    assert deleted == [{"id": each.id, "object": "thread.deleted", "deleted": True} for each in (thread, other)]
    assert (await fresh_owner.get(thread)).status == 404


async def test_what_is_refused_for_one_thread_leaves_the_others_to_be_done(run, fresh_owner):
    one, archived, two = [await fresh_owner.create_thread() for _ in range(3)]
    await fresh_owner.archive(archived)

    finished = await run(fresh_owner, "threads", "lock", one.id, "thread_none", archived.id, two.id)

    assert finished["returncode"] == 1
    [missing, conflict] = finished["stderr"].splitlines()
    assert re.fullmatch(r"thread_none: thread_not_found: .+ \(request \w+\)", missing)
    assert re.fullmatch(rf"{archived.id}: thread_archived: .+ \(request \w+\)", conflict)
    assert [(await fresh_owner.get(each)).state for each in (one, two)] == ["locked", "locked"]


# Reaching a server


async def test_a_credential_comes_from_an_option_a_file_or_the_environment(run, fresh_owner, cleo, tmp_path):
    await fresh_owner.create_thread(title="Mine")
    (tmp_path / "key").write_text(f"{fresh_owner.key}\n")
    (tmp_path / "token").write_text(fresh_owner.token)
    nothing = {"THREADKEEP_API_KEY": ""}
    wrong = {"THREADKEEP_API_KEY": "tk_wrong", "THREADKEEP_TOKEN": "wrong"}

    for options, variables in (
        ([], {}),
        ([], {**nothing, "THREADKEEP_TOKEN": fresh_owner.token}),
        (["--api-key", fresh_owner.key], wrong),
        (["--api-key", fresh_owner.token], wrong),
        (["--api-key-file", "key"], wrong),
        (["--api-key-file", "token"], wrong),
        (["--token", fresh_owner.token], wrong),
        (["--organization", fresh_owner.organization], {}),
        ([], {"THREADKEEP_ORGANIZATION": fresh_owner.organization}),
    ):
        finished = await run(fresh_owner, "threads", "list", *options, **variables)
        assert (finished["returncode"], "Mine" in finished["stdout"]) == (0, True), (options, finished)


@pytest.mark.parametrize(
    ("options", "variables", "status", "reason"),
    [
        ([], {"THREADKEEP_API_KEY": ""}, 1, "Who is calling? Set THREADKEEP_API_KEY"),
        (["--api-key", "tk_wrong"], {}, 1, "invalid_credentials: "),
        (["--api-key", "tk_é"], {}, 1, "plain letters"),
        (["--api-key", "tk_a", "--token", "b"], {}, 2, "give one of --api-key"),
        (["--api-key-file", "none"], {}, 2, "does not exist"),
        (["--api-key-file", "empty"], {}, 1, "empty is empty"),
        # As of a shell variable that is not set: another credential must not take its place.
        (["--api-key", ""], {}, 1, "The credential is empty"),
        (["--token", " "], {}, 1, "The credential is empty"),
        (["--organization", "ORG_OTHER"], {}, 1, "organization_access_denied: "),
        (["--url", "nonsense"], {}, 1, "--url is an address"),
        (["--url", f"http://127.0.0.1:{free_port()}"], {}, 1, "Connection refused"),
        (["--metadata", "nonsense"], {}, 2, "KEY=VALUE"),
        (["--state", "closed"], {}, 2, "closed"),
        (["--limit", "0"], {}, 2, "--limit"),
        (["--created-after", "yesterday"], {}, 2, "a time is written as"),
    ],
)
async def test_what_cannot_be_ends_with_its_status_and_one_sentence(
    run, fresh_owner, tmp_path, options, variables, status, reason
):
    (tmp_path / "empty").touch()

    finished = await run(fresh_owner, "threads", "list", *options, **variables)

    assert (finished["returncode"], finished["stdout"]) == (status, "")
    assert reason in re.sub(r"[\s│]+", " ", finished["stderr"])
    assert status == 2 or len(finished["stderr"].splitlines()) == 1
    assert fresh_owner.key not in finished["stderr"]


@pytest.mark.parametrize("words", ["show nonsense", "lock thread_a ../x", "export x", "delete --yes"])
async def test_what_is_no_id_is_refused_before_anything_is_done(run, fresh_owner, words):
    finished = await run(fresh_owner, "threads", *words.split())

    assert (finished["returncode"], finished["stdout"]) == (2, "")
    assert "Usage: " in finished["stderr"]


async def test_a_progress_bar_is_for_terminals(run, fresh_owner, server, tmp_path):
    for _ in range(3):
        await fresh_owner.create_thread()
    variables = environment("", {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": fresh_owner.key})

    silent = await run(fresh_owner, "export", "--out", "silent.jsonl")
    terminal = Terminal("export", "--out", "shown.jsonl", environment=variables, cwd=tmp_path)
    try:
        shown = await terminal.shows("threads exported: 3")
        status = await terminal.ends()
    finally:
        terminal.close()

    assert (silent["returncode"], silent["stderr"]) == (0, "threads exported: 3\nmessages: 0\n")
    assert (status, "3 threads, 0 messages" in shown) == (0, True)


async def test_an_export_that_is_shown_cannot_steer_the_terminal_and_says_the_same(fresh_owner, server, tmp_path):
    title = "a\u202eb\x9b31m\u2066\x7f é雨"
    await fresh_owner.create_thread(title=title)
    variables = environment(
        "sqlite:///unused.db", {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": fresh_owner.key}
    )
    terminal = Terminal("export", environment=variables, cwd=tmp_path, columns=4000)
    try:
        shown = await terminal.shows("threadCount")
    finally:
        terminal.close()

    assert not set("\u202e\x9b\u2066\x7f") & set(terminal.raw)
    assert "é雨" in shown
    assert next(json.loads(line)["title"] for line in shown.split("\n") if '"title"' in line) == title
