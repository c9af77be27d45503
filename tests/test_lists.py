"""Lists of threads: filters, sorting, totals and previews."""

import pytest

OWN = pytest.mark.parametrize("path", ["/v1/threads", "/v1/user/threads"])


@pytest.fixture
async def three(fresh_user):
    """A user with three threads, oldest first."""
    fresh_user.threads = [await fresh_user.create_thread(title=title) for title in ("one", "two", "three")]
    return fresh_user


def ids(*threads):
    return [thread.id for thread in threads]


async def test_an_empty_list_has_the_same_shape(fresh_user):
    page = await fresh_user.list_threads()

    assert page.status == 200
    assert page.body == {
        "object": "list",
        "data": [],
        "firstId": None,
        "lastId": None,
        "hasMore": False,
        "nextCursor": None,
    }


async def test_threads_are_listed_newest_first(three):
    page = await three.list_threads()

    assert page.ids == ids(*three.threads[::-1])
    assert (page.firstId, page.lastId, page.hasMore) == (page.ids[0], page.ids[-1], False)
    assert (await three.list_threads(order="asc")).ids == ids(*three.threads)


async def test_sorting_by_updated_at_follows_the_last_change(three):
    one, two, three_ = three.threads
    await three.list_threads()  # So that the change is not in the millisecond of the last creation.
    await three.update(one, title="changed")
    await three.post_message(two)

    assert (await three.list_threads(sort="updatedAt")).ids == ids(two, one, three_)
    assert (await three.list_threads(sort="updatedAt", order="asc")).ids == ids(three_, one, two)


async def test_a_page_has_20_threads_unless_asked_otherwise(fresh_user):
    for _ in range(21):
        await fresh_user.create_thread()

    default = await fresh_user.list_threads()
    exact = await fresh_user.list_threads(limit=21)

    assert (len(default.data), default.hasMore) == (20, True)
    assert (len(exact.data), exact.hasMore) == (21, False)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "1e1", " 5", "05x", "99999999999999999999"])
@OWN
async def test_a_limit_outside_1_to_100_is_refused(ada, path, limit):
    refused = await ada.request("GET", path, params={"limit": limit})

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "limit")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("order", "up"),
        ("order", ""),
        ("sort", "title"),
        ("state", "closed"),
        ("status", "busy"),
        ("visibleInUi", "yes"),
        ("visibleInUi", "1"),
        ("createdAfter", "yesterday"),
        ("createdAfter", "1.5"),
        ("createdBefore", "-x"),
        ("include", "messages"),
        ("includeTotal", "maybe"),
        ("userId", "a b"),
        ("userId", ""),
        ("metadata.", "x"),
    ],
)
@OWN
async def test_a_value_out_of_range_is_refused_by_name(ada, path, name, value):
    refused = await ada.request("GET", path, params={name: value})

    assert (refused.status, refused.type) == (400, "invalid_request_error")
    assert refused.param == name


@pytest.mark.parametrize("name", ["Limit", "offset", "page", "metadata", "title", "sortBy"])
@OWN
async def test_an_unknown_parameter_is_refused_by_name(ada, path, name):
    refused = await ada.request("GET", path, params={name: "1"})

    assert (refused.status, refused.code, refused.param) == (400, "unknown_parameter", name)


async def test_a_parameter_given_twice_is_refused(ada):
    refused = await ada.request("GET", "/v1/threads?limit=1&limit=2")

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", "limit")


@pytest.mark.parametrize("path", ["/v1/threads/{}", "/v1/threads/{}/messages/{}"])
async def test_single_objects_refuse_unknown_parameters_too(ada, path):
    thread = await ada.create_thread()
    message = await ada.post_message(thread)

    refused = await ada.request("GET", path.format(thread.id, message.id), params={"limit": 1})

    assert (refused.status, refused.code, refused.param) == (400, "unknown_parameter", "limit")


