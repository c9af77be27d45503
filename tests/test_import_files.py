"""What `threadkeep import` takes a file for: its content tells, and what it is not, one sentence says."""

import asyncio
import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
import threading
import tracemalloc
from itertools import product
from pathlib import Path

import pytest

from support.server import environment
from threadkeep.commands.import_files import NotImportable
from threadkeep.commands.import_reading import Records
from threadkeep.commands.import_records import BadLine, conversation_of, without_marks

pytestmark = pytest.mark.one_database("what a file holds is read before anything is sent")

MIB = 1024 * 1024
COMMAND_S = 60
# What looks like JSON within a text, at places where pieces of a file end as well.
SAID = 'he said "}], \\ {[" é\u2028'

CONVERSATIONS = [
    {"id": f"kind-{number}", "messages": [{"role": "user", "content": SAID * (1 + 9_000 * (number == 1))}]}
    for number in range(3)
]
LAYOUTS = {
    "one line": json.dumps(CONVERSATIONS).encode(),
    "pretty": json.dumps(CONVERSATIONS, indent=4, ensure_ascii=False).encode(),
    "without indentation": json.dumps(CONVERSATIONS, indent=0).encode(),
    "objects one below the other": b"\n".join(json.dumps(each, indent=1).encode() for each in CONVERSATIONS),
    "lines": b"\n".join(json.dumps(each).encode() for each in CONVERSATIONS),
    "utf-8 with a mark": json.dumps(CONVERSATIONS, indent=2).encode("utf-8-sig"),
    "utf-16": json.dumps(CONVERSATIONS, ensure_ascii=False).encode("utf-16"),
    "utf-16 without a mark": json.dumps(CONVERSATIONS, ensure_ascii=False).encode("utf-16-le"),
    "utf-32": json.dumps(CONVERSATIONS, ensure_ascii=False).encode("utf-32"),
}
PACKING = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip in two parts": lambda data: gzip.compress(data[:30]) + gzip.compress(data[30:]),
    "xz in two parts": lambda data: lzma.compress(data[:30]) + bytes(4) + lzma.compress(data[30:]),
}


def read(path, data, mib=8):
    """Return what is found in a file: texts of values, or why they cannot be read."""
    path.write_bytes(data)
    records = Records(path, mib)
    try:
        return [str(item) if isinstance(item, BadLine) else bytes(item) for _, item in records]
    finally:
        records.close()


@pytest.mark.parametrize(("layout", "packing"), list(product(LAYOUTS, PACKING)))
def test_a_file_is_known_by_its_content_however_it_is_laid_out_and_packed(tmp_path, layout, packing):
    found = read(tmp_path / "anything.zip", PACKING[packing](LAYOUTS[layout]))

    assert [json.loads(each) for each in found] == CONVERSATIONS


def test_one_object_over_several_lines_is_one_conversation(tmp_path):
    [found] = read(tmp_path / "one.json", json.dumps(CONVERSATIONS[0], indent=2).encode())

    assert json.loads(found) == CONVERSATIONS[0]


@pytest.fixture
def variables(server, ada):
    return environment(server.database.url, {"THREADKEEP_API_KEY": ada.key, "THREADKEEP_URL": server.url})


@pytest.fixture
def bash(variables, tmp_path):
    """Run a line of shell as ada, in a folder with files; return the finished process."""

    async def run(line):
        return await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", line.replace("threadkeep", f"{sys.executable} -m threadkeep")],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    return run


@pytest.fixture
def imported(variables, zygote, tmp_path):
    """Import a file of the same folder, without a shell; return the finished process."""

    async def run(name):
        finished = await asyncio.to_thread(zygote.run, "import", name, cwd=tmp_path, environment=variables)
        return subprocess.CompletedProcess(name, finished["returncode"], finished["stdout"], finished["stderr"])

    return run


@pytest.mark.parametrize(
    "line",
    [
        "threadkeep import <(gunzip -c kind.json.gz)",
        "gunzip -c kind.json.gz | threadkeep import /dev/stdin",
        "gunzip -c kind.json.gz | threadkeep import -",
        "threadkeep import - < kind.json.gz",
    ],
)
async def test_a_pipe_is_read_as_a_file_is(bash, ada, tmp_path, line):
    number = abs(hash(line))
    listed = [{"id": f"piped-{number}-{each}", "turns": ["hello"]} for each in range(3)]
    (tmp_path / "kind.json.gz").write_bytes(gzip.compress(json.dumps(listed, indent=2).encode()))

    finished = await bash(line)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert "threads created: 3" in finished.stdout
    assert (await ada.get(f"thread_{listed[2]['id']}")).messageCount == 1


