"""Bulks: the same change of many threads, in the background, with the checks of the call for one thread."""

import asyncio
import time

import pytest

from support.answering import change_stored
from support.waiting import eventually
from threadkeep.contract.bulk import BulkFilter
from threadkeep.contract.threads import ThreadsQuery

ENDED_S = 30
RUNNING = ("in_progress", "undoing")
COUNTS = ("matched", "done", "changed")


async def ask(who, action, **body):
    return await who.request("POST", "/v1/threads/bulk", {"action": action, **body})


async def read(who, bulk):
    return await who.request("GET", f"/v1/threads/bulk/{bulk.id}")


async def call(who, bulk, what):
    return await who.request("POST", f"/v1/threads/bulk/{bulk.id}/{what}")


async def ended(who, bulk):
    """Return the bulk at its end."""
    assert bulk.status in (200, 202), bulk
    return await eventually(lambda: read(who, bulk), lambda each: each["status"] not in RUNNING, ENDED_S)


async def done(who, action, **body):
    return await ended(who, await ask(who, action, **body))


async def undone(who, bulk):
    return await ended(who, await call(who, bulk, "undo"))


async def made(who, count, **body):
    return [await who.create_thread(**body) for _ in range(count)]


def counts(bulk):
    return [bulk[name] for name in COUNTS]


async def states(who, threads):
    return [(await who.get(each)).state for each in threads]


# What is done


async def test_a_bulk_archives_what_matched_and_says_how_far_it_is(fresh_user):
    billing = await made(fresh_user, 3, metadata={"category": "billing"})
    other = await fresh_user.create_thread(metadata={"category": "support"})

    begun = await ask(fresh_user, "archive", filter={"metadata": {"category": "billing"}})
    bulk = await ended(fresh_user, begun)

    assert (begun.status, begun["status"], begun.object, begun.action) == (202, "in_progress", "bulk", "archive")
    assert begun.id.startswith("bulk_") and len(begun.id) == 31
    assert counts(begun) == [3, 0, 0]
    assert (bulk["status"], counts(bulk), bulk.refused, bulk.undone) == ("completed", [3, 3, 3], {}, 0)
    assert abs(bulk.undoUntil - time.time() - 24 * 3600) < 60
    assert await states(fresh_user, [*billing, other]) == ["archived"] * 3 + ["open"]


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        (None, "lock", "locked"),
        ("lock", "unlock", "open"),
        (None, "archive", "archived"),
        ("archive", "unarchive", "open"),
    ],
)
async def test_a_bulk_changes_states_as_the_call_for_one_thread(ada, before, action, after):
    threads = await made(ada, 2)
    if before:
        await ada.act(threads[0], before)

    bulk = await done(ada, action, ids=[each.id for each in threads])

    assert counts(bulk) == [2, 2, 1 if before else 2]
    assert (await ada.get(threads[0])).state == after


async def test_a_bulk_deletes_for_good(fresh_user):
    threads = await made(fresh_user, 3, messages=[{"role": "user", "content": "gone"}])

    bulk = await done(fresh_user, "delete", filter={})
    refused = await call(fresh_user, bulk, "undo")

    assert (counts(bulk), bulk.undoUntil) == ([3, 3, 3], None)
    assert [(await fresh_user.get(each)).code for each in threads] == ["thread_not_found"] * 3
    assert (refused.status, refused.code) == (400, "invalid_field")


async def test_an_update_merges_metadata_and_sets_what_is_given(ada):
    first = await ada.create_thread(title="old", metadata={"a": 1, "b": 2})
    second = await ada.create_thread(title="new", metadata={"a": None, "c": 3})

    change = {"title": "new", "metadata": {"b": None, "c": 3}, "payload": {"format": "acme/x", "data": "{}"}}
    bulk = await done(ada, "update", ids=[first.id, second.id], change=change)
    again = await done(ada, "update", ids=[first.id, second.id], change=change)

    assert (bulk.changed, again.changed) == (2, 0)
    changed = await ada.get(first)
    assert (changed.title, changed.metadata, changed.payload["data"]) == ("new", {"a": 1, "c": 3}, "{}")


