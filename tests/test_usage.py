"""Usage: tokens of an organization's responses, whether the sweeper has added them up or not."""

import asyncio
from datetime import UTC, datetime, timedelta

import apsw
import pytest

from support.postgres import connected
from support.server import Database
from support.waiting import SWEPT_S, eventually
from threadkeep.database import open_database
from threadkeep.database.scoped import ScopedDatabase
from threadkeep.operations.organizations import usage
from threadkeep.operations.upkeep import sweeping
from threadkeep.scope import Credential, Role, make_scope
from threadkeep.settings import Settings

# The sweeper comes every 3 ± 1 s.


class Ledger:
    """Writes rows of usage past the service, as responses leave them, and looks at what became of them."""

    def __init__(self, database: Database, organization: int) -> None:
        self.database = database
        self.organization = organization

    async def add(self, *rows, day=None, user="uid_a", assistant="", model="echo", tokens=(1, 2), estimated=0):
        """Add one row for each of `rows`, dictionaries of what differs; all in one transaction."""
        common = {"day": day or today(), "user": user, "assistant": assistant, "model": model, "tokens": tokens}
        values = []
        for row in rows or ({},):
            it = {**common, "estimated": estimated, **row}
            texts = ", ".join(f"'{it[name]}'" for name in ("day", "user", "assistant", "model"))
            values.append(f"({self.organization}, {texts}, {it['tokens'][0]}, {it['tokens'][1]}, {it['estimated']})")
        await self.run(
            "insert into usage_rows (organization, day, user_id, assistant_id, model, input_tokens, output_tokens, "
            f"estimated_tokens) values {', '.join(values)}"
        )

    async def counts(self) -> tuple[int, int]:
        """Return how many rows wait, and how many sums there are."""
        [(rows, days)] = await self.run(
            f"select (select count(*) from usage_rows where organization = {self.organization}), "
            f"(select count(*) from usage_days where organization = {self.organization})"
        )
        return rows, days

    async def swept(self) -> int:
        """Wait until no row waits any more; return how many sums there are."""
        rows_and_days = await eventually(self.counts, lambda counts: counts[0] == 0, SWEPT_S)
        return rows_and_days[1]

    async def run(self, sql: str):
        return await run(self.database, sql)


async def run(database: Database, sql: str):
    if database.kind == "postgres":
        async with connected(database.url) as connection:
            return [tuple(row) for row in await connection.fetch(sql)]
    connection = apsw.Connection(database.url.removeprefix("sqlite:///"))
    connection.set_busy_timeout(30_000)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


@pytest.fixture
def ledger_of(server):
    async def open_ledger(owner) -> Ledger:
        [(key,)] = await run(server.database, f"select key from organizations where id = '{owner.organization}'")
        return Ledger(server.database, key)

    return open_ledger


async def read(who, organization=None, **params):
    return await who.request("GET", f"/v1/organizations/{organization or who.organization}/usage", params=params)


def today() -> str:
    return datetime.now(UTC).date().isoformat()


def days_ago(count: int) -> str:
    return (datetime.now(UTC).date() - timedelta(days=count)).isoformat()


def group(key, responses, input_tokens, output_tokens, estimated_tokens=0):
    return {
        "key": key,
        "responses": responses,
        "inputTokens": input_tokens,
        "outputTokens": output_tokens,
        "totalTokens": input_tokens + output_tokens,
        "estimatedTokens": estimated_tokens,
    }


async def test_an_organization_without_responses_used_nothing(fresh_owner):
    used = await read(fresh_owner)

    assert used.status == 200
    assert used.body == {
        "object": "organization.usage",
        "organizationId": fresh_owner.organization,
        "from": days_ago(29),
        "to": today(),
        "groupBy": "day",
        "data": [],
        "hasMore": False,
        "total": group(None, 0, 0, 0),
    }