NO_TEXT = {
    "a value": b'"messages": [{"role": "user", "content": "caf\xe9"}]',
    "a value as OpenAI writes it": b'"messages": [{"content": [{"type": "text", "text": {"value": "\xe9"}}]}]',
    "a key of a message": b'"messages": [{"role": "user", "content": "a", "\xe9": 1}]',
    "messages in their order": b'"messages": [{"object": "\xe9", "created_at": 2}, {"created_at": 1}]',
    "turns": b'"turns": ["\xe9"]',
    "a title": b'"title": "\xe9", "turns": ["a"]',
    "a key": b'"\xe9": 1, "turns": ["a"]',
    "half of a character at the end": b'"turns": ["a"]} \xe2\x82',
    "a surrogate": b'"turns": ["\xed\xa0\x80"]',
}


async def test_bytes_that_are_no_text_spoil_their_line_and_no_other(imported, ada, tmp_path):
    bad = [b'{"id": "no-text-%d", %b}' % (number, each) for number, each in enumerate(NO_TEXT.values())]
    mark = b'{"object":"threadkeep.export\xe9","version":1}'
    (tmp_path / "bytes.jsonl").write_bytes(b"\n".join([*bad, mark, b'{"id": "text", "turns": ["caf\xc3\xa9"]}\n']))

    finished = await imported("bytes.jsonl")

    assert finished.returncode == 1
    said = finished.stderr.splitlines()
    assert [each.split(" (")[0] for each in said] == [f"line {n}: it is not UTF-8" for n in range(1, len(bad) + 2)]
    assert "threads created: 1," in finished.stdout
    assert (await ada.get("thread_text")).messageCount == 1


async def test_a_list_is_imported_and_a_bad_object_in_it_is_told_with_its_number(imported, ada, tmp_path):
    listed = [{"id": "list-1", "turns": ["a"]}, {"turns": ["b"]}, 7, {"id": "list-4", "turns": ["d"]}]
    (tmp_path / "list.json").write_text(json.dumps(listed, indent=2))

    finished = await imported("list.json")

    assert finished.returncode == 1
    assert finished.stderr.splitlines() == [
        "conversation 2: it has neither id nor question_id",
        "conversation 3: it is not a JSON object",
    ]
    assert "threads created: 2" in finished.stdout
    assert "conversations failed: 2" in finished.stdout
    assert (await ada.get("thread_list-4")).messageCount == 1


async def test_a_dump_of_an_openai_thread_is_imported_under_its_own_id(imported, ada, tmp_path):
    def message(number, role, text, annotations=()):
        value = {"value": text, "annotations": list(annotations)}
        about = {"id": f"msg_{number}", "object": "thread.message", "created_at": 1_700_000_000 + number}
        return {**about, "thread_id": "thread_abc", "role": role, "content": [{"type": "text", "text": value}]}

    said = [message(1, "user", "question"), message(2, "assistant", "answer", [{"type": "file_citation"}])]
    dump = {"id": "thread_abc", "object": "thread", "created_at": 1, "metadata": {"a": "b"}, "messages": said}
    # As its API lists them: the newest first. And as people write it down, without saying that it is a thread.
    newest_first = {"id": "thread_abd", "messages": said[::-1]}
    (tmp_path / "dump.json").write_text(json.dumps([dump, newest_first], indent=2))

    finished = await imported("dump.json")

    assert (finished.returncode, finished.stderr) == (0, "")
    for thread_id in ("thread_abc", "thread_abd"):
        listed = (await ada.list_messages(thread_id)).data
        assert [each["content"] for each in listed] == [
            [{"type": "text", "text": "question"}],
            [{"type": "text", "text": "answer"}],
        ]
    thread = await ada.get("thread_abc")
    assert (thread.metadata, thread.createdAt) == ({"a": "b"}, 1)
    assert "annotations of texts left out: 2\n" in finished.stdout


WRONG = {
    "the archive is damaged": b"PK\x03\x04" + bytes(30),
    "a tar archive": gzip.compress(bytes(257) + b"ustar\0" + bytes(500)),
    "compressed with zstd": b"\x28\xb5\x2f\xfd" + bytes(20),
    "compressed twice": gzip.compress(gzip.compress(b"{}")),
    "a database of SQLite": b"SQLite format 3\0" + bytes(80),
    "a PDF": b"%PDF-1.7\n",
    "an image": b"\x89PNG\r\n\x1a\n",
    "a binary file": b"\x01\x00\x02\x03" * 9,
    "a web page": b"\n<!DOCTYPE html>\n<script>{}</script>",
    "XML": b'<?xml version="1.0"?><a/>',
    "CSV": b"id,role,text\n1,user,hello\n",
    "a text, and not JSON": b"Dear all,\nthis is a letter.\n",
    "JSON, but one value alone": b'"hello"',
    "JavaScript": b"window.data = [\n  {}\n]",
    "one object around a list": json.dumps({"object": "list", "data": [{"id": "a"}]}, indent=2).encode(),
    "a list of messages": json.dumps([{"role": "user", "content": "hello"}]).encode(),
    "it is empty": b"",
    "in it: it is empty": b"\n \n",
}


