"""When a client calls again, what it waits for, and what it never does twice."""

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

import threadkeep
from support.cutting_proxy import DROP, Cut, CuttingProxy
from support.either_client import KINDS, client_of
from support.scripted_model import RESET, STALL, Head, ScriptedModel
from threadkeep import errors
from threadkeep.client.asynchronous import connection as async_connection
from threadkeep.client.calls import path, post
from threadkeep.client.synchronous import connection as sync_connection

USER = b'{"id": "uid", "object": "user", "credential": "key", "organizations": []}'
RETRIES = 4
FIRST_PAUSE_S = 0.25


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedModel]:
    """A server that answers as it is told, for calls of threadkeep too."""
    server = await ScriptedModel.start()
    yield server
    await server.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that clients would make; they make none."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(async_connection, "asyncio", SimpleNamespace(sleep=pause))
    monkeypatch.setattr(sync_connection, "time", SimpleNamespace(sleep=made.append))
    return made


def answer(status: int, body: bytes = USER, **headers: str) -> list[Any]:
    """Return the steps of an answer."""
    return [Head(status, {"content-length": str(len(body)), **headers}), body]


def refusal(status: int, code: str, **headers: str) -> list[Any]:
    detail = f'{{"message": "Not now.", "type": "t", "code": "{code}", "param": null, "requestId": "req_1"}}'
    return answer(status, f'{{"error": {detail}}}'.encode(), **headers)


def in_turn(server: ScriptedModel, *answers: list[Any]) -> None:
    """Answer each request with the next of these, and all further ones with the last."""
    server.script = lambda call: answers[min(len(server.calls), len(answers)) - 1]


def client_at(kind: str, server: ScriptedModel, **options: Any) -> Any:
    return client_of(kind, server.url.removesuffix("/v1"), api_key="tk_secret", **options)


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limited"), (503, "unavailable")])
async def test_a_refusal_is_waited_out_as_long_as_the_server_says(kind, scripted, pauses, status, code):
    in_turn(scripted, refusal(status, code, **{"retry-after": "7"}), answer(200))

    async with client_at(kind, scripted) as client:
        assert (await client.user.retrieve()).id == "uid"

    assert pauses == [7]


async def test_a_proxy_that_asks_to_wait_is_waited_for_too(kind, scripted, pauses):
    in_turn(scripted, answer(429, b"<html>", **{"retry-after": "7"}), answer(200))

    async with client_at(kind, scripted) as client:
        assert (await client.user.retrieve()).id == "uid"

    assert pauses == [7]


async def test_json_that_is_there_already_is_sent_as_it_stands_and_its_answer_not_read(kind, scripted, pauses):
    in_turn(scripted, refusal(503, "unavailable"), answer(201, b"[not ours", **{"idempotent-replayed": "true"}))

    async with client_at(kind, scripted) as client:
        answered = await client.send(post(path("threads"), b'{ "title":"A"}', idempotency_key="mine"))

    assert (answered.status, answered.was_replayed, answered.content) == (201, True, b"[not ours")
    assert [call.body for call in scripted.calls] == [{"title": "A"}] * 2
    for call in scripted.calls:
        assert (call.headers["content-length"], call.headers["idempotency-key"]) == ("14", "mine")


async def test_a_date_to_wait_for_is_understood_too(kind, scripted, pauses):
    in_later = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    in_turn(scripted, refusal(503, "unavailable", **{"retry-after": in_later}), answer(200))

    async with client_at(kind, scripted) as client:
        await client.user.retrieve()

    assert 25 < pauses[0] <= 30


async def test_pauses_grow_and_come_to_an_end(kind, scripted, pauses):
    in_turn(scripted, refusal(503, "unavailable"))

    async with client_at(kind, scripted) as client:
        with pytest.raises(errors.Unavailable):
            await client.user.retrieve()

    assert len(scripted.calls) == 1 + RETRIES
    assert all(FIRST_PAUSE_S * 2**n / 2 <= pause_s <= FIRST_PAUSE_S * 2**n for n, pause_s in enumerate(pauses))


async def test_who_is_asked_to_wait_for_minutes_decides_for_himself(kind, scripted, pauses):
    in_turn(scripted, refusal(429, "rate_limited", **{"retry-after": "3600"}))

    async with client_at(kind, scripted) as client:
        with pytest.raises(threadkeep.RateLimited) as limited:
            await client.user.retrieve()

    assert (limited.value.retry_after_s, pauses) == (3600, [])


