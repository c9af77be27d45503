"""Workers that died: whoever comes first ends what they left, and nothing that they said is lost."""

import asyncio
import signal

import pytest

from conftest import connect
from support.answering import begin_talk, change_stored, check_all_ended, ended, expire_lease, open_place, texts
from support.cast import Caller
from support.holding import holding, locks_of
from support.people import People
from support.postgres import connected
from support.scripted_model import DONE, STALL, finish
from support.stored import stored_in
from support.waiting import SOON_S, SWEPT_S, eventually

pytestmark = pytest.mark.prove

PROMISED_S = 20
HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


SETTLERS = {
    "append": lambda who, talk, message: who.post_message(talk.thread, "more"),
    "append several": lambda who, talk, message: who.post_messages(talk.thread, HELLO),
    "edit": lambda who, talk, message: who.update_message(talk.thread, message, content="other"),
    "delete": lambda who, talk, message: who.delete_message(talk.thread, message),
    "claim": lambda who, talk, message: who.respond(talk.thread, input="more"),
    "interrupt": lambda who, talk, message: who.respond(talk.thread, input="more", whenBusy="interrupt"),
    "cancel": lambda who, talk, message: who.cancel(talk.thread, talk),
    "lock": lambda who, talk, message: who.lock(talk.thread),
    "archive": lambda who, talk, message: who.archive(talk.thread),
    "keyed append": lambda who, talk, message: who.retrying(talk.id).post_message(talk.thread, "more"),
    "nobody": lambda who, talk, message: ended(who, talk.thread, talk),
}


@pytest.mark.parametrize("name", SETTLERS)
async def test_whoever_comes_first_ends_the_response_of_a_worker_that_died(place, ada, model, name):
    talk = await begin_talk(ada, model)
    [message, _] = (await ada.list_messages(talk.thread)).data
    model.answer("new")

    await expire_lease(place.server.database, talk.thread)
    answer = await SETTLERS[name](ada, talk, message)

    response = await ada.get_response(talk.thread, talk)
    assert answer.status in (200, 201), answer
    assert (response["status"], response.error["code"]) == ("failed", "interrupted")
    assert response.outputText == "Hel"
    kept = await ada.get_message(talk.thread, response.messageId)
    assert (kept["status"], texts([kept.body])) == ("incomplete", ["Hel"])
    assert (await ada.get(talk.thread))["status"] == "inactive"
    # The worker, which lives after all, says no more.
    talk.go.set()
    await ada.respond_new(thread={}, input="elsewhere")
    assert (await ada.get_response(talk.thread, talk)).body == response.body


async def test_a_worker_that_lost_its_thread_ends_nothing_of_its_successors(place, ada, model):
    for _ in range(3):
        old = await begin_talk(ada, model, said="old", then="")
        await expire_lease(place.server.database, old.thread)
        new = await begin_talk(ada, model, said="new", thread=old.thread)

        model.answer("elsewhere")
        old.go.set()
        await ada.respond_new(thread={}, input="hi")  # While the old worker comes to its end.
        running = await ada.get_response(new.thread, new)
        done = await new.ended(ada)

        assert (running["status"], running.outputText) == ("in_progress", "new")
        assert (done["status"], done.outputText) == ("completed", "newlo")
        assert (await ada.get_response(old.thread, old)).error["code"] == "interrupted"


async def test_a_thread_whose_lease_has_run_out_shows_inactive_before_anybody_settles_it(place, ada, model):
    talk = await begin_talk(ada, model)

    await expire_lease(place.server.database, talk.thread)
    now = await ada.get(talk.thread)

    assert now["status"] == "inactive"
    await ended(ada, talk.thread, talk)


async def test_a_deleted_thread_of_a_dead_worker_is_gone(place, ada, model):
    talk = await begin_talk(ada, model)
    await expire_lease(place.server.database, talk.thread)

    deleted = await ada.delete(talk.thread)

    assert (deleted.status, (await ada.get_response(talk.thread, talk)).code) == (200, "thread_not_found")