async def test_usage_is_grouped_by_day_user_assistant_or_model_before_and_after_sweeping(fresh_owner, ledger_of):
    ledger = await ledger_of(fresh_owner)
    await ledger.add(
        {"day": days_ago(1), "user": "uid_a", "model": "small", "tokens": (1, 2)},
        {"day": days_ago(1), "user": "uid_b", "model": "large", "tokens": (10, 20), "estimated": 30},
        {"user": "uid_a", "assistant": "asst_x", "model": "small", "tokens": (100, 200)},
        {"user": "uid_a", "assistant": "asst_x", "model": "small", "tokens": (1000, 2000), "estimated": 3000},
    )
    expected = {
        "day": [group(days_ago(1), 2, 11, 22, 30), group(today(), 2, 1100, 2200, 3000)],
        "user": [group("uid_a", 3, 1101, 2202, 3000), group("uid_b", 1, 10, 20, 30)],
        "assistant": [group("asst_x", 2, 1100, 2200, 3000), group(None, 2, 11, 22, 30)],
        "model": [group("small", 3, 1101, 2202, 3000), group("large", 1, 10, 20, 30)],
    }

    before = {group_by: (await read(fresh_owner, groupBy=group_by)).body for group_by in expected}
    assert await ledger.swept() == 3
    after = {group_by: (await read(fresh_owner, groupBy=group_by)).body for group_by in expected}

    assert {group_by: body["data"] for group_by, body in before.items()} == expected
    assert [body["total"] for body in before.values()] == [group(None, 4, 1111, 2222, 3030)] * 4
    assert after == before


async def test_what_comes_after_a_sweep_is_added_to_it(fresh_owner, ledger_of):
    ledger = await ledger_of(fresh_owner)
    await ledger.add(tokens=(1, 2))
    await ledger.swept()

    await ledger.add(tokens=(10, 20), estimated=30)
    at_once = await read(fresh_owner)
    assert await ledger.swept() == 1
    afterwards = await read(fresh_owner)

    assert at_once.data == afterwards.data == [group(today(), 2, 11, 22, 30)]


async def test_only_the_days_asked_for_count_both_ends_included(fresh_owner, ledger_of):
    ledger = await ledger_of(fresh_owner)
    await ledger.add(*({"day": f"2024-02-{day}"} for day in (27, 28, 29)), {"day": "2024-03-01"})

    some = await read(fresh_owner, **{"from": "2024-02-28", "to": "2024-02-29"})
    until = await read(fresh_owner, to="2024-02-28")
    one = await read(fresh_owner, **{"from": "2024-03-01", "to": "2024-03-01"})

    assert [each["key"] for each in some.data] == ["2024-02-28", "2024-02-29"]
    assert some.total["responses"] == 2
    assert (until["from"], until.to) == ("2024-01-30", "2024-02-28")
    assert [each["key"] for each in until.data] == ["2024-02-27", "2024-02-28"]
    assert [each["key"] for each in one.data] == ["2024-03-01"]


async def test_usage_older_than_30_days_shows_only_when_asked_for(fresh_owner, ledger_of):
    ledger = await ledger_of(fresh_owner)
    await ledger.add({"day": days_ago(30)}, {"day": days_ago(29)}, {"day": today()})

    assert [each["key"] for each in (await read(fresh_owner)).data] == [days_ago(29), today()]
    assert (await read(fresh_owner, **{"from": days_ago(30)})).total["responses"] == 3


