"""Branches: which message follows which, the lines that lead to one, and writes at a place or under conditions."""

import asyncio
import random
from typing import Any

import pytest

from support.cast import Caller
from support.trees import Gardener, differences, walk


@pytest.mark.parametrize("seed", range(6))
async def test_any_tree_is_what_a_model_in_memory_says(ada, seed):
    rng = random.Random(seed)
    gardener = Gardener((await ada.create_thread()).id, rng)
    for number in range(40):
        assert (await gardener.step(ada))[1] == []
        if number % 4 == 3:
            assert await differences(gardener.tree, ada, gardener.thread, rng) == []


async def replace(who: Caller, thread: Any, what: str, *texts: str) -> None:
    answer = await who.post_messages(thread, [{"role": "user", "content": text} for text in texts], replaces=what)
    assert answer.status == 201, answer


async def test_two_writers_grow_two_branches_side_by_side(ada):
    thread = await ada.create_thread()
    root = (await ada.post_message(thread, "root")).id

    async def grow(name: str) -> list[str]:
        line = [root]
        for n in range(12):
            line.append((await ada.post_message(thread, f"{name} {n}", parentId=line[-1])).id)
        return line

    lines = await asyncio.gather(grow("left"), grow("right"))

    for line in lines:
        assert [each["id"] for each in await walk(ada, thread.id, branch=line[-1])] == line
    newest = (await ada.list_messages(thread, order="desc", limit=1)).ids[0]
    assert newest in (lines[0][-1], lines[1][-1])


async def test_an_edit_and_a_second_answer_keep_the_first(ada):
    thread = await ada.create_thread()
    first = await ada.respond(thread, input="first question", model="echo")
    question, answer = (await ada.list_messages(thread)).ids

    second = await ada.respond(thread, after=question, model="echo")
    edited = await ada.respond(thread, input="first question, said better", after=None, model="echo")

    parents = {each["id"]: each["parentId"] for each in (await ada.list_messages(thread)).data}
    assert (first.messageId, len(parents)) == (answer, 5)
    assert parents[second.messageId] == question == parents[answer]
    [edited_question] = edited.inputMessageIds
    assert (parents[edited_question], parents[edited.messageId]) == (None, edited_question)
    assert [each["id"] for each in await walk(ada, thread.id, branch="current")] == [edited_question, edited.messageId]


async def test_an_answer_sees_its_own_line_only(ada):
    thread = await ada.create_thread()
    root = await ada.post_message(thread, "root")
    await ada.post_message(thread, "another question", parentId=root.id)

    answer = await ada.respond(thread, input="the question", after=root.id, model="echo")

    shown = await ada.context(thread, contextMode="full")
    assert [each["content"][0]["text"] for each in shown.messages][:2] == ["root", "the question"]
    assert "the question" in answer.outputText


async def test_a_thread_whose_only_branch_was_deleted_goes_on_as_a_line(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(3)])
    line = (await ada.list_messages(thread)).ids
    branch = await ada.post_message(thread, "elsewhere", parentId=line[0])
    await ada.delete_message(thread, branch)

    for mode in ("recent", "smart", "full"):
        shown = await ada.context(thread, contextMode=mode)
        assert (shown.status, [each["id"] for each in shown.body["messages"]]) == (200, line)
    answer = await ada.respond(thread, model="echo")
    assert (answer.body["status"], (await ada.get_message(thread, answer.messageId)).parentId) == ("completed", line[2])


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"input": "x", "after": "msg_00000000000000000000000000"}, "message_not_found", "after"),
        ({"input": "x", "after": "of-nobody"}, "message_not_found", "after"),
        ({"after": None}, "thread_empty", "input"),
        ({"input": [{"role": "user", "content": "x", "parentId": None}]}, "invalid_field", "input[0].parentId"),
        ({"input": "x", "after": None, "replaces": "msg_1"}, "invalid_field", "after"),
    ],
)
async def test_a_place_that_is_none_is_refused_and_changes_nothing(ada, body, code, param):
    thread = await ada.create_thread()
    await ada.post_message(thread, "said", role="assistant")
    before = await ada.get(thread)

    refused = await ada.respond(thread, model="echo", **body)

    assert (refused.code, refused.param) == (code, param)
    assert (await ada.get(thread)).body == before.body


