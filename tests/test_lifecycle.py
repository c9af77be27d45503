"""States: what may happen to a thread that is open, locked or archived."""

import asyncio

import pytest

from threadkeep.contract.lifecycle import REFUSALS, STATES, Action, State

MESSAGE = [{"role": "user", "content": "hello"}]


# How each action is asked for. An action of the table that is missing here fails the walk below.
ASK = {
    Action.READ: lambda who, thread, message: who.get(thread),
    Action.ADD_MESSAGE: lambda who, thread, message: who.post_message(thread, "more"),
    Action.EDIT_MESSAGE: lambda who, thread, message: who.update_message(thread, message, content="other"),
    Action.DELETE_MESSAGE: lambda who, thread, message: who.delete_message(thread, message),
    Action.CREATE_RESPONSE: lambda who, thread, message: who.respond(thread, input="more"),
    Action.GENERATE_NAME: lambda who, thread, message: who.generate_name(thread),
    Action.SET_TITLE: lambda who, thread, message: who.update(thread, title="other"),
    Action.SET_ASSISTANT: lambda who, thread, message: who.update(thread, assistantId=None),
    Action.SET_VISIBILITY: lambda who, thread, message: who.update(thread, visibleInUi=False),
    Action.SET_METADATA: lambda who, thread, message: who.update(thread, metadata={"category": "support"}),
    Action.LOCK: lambda who, thread, message: who.lock(thread),
    Action.UNLOCK: lambda who, thread, message: who.unlock(thread),
    Action.ARCHIVE: lambda who, thread, message: who.archive(thread),
    Action.UNARCHIVE: lambda who, thread, message: who.unarchive(thread),
    Action.DELETE: lambda who, thread, message: who.delete(thread),
}


async def thread_in(state, who):
    thread = await who.create_thread(title="before", messages=MESSAGE)
    if state is not State.OPEN:
        await who.act(thread, {State.LOCKED: "lock", State.ARCHIVED: "archive"}[state])
    return await who.get(thread)


async def test_every_action_is_allowed_or_refused_as_the_table_says(ada):
    person = ada.with_token()

    for action, ask in ASK.items():
        for state, refusal in zip(STATES, REFUSALS[action], strict=True):
            thread = await thread_in(state, person)
            message = (await person.list_messages(thread)).data[0]

            answer = await ask(person, thread, message)

            expected = (201 if action is Action.ADD_MESSAGE else 200) if refusal is None else 409
            code = refusal.code if refusal else None
            assert (answer.status, answer.code) == (expected, code), f"{action} of a thread that is {state}"
            if refusal is not None:
                assert (await person.get(thread)).body == thread.body
                assert (await person.list_messages(thread)).data == [message]


def test_the_walk_knows_every_action_of_the_table():
    assert set(ASK) == set(REFUSALS) == set(Action)


def test_the_table_says_what_the_contract_says():
    locked = {Action.ADD_MESSAGE, Action.EDIT_MESSAGE, Action.DELETE_MESSAGE, Action.CREATE_RESPONSE}
    locked |= {Action.GENERATE_NAME, Action.SET_TITLE, Action.SET_ASSISTANT, Action.SET_VISIBILITY}
    archived = locked | {Action.SET_METADATA, Action.LOCK, Action.UNLOCK}

    codes = {action: [refusal and refusal.code for refusal in refusals] for action, refusals in REFUSALS.items()}

    for action in Action:
        assert codes[action] == [
            None,
            "thread_locked" if action in locked else None,
            "thread_archived" if action in archived else None,
        ]


async def test_a_locked_thread_refuses_new_messages_but_takes_metadata(ada):
    thread = await ada.create_thread()
    await ada.lock(thread)

    refused = await ada.post_message(thread, "hello")
    updated = await ada.update(thread, metadata={"category": "support"})

    assert (refused.status, refused.code, refused.type) == (409, "thread_locked", "conflict_error")
    assert updated.metadata == {"category": "support"}


async def test_a_locked_thread_refuses_a_forbidden_field_even_with_its_old_value(ada):
    thread = await ada.create_thread(title="same")
    await ada.lock(thread)

    for field in ({"title": "same"}, {"visibleInUi": True}, {"assistantId": None}):
        refused = await ada.update(thread, metadata={"a": 1}, **field)
        assert (refused.status, refused.code) == (409, "thread_locked"), field
    assert (await ada.get(thread)).metadata == {}


async def test_deleting_all_messages_is_refused_in_a_locked_or_archived_thread(ada):
    for action in ("lock", "archive"):
        thread = await ada.create_thread(messages=MESSAGE)
        await ada.act(thread, action)

        refused = await ada.delete_messages(thread)

        assert (refused.status, refused.code) == (409, f"thread_{'locked' if action == 'lock' else 'archived'}")
        assert (await ada.get(thread)).messageCount == 1


