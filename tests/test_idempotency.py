"""Retries: a POST with one `Idempotency-Key` does its work once and gets the same answer."""

import asyncio
import itertools

import pytest

numbers = itertools.count()


@pytest.fixture
def key():
    return f"key-{next(numbers)}"


async def test_a_repeated_create_is_answered_with_the_stored_thread(fresh_user, key):
    first = await fresh_user.retrying(key).create_thread(title="once", metadata={"b": 1, "a": 2})
    again = await fresh_user.retrying(key).create_thread(title="once", metadata={"b": 1, "a": 2})

    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert list(again.metadata) == list(first.metadata)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (await fresh_user.list_threads()).ids == [first.id]


async def test_a_repeated_message_is_written_once(ada, key):
    thread = await ada.create_thread()

    first = await ada.retrying(key).post_message(thread, "hello")
    again = await ada.retrying(key).post_message(thread, "hello")

    assert (first.status, again.body) == (201, first.body)
    assert (await ada.get(thread)).messageCount == 1


async def test_a_repeated_batch_is_written_once(ada, key):
    thread = await ada.create_thread()
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]

    first = await ada.retrying(key).post_messages(thread, messages)
    again = await ada.retrying(key).post_messages(thread, messages)

    assert (first.status, again.body) == (201, first.body)
    assert (await ada.get(thread)).messageCount == 2


async def test_the_stored_answer_stays_though_the_thread_changed(ada, key):
    first = await ada.retrying(key).create_thread(title="then")
    await ada.update(first, title="now")

    again = await ada.retrying(key).create_thread(title="then")

    assert again.title == "then"


async def test_a_body_that_means_the_same_is_the_same(fresh_user, key):
    retrying = fresh_user.retrying(key)
    path = "/v1/threads"

    first = await retrying.request("POST", path, content='{"title":"é","metadata":{"a":1,"b":[2]}}')
    again = await retrying.request("POST", path, content='{ "metadata": {"b": [2], "a": 1},\n "title": "\\u00e9" }')

    assert (first.status, again.body) == (201, first.body)
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("other", [{"title": "b"}, {}, {"title": "a", "metadata": {}}, {"title": None}])
async def test_another_body_with_the_same_key_is_refused(fresh_user, key, other):
    await fresh_user.retrying(key).create_thread(title="a")

    refused = await fresh_user.retrying(key).create_thread(**other)

    assert (refused.status, refused.code, refused.type) == (422, "key_reused", "idempotency_error")
    assert len((await fresh_user.list_threads()).data) == 1


async def test_a_refusal_is_not_stored_and_the_key_may_be_used_again(ada, key):
    thread = await ada.create_thread()
    await ada.lock(thread)
    locked = await ada.retrying(key).post_message(thread, "hello")
    await ada.unlock(thread)

    written = await ada.retrying(key).post_message(thread, "hello")

    assert (locked.status, locked.code) == (409, "thread_locked")
    assert (written.status, written.seq) == (201, 1)
    assert "idempotent-replayed" not in written.headers


async def test_a_refused_body_frees_the_key_for_another(ada, key):
    refused = await ada.retrying(key).create_thread(title="x" * 201)
    created = await ada.retrying(key).create_thread(title="x" * 200)

    assert (refused.status, created.status) == (400, 201)


async def test_a_stored_answer_wins_over_what_would_be_refused_now(ada, key):
    thread = await ada.create_thread()
    first = await ada.retrying(key).post_message(thread, "hello")
    await ada.lock(thread)

    again = await ada.retrying(key).post_message(thread, "hello")

    assert (again.status, again.body) == (201, first.body)


async def test_a_key_belongs_to_the_effective_user(ada, people, key):
    one, two = ada.as_user(people.new_user()), ada.as_user(people.new_user())

    answers = [await who.retrying(key).create_thread(title="same") for who in (one, two)]
    colleagues = await ada.retrying(key).create_thread(title="same")

    assert len({answer.id for answer in [*answers, colleagues]}) == 3


async def test_a_key_belongs_to_the_organization(ada, cleo, key):
    first = await ada.as_user("uid_both").retrying(key).create_thread()
    other = await cleo.as_user("uid_both").retrying(key).create_thread()

    assert (other.status, other.organizationId) == (201, "ORG_OTHER")
    assert first.id != other.id


async def test_a_token_and_a_key_of_the_same_user_are_the_same_sender(ada, key):
    first = await ada.retrying(key).create_thread()
    again = await ada.with_token().retrying(key).create_thread()

    assert again.body == first.body


async def test_a_key_belongs_to_the_concrete_path(ada, key):
    one, two = await ada.create_thread(), await ada.create_thread()

    answers = [await ada.retrying(key).post_message(thread, "same") for thread in (one, two)]
    locked = [await ada.retrying(key).lock(thread) for thread in (one, two)]

    assert [answer.threadId for answer in answers] == [one.id, two.id]
    assert [answer.id for answer in locked] == [one.id, two.id]


