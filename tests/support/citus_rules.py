"""The rules of Citus for a statement, as far as its text shows them: a cluster refuses what breaks one.

They were found by trying, on the versions in docs/beyond-one-server.md. `make test-distributed` plans every statement
on a real cluster; these rules hold where there is none.
"""

from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from support.tenancy_proof import Unproved, prove
from threadkeep.database.statement import SCOPED_BY

# These stay whole on the coordinator, where everything is allowed.
WHOLE = {"organizations", "members", "api_keys"}
WRITES = (exp.Insert, exp.Update, exp.Delete)
# What a write may call, as sqlglot names it. Whoever adds a name has looked up that it is not volatile.
IMMUTABLE = {"coalesce", "greatest", "max", "case", "if", "cast", "and", "or", "exists", "unnest"} | {
    "json_array_elements",
    "json_array_elements_text",
    "json_extract_scalar",
    "row_number",
}
STABLE = {"statement_clock", "statement_timestamp", "extract"}


class Broken(Exception):
    """Citus refuses this statement, or sends it to every machine."""


def check(text: str, tables: Mapping[str, list[str]], *, is_of_one: bool) -> None:
    """Raise Broken if `text`, with named parameters, breaks a rule. `is_of_one`: it is for one organization."""
    tree = sqlglot.parse_one(text, dialect="postgres")
    named = [table.name for table in tree.find_all(exp.Table) if table.name in tables]
    if not set(named) - WHOLE:
        return
    writes = list(tree.find_all(*WRITES))
    if is_of_one or tree.find(exp.Lock):
        require_one_organization(text, tables)
    if any(
        each.name == "organization" for call in tree.find_all(exp.Unnest) for each in call.find_all(exp.Placeholder)
    ):
        raise Broken("its rows may be of many organizations")
    if any(write.find_ancestor(exp.CTE) for write in writes):
        raise Broken("it writes inside a `with`, which goes through the coordinator or fails")
    for write in writes:
        check_calls(write)
    calls_sets = any(isinstance(each, exp.Unnest) or each.find(exp.Func) for each in tree.find_all(exp.From))
    if calls_sets and tree.find(exp.Subquery) and len(SCOPED_BY.findall(text)) < len(named):
        raise Broken("it has a query for each row of a function, in many organizations")


def require_one_organization(text: str, tables: Mapping[str, list[str]]) -> None:
    try:
        prove(text, "postgres", tables, every_user=True, is_batch=False)
    except Unproved as unproved:
        raise Broken(f"it locks or asks more than one organization: {unproved}") from unproved


def check_calls(write: exp.Expression) -> None:
    returning = write.args.get("returning")
    for call in write.find_all(exp.Func):
        name = call.name.lower() if isinstance(call, exp.Anonymous) else call.sql_name().lower()
        if name not in IMMUTABLE | STABLE:
            raise Broken(f"a write calls {name}, which may be volatile")
        if name in STABLE and returning is not None and call.find_ancestor(exp.Returning) is returning:
            raise Broken(f"RETURNING calls {name}, which is not immutable")
