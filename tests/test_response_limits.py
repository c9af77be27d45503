"""How many responses run at once: a limit for each person and one for the organization, exact in every race."""

import asyncio

import pytest

from support.answering import ended, open_place

PER_USER, PER_ORGANIZATION = 3, 10


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    settings = {
        "THREADKEEP_RESPONSES_PER_USER_MAX": str(PER_USER),
        "THREADKEEP_RESPONSES_PER_ORGANIZATION_MAX": str(PER_ORGANIZATION),
    }
    async with open_place(new_database, zygote, **settings) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def model(place, server):
    return place.fresh_model()


async def begin_many(who, model, count):
    """Begin responses in threads of their own, at once; the models wait for `go`."""
    go = asyncio.Event()
    model.script = [go, "done"]
    answers = await asyncio.gather(*(who.respond_new(thread={}, input="hi", background=True) for _ in range(count)))
    return go, answers


async def end_all(who, go, answers):
    go.set()
    for answer in answers:
        if answer.status == 202:
            await ended(who, answer.threadId, answer)


@pytest.mark.parametrize("kind", ["token", "X-User-Id", "a token that a key made"])
async def test_one_person_has_so_many_responses_at_once_and_no_more(place, model, kind):
    owner = await place.people.owner()
    person, other = owner.as_user("uid_one"), owner.as_user("uid_two")
    if kind == "token":
        person = (await place.people.member(owner)).with_token()
    if kind == "a token that a key made":
        person = await place.people.product_user(owner, "uid_one")

    go, answers = await begin_many(person, model, 30)
    elsewhere = await other.respond_new(thread={}, input="hi", background=True)
    program = await owner.respond_new(thread={}, input="hi", background=True)

    begun = [answer for answer in answers if answer.status == 202]
    refused = [answer for answer in answers if answer.status != 202]
    assert len(begun) == PER_USER
    assert {(answer.status, answer.code) for answer in refused} == {(429, "rate_limited")}
    assert all(str(PER_USER) in answer.message for answer in refused)
    assert (elsewhere.status, program.status) == (202, 202)
    assert len((await owner.list_threads(limit=100)).data) == PER_USER + 2
    await end_all(person, go, begun)
    await end_all(owner, go, [elsewhere, program])
    assert (await person.respond_new(thread={}, input="hi", background=True)).status == 202


async def test_an_organization_has_so_many_responses_at_once_and_no_more(place, model):
    owner = await place.people.owner()

    go, answers = await begin_many(owner, model, 30)
    person = await owner.as_user("uid_new").respond_new(thread={}, input="hi")
    stranger = await (await place.people.owner()).respond_new(thread={}, input="hi", background=True)

    assert [answer.status for answer in answers].count(202) == PER_ORGANIZATION
    assert {answer.code for answer in answers if answer.status != 202} == {"rate_limited"}
    assert (person.status, person.code, stranger.status) == (429, "rate_limited", 202)
    await end_all(owner, go, answers)


async def test_cancelling_makes_room_at_once_and_so_does_an_interruption(place, model):
    person = (await place.people.owner()).as_user("uid_one")
    go, answers = await begin_many(person, model, PER_USER)

    full = await person.respond_new(thread={}, input="hi")
    instead = await person.respond(answers[0].threadId, input="hi", background=True, whenBusy="interrupt")
    await person.cancel(answers[1].threadId, answers[1])
    again = await person.respond_new(thread={}, input="hi", background=True)

    assert (full.status, full.code) == (429, "rate_limited")
    assert (instead.status, again.status) == (202, 202)
    await end_all(person, go, [*answers, instead, again])


async def test_what_a_program_runs_under_a_persons_id_is_not_the_persons(place, model):
    owner = await place.people.owner()
    person = await place.people.member(owner)

    go, programs = await begin_many(person, model, PER_USER + 1)
    own = await person.with_token().respond_new(thread={}, input="hi", background=True)

    assert [answer.status for answer in programs] == [202] * (PER_USER + 1)
    assert own.status == 202
    await end_all(person, go, [*programs, own])
