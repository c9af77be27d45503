"""What is wrong before the first request is one sentence, as docs/troubleshooting.md has it, and leaves nothing."""

import re
from contextlib import AsyncExitStack

import pytest

from support.doc_examples import ROOT
from support.postgres import connected, start_postgres
from support.start_cases import CASES, Place, prepare, start

ROW = re.compile(r"^\| (.+?) \| `(.+?)` \| (.+) \|$", re.M)
# What is beside a SQLite file, and holds nothing.
LEFT = {"threadkeep.db", "threadkeep.db.lock", "threadkeep.db-wal", "threadkeep.db-shm"}


def documented():
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    section = page.partition("## Before the first request\n")[2].partition("\n## ")[0]
    return {row[0]: row[1] for row in ROW.findall(section)}


SENTENCES = documented()


@pytest.fixture(scope="module")
async def cluster(workspace):
    cluster = start_postgres(workspace / "refusals")
    await prepare(cluster)
    yield cluster
    cluster.remove()


@pytest.fixture
async def place(cluster, tmp_path):
    async with AsyncExitStack() as stack:
        yield Place(tmp_path, cluster, stack)


def test_the_table_has_what_is_tried_and_nothing_else():
    assert list(SENTENCES) == list(CASES)


@pytest.mark.parametrize("name", CASES)
async def test_it_is_one_sentence_and_leaves_nothing(place, zygote, name):
    attempt = await CASES[name](place)
    before = {path.name for path in place.folder.iterdir()}

    ended = await start(attempt, place, zygote)

    assert ended["returncode"] == 1, ended
    assert "Traceback" not in ended["stderr"]
    [sentence] = ended["stderr"].splitlines()
    for part in SENTENCES[name].split("…"):
        assert part.strip() in sentence, sentence
    assert ended["stdout"] == ""
    assert "hush" not in sentence
    assert {path.name for path in place.folder.iterdir()} - before <= LEFT
    assert not await organizations_in(place, attempt)


async def organizations_in(place, attempt):
    """Return how many organizations there are that nobody can have heard of."""
    name = attempt.url.partition("?")[0].rpartition("/")[2]
    if not attempt.url.startswith("postgres") or not re.fullmatch(r"threadkeep_\d+", name):
        return 0
    async with connected(place.cluster.url(name)) as connection:
        if await connection.fetchval("select to_regclass('public.organizations')") is None:
            return 0
        return await connection.fetchval("select count(*) from organizations")
