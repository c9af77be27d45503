"""`threadkeep import` of ZIPs: every file in them is known by its content, none is written, and bombs end early."""

import asyncio
import gzip
import io
import json
import subprocess
import sys
import tracemalloc
import zipfile

import pytest

from support import foreign_files as files
from support.server import environment
from threadkeep.commands.import_files import NotImportable
from threadkeep.commands.import_reading import Records
from threadkeep.commands.import_records import BadLine

pytestmark = pytest.mark.one_database("what a file holds is read before anything is sent")

MIB = 1024 * 1024
COMMAND_S = 60
EXPORT = {
    "user.json": json.dumps({"id": "user-1", "email": "ada@example.org"}),
    "shared_conversations.json": json.dumps([{"id": "s-1", "conversation_id": "c-1", "title": "Rain"}]),
    "chat.html": "<html><body></body></html>",
    "file-1-rain.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "empty/": "",
    "conversations-000.json": json.dumps(files.CHATGPT),
    "deep/er/conversations-001.json": json.dumps(files.CLAUDE, indent=1),
    "../../outside.jsonl": json.dumps(files.SHAREGPT[0]) + "\n",
}
THREADS = 4


def packed(members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def read(path, data, mib=8):
    """Return what is found in an archive, and which of its files were left out."""
    path.write_bytes(data)
    records = Records(path, mib)
    try:
        return [str(each) if isinstance(each, BadLine) else bytes(each) for _, each in records], records.left_out
    finally:
        records.close()


@pytest.fixture
def bash(server, ada, tmp_path):
    async def run(line, **variables):
        given = {"THREADKEEP_API_KEY": ada.key, "THREADKEEP_URL": server.url} | variables
        return await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", line.replace("threadkeep", f"{sys.executable} -m threadkeep")],
            cwd=tmp_path,
            env=environment(server.database.url, given),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    "line",
    [
        "threadkeep import export.dat",
        "threadkeep import - < export.dat",
        "cat export.dat | threadkeep import -",
        "gzip -c export.dat | threadkeep import -",
    ],
)
async def test_all_conversations_in_an_archive_are_imported_however_it_comes(bash, ada, tmp_path, line):
    (tmp_path / "export.dat").write_bytes(packed(EXPORT))

    finished = await bash(line)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert "threads created: 4," in finished.stdout or f"already there: {THREADS}," in finished.stdout
    assert "files of the archive that are JSON of another kind left out: 2\n" in finished.stdout
    assert "files of the archive that are an image left out: 1\n" in finished.stdout
    assert (await ada.get("thread_6a1c-rain")).messageCount == 7
    assert (await ada.get("thread_abc_0")).messageCount == 5
    # Nothing is unpacked, wherever a name points to.
    assert [each.name for each in tmp_path.iterdir()] == ["export.dat"]
    assert not (tmp_path / "../../outside.jsonl").exists()


async def test_a_dry_run_says_what_would_be_done_asks_nobody_and_sends_nothing(bash, tmp_path):
    (tmp_path / "export.zip").write_bytes(packed({**EXPORT, "bad.json": '[{"id": "a", "turns": [1]}]'}))

    finished = await bash(
        "threadkeep import export.zip --dry-run", THREADKEEP_API_KEY="", THREADKEEP_URL="http://[::1]:9"
    )

    assert (finished.returncode, finished.stderr) == (1, "")
    said = {line.rpartition("  ")[0].strip(): line.split()[-1] for line in finished.stdout.splitlines() if "  " in line}
    assert said["threads"] == str(THREADS)
    assert said["messages"] == "20"
    assert said["branches besides the first line"] == "3"
    assert said["attachments, as a line of text that names them"] == "4"
    assert said["left out: messages that were hidden"] == "2"
    assert said["left out: files of the archive: an image"] == "1"
    assert said["conversations that would fail"] == "1"
    assert "2023-08-01" in finished.stdout
    assert "would fail: conversation 5: its turns are not a list of texts" in finished.stdout


def test_an_archive_within_an_archive_and_one_without_conversations_say_what_they_are(tmp_path):
    inner = packed({"conversations.json": json.dumps(files.CHATGPT)})

    found, left_out = read(tmp_path / "a.zip", packed({"inner.zip": inner, "own.jsonl": '{"id": 1, "turns": ["a"]}\n'}))
    with pytest.raises(NotImportable, match=r"without conversations; inner\.zip is a ZIP archive") as refused:
        read(tmp_path / "b.zip", packed({"inner.zip": inner}))

    assert len(found) == 1
    assert left_out == [("inner.zip", "a ZIP archive, or a document that is one inside")]
    assert str(refused.value).endswith(".")


