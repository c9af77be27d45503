"""Proves of a statement that every row it touches is the caller's: the text is parsed, and its equalities are followed.

What counts is what holds of every row that comes out of a `where`, an `on` or an insert: conditions joined by `and`,
never one side of an `or`, nothing under a `not` or a `case`. Columns that are equal form a class. A class that holds
`:organization` is the organization's, and so is one that holds a column of a subquery that was proved to be.

- Every table that has an organization is matched on it, or on that of another table that is.
- `threads` is matched on the member too: by `user_id`, or by the key of a thread that was found that way.
- An insert writes the organization, and an upsert meets no row of another one.

Whatever this does not understand is not proved. A text that takes many callers' rows at once (`is_batch`) has no
single organization: there the tables of a query must be equal to each other in it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp

Node = tuple[object, str, str]
Marks = frozenset[str]
# The columns of a subquery in order, each with what is known of its values.
Columns = dict[str, Marks]

NOTHING: Marks = frozenset()
ORGANIZATION: Marks = frozenset({"organization"})
MEMBER: Marks = frozenset({"member"})
# A key or an id of a thread that the member may see.
THREAD: Marks = frozenset({"thread"})
# Where a thread is named by whom it belongs to, and which columns name the thread then.
OF_USER = {"threads": ("key", "id"), "thread_metadata": ("thread",)}


class Unproved(Exception):
    """It could not be shown that a statement stays with its caller."""


@dataclass(frozen=True)
class Rules:
    """The columns of each table, whether threads must be the member's, and which parameters are the caller's."""

    tables: Mapping[str, list[str]]
    every_user: bool
    is_batch: bool
    parameters: Mapping[str, Marks]

    def organization_of(self, table: str) -> str | None:
        return "key" if table == "organizations" else "organization" if "organization" in self.tables[table] else None


def prove(
    text: str,
    dialect: str,
    tables: Mapping[str, list[str]],
    *,
    every_user: bool,
    is_batch: bool,
    member: str = "member",
) -> None:
    """Raise Unproved unless `text`, with named parameters, stays with the caller."""
    parameters = {"organization": ORGANIZATION, member: MEMBER}
    tree = sqlglot.parse_one(text, dialect=dialect)
    read(tree, Rules(tables, every_user, is_batch, parameters), {}, None)


@dataclass
class Source:
    """A table or a subquery in a `from`; `on` is what a left join asks of it."""

    name: str
    table: str | None
    columns: Columns
    on: exp.Expression | None = None


@dataclass
class NameScope:
    """One query: its sources and what is known to be equal in the rows that it gives."""

    rules: Rules
    common: dict[str, Columns]
    outer: "NameScope | None"
    sources: dict[str, Source] = field(default_factory=dict)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)
    marks: dict[Node, Marks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.outer:
            self.pairs = list(self.outer.pairs)
            self.marks = dict(self.outer.marks)

    def node(self, column: exp.Column) -> Node | None:
        """Return which column is meant, here or in the query around this one."""
        owners = [
            each.name
            for each in self.sources.values()
            if (each.name == column.table if column.table else column.name in each.columns)
        ]
        if len(owners) == 1:
            return (id(self.sources), owners[0], column.name)
        return self.outer.node(column) if self.outer and not owners else None

    def term(self, value: exp.Expression) -> Node | None:
        """Return what stands for the value in equalities: a column, a parameter, or a query of one column."""
        match value:
            case exp.Paren() | exp.Cast():
                return self.term(value.this)
            case exp.Column():
                return self.node(value)
            case exp.Placeholder():
                node: Node = (None, "parameter", value.name)
                self.marks[node] = self.rules.parameters.get(value.name, NOTHING)
                return node
            case exp.Subquery():
                node = (None, "query", str(id(value)))
                self.marks[node] = next(iter(read(value, self.rules, self.common, self).values()))
                return node
        return None

    def alike(self, node: Node, more: list[tuple[Node, Node]]) -> set[Node]:
        """Return every node that is equal to this one."""
        found, waiting = {node}, [node]
        pairs = self.pairs + more
        while waiting:
            one = waiting.pop()
            for left, right in pairs:
                for near, far in ((left, right), (right, left)):
                    if near == one and far not in found:
                        found.add(far)
                        waiting.append(far)
        return found

    def known(self, node: Node | None, more: list[tuple[Node, Node]] | None = None) -> Marks:
        if node is None:
            return NOTHING
        return NOTHING.union(*(self.marks.get(each, NOTHING) for each in self.alike(node, more or [])))

    def equalities(self, condition: exp.Expression | None) -> list[tuple[Node, Node]]:
        """Return the pairs of which the condition says that they are equal whenever it holds."""
        match condition:
            case exp.Where() | exp.Paren():
                return self.equalities(condition.this)
            case exp.And():
                return self.equalities(condition.this) + self.equalities(condition.expression)
            case exp.EQ(this=exp.Tuple() as left, expression=exp.Tuple() as right):
                sides = zip(left.expressions, right.expressions, strict=True)
                return [pair for one, other in sides for pair in self.equality(one, other)]
            case exp.EQ():
                return self.equality(condition.this, condition.expression)
            case exp.In() if condition.args.get("query"):
                return self.equality(condition.this, condition.args["query"])
        return []

    def equality(self, one: exp.Expression, other: exp.Expression) -> list[tuple[Node, Node]]:
        if isinstance(other, exp.Coalesce):
            return self.optional(one, other)
        left, right = self.term(one), self.term(other)
        return [(left, right)] if left and right else []

    def optional(self, column: exp.Expression, coalesce: exp.Coalesce) -> list[tuple[Node, Node]]:
        """Read `user_id = coalesce(:member, …)`: the member's, or whatever else for a caller who sees everybody's."""
        left, member = self.term(column), self.term(coalesce.this)
        return [(left, member)] if left and member and self.known(member) == MEMBER else []

    def add(self, source: exp.Expression, on: exp.Expression | None = None) -> None:
        """Take a table, a subquery or a function into the query, with what is joined to it."""
        match source:
            case exp.Table(this=exp.Identifier()):
                self.add_named(source, on)
            case exp.Subquery() if source.alias:
                self.put(Source(source.alias, None, read(source, self.rules, self.common, self.outer), on))
            case exp.Lateral(this=exp.Subquery()):
                self.put(Source(source.alias, None, read(source.this, self.rules, self.common, self), on))
            case exp.Table(this=exp.Anonymous(this=str() as name)) if name.lower().startswith("json_"):
                # Values that the caller gave: nothing is known of them.
                self.put(Source(source.alias, None, {}, on))
            case exp.Unnest():
                self.put(Source(source.alias, None, self.unnested(source), on))
            case _:
                raise Unproved(f"what is {source.sql()}?")
        for join in source.args.get("joins") or []:
            self.join(join)

    def add_named(self, table: exp.Table, on: exp.Expression | None) -> None:
        name, alias = table.name, table.alias or table.name
        if name in self.common:
            self.put(Source(alias, None, self.common[name], on))
        elif name in self.rules.tables:
            self.put(Source(alias, name, dict.fromkeys(self.rules.tables[name], NOTHING), on))
        else:
            raise Unproved(f"there is no table {name}")

    def unnested(self, call: exp.Unnest) -> Columns:
        """Return the columns of arrays, each as it is called; what the caller gave stays the caller's."""
        names = [each.name for each in call.args["alias"].columns]
        given = [self.known(self.term(each)) for each in call.expressions]
        found = dict(zip(names, [*given, *([NOTHING] * (len(names) - len(given)))], strict=True))
        offset = call.args.get("offset")
        return {**found, offset.name: NOTHING} if isinstance(offset, exp.Identifier) else found

    def put(self, source: Source) -> None:
        if source.name in self.sources:
            raise Unproved(f"{source.name} is there twice")
        self.sources[source.name] = source
        for column, marks in source.columns.items():
            self.marks[id(self.sources), source.name, column] = marks

    def join(self, join: exp.Join) -> None:
        if join.args.get("using") or join.side not in ("", "LEFT") or join.method:
            raise Unproved(f"a join that is not understood: {join.sql()}")
        on = join.args.get("on")
        if join.side == "LEFT":
            self.add(join.this, on or exp.true())
        else:
            self.add(join.this)
            self.pairs += self.equalities(on)

    def settle(self, where: exp.Expression | None) -> None:
        """Prove each table, with the conditions that hold of all rows, and for a left join with its own."""
        self.pairs += self.equalities(where)
        more = {name: self.equalities(each.on) for name, each in self.sources.items()}
        bases = {name: each for name, each in self.sources.items() if each.table}
        # Each that is proved may be what the next one leans on.
        for _ in bases:
            for name, each in bases.items():
                self.mark(each, more[name])
        homes = []
        for name, each in bases.items():
            assert each.table is not None
            column = self.rules.organization_of(each.table)
            if column is None:
                raise Unproved(f"{each.table} belongs to no organization")
            node: Node = (id(self.sources), name, column)
            if "organization" not in self.known(node):
                raise Unproved(f"{name} is not matched on the organization")
            homes.append(self.alike(node, more[name]))
            if (
                each.table == "threads"
                and not self.rules.every_user
                and "thread" not in self.known(self.own(name, "key"))
            ):
                raise Unproved(f"{name} is not matched on the member")
        if self.rules.is_batch and not all(home & homes[0] for home in homes):
            raise Unproved("two callers' rows could meet")

    def own(self, name: str, column: str) -> Node:
        return (id(self.sources), name, column)

    def mark(self, source: Source, more: list[tuple[Node, Node]]) -> None:
        """Keep what is now known of the table's columns, for those that are compared to them."""
        assert source.table is not None
        organization = self.rules.organization_of(source.table)
        if organization and "organization" in self.known(self.own(source.name, organization), more):
            self.marks[self.own(source.name, organization)] = ORGANIZATION
        for column in OF_USER.get(source.table, ()):
            of_member = "member" in self.known(self.own(source.name, "user_id"), more)
            if of_member or "thread" in self.known(self.own(source.name, column), more):
                for each in OF_USER[source.table]:
                    self.marks[self.own(source.name, each)] = THREAD

    def outputs(self, expressions: list[exp.Expression]) -> Columns:
        found: Columns = {}
        for place, each in enumerate(expressions):
            if each.is_star:
                sources = [self.sources[each.table]] if isinstance(each, exp.Column) else self.sources.values()
                for source in sources:
                    for column in source.columns:
                        found[column] = self.known(self.own(source.name, column))
            else:
                value = each.this if isinstance(each, exp.Alias) else each
                is_plain = isinstance(value, exp.Column | exp.Placeholder | exp.Cast)
                name = each.alias_or_name or f"column {place}"
                found[name if name not in found else f"column {place}"] = (
                    self.known(self.term(value)) if is_plain else NOTHING
                )
        return found

    def read_inner(self, *parts: exp.Expression | None) -> None:
        """Prove the queries that stand in expressions."""
        for part in filter(None, parts):
            for query in queries(part):
                read(query, self.rules, self.common, self)


