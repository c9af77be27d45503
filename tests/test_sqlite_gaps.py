"""What is deleted is nowhere in SQLite's file, not even where a row stood before it was moved; all else stays."""

import random
import re

import apsw
import pytest

from threadkeep.database.sqlite import connect, open_database
from threadkeep.database.sqlite_gaps import without_gap
from threadkeep.database.statement import everywhere
from threadkeep.settings import Settings

WORD = re.compile(rb"word\d+x")
ROUNDS = 12
PAGE_BYTES = 4096

TABLES = """
    create table notes (id integer primary key, place integer, text text);
    create index notes_by_place on notes (place, text);
    create table pairs (a text, b text, c text, primary key (a, b)) without rowid;
    """


def write_at_random(connection, seed):
    """Insert, lengthen and delete rows of all sizes, some of them over several pages; the same for the same seed."""
    dice = random.Random(seed)
    connection.execute("begin immediate")
    for number in range(300):
        word = f"word{300 * seed + number}x" * dice.choice((1, 3, 20, 90, 1500))
        key = f"{dice.randrange(200)}"
        match dice.randrange(5):
            case 0:
                connection.execute("insert into notes (place, text) values (?, ?)", (dice.randrange(50), word))
            case 1:
                connection.execute("update notes set text = text || ? where place = ?", (word, dice.randrange(50)))
            case 2:
                connection.execute("insert or replace into pairs values (?, ?, ?)", (key, word[:50], word))
            case 3:
                connection.execute("delete from notes where place = ?", (dice.randrange(50),))
            case 4:
                connection.execute("delete from pairs where a = ?", (key,))
    connection.execute("commit")


def everything(connection):
    return [connection.execute(f"select * from {table} order by 1, 2").fetchall() for table in ("notes", "pairs")]


@pytest.mark.parametrize("seed", range(6))
def test_the_file_holds_all_that_was_written_and_no_word_that_was_deleted(tmp_path, seed):
    path, mirror = tmp_path / "a.db", apsw.Connection(":memory:")
    path.touch()
    connection = connect(path, folds=True)
    connection.execute(TABLES)
    mirror.execute(TABLES)

    for step in range(ROUNDS):
        write_at_random(connection, ROUNDS * seed + step)
        write_at_random(mirror, ROUNDS * seed + step)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if step % 3 == 2:  # Others read the file as it is, and not what this connection remembers.
            connection.close()
            connection = connect(path, folds=True)
        kept = everything(connection)
        assert kept == everything(mirror)
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert set(WORD.findall(path.read_bytes())) <= set(WORD.findall(repr(kept).encode()))


def test_without_it_old_copies_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("threadkeep.database.sqlite_gaps.without_gap", lambda page, offset: None)

    with pytest.raises(AssertionError, match="word"):
        for seed in range(6):
            test_the_file_holds_all_that_was_written_and_no_word_that_was_deleted(tmp_path, seed)
            (tmp_path / "a.db").unlink()


def test_a_file_with_pages_that_begin_in_any_way_is_left_alone(tmp_path):
    path = tmp_path / "a.db"
    first = apsw.Connection(str(path))
    first.execute("pragma auto_vacuum = full")
    first.execute(TABLES)
    first.close()
    connection = connect(path, folds=True)

    for step in range(ROUNDS):
        write_at_random(connection, step)
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    connection.close()

    assert connect(path).execute("pragma integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize(
    "page",
    [
        bytes([0, 0, 0, 7]) + b"an overflow page of a file that is not large".ljust(PAGE_BYTES - 4, b"."),
        bytes([13, 0, 0, 0, 2, 15, 0, 0]).ljust(PAGE_BYTES, b"\0"),
        bytes([13, 0, 0, 255, 255, 0, 9, 0]).ljust(PAGE_BYTES, b"."),
    ],
    ids=["no page of rows", "a gap of zeros", "more cells than there is room for"],
)
def test_nothing_is_cleared_where_there_is_no_gap(page):
    assert without_gap(page, PAGE_BYTES) is None


def test_a_connection_that_does_not_clear_gaps_never_writes_to_the_file(tmp_path):
    path = tmp_path / "a.db"
    path.touch()
    folding = connect(path, folds=True)
    folding.execute(TABLES)
    folding.close()
    before = path.read_bytes()

    connection = connect(path)
    write_at_random(connection, 0)
    kept = everything(connection)
    connection.close()

    assert path.read_bytes() == before
    assert everything(connect(path)) == kept


def test_only_checkpoints_wait_for_python(tmp_path):
    # The driver holds the interpreter's lock in a VFS of Python's: during a sync nothing else would run.
    path = tmp_path / "a.db"
    path.touch()

    assert connect(path, folds=True).vfsname("main") != connect(path).vfsname("main") == apsw.vfs_names()[0]


async def test_the_log_is_gone_when_the_database_was_closed(tmp_path):
    path = tmp_path / "a.db"
    for serving in (True, False):
        database = await open_database(path, Settings(database_url=f"sqlite:///{path}"), serving=serving)
        await database.write(note)
        await database.close()

        assert [each.name for each in tmp_path.iterdir() if "wal" in each.name] == []


async def note(tx):
    await tx.fetch(everywhere("insert into purges values (1, 2, 3, 0) on conflict do nothing"), {})