async def test_every_attempt_of_a_call_has_the_same_key_and_no_two_calls_have(kind, scripted, pauses):
    in_turn(scripted, refusal(503, "unavailable"), [RESET], answer(404, b"{}"))

    async with client_at(kind, scripted) as client:
        for _ in range(2):
            with pytest.raises(threadkeep.ThreadkeepError):
                await client.threads.create()
        with pytest.raises(threadkeep.ThreadkeepError):
            await client.threads.create(idempotency_key="mine")

    keys = [call.headers["idempotency-key"] for call in scripted.calls]
    assert len(keys) == 5
    assert len(set(keys[:3])) == 1
    assert len({keys[0], keys[3], "mine"}) == 3
    assert keys[4] == "mine"


async def test_work_that_goes_on_is_waited_for_without_counting(kind, scripted, pauses):
    name = b'{"success": true, "threadId": "thread_1", "name": "A name", "message": ""}'
    in_turn(scripted, *[refusal(409, "request_in_progress")] * (RETRIES + 4), answer(200, name))

    async with client_at(kind, scripted) as client:
        assert (await client.threads.generate_name("thread_1")).name == "A name"


@pytest.mark.parametrize(
    ("status", "code"),
    [(409, "thread_busy"), (500, "internal"), (502, "model_unavailable"), (507, "storage_full"), (422, "key_reused")],
)
async def test_what_another_attempt_would_not_mend_is_raised_at_once(kind, scripted, pauses, status, code):
    in_turn(scripted, refusal(status, code))

    async with client_at(kind, scripted) as client:
        with pytest.raises(threadkeep.ApiError, match=code):
            await client.threads.create()

    assert len(scripted.calls) == 1


async def test_a_code_of_a_newer_server_has_the_class_of_its_status(kind, scripted):
    in_turn(scripted, refusal(409, "thread_frozen"))

    async with client_at(kind, scripted) as client:
        with pytest.raises(threadkeep.Conflict, match="thread_frozen: Not now") as raised:
            await client.threads.create()

    assert (raised.value.status, raised.value.code, raised.value.request_id) == (409, "thread_frozen", "req_1")


async def test_a_proxy_whose_server_restarts_is_asked_again_where_that_is_safe(kind, scripted, pauses):
    in_turn(scripted, answer(502, b"<html>"), answer(200), answer(504, b"<html>"))

    async with client_at(kind, scripted) as client:
        await client.user.retrieve()
        with pytest.raises(threadkeep.UnexpectedAnswer, match="504"):
            await client.threads.messages.delete_all("thread_1")

    assert len(scripted.calls) == 3


async def test_a_redirect_is_not_followed_and_gets_no_key(kind, scripted):
    elsewhere = await ScriptedModel.start()
    in_turn(scripted, answer(308, b"", location=f"{elsewhere.url}/user"))

    async with client_at(kind, scripted) as client:
        with pytest.raises(threadkeep.UnexpectedAnswer, match="redirects"):
            await client.user.retrieve()

    assert elsewhere.calls == []
    await elsewhere.stop()


@pytest.mark.parametrize("body", [b"<html>", b'{"id": 1}', b"\xff"])
async def test_an_answer_of_another_kind_is_no_object(kind, scripted, body):
    in_turn(scripted, answer(200, body))

    async with client_at(kind, scripted) as client:
        with pytest.raises(threadkeep.UnexpectedAnswer):
            await client.user.retrieve()


async def test_a_server_that_says_nothing_times_out(kind, scripted):
    scripted.script = [STALL]

    async with client_at(kind, scripted, timeout_s=0.05, retries_max=0) as client:
        with pytest.raises(threadkeep.TimedOut) as timed_out:
            await client.threads.create()

    assert timed_out.value.outcome_is_unknown
    assert scripted.calls[0].headers["x-request-id"] in str(timed_out.value)


async def test_a_call_with_all_its_attempts_takes_no_longer_than_its_total(kind, scripted, pauses):
    scripted.script = [STALL]

    async with client_at(kind, scripted, timeout_s=30, total_timeout_s=0.2, retries_max=100) as client:
        with pytest.raises(threadkeep.TimedOut):
            await client.user.retrieve()

    assert len(scripted.calls) == 1  # An attempt of its own 30 seconds would have been followed by another.


async def test_an_answer_that_trickles_is_over_in_time(kind, scripted):
    scripted.script = [Head(200, {"content-length": "1000"}), *[b" ", 0.02] * 500]

    async with client_at(kind, scripted, total_timeout_s=0.1, retries_max=0) as client:
        with pytest.raises(threadkeep.TimedOut):
            await client.user.retrieve()


async def test_a_server_that_is_not_there_is_a_failed_connection(kind):
    async with client_of(kind, "http://127.0.0.1:9", api_key="tk_secret", retries_max=1) as client:
        with pytest.raises(threadkeep.ConnectionFailed) as failed:
            await client.threads.create()

    assert not failed.value.outcome_is_unknown
    assert "tk_secret" not in str(failed.value)