async def test_each_thread_is_refused_for_what_the_call_for_it_would_be(ada):
    full = await ada.create_thread(metadata={f"key{n}": n for n in range(16)})
    archived = await ada.create_thread()
    await ada.archive(archived)
    free = await ada.create_thread()
    missing = f"thread_{'0' * 26}"

    ids = [full.id, archived.id, free.id, missing, missing]
    bulk = await done(ada, "update", ids=ids, change={"metadata": {"one": "more"}})
    locked = await done(ada, "lock", ids=ids)

    assert bulk.refused == {"metadata_too_many": 1, "thread_archived": 1, "thread_not_found": 1}
    assert counts(bulk) == [4, 4, 1]
    assert (counts(locked), locked.refused) == ([4, 4, 2], {"thread_archived": 1, "thread_not_found": 1})


async def test_a_key_may_not_change_visibility_in_bulk_and_a_person_may(ada):
    threads = await made(ada, 2)
    ids = [each.id for each in threads]

    refused = await done(ada, "update", ids=ids, change={"visibleInUi": False})
    hidden = await done(ada.with_token(), "update", ids=ids, change={"visibleInUi": False})
    kept = await undone(ada, hidden)
    shown = [(await ada.get(each)).visibleInUi for each in threads]

    assert refused.refused == {"bearer_token_required": 2}
    assert (hidden.changed, kept.undone, shown) == (2, 0, [False, False])


async def test_what_an_admin_locked_stays_locked(ada, ben):
    mine, admins = await made(ben, 2)
    await ben.lock(mine)
    await ada.lock(admins)

    bulk = await done(ben, "unlock", ids=[mine.id, admins.id])

    assert (bulk.changed, bulk.refused) == (1, {"insufficient_permissions": 1})
    assert await states(ben, [mine, admins]) == ["open", "locked"]


# Dry runs


async def test_a_dry_run_says_what_the_run_then_does_and_changes_nothing(fresh_user):
    threads = await made(fresh_user, 4)
    await fresh_user.archive(threads[0])
    await fresh_user.lock(threads[1])
    body = {"filter": {"state": "all"}, "change": {"title": "new"}}

    preview = await ask(fresh_user, "update", **body, dryRun=True)
    before = [(await fresh_user.get(each)).title for each in threads]
    bulk = await done(fresh_user, "update", **body)

    refused = {"thread_archived": 1, "thread_locked": 1}
    assert preview.status == 200
    assert preview.body == {"object": "bulk.preview", "matched": 4, "wouldChange": 2, "refused": refused}
    assert before == [None] * 4
    assert (bulk.matched, bulk.changed, bulk.refused) == (4, 2, refused)


async def test_a_dry_run_of_each_action_counts_as_the_run(ada):
    threads = await made(ada, 3)
    await ada.lock(threads[1])
    await ada.archive(threads[2])
    ids = [*(each.id for each in threads), f"thread_{'0' * 26}"]

    for action in ("lock", "unlock", "archive", "unarchive", "delete"):
        preview = await ask(ada, action, ids=ids, dryRun=True)
        bulk = await done(ada, action, ids=ids)
        await undone(ada, bulk) if action != "delete" else None

        assert [preview.matched, preview.wouldChange] == [bulk.matched, bulk.changed], action
        assert preview.refused == bulk.refused, action


# Which threads


async def test_a_bulk_has_the_filters_of_the_list():
    of_the_list = set(ThreadsQuery.__struct_fields__) - {
        "limit", "order", "after", "before", "sort", "include", "include_total", "pairs", "organization_id",
    }  # fmt: skip

    assert set(BulkFilter.__struct_fields__) - {"metadata", "organization_id"} == of_the_list


