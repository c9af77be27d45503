"""Where a client's connections may be used: only in the process that made them, for asyncio only on its event loop."""

import asyncio
import os
import threading
from typing import NamedTuple, Self

# Held while connections of a place are made or removed: several threads may make their first call at once.
making = threading.Lock()
# Taken around a fork: a lock that another thread holds would never be released in the child.
os.register_at_fork(before=making.acquire, after_in_parent=making.release, after_in_child=making.release)


class Place(NamedTuple):
    """For the synchronous client."""

    process_id: int

    @classmethod
    def here(cls) -> Self:
        return cls(os.getpid())

    @property
    def is_gone(self) -> bool:
        return self.process_id != os.getpid()


class AsyncPlace(NamedTuple):
    """For the asynchronous client."""

    process_id: int
    loop: asyncio.AbstractEventLoop

    @classmethod
    def here(cls) -> Self:
        return cls(os.getpid(), asyncio.get_running_loop())

    @property
    def is_gone(self) -> bool:
        return self.process_id != os.getpid() or self.loop.is_closed()