async def test_user_threads_are_the_callers_own_even_for_an_owner(people):
    owner = await people.owner()
    mine = await owner.create_thread()
    theirs = await owner.create_thread(userId="uid_somebody")

    assert (await owner.my_threads()).ids == [mine.id]
    assert (await owner.list_threads()).ids == [theirs.id, mine.id]
    assert (await owner.list_threads(userId="uid_somebody")).ids == [theirs.id]
    assert (await owner.list_threads(userId="uid_unknown")).ids == []


async def test_user_threads_of_somebody_else_are_not_ones_own(fresh_owner):
    await fresh_owner.create_thread(userId="uid_somebody")

    answer = await fresh_owner.my_threads(userId="uid_somebody")

    assert answer.status in (200, 400, 403)
    assert answer.status != 200 or answer.data == []


async def test_a_member_lists_only_threads_of_their_own(ada, people):
    member = await people.member(ada)
    thread = await member.create_thread()

    refused = await member.list_threads(userId="uid_ada")

    assert (await member.list_threads()).ids == [thread.id]
    assert (await member.list_threads(userId=member.user)).ids == [thread.id]
    assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_no_thread_streams_yet(three):
    assert len((await three.list_threads(status="inactive")).data) == 3
    assert (await three.list_threads(status="streaming")).data == []


async def test_threads_are_found_by_their_assistant(fresh_owner):
    assistant = await fresh_owner.create_assistant(name="Helper")
    threads = [await fresh_owner.create_thread(assistantId=assistant.id) for _ in range(2)]
    await fresh_owner.create_thread()
    await fresh_owner.archive(threads[0])

    by_state = {
        state: (await fresh_owner.list_threads(assistantId=assistant.id, state=state)).ids
        for state in ("open", "archived", "all")
    }

    assert by_state == {
        "open": [threads[1].id],
        "archived": [threads[0].id],
        "all": [threads[1].id, threads[0].id],
    }
    assert (await fresh_owner.list_threads(assistantId="asst_01h455vb4pex5vsknk084sn02q")).data == []


async def test_created_after_and_before_bound_the_seconds(three):
    oldest, newest = three.threads[0], three.threads[-1]

    assert len((await three.list_threads(createdAfter=oldest.createdAt - 1)).data) == 3
    assert (await three.list_threads(createdAfter=newest.createdAt + 1)).data == []
    assert len((await three.list_threads(createdBefore=newest.createdAt + 1)).data) == 3
    assert (await three.list_threads(createdBefore=oldest.createdAt - 1)).data == []


@pytest.mark.parametrize(
    ("stored", "asked", "matches"),
    [
        ("billing", "billing", True),
        ("billing", "Billing", False),
        ("billing", "bill", False),
        ("", "", True),
        ("a b&c=d", "a b&c=d", True),
        ("😀", "😀", True),
        (5, "5", True),
        ("5", "5", True),
        (5, "5.0", False),
        (2.5, "2.5", True),
        (True, "true", True),
        ("true", "true", True),
        (True, "True", False),
        (False, "false", True),
        (0, "false", False),
        (["a", "b"], "b", True),
        (["a", 5, True], "5", True),
        (["a", 5, True], "true", True),
        (["a", "b"], '["a","b"]', False),
        (["a"], "", False),
        ([], "", False),
        ([], "[]", False),
    ],
)
async def test_metadata_filters_match_the_value_or_an_element_of_it(fresh_user, stored, asked, matches):
    thread = await fresh_user.create_thread(metadata={"key": stored, "other": "noise"})
    await fresh_user.create_thread(metadata={"other": asked or "x"})

    page = await fresh_user.list_threads(**{"metadata.key": asked})

    assert (page.status, page.ids) == (200, [thread.id] if matches else [])