@pytest.mark.parametrize(
    "filter",
    [
        {},
        {"state": "all"},
        {"state": "locked"},
        {"metadata": {"priority": 2}},
        {"metadata": {"tags": ["a", "b"]}},
        {"metadata.priority": 2, "metadata": {"tags": "a"}},
        {"metadata.tags": ["a", "b"]},
        {"titleContains": "THREAD 1"},
        {"externalId": "mine"},
        {"createdAfter": 1_700_000_000, "createdBefore": 1_700_000_002},
        {"status": "streaming"},
        {"visibleInUi": False},
        {"status": "inactive", "state": "open", "metadata": {"tags": "b"}},
    ],
)
async def test_a_filter_matches_what_the_list_shows(fresh_user, filter):
    for number in range(4):
        thread = await fresh_user.create_thread(
            title=f"Thread {number}", metadata={"priority": number, "tags": ["a", "b"][: number % 3]}
        )
        if number == 2:
            await fresh_user.lock(thread)
        if number == 3:
            await fresh_user.archive(thread)
    await fresh_user.create_thread(externalId="mine")
    params = [(name, value) for name, value in filter.items() if not name.startswith("metadata")]
    for name, value in filter.items():
        pairs = value if name == "metadata" else {name.removeprefix("metadata."): value}
        for key, values in pairs.items() if name.startswith("metadata") else ():
            params += [(f"metadata.{key}", each) for each in (values if isinstance(values, list) else [values])]
    params = [(name, str(value).lower() if isinstance(value, bool) else value) for name, value in params]

    listed = await fresh_user.request("GET", "/v1/threads", params=params)
    preview = await ask(fresh_user, "delete", filter=filter, dryRun=True)

    assert (preview.status, preview.matched) == (200, len(listed.data))


async def test_a_member_reaches_own_threads_only(ada, ben):
    theirs = await ada.create_thread()
    own = await ben.create_thread()

    bulk = await done(ben, "archive", ids=[theirs.id, own.id])
    others = await ask(ben, "archive", filter={"userId": ada.user})

    assert (counts(bulk), bulk.refused) == ([2, 2, 1], {"thread_not_found": 1})
    assert (await ada.get(theirs)).state == "open"
    assert (others.status, others.code) == (403, "insufficient_permissions")


async def test_an_admin_reaches_the_threads_of_one_user(ada, fresh_user):
    threads = await made(fresh_user, 2)

    bulk = await done(ada, "archive", filter={"userId": fresh_user.user})

    assert counts(bulk) == [2, 2, 2]
    assert await states(ada, threads) == ["archived"] * 2


async def test_nothing_matches_and_the_bulk_has_ended(fresh_user):
    begun = await ask(fresh_user, "archive", filter={})
    nothing = await call(fresh_user, begun, "cancel")

    assert (begun.status, begun["status"], counts(begun)) == (202, "completed", [0, 0, 0])
    assert nothing["status"] == "completed"


async def test_what_matches_only_later_is_left_alone_and_what_matched_is_changed(fresh_user):
    """The filter is asked once: whoever writes beside the bulk neither adds to it nor takes away from it."""
    threads = await made(fresh_user, 120, metadata={"batch": "x"})

    async def meanwhile():
        late = []
        for each in threads[::-1][:20]:
            await fresh_user.update(each, metadata={"batch": "y"})
            late.append(await fresh_user.create_thread(metadata={"batch": "x"}))
        return late

    begun = await ask(fresh_user, "lock", filter={"metadata": {"batch": "x"}})
    late, bulk = await asyncio.gather(meanwhile(), ended(fresh_user, begun))

    assert counts(bulk) == [120, 120, 120]
    assert set(await states(fresh_user, threads)) == {"locked"}
    assert set(await states(fresh_user, late)) == {"open"}


