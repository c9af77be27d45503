"""A database in parts: some organizations are on a machine that is away, and the others go on."""

import pytest

from support.answering import change_stored
from support.in_process import inside
from support.stored import stored_in
from test_journal import talking
from threadkeep.database.driver import apart
from threadkeep.errors import Unavailable
from threadkeep.runtime.sweeper import Sweeper


class InParts:
    """A database of which one machine is away: what asks all of them fails."""

    is_in_parts = True

    def __init__(self, database=None):
        self.database = database

    async def read(self, operation):
        return await self.database.read(operation)

    async def write(self, step, within):
        if within is None:
            raise Unavailable
        return await self.database.write(step, within)


async def test_what_fails_for_one_organization_is_done_for_the_others():
    done = []

    async def work(items):
        if items[0] == (2, "a"):
            raise Unavailable
        done.extend(items)

    with pytest.raises(Unavailable):
        await apart(InParts(), [(1, "a"), (2, "a"), (1, "b"), (3, "a")], lambda item: item[0], work)

    assert sorted(done) == [(1, "a"), (1, "b"), (3, "a")]


async def test_the_sweeper_goes_through_the_organizations_when_it_cannot_ask_all_machines(new_database):
    database = await new_database()
    async with inside(database) as it:
        claim = await it.begin("say on", talking(30, 30))
        await change_stored(database, "update threads set lease_until = 0 where response_id is not null")

        with pytest.raises(Unavailable):
            await Sweeper(InParts(it.database)).sweep()

        async with stored_in(database) as stored:
            ended = await stored.rows(f"select status from responses where id = '{claim.response_id}'")
    assert ended == [("failed",)]
