"""Assistants: configurations that are kept, and how threads are bound to them."""

import asyncio
import json
import re

import pytest

from threadkeep.database.sqlite import SqliteTransaction, apply_migrations, connect
from threadkeep.operations.upkeep import sweeping

NEVER_WAS = "asst_01h455vb4pex5vsknk084sn02q"
TEXT_CHARACTERS_MAX = 256 * 1024
PAGE_BYTES_MAX = 4 * 1024 * 1024
SETTINGS = {
    "model": "some-model",
    "temperature": 0.7,
    "topP": 0.9,
    "maxOutputTokens": 500,
    "stop": ["END", "STOP"],
    "responseFormat": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
    "toolChoice": {"type": "function", "function": {"name": "look_up"}},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "look_up",
                "description": "Looks it up.",
                "parameters": {"type": "object", "properties": {"b": {"const": 1}, "a": {"const": 1.5}}},
                "strict": True,
            },
        }
    ],
    "parallelToolCalls": False,
    "reasoningEffort": "low",
    "contextMode": "smart",
    "contextTokens": 4000,
    "contextMessages": 20,
}
EVERYTHING = {
    "description": "Helps.\n",
    "instructions": "Be kind.\n",
    "metadata": {"team": "support", "n": 1},
    **SETTINGS,
}
FIELDS = {"id", "object", "createdAt", "updatedAt", "organizationId", "name", *EVERYTHING}


def tools_of(*names):
    return [{"type": "function", "function": {"name": name}} for name in names]


@pytest.fixture
def name(people):
    """A name that no assistant has yet."""
    return f"Helper {people.new_user()}"


@pytest.fixture
async def assistant(ada, name):
    return await ada.create_assistant(name=name)


# Reading and writing


@pytest.mark.parametrize("given", [{}, {"name": None}, {"name": "Helper"}])
async def test_an_assistant_that_has_nothing_but_a_name_or_not_even_that_leaves_everything_open(ada, given):
    created = await ada.create_assistant(**given)

    assert created.status == 201
    assert re.fullmatch(r"asst_[0-7][0-9a-hjkmnp-tv-z]{25}", created.id)
    assert set(created.body) == FIELDS
    assert {field: created[field] for field in SETTINGS} == dict.fromkeys(SETTINGS)
    assert (created.object, created["name"], created.metadata) == ("assistant", given.get("name"), {})
    assert (created.description, created.instructions) == (None, None)
    assert (created.organizationId, created.createdAt) == ("ORG_ACME", created.updatedAt)


async def test_everything_comes_back_as_it_was_given(ada, name):
    created = await ada.create_assistant(name=name, **EVERYTHING)
    read = await ada.get_assistant(created)

    assert {field: created[field] for field in EVERYTHING} == EVERYTHING
    assert (read.body, read.etag) == (created.body, created.etag)
    assert list(created.tools[0]["function"]["parameters"]["properties"]) == ["b", "a"]


@pytest.mark.parametrize("field", sorted(EVERYTHING))
async def test_each_field_is_set_kept_and_cleared(ada, assistant, field):
    tools = {"tools": SETTINGS["tools"]} if field == "toolChoice" else {}

    changed = await ada.update_assistant(assistant, **{field: EVERYTHING[field]}, **tools)
    kept = await ada.update_assistant(assistant, name=f"{assistant['name']} kept")
    cleared = await ada.update_assistant(assistant, **{field: None})

    assert changed[field] == kept[field] == EVERYTHING[field]
    assert cleared[field] == ({} if field == "metadata" else None)
    assert (await ada.get_assistant(assistant)).body == cleared.body


@pytest.mark.parametrize("method", ["PATCH", "POST"])
async def test_an_update_answers_to_patch_and_post_alike(ada, assistant, method):
    updated = await ada.request(method, f"/v1/assistants/{assistant.id}", {"instructions": method})

    assert (updated.status, updated.instructions) == (200, method)


