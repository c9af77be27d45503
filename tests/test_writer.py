"""SQLite's writer goes on after every failure of its connection, and what it answers is what the file holds."""

import asyncio
import itertools

import apsw
import pytest

from threadkeep.database.sqlite import translated
from threadkeep.database.sqlite_writer import Job, Log, Writer
from threadkeep.errors import StorageFull, Unavailable

ANSWERED_S = 30
WAL_BYTES_MAX = 64 * 1024 * 1024
PLACES = ("begin immediate", "savepoint", "release", "rollback to", "rollback", "commit")
FAILURES = (apsw.FullError, apsw.IOError, apsw.BusyError, apsw.CorruptError, MemoryError)


class Storage:
    """A file whose connections fail where a test says: at statements that begin with a text, or when opened."""

    def __init__(self, path):
        self.path = path
        self.failures = {}
        self.opening_fails_with = None
        connection = apsw.Connection(str(path))
        connection.execute("pragma journal_mode = wal").fetchall()
        connection.execute("create table notes (text text not null unique)")
        connection.close()

    def connect(self):
        if self.opening_fails_with is not None:
            raise self.opening_fails_with()
        return FailingConnection(self)

    def notes(self):
        connection = apsw.Connection(str(self.path))
        try:
            return {text for (text,) in connection.execute("select text from notes")}
        finally:
            connection.close()


class FailingConnection:
    def __init__(self, storage):
        self._storage = storage
        self._connection = apsw.Connection(str(storage.path))

    def execute(self, sql, *values):
        for place, failure in self._storage.failures.items():
            if sql == place or (place in ("savepoint", "release", "rollback to") and sql.startswith(place)):
                raise failure("injected")
        return self._connection.execute(sql, *values)

    def __getattr__(self, name):
        return getattr(self._connection, name)


class Notes:
    """Writes notes through a writer and remembers what each was answered."""

    def __init__(self, writer):
        self.writer = writer
        self.numbers = itertools.count()
        self.answers = {}

    async def write(self, count=1, fails=False, writes_once=False):
        """Write notes that wait together; the middle one of several refuses itself if it `fails`."""
        texts = [f"note {next(self.numbers)}" for _ in range(count)]

        async def note(text):
            async def operation(connection):
                connection.execute("insert into notes values (?)", (text,))
                if fails and text == texts[count // 2]:
                    raise ValueError("refused by itself")
                return text

            job = Job(operation, asyncio.get_running_loop(), writes_once=writes_once)
            self.writer.submit(job)
            return await asyncio.wait_for(job.future, ANSWERED_S)

        answers = await asyncio.gather(*map(note, texts), return_exceptions=True)
        self.answers |= dict(zip(texts, answers, strict=True))
        return answers


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "notes.db")


@pytest.fixture
def notes(storage):
    log = Log(storage.connect())
    writer = Writer(storage.connect, translated, lambda connection: connection, log, WAL_BYTES_MAX)
    writer.start()
    yield Notes(writer)
    storage.failures, storage.opening_fails_with = {}, None
    writer.stop()
    log.close()


def check(notes, storage):
    """Hold the file against the answers: what was answered is there, what was refused is not."""
    stored = storage.notes()
    for text, answer in notes.answers.items():
        if answer == text:
            assert text in stored
        elif isinstance(answer, StorageFull | ValueError):
            assert text not in stored


@pytest.mark.parametrize("writes_once", [False, True])
async def test_a_write_that_refuses_itself_leaves_the_others_of_its_transaction(notes, storage, writes_once):
    answers = await notes.write(5, fails=True, writes_once=writes_once)

    assert [isinstance(answer, ValueError) for answer in answers] == [False, False, True, False, False]
    check(notes, storage)


@pytest.mark.parametrize("opening_fails", [None, Unavailable, StorageFull, apsw.CantOpenError])
@pytest.mark.parametrize("failure", FAILURES)
async def test_whatever_fails_every_write_is_answered_and_later_ones_work(notes, storage, failure, opening_fails):
    for places in [(place,) for place in PLACES] + [("commit", "rollback"), ("release", "rollback to"), PLACES]:
        storage.failures = dict.fromkeys(places, failure)
        storage.opening_fails_with = opening_fails
        failed = await notes.write(3, fails=True) + await notes.write(2, writes_once=True)

        storage.failures = {}
        still_failed = await notes.write() if opening_fails else []
        storage.opening_fails_with = None
        # The first that comes after the repair may find the connection still closed; it has it opened again.
        await notes.write()
        worked = await notes.write(2)

        for answer in failed + still_failed:
            is_expected = isinstance(answer, str | StorageFull | Unavailable | ValueError | MemoryError)
            assert is_expected, (places, answer)
            assert not isinstance(answer, MemoryError) or failure is MemoryError
        assert all(isinstance(answer, str) for answer in worked), (places, worked)
    check(notes, storage)


async def test_a_commit_on_a_full_disk_whose_rollback_and_reopening_fail_too_does_not_end_the_writer(notes, storage):
    storage.failures = {"commit": apsw.FullError, "rollback": apsw.IOError}
    storage.opening_fails_with = Unavailable

    failed = await notes.write(2)
    storage.failures, storage.opening_fails_with = {}, None
    await notes.write()
    worked = await notes.write(2)

    assert all(isinstance(answer, StorageFull | Unavailable) for answer in failed)
    assert all(isinstance(answer, str) for answer in worked)
    assert notes.writer.is_alive()
    check(notes, storage)
