"""`visibleInUi`: changed by signed-in persons only, and never a way to lose a thread."""

import pytest


async def test_a_user_token_changes_visibility_and_an_api_key_does_not(ada):
    thread = await ada.create_thread()

    refused = await ada.update(thread, visibleInUi=False)
    kept = await ada.get(thread)
    hidden = await ada.with_token().update(thread, visibleInUi=False)
    refused_back = await ada.update(thread, visibleInUi=True)
    shown = await ada.with_token().update(thread, visibleInUi=True)

    assert (refused.status, refused.code, refused.type) == (403, "bearer_token_required", "permission_error")
    assert kept.visibleInUi is True
    assert hidden.visibleInUi is False
    assert (refused_back.status, refused_back.code) == (403, "bearer_token_required")
    assert shown.visibleInUi is True


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "authorization"])
async def test_the_kind_of_credential_decides_not_the_header(ada, header):
    thread = await ada.create_thread()
    value = f"Bearer {ada.key}" if header == "authorization" else ada.key

    refused = await ada.with_credential(**{header: value}).update(thread, visibleInUi=False)

    assert (refused.status, refused.code) == (403, "bearer_token_required")


async def test_a_refused_change_changes_nothing_else(ada):
    thread = await ada.create_thread(title="before")

    await ada.update(thread, title="after", metadata={"a": 1}, visibleInUi=False)

    assert (await ada.get(thread)).body == thread.body


async def test_sending_the_value_it_already_has_is_allowed_and_changes_nothing(ada):
    thread = await ada.create_thread()

    same = await ada.update(thread, visibleInUi=True)
    await ada.with_token().update(thread, visibleInUi=False)
    same_hidden = await ada.update(thread, visibleInUi=False, title="renamed")

    assert (same.status, same.etag) == (200, thread.etag)
    assert (same_hidden.status, same_hidden.visibleInUi, same_hidden.title) == (200, False, "renamed")


async def test_an_api_key_creates_visible_threads_only(ada):
    refused = await ada.create_thread(visibleInUi=False)
    created = await ada.create_thread(visibleInUi=True)
    person = await ada.with_token().create_thread(visibleInUi=False)

    assert (refused.status, refused.code) == (403, "bearer_token_required")
    assert (created.status, created.visibleInUi) == (201, True)
    assert (person.status, person.visibleInUi) == (201, False)


async def test_a_key_that_acts_for_a_user_is_still_a_key(ada, people):
    user = ada.as_user(people.new_user())
    thread = await user.create_thread()

    refused = await user.update(thread, visibleInUi=False)

    assert (refused.status, refused.code) == (403, "bearer_token_required")


async def test_lists_show_hidden_threads_unless_asked_otherwise(people, ada):
    person = (await people.member(ada)).with_token()
    shown = await person.create_thread()
    hidden = await person.create_thread(visibleInUi=False)

    assert (await person.list_threads()).ids == [hidden.id, shown.id]
    assert (await person.list_threads(visibleInUi="true")).ids == [shown.id]
    assert (await person.list_threads(visibleInUi="false")).ids == [hidden.id]
    assert (await person.get(hidden)).status == 200


async def test_a_member_changes_the_visibility_of_their_own_thread(ben, ada):
    thread = await ben.create_thread()

    hidden = await ben.with_token().update(thread, visibleInUi=False)

    assert (hidden.status, hidden.visibleInUi) == (200, False)
