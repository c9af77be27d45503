"""Which models a caller may name: the list of them, and a table of the models file for all other names."""

import asyncio

import pytest

from support.answering import open_place
from support.scripted_model import Head

KEY = "sk-for-others"


@pytest.fixture(scope="module")
async def place(new_database, zygote, tmp_path_factory):
    """A server with the models scripted, large and small, and with another server for all other names."""
    file = tmp_path_factory.mktemp("models") / "models.toml"
    async with open_place(new_database, zygote) as place:
        url = place.model.url
        file.write_text(
            f'[large]\nurl = "{url}"\ndefault = true\n[small]\nurl = "{url}"\nmodel = "theirs"\n'
            f'["*"]\nurl = "{url}"\nkey = "{KEY}"\nlimit_name = "max_completion_tokens"\n'
        )
        place.server.stop()
        place.server.settings["THREADKEEP_MODELS_FILE"] = str(file)
        await place.server.start()
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


ALL = ["scripted", "large", "small", "echo"]


async def listed(who, **params):
    return await who.request("GET", "/v1/models", params=params)


async def test_the_models_of_the_server_are_listed_in_their_order(ada):
    page = await listed(ada)

    assert page.status == 200
    assert page.data == [{"id": name, "object": "model", "isDefault": name == "large"} for name in ALL]
    assert (page.object, page.firstId, page.lastId, page.hasMore, page.nextCursor) == (
        "list", "scripted", "echo", False, None,
    )  # fmt: skip


async def test_every_member_and_every_credential_may_read_them(place, ada):
    ben, cleo = place.cast.ben, place.cast.cleo

    for who in (ben, ben.with_token(), ada.as_user("uid_nobody"), cleo):
        assert (await listed(who)).ids == ALL
    stranger = await listed(cleo, organizationId="ORG_ACME")
    assert (stranger.status, stranger.code) == (403, "organization_access_denied")


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_list_is_paged_as_all_lists_are(ada, order):
    expected = ALL if order == "asc" else ALL[::-1]

    pages = [page async for page in ada.pages("/v1/models", limit=3, order=order)]
    before = await listed(ada, before=expected[3], order=order, limit=2)
    first = await listed(ada, before=expected[1], order=order)
    behind = await listed(ada, after=expected[3], order=order)

    assert [page.ids for page in pages] == [expected[:3], expected[3:]]
    assert (before.ids, before.hasMore, before.nextCursor) == (expected[1:3], True, expected[1])
    assert (first.ids, first.hasMore) == (expected[:1], False)
    assert (behind.ids, behind.firstId, behind.hasMore) == ([], None, False)


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"after": "gpt-4o"}, "invalid_cursor", "after"),
        ({"before": "*"}, "invalid_cursor", "before"),
        ({"after": "cur_nonsense"}, "invalid_cursor", "after"),
        ({"limit": "0"}, "invalid_parameter", "limit"),
        ({"model": "large"}, "unknown_parameter", "model"),
    ],
)
async def test_what_no_list_takes_is_refused(ada, params, code, param):
    refused = await listed(ada, **params)

    assert (refused.status, refused.code, refused.param) == (400, code, param)


async def test_a_model_of_the_list_answers_by_its_servers_own_name(ada, model):
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi", model="small")

    assert (response["status"], response.model, model.calls[0].body["model"]) == ("completed", "small", "theirs")
    assert model.calls[0].headers.get("authorization") is None


async def test_any_other_name_is_passed_on_to_the_server_for_all_others(ada, model):
    thread = await ada.create_thread()

    response = await ada.respond(thread, input="hi", model="gpt-4o", maxOutputTokens=9)

    assert (response["status"], response.model, model.calls[0].body["model"]) == ("completed", "gpt-4o", "gpt-4o")
    assert model.calls[0].headers["authorization"] == f"Bearer {KEY}"
    assert model.calls[0].body["max_completion_tokens"] == 9


async def test_an_assistant_may_have_any_name_too(ada, model):
    assistant = await ada.create_assistant(model="gpt-4o-mini")
    thread = await ada.create_thread(assistantId=assistant.id)

    response = await ada.respond(thread, input="hi")

    assert (response.model, model.calls[0].body["model"]) == ("gpt-4o-mini", "gpt-4o-mini")


async def test_without_a_name_the_default_answers(ada, model):
    response = await ada.respond(await ada.create_thread(), input="hi")

    assert (response.model, model.calls[0].body["model"]) == ("large", "large")


async def test_the_log_names_the_table_and_never_what_callers_made_up(place, ada, model):
    model.script = [Head(500)]
    names = [f"canary\n{number}" for number in range(3)]

    responses = await asyncio.gather(*(ada.respond_new(thread={}, input="hi", model=name) for name in names))

    assert [(each["status"], each.model) for each in responses] == [("failed", name) for name in names]
    assert "canary" not in place.server.log_text()
    assert place.server.log_text().count("The model * at ") == 1


@pytest.mark.parametrize("name", ["", "m" * 257, 1, "m\0"])
async def test_what_is_no_name_is_refused(ada, name):
    refused = await ada.respond_new(thread={}, input="hi", model=name)

    assert (refused.status, refused.param) == (400, "model")


async def test_without_a_server_for_all_names_an_unknown_one_is_refused_and_nothing_is_stored(server, people):
    owner = await people.owner()

    page = await listed(owner)
    refused = await owner.respond_new(thread={}, input="hi", model="gpt-4o")

    assert page.data == [{"id": "echo", "object": "model", "isDefault": True}]
    assert (refused.status, refused.code, refused.param) == (400, "invalid_field", "model")
    assert (await owner.list_threads()).ids == []
