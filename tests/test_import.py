"""`threadkeep import`: every line becomes a thread once, whatever happens on the way."""

import asyncio
import gzip
import json
import re
import signal
import subprocess
import sys
import tracemalloc

import pytest

from conftest import connect
from support.cast import Caller
from support.people import People
from support.ports import free_port
from support.server import environment
from support.stored import stored_in
from support.waiting import eventually
from threadkeep.commands.import_reading import Records
from threadkeep.commands.import_records import conversation_of, encode, without_marks
from threadkeep.commands.import_sending import chunks

ENDED_S = 60
# So many threads that an import of them is met in the middle, however late the look.
LONG = 200


OF_THE_COMMAND = pytest.mark.one_database("what the command does with files and words, whatever database answers")


@pytest.fixture
def importing(server, zygote, ada, tmp_path):
    """Import lines (dictionaries, or text as it stands) as ada; return the finished command."""

    async def run(lines, *options, url=server.url, key=ada.key):
        return await asyncio.to_thread(
            zygote.run,
            "import",
            str(lines if hasattr(lines, "open") else write(tmp_path / "file.jsonl", lines)),
            "--url",
            url,
            *options,
            cwd=tmp_path,
            environment=environment(server.database.url, {"THREADKEEP_API_KEY": key}),
        )

    return run


def write(path, lines):
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def messages(count, start=0):
    return [{"role": ("user", "assistant")[n % 2], "content": f"message {n}"} for n in range(start, start + count)]


def counts(finished):
    """Return the numbers of the summary by their names."""
    return {name.strip(): int(number) for name, number in re.findall(r"([a-z ]+): (\d+)", finished["stdout"])}


async def texts(who, thread_id):
    listed = await who.walk(f"/v1/threads/{thread_id}/messages", limit=100)
    return [message["content"][0]["text"] for message in listed]


# What a line becomes


