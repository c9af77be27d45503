"""The background deletion forgets no thread, whoever deletes what at the same time."""

import pytest

from support.postgres import connected
from threadkeep.database.postgres import PostgresTransaction, open_database
from threadkeep.operations.upkeep import purging
from threadkeep.settings import Settings

pytestmark = pytest.mark.prove


class Interrupted(PostgresTransaction):
    """A transaction before whose last statement somebody else's is committed."""

    def __init__(self, transaction, meanwhile):
        super().__init__(transaction._connection)
        self.meanwhile = meanwhile

    async def fetch(self, statement, parameters):
        if statement is purging.END:
            await self.meanwhile()
        return await super().fetch(statement, parameters)


async def test_a_thread_that_is_deleted_while_its_emptying_ends_is_purged_too(postgres):
    url = await postgres.create_database()
    database = await open_database(url, Settings(), serving=True)
    async with connected(url) as other:
        await other.execute(
            "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"
        )
        await other.execute("insert into purges (organization, thread, last_seq, keeps_places) values (1, 1, 5, 1)")

        async def delete_the_thread():
            await other.execute("update purges set keeps_places = 0")

        await database.write(lambda tx: purging.purge_messages(Interrupted(tx, delete_the_thread), None))

        assert await other.fetchval("select keeps_places from purges") == 0
    await database.close()
