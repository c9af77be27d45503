"""Work that may meet a response whose worker has died."""

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from threadkeep.database.scoped import ScopedDatabase
from threadkeep.errors import LeaseExpired, Unavailable
from threadkeep.operations.responses import settling
from threadkeep.operations.threads.rows import ATTEMPTS_MAX

P = ParamSpec("P")
T = TypeVar("T")


async def past_expired(db: ScopedDatabase, work: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run `work`. If a response whose worker has died is in its way, end that response and run `work` again."""
    for _ in range(ATTEMPTS_MAX):
        try:
            return await work(*args, **kwargs)
        except LeaseExpired as expired:
            await db.write(settling.settle_expired, expired.thread_id)
    raise Unavailable()
