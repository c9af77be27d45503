"""What an older database holds is kept by the migrations that follow."""

import pytest

from support.postgres import connected
from threadkeep.database import migrate
from threadkeep.database.sqlite import connect

ORGANIZATION = "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"
OLD_ASSISTANT = """
    insert into assistants (organization, id, name, instructions, configuration, metadata, created_ms, updated_ms,
        revision)
    values (1, 'asst_1', 'Guide', 'Be brief.', '{"model":"m"}', '{"a":1}', 2, 3, 4)
    """
# As 0007 leaves it.
ASSISTANT = """
    select organization, id, name, description, instructions, configuration, metadata, created_ms, updated_ms,
        revision, deleted_ms
    from assistants
    """
NAMELESS = """
    insert into assistants (organization, id, configuration, metadata, created_ms, updated_ms, revision)
    values (1, 'asst_2', '{}', '{}', 1, 1, 1)
    """


def up_to(dialect, number):
    return [sql for each, sql in migrate.migrations(dialect) if each <= number]


def after(dialect, number):
    return [sql for each, sql in migrate.migrations(dialect) if each > number]


@pytest.fixture
async def run(database_kind, tmp_path, request):
    """Run SQL on an empty database of the kind under test, and return its rows."""
    if database_kind == "sqlite":
        connection = connect(tmp_path / "x.db", create=True)

        async def on_sqlite(sql):
            return [tuple(row) for row in connection.execute(sql)]

        yield on_sqlite
        connection.close()
        return
    url = await request.getfixturevalue("postgres").create_database()
    async with connected(url) as postgres:

        async def on_postgres(sql):
            if sql.strip().startswith("select"):
                return [tuple(row) for row in await postgres.fetch(sql)]
            return await postgres.execute(sql)

        yield on_postgres


async def test_assistants_from_before_their_names_were_optional_are_kept(run, database_kind):
    for sql in (*up_to(database_kind, 6), ORGANIZATION, OLD_ASSISTANT, *after(database_kind, 6)):
        await run(sql)

    await run(NAMELESS)

    rows = await run(f"{ASSISTANT} order by id")
    assert rows == [
        (1, "asst_1", "Guide", None, "Be brief.", '{"model":"m"}', '{"a":1}', 2, 3, 4, None),
        (1, "asst_2", None, None, None, "{}", "{}", 1, 1, 1, None),
    ]