async def test_one_stop_is_kept_and_shown_as_a_list(ada, name):
    created = await ada.create_assistant(name=name, stop="END")
    updated = await ada.update_assistant(created, stop="STOP")

    assert (created.stop, updated.stop) == (["END"], ["STOP"])


async def test_metadata_merges_as_that_of_a_thread(ada, name):
    created = await ada.create_assistant(name=name, metadata={"a": 1, "gone": "x", "ignored": None})

    merged = await ada.update_assistant(created, metadata={"gone": None, "b": ["x", True]})
    refused = await ada.update_assistant(created, metadata={f"k{number}": 1 for number in range(15)})

    assert created.metadata == {"a": 1, "gone": "x"}
    assert merged.metadata == {"a": 1, "b": ["x", True]}
    assert (refused.status, refused.code) == (400, "metadata_too_many")
    assert (await ada.get_assistant(created)).body == merged.body


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"name": "n" * 256}, {"name": "n" * 257}),
        ({"name": "\U0001f600" * 256}, {"name": "\U0001f600" * 257}),
        ({"name": "x"}, {"name": ""}),
        ({"name": None}, {"name": 1}),
        ({"description": "\U0001f600" * 512}, {"description": "\U0001f600" * 513}),
        ({"description": ""}, {"description": "\0"}),
        ({"name": " x "}, {"name": " \t\u00a0"}),
        ({"instructions": "i" * TEXT_CHARACTERS_MAX}, {"instructions": "i" * (TEXT_CHARACTERS_MAX + 1)}),
        ({"instructions": ""}, {"instructions": "\0"}),
        ({"model": "m" * 256}, {"model": "m" * 257}),
        ({"model": "m"}, {"model": ""}),
        ({"temperature": 0}, {"temperature": -0.01}),
        ({"temperature": 2}, {"temperature": 2.01}),
        ({"topP": 0}, {"topP": -0.01}),
        ({"topP": 1}, {"topP": 1.01}),
        ({"maxOutputTokens": 1}, {"maxOutputTokens": 0}),
        ({"maxOutputTokens": 10_000_000}, {"maxOutputTokens": 10_000_001}),
        ({"contextTokens": 1}, {"contextTokens": 0}),
        ({"contextTokens": 10_000_000}, {"contextTokens": 10_000_001}),
        ({"contextTokens": 5}, {"contextTokens": 5.5}),
        ({"contextMessages": 1}, {"contextMessages": 0}),
        ({"contextMessages": 10_000}, {"contextMessages": 10_001}),
        ({"contextMessages": 5}, {"contextMessages": "5"}),
        ({"parallelToolCalls": True}, {"parallelToolCalls": 1}),
        ({"reasoningEffort": "x-high_2" * 4}, {"reasoningEffort": "x-high_2" * 4 + "s"}),
        ({"reasoningEffort": "low"}, {"reasoningEffort": "Low"}),
        ({"reasoningEffort": "low"}, {"reasoningEffort": "low\n"}),
        ({"reasoningEffort": "l"}, {"reasoningEffort": ""}),
        ({"stop": ["s"] * 4}, {"stop": ["s"] * 5}),
        ({"stop": ["s"]}, {"stop": []}),
        ({"stop": "s" * 256}, {"stop": "s" * 257}),
        ({"stop": ["s" * 256]}, {"stop": ["s" * 257]}),
        ({"stop": "s"}, {"stop": ""}),
        ({"contextMode": "full"}, {"contextMode": "all"}),
        ({"responseFormat": {"type": "json_object"}}, {"responseFormat": {"type": "xml"}}),
        (
            {"responseFormat": {"type": "json_schema", "json_schema": {}}},
            {"responseFormat": {"type": "json_schema"}},
        ),
        ({"toolChoice": "auto"}, {"toolChoice": "always"}),
        ({"tools": tools_of(*["f"] * 128)}, {"tools": tools_of(*["f"] * 129)}),
        ({"tools": tools_of("f" * 64)}, {"tools": tools_of("f" * 65)}),
        ({"tools": []}, {"tools": tools_of("no spaces")}),
        ({"tools": tools_of("f")}, {"tools": [{"type": "retrieval"}]}),
    ],
)
async def test_every_limit_holds_at_its_edge(ada, name, assistant, good, bad):
    [field] = good

    taken = await ada.update_assistant(assistant, **good)
    refused = await ada.update_assistant(assistant, **bad)
    refused_create = await ada.create_assistant(**{"name": f"{name} 2", **bad})

    assert taken.status == 200
    for answer in (refused, refused_create):
        assert (answer.status, answer.type) == (400, "invalid_request_error")
        assert answer.code == ("invalid_string" if bad[field] == "\0" else "invalid_field")
        assert re.split(r"[.\[]", answer.param)[0] == field
    assert (await ada.get_assistant(assistant)).body == taken.body