@pytest.mark.parametrize("key", ["a.b", ".", "a b", "ключ", "metadata.x", "a[0]", "%", "'", '"'])
async def test_the_key_of_a_metadata_filter_is_everything_after_the_first_dot(fresh_user, key):
    thread = await fresh_user.create_thread(metadata={key: "x"})

    assert (await fresh_user.list_threads(**{f"metadata.{key}": "x"})).ids == [thread.id]
    assert (await fresh_user.list_threads(**{f"metadata.{key}": "y"})).ids == []


async def test_all_metadata_filters_must_match_and_the_same_key_twice_means_both(fresh_user):
    both = await fresh_user.create_thread(metadata={"tags": ["a", "b"], "category": "x"})
    one = await fresh_user.create_thread(metadata={"tags": ["a"], "category": "x"})

    assert (await fresh_user.list_threads(**{"metadata.tags": "a"})).ids == ids(one, both)
    assert (await fresh_user.list_threads(**{"metadata.tags": ["a", "b"]})).ids == ids(both)
    assert (await fresh_user.list_threads(**{"metadata.tags": "b", "metadata.category": "x"})).ids == ids(both)
    assert (await fresh_user.list_threads(**{"metadata.tags": "b", "metadata.category": "y"})).ids == []


async def test_up_to_8_metadata_filters_are_taken(fresh_user):
    metadata = {f"k{number}": "x" for number in range(9)}
    thread = await fresh_user.create_thread(metadata=metadata)

    accepted = await fresh_user.list_threads(**{f"metadata.k{number}": "x" for number in range(8)})
    refused = await fresh_user.list_threads(**{f"metadata.k{number}": "x" for number in range(9)})

    assert accepted.ids == [thread.id]
    assert (refused.status, refused.code) == (400, "invalid_parameter")
    assert refused.param.startswith("metadata")


async def test_metadata_filters_follow_every_change(fresh_user):
    thread = await fresh_user.create_thread(metadata={"a": "old", "tags": ["x", "y"]})

    await fresh_user.update(thread, metadata={"a": "new", "tags": ["y"]})

    async def found(**filters):
        return (await fresh_user.list_threads(**filters)).ids == [thread.id]

    assert not await found(**{"metadata.a": "old"})
    assert await found(**{"metadata.a": "new"})
    assert not await found(**{"metadata.tags": "x"})
    assert await found(**{"metadata.tags": "y"})
    await fresh_user.update(thread, metadata=None)
    assert not await found(**{"metadata.a": "new"})


@pytest.mark.parametrize(
    ("title", "asked", "matches"),
    [
        ("Invoice of May", "invoice", True),
        ("Invoice of May", "OF M", True),
        ("Invoice of May", "June", False),
        ("Straße", "STRASSE", True),
        ("ÉCOLE", "école", True),
        ("e\u0301cole", "\u00e9cole", True),
        ("ΣΑΣ", "σας", True),
        ("100%", "0%", True),
        ("1000", "0%", False),
        ("a_b", "_", True),
        ("ab", "a_", False),
        ("back\\slash", "\\", True),
        ("ab", "\\", False),
        ("ＦＵＬＬ", "ｆｕｌｌ", True),
        ("ПРИВЕТ", "привет", True),
        (None, "n", False),
    ],
)
async def test_title_contains_ignores_case_and_spelling(fresh_user, title, asked, matches):
    thread = await fresh_user.create_thread(title=title)

    page = await fresh_user.list_threads(titleContains=asked)

    assert (page.status, page.ids) == (200, [thread.id] if matches else [])


async def test_title_contains_follows_a_rename(fresh_user):
    thread = await fresh_user.create_thread(title="before")

    await fresh_user.update(thread, title="after")

    assert (await fresh_user.list_threads(titleContains="BEFORE")).ids == []
    assert (await fresh_user.list_threads(titleContains="AFTER")).ids == [thread.id]


