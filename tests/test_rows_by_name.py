"""Outside `database/`, what a statement gives is taken apart by name: nobody counts columns to read a line."""

import ast
from pathlib import Path

import pytest

import threadkeep

SOURCE = Path(threadkeep.__file__).parent
FETCHES = {"fetch", "fetch_many"}


def test_no_row_is_read_by_number():
    modules = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] != "database"]

    found = [f"{path.relative_to(SOURCE)}: {line}" for path in modules for line in numbered(path.read_text())]

    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "row = await tx.fetch_one(READ)\n    return row[4]",
        "row = await tx.fetch_one(READ)\n    return row[2:]",
        "if found := await tx.fetch(READ):\n        return found[-1][0]",
        "rows = await tx.fetch(READ)\n    return rows[place][1]",
        "rows = await tx.fetch(READ)\n    first = rows[0]\n    return first[-1]",
        "rows = await tx.fetch_many(READ, given)\n    return {each[0] for each in rows}",
        "return [each[0] for each in await tx.fetch(READ)]",
        "rows = await tx.fetch(READ)\n    for each in rows[:limit]:\n        print(each[1])",
        "rows = await database.read(fetch, READ)\n    return rows[0][1]",
        "return page(given, lambda row: row[3])",
    ],
)
def test_a_row_that_is_read_by_number_is_found(text: str):
    assert len(numbered(f"async def operation(tx):\n    {text}\n")) == 1


@pytest.mark.parametrize("annotation", ["Row", "Row | None", "Sequence[Row]"])
def test_a_row_that_was_handed_on_is_found_as_well(annotation: str):
    place = "[0]" if annotation == "Sequence[Row]" else ""

    assert len(numbered(f"def read(given: {annotation}) -> str:\n    return given{place}[1]\n")) == 1


def test_names_and_whole_rows_are_allowed():
    text = """
async def operation(tx):
    rows = await tx.fetch(READ)
    for id, seq in rows[:limit]:
        use(id, seq)
    [[count]] = await tx.fetch(COUNT)
    key, *_ = rows[len(kept) - 1]
    return rows[-1], values[3]
"""

    assert numbered(text) == []


def numbered(text: str) -> list[str]:
    """Return where a module reads a row by number, or by a slice with a number."""
    found: dict[ast.Subscript, str] = {}
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            several, one = rows_in(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Subscript) and is_row(node.value, several, one) and is_number(node.slice):
                    found[node] = f"line {node.lineno}: {ast.unparse(node)}"
    return list(found.values())


def rows_in(function: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names that hold rows in a function, and those that hold one."""
    several: set[str] = set()
    one = {"row"}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation is not None:
            annotation = ast.unparse(node.annotation)
            if "Row" in annotation.replace("[", " ").replace("]", " ").split():
                (several if "[" in annotation else one).add(node.arg)
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and are_rows(node.value, several):
                several |= names(targets)
            elif node.value is not None and is_row(node.value, several, one):
                one |= names(targets)
        elif isinstance(node, ast.For | ast.comprehension) and are_rows(node.iter, several):
            one |= names([node.target])
    return several, one


def names(targets: list[ast.expr]) -> set[str]:
    return {target.id for target in targets if isinstance(target, ast.Name)}


def are_rows(node: ast.expr, several: set[str]) -> bool:
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Slice) and are_rows(node.value, several)
    return (isinstance(node, ast.Name) and node.id in several) or fetches(node, FETCHES)


def is_row(node: ast.expr, several: set[str], one: set[str]) -> bool:
    if isinstance(node, ast.Subscript):
        return not isinstance(node.slice, ast.Slice) and are_rows(node.value, several)
    return (isinstance(node, ast.Name) and node.id in one) or fetches(node, {"fetch_one"})


def fetches(node: ast.expr, how: set[str]) -> bool:
    """Whether this awaits a statement: by a method of the transaction, or by a function that is handed to it."""
    if not (isinstance(node, ast.Await) and isinstance(node.value, ast.Call)):
        return False
    call = node.value
    called = [call.func, *call.args[:1]]
    return any(ast.unparse(each).rpartition(".")[2] in how for each in called)


def is_number(index: ast.expr) -> bool:
    if isinstance(index, ast.Slice):
        return any(bound is not None and is_number(bound) for bound in (index.lower, index.upper))
    if isinstance(index, ast.UnaryOp):
        index = index.operand
    return isinstance(index, ast.Constant) and isinstance(index.value, int)