async def test_creations_whose_answers_are_lost_are_done_once(kind, server, people, pauses):
    owner = await people.owner()
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, proxy.url, owner) as client:
        made = []
        for n in range(50):
            # Each is done; its answer is lost, at once or in the middle, and so is the next one's at times.
            await proxy.cut_next(Cut(answer_bytes=(n * 37) % 400, by_reset=n % 2 == 0), *[DROP] * (n % 3))
            made.append(await client.threads.create(title=f"{n}", metadata={"n": n}))

        listed = [thread.id async for thread in client.threads.list(order="asc")]

    assert proxy.cuts_count >= 50
    assert listed == [thread.id for thread in made]


async def test_a_change_whose_answer_is_lost_is_done_once(kind, server, ada, pauses):
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, server.url, ada) as other:
        async with client_of(kind, proxy.url, ada) as client:
            thread = await other.threads.create(metadata={"a": 1})
            await proxy.cut_next(DROP)

            changed = await client.threads.update(thread.id, metadata={"b": 2}, if_match=thread.etag)

        # Sent again as a new change, it would have been refused: its tag is no longer the thread's.
        assert changed.metadata == {"a": 1, "b": 2}
        assert (await other.threads.retrieve(thread.id)).etag == changed.etag


async def test_a_deletion_that_is_sent_again_and_finds_nothing_was_done(kind, server, ada, pauses):
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, proxy.url, ada) as client:
        thread = await client.threads.create(messages=[{"role": "user", "content": "hi"}])
        [message] = (await client.threads.messages.list(thread.id).page()).data

        await proxy.cut_next(DROP)
        deleted_message = await client.threads.messages.delete(thread.id, message.id)
        await proxy.cut_next(*[DROP] * 2)
        deleted = await client.threads.delete(thread.id)

        assert (deleted_message.id, deleted_message.object) == (message.id, "thread.message.deleted")
        assert (deleted.id, deleted.object) == (thread.id, "thread.deleted")
        with pytest.raises(threadkeep.ThreadNotFound):
            await client.threads.delete(thread.id)


async def test_a_thread_with_a_chosen_id_is_not_deleted_twice(kind, server, ada, pauses):
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, proxy.url, ada) as client:
        chosen = f"thread_{proxy.port}"
        for proxied in (DROP, None):
            await client.threads.create(id=chosen)
            await proxy.cut_next(proxied)
            if proxied is None:
                await client.threads.delete(chosen)
                continue
            with pytest.raises(threadkeep.ConnectionFailed) as failed:
                await client.threads.delete(chosen)
            assert failed.value.outcome_is_unknown


async def test_a_chosen_id_may_be_deleted_again_with_its_tag(kind, server, ada, pauses):
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, proxy.url, ada) as client:
        thread = await client.threads.create(id=f"thread_{proxy.port}")
        await proxy.cut_next(DROP)

        assert (await client.threads.delete(thread.id, if_match=thread.etag)).deleted


async def test_all_messages_are_not_deleted_twice(kind, server, ada, pauses):
    async with await CuttingProxy.start(server.port) as proxy, client_of(kind, proxy.url, ada) as client:
        thread = await client.threads.create(messages=[{"role": "user", "content": "hi"}])
        await proxy.cut_next(DROP)

        with pytest.raises(threadkeep.ConnectionFailed):
            await client.threads.messages.delete_all(thread.id)
        assert (await client.threads.messages.delete_all(thread.id)).deleted == 0


async def test_a_members_role_is_put_again_but_not_with_a_tag_that_it_has_moved(
    kind, server, fresh_owner, people, pauses
):
    own, user = fresh_owner.organization, people.new_user()
    async with (
        await CuttingProxy.start(server.port, [DROP]) as proxy,
        client_of(kind, proxy.url, fresh_owner) as client,
    ):
        member = await client.organizations.members.put(own, user, role="member")
        await proxy.cut_next(DROP)

        with pytest.raises(threadkeep.ConnectionFailed):
            await client.organizations.members.put(own, user, role="admin", if_match=member.etag)
        await proxy.cut_next(DROP)
        removed = await client.organizations.members.delete(own, user, threads="delete")

    assert (member.user_id, removed.user_id) == (user, user)


async def test_a_key_whose_secret_was_lost_on_the_way_is_made_anew(kind, server, fresh_owner, pauses):
    own = fresh_owner.organization
    async with client_of(kind, server.url, fresh_owner) as owner:
        before = [each.id async for each in owner.organizations.keys.list(own)]
        async with (
            await CuttingProxy.start(server.port, [DROP]) as proxy,
            client_of(kind, proxy.url, fresh_owner) as client,
        ):
            created = await client.organizations.keys.create(own, user_id="uid_new", role="member")
        after = [each.id async for each in owner.organizations.keys.list(own)]

    assert (created.key or "").startswith("tk_")
    assert set(after) - set(before) == {created.id}
