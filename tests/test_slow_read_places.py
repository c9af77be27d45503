"""Who gets a place for a slow read: each organization and each user by turns, and nobody all of them."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from threadkeep.database.slow_reads import PER_USER_MAX, SlowReads
from threadkeep.errors import RateLimited, Unavailable
from threadkeep.scope import Credential, Role, make_scope, system_scope

PATIENT_S = 30.0


def somebody(organization, user="uid", role=Role.OWNER):
    return make_scope(organization, f"ORG_{organization}", user, role, Credential.KEY)


class Reads:
    """Slow reads that end when they are told to; `order` is who got a place, one after the other."""

    def __init__(self, places, wait_s=PATIENT_S):
        self.slow_reads = SlowReads(places, wait_s)
        self.order = []
        self.running = []
        self.tasks = []

    async def begin(self, *scopes):
        for scope in scopes:
            self.tasks.append(asyncio.ensure_future(self._read(scope)))
        await asyncio.sleep(0.01)

    async def _read(self, scope):
        async with self.slow_reads.place(scope):
            end = asyncio.Event()
            self.order.append((scope.organization, scope.user_id))
            self.running.append((scope.organization, end))
            await end.wait()

    async def end_oldest(self):
        self.running.pop(0)[1].set()
        await asyncio.sleep(0.01)

    @property
    def organizations(self):
        return [organization for organization, _ in self.order]


@asynccontextmanager
async def reads_of(places, **more):
    reads = Reads(places, **more)
    yield reads
    for task in reads.tasks:
        task.cancel()
    await asyncio.gather(*reads.tasks, return_exceptions=True)


@pytest.mark.parametrize(("places", "share"), [(2, 1), (3, 2)])
async def test_one_organization_leaves_a_place_to_the_others(places, share):
    async with reads_of(places) as reads:
        await reads.begin(*[somebody(1)] * 10)
        assert reads.organizations == [1] * share

        await reads.begin(somebody(2))

        assert reads.organizations == [1] * share + [2]


async def test_organizations_take_turns_however_many_searches_each_has():
    async with reads_of(2) as reads:
        await reads.begin(*[somebody(1)] * 10, *[somebody(2)] * 10, somebody(3))
        for _ in range(4):
            await reads.end_oldest()

        assert reads.organizations[:3] == [1, 2, 3]
        assert sorted(reads.organizations[3:]) in ([1, 1, 2], [1, 2, 2])


async def test_users_of_one_organization_take_turns():
    async with reads_of(2) as reads:
        await reads.begin(*[somebody(1, "uid_many")] * 5, somebody(1, "uid_few"))
        await reads.end_oldest()
        await reads.end_oldest()

        assert [user for _, user in reads.order] == ["uid_many", "uid_few", "uid_many"]


async def test_one_user_has_so_many_searches_under_way_and_a_program_for_many_has_no_such_limit():
    async with reads_of(2) as reads:
        await reads.begin(*[somebody(1, role=Role.MEMBER)] * PER_USER_MAX)
        with pytest.raises(RateLimited) as refused:
            async with reads.slow_reads.place(somebody(1, role=Role.MEMBER)):
                pass
        await reads.begin(*[somebody(2)] * (PER_USER_MAX + 5))
        done = [task for task in reads.tasks if task.done()]

    assert int(refused.value.headers["Retry-After"]) >= 1
    assert done == []


async def test_the_services_own_reads_have_turns_of_their_own():
    """As for an answer whose context is the whole thread."""
    async with reads_of(2) as reads:
        await reads.begin(*[somebody(1, f"uid_{number}") for number in range(3)] * 3, system_scope(1, "ORG_1"))
        for _ in range(4):
            await reads.end_oldest()

        assert "" in [user for _, user in reads.order]


async def test_whoever_waits_too_long_is_told_so_and_leaves_nothing_behind():
    async with reads_of(2, wait_s=0.1) as reads:
        await reads.begin(somebody(1), somebody(1))
        with pytest.raises(Unavailable):
            await reads.tasks[1]
        await reads.end_oldest()
        await reads.begin(somebody(1))

        assert reads.organizations == [1, 1]
        await reads.end_oldest()
    assert vars(reads.slow_reads)["_turns"] == {}
    assert vars(reads.slow_reads)["_free"] == 2


async def test_whoever_goes_away_gives_the_place_to_the_next():
    async with reads_of(2) as reads:
        await reads.begin(somebody(1), somebody(1), somebody(1))
        reads.tasks[1].cancel()
        reads.tasks[0].cancel()
        await asyncio.sleep(0.01)

        assert reads.organizations == [1, 1]
        assert [task.done() for task in reads.tasks] == [True, True, False]


async def test_a_member_with_many_searches_is_told_to_wait_and_others_search_on(ada, cleo, people):
    member = (await people.member(ada)).with_token()
    await member.create_thread(title="one of many")

    answers = await asyncio.gather(*(member.list_threads(titleContains=f"many{n}") for n in range(60)))
    others = await asyncio.gather(*(cleo.list_threads(titleContains="many") for _ in range(3)))

    assert {answer.status for answer in answers} <= {200, 429, 503}
    assert {answer.status for answer in others} == {200}
    assert (await member.list_threads(titleContains="many")).status == 200