@pytest.mark.parametrize("field", ["object", "createdAt", "updatedAt"])
async def test_fields_that_only_answers_have_are_refused(ada, assistant, name, field):
    created = await ada.create_assistant(name=f"{name} 2", **{field: assistant[field]})
    updated = await ada.update_assistant(assistant, **{field: assistant[field]})

    for refused in (created, updated):
        assert (refused.status, refused.code, refused.param) == (400, "invalid_field", field)


async def test_an_unknown_field_is_refused_by_name(ada, assistant, name):
    created = await ada.create_assistant(name=f"{name} 2", temprature=1)
    updated = await ada.update_assistant(assistant, temprature=1)
    inside = await ada.update_assistant(assistant, tools=[{**tools_of("f")[0], "extra": 1}])

    assert (created.status, created.code, created.param) == (400, "unknown_field", "temprature")
    assert (updated.status, updated.code, updated.param) == (400, "unknown_field", "temprature")
    assert (inside.status, inside.code, inside.param) == (400, "unknown_field", "tools[0].extra")


@pytest.mark.parametrize("choice", [{"type": "function", "function": {"name": "other"}}, "required"])
async def test_a_tool_choice_that_the_tools_do_not_offer_is_refused(ada, assistant, choice):
    offered = [] if choice == "required" else tools_of("look_up")

    alone = await ada.update_assistant(assistant, toolChoice=choice)
    refused = await ada.update_assistant(assistant, tools=offered)
    together = await ada.update_assistant(assistant, tools=[*offered, *tools_of("other")])

    assert (alone.status, alone.toolChoice) == (200, choice)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "toolChoice")
    assert together.status == 200


async def test_a_change_that_changes_nothing_moves_nothing(ada, name):
    created = await ada.create_assistant(name=name, **EVERYTHING)

    same = await ada.update_assistant(created, name=name, **EVERYTHING)
    empty = await ada.update_assistant(created)
    moved = await ada.update_assistant(created, instructions="Be brief.")

    assert (same.body, same.etag, empty.etag) == (created.body, created.etag, created.etag)
    assert int(moved.etag.strip('"')) == int(created.etag.strip('"')) + 1
    assert moved.updatedAt >= created.updatedAt


async def test_a_one_that_becomes_true_is_a_change(ada, name):
    def schema(value):
        return {"type": "json_schema", "json_schema": {"const": value}}

    created = await ada.create_assistant(name=name, responseFormat=schema(1))

    updated = await ada.update_assistant(created, responseFormat=schema(True))

    assert updated.etag != created.etag
    assert (await ada.get_assistant(created)).responseFormat["json_schema"]["const"] is True


# Names and ids


async def test_several_may_have_one_name_and_a_name_may_be_taken_away(ada, assistant, name):
    created = await ada.create_assistant(name=name)
    renamed = await ada.update_assistant(await ada.create_assistant(), name=name)
    nameless = await ada.update_assistant(created, name=None)

    assert [each.status for each in (created, renamed, nameless)] == [201, 200, 200]
    assert created["name"] == renamed["name"] == assistant["name"]
    assert len({assistant.id, created.id, renamed.id}) == 3
    assert (nameless["name"], (await ada.get_assistant(created))["name"]) == (None, None)


