"""Conversations and their items through OpenAI's own client: they are the threads and messages of this service."""

import openai
import pytest

from support.openai_client import all_of, client_of, refusal

CALL = {"type": "function_call", "call_id": "call_1", "name": "find", "arguments": '{"n": 1}'}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "found"}


def said(role, text):
    return {"role": role, "content": text}


@pytest.fixture
async def openai_client(ada):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def conversations(openai_client):
    return openai_client.conversations


def native_id(conversation):
    return f"thread_{conversation.id.removeprefix('conv_')}"


async def test_a_conversation_is_a_thread(ada, conversations):
    made = await conversations.create(items=[said("user", "hello")], metadata={"topic": "greeting"})

    native = await ada.get(native_id(made))
    assert (native.metadata, native.messageCount) == ({"topic": "greeting"}, 1)
    assert (made.object, made.created_at, made.metadata) == ("conversation", native.createdAt, {"topic": "greeting"})
    assert (made.title, made.status, made.state) == (None, "inactive", "open")
    assert await conversations.retrieve(made.id) == made
    changed = await conversations.update(made.id, metadata={"topic": "bill"})
    assert changed.metadata == {"topic": "bill"}
    assert (await ada.get(native_id(made))).metadata == {"topic": "bill"}
    deleted = await conversations.delete(made.id)
    assert (deleted.id, deleted.object, deleted.deleted) == (made.id, "conversation.deleted", True)
    assert (await ada.get(native_id(made))).status == 404


async def test_an_empty_conversation_has_an_empty_list(conversations):
    for body in ({}, {"items": []}, {"items": None}):
        made = await conversations.create(**body)
        page = await conversations.items.list(made.id)
        assert (page.data, page.has_more, page.last_id) == ([], False, None)


async def test_every_kind_of_item_comes_back_and_is_a_message(ada, conversations):
    made = await conversations.create()
    image = {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "low"}
    file = {"type": "input_file", "file_url": "https://example.com/a.pdf", "filename": "a.pdf"}

    stored = await conversations.items.create(
        made.id,
        items=[
            said("developer", "be brief"),
            {"role": "user", "content": [{"type": "input_text", "text": "see"}, image, file]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look"}]},
            CALL,
            RESULT,
            {**RESULT, "call_id": "call_1", "output": [{"type": "input_text", "text": "a"}, image]},
        ],
    )

    dumped = [each.model_dump(exclude_unset=True) for each in stored.data]
    assert [each["type"] for each in dumped] == ["message"] * 3 + ["function_call"] + ["function_call_output"] * 2
    assert [each["status"] for each in dumped] == ["completed"] * 6
    assert dumped[0]["role"] == "system"
    assert dumped[1]["content"] == [{"type": "input_text", "text": "see"}, {**image, "detail": "auto"}, file]
    assert dumped[2]["content"] == [{"type": "output_text", "text": "I look", "annotations": [], "logprobs": []}]
    assert {name: dumped[3][name] for name in CALL} == CALL
    assert (dumped[4]["output"], dumped[5]["output"][1]["image_url"]) == ("found", "https://example.com/a.png")
    native = await ada.list_messages(await ada.get(native_id(made)))
    assert [each["role"] for each in native.data] == ["system", "user", "assistant", "assistant", "tool", "tool"]
    assert native.data[3]["toolCalls"][0]["function"] == {"name": "find", "arguments": '{"n": 1}'}
    assert [each.id for each in (await conversations.items.list(made.id, order="asc")).data] == [
        each["id"] for each in dumped
    ]
    for each in dumped:
        read = await conversations.items.retrieve(each["id"], conversation_id=made.id)
        assert read.model_dump(exclude_unset=True) == each


async def test_whatever_is_answered_is_taken_back(conversations):
    first, second = await conversations.create(), await conversations.create()
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    sent = [said("user", "hi"), reasoning, CALL, RESULT, {**CALL, "arguments": "{not json"}, said("assistant", "ok")]
    stored = await conversations.items.create(first.id, items=sent)
    dumped = [each.model_dump(exclude_unset=True) for each in stored.data]

    again = await conversations.items.create(second.id, items=dumped)

    def without_ids(items):
        return [{name: value for name, value in each.items() if name != "id"} for each in items]

    assert without_ids(each.model_dump(exclude_unset=True) for each in again.data) == without_ids(dumped)
    assert not {each.id for each in again.data} & {each["id"] for each in dumped}
    assert dumped[4]["arguments"] == "{not json"


async def test_reasoning_is_kept_with_what_it_led_to_and_else_left_out(ada, conversations):
    made = await conversations.create()
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}

    stored = await conversations.items.create(
        made.id, items=[reasoning, said("user", "hi"), reasoning, reasoning, said("assistant", "ho"), reasoning]
    )

    listed = (await conversations.items.list(made.id, order="asc")).data
    assert [each.id for each in listed] == [each.id for each in stored.data]
    assert [each.type for each in listed] == ["message", "reasoning", "reasoning", "message"]
    assert listed[1].summary[0].text == "hm"
    native = await ada.list_messages(await ada.get(native_id(made)))
    assert [each["payloadFormat"] for each in native.data] == [None, "openai/item"]
    await conversations.items.delete(listed[1].id, conversation_id=made.id)
    left = (await conversations.items.list(made.id, order="asc")).data
    assert [each.type for each in left] == ["message", "reasoning", "message"]
    nothing = await conversations.items.create(made.id, items=[reasoning])
    assert nothing.data == []


