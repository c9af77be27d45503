"""Metadata: it merges, it has limits that hold after the merge, and a refused merge changes nothing."""

import asyncio
import json

import pytest

CHARACTERS = pytest.mark.parametrize("character", ["a", "😀"])
SIXTEEN = {f"key{number}": number for number in range(16)}


@pytest.fixture(params=["threads", "messages"])
async def holder(request, ada):
    """Something with metadata: how to make one, and how to change it."""
    thread = await ada.create_thread()

    async def create(metadata):
        if request.param == "threads":
            return await ada.create_thread(metadata=metadata)
        return await ada.post_message(thread, metadata=metadata)

    async def update(item, metadata):
        if request.param == "threads":
            return await ada.update(item, metadata=metadata)
        return await ada.update_message(thread, item, metadata=metadata)

    async def get(item):
        return await (ada.get(item) if request.param == "threads" else ada.get_message(thread, item))

    holder.create, holder.update, holder.get = create, update, get
    return holder


async def test_an_update_merges_adds_replaces_and_removes(holder):
    item = await holder.create({"keep": "k", "change": 1, "drop": True})

    updated = await holder.update(item, {"change": [2], "drop": None, "new": "n"})

    assert updated.metadata == {"keep": "k", "change": [2], "new": "n"}
    assert (await holder.get(item)).metadata == updated.metadata


async def test_null_clears_all_and_an_empty_object_changes_nothing(holder):
    item = await holder.create({"a": 1})

    same = await holder.update(item, {})
    cleared = await holder.update(item, None)

    assert same.metadata == {"a": 1}
    assert cleared.metadata == {}


async def test_a_null_value_on_create_is_ignored(holder):
    item = await holder.create({"a": None, "b": 1})

    assert (item.status, item.metadata) == (201, {"b": 1})


async def test_keys_come_back_in_the_order_given(holder):
    item = await holder.create({"zebra": 1, "apple": 2, "10": 3, "9": 4} | {"Mango": 5})

    updated = await holder.update(item, {"apple": 9, "berry": 6})

    assert list(item.metadata) == ["zebra", "apple", "10", "9", "Mango"]
    assert list(updated.metadata) == ["zebra", "apple", "10", "9", "Mango", "berry"]
    assert list((await holder.get(item)).metadata) == list(updated.metadata)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "text",
        '😀 é e\u0301 \u2028 \\ " / \x7f \x01',
        0,
        -1,
        1,
        2**53,
        -(2**53),
        0.5,
        -1.25e-7,
        1e21,
        1.7976931348623157e308,
        5e-324,
        True,
        False,
        [],
        ["a", 1, 2.5, True, ""],
        "null",
        "true",
        "[1]",
    ],
)
async def test_a_value_comes_back_as_the_same_json_value(holder, value):
    item = await holder.create({"value": value})
    read = await holder.get(item)

    assert item.status == 201
    assert json.dumps(read.metadata["value"]) == json.dumps(value)


@pytest.mark.parametrize("text", ["1.0", "1", "-0.0", "100", "1e2", "0.1"])
async def test_a_number_stays_the_same_number(ada, text):
    thread = await ada.request("POST", "/v1/threads", content=f'{{"metadata": {{"n": {text}}}}}')

    assert float((await ada.get(thread)).metadata["n"]) == float(text)


@CHARACTERS
async def test_a_key_has_1_to_64_characters(holder, character):
    accepted = await holder.create({character: 1, character * 64: 2})
    too_long = await holder.create({character * 65: 1})
    empty = await holder.create({"": 1})

    assert accepted.metadata == {character: 1, character * 64: 2}
    assert (too_long.status, too_long.code) == (400, "metadata_key_too_long")
    assert too_long.param.startswith("metadata")
    assert (empty.status, empty.type) == (400, "invalid_request_error")


@CHARACTERS
async def test_a_text_value_has_up_to_512_characters(holder, character):
    accepted = await holder.create({"k": character * 512})
    refused = await holder.create({"k": character * 513})

    assert accepted.metadata == {"k": character * 512}
    assert (refused.status, refused.code) == (400, "metadata_value_too_long")


@CHARACTERS
async def test_an_array_has_up_to_512_characters_as_json(holder, character):
    fits = [character * 250, character * 255]
    assert len(json.dumps(fits, separators=(",", ":"), ensure_ascii=False)) == 512

    accepted = await holder.create({"k": fits})
    refused = await holder.create({"k": [fits[0], fits[1] + character]})

    assert accepted.metadata == {"k": fits}
    assert (refused.status, refused.code) == (400, "metadata_value_too_long")