@pytest.mark.parametrize("sort", ["createdAt", "updatedAt"])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"state": "all"},
        {"metadata.tags": "a"},
        {"metadata.tags": ["a", "b"], "state": "all"},
        {"visibleInUi": "true", "state": "all"},
        {"titleContains": "t", "metadata.n": "1", "status": "inactive"},
    ],
)
async def test_a_filtered_walk_keeps_its_order_across_states(mixed, sort, order, filters):
    """Threads of all states, hidden and shown, are merged into one order, page by page, and forwards as backwards."""
    every = (await mixed.list_threads(limit=100, sort=sort, order=order, state="all")).data
    expected = [thread["id"] for thread in every if matches(thread, filters)]

    walked = [item["id"] for item in await mixed.walk("/v1/user/threads", limit=3, sort=sort, order=order, **filters)]
    whole = await mixed.list_threads(limit=100, sort=sort, order=order, includeTotal="true", **filters)
    last = await mixed.list_threads(limit=3, sort=sort, order=order, **filters)
    following = await mixed.list_threads(limit=3, sort=sort, order=order, after=last.nextCursor, **filters)
    back = await mixed.list_threads(limit=2, sort=sort, order=order, before=following.nextCursor, **filters)

    assert (walked, whole.ids, whole.total) == (expected, expected, len(expected))
    assert back.ids == expected[3:5]
    assert back.hasMore is True


@pytest.fixture(scope="module")
async def mixed(people, cast):
    """A person with threads of every kind."""
    person = (await people.member(cast.ada)).with_token()
    for number in range(36):
        thread = await person.create_thread(
            title=f"t{number}",
            visibleInUi=number % 5 != 0,
            metadata={"tags": ["a", "b"][: number % 4], "n": number % 2},
        )
        if number % 3 == 1:
            await person.lock(thread)
        if number % 4 == 3:
            await person.archive(thread)
    return person


def matches(thread, filters):
    """What the filters of the walk above mean, said once more in Python."""
    tags = filters.get("metadata.tags", [])
    return (
        (thread["state"] != "archived" or filters.get("state") == "all")
        and all(tag in thread["metadata"]["tags"] for tag in tags)
        and ("metadata.n" not in filters or thread["metadata"]["n"] == 1)
        and ("visibleInUi" not in filters or thread["visibleInUi"])
    )


async def test_a_preview_of_the_last_message_comes_when_asked_for(fresh_user):
    empty = await fresh_user.create_thread()
    spoken = await fresh_user.create_thread(messages=[{"role": "user", "content": "first"}])
    last = await fresh_user.post_message(spoken, "😀" * 300, "assistant")

    plain = await fresh_user.list_threads()
    page = await fresh_user.list_threads(include="lastMessage")

    assert page.ids == ids(spoken, empty)
    preview = page.data[0].pop("lastMessage")
    assert page.data[1].pop("lastMessage") is None
    assert page.data == plain.data
    assert (preview["role"], preview["createdAt"]) == ("assistant", last.createdAt)
    assert [value for value in preview.values() if value == "😀" * 200]


async def test_a_preview_follows_edits_and_deletions(fresh_user):
    thread = await fresh_user.create_thread(messages=[{"role": "user", "content": "first"}])
    second = await fresh_user.post_message(thread, "second")

    async def preview():
        return (await fresh_user.list_threads(include="lastMessage")).data[0]["lastMessage"]

    await fresh_user.update_message(thread, second, content="edited")
    assert "edited" in (await preview()).values()
    await fresh_user.delete_message(thread, second)
    assert "first" in (await preview()).values()
    await fresh_user.delete_messages(thread)
    assert await preview() is None


async def test_a_total_counts_all_that_match(three):
    await three.archive(three.threads[0])

    page = await three.list_threads(limit=1, includeTotal="true")
    everything = await three.list_threads(limit=1, includeTotal="true", state="all")
    filtered = await three.list_threads(includeTotal="true", titleContains="two")
    second = await three.list_threads(limit=1, includeTotal="true", after=page.nextCursor)

    assert (page.total, everything.total, filtered.total, second.total) == (2, 3, 1, 2)
    assert "total" not in (await three.list_threads(includeTotal="false")).body