@pytest.mark.parametrize(
    ("item", "param", "word"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "items[1].type", "item_reference"),
        ({"type": "computer_call", "id": "x"}, "items[1].type", "computer_call"),
        (
            {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
            "items[1].content[0].type",
            "input_image",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:"}]},
            "items[1].content[0].type",
            "input_file",
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "data": "x"}]},
            "items[1].content[0].type",
            "input_audio",
        ),
    ],
)
async def test_what_is_not_there_is_refused_by_name_and_nothing_is_stored(ada, conversations, item, param, word):
    made = await conversations.create()

    error = await refusal(openai.BadRequestError, conversations.items.create(made.id, items=[said("user", "hi"), item]))

    assert error.param == param
    assert word in error.message
    assert (await ada.get(native_id(made))).messageCount == 0


async def test_errors_of_items_name_the_item(conversations):
    made = await conversations.create()
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": []}

    blank = await refusal(
        openai.BadRequestError, conversations.items.create(made.id, items=[reasoning, said("user", " ")])
    )
    unknown = await refusal(
        openai.BadRequestError, conversations.items.create(made.id, items=[{**said("user", "hi"), "colour": "red"}])
    )
    many = await refusal(openai.BadRequestError, conversations.items.create(made.id, items=[said("user", "a")] * 21))

    assert blank.param == "items[1].content"
    assert (unknown.param, unknown.code) == ("items[0].colour", "unknown_field")
    assert many.param == "items"


async def test_what_is_unknown_is_not_found(conversations):
    made = await conversations.create()
    letters = "0" * 26
    for call, code, begin in [
        (conversations.retrieve("conv_none"), "conversation_not_found", "No conversation found"),
        (conversations.items.list("conv_none"), "conversation_not_found", "No conversation found"),
        (conversations.items.retrieve("x", conversation_id=made.id), "item_not_found", "No item found"),
        (conversations.items.retrieve(f"fc_{letters}_0", conversation_id=made.id), "item_not_found", "No item found"),
        (conversations.items.delete(f"msg_{letters}", conversation_id=made.id), "item_not_found", "No item found"),
    ]:
        error = await refusal(openai.NotFoundError, call)
        assert (error.code, begin in error.message) == (code, True)
    error = await refusal(openai.BadRequestError, conversations.items.list(made.id, after=f"msg_{letters}"))
    assert error.code == "invalid_cursor"