@pytest.fixture
def chosen(people):
    """An id that nobody has chosen yet."""
    return f"asst_{people.new_user()}"


async def test_an_id_may_be_chosen(ada, chosen):
    created = await ada.create_assistant(id=chosen, instructions="Be kind.")
    changed = await ada.update_assistant(chosen, instructions="Be brief.")
    thread = await ada.create_thread(assistantId=chosen)

    assert (created.status, created.id) == (201, chosen)
    assert (await ada.get_assistant(chosen)).body == changed.body
    assert (thread.status, thread.assistantId) == (201, chosen)
    assert (await ada.list_threads(assistantId=chosen)).ids == [thread.id]


async def test_an_id_that_is_taken_is_refused_and_changes_nothing(ada, cleo, chosen):
    made = await ada.create_assistant(instructions="Be kind.")
    first = await ada.create_assistant(id=chosen, instructions="Be kind.")

    for taken in (first, made):
        refused = await ada.create_assistant(id=taken.id, instructions="lost")
        assert (refused.status, refused.code, refused.type) == (409, "assistant_exists", "conflict_error")
        assert refused.param == "id"
        assert (await ada.get_assistant(taken)).body == taken.body
    assert (await cleo.create_assistant(id=chosen)).status == 201


async def test_the_id_of_a_deleted_assistant_is_given_to_no_other(ada, chosen, assistant):
    thread = await ada.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hi"}])
    await ada.create_assistant(id=chosen)

    for taken in (chosen, assistant.id):
        await ada.delete_assistant(taken)
        refused = await ada.create_assistant(id=taken, instructions="in its place")
        assert (refused.status, refused.code, refused.param) == (409, "assistant_exists", "id")
        assert (await ada.get_assistant(taken)).status == 404
    assert (await ada.respond(thread)).code == "assistant_deleted"


async def test_of_simultaneous_creates_with_one_id_exactly_one_is_taken(ada, chosen):
    answers = await asyncio.gather(*(ada.create_assistant(id=chosen, name=str(number)) for number in range(8)))

    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [created] = [answer for answer in answers if answer.status == 201]
    assert (await ada.get_assistant(chosen)).body == created.body


async def test_a_create_beside_a_deletion_never_gets_the_id(ada, people):
    for _ in range(20):
        chosen = (await ada.create_assistant(id=f"asst_{people.new_user()}")).id

        deleted, created = await asyncio.gather(ada.delete_assistant(chosen), ada.create_assistant(id=chosen))

        assert (deleted.status, created.code) == (200, "assistant_exists")


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("asst_" + "a" * 123, "asst_" + "a" * 124),
        ("asst_-", "asst_"),
        ("asst__Z9", "asst_\n"),
        ("asst_0", "asst_0\n"),
        ("asst_x", "x"),
        ("asst_y", "asst_é"),
        ("asst_z", None),
        ("asst_Asst", "thread_1"),
    ],
)
async def test_an_id_begins_as_all_do_and_has_at_most_128_characters(fresh_owner, good, bad):
    taken = await fresh_owner.create_assistant(id=good)
    refused = await fresh_owner.create_assistant(id=bad)

    assert (taken.status, taken.id) == (201, good)
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "id")
    assert (await fresh_owner.get_assistant(good)).body == taken.body
    assert (await fresh_owner.list_assistants()).ids == [good]


async def test_an_id_is_never_changed(ada, assistant, chosen):
    refused = await ada.update_assistant(assistant, id=chosen)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "id")


# Who may do what


async def test_members_read_and_admins_write(ada, ben, people, assistant, name):
    admin = await people.member(ada, role="admin")

    for reader in (ben, ben.with_token(), ada.as_user("uid_nobody"), admin):
        assert (await reader.get_assistant(assistant)).body == assistant.body
        assert assistant.id in (await reader.list_assistants(order="desc", limit=100)).ids
    for member in (ben, ben.with_token(), ada.as_user("uid_ada")):
        for refused in (
            await member.create_assistant(name=f"{name} 2"),
            await member.update_assistant(assistant, instructions="mine"),
            await member.update_assistant(NEVER_WAS, instructions="mine"),
            await member.delete_assistant(assistant),
        ):
            assert (refused.status, refused.code) == (403, "insufficient_permissions")
    assert (await ada.get_assistant(assistant)).body == assistant.body
    assert (await admin.create_assistant(name=f"{name} 2")).status == 201
    assert (await admin.update_assistant(assistant, instructions="ours")).status == 200
    assert (await admin.delete_assistant(assistant)).status == 200


