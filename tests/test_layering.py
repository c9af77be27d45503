"""Imports run one way, and only a few rooms lean on what others do not promise."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import threadkeep

SOURCE = Path(threadkeep.__file__).parent
TRANSPORT = SOURCE / "server" / "transport"

# Which rooms each room may import: those that stand before it.
WORDS = {"contract", "decoding", "objects", "errors", "ids", "clock", "scope", "settings", "files"}
LAYERS = [
    "words",
    "client",
    "database",
    "providers",
    "operations",
    "titles",
    "runtime",
    "server",
    "embedded",
    "integrations",
    "commands",
    "cli",
]
# Whoever serves does without the client: it costs memory and the time to start.
SERVING = {"database", "providers", "operations", "titles", "runtime", "server"}
# Connections know nothing of what is asked over them. Within the server they may import these.
OF_SERVER_FOR_TRANSPORT = ("threadkeep.server.transport", "threadkeep.server.connection_limits")
# What a named tuple promises although it begins with an underscore.
OF_NAMED_TUPLES = {"_replace", "_make", "_fields", "_asdict", "_field_defaults"}


@cache
def trees() -> list[tuple[Path, str, ast.Module]]:
    """Return all modules of the package: their files, names and texts."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(("threadkeep", *path.relative_to(SOURCE).with_suffix("").parts))
        found.append((path, name.removesuffix(".__init__"), ast.parse(path.read_text())))
    return found


def imported(tree: ast.Module) -> Iterator[str]:
    """Give the modules that a module imports, wherever it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "threadkeep":
            yield from (f"threadkeep.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def layer_of(module: str) -> str:
    first = module.removeprefix("threadkeep.").split(".")[0]
    if first in WORDS or first == "__version__":
        return "words"
    # What the package itself lends, such as `threadkeep.AsyncClient`, is the client's.
    return "client" if first[0].isupper() else first


def test_imports_run_one_way():
    for path, module, tree in trees():
        if path.parent == SOURCE and path.name in ("__init__.py", "__main__.py"):
            continue
        own = layer_of(module)
        for name in imported(tree):
            if name.startswith("threadkeep."):
                layer = layer_of(name)
                assert LAYERS.index(layer) <= LAYERS.index(own), f"{module} imports {name}"
                assert layer != "client" or own not in SERVING, f"{module} imports {name}"


def test_every_room_of_the_package_is_named_in_the_layers():
    rooms = {path.relative_to(SOURCE).parts[0].removesuffix(".py") for path, _, _ in trees()}

    assert rooms - {"__init__", "__main__"} == {*LAYERS[1:], *WORDS}


def test_the_contract_imports_nothing_that_serves_or_calls():
    for path, module, tree in trees():
        if SOURCE / "contract" in path.parents:
            names = [name for name in imported(tree) if name.startswith("threadkeep.")]
            assert {name.split(".")[1] for name in names} <= WORDS, module


def test_connections_know_nothing_of_what_is_asked_over_them():
    for path, module, tree in trees():
        if path.parent == TRANSPORT:
            of_server = [name for name in imported(tree) if name.startswith("threadkeep.server")]
            assert [name for name in of_server if not name.startswith(OF_SERVER_FOR_TRANSPORT)] == [], module


def test_only_drivers_import_drivers_of_databases():
    for path, module, tree in trees():
        if path.parent.name != "database":
            assert not {"apsw", "asyncpg"} & {name.split(".")[0] for name in imported(tree)}, module


def test_statements_are_made_by_operations_and_drivers_alone():
    rooms = {
        layer_of(module)
        for _, module, tree in trees()
        for name in imported(tree)
        if name == "threadkeep.database.statement"
    }

    assert rooms == {"database", "operations"}


def test_the_pipeline_knows_nothing_of_the_domain():
    [tree] = [tree for path, _, tree in trees() if path.name == "pipeline.py"]
    names = {name for name in imported(tree) if name.startswith(("threadkeep.contract", "threadkeep.operations"))}

    assert names == {
        "threadkeep.contract.answers",
        "threadkeep.contract.basis",
        "threadkeep.operations",
        "threadkeep.operations.idempotency",
        "threadkeep.operations.responses.expiring",
        "threadkeep.operations.revisions",
    }


def test_only_one_module_gives_a_type_to_msgspec():
    """Two threads that did so at once would end the process; that module does it for one at a time."""
    found = {name for _, name, tree in trees() if any(gives_a_type(node) for node in ast.walk(tree))}

    assert found == {"threadkeep.decoding"}


@pytest.mark.parametrize(
    "line", ["msgspec.json.Decoder(Thread)", "msgspec.json.decode(text, type=Thread)", "msgspec.convert(value, Thread)"]
)
def test_a_line_that_gives_a_type_to_msgspec_is_found(line):
    assert any(gives_a_type(node) for node in ast.walk(ast.parse(line)))


def gives_a_type(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("msgspec."):
        return False
    called, given = ast.unparse(node.func), len(node.args) + len(node.keywords)
    return given > {"msgspec.json.Decoder": 0, "msgspec.json.decode": 1, "msgspec.convert": 0}.get(called, given)


def test_only_the_transport_imports_uvicorn():
    found = {path.parent for path, _, tree in trees() for name in imported(tree) if name.split(".")[0] == "uvicorn"}

    assert found == {TRANSPORT}


def test_only_the_transport_touches_what_others_keep_to_themselves():
    own = {name for _, _, tree in trees() for name in defined(tree)} | OF_NAMED_TUPLES

    found = {path.parent for path, _, tree in trees() for _ in foreign(tree, own)}

    assert found == {TRANSPORT}


@pytest.mark.parametrize(
    "line",
    [
        "future._asyncio_future_blocking = True",
        "cycle.__class__ = Other",
        "asyncio._get_running_loop()",
        "from asyncio.tasks import _all_tasks",
        "asyncio.Task.__step(task)",
    ],
)
def test_a_line_that_touches_what_others_keep_to_themselves_is_found(line):
    assert list(foreign(ast.parse(line), {"_own"}))


@pytest.mark.parametrize("line", ["self._own = 1", "super().__init__()", "other._own", "kind.__name__", "self.__x = 1"])
def test_a_line_that_touches_its_own_is_none_of_these(line):
    assert not list(foreign(ast.parse(line), {"_own"}))


def defined(tree: ast.Module) -> Iterator[str]:
    """Give the names that a module makes itself: functions, attributes of `self`, names of classes and slots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_self(node.value):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def foreign(tree: ast.Module, own: set[str]) -> Iterator[ast.AST]:
    """Give what a module touches of others although they do not promise it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if any(alias.name.startswith("_") and not alias.name.endswith("__") for alias in node.names):
                yield node
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and not is_self(node.value):
            is_special = node.attr.endswith("__")
            changes_its_kind = node.attr == "__class__" and isinstance(node.ctx, ast.Store)
            if changes_its_kind or (not is_special and node.attr not in own):
                yield node


def is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