async def test_an_array_is_measured_without_optional_escapes(holder):
    fits = ["/" * 508]
    refused = await holder.create({"k": ['"' * 255]})

    assert (await holder.create({"k": fits})).metadata == {"k": fits}
    assert (refused.status, refused.code) == (400, "metadata_value_too_long")
    assert (await holder.create({"k": ['"' * 254]})).status == 201


async def test_there_are_up_to_16_pairs(holder):
    accepted = await holder.create(SIXTEEN)
    refused = await holder.create(SIXTEEN | {"one_more": 1})
    with_ignored = await holder.create(SIXTEEN | {"one_more": None})

    assert accepted.metadata == SIXTEEN
    assert (refused.status, refused.code, refused.param) == (400, "metadata_too_many", "metadata")
    assert with_ignored.metadata == SIXTEEN


async def test_the_number_of_pairs_is_limited_after_the_merge(holder):
    item = await holder.create(SIXTEEN)

    refused = await holder.update(item, {"key0": "changed", "one_more": 1})
    unchanged = await holder.get(item)
    swapped = await holder.update(item, {"key0": None, "one_more": 1})
    replaced = await holder.update(item, {"key1": "changed"})

    assert (refused.status, refused.code) == (400, "metadata_too_many")
    assert (unchanged.metadata, unchanged.etag) == (SIXTEEN, item.etag)
    assert len(swapped.metadata) == 16
    assert "key0" not in swapped.metadata
    assert replaced.metadata["key1"] == "changed"


async def test_an_update_may_name_more_than_16_keys_when_the_result_has_16(holder):
    item = await holder.create(SIXTEEN)

    swapped = await holder.update(item, dict.fromkeys(SIXTEEN) | {f"new{number}": number for number in range(16)})

    assert swapped.metadata == {f"new{number}": number for number in range(16)}


@pytest.mark.parametrize(
    "bad", [{"a": "x" * 513}, {"k" * 65: 1}, {"a": {"b": 1}}, {"a": [[1]]}, {"a": [None]}, {"a": "\0"}]
)
async def test_a_refused_merge_changes_nothing_at_all(ada, bad):
    thread = await ada.create_thread(title="before", metadata={"a": 1})

    refused = await ada.update(thread, title="after", metadata={"good": 1, **bad})

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param.startswith("metadata")
    read = await ada.get(thread)
    assert (read.body, read.etag) == (thread.body, thread.etag)


@pytest.mark.parametrize("value", [{}, {"b": 1}, [[]], [{}], ["a", None]])
async def test_nested_values_are_refused(holder, value):
    refused = await holder.create({"k": value})

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param.startswith("metadata")


async def test_a_removed_key_that_was_not_there_is_no_change(holder):
    item = await holder.create({"a": 1})

    same = await holder.update(item, {"b": None})

    assert (same.metadata, same.etag, same.updatedAt) == ({"a": 1}, item.etag, item.updatedAt)


async def test_a_value_of_another_type_is_a_change(holder):
    item = await holder.create({"a": 1})

    assert (await holder.update(item, {"a": True})).metadata["a"] is True
    assert (await holder.update(item, {"a": "1"})).metadata["a"] == "1"


async def test_concurrent_merges_of_different_keys_lose_nothing(holder):
    item = await holder.create({})

    answers = await asyncio.gather(*(holder.update(item, {key: value}) for key, value in SIXTEEN.items()))

    assert [answer.status for answer in answers] == [200] * 16
    assert (await holder.get(item)).metadata == SIXTEEN


async def test_of_concurrent_merges_at_the_limit_only_those_that_fit_are_taken(holder):
    item = await holder.create({f"key{number}": 0 for number in range(12)})

    answers = await asyncio.gather(*(holder.update(item, {f"new{number}": 1}) for number in range(8)))

    assert sorted(answer.status for answer in answers) == [200] * 4 + [400] * 4
    assert len((await holder.get(item)).metadata) == 16


@pytest.mark.parametrize(
    "key", ["category", "priority", "status", "tags", "source", "department", "title", "state", "id"]
)
async def test_keys_that_users_like_have_no_effect_of_their_own(ada, key):
    thread = await ada.create_thread(metadata={key: "archived"})

    assert {**thread.body, "metadata": {}} == {**(await ada.get(thread)).body, "metadata": {}}
    assert (thread["status"], thread.state, thread.title) == ("inactive", "open", None)
    assert thread.metadata == {key: "archived"}
