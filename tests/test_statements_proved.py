"""Every statement that runs for a caller is proved to stay in the organization, and with the member's threads."""

import re
from collections.abc import Iterator

import pytest

from support.function_bodies import statements_of
from support.tenancy_proof import Unproved, prove
from test_statements import statements
from threadkeep.database.statement import CLOCKS, Compiled, Statement

OURS = "t.organization = :organization and t.user_id = coalesce(:member, t.user_id)"


def texts(statement: Statement) -> Iterator[tuple[str, str, bool]]:
    """Return each text with its dialect, and whether it takes many callers' rows at once."""
    for step in statement.sqlite:
        yield named(step, "?"), "sqlite", False
    yield named(statement.postgres, "$"), "postgres", statement.kind == "keyed"
    if statement.function is None:
        yield named(statement.distributed, "$"), "postgres", False
    else:
        for text in statements_of(named(statement.function, "$")):
            yield text, "postgres", False
    if statement.postgres_many:
        yield named(statement.postgres_many, "$"), "postgres", True


def named(compiled: Compiled, mark: str) -> str:
    """Give the parameters their names back; the clock is the same word in both dialects, so most texts are one."""
    text = compiled.text
    for clock, meanings in CLOCKS.items():
        text = text.replace(meanings[mark], clock)
    return re.sub(rf"\{mark}(\d+)", lambda match: f":{compiled.names[int(match[1]) - 1]}", text)


def test_every_statement_for_a_caller_stays_with_the_organization_and_the_member(tables):
    every = {
        (text, each.every_user, is_batch): dialect
        for each in statements()
        if each.kind != "everywhere"
        for text, dialect, is_batch in texts(each)
    }

    for (text, every_user, is_batch), dialect in every.items():
        try:
            prove(text, dialect, tables, every_user=every_user, is_batch=is_batch)
        except Unproved as unproved:
            pytest.fail(f"{unproved}:\n{text}")

    assert len(every) > 500