# Refused at once


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"action": "archive"}, "filter"),
        ({"action": "archive", "filter": {}, "ids": []}, "filter"),
        ({"action": "update", "filter": {}}, "change"),
        ({"action": "lock", "filter": {}, "change": {"title": "x"}}, "change"),
        ({"action": "burn", "filter": {}}, "action"),
        ({"filter": {}}, "action"),
        ({"action": "archive", "filter": {"limit": 5}}, "filter.limit"),
        ({"action": "archive", "filter": {"metadata": {f"k{n}": 1 for n in range(9)}}}, "filter.metadata"),
        ({"action": "archive", "filter": {"metadata": {"a": 1}, "metadata.a": 2}}, "filter.metadata"),
        ({"action": "archive", "filter": {"metadata": {"": 1}}}, "filter.metadata"),
        ({"action": "archive", "ids": ["bulk_1"]}, "ids[0]"),
        ({"action": "archive", "ids": [f"thread_{n}" for n in range(1001)]}, "ids"),
        ({"action": "update", "filter": {}, "change": {"expiresAt": 1}}, "expiresAt"),
        ({"action": "update", "filter": {}, "change": {"state": "open"}}, "change.state"),
    ],
)
async def test_what_cannot_be_asked_is_refused(ada, body, param):
    refused = await ada.request("POST", "/v1/threads/bulk", body)

    assert (refused.status, refused.param) == (400, param)


async def test_a_bulk_takes_a_thousand_ids(ada):
    bulk = await ask(ada, "archive", ids=[f"thread_{n}" for n in range(1000)])

    assert (bulk.status, bulk["status"], bulk.refused) == (202, "completed", {"thread_not_found": 1000})


async def test_a_user_has_so_many_bulks_at_once(people, fresh_owner):
    user = fresh_owner.as_user(people.new_user())
    await made(user, 3)

    asked = [await ask(user, "lock", filter={}) for _ in range(12)]

    assert {each.status for each in asked} == {202, 429}
    for each in asked:
        if each.status == 202:
            await ended(user, each)
    assert (await ask(user, "lock", filter={})).status == 202


# Who sees it


async def test_a_bulk_is_seen_by_its_user_and_by_admins(ada, ben, cleo):
    bulk = await done(ben, "archive", filter={"externalId": "none"})
    hers = await done(ada, "archive", filter={"externalId": "none"})

    assert (await read(ada, bulk)).userId == ben.user
    for who, which in ((cleo, bulk), (ben, hers)):
        for answer in (await read(who, which), await call(who, which, "cancel"), await call(who, which, "undo")):
            assert (answer.status, answer.code) == (404, "bulk_not_found")


@pytest.mark.parametrize("id", ["bulk_1", "messages", f"bulk_{'0' * 26}"])
async def test_what_never_was_is_not_found(ada, id):
    answer = await ada.request("GET", f"/v1/threads/bulk/{id}")

    assert answer.status == 404


async def test_a_retry_asks_for_nothing_anew(fresh_user):
    await made(fresh_user, 2)
    once = fresh_user.retrying("bulk-1")

    first = await ask(once, "archive", filter={})
    again = await ask(once, "archive", filter={})
    other = await ask(once, "archive", filter={"state": "all"})
    dry = [await ask(fresh_user.retrying("bulk-2"), "lock", filter={}, dryRun=True) for _ in range(2)]

    assert (first.status, again.status, again.body) == (202, 202, first.body)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")
    assert [each.status for each in dry] == [200, 200]
    assert dry[1].headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("kind", ["key", "token", "for a user", "a product's user"])
async def test_a_bulk_is_done_with_the_rights_of_whatever_asked(ada, people, kind):
    user = people.new_user()
    others = {"for a user": ada.as_user(user), "a product's user": await people.product_user(ada, user)}
    who = {"key": ada, "token": ada.with_token()}.get(kind) or others[kind]
    own, another = await who.create_thread(), await ada.create_thread()

    bulk = await done(who, "archive", ids=[own.id, another.id])
    back = await undone(who, bulk)

    is_admin = kind in ("key", "token")
    assert (bulk.changed, back.undone) == (2, 2) if is_admin else (1, 1)
    assert bulk.refused == ({} if is_admin else {"thread_not_found": 1})