async def test_a_response_ends_within_20_s_of_its_processs_death(start_server, model, zygote):
    """On PostgreSQL another process ends it, on SQLite the next one on the same file."""
    settings = {**model.settings, "THREADKEEP_LEASE_S": "2"}
    first = await start_server(**settings)
    second = await start_server(first.database, **settings) if first.kind == "postgres" else None
    async with connect(first) as client:
        owner = await People(first, client, zygote).owner()
        talk = await begin_talk(owner, model)
        silent = await owner.respond_new(thread={}, input="hi", background=True)
        first.kill()
    second = second or await start_server(first.database, **settings)
    async with connect(second) as client:
        owner = Caller(client, organization=owner.organization, user=owner.user, key=owner.key)

        response = await eventually(
            lambda: owner.get_response(talk.thread, talk), lambda answer: answer["status"] != "in_progress", PROMISED_S
        )
        thread = await owner.get(talk.thread)
        model.answer("back")
        again = await owner.respond(talk.thread, input="are you there?")
        nothing = await ended(owner, silent.threadId, silent)

    assert (response["status"], response.error["code"], response.outputText) == ("failed", "interrupted", "Hel")
    assert (thread["status"], thread.messageCount, again.outputText) == ("inactive", 2, "back")
    assert (nothing["status"], nothing.messageId) == ("failed", None)
    await check_all_ended(first.database)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_what_somebody_holds_keeps_no_other_dead_response_from_its_end(start_server, model, zygote):
    """The lease of none is renewed: the statement that would do it waits for the two that are held."""
    server = await start_server(**model.settings, THREADKEEP_LEASE_S="2")
    async with connect(server) as client, stored_in(server.database) as stored:
        owner = await People(server, client, zygote).owner()
        one, two, free = [await begin_talk(owner, model) for _ in range(3)]
        async with holding(server.database, one.thread.id), holding(server.database, two.thread.id):
            await eventually(
                lambda: stored.rows(f"select status from responses where id = '{free.id}'"),
                lambda rows: rows == [("failed",)],
                SWEPT_S,
            )
    await check_all_ended(server.database)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_any_process_cancels_interrupts_locks_and_answers_what_another_generates(start_server, model, zygote):
    one = await start_server(**model.settings)
    two = await start_server(one.database, **model.settings)
    async with connect(one) as first, connect(two) as second:
        here = await People(one, first, zygote).owner()
        there = Caller(second, organization=here.organization, user=here.user, key=here.key)
        cancelled, interrupted, locked, read = [await begin_talk(here, model) for _ in range(4)]
        model.answer("instead")

        ends = [
            await there.cancel(cancelled.thread, cancelled),
            await there.respond(interrupted.thread, input="stop", whenBusy="interrupt"),
            await there.lock(locked.thread),
        ]
        busy = await there.post_message(read.thread)
        done = await read.ended(there)

        assert [answer.status for answer in ends] == [200] * 3
        assert (busy.code, read.id in busy.message) == ("thread_busy", True)
        assert (done["status"], done.outputText) == ("completed", "Hello")
        for talk in (cancelled, interrupted, locked):
            response = await here.get_response(talk.thread, talk)
            assert (response["status"], response.outputText) == ("cancelled", "Hel")
    await check_all_ended(one.database)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_nobody_who_only_reads_waits_for_a_worker_that_holds_the_thread(start_server, model, zygote):
    server = await start_server(**model.settings)
    async with connect(server) as client, connected(server.database.url) as worker:
        owner = await People(server, client, zygote).owner()
        thread = await owner.create_thread()
        response = await owner.respond(thread, input="hi")
        async with worker.transaction():
            await worker.fetch(await locks_of(server.database, thread.id))

            reads = [
                owner.get(thread),
                owner.list_messages(thread),
                owner.get_response(thread, response),
                owner.list_responses(thread),
                owner.context(thread),
                owner.request("GET", f"/v1/threads/{thread.id}/responses/{response.id}/events"),
                owner.request("GET", f"/v1/threads/{thread.id}/stream"),
            ]
            answers = await asyncio.wait_for(asyncio.gather(*reads), SOON_S)

    assert [answer.status for answer in answers] == [200] * 6 + [204]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_nobody_is_told_of_an_end_while_another_may_be_stored(start_server, model, zygote):
    """A worker that began within its lease may be about to commit; held here, so that no sweeper comes by."""
    server = await start_server(**model.settings)
    async with connect(server) as client, connected(server.database.url) as worker:
        owner = await People(server, client, zygote).owner()
        talk = await begin_talk(owner, model)
        just_now = "(extract(epoch from statement_timestamp()) * 1000)::bigint - 1"
        await change_stored(server.database, f"update threads set lease_until = {just_now}")
        async with worker.transaction():
            await worker.fetch(await locks_of(server.database, talk.thread.id))

            during = await owner.get_response(talk.thread, talk)
            after = await eventually(
                lambda: owner.get_response(talk.thread, talk), lambda shown: shown["status"] != "in_progress", SOON_S
            )

    assert (during["status"], after["status"], after.error["code"]) == ("in_progress", "failed", "interrupted")


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_retry_at_another_process_waits_for_the_same_response(start_server, model, zygote):
    one = await start_server(**model.settings)
    two = await start_server(one.database, **model.settings)
    async with connect(one) as first, connect(two) as second:
        here = (await People(one, first, zygote).owner()).retrying("key")
        there = Caller(second, organization=here.organization, user=here.user, key=here.key).retrying("key")
        thread = await here.create_thread()
        go = asyncio.Event()
        model.script = ["Hel", go, "lo", finish(), DONE]
        asked = asyncio.create_task(here.respond(thread, input="hi"))
        await model.called()
        retried = asyncio.create_task(there.respond(thread, input="hi"))
        still_waiting = await asyncio.wait([asked, retried], timeout=0.3)
        go.set()

        answers = await asyncio.wait_for(asyncio.gather(asked, retried), SOON_S)

    assert len(still_waiting[1]) == 2
    assert (answers[0].body, answers[0].outputText) == (answers[1].body, "Hello")
    assert (answers[1].headers["idempotent-replayed"], len(model.calls)) == ("true", 1)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_a_worker_that_slept_beyond_its_lease_writes_nothing_more(start_server, model, zygote):
    settings = {**model.settings, "THREADKEEP_LEASE_S": "1"}
    one = await start_server(**settings)
    two = await start_server(one.database, **settings)
    async with connect(one) as first, connect(two) as second:
        owner = await People(one, first, zygote).owner()
        there = Caller(second, organization=owner.organization, user=owner.user, key=owner.key)
        talk = await begin_talk(owner, model, then=" from the dead")
        one.process.send_signal(signal.SIGSTOP)
        try:
            talk.go.set()
            await eventually(lambda: there.get(talk.thread), lambda answer: answer["status"] == "inactive", SWEPT_S)
            model.answer("alive")
            answered = await there.respond(talk.thread, input="anybody?")
        finally:
            one.process.send_signal(signal.SIGCONT)
        await owner.respond_new(thread={}, input="and you?")
        old = await owner.get_response(talk.thread, talk)
        messages = (await owner.list_messages(talk.thread)).data

    assert (old["status"], old.error["code"], old.outputText) == ("failed", "interrupted", "Hel")
    assert (answered["status"], texts(messages)) == ("completed", ["hi", "Hel", "anybody?", "alive"])
    await check_all_ended(one.database)


async def test_a_server_that_is_stopped_ends_its_responses_and_tells_who_waits(start_server, model, zygote):
    settings = {**model.settings, "THREADKEEP_DRAIN_S": "1"}
    server = await start_server(**settings)
    async with connect(server) as client:
        owner = await People(server, client, zygote).owner()
        late, soon = await owner.create_thread(), await owner.create_thread()
        go = asyncio.Event()
        model.when("soon", "Hel", go, "lo", finish(), DONE)
        model.script = ["Hel", STALL]
        waiting = [asyncio.create_task(owner.respond(late, input="late"))]
        waiting += [asyncio.create_task(owner.respond(soon, input="soon"))]
        await model.called(2)

        stopped = asyncio.create_task(asyncio.to_thread(server.stop))
        await eventually(lambda: client.get("/readyz"), lambda answer: answer.status_code == 503, SOON_S)
        go.set()
        [cut, whole] = await asyncio.wait_for(asyncio.gather(*waiting), SOON_S)
        status = await stopped

    assert status == 0
    assert (cut.status, cut["status"], cut.error["code"], cut.outputText) == (200, "failed", "interrupted", "Hel")
    assert (whole.status, whole["status"], whole.outputText) == (200, "completed", "Hello")
    await check_all_ended(server.database)