def queries(part: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(part, exp.Query):
        yield part
    else:
        for each in part.iter_expressions():
            yield from queries(each)


def read(tree: exp.Expression, rules: Rules, common: dict[str, Columns], outer: NameScope | None) -> Columns:
    """Prove a query or a write, and return what it gives."""
    common = with_common(tree, rules, common, outer)
    match tree:
        case exp.Subquery():
            return read(tree.this, rules, common, outer)
        case exp.SetOperation():
            return united(read(tree.this, rules, common, outer), read(tree.expression, rules, common, outer))
        case exp.Select():
            return read_select(tree, NameScope(rules, common, outer))
        case exp.Insert():
            return read_insert(tree, NameScope(rules, common, outer))
        case exp.Update() | exp.Delete():
            return read_change(tree, NameScope(rules, common, outer))
    raise Unproved(f"a statement that is not understood: {tree.sql()}")


def with_common(
    tree: exp.Expression, rules: Rules, common: dict[str, Columns], outer: NameScope | None
) -> dict[str, Columns]:
    clause = tree.args.get("with_")
    if clause is None:
        return common
    if clause.args.get("recursive"):
        raise Unproved("what calls itself is not understood")
    found = dict(common)
    for each in clause.expressions:
        found[each.alias] = read(each.this, rules, found, outer)
    return found


def united(one: Columns, other: Columns) -> Columns:
    """Return what is known of a column in both halves."""
    return {name: left & right for (name, left), right in zip(one.items(), other.values(), strict=True)}


def read_select(tree: exp.Select, scope: NameScope) -> Columns:
    if tree.args.get("from_"):
        scope.add(tree.args["from_"].this)
    for join in tree.args.get("joins") or []:
        scope.join(join)
    scope.settle(tree.args.get("where"))
    scope.read_inner(
        *tree.expressions, *(tree.args.get(name) for name in ("where", "group", "having", "order", "limit"))
    )
    scope.read_inner(*(join.args.get("on") for join in tree.args.get("joins") or []))
    return scope.outputs(tree.expressions)


def read_change(tree: exp.Update | exp.Delete, scope: NameScope) -> Columns:
    scope.add(tree.this)
    others = [tree.args["from_"].this] if tree.args.get("from_") else tree.args.get("using") or []
    for each in others:
        scope.add(each)
    scope.settle(tree.args.get("where"))
    for assignment in tree.expressions:
        if assignment.this.name == scope.rules.organization_of(tree.this.name):
            raise Unproved("a row moves to another organization")
    scope.read_inner(*tree.expressions, tree.args.get("where"))
    return returned(tree, scope)


def read_insert(tree: exp.Insert, scope: NameScope) -> Columns:
    """Prove that the organization is written, and that what is there already is the caller's if it is changed."""
    table = tree.this.this.name
    organization = scope.rules.organization_of(table)
    names = [each.name for each in tree.this.expressions]
    if organization is None or organization not in names:
        raise Unproved(f"{table} is written without the organization")
    place = names.index(organization)
    rows = tree.expression
    if isinstance(rows, exp.Values):
        scope.read_inner(rows)
        are_known = all("organization" in scope.known(scope.term(row.expressions[place])) for row in rows.expressions)
    else:
        are_known = "organization" in list(read(rows, scope.rules, scope.common, scope.outer).values())[place]
    if not are_known:
        raise Unproved(f"{table} is written with another organization")
    conflict = tree.args.get("conflict")
    if conflict and conflict.expressions:
        if organization not in {each.this.name for each in conflict.args.get("conflict_keys") or []}:
            raise Unproved(f"{table}: an upsert could meet a row of another organization")
        if any(each.this.name == organization for each in conflict.expressions):
            raise Unproved("a row moves to another organization")
        scope.read_inner(conflict)
    scope.put(
        Source(
            table, None, {name: ORGANIZATION if name == organization else NOTHING for name in scope.rules.tables[table]}
        )
    )
    return returned(tree, scope)


def returned(tree: exp.Expression, scope: NameScope) -> Columns:
    clause = tree.args.get("returning")
    if clause is None:
        return {}
    scope.read_inner(clause)
    return scope.outputs(clause.expressions)