async def test_a_parent_must_be_in_the_thread(ada):
    thread, other = await ada.create_thread(), await ada.create_thread()
    elsewhere = await ada.post_message(other, "elsewhere", externalId="own")
    gone = await ada.post_message(thread, "gone")
    await ada.delete_message(thread, gone)

    for parent in (elsewhere.id, "own", gone.id, "later"):
        one = await ada.post_message(thread, "x", parentId=parent)
        several = await ada.post_messages(
            thread,
            [
                {"role": "user", "content": "x", "parentId": parent},
                {"role": "user", "content": "y", "externalId": "later"},
            ],
        )
        assert (one.status, one.code, one.param) == (404, "message_not_found", "parentId")
        assert (several.status, several.code, several.param) == (404, "message_not_found", "messages[0].parentId")
    assert (await ada.get(thread)).messageCount == 0


async def test_a_tree_is_created_whole_with_its_thread(ada):
    thread = await ada.create_thread(
        messages=[
            {"role": "user", "content": "q", "externalId": "q"},
            {"role": "assistant", "content": "a1"},
            {"role": "assistant", "content": "a2", "parentId": "q"},
            {"role": "user", "content": "q2", "parentId": None},
        ]
    )

    listed = (await ada.list_messages(thread)).data
    ids = [each["id"] for each in listed]
    assert [each["parentId"] for each in listed] == [None, ids[0], ids[0], None]
    assert [each["id"] for each in await walk(ada, thread.id, branch=ids[2])] == [ids[0], ids[2]]


async def test_a_walk_of_the_current_line_keeps_the_line_on_which_it_began(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(9)])
    line = (await ada.list_messages(thread)).ids
    page = await ada.list_messages(thread, branch="current", limit=4)
    await ada.post_message(thread, "elsewhere", parentId=line[1])

    rest = await ada.list_messages(thread, branch="current", limit=9, after=page.nextCursor)

    assert page.ids + rest.ids == line
    off = await ada.list_messages(thread, branch="current", after=line[5])
    assert (off.status, off.code, off.param) == (400, "invalid_cursor", "after")
    assert (await ada.list_messages(thread, branch="current", after=line[0])).ids[0] == line[1]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_walk_goes_on_its_line_although_the_thread_branches_meanwhile(ada, order):
    thread = await ada.create_thread(messages=[{"role": "user", "content": f"m{n}"} for n in range(6)])
    line = (await ada.list_messages(thread)).ids
    before = line if order == "asc" else line[::-1]
    first = await ada.list_messages(thread, branch="current", order=order, limit=2)
    by_id = await ada.list_messages(thread, branch="current", order=order, limit=2, after=before[0])

    await ada.post_message(thread, "aside", parentId=line[1])

    for page in (first, by_id):
        rest = await ada.list_messages(thread, branch="current", order=order, after=page.nextCursor)
        assert [*page.ids, *rest.ids] == before[-len([*page.ids, *rest.ids]) :]
    left = await ada.list_messages(thread, branch="current", order=order, after=line[-1])
    assert (left.status, left.code, left.param) == (400, "invalid_cursor", "after")


async def test_a_line_that_ends_nowhere_is_not_found(ada):
    thread = await ada.create_thread()

    refused = await ada.list_messages(thread, branch="msg_00000000000000000000000000")

    assert (refused.status, refused.code, refused.param) == (404, "message_not_found", "branch")


async def test_a_line_through_a_message_grows_with_what_descends_from_it(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": str(n)} for n in range(3)])
    line = (await ada.list_messages(thread)).ids
    page = await ada.list_messages(thread, through=line[1], limit=1)
    other = await ada.post_message(thread, "elsewhere", parentId=line[0])
    assert (await ada.list_messages(thread, through=line[1])).ids == line

    longer = await ada.post_message(thread, "more", parentId=line[2])

    assert (await ada.list_messages(thread, through=line[1])).ids == [*line, longer.id]
    assert (await ada.list_messages(thread, through=other.id)).ids == [line[0], other.id]
    assert (await ada.list_messages(thread, through=line[1], after=page.nextCursor)).ids == line[1:]
    gone = await ada.list_messages(thread, through="msg_00000000000000000000000000")
    both = await ada.list_messages(thread, through=line[1], branch="current")
    assert (gone.status, gone.code, gone.param) == (404, "message_not_found", "through")
    assert (both.status, both.code, both.param) == (400, "invalid_parameter", "through")


async def test_siblings_are_named_only_if_they_are_asked_for(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "question"}])
    [question] = (await ada.list_messages(thread)).ids
    answers = [await ada.post_message(thread, "x", role="assistant", parentId=question) for _ in range(3)]

    plain = await ada.list_messages(thread)
    told = await ada.list_messages(thread, branch="current", include="siblings")

    assert all("siblingIds" not in each for each in plain.data)
    assert [each["siblingIds"] for each in told.data] == [[], [each.id for each in answers]]


