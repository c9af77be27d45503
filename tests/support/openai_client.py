"""OpenAI's own client, unchanged, as somebody of the cast."""

from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest

from support.cast import Caller

PATH = "/openai/v1"


def client_of(who: Caller, **options: Any) -> openai.AsyncOpenAI:
    """Return a client that calls as `who`: by key or token, and for a user where `who` acts for one."""
    credential = who.token if "authorization" in who.credential else who.key
    headers = {name: value for name, value in who.extra.items() if name == "x-user-id"}
    url = f"{str(who.client.base_url).rstrip('/')}{PATH}"
    return openai.AsyncOpenAI(base_url=url, api_key=credential, default_headers=headers, **options)


async def all_of(pages: Any) -> list[Any]:
    """Follow a list of the client's from its first page to its last."""
    found: AsyncIterator[Any] = pages.__aiter__()
    return [each async for each in found]


async def refusal(kind: type[openai.APIStatusError], call: Any) -> openai.APIStatusError:
    """Await a call that is refused; return the client's exception."""
    with pytest.raises(kind) as raised:
        await call
    return raised.value
