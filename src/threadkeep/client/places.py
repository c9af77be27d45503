"""Where a client's connections may be used: in the process, and for asyncio on the event loop, that made them."""

import asyncio
import os
from typing import NamedTuple, Self


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