async def test_a_member_cannot_replay_what_they_may_no_longer_see(ada, people, key):
    member = await people.member(ada)
    thread = await member.create_thread()
    await member.retrying(key).post_message(thread, "hello")
    await ada.delete(thread)

    again = await member.retrying(key).post_message(thread, "hello")

    assert again.status == 404


async def test_every_post_takes_a_key(ada, key):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "old")
    retrying = ada.retrying(key)

    for path, body in (
        (f"/v1/threads/{thread.id}", {"title": "t"}),
        (f"/v1/threads/{thread.id}/messages/{message.id}", {"content": "new"}),
        (f"/v1/threads/{thread.id}/lock", {}),
        (f"/v1/threads/{thread.id}/unlock", {}),
        (f"/v1/threads/{thread.id}/archive", {}),
        (f"/v1/threads/{thread.id}/unarchive", {}),
    ):
        first = await retrying.request("POST", path, body)
        again = await retrying.request("POST", path, body)
        assert (first.status, again.status, again.body) == (200, 200, first.body), path
        assert again.headers["idempotent-replayed"] == "true"


async def test_a_repeated_lock_does_not_lock_again(ada, key):
    thread = await ada.create_thread()
    await ada.retrying(key).lock(thread)
    await ada.unlock(thread)

    again = await ada.retrying(key).lock(thread)

    assert again.state == "locked"
    assert (await ada.get(thread)).state == "open"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PATCH"])
async def test_other_methods_do_their_work_each_time(ada, method, key):
    thread = await ada.create_thread()
    path = f"/v1/threads/{thread.id}"
    bodies = {"PATCH": [{"title": "a"}, {"title": "b"}]}.get(method)

    answers = [await ada.retrying(key).request(method, path, *([bodies[turn]] if bodies else [])) for turn in range(2)]

    assert [answer.status for answer in answers] == ([200, 404] if method == "DELETE" else [200, 200])
    assert all("idempotent-replayed" not in answer.headers for answer in answers)


@pytest.mark.parametrize("bad", ["", "x" * 256, "tab\there", "umlaut-ü".encode("latin-1")])
async def test_a_key_of_another_shape_is_refused(fresh_user, bad):
    refused = await fresh_user.with_headers({"idempotency-key": bad}).create_thread()

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert (await fresh_user.list_threads()).data == []