WRONG = {
    "a join without the organization": f"select m.id from threads t join messages m on m.thread = t.key where {OURS}",
    "or 1 = 1": f"select t.id from threads t where {OURS} or 1 = 1",
    "a comma join": f"select m.id from threads t, messages m where {OURS}",
    "the member selected, but not compared": (
        "select t.id, :member from threads t where t.organization = :organization"
    ),
    "another organization": (
        "select m.id from messages m where m.organization = :other and :organization = :organization"
    ),
    "not": f"select t.id from threads t where not ({OURS})",
    "organization = organization": (
        "select m.id, :organization from messages m where m.organization = m.organization"
    ),
    "the parameter beside itself": "select m.id from messages m where :organization = :organization",
    "unequal": "select m.id from messages m where m.organization <> :organization",
    "at least": "select m.id from messages m where m.organization >= :organization",
    "one of several": "select m.id from messages m where m.organization in (:organization, :other)",
    "a left join that asks for nothing": (
        f"select m.id from threads t left join messages m on m.thread = t.key where {OURS}"
    ),
    "a left join whose condition is about the left": (
        "select t.organization from members t left join messages m "
        "on t.organization = :organization and m.organization = :organization"
    ),
    "a left join that leans on what another one asked": (
        "select 1 from members a left join api_keys b on a.organization = :organization "
        "and b.organization = :organization left join messages m on m.organization = a.organization"
    ),
    "a right join": (
        "select m.id from members a right join messages m on m.organization = a.organization "
        "where a.organization = :organization"
    ),
    "a join by name alone": "select m.id from members a natural join messages m where a.organization = :organization",
    "exists without": (
        f"select t.id from threads t where {OURS} and exists (select 1 from messages m where m.thread = t.key)"
    ),
    "a subquery that is selected": (
        f"select (select count(*) from messages m where m.thread = t.key) from threads t where {OURS}"
    ),
    "case": (
        "select m.id from messages m where case when m.organization = :organization then true else true end"
    ),
    "the match inside an or": (
        "select m.id from messages m where m.thread = :thread and (m.organization = :organization or m.role = 'user')"
    ),
    "matched in a common table that nothing joins": (
        f"with h as (select t.key from threads t where {OURS}) "
        "select m.id from h, messages m where m.organization = m.organization"
    ),
    "matched in a common table that is joined by the thread alone": (
        f"with h as (select t.key, t.organization from threads t where {OURS}) "
        "select m.id from messages m join h on h.key = m.thread"
    ),
    "one half of a union": (
        "select u.organization from (select m.organization from members m where m.organization = :organization "
        "union all select m.organization from members m) u"
    ),
    "a union that gives another column in its place": (
        "select m.id from (select a.organization as home from members a where a.organization = :organization "
        "union all select a.created_ms from members a where a.organization = :organization) u "
        "join messages m on m.organization = u.home"
    ),
    "coalesce for the organization": (
        "select m.id from messages m where m.organization = coalesce(:organization, m.organization)"
    ),
    "the member after the column": (
        "select t.id from threads t where t.organization = :organization and t.user_id = coalesce(t.user_id, :member)"
    ),
    "any user who is named": (
        "select t.id, :member from threads t where t.organization = :organization and t.user_id = :user_id"
    ),
    "the member of another table": (
        "select t.id from threads t join members a on a.organization = t.organization "
        "where t.organization = :organization and a.user_id = :member"
    ),
    "an update without": "update threads set title = :organization where id = :thread_id and user_id = :member",
    "an update that moves a row": (
        "update messages set organization = :other where organization = :organization and id = :id"
    ),
    "an update from a table without": (
        "update messages set role = a.role from members a where messages.organization = :organization"
    ),
    "an update that reads another's": (
        "update messages set role = (select a.role from members a limit 1) where organization = :organization"
    ),
    "a delete using a table without": (
        "delete from messages using members a where messages.organization = :organization and a.user_id = :user_id"
    ),
    "an insert of another organization": (
        "insert into members (organization, user_id) values (:other, :organization)"
    ),
    "an insert without the organization": "insert into members (user_id) values (:organization)",
    "an insert of two rows": (
        "insert into members (organization, user_id) values (:organization, '1'), (:other, '2')"
    ),
    "an insert of what is somebody else's": (
        "insert into members (organization, user_id) select a.organization, :organization from members a"
    ),
    "an upsert that could meet another's row": (
        "insert into threads (organization, id) values (:organization, :id) on conflict (id) do update set title = ''"
    ),
    "a table that nobody knows": "select x.id from elsewhere x where x.organization = :organization",
    "a table without an organization": "select :organization from schema_migrations",
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_statement_that_could_leave_the_organization_or_the_member_is_not_proved(tables, what):
    with pytest.raises(Unproved):
        prove(WRONG[what], "postgres", tables, every_user=False, is_batch=False)


RIGHT = {
    "equal to a table that is matched": (
        f"select m.id from threads t join messages m on m.organization = t.organization where {OURS}"
    ),
    "a comma join that is matched": (
        f"select m.id from threads t, messages m where {OURS} and t.organization = m.organization"
    ),
    "a left join that is matched": (
        f"select m.id from threads t left join messages m on m.organization = t.organization where {OURS}"
    ),
    "another condition with or": f"select t.id from threads t where {OURS} and (t.title = :a or t.title = :b)",
    "a pair of columns": "select m.id from messages m where (m.organization, m.id) = (:organization, :id)",
    "through a common table": (
        f"with h as (select t.organization, t.key from threads t where {OURS}) "
        "select m.id from h join messages m on m.organization = h.organization and m.thread = h.key"
    ),
    "a thread by the key of one that was found": (
        f"select t.id from (select t.key from threads t where {OURS} limit 1) k "
        "join threads t on t.organization = :organization and t.key = k.key"
    ),
    "a delete using a table that is matched": (
        "delete from messages using members a where messages.organization = a.organization "
        "and a.organization = :organization"
    ),
    "an upsert that meets its own": (
        "insert into members (organization, user_id) values (:organization, :user_id) "
        "on conflict (organization, user_id) do update set role = 'member'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RIGHT)
def test_a_statement_that_stays_is_proved_however_it_is_written(tables, what):
    prove(RIGHT[what], "postgres", tables, every_user=False, is_batch=False)


GIVEN = "(select * from unnest(:organization::bigint[], :member::text[]) as g (organization, member))"


def test_rows_of_many_callers_never_meet(tables):
    apart = f"with given as {GIVEN} select m.id from given g join messages m on m.organization = g.organization"
    crossed = f"{apart} join members a on a.organization in (select h.organization from given h)"

    prove(apart, "postgres", tables, every_user=True, is_batch=True)

    with pytest.raises(Unproved):
        prove(crossed, "postgres", tables, every_user=True, is_batch=True)