def test_files_that_are_encrypted_or_packed_in_a_rare_way_are_left_out(tmp_path):
    data = bytearray(packed({"a.jsonl": '{"id": 1, "turns": ["a"]}\n'}))
    encrypted, rare = bytearray(data), bytearray(data)
    # Of the one file in the list at the end: flags, and how it is packed.
    at = data.index(b"PK\x01\x02")
    encrypted[at + 8] |= 1
    rare[at + 10] = 93

    with pytest.raises(NotImportable, match=r"a\.jsonl is encrypted"):
        read(tmp_path / "encrypted.zip", bytes(encrypted))
    with pytest.raises(NotImportable, match="packed in a way that is rare"):
        read(tmp_path / "rare.zip", bytes(rare))


def test_a_damaged_file_in_an_archive_is_told_and_the_others_are_read(tmp_path):
    lines = "".join(json.dumps({"id": n, "turns": ["a"]}) + "\n" for n in range(3))
    data = bytearray(packed({"a.jsonl": lines, "b.jsonl": '{"id": "b", "turns": ["b"]}\n'}, zipfile.ZIP_STORED))
    data[data.index(b'"turns"')] = 0x41

    found, _ = read(tmp_path / "damaged.zip", bytes(data))

    assert "damaged or cut off within a.jsonl" in str(found)
    assert found[-1] == b'{"id": "b", "turns": ["b"]}\n'


@pytest.mark.parametrize("cut", [30, 200, -30])
def test_an_archive_that_is_cut_off_says_so(tmp_path, cut):
    with pytest.raises(NotImportable, match="the archive is damaged or cut off"):
        read(tmp_path / "cut.zip", packed(EXPORT)[:cut])


def test_a_bomb_ends_at_a_multiple_of_its_length_and_takes_little_memory(tmp_path):
    line = b'{"id": 1, "turns": ["' + b" " * MIB + b'"]}\n'
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            with archive.open(f"{n}.jsonl", "w") as file:
                for _ in range(30):
                    file.write(line)

    tracemalloc.start()
    records = Records(tmp_path / "bomb.zip", 2)
    found = [str(each) if isinstance(each, BadLine) else len(each) for _, each in records]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    records.close()

    assert "unpacks to more than 200 times its length" in str(found[-1])
    # Its length is some 90 kB: 64 MiB are unpacked of whatever archive.
    assert 55 <= len(found) <= 65
    assert peak_bytes < 12 * MIB


def test_a_long_archive_is_read_with_the_memory_of_one_conversation(tmp_path):
    noise = random_text(MIB)
    with zipfile.ZipFile(tmp_path / "long.zip", "w", zipfile.ZIP_STORED) as archive:
        for name in ("picture.png", "conversations.jsonl"):
            with archive.open(name, "w") as file:
                for n in range(40):
                    is_json = name.endswith("jsonl")
                    file.write(b'{"id": %d, "turns": ["%b"]}\n' % (n, noise) if is_json else b"\x89PNG" + noise)

    tracemalloc.start()
    records = Records(tmp_path / "long.zip", 2)
    count = sum(1 for _ in records)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    records.close()

    assert count == 40
    assert peak_bytes < 12 * MIB


def random_text(length):
    return bytes(97 + n * n % 23 for n in range(1000)) * (length // 1000)


def test_a_list_of_files_that_would_fill_the_memory_is_refused(tmp_path):
    data = packed({"a.jsonl": '{"id": 1, "turns": ["a"]}\n'})
    end = data.index(b"PK\x05\x06")
    # The end says how long the list before it is.
    filling = bytes(9 * MIB)
    claimed = data[:end] + filling + data[end : end + 12] + (len(filling)).to_bytes(4, "little") + data[end + 16 :]

    with pytest.raises(NotImportable, match="too many files"):
        read(tmp_path / "list.zip", claimed)


def test_an_archive_that_is_packed_once_more_is_read_too(tmp_path):
    found, _ = read(tmp_path / "a.zip.gz", gzip.compress(packed({"a.jsonl": '{"id": 1, "turns": ["a"]}\n'})))

    assert found == [b'{"id": 1, "turns": ["a"]}\n']