async def test_250_items_are_paged_both_ways(ada, conversations):
    made = await conversations.create()
    thread = await ada.get(native_id(made))
    for n in range(10):
        calls = [
            {"id": f"call_{n}_{m}", "type": "function", "function": {"name": "find", "arguments": "{}"}}
            for m in range(10)
        ]
        await ada.post_messages(
            thread,
            [
                {"role": "user", "content": f"question {n}"},
                {"role": "assistant", "content": "I look", "toolCalls": calls},
                *({"role": "tool", "content": "found", "toolCallId": each["id"]} for each in calls),
                {"role": "assistant", "content": "ok"},
                {"role": "user", "content": "thanks"},
                {"role": "assistant", "content": "bye"},
            ],
        )

    oldest_first = await all_of(conversations.items.list(made.id, order="asc", limit=7))
    newest_first = await all_of(conversations.items.list(made.id, limit=100))

    ids = [each.id for each in oldest_first]
    assert (len(ids), len(set(ids))) == (250, 250)
    assert [each.id for each in newest_first] == ids[::-1]
    assert [each.type for each in oldest_first[:13]] == ["message"] * 2 + ["function_call"] * 10 + [
        "function_call_output"
    ]
    for at in (0, 1, 2, 5, 11, 12, 13, 100, 249):
        for order, line in (("asc", ids), ("desc", ids[::-1])):
            place = line.index(ids[at])
            after = await conversations.items.list(made.id, order=order, limit=5, after=ids[at])
            assert [each.id for each in after.data] == line[place + 1 : place + 6]
            assert after.has_more == (place + 6 < len(line))
            before = await conversations.items.list(made.id, order=order, limit=5, extra_query={"before": ids[at]})
            assert [each.id for each in before.data] == line[max(0, place - 5) : place]


async def test_one_item_of_a_message_is_deleted_and_the_others_keep_their_ids(ada, conversations):
    thread = await ada.create_thread()
    calls = [
        {"id": f"call_{n}", "type": "function", "function": {"name": f"find_{n}", "arguments": "{}"}} for n in range(3)
    ]
    await ada.post_messages(thread, [{"role": "assistant", "content": "I look", "toolCalls": calls}])
    id = f"conv_{thread.id.removeprefix('thread_')}"
    text, *found = (await conversations.items.list(id, order="asc")).data

    shown = await conversations.items.delete(found[0].id, conversation_id=id)
    assert shown.id == id
    left = (await conversations.items.list(id, order="asc")).data
    assert left == [text, *found[1:]]
    after = await conversations.items.list(id, order="asc", after=found[0].id)
    assert after.data == found[1:]
    await conversations.items.delete(found[1].id, conversation_id=id)
    await conversations.items.delete(text.id, conversation_id=id)
    assert (await conversations.items.list(id)).data == [found[2]]
    error = await refusal(openai.NotFoundError, conversations.items.delete(found[1].id, conversation_id=id))
    assert error.code == "item_not_found"
    await conversations.items.delete(found[2].id, conversation_id=id)
    assert (await ada.get(thread)).messageCount == 0


async def test_an_item_that_was_deleted_is_still_a_position(conversations):
    made = await conversations.create(items=[said("user", "a"), said("user", "b"), said("user", "c")])
    first, second, third = (await conversations.items.list(made.id, order="asc")).data

    await conversations.items.delete(second.id, conversation_id=made.id)

    assert (await conversations.items.list(made.id, order="asc", after=second.id)).data == [third]
    assert (await conversations.items.list(made.id, after=second.id)).data == [first]


async def test_nobody_else_sees_a_conversation(ben, cleo, conversations):
    made = await conversations.create(items=[said("user", "a")])
    [item] = (await conversations.items.list(made.id)).data
    for who in (ben, cleo):
        async with client_of(who) as client:
            theirs = client.conversations
            for call in (
                theirs.retrieve(made.id),
                theirs.update(made.id, metadata={}),
                theirs.delete(made.id),
                theirs.items.list(made.id),
                theirs.items.create(made.id, items=[said("user", "b")]),
                theirs.items.retrieve(item.id, conversation_id=made.id),
                theirs.items.delete(item.id, conversation_id=made.id),
            ):
                assert (await refusal(openai.NotFoundError, call)).code == "conversation_not_found"