async def test_the_rest_is_refused_when_a_products_user_is_removed(people, fresh_owner):
    user = await people.product_user(fresh_owner, people.new_user())
    threads = await made(user, 2)

    begun = await ask(user, "archive", filter={})
    await fresh_owner.delete_member(user.user)
    bulk = await ended(fresh_owner, begun)

    assert (bulk.done, bulk.changed + bulk.refused.get("invalid_credentials", 0)) == (2, 2)
    assert (await states(fresh_owner, threads)).count("archived") == bulk.changed


async def test_a_payload_of_a_bulk_has_the_limit_of_payloads(ada):
    thread = await ada.create_thread()
    data = "x" * (4 * 1024 * 1024)

    refused = await ask(ada, "update", ids=[thread.id], change={"payload": {"format": "x", "data": data + "x"}})
    bulk = await done(ada, "update", ids=[thread.id], change={"payload": {"format": "x", "data": data}})

    assert (refused.status, refused.code, refused.param) == (413, "too_large", "change.payload")
    assert (bulk.changed, (await ada.get(thread)).payload["data"] == data) == (1, True)


async def test_nothing_more_is_done_for_a_key_that_is_revoked(people, fresh_owner, server):
    key = await fresh_owner.create_key(userId="uid_program", role="admin")
    program = fresh_owner.with_key(key.key)
    threads = await made(fresh_owner, 60)
    await fresh_owner.request("DELETE", f"/v1/organizations/{fresh_owner.organization}/keys/{key.id}")
    threads += await made(fresh_owner, 60)

    refused = await ask(program, "archive", filter={})

    assert refused.status == 401
    assert set(await states(fresh_owner, threads)) == {"open"}


async def test_the_rest_is_refused_when_the_caller_is_taken_away(people, fresh_owner):
    member = await people.member(fresh_owner)
    threads = await made(member, 3)

    begun = await ask(member, "archive", filter={})
    await fresh_owner.request("DELETE", f"/v1/organizations/{fresh_owner.organization}/members/{member.user}")
    bulk = await ended(fresh_owner, begun)

    # Which of the two came first is a race: nothing is done after the removal.
    assert (bulk.done, bulk.changed + sum(bulk.refused.values())) == (3, 3)
    assert set(bulk.refused) <= {"invalid_credentials"}
    assert (await states(fresh_owner, threads)).count("archived") == bulk.changed


# Ending and taking back


async def test_a_cancelled_bulk_goes_no_further(fresh_user):
    threads = await made(fresh_user, 130)

    begun = await ask(fresh_user, "archive", filter={})
    cancelled = await call(fresh_user, begun, "cancel")
    await asyncio.sleep(1.5)
    later = await read(fresh_user, begun)

    assert cancelled["status"] == later["status"] == "cancelled"
    assert later.body == cancelled.body
    assert (await states(fresh_user, threads)).count("archived") == later.changed < 130


async def test_undo_takes_back_what_has_not_changed_since(fresh_user):
    threads = await made(fresh_user, 3, title="old", metadata={"a": 1})
    bulk = await done(fresh_user, "update", filter={}, change={"title": "new", "metadata": {"a": None, "b": [1, "x"]}})
    await fresh_user.post_message(threads[0])

    begun = await call(fresh_user, bulk, "undo")
    back = await ended(fresh_user, begun)
    again = await call(fresh_user, bulk, "undo")

    assert (begun.status, begun["status"], back["status"], back.undone) == (200, "undoing", "undone", 2)
    assert counts(back) == [3, 3, 3]
    assert again.body == back.body
    shown = [await fresh_user.get(each) for each in threads]
    assert [(each.title, each.metadata) for each in shown] == [("new", {"b": [1, "x"]}), *[("old", {"a": 1})] * 2]
    found = await fresh_user.list_threads(**{"metadata.a": "1"})
    assert len(found.data) == 2