async def test_an_assistant_of_another_organization_is_no_position(cleo, assistant):
    refused = await cleo.list_assistants(after=assistant.id)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_cursor", "after")


async def test_a_stranger_meets_no_assistant_of_another_organization(cleo, assistant):
    for refused in (
        await cleo.get_assistant(assistant),
        await cleo.update_assistant(assistant, instructions="taken over"),
        await cleo.delete_assistant(assistant),
        await cleo.create_thread(assistantId=assistant.id),
        await cleo.update(await cleo.create_thread(), assistantId=assistant.id),
    ):
        assert (refused.status, refused.code) == (404, "assistant_not_found")
    assert assistant.id not in (await cleo.list_assistants(order="desc", limit=100)).text


async def test_an_organization_in_the_body_must_be_the_callers_own(ada, name):
    created = await ada.create_assistant(name=name, organizationId="ORG_ACME")
    denied = await ada.create_assistant(name=f"{name} 2", organizationId="ORG_OTHER")

    assert (created.status, created.organizationId) == (201, "ORG_ACME")
    assert (denied.status, denied.code) == (403, "organization_access_denied")


@pytest.mark.parametrize("missing", [NEVER_WAS, "asst_1", "nonsense", "asst_" + "Z" * 26])
async def test_an_id_that_never_was_is_not_found(ada, missing):
    for refused in (
        await ada.get_assistant(missing),
        await ada.update_assistant(missing, name="x"),
        await ada.delete_assistant(missing),
    ):
        assert (refused.status, refused.code) == (404, "assistant_not_found")


# Tags, retries, deletion


async def test_updates_and_deletions_obey_the_tag(ada, assistant):
    updated = await ada.if_match(assistant.etag).update_assistant(assistant, instructions="one")
    refused = [
        await ada.if_match(assistant.etag).update_assistant(assistant, instructions="two"),
        await ada.if_match(assistant.etag).update_assistant(assistant),
        await ada.if_match(assistant.etag).delete_assistant(assistant),
    ]
    deleted = await ada.if_match(f'"1", {updated.etag}').delete_assistant(assistant)

    assert (updated.status, updated.instructions, deleted.status) == (200, "one", 200)
    assert {(answer.status, answer.code) for answer in refused} == {(412, "precondition_failed")}
    assert (await ada.if_match("*").update_assistant(assistant, name="x")).status == 404


async def test_simultaneous_updates_lose_nothing(ada, assistant):
    answers = await asyncio.gather(*(ada.update_assistant(assistant, metadata={f"k{n}": n}) for n in range(8)))

    read = await ada.get_assistant(assistant)
    assert {answer.status for answer in answers} == {200}
    assert read.metadata == {f"k{n}": n for n in range(8)}
    assert int(read.etag.strip('"')) == int(assistant.etag.strip('"')) + 8


async def test_a_repeated_create_does_its_work_once(ada, name):
    first = await ada.retrying(name).create_assistant(name=name, instructions="Be kind.")
    again = await ada.retrying(name).create_assistant(name=name, instructions="Be kind.")
    other = await ada.retrying(name).create_assistant(name=name)

    assert (first.status, again.status, again.body, again.etag) == (201, 201, first.body, first.etag)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "key_reused")


async def test_an_id_that_was_taken_leaves_the_key_free(ada, chosen):
    await ada.create_assistant(id=chosen)

    refused = await ada.retrying(chosen).create_assistant(id=chosen)
    created = await ada.retrying(chosen).create_assistant(id=f"{chosen}_2")

    assert (refused.code, created.status) == ("assistant_exists", 201)