# Conditions


async def test_of_eight_writers_of_one_revision_exactly_one_wins(ada):
    thread = await ada.create_thread()
    for _ in range(10):
        tag = (await ada.get(thread)).etag
        writers = [ada.with_headers({"if-match": tag}) for _ in range(8)]

        answers = await asyncio.gather(*(each.post_message(thread, str(n)) for n, each in enumerate(writers)))

        assert sorted(each.status for each in answers) == [201] + [412] * 7
        [winner] = [each for each in answers if each.status == 201]
        assert winner.headers["thread-etag"] == (await ada.get(thread)).etag
    assert (await ada.get(thread)).messageCount == 10


async def test_a_thread_changes_with_its_messages_or_not_at_all(ada):
    thread = await ada.create_thread(metadata={"a": 1})
    change = {"title": "New", "metadata": {"b": 2}, "payload": {"format": "x", "data": "y"}}

    refused = await ada.post_messages(thread, [{"role": "user", "content": " "}], thread=change)
    refused_too = await ada.post_messages(thread, [{"role": "user", "content": "x"}], thread={"title": "t" * 201})
    assert (refused.status, refused_too.status) == (400, 400)
    assert (await ada.get(thread)).body == thread.body

    added = await ada.post_messages(thread, [{"role": "user", "content": "x"}], thread=change)
    changed = await ada.get(thread)
    assert added.status == 201
    assert (changed.title, changed.metadata, changed.messageCount) == ("New", {"a": 1, "b": 2}, 1)
    assert (changed.payload, added.headers["thread-etag"]) == ({"format": "x", "data": "y"}, changed.etag)


async def test_a_reader_never_sees_an_empty_or_half_history_while_it_is_replaced(ada):
    thread = await ada.create_thread(messages=[{"role": "user", "content": "0"}] * 5)
    done = asyncio.Event()

    async def read() -> None:
        while not done.is_set():
            seen = [each["content"][0]["text"] for each in (await ada.list_messages(thread)).data]
            assert len(seen) == 5 and len(set(seen)) == 1, seen

    readers = [asyncio.ensure_future(read()) for _ in range(4)]
    for n in range(30):
        await replace(ada, thread, "all", *[str(n)] * 5)
    done.set()
    await asyncio.gather(*readers)


async def test_what_is_replaced_frees_its_own_ids_in_the_same_call(ada):
    thread = await ada.create_thread(
        messages=[{"role": "user", "content": "x", "externalId": f"own-{n}"} for n in range(4)]
    )
    ids = (await ada.list_messages(thread)).ids
    again = [{"role": "user", "content": "y", "externalId": f"own-{n}"} for n in range(4)]

    taken = await ada.post_messages(thread, again[3:])
    part = await ada.post_messages(thread, again[2:], replaces=ids[2])
    whole = await ada.post_messages(thread, again, replaces="all")

    assert (taken.status, taken.code, taken.param) == (409, "external_id_taken", "messages[0].externalId")
    assert ids[3] in taken.message
    assert (part.status, whole.status) == (201, 201)
    assert (await ada.get(thread)).messageCount == 4


async def test_a_replacement_is_judged_like_every_change(ada):
    thread = await ada.create_thread()
    message = await ada.post_message(thread, "x")
    both = await ada.post_messages(thread, [{"role": "user", "content": "x", "parentId": None}], replaces=message.id)
    nothing = await ada.post_messages(thread, [])
    nobody = await ada.post_messages(
        thread, [{"role": "user", "content": "x"}], replaces="msg_00000000000000000000000000"
    )
    emptied = await ada.post_messages(thread, [], replaces=message.id)

    assert (both.code, both.param) == ("invalid_field", "replaces")
    assert (nothing.code, nothing.param) == ("invalid_field", "messages")
    assert (nobody.code, nobody.param) == ("message_not_found", "replaces")
    assert (emptied.status, emptied.data, (await ada.get(thread)).messageCount) == (201, [], 0)
    await ada.lock(thread)
    assert (await ada.post_messages(thread, [], replaces="all")).code == "thread_locked"