@pytest.mark.parametrize(("before", "action"), [("lock", "unlock"), ("archive", "unarchive"), (None, "lock")])
async def test_undo_brings_a_state_back(ada, before, action):
    thread = await ada.create_thread(metadata={"kept": "yes"})
    if before:
        await ada.act(thread, before)
    state = (await ada.get(thread)).state

    bulk = await done(ada, action, ids=[thread.id])
    back = await undone(ada, bulk)

    assert (back.undone, (await ada.get(thread)).state) == (1, state)


async def test_undo_brings_payload_assistant_and_expiry_back(ada):
    expiry = int(time.time()) + 10_000
    assistant = await ada.create_assistant(name="a")
    old = {"payload": {"format": "acme/x", "data": "old"}, "assistantId": assistant.id, "expiresAt": expiry}
    thread, bare = await ada.create_thread(**old), await ada.create_thread()

    change = {"payload": {"format": "acme/x", "data": "new"}, "assistantId": None, "expiresAt": None}
    bulk = await done(ada, "update", ids=[thread.id, bare.id], change=change)
    changed = await ada.get(thread)
    back = await undone(ada, bulk)

    assert (changed.payload["data"], changed.assistantId, changed.expiresAt) == ("new", None, None)
    assert (bulk.changed, back.undone) == (2, 2)
    shown = await ada.get(thread)
    assert (shown.payload["data"], shown.assistantId, shown.expiresAt) == ("old", assistant.id, expiry)
    assert (await ada.get(bare)).payloadFormat is None


async def test_only_the_last_bulk_of_a_thread_can_be_undone(ada):
    thread = await ada.create_thread(title="one")
    first = await done(ada, "update", ids=[thread.id], change={"title": "two"})
    second = await done(ada, "update", ids=[thread.id], change={"title": "three"})

    nothing = await undone(ada, first)
    back = await undone(ada, second)

    assert (nothing.undone, back.undone, (await ada.get(thread)).title) == (0, 1, "two")


async def test_undo_leaves_a_lock_that_an_admin_took_over(ada, ben):
    thread = await ben.create_thread()
    bulk = await done(ben, "lock", ids=[thread.id])
    await ada.lock(thread)

    back = await undone(ben, bulk)

    assert (back.undone, (await ben.get(thread)).state) == (0, "locked")


async def test_a_cancelled_bulk_can_be_undone(fresh_user):
    threads = await made(fresh_user, 130)
    begun = await ask(fresh_user, "archive", filter={})
    await eventually(lambda: read(fresh_user, begun), lambda each: each.done > 0, ENDED_S)
    await call(fresh_user, begun, "cancel")

    back = await undone(fresh_user, begun)

    assert back.undone == back.changed > 0
    assert set(await states(fresh_user, threads)) == {"open"}


# What is left of it


async def test_what_is_kept_for_undo_goes_with_its_thread(ada, stored):
    thread = await ada.create_thread(title="a word that must go")
    bulk = await done(ada, "update", ids=[thread.id], change={"title": "another word"})
    kept = await stored.rows(f"select was from bulk_undo where was like '%{'a word that must go'}%'")

    await ada.delete(thread)

    assert bulk.changed == 1
    assert len(kept) == 1
    assert await stored.rows("select was from bulk_undo where was like '%a word that must go%'") == []
    assert await stored.rows("select id from bulks where change like '%another word%'") == []


async def test_a_bulk_is_forgotten_when_its_time_is_over(ada, server):
    thread = await ada.create_thread()
    bulk = await done(ada, "archive", ids=[thread.id])

    await change_stored(server.database, f"update bulks set until_ms = 1 where id = '{bulk.id}'")
    late = await call(ada, bulk, "undo")
    await eventually(lambda: read(ada, bulk), lambda each: each.status == 404, ENDED_S)

    assert (late.status, late.code) == (404, "bulk_not_found")
    assert (await ada.get(thread)).state == "archived"