async def test_a_repeated_update_by_post_does_its_work_once(ada, assistant, name):
    path = f"/v1/assistants/{assistant.id}"
    first = await ada.retrying(name).request("POST", path, {"instructions": "one"})
    await ada.update_assistant(assistant, instructions="two")

    again = await ada.retrying(name).request("POST", path, {"instructions": "one"})

    assert (again.status, again.body) == (200, first.body)
    assert (await ada.get_assistant(assistant)).instructions == "two"


async def test_a_deleted_assistant_is_gone(ada, assistant):
    deleted = await ada.delete_assistant(assistant)
    again = await ada.delete_assistant(assistant)

    assert deleted.status == 200
    assert deleted.body == {"id": assistant.id, "object": "assistant.deleted", "deleted": True}
    assert (again.status, again.code) == (404, "assistant_not_found")
    assert (await ada.get_assistant(assistant)).status == 404
    assert assistant.id not in (await ada.list_assistants(order="desc", limit=100)).ids


async def test_deleting_an_assistant_empties_what_was_stored_about_it(ada, name, stored):
    canary = f"canary {name}"
    given = {"name": canary, "description": canary, "instructions": canary, "stop": canary, "metadata": {"a": canary}}
    created = await ada.retrying(name).create_assistant(**given)
    path = f"/v1/assistants/{created.id}"
    await ada.retrying(name).request("POST", path, {"metadata": {"a": 1}})
    await ada.delete_assistant(created)

    replayed = [
        await ada.retrying(name).create_assistant(**given),
        await ada.retrying(name).request("POST", path, {"metadata": {"a": 1}}),
    ]

    assert [(answer.status, answer.code) for answer in replayed] == [(404, "assistant_not_found")] * 2
    assert canary not in await stored.everything()


# Lists


@pytest.fixture
async def three(fresh_owner):
    """Somebody whose organization has three assistants."""
    fresh_owner.made = [(await fresh_owner.create_assistant(name=f"Helper {n}")).id for n in range(3)]
    return fresh_owner


async def test_assistants_are_listed_in_the_order_of_creation(three):
    page = await three.list_assistants(limit=2)
    rest = await three.list_assistants(limit=2, after=page.nextCursor)

    assert (page.ids, page.hasMore, page.firstId, page.lastId) == (three.made[:2], True, *three.made[:2])
    assert (rest.ids, rest.hasMore, rest.nextCursor) == (three.made[2:], False, None)
    assert (await three.list_assistants(order="desc")).ids == three.made[::-1]
    assert (await three.list_assistants(before=three.made[2], limit=1)).ids == [three.made[1]]
    assert len(await three.walk("/v1/assistants", limit=1)) == 3


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_chosen_ids_do_not_change_the_order(fresh_owner, order):
    made = []
    for chosen in ("asst_zz", None, "asst_00", None, "asst_A"):
        made.append((await fresh_owner.create_assistant(**({"id": chosen} if chosen else {}))).id)
        await asyncio.sleep(0.002)
    expected = made if order == "asc" else made[::-1]

    pages = [page async for page in fresh_owner.pages("/v1/assistants", limit=2, order=order)]
    behind = await fresh_owner.list_assistants(after=expected[1], order=order)
    before = await fresh_owner.list_assistants(before=expected[3], order=order, limit=2)

    assert [page.ids for page in pages] == [expected[:2], expected[2:4], expected[4:]]
    assert (behind.ids, before.ids) == (expected[2:], expected[1:3])


async def test_assistants_of_one_millisecond_are_all_listed_once(fresh_owner):
    made = await asyncio.gather(*(fresh_owner.create_assistant() for _ in range(30)))

    walked = await fresh_owner.walk("/v1/assistants", limit=3)

    assert sorted(each["id"] for each in walked) == sorted(each.id for each in made)


async def test_the_id_of_a_deleted_assistant_is_still_a_position(three):
    await three.delete_assistant(three.made[1])

    assert (await three.list_assistants(after=three.made[1])).ids == [three.made[2]]
    assert (await three.list_assistants(before=three.made[1])).ids == [three.made[0]]


