"""Where a client's connections may be used: in the process, and for asyncio on the event loop, that made them."""

import asyncio
import os
import threading
from typing import NamedTuple, Self

# Held while what belongs to a place is made or taken away: threads may call for the first time at once.
making = threading.Lock()
# A fork waits for it: in the child, nobody would ever let it go.
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
