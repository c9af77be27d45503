"""What several dialects need to begin responses."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import ApiError, StorageFull, Unavailable
from threadkeep.runtime.following import RETRY_S
from threadkeep.server.body import convert

# How often what belongs to a response that has begun is tried to be read.
READS_MAX = 60
NATIVE_NAME = re.compile(r"(?:messages|input)\[(\d+)\](\.content.*)?")


def read(value: Any, kind: type[Any], param: str) -> Any:  # Any: JSON; an instance of the kind.
    """Return a part of a body as a struct. Raises UnknownField or InvalidField with its place in the body."""
    try:
        return convert(value, kind)
    except ApiError as error:
        error.param = param if error.param in (None, "body") else f"{param}.{error.param}"
        raise


async def read_begun(db: ScopedDatabase, operation: Any, *arguments: Any) -> Any:
    """Read what belongs to a response that has begun. Any: an operation that reads, its arguments and its result.

    While the storage is away it is tried again: an error would make the client begin another one.
    """
    for _ in range(READS_MAX):
        with suppress(Unavailable, StorageFull):
            return await db.read(operation, *arguments)
        await asyncio.sleep(RETRY_S)
    raise Unavailable()


@contextmanager
def named(places: Sequence[int], param: str) -> Iterator[None]:
    """Let native errors about messages name the items that these were."""
    try:
        yield
    except ApiError as error:
        if match := NATIVE_NAME.match(error.param or ""):
            error.param = f"{param}[{places[int(match[1])]}]{match[2] or ''}"
        raise
