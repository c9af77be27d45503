"""`ETag` and `If-Match`: an update that was made from an old reading is refused."""

import asyncio

import pytest


async def test_the_current_tag_is_taken_and_an_old_one_refused(ada):
    thread = await ada.create_thread(title="a")

    updated = await ada.if_match(thread.etag).update(thread, title="b")
    refused = await ada.if_match(thread.etag).update(thread, title="c")
    taken = await ada.if_match(updated.etag).update(thread, title="d")

    assert (updated.status, updated.title) == (200, "b")
    assert (refused.status, refused.code, refused.type) == (412, "precondition_failed", "conflict_error")
    assert taken.title == "d"


@pytest.mark.parametrize("tag", ["*", "{}", '"1", {}', '"x" , {} ,"y"', '{},"2"'])
async def test_a_star_or_a_list_with_the_tag_matches(ada, tag):
    thread = await ada.create_thread()

    updated = await ada.if_match(tag.format(thread.etag)).update(thread, title="b")

    assert (updated.status, updated.title) == (200, "b")


@pytest.mark.parametrize("tag", ["W/{}", 'W/{}, "1"', '"1"', '"1", "2"', '""', '"*"', '"{}"'])
async def test_a_weak_tag_or_another_one_never_matches(ada, tag):
    thread = await ada.create_thread(title="a")

    refused = await ada.if_match(tag.format(thread.etag)).update(thread, title="b")

    assert refused.status in ((400, 412) if tag == '"{}"' else (412,))
    assert (await ada.get(thread)).title == "a"


async def test_a_change_that_changes_nothing_still_needs_the_tag(ada):
    thread = await ada.create_thread(title="a")

    assert (await ada.if_match('"1"').update(thread, title="a")).status == 412
    assert (await ada.if_match('"1"').update(thread)).status == 412
    assert (await ada.if_match(thread.etag).update(thread, title="a")).etag == thread.etag


async def test_deleting_a_thread_obeys_the_tag(ada):
    thread = await ada.create_thread()
    moved = await ada.update(thread, title="b")

    refused = await ada.if_match(thread.etag).delete(thread)
    kept = await ada.get(thread)
    deleted = await ada.if_match(moved.etag).delete(thread)

    assert (refused.status, refused.code) == (412, "precondition_failed")
    assert kept.status == 200
    assert deleted.status == 200


async def test_messages_have_tags_of_their_own(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "a")
    read = await ada.get_message(thread, message)
    await ada.post_message(thread, "another moves the thread, not the message")

    updated = await ada.if_match(read.etag).update_message(thread, message, content="b")
    refused = await ada.if_match(read.etag).update_message(thread, message, content="c")
    refused_delete = await ada.if_match(read.etag).delete_message(thread, message)
    deleted = await ada.if_match(updated.etag).delete_message(thread, message)

    assert (message.etag, updated.status) == (read.etag, 200)
    assert (refused.status, refused_delete.status, deleted.status) == (412, 412, 200)


async def test_an_organization_has_a_tag_too(fresh_owner):
    read = await fresh_owner.get_organization()

    updated = await fresh_owner.if_match(read.etag).update_organization(name="New name")
    refused = await fresh_owner.if_match(read.etag).update_organization(name="Newer name")

    assert (updated.status, updated.name) == (200, "New name")
    assert (refused.status, refused.code) == (412, "precondition_failed")


async def test_what_is_not_there_is_not_found_whatever_the_tag(ada):
    gone = "thread_01h455vb4pex5vsknk084sn02q"

    assert (await ada.if_match("*").update(gone, title="x")).status == 404
    assert (await ada.if_match('"1"').delete(gone)).status == 404


async def test_a_refused_precondition_changes_nothing(ada):
    thread = await ada.create_thread(title="a", metadata={"a": 1})

    await ada.if_match('"1"').update(thread, title="b", metadata={"b": 2})

    read = await ada.get(thread)
    assert (read.body, read.etag) == (thread.body, thread.etag)


async def test_of_simultaneous_updates_with_one_tag_exactly_one_is_taken(ada):
    thread = await ada.create_thread()

    answers = await asyncio.gather(*(ada.if_match(thread.etag).update(thread, title=str(n)) for n in range(8)))

    assert sorted(answer.status for answer in answers) == [200] + [412] * 7
    assert (await ada.get(thread)).title == next(answer.title for answer in answers if answer.status == 200)


@pytest.mark.parametrize("call", ["put", "delete"])
async def test_that_the_last_owner_stays_is_said_before_the_tag_is_looked_at(fresh_owner, call):
    wrong, right = fresh_owner.if_match('"1"'), fresh_owner.if_match("*")

    async def leave(who):
        if call == "put":
            return await who.put_member(fresh_owner.user, "member")
        return await who.delete_member(fresh_owner.user)

    refused = [await leave(who) for who in (wrong, right, fresh_owner)]
    await fresh_owner.put_member("uid_second_owner", "owner")
    with_wrong_tag = await leave(wrong)

    assert {(answer.status, answer.code) for answer in refused} == {(409, "last_owner")}
    assert (with_wrong_tag.status, with_wrong_tag.code) == (412, "precondition_failed")
    assert (await leave(right)).status == 200