@pytest.mark.parametrize("what", WRONG)
async def test_a_file_of_another_kind_gets_one_sentence_that_says_what_it_is(imported, tmp_path, what):
    (tmp_path / "wrong.json").write_bytes(WRONG[what])

    finished = await imported("wrong.json")

    assert (finished.returncode, finished.stdout) == (1, "")
    assert what in finished.stderr
    assert len(finished.stderr.splitlines()) == 1


def test_an_export_may_be_made_a_list_and_its_marks_still_count(tmp_path):
    marks = [{"object": "threadkeep.export", "version": 1}, {"object": "threadkeep.export.end", "threadCount": 2}]
    marks[1]["messageCount"] = 1
    path = tmp_path / "export.json"
    path.write_text(json.dumps([marks[0], CONVERSATIONS[0], marks[1]], indent=2))
    records = Records(path, 1)

    found = [item for _, item in without_marks(records)]
    records.close()

    assert json.loads(found[0]) == CONVERSATIONS[0]
    assert "had 2 threads, and 1 are here" in str(found[1])


CUT = {
    b'[{"id": 1, "turns": ["a"]}, {"id": 2, "tu': "cut off",
    b'[{"id": 1, "turns": ["a"]}': "cut off",
    b'{"id": 1,\n "turns": ["a"]}\n{\n "id": 2': "cut off",
    b'[{"id": 1, "turns": ["a"]}] {"id": 2}': "behind the end",
    b'{"id": 1,\n "turns": ["a"]}}': "was not opened",
    gzip.compress(b'{"id": 1, "turns": ["a"]}\n' * 2)[:-9]: "damaged or cut off",
    lzma.compress(b'{"id": 1, "turns": ["a"]}\n' * 5000)[:-40]: "damaged or cut off",
    '[{"id": 1, "turns": ["a"]}]'.encode("utf-16")[:-1]: "not the text",
}


@pytest.mark.parametrize("data", CUT, ids=list(map(str, range(len(CUT)))))
def test_a_file_that_is_not_whole_says_so(tmp_path, data):
    *_, last = read(tmp_path / "cut.json", data)

    assert CUT[data] in last


LIMIT_MIB = 2
BOMBS = {
    "a line": b"x" * (16 * MIB),
    "an object": b'{"id": 1,\n"turns": ["' + b"x" * (16 * MIB),
    "parts": b'{"id": 1, "messages": [' + b"0," * (7 * MIB // 8) + b"0]}\n",
}


@pytest.mark.parametrize("packing", ["gzip", "xz"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_takes_no_more_memory_than_one_conversation_may(tmp_path, bomb, packing):
    start = b'{"id": 0, "turns": ["a"]}\n'
    data = BOMBS[bomb] if bomb == "an object" else start + BOMBS[bomb] + b"\n" + start
    packed = gzip.compress(data, 1) if packing == "gzip" else lzma.compress(data, preset=0)
    (tmp_path / "bomb").write_bytes(packed)
    del data

    tracemalloc.start()
    records = Records(tmp_path / "bomb", LIMIT_MIB)
    for _, item in records:
        if not isinstance(item, BadLine):
            conversation_of(item)
        else:
            said = str(item)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    records.close()

    assert "--conversation-mib" in said or "cut off" in said
    assert peak_bytes < 4 * LIMIT_MIB * MIB


def test_what_unpacking_needs_is_bounded_too(tmp_path):
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 512 * MIB}]
    (tmp_path / "wide.xz").write_bytes(lzma.compress(b"{}", filters=filters))

    [said] = read(tmp_path / "wide.xz", (tmp_path / "wide.xz").read_bytes())

    assert "takes more than 256 MiB" in said


def test_a_pipe_that_gives_a_byte_at_a_time_is_known_too():
    here, there = os.pipe()

    def write():
        for byte in b'\xef\xbb\xbf[{"id": 1}]':
            os.write(there, bytes([byte]))
        os.close(there)

    threading.Thread(target=write).start()
    records = Records(Path(f"/dev/fd/{here}"), 1)

    found = [bytes(item) for _, item in records]
    records.close()
    os.close(here)

    assert found == [b'{"id": 1}']


def test_the_file_is_judged_before_the_server_is_asked(tmp_path):
    with pytest.raises(NotImportable, match="a PDF"):
        read(tmp_path / "file", WRONG["a PDF"])
