"""Every statement keeps the rules of Citus, so that a database may be spread over machines by organization."""

from collections.abc import Iterator

import pytest

from support.citus_rules import Broken, check
from support.function_bodies import statements_of
from test_statements import statements
from test_statements_proved import named
from threadkeep.database.statement import Statement

pytestmark = pytest.mark.on_postgres


def texts(statement: Statement) -> Iterator[str]:
    """Return what a cluster gets: the text, or the steps of the function in its place."""
    if statement.function is None:
        yield named(statement.distributed, "$")
    else:
        yield from statements_of(named(statement.function, "$"))


def test_every_statement_keeps_the_rules_of_citus(tables):
    every = {(text, each.kind) for each in statements() for text in texts(each)}

    for text, kind in every:
        try:
            check(text, tables, is_of_one=kind != "everywhere")
        except Broken as broken:
            pytest.fail(f"{broken}:\n{text}")

    assert len(every) > 500


OURS = "organization = :organization"

BROKEN = {
    "an update with a clock that moves": (
        f"update threads set lease_until = extract(epoch from clock_timestamp())::bigint where {OURS}"
    ),
    "an update whose condition has such a clock": (
        f"update threads set title = 'x' where {OURS} and lease_until > lease_clock()"
    ),
    "an update with a random number": f"update threads set revision = random() where {OURS}",
    "an insert with a number of a sequence": (
        "insert into members (organization, user_id) select t.organization, nextval('s')::text from threads t "
        f"where t.{OURS}"
    ),
    "a clock in RETURNING": (
        f"update threads set title = 'x' where {OURS} returning lease_until > statement_clock()"
    ),
    "a clock of the day in RETURNING": f"delete from threads where {OURS} returning now()",
    "a lock in every organization": "select t.id from threads t where t.response_id is not null limit 1 for update",
    "a lock that skips what is locked": "select u.organization from usage_rows u limit 1 for update skip locked",
    "an insert inside a with": (
        f"with t as (select t.organization, t.key from threads t where t.{OURS}), i as (insert into purges "
        "(organization, thread) select t.organization, t.key from t) select t.key from t"
    ),
    "an update inside a with": (
        f"with t as (update threads set title = 'x' where {OURS} returning organization, key) "
        "insert into purges (organization, thread) select :organization, t.key from t"
    ),
    "a query for each row of a function": (
        "select j.value from json_array_elements(cast(:wanted as json)) j "
        "where (select count(*) from thread_metadata m where m.thread = cast(j.value ->> 0 as bigint)) = 0"
    ),
}  # fmt: skip

BROKEN_OF_ONE = {
    "a delete by the key alone": "delete from messages where thread = :thread and seq = :seq",
    "an update in every organization": "update threads set title = 'x' where lease_until < :now_ms",
    "rows of many organizations": (
        "select t.key from unnest(:organization::bigint[], :thread::bigint[]) as g (organization, thread) "
        "join threads t on t.organization = g.organization and t.key = g.thread"
    ),
    "no organization": "select m.id from messages m where m.thread = :thread",
    "a join without it": f"select m.id from threads t join messages m on m.thread = t.key where t.{OURS}",
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_statement_that_citus_refuses_is_found(tables, what):
    with pytest.raises(Broken):
        check(BROKEN[what], tables, is_of_one=False)


@pytest.mark.parametrize("what", BROKEN_OF_ONE)
def test_a_statement_for_one_organization_that_asks_others_is_found(tables, what):
    with pytest.raises(Broken):
        check(BROKEN_OF_ONE[what], tables, is_of_one=True)