async def test_a_cursor_that_is_none_is_refused(three):
    cursors = ("cur_nonsense", "a b", "nonsense", "thread_01h455vb4pex5vsknk084sn02q", "asst_short", NEVER_WAS)
    for cursor in cursors:
        refused = await three.list_assistants(after=cursor)
        assert (refused.status, refused.code, refused.param) == (400, "invalid_cursor", "after")


async def test_a_page_stops_at_four_mebibytes_but_never_under_one_assistant(fresh_owner):
    # U+0001 takes one byte in the database and six on the wire; 1e15 is written out, so that one alone fills a page.
    large = json.dumps({"name": "NAME", "instructions": "\u0001" * TEXT_CHARACTERS_MAX})
    functions = [{"name": "f", "description": "d" * 16_384}] * 127 + [{"name": "g", "parameters": {"n": "NUMBERS"}}]
    tools = [{"type": "function", "function": function} for function in functions]
    huge = {"name": "NAME", "instructions": "\U0001f600" * TEXT_CHARACTERS_MAX, "tools": tools}
    huge = json.dumps(huge, ensure_ascii=False).replace('"NUMBERS"', f"[{','.join(['1e15'] * 90_000)}]")
    made = []
    for number, content in enumerate((large, large, large, huge, huge, '{"name": "NAME"}', '{"name": "NAME"}')):
        content = content.replace("NAME", f"Helper {number}").encode()
        made.append((await fresh_owner.request("POST", "/v1/assistants", content=content)).id)

    forwards = [page async for page in fresh_owner.pages("/v1/assistants", limit=100)]
    backwards = [page async for page in fresh_owner.pages("/v1/assistants", limit=100, order="desc")]

    for pages, expected in ((forwards, made), (backwards, made[::-1])):
        assert [id for page in pages for id in page.ids] == expected
        sizes = [len(page.response.content) for page in pages]
        assert max(sizes) > PAGE_BYTES_MAX
        assert all(size <= PAGE_BYTES_MAX or len(page.data) == 1 for size, page in zip(sizes, pages, strict=True))


# Threads


@pytest.fixture
async def other(ada, name):
    return await ada.create_assistant(name=f"{name} other")


async def test_a_thread_is_created_with_an_assistant(ada, ben, assistant):
    thread = await ada.create_thread(assistantId=assistant.id)
    with_messages = await ben.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hi"}])
    without = await ada.create_thread(assistantId=None)

    assert (thread.status, thread.assistantId) == (201, assistant.id)
    assert (with_messages.assistantId, with_messages.messageCount) == (assistant.id, 1)
    assert without.assistantId is None
    assert (await ada.get(thread)).body == thread.body


@pytest.mark.parametrize("missing", [NEVER_WAS, "", "x", "a" * 128])
async def test_a_thread_takes_no_assistant_that_is_not_there(fresh_owner, missing):
    thread = await fresh_owner.create_thread()

    created = await fresh_owner.create_thread(assistantId=missing)
    updated = await fresh_owner.update(thread, assistantId=missing, title="lost")

    for refused in (created, updated):
        assert (refused.status, refused.code, refused.param) == (404, "assistant_not_found", "assistantId")
    assert (await fresh_owner.get(thread)).body == thread.body
    assert (await fresh_owner.list_threads()).ids == [thread.id]


async def test_an_assistant_is_set_whenever_the_thread_has_none(ada, assistant):
    for count in (0, 1):
        thread = await ada.create_thread(messages=[{"role": "user", "content": "hi"}] * count)

        updated = await ada.update(thread, assistantId=assistant.id)

        assert (updated.status, updated.assistantId) == (200, assistant.id)
        assert int(updated.etag.strip('"')) == int(thread.etag.strip('"')) + 1