async def test_a_line_becomes_a_thread_with_its_messages_title_and_metadata(importing, ada):
    finished = await importing(
        [
            {
                "id": "whole-1",
                "title": "Whole",
                "category": "writing",
                "score": 0.5,
                "services": ["a", "b"],
                "nothing": None,
                "metadata": {"source": "test"},
                "messages": [{"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}],
            },
            {"question_id": 81, "turns": ["first", "second"]},
        ]
    )

    assert (finished["returncode"], finished["stderr"]) == (0, "")
    thread = await ada.get("thread_whole-1")
    assert (thread.title, thread.messageCount) == ("Whole", 2)
    assert thread.metadata == {"source": "test", "category": "writing", "score": 0.5, "services": ["a", "b"]}
    assert await texts(ada, "thread_whole-1") == ["question", "answer"]
    listed = await ada.list_messages("thread_81")
    assert [(each["role"], each["content"][0]["text"]) for each in listed.data] == [
        ("user", "first"),
        ("user", "second"),
    ]


@OF_THE_COMMAND
@pytest.mark.parametrize("style", ["ours", "openai"])
async def test_tool_calls_are_taken_in_our_spelling_and_in_openais(importing, ada, style):
    calls = [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]
    names = ("toolCalls", "toolCallId") if style == "ours" else ("tool_calls", "tool_call_id")
    lines = [
        {
            "id": f"tools-{style}",
            "messages": [
                {"role": "user", "content": "weather?", "metadata": {"lang": "en"}},
                {"role": "assistant", "content": None, names[0]: calls},
                {"role": "tool", "content": "sunny", names[1]: "call_1", "name": "weather"},
            ],
        }
    ]

    finished = await importing(lines)

    assert finished["returncode"] == 0, finished
    listed = (await ada.list_messages(f"thread_tools-{style}")).data
    assert listed[0]["metadata"] == {"lang": "en"}
    assert (listed[1]["toolCalls"], listed[1]["content"]) == (calls, [])
    assert listed[2]["toolCallId"] == "call_1"
    assert counts(finished)["because neither metadata nor messages hold them"] == 1


@OF_THE_COMMAND
async def test_fields_that_metadata_cannot_hold_are_left_out_and_counted(importing, ada):
    line = {"id": "left-out", "turns": ["hello"], "metadata": {"same": 1}}
    line |= {"same": 2, "nested": {"a": 1}, "long": "x" * 513, "k" * 65: 1, "big": 2**53 + 1, "nul": "a\0b"}
    line |= {f"fits{n}": n for n in range(16)}

    finished = await importing([line])

    assert finished["returncode"] == 0, finished
    assert (await ada.get("thread_left-out")).metadata == {"same": 1} | {f"fits{n}": n for n in range(15)}
    assert counts(finished)["because neither metadata nor messages hold them"] == 7


@OF_THE_COMMAND
async def test_a_compressed_file_is_known_by_its_content(importing, ada, tmp_path):
    file = tmp_path / "file.jsonl"
    file.write_bytes(gzip.compress(b'{"id": "packed", "turns": ["hello"]}\n'))

    finished = await importing(file)

    assert finished["returncode"] == 0, finished
    assert await texts(ada, "thread_packed") == ["hello"]


@OF_THE_COMMAND
async def test_threads_belong_to_the_user_and_organization_that_are_named(importing, ada):
    finished = await importing(
        [{"id": "for-user", "turns": ["mine"]}], "--user", "uid_import", "--organization", "ORG_ACME"
    )

    assert finished["returncode"] == 0, finished
    thread = await ada.as_user("uid_import").get("thread_for-user")
    assert (thread.userId, thread.organizationId) == ("uid_import", "ORG_ACME")


# To a program whose contract has one field more that is settable, and one more that is not.
WIDER = """
import json, msgspec
from threadkeep.contract import messages, threads

def widen(module, name, *fields):
    kind = getattr(module, name)
    added = [(field, str | None, None) for field in fields]
    setattr(module, name, msgspec.defstruct(name, added, bases=(kind,), rename="camel", kw_only=True))

widen(threads, "Thread", "main_language", "heat")
widen(threads, "ThreadCreate", "main_language")
widen(messages, "Message", "main_language", "heat")
widen(messages, "MessageCreate", "main_language")

from threadkeep.commands.import_records import conversation_of, sendable

line = {"mainLanguage": "de", "heat": "high", "other": "x"}
message = {"role": "user", "content": "a"} | line
exported = conversation_of(json.dumps({"id": "thread_a", "object": "thread", **line, "messages": [message]}).encode())
plain = conversation_of(json.dumps({"id": "a", **line, "turns": ["a"]}).encode())
sent = json.loads(msgspec.json.encode(sendable(exported.messages[0])))
print(json.dumps([exported.fields, sent, exported.left_out_count, plain.fields]))
"""


def test_a_field_that_the_contract_gains_is_imported_as_that_field_without_a_word_here():
    said = subprocess.run([sys.executable, "-c", WIDER], capture_output=True, text=True, timeout=ENDED_S, check=True)

    exported, sent, left_out_count, plain = json.loads(said.stdout)
    assert exported == {"id": "thread_a", "mainLanguage": "de", "metadata": {"other": "x"}}
    assert sent == {"role": "user", "content": "a", "mainLanguage": "de"}
    assert left_out_count == 1
    assert plain == {"id": "thread_a", "metadata": {"mainLanguage": "de", "heat": "high", "other": "x"}}


# Again, and more


async def test_running_again_sends_nothing(importing, ada):
    lines = [{"id": f"again-{n}", "messages": messages(n)} for n in (0, 1, 100, 130)]

    first = await importing(lines)
    second = await importing(lines)

    assert (counts(first)["threads created"], counts(first)["messages sent"]) == (4, 231)
    assert (counts(second)["already there"], counts(second)["messages sent"]) == (4, 0)
    assert second["returncode"] == 0
    assert (await ada.get("thread_again-130")).messageCount == 130


async def test_what_is_there_is_continued(importing, ada):
    await importing([{"id": "continued", "messages": messages(30)}])

    finished = await importing([{"id": "continued", "messages": messages(345)}])

    assert (counts(finished)["continued"], counts(finished)["messages sent"]) == (1, 315)
    assert await texts(ada, "thread_continued") == [f"message {n}" for n in range(345)]


async def test_a_thread_with_more_messages_than_the_file_is_reported_and_left_alone(importing, ada):
    await importing([{"id": "longer", "messages": messages(5)}])

    finished = await importing([{"id": "longer", "messages": messages(3)}])

    assert finished["returncode"] == 0
    assert "line 1: thread_longer has 2 messages more" in finished["stderr"]
    assert counts(finished)["with more messages than the file"] == 1
    assert (await ada.get("thread_longer")).messageCount == 5


async def test_lines_with_one_id_double_nothing(importing, ada):
    lines = [{"id": "doubled", "messages": messages(130)}] * 10 + [{"id": "doubled", "messages": messages(250)}]

    finished = await importing(lines)

    assert (finished["returncode"], counts(finished)["messages sent"]) == (0, 250)
    assert await texts(ada, "thread_doubled") == [f"message {n}" for n in range(250)]


async def test_two_imports_of_one_file_at_once_double_nothing(importing, ada, tmp_path):
    file = write(tmp_path / "both.jsonl", [{"id": f"both-{n}", "messages": messages(130)} for n in range(8)])

    finished = await asyncio.gather(
        *(asyncio.to_thread(run_alone, importing, file, ada, "--concurrency", "8") for _ in range(2))
    )

    assert [each.returncode for each in finished] == [0, 0], finished
    for n in range(8):
        assert await texts(ada, f"thread_both-{n}") == [f"message {n}" for n in range(130)]


def run_alone(importing, file, who, *options):
    """Import in a process that was not forked, so that several can run at once."""
    return subprocess.run(
        command(file, who, *options), env=variables(who), capture_output=True, text=True, timeout=ENDED_S
    )


@pytest.fixture
def start():
    """Start imports and leave them running; none outlives its test."""
    started = []

    def start_one(file, who, *options):
        started.append(
            subprocess.Popen(
                command(file, who, *options),
                env=variables(who),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start_one
    for process in started:
        with process:
            process.kill()


def command(file, who, *options):
    url = str(who.client.base_url)
    return [sys.executable, "-m", "threadkeep", "import", str(file), "--url", url, *options]


def variables(who):
    return environment("sqlite:///unused.db", {"THREADKEEP_API_KEY": who.key})


@OF_THE_COMMAND
async def test_no_proxy_of_the_environment_is_told_the_key(ada, tmp_path):
    file = write(tmp_path / "file.jsonl", [{"id": "direct", "messages": messages(1)}])

    finished = await asyncio.to_thread(
        subprocess.run,
        command(file, ada),
        env={**variables(ada), "http_proxy": f"http://127.0.0.1:{free_port()}", "no_proxy": ""},
        capture_output=True,
        text=True,
        timeout=ENDED_S,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, "")


async def test_a_deleted_thread_comes_back_whole(importing, ada):
    lines = [{"id": "deleted", "messages": messages(130)}]
    for _ in range(2):
        await importing(lines)
        await ada.delete("thread_deleted")

    finished = await importing(lines)

    assert (finished["returncode"], counts(finished)["threads created"]) == (0, 1)
    assert await texts(ada, "thread_deleted") == [f"message {n}" for n in range(130)]


async def test_a_deleted_thread_comes_back_with_other_messages(importing, ada):
    await importing([{"id": "other", "messages": messages(230)}])
    await ada.delete("thread_other")

    finished = await importing([{"id": "other", "messages": messages(230, start=1)}])

    assert (finished["returncode"], counts(finished)["messages sent"]) == (0, 230)
    assert await texts(ada, "thread_other") == [f"message {n}" for n in range(1, 231)]


async def test_two_imports_at_once_of_files_that_differ_double_nothing(importing, ada, tmp_path):
    files = [
        write(tmp_path / f"{start}.jsonl", [{"id": f"differ-{n}", "messages": messages(330, start)} for n in range(4)])
        for start in (0, 1000)
    ]

    finished = await asyncio.gather(*(asyncio.to_thread(run_alone, importing, file, ada) for file in files))

    assert [each.returncode for each in finished] == [0, 0], finished
    for n in range(4):
        numbers = [int(text.split()[1]) % 1000 for text in await texts(ada, f"thread_differ-{n}")]
        assert numbers == list(range(330))


@OF_THE_COMMAND
async def test_long_messages_are_cut_into_bodies_that_the_server_takes(importing, ada):
    lines = [{"id": "heavy", "messages": [{"role": "user", "content": "é" * 250_000} for _ in range(12)]}]

    finished = await importing(lines)

    assert finished["returncode"] == 0, finished
    assert (await ada.get("thread_heavy")).messageCount == 12


def test_of_a_long_line_one_copy_is_held(tmp_path):
    text = "x" * 1000
    thread = {"id": "thread_long", "object": "thread", "messages": [{"role": "user", "content": text}] * 20_000}
    size_bytes = write(tmp_path / "long.jsonl", [thread]).stat().st_size

    tracemalloc.start()
    lines = Records(tmp_path / "long.jsonl", 64)
    [conversation] = [conversation_of(line) for _, line in without_marks(lines)]
    sent_bytes = sum(len(encode(each)) for _, chunk in chunks(conversation, 0, frozenset()) for each in chunk)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    lines.close()

    assert sent_bytes > 20_000 * len(text)
    assert peak_bytes < 1.5 * size_bytes


# What is wrong

BAD_LINES = {
    "not json\n": "it is not JSON",
    "[1]\n": "it is not a JSON object",
    '{"turns": ["a"]}\n': "neither id nor question_id",
    '{"id": true, "turns": ["a"]}\n': "neither text nor a whole number",
    '{"id": "a b", "turns": ["a"]}\n': "its id has other characters",
    '{"id": "bad-1"}\n': "neither messages nor turns",
    '{"id": "bad-2", "turns": [1]}\n': "not a list of texts",
    '{"id": "bad-3", "messages": ["a"]}\n': "not a list of objects",
    '{"id": "bad-4", "turns": ["a"], "metadata": []}\n': "its metadata is not an object",
    '{"id": "bad-5", "turns": ["a", " "]}\n': "400 invalid_field, messages[1].content",
    '{"id": "bad-6", "messages": [{"role": "boss", "content": "a"}]}\n': "400 invalid_field",
    json.dumps({"id": "bad-7", "turns": ["a"], "title": "x" * 201}) + "\n": "400 invalid_field, title",
    '{"id": "bad-8", "turns": ["a\\u0000"]}\n': "400 invalid_string",
    json.dumps({"id": "bad-9", "turns": ["a"], "metadata": {"k": "x" * 513}}) + "\n": "400 metadata_value_too_long",
}


@OF_THE_COMMAND
async def test_bad_lines_are_reported_with_their_number_and_the_rest_goes_on(importing, ada):
    good = [{"id": f"good-{n}", "turns": ["hello"]} for n in range(3)]

    finished = await importing([good[0], "\n", *BAD_LINES, *good[1:]])

    assert finished["returncode"] == 1
    said = dict(re.findall(r"^line (\d+): (.*)$", finished["stderr"], re.M))
    assert list(map(int, sorted(said, key=int))) == list(range(3, 3 + len(BAD_LINES)))
    for number, reason in enumerate(BAD_LINES.values(), 3):
        assert reason in said[str(number)]
    assert (counts(finished)["threads created"], counts(finished)["lines failed"]) == (3, len(BAD_LINES))
    assert (await ada.get("thread_bad-5")).status == 404


@OF_THE_COMMAND
async def test_a_file_that_was_cut_off_is_imported_as_far_as_it_goes(importing, ada, tmp_path):
    file = tmp_path / "cut.gz"
    whole = gzip.compress(b"".join(b'{"id": "cut-%d", "turns": ["hello"]}\n' % n for n in range(300)))
    file.write_bytes(whole[: len(whole) // 2])

    finished = await importing(file)

    assert finished["returncode"] == 1
    assert "damaged or cut off" in finished["stderr"]
    assert counts(finished)["threads created"] > 0
    assert (await ada.get("thread_cut-0")).messageCount == 1


async def test_a_locked_thread_refuses_its_rest(importing, ada):
    await importing([{"id": "locked", "messages": messages(3)}])
    await ada.lock("thread_locked")

    finished = await importing([{"id": "locked", "messages": messages(5)}])

    assert finished["returncode"] == 1
    assert "409 thread_locked" in finished["stderr"]


@OF_THE_COMMAND
@pytest.mark.parametrize(
    ("options", "key", "reason"),
    [
        ([], "tk_wrong", "401"),
        (["--organization", "ORG_OTHER"], None, "403"),
        (["--url", f"http://127.0.0.1:{free_port()}"], None, "no server to reach"),
        (["--url", "nonsense"], None, "--url is an address"),
        ([], "", "THREADKEEP_API_KEY"),
        ([], "tk_é", "plain letters"),
        (["--user", "a b"], None, "X-User-Id is a user id"),
    ],
)
async def test_what_no_line_can_survive_ends_it_at_once_with_one_sentence(importing, ada, options, key, reason):
    finished = await importing(
        [{"id": f"hopeless-{n}", "turns": ["hello"]} for n in range(50)],
        *options,
        key=ada.key if key is None else key,
    )

    assert (finished["returncode"], finished["stdout"]) == (1, "")
    assert reason in finished["stderr"]
    assert len(finished["stderr"].splitlines()) == 1


# What goes wrong on the way


class LossyWay:
    """Stands between the importer and the server: of each kind of request the first few meet each fault."""

    FAULTS = ("answer lost", "busy", "unavailable", "gateway", "passed")

    def __init__(self, client):
        self.client = client
        self.seen = {}
        self.faults = dict.fromkeys(self.FAULTS, 0)

    async def __call__(self, reader, writer):
        try:
            while (answer := await self.exchange(await reader.readuntil(b"\r\n\r\n"), reader)) is not None:
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def exchange(self, head, reader):
        lines = head.decode().split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        headers = {name: value for name, value in headers.items() if name not in ("host", "accept-encoding")}
        # A credential is not the same in small letters.
        credential = next(line for line in lines if line.lower().startswith("x-api-key")).split(": ")
        headers[credential[0].lower()] = credential[1]
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        fault = self.next_fault(method, path, headers)
        self.faults[fault] += 1
        if fault in ("busy", "unavailable", "gateway"):
            status = {"busy": "429", "unavailable": "503", "gateway": "502"}[fault]
            return f"HTTP/1.1 {status} X\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n".encode()
        response = await self.client.request(method, path, content=body, headers=headers)
        if fault == "answer lost":
            return None
        replayed = f"idempotent-replayed: {response.headers.get('idempotent-replayed', 'false')}\r\n"
        start = f"HTTP/1.1 {response.status_code} X\r\n{replayed}content-length: {len(response.content)}\r\n\r\n"
        return start.encode() + response.content

    def next_fault(self, method, path, headers):
        if "limit=1" in path:
            return "passed"
        request = (method, path, headers.get("idempotency-key"))
        self.seen[request] = self.seen.get(request, -1) + 1
        return self.FAULTS[min(self.seen[request], len(self.FAULTS) - 1)]


async def test_lost_answers_and_busy_servers_double_nothing(importing, ada, client):
    way = LossyWay(client)
    port = free_port()
    lines = [{"id": f"lossy-{n}", "messages": messages(130)} for n in range(4)]

    async with await asyncio.start_server(way, "127.0.0.1", port):
        finished = await importing(lines, "--concurrency", "8", url=f"http://127.0.0.1:{port}")

    assert finished["returncode"] == 0, finished
    assert all(count >= 8 for count in way.faults.values()), way.faults
    for n in range(4):
        assert await texts(ada, f"thread_lossy-{n}") == [f"message {n}" for n in range(130)]


@pytest.mark.prove
async def test_an_import_that_was_killed_goes_on_where_it_was(importing, start, stored, people, tmp_path):
    owner = await people.owner()
    lines = [{"id": f"killed-{n}", "messages": messages(110 + n % 7)} for n in range(LONG)]
    file = write(tmp_path / "killed.jsonl", lines)

    for fewest in (5, 25):
        process = start(file, owner, "--concurrency", "4")
        await eventually(
            lambda: imported(stored, "killed"), lambda count, fewest=fewest: count >= fewest, within_s=ENDED_S
        )
        process.kill()
        await asyncio.to_thread(process.communicate)
    before = await imported(stored, "killed")
    finished = await importing(file, key=owner.key)

    assert before < LONG
    assert finished["returncode"] == 0, finished
    for line in lines:
        rows = await stored.rows(
            "select m.seq, m.content from messages m join threads t on t.organization = m.organization "
            f"and t.key = m.thread where t.id = 'thread_{line['id']}' order by m.seq"
        )
        assert [seq for seq, _ in rows] == list(range(1, len(line["messages"]) + 1))
        assert [json.loads(content)[0]["text"] for _, content in rows] == [m["content"] for m in line["messages"]]


async def imported(stored, prefix):
    [(count,)] = await stored.rows(f"select count(*) from threads t where t.id like 'thread_{prefix}-%'")
    return count


@pytest.mark.prove
async def test_an_import_lives_through_a_restart_of_the_server(start, start_server, zygote, tmp_path):
    server = await start_server()
    file = write(tmp_path / "restart.jsonl", [{"id": f"restart-{n}", "messages": messages(110)} for n in range(LONG)])
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()

    process = start(file, owner, "--concurrency", "4")
    async with stored_in(server.database) as stored:
        await eventually(lambda: imported(stored, "restart"), lambda count: count >= 10, within_s=ENDED_S)
        server.kill()
        unfinished = await imported(stored, "restart")
    await server.start()
    _, complaints = await asyncio.to_thread(process.communicate, timeout=ENDED_S)

    assert unfinished < LONG
    assert (process.returncode, complaints) == (0, "")
    async with connect(server) as client:
        who = Caller(client, organization=owner.organization, key=owner.key)
        listed = await who.walk("/v1/threads", limit=100)
        assert [thread["messageCount"] for thread in listed] == [110] * LONG


@OF_THE_COMMAND
async def test_ctrl_c_ends_it_cleanly_and_says_how_to_go_on(start, stored, people, tmp_path):
    owner = await people.owner()
    file = write(tmp_path / "stop.jsonl", [{"id": f"stop-{n}", "messages": messages(110)} for n in range(400)])

    process = start(file, owner, "--concurrency", "2")
    await eventually(lambda: imported(stored, "stop"), lambda count: count >= 5, within_s=ENDED_S)
    process.send_signal(signal.SIGINT)
    said, complaints = await asyncio.to_thread(process.communicate, timeout=ENDED_S)

    assert process.returncode == 130
    assert "run the same command again" in complaints
    assert "Traceback" not in complaints
    assert "threads created" in said