@pytest.mark.parametrize("pair", [("lock", "unlock"), ("archive", "unarchive")])
async def test_an_action_done_twice_changes_nothing_the_second_time(ada, pair):
    thread = await ada.create_thread()

    for action in pair:
        first = await ada.act(thread, action)
        second = await ada.act(thread, action)

        assert (first.status, second.status) == (200, 200)
        assert (second.body, second.etag) == (first.body, first.etag)


async def test_the_answer_of_an_action_is_the_thread(ada):
    thread = await ada.create_thread(title="x")

    states = [await ada.act(thread, action) for action in ("lock", "unlock", "archive", "unarchive")]

    assert [answer.state for answer in states] == ["locked", "open", "archived", "open"]
    for answer in states:
        assert {**answer.body, "state": "open", "updatedAt": 0} == {**thread.body, "updatedAt": 0}


async def test_actions_take_an_empty_object_and_no_other_body(ada):
    thread = await ada.create_thread()

    empty = await ada.request("POST", f"/v1/threads/{thread.id}/lock", {})
    refused = await ada.request("POST", f"/v1/threads/{thread.id}/lock", {"reason": "because"})

    assert empty.status == 200
    assert (refused.status, refused.code, refused.param) == (400, "unknown_field", "reason")


async def test_unarchiving_a_thread_that_was_locked_leaves_it_locked(ada):
    thread = await ada.create_thread()
    await ada.lock(thread)

    archived = await ada.archive(thread)
    back = await ada.unarchive(thread)

    assert (archived.state, back.state) == ("archived", "locked")
    assert (await ada.post_message(thread)).code == "thread_locked"
    assert (await ada.unlock(thread)).state == "open"


async def test_default_lists_hide_archived_threads_and_show_locked_ones(fresh_user):
    made = {state: await fresh_user.create_thread() for state in ("open", "locked", "archived")}
    await fresh_user.lock(made["locked"])
    await fresh_user.archive(made["archived"])

    shown = {
        state: {item["state"] for item in (await fresh_user.list_threads(**({"state": state} if state else {}))).data}
        for state in ("", "open", "locked", "archived", "all")
    }

    assert shown[""] == {"open", "locked"}
    assert shown["all"] == {"open", "locked", "archived"}
    assert [shown[state] for state in made] == [{"open"}, {"locked"}, {"archived"}]


@pytest.mark.parametrize("role", ["key", "token"])
async def test_an_owners_lock_on_somebodys_thread_is_lifted_by_an_admin_only(ada, ben, role):
    thread = await ben.create_thread()
    await ada.lock(thread)

    refused = await (ben if role == "key" else ben.with_token()).unlock(thread)
    still = await ben.get(thread)
    lifted = await ada.unlock(thread)

    assert (refused.status, refused.code) == (403, "insufficient_permissions")
    assert still.state == "locked"
    assert lifted.state == "open"


async def test_a_members_own_lock_is_lifted_by_the_member(ada, ben):
    thread = await ben.create_thread()

    locked = await ben.lock(thread)
    lifted = await ben.unlock(thread)

    assert (locked.state, lifted.state) == ("locked", "open")


async def test_a_member_cannot_weaken_an_owners_lock_by_locking_again(ada, ben):
    thread = await ben.create_thread()
    await ada.lock(thread)
    await ben.lock(thread)

    refused = await ben.unlock(thread)

    assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_an_owners_lock_survives_archiving_by_the_member(ada, ben):
    thread = await ben.create_thread()
    await ada.lock(thread)
    await ben.archive(thread)
    await ben.unarchive(thread)

    assert (await ben.unlock(thread)).status == 403


async def test_an_owners_lock_on_her_own_thread_is_lifted_by_her_acting_as_its_user(ada, people):
    user = ada.as_user(people.new_user())
    thread = await user.create_thread()

    await user.lock(thread)

    assert (await user.unlock(thread)).state == "open"


async def test_a_locked_thread_never_gains_or_changes_a_message_in_races(ada):
    """Writers against a toggler: whatever was answered with a lock holds until the unlock."""
    thread = await ada.create_thread(messages=MESSAGE)
    done = asyncio.Event()
    written = 0

    async def write(number):
        nonlocal written
        while not done.is_set():
            answer = await ada.post_message(thread, f"from {number}")
            assert answer.status == 201 or (answer.status, answer.code) == (409, "thread_locked")
            written += answer.status == 201

    async def toggle():
        for _ in range(25):
            locked = await ada.lock(thread)
            later = await ada.get(thread)
            assert (later.messageCount, later.etag) == (locked.messageCount, locked.etag)
            unlocked = await ada.unlock(thread)
            assert unlocked.messageCount == locked.messageCount
        done.set()

    await asyncio.gather(toggle(), *(write(number) for number in range(4)))

    assert (await ada.get(thread)).messageCount == written + 1