async def test_an_assistant_is_changed_and_cleared_while_there_are_no_messages(ada, assistant, other):
    thread = await ada.create_thread(assistantId=assistant.id)

    changed = await ada.update(thread, assistantId=other.id)
    cleared = await ada.update(thread, assistantId=None)

    assert [changed.assistantId, cleared.assistantId] == [other.id, None]


async def test_messages_bind_a_thread_to_its_assistant(ada, assistant, other):
    thread = await ada.create_thread(assistantId=assistant.id)
    message = await ada.post_message(thread, "hello")
    bound = await ada.get(thread)

    for wanted in (other.id, None, NEVER_WAS):
        refused = await ada.update(thread, assistantId=wanted, title="lost")
        assert (refused.status, refused.code, refused.param) == (409, "assistant_bound", "assistantId")
    assert (await ada.get(thread)).body == bound.body

    await ada.delete_message(thread, message)
    assert (await ada.update(thread, assistantId=other.id)).assistantId == other.id


async def test_the_assistant_that_a_thread_has_already_may_be_sent(ada, assistant):
    thread = await ada.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hi"}])

    same = await ada.update(thread, assistantId=assistant.id)
    await ada.delete_assistant(assistant)
    same_when_deleted = await ada.update(thread, assistantId=assistant.id)

    assert (same.body, same.etag) == (thread.body, thread.etag)
    assert (same_when_deleted.body, same_when_deleted.etag) == (thread.body, thread.etag)


async def test_a_deleted_assistant_stays_named_on_its_threads_and_binds_them_no_more(ada, assistant, other):
    threads = [
        await ada.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hi"}])
        for _ in range(2)
    ]
    await ada.delete_assistant(assistant)

    assert (await ada.get(threads[0])).body == threads[0].body
    assert (await ada.list_threads(assistantId=assistant.id)).ids == [threads[1].id, threads[0].id]
    assert (await ada.update(threads[0], assistantId=other.id)).assistantId == other.id
    assert (await ada.update(threads[1], assistantId=None)).assistantId is None
    assert (await ada.update(threads[1], assistantId=assistant.id)).code == "assistant_not_found"


@pytest.mark.parametrize(("act", "code"), [("lock", "thread_locked"), ("archive", "thread_archived")])
async def test_a_state_refuses_the_assistant_before_all_else(ada, assistant, act, code):
    thread = await ada.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hi"}])
    await ada.act(thread, act)

    for wanted in (assistant.id, None, NEVER_WAS):
        refused = await ada.update(thread, assistantId=wanted)
        assert (refused.status, refused.code) == (409, code)


async def test_a_members_thread_takes_an_assistant_too(ada, ben, assistant):
    thread = await ben.create_thread()

    updated = await ben.update(thread, assistantId=assistant.id)
    refused = await ben.update(await ada.create_thread(), assistantId=assistant.id)

    assert updated.assistantId == assistant.id
    assert (refused.status, refused.code) == (404, "thread_not_found")


async def test_the_assistants_of_a_deleted_organization_are_out_of_reach(fresh_owner):
    assistant = await fresh_owner.create_assistant(name="Helper")

    await fresh_owner.delete_organization()

    assert (await fresh_owner.get_assistant(assistant)).status in (401, 403)


async def test_the_assistants_of_a_deleted_organization_go_with_it(tmp_path):
    connection = connect(tmp_path / "x.db", create=True)
    apply_migrations(connection)
    connection.execute("insert into organizations values (1, 'O', 'O', 1, 1, 1, 1, null)")
    connection.execute(
        "insert into assistants (organization, id, configuration, metadata, created_ms, updated_ms, revision)"
        " values (1, 'asst_1', '{}', '{}', 1, 1, 1)"
    )

    while await sweeping.delete_organization(SqliteTransaction(connection)):
        pass

    left = connection.execute("select id from assistants union all select id from organizations").fetchall()
    assert left == []
    connection.close()


async def test_an_assistant_never_echoes_what_was_refused(ada, name):
    refused = await ada.create_assistant(name=name, tools=tools_of("canary name"), instructions="canary text")

    assert refused.status == 400
    assert "canary" not in json.dumps(refused.body)
