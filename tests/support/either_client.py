"""Both clients behind one face, so that one test tries both: the synchronous one runs in threads and is awaited."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from typing import Any

from support.cast import Caller
from threadkeep.client import AsyncClient, Client

KINDS = ("async", "sync")
END = object()


def client_of(kind: str, base_url: str, who: Caller | None = None, **options: Any) -> Any:
    """Return a client of the kind, for somebody of the cast; of both kinds everything is awaited."""
    if who is not None:
        options = {"organization_id": who.organization, **options}
        if "authorization" in who.credential:
            options.setdefault("token", who.token)
        elif "token" not in options:
            options.setdefault("api_key", who.key)
        if "x-user-id" in who.extra:
            options.setdefault("user_id", who.extra["x-user-id"])
    if kind == "async":
        return AsyncClient(base_url, **options)
    return Threaded(Client(base_url, **options))


def counterpart(kind: type) -> type:
    """Return the asynchronous class for a synchronous one."""
    module = import_module(kind.__module__.replace(".synchronous.", ".asynchronous."))
    found: type = getattr(module, f"Async{kind.__name__}")
    return found


class Threaded:
    """A synchronous object with the methods of its asynchronous counterpart."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.kind = counterpart(type(inner))

    def __repr__(self) -> str:
        return repr(self.inner)

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self.inner, "close" if name == "aclose" else name)
        if not inspect.ismethod(inner):
            return wrapped(inner)
        if not inspect.iscoroutinefunction(getattr(self.kind, name)):
            return lambda *arguments, **more: wrapped(inner(*arguments, **more))

        async def call(*arguments: Any, **more: Any) -> Any:
            return wrapped(await asyncio.to_thread(inner, *arguments, **more))

        return call

    async def __aenter__(self) -> "Threaded":
        await asyncio.to_thread(self.inner.__enter__)
        return self

    async def __aexit__(self, *error: Any) -> None:
        await asyncio.to_thread(self.inner.__exit__, *error)

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for item in awaited(iter(self.inner)):
            yield item


def wrapped(value: Any) -> Any:
    if inspect.isgenerator(value):
        return awaited(value)
    return Threaded(value) if ".synchronous." in type(value).__module__ else value


async def awaited(values: Iterator[Any]) -> AsyncIterator[Any]:
    """Give what a generator gives, each made in a thread."""
    while (item := await asyncio.to_thread(next, values, END)) is not END:
        yield item
