"""Finds in the OpenAPI document what requests can name, and holds it against the rows."""

from collections.abc import Iterator
from typing import Any

from proof.tenants.all_rows import ROWS
from proof.tenants.rows import PLAIN, PLAIN_PATHS

Json = dict[str, Any]  # Any: JSON.
METHODS = ("get", "post", "put", "patch", "delete")
DEPTH_MAX = 32


def operations(document: Json) -> dict[str, set[str]]:
    """Return all that each operation takes, as `path threadId`, `query after`, `header X-User-Id`, `body thread.id`."""
    schemas = document["components"]["schemas"]
    found: dict[str, set[str]] = {}
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in METHODS:
            if method not in item:
                continue
            its = item[method]
            taken = {f"{each['in']} {each['name']}" for each in (*shared, *its.get("parameters", []))}
            for content in its.get("requestBody", {}).get("content", {}).values():
                taken |= {f"body {name}" for name in fields(content["schema"], schemas)}
            found[f"{method.upper()} {path}"] = taken
    return found


def fields(schema: Json, schemas: Json, depth: int = 0) -> Iterator[str]:
    """Give the fields of a body and of whatever is in it, as `thread.userId`; items of arrays without a number."""
    assert depth < DEPTH_MAX, "a schema of a body holds itself"
    if "$ref" in schema:
        yield from fields(schemas[schema["$ref"].rpartition("/")[2]], schemas, depth + 1)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from fields(choice, schemas, depth + 1)
    if isinstance(schema.get("items"), dict):
        yield from fields(schema["items"], schemas, depth + 1)
    for name, its in schema.get("properties", {}).items():
        yield name
        yield from (f"{name}.{inner}" for inner in fields(its, schemas, depth + 1))


def is_plain(name: str) -> bool:
    _, _, path = name.partition(" ")
    return path.rpartition(".")[2] in PLAIN or path.endswith(PLAIN_PATHS)


def mistakes(*documents: Json) -> list[str]:
    """Say which operations and references have no row, and which rows are about nothing."""
    taken = {name: its for document in documents for name, its in operations(document).items()}
    found = [f"{operation} has no row in the tenant matrix" for operation in taken if operation not in ROWS]
    for operation, row in ROWS.items():
        names = taken.get(operation)
        if names is None:
            found.append(f"{operation} has a row in the tenant matrix and is no operation")
            continue
        unruled = [each for each in sorted(names - row.references.keys()) if not is_plain(each)]
        found += [f"{operation}: {each} has no row in the tenant matrix" for each in unruled]
        found += [f"{operation}: {each} has a row and is not there" for each in sorted(row.references.keys() - names)]
    return found