@pytest.mark.parametrize("good", ["x", "x" * 255, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~ a"])
async def test_a_key_is_1_to_255_printable_characters(fresh_user, good):
    answers = [await fresh_user.with_headers({"idempotency-key": good}).create_thread() for _ in range(2)]

    assert answers[0].status == 201
    assert answers[0].id == answers[1].id


async def test_deleting_the_thread_empties_what_was_stored_about_it(ada, people, key):
    chosen = f"thread_{people.new_user()}"
    await ada.retrying(key).create_thread(id=chosen, title="once")
    await ada.retrying(key).post_message(chosen, "hello")
    await ada.delete(chosen)

    created = await ada.retrying(key).create_thread(id=chosen, title="once")
    posted = await ada.retrying(key).post_message(chosen, "hello")

    assert (created.status, created.code) == (404, "thread_not_found")
    assert posted.status == 404
    assert (await ada.get(chosen)).status == 404


async def test_a_thread_with_the_same_id_does_not_revive_old_answers(ada, people, key):
    chosen = f"thread_{people.new_user()}"
    await ada.create_thread(id=chosen)
    await ada.retrying(key).post_message(chosen, "old")
    await ada.delete(chosen)
    await ada.create_thread(id=chosen)

    again = await ada.retrying(key).post_message(chosen, "old")

    assert again.status == 404
    assert (await ada.get(chosen)).messageCount == 0


@pytest.mark.parametrize("all_of_them", [False, True])
async def test_deleting_the_message_empties_what_was_stored_about_it(ada, key, all_of_them):
    thread = await ada.create_thread()
    message = await ada.retrying(key).post_message(thread, "hello")
    batch = [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]
    kept = await ada.retrying(f"{key}-batch").post_messages(thread, batch)
    await (ada.delete_messages(thread) if all_of_them else ada.delete_message(thread, message))

    again = await ada.retrying(key).post_message(thread, "hello")
    batch_again = await ada.retrying(f"{key}-batch").post_messages(thread, batch)

    assert (again.status, again.code) == (404, "message_not_found")
    assert batch_again.status == (404 if all_of_them else 201)
    assert all_of_them or batch_again.body == kept.body
    assert (await ada.get(thread)).messageCount == (0 if all_of_them else 2)


async def test_deleting_one_message_of_a_batch_empties_the_batchs_answer(ada, key):
    thread = await ada.create_thread()
    batch = [{"role": "user", "content": "a"}, {"role": "user", "content": "canary-of-a-batch"}]
    posted = await ada.retrying(key).post_messages(thread, batch)
    await ada.delete_message(thread, posted.ids[1])

    again = await ada.retrying(key).post_messages(thread, batch)

    assert again.status == 404
    assert "canary-of-a-batch" not in again.text
    assert (await ada.get(thread)).messageCount == 1


async def test_an_answer_with_a_secret_is_stored_without_it(ada, key):
    body = {"userId": "uid_ada", "role": "member", "name": "once"}

    first = await ada.retrying(key).create_key(**body)
    again = await ada.retrying(key).create_key(**body)

    assert first.key.startswith("tk_")
    assert (again.status, again.id) == (201, first.id)
    assert first.key not in again.text
    assert not str(again.body.get("key") or "").startswith("tk_")
    assert (await ada.with_key(first.key).list_threads()).status == 200


async def test_eight_simultaneous_senders_do_the_work_once(ada, key):
    thread = await ada.create_thread()
    for number in range(10):
        one_key = f"{key}-{number}"

        answers = await asyncio.gather(*(ada.retrying(one_key).post_message(thread, "once") for _ in range(8)))

        assert {answer.status for answer in answers} == {201}
        assert len({answer.id for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    listed = await ada.list_messages(thread, limit=100)
    assert [message["seq"] for message in listed.data] == list(range(1, 11))
    assert (await ada.get(thread)).messageCount == 10


async def test_eight_simultaneous_creates_make_one_thread(fresh_user, key):
    answers = await asyncio.gather(*(fresh_user.retrying(key).create_thread(title="once") for _ in range(8)))

    assert {answer.status for answer in answers} == {201}
    assert len({answer.id for answer in answers}) == 1
    assert len((await fresh_user.list_threads()).data) == 1


async def test_simultaneous_senders_of_two_bodies_get_one_work_and_refusals(fresh_user, key):
    answers = await asyncio.gather(
        *(fresh_user.retrying(key).create_thread(title=str(number % 2)) for number in range(8))
    )

    assert sorted({answer.status for answer in answers}) == [201, 422]
    assert len({answer.id for answer in answers if answer.status == 201}) == 1
    assert len((await fresh_user.list_threads()).data) == 1


@pytest.mark.parametrize(
    ("path", "body"), [("", {"metadata": {"a": 1}}), ("/messages", {"role": "user", "content": "x"})]
)
async def test_a_replay_never_shows_a_member_a_thread_that_is_not_theirs(ada, people, key, path, body):
    """The owner's key stored the answer; acting for the user of the same id it is a member, who may not see it."""
    thread = await ada.create_thread(userId=people.new_user(), title="theirs alone")
    own = await ada.create_thread(title="mine")
    request = ("POST", f"/v1/threads/{thread.id}{path}", body)
    own_request = ("POST", f"/v1/threads/{own.id}{path}", body)

    first = await ada.retrying(key).request(*request)
    refused = await ada.as_user(ada.user).retrying(key).request(*request)
    again = await ada.retrying(key).request(*request)
    first_of_own = await ada.retrying(key).request(*own_request)
    own_again = await ada.as_user(ada.user).retrying(key).request(*own_request)

    assert (refused.status, refused.code) == (404, "thread_not_found")
    assert "theirs alone" not in refused.text
    assert (again.status, again.body) == (first.status, first.body)
    assert (own_again.status, own_again.body) == (first_of_own.status, first_of_own.body)


async def test_a_request_that_is_repeated_after_its_thread_was_deleted_is_404_whatever_it_was(ada, key):
    """Of message and thread the thread says more: it is not only the message that is gone."""
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "first")
    path = f"/v1/threads/{thread.id}"
    sent = [
        (f"{path}", {"title": "t"}),
        (f"{path}/messages", {"role": "user", "content": "hello"}),
        (f"{path}/messages", {"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}),
        (f"{path}/messages/{message.id}", {"content": "new"}),
        (f"{path}/responses", {"input": "hi"}),
        (f"{path}/responses", {"input": "hi", "stream": True}),
        (f"{path}/responses", {"input": "hi", "background": True}),
        (f"{path}/generateName", {}),
        (f"{path}/generateName?stream=true", {}),
        (f"{path}/lock", {}),
        (f"{path}/unlock", {}),
        (f"{path}/archive", {}),
        (f"{path}/unarchive", {}),
        ("/v1/responses", {"thread": thread.id, "input": "hi"}),
    ]

    async def send():
        return [await ada.retrying(f"{key}-{n}").request("POST", *each) for n, each in enumerate(sent)]

    first = await send()
    response = (await ada.list_responses(thread)).data[0]["id"]
    cancelled = await ada.retrying(key).cancel(thread, response)
    await ada.delete(thread)
    again = [*await send(), await ada.retrying(key).cancel(thread, response)]

    assert [answer.status // 100 for answer in [*first, cancelled]] == [2] * (len(sent) + 1), first
    assert [(answer.status, answer.code) for answer in again] == [(404, "thread_not_found")] * (len(sent) + 1), again


async def test_a_message_that_was_deleted_before_its_thread_is_gone_with_it(ada, key):
    thread = await ada.create_thread()
    message = await ada.retrying(key).post_message(thread, "hello")
    await ada.delete_message(thread, message)
    of_the_message = await ada.retrying(key).post_message(thread, "hello")
    await ada.delete(thread)

    of_the_thread = await ada.retrying(key).post_message(thread, "hello")

    assert [of_the_message.code, of_the_thread.code] == ["message_not_found", "thread_not_found"]
