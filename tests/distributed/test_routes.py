"""Where a cluster of Citus sends every statement, as its own plans say it."""

import re

import pytest

from support.postgres import connected
from test_statements import statements
from threadkeep import settings
from threadkeep.database import distribution, open_database
from threadkeep.database.statement import Statement

TASKS = re.compile(r"Task Count: (\d+)")
ROUNDABOUT = ("Distributed Subplan", "pull to coordinator", "repartition")
# A value of each type; 1 for all others.
EXAMPLES = {"text": "x", "bytea": "x", "json": "[]", "varchar": "x"}
# Of what callers ask, at most this share may go elsewhere than to one machine.
ELSEWHERE_MAX = 0.01


@pytest.fixture(scope="module")
async def connection(postgres):
    statements()  # Each is known, so that its function is made.
    url = await postgres.create_database()
    database = await open_database(settings.load({"THREADKEEP_DATABASE_URL": url}), serving=True)
    await database.close()
    async with connected(url, server_settings=distribution.SESSION, statement_cache_size=0) as connection:
        yield connection


async def routes(connection, statement: Statement) -> str:
    """Return `one` if the statement goes to one shard, `whole` if it asks what is not distributed, `many` if more."""
    text = statement.distributed.text
    types = [type.name for type in (await connection.prepare(text)).get_parameters()]
    # Citus cannot explain a statement with parameters.
    given = re.sub(r"\$(\d+)", lambda match: example_of(types[int(match[1]) - 1]), text)
    plan = "\n".join(line for [line] in await connection.fetch(f"explain {given}"))
    counts = TASKS.findall(plan)
    if any(word in plan for word in ROUNDABOUT) or any(count != "1" for count in counts):
        return "many"
    return "one" if counts else "whole"


def example_of(type: str) -> str:
    value = EXAMPLES.get(type.removesuffix("[]"), "1")
    return f"'{{{value}}}'::{type}" if type.endswith("[]") else f"'{value}'::{type}"


async def test_what_callers_ask_goes_to_one_machine(connection):
    found: dict[str, list[Statement]] = {"one": [], "whole": [], "many": []}
    for each in statements():
        if each.kind != "everywhere":
            found[await routes(connection, each)].append(each)

    asked = sum(map(len, found.values()))
    print({kind: len(its) for kind, its in found.items()})
    print(*(each.distributed.text for each in found["many"]), sep="\n\n")
    assert len(found["many"]) <= ELSEWHERE_MAX * asked


async def test_what_is_asked_everywhere_is_planned_too(connection):
    found = [await routes(connection, each) for each in statements() if each.kind == "everywhere"]

    print({kind: found.count(kind) for kind in ("one", "whole", "many")})
    assert len(found) == sum(1 for each in statements() if each.kind == "everywhere")