async def test_a_locked_conversation_takes_no_items_and_a_retry_stores_once(ada, conversations):
    made = await conversations.create()
    key = {"Idempotency-Key": "once"}
    first = await conversations.items.create(made.id, items=[said("user", "a")], extra_headers=key)
    again = await conversations.items.create(made.id, items=[said("user", "a")], extra_headers=key)
    assert again == first
    await ada.lock(await ada.get(native_id(made)))

    for items in ([said("user", "a")], [{"type": "reasoning", "id": "rs", "summary": []}]):
        error = await refusal(openai.ConflictError, conversations.items.create(made.id, items=items))
        assert error.code == "thread_locked"
    assert (await ada.get(native_id(made))).messageCount == 1


@pytest.mark.parametrize(
    "data", ["{", "[]", '{"places": [7, 8], "reasoning": [{"type": "x"}]}', '{"places": [7, 8]}', "[" * 100_000]
)
async def test_a_payload_that_somebody_else_wrote_disturbs_nothing(ada, conversations, data):
    thread = await ada.create_thread()
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    await ada.post_messages(
        thread,
        [
            {
                "role": "assistant",
                "content": "a",
                "toolCalls": [call],
                "payload": {"format": "openai/item", "data": data},
            }
        ],
    )

    items = (await conversations.items.list(f"conv_{thread.id.removeprefix('thread_')}", order="asc")).data

    assert [each.type for each in items] == ["message", "function_call"]
    assert items[1].id.endswith("_0")


async def test_items_are_those_of_the_current_line_as_it_reads_now(ada, conversations):
    made = await conversations.create(items=[said("user", "a"), said("assistant", "b"), said("user", "c")])
    thread = await ada.get(native_id(made))
    first, second, _ = (await ada.list_messages(thread)).data

    await ada.update_message(thread, first["id"], content="edited")
    await ada.post_message(thread, "another c", parentId=second["id"])

    items = (await conversations.items.list(made.id, order="asc")).data
    assert [each.content[0].text for each in items] == ["edited", "b", "another c"]


async def test_each_user_of_a_product_has_conversations_of_their_own(ada):
    async with client_of(ada.as_user("uid_lea")) as lea, client_of(ada.as_user("uid_tom")) as tom:
        made = await lea.conversations.create(items=[said("user", "a")])

        assert (await ada.get(native_id(made))).userId == "uid_lea"
        error = await refusal(openai.NotFoundError, tom.conversations.items.list(made.id))
        assert error.code == "conversation_not_found"


PDF = "https://example.com/a.pdf"


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (
            {
                "role": "user",
                "content": [{"type": "input_file", "file_url": PDF, "filename": "n" * 513}],
            },
            "filename",
        ),
        ({"type": "function_call", "call_id": "c", "name": "f", "arguments": "1" * (256 * 1024 + 1)}, "arguments"),
        ({"role": "user", "content": [{"type": "input_text", "text": "x"}] * 65}, "content"),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}] * 65},
            "output",
        ),
    ],
)
async def test_what_no_message_may_hold_is_refused_and_the_conversation_stays_readable(ada, item, param):
    made = await ada.request("POST", "/openai/v1/conversations", {})

    refused = await ada.request("POST", f"/openai/v1/conversations/{made.id}/items", {"items": [item]})

    assert (refused.status, refused.code) == (400, "invalid_field")
    assert param in refused.param
    assert (await ada.request("GET", f"/openai/v1/conversations/{made.id}/items")).data == []


async def test_so_much_reasoning_belongs_to_one_message(ada):
    made = await ada.request("POST", "/openai/v1/conversations", {})
    reasoning = {"type": "reasoning", "summary": []}
    answer = {"role": "assistant", "content": "x"}
    path = f"/openai/v1/conversations/{made.id}/items"

    refused = await ada.request("POST", "/openai/v1/responses/input_tokens", {"input": [reasoning] * 101 + [answer]})

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "input[100]")
    assert (await ada.request("GET", path)).data == []
