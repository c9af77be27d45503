"""Every statement is of a known kind, runs on both databases, and cannot forget the organization."""

import importlib
import pkgutil
import re

import apsw
import pytest

import threadkeep
from support.many_threads import CountingSqlite
from support.postgres import connected
from threadkeep.database import migrate, statement
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.sqlite import apply_migrations, connect
from threadkeep.database.statement import RefusedStatement, everywhere, scoped
from threadkeep.operations.threads import listing_sql as thread_list_sql
from threadkeep.operations.threads.listing_sql import Shape
from threadkeep.scope import Credential, Role, make_scope


def statements() -> list[statement.Statement]:
    for module in pkgutil.walk_packages(threadkeep.__path__, "threadkeep."):
        # What stands over the client has no statements, and needs frameworks that are not installed here.
        if not module.name.endswith("__main__") and not module.name.startswith("threadkeep.integrations."):
            importlib.import_module(module.name)
    lists = []
    for sort in ("createdAt", "updatedAt"):
        for flags in range(0, 2**9, 13):
            of_user, of_assistant, title, low, high, after, before, descending, of_external_id = (
                bool(flags >> n & 1) for n in range(9)
            )
            for pairs, shelves, streaming in ((0, None, None), (1, (1,), True), (8, (0, 3), False), (2, None, True)):
                shape = Shape(
                    sort, descending, of_user, of_assistant, of_external_id, streaming, shelves, pairs, title, low,
                    high, after, before,
                )  # fmt: skip
                lists += [
                    thread_list_sql.page_statement(shape, flags % 3 == 0),
                    thread_list_sql.total_statement(shape),
                ]
    return list({*statement.ALL, *lists})


def test_every_statement_is_prepared_on_sqlite(tmp_path):
    connection = connect(tmp_path / "x.db", create=True)
    apply_migrations(connection)

    for each in statements():
        for step in each.sqlite:
            connection.execute(f"explain {step.text}", [None] * len(step.names)).fetchall()


async def test_every_statement_is_prepared_on_postgresql(postgres):
    async with connected(await postgres.create_database(), statement_cache_size=0) as connection:
        for _, sql in migrate.migrations("postgres"):
            await connection.execute(sql)

        for each in statements():
            for compiled in filter(None, (each.postgres, each.postgres_many)):
                await connection.prepare(compiled.text)


def test_every_statement_is_of_a_known_kind():
    assert {each.kind for each in statements()} <= {"scoped", "keyed", "everywhere"}


@pytest.mark.parametrize(
    "text",
    [
        "select t.id from threads t where t.id = :thread_id and t.user_id = :member",
        "delete from messages where thread = :thread",
        "update threads set title = :title where id = :thread_id and user_id = :member",
        "select m.id from threads t join messages m on m.thread = t.key "
        "where t.organization = :organization and t.user_id = :member",
        "select m.id from messages m where m.organization = :other_organization",
        "select m.id from messages m where m.organization = 1",
        "select d.id from deleted_threads d where d.organization = :organization "
        "union all select m.id from messages m where m.thread = :thread",
    ],
)
def test_a_statement_that_could_cross_organizations_is_refused(text):
    with pytest.raises(RefusedStatement):
        scoped(text)


def test_a_statement_on_threads_is_restricted_to_the_member_or_says_that_it_is_not():
    text = "select t.id from threads t where t.organization = :organization"

    with pytest.raises(RefusedStatement):
        scoped(text)

    scoped(text, every_user=True)


async def test_a_callers_transaction_takes_no_statement_that_crosses_organizations(tmp_path):
    counting = CountingSqlite(tmp_path / "x.db")
    tx = ScopedTransaction(counting, make_scope(1, "O", "uid", Role.OWNER, Credential.KEY))

    with pytest.raises(RuntimeError):
        await tx.fetch(everywhere("select 1"))
    await counting.close()


async def test_the_scope_alone_says_which_organization_and_member(tmp_path):
    counting = CountingSqlite(tmp_path / "x.db")
    tx = ScopedTransaction(counting, make_scope(7, "O", "uid_me", Role.MEMBER, Credential.KEY))
    asked = scoped("select :organization, :member where :organization = :organization and 1 = :one")

    rows = await tx.fetch(asked, organization=8, member="uid_other", one=1)

    assert [tuple(row) for row in rows] == [(7, "uid_me")]
    await counting.close()


def test_both_databases_have_the_same_columns(tmp_path):
    connection = connect(tmp_path / "x.db", create=True)
    apply_migrations(connection)
    tables = {}
    for _, sql in migrate.migrations("postgres"):
        for part in sql.split("create table ")[1:]:
            name, _, body = part.partition(" (")
            lines = [line.strip() for line in body.split("\n);")[0].splitlines()]
            columns = {line.split()[0] for line in lines if line and line[0].isalpha() and "primary key (" not in line}
            tables[name] = columns - {"case", "end"}
        for name, column in re.findall(r"alter table (\w+) add column (\w+)", sql):
            tables[name].add(column)

    for name, columns in tables.items():
        if name != "messages":
            found = {row[1] for row in connection.execute(f"pragma table_xinfo({name})")}
            assert found == columns, name


def test_the_migration_of_a_newer_program_is_refused(tmp_path):
    connection = connect(tmp_path / "x.db", create=True)
    apply_migrations(connection)
    connection.execute("insert into schema_migrations values (9999, 1)")

    with pytest.raises(migrate.SchemaMismatch, match="upgrade threadkeep"):
        apply_migrations(connection)


def test_a_migration_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    connection = connect(tmp_path / "x.db", create=True)
    monkeypatch.setattr(
        migrate, "migrations", lambda _: [(1, "create table a (b integer); create table a (b integer)")]
    )

    with pytest.raises(apsw.SQLError):
        apply_migrations(connection)

    assert connection.execute("select name from sqlite_schema").fetchall() == []