async def test_a_limit_cuts_the_groups_but_not_the_total(fresh_owner, ledger_of):
    ledger = await ledger_of(fresh_owner)
    await ledger.add(*({"user": f"uid_{number}", "tokens": (number // 2, 0)} for number in range(5)))

    cut = await read(fresh_owner, groupBy="user", limit=3)
    whole = await read(fresh_owner, groupBy="user", limit=5)

    assert [each["key"] for each in cut.data] == ["uid_4", "uid_2", "uid_3"]
    assert (cut.hasMore, whole.hasMore) == (True, False)
    assert cut.total == whole.total == group(None, 5, 4, 0)
    assert [each["key"] for each in whole.data][3:] == ["uid_0", "uid_1"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"from": "2024-02-30"}, "from"),
        ({"to": "2023-02-29"}, "to"),
        ({"from": "0000-01-01"}, "from"),
        ({"from": "20240101"}, "from"),
        ({"from": "2024-W01-1"}, "from"),
        ({"from": "2024-01-01\n"}, "from"),
        ({"from": "2024-01-01T00:00"}, "from"),
        ({"from": "٢٠٢٤-01-01"}, "from"),
        ({"from": ""}, "from"),
        ({"from": "2024-01-02", "to": "2024-01-01"}, "from"),
        ({"from": "2024-01-01", "to": "2025-01-01"}, "from"),
        ({"from": "2001-01-01"}, "from"),
        ({"from": "9999-12-31"}, "from"),
        ({"groupBy": "thread"}, "groupBy"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
    ],
)
async def test_days_and_groups_that_cannot_be_are_refused(ada, params, param):
    refused = await read(ada, **params)

    assert (refused.status, refused.code, refused.param) == (400, "invalid_parameter", param)
    assert "regex" not in refused.error["message"]


@pytest.mark.parametrize(
    "params",
    [
        {"from": "2024-01-01", "to": "2024-12-31"},
        {"from": "2024-01-01", "to": "2024-01-01"},
        {"to": "0001-01-01"},
        {"from": "9999-12-31", "to": "9999-12-31"},
        {"limit": "1"},
        {"limit": "1000"},
    ],
)
async def test_days_and_limits_at_the_edge_are_accepted(ada, params):
    assert (await read(ada, **params)).status == 200


async def test_admins_and_owners_read_usage_and_members_do_not(fresh_owner, people):
    admin = await people.member(fresh_owner, role="admin")
    member = await people.member(fresh_owner)

    for who in (fresh_owner, fresh_owner.with_token(), admin, admin.with_token()):
        assert (await read(who)).status == 200
    for who in (member, member.with_token(), fresh_owner.as_user("uid_x")):
        refused = await read(who)
        assert (refused.status, refused.code) == (403, "insufficient_permissions")


async def test_usage_of_two_organizations_never_meets(people, ledger_of):
    one, two = await asyncio.gather(people.owner(), people.owner())
    await (await ledger_of(one)).add(tokens=(1, 1))
    await (await ledger_of(two)).add(tokens=(5, 5))
    await (await ledger_of(two)).swept()
    await (await ledger_of(one)).swept()

    refused = await read(one, two.organization)

    assert (refused.status, refused.code) == (403, "organization_access_denied")
    assert (await read(one)).total == group(None, 1, 1, 1)
    assert (await read(two)).total == group(None, 1, 5, 5)


async def test_usage_outlives_the_user(fresh_owner, people, ledger_of):
    member = await people.member(fresh_owner)
    await (await ledger_of(fresh_owner)).add(user=member.user)

    await fresh_owner.delete_member(member.user, threads="delete")

    assert [each["key"] for each in (await read(fresh_owner, groupBy="user")).data] == [member.user]


SCOPE = make_scope(1, "O", "uid_a", Role.OWNER, Credential.KEY)


@pytest.fixture
async def alone(new_database):
    """A database that nobody serves, so that its rows wait until somebody sweeps here."""
    place = await new_database()
    database = await open_database(Settings(database_url=place.url), serving=True)
    yield place, database
    await database.close()


async def note(database, **changes):
    given = {"user_id": "uid_a", "assistant_id": None, "model": "echo", "input_tokens": 1, "output_tokens": 2}
    await ScopedDatabase(database, SCOPE).write(usage.record, **{**given, "is_estimated": False, **changes})


async def total(database):
    used = await ScopedDatabase(database, SCOPE).read(usage.read, usage.days_between(None, None), "day", 100)
    return used.total.responses, used.total.total_tokens, used.total.estimated_tokens


async def test_a_response_is_noted_on_the_day_of_its_end_estimates_marked(alone):
    place, database = alone

    await note(database, assistant_id="asst_x")
    await note(database, input_tokens=10, output_tokens=20, is_estimated=True)

    rows = await run(place, "select day, assistant_id, estimated_tokens from usage_rows order by key")
    assert rows == [(today(), "asst_x", 0), (today(), "", 30)]
    assert await total(database) == (2, 33, 30)


async def test_sweepers_at_the_same_time_neither_lose_nor_double(alone):
    place, database = alone
    ledger = Ledger(place, 1)
    users = [f"uid_{number}" for number in range(7)]
    for turn in range(3):
        await ledger.add(*({"user": users[(number * (turn + 1)) % 7]} for number in range(1000)))

    async def sweep() -> None:
        while await database.write(sweeping.sum_usage):
            assert await total(database) == (3000, 9000, 0)

    await asyncio.gather(*(sweep() for _ in range(4)))
    await sweep()

    assert await ledger.counts() == (0, 7)
    assert await total(database) == (3000, 9000, 0)


async def test_a_deleted_organizations_usage_goes_with_it(alone):
    place, database = alone
    await run(
        place,
        "insert into organizations (id, name, created_ms, updated_ms, revision, deleted_ms) "
        "values ('O', 'O', 1, 1, 1, 1)",
    )
    await note(database)
    await database.write(sweeping.sum_usage)
    await note(database)
    assert await Ledger(place, 1).counts() == (1, 1)

    while await database.write(sweeping.delete_organization):
        pass

    assert await Ledger(place, 1).counts() == (0, 0)
