"""The built-in model `echo`: it repeats the question, and says that it is not a real model."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

from threadkeep.providers import Arrived, Finish, ModelRequest, Piece, Text

NAME = "echo"
GREETING = "This is echo, the built-in stand-in for a model."
# A word with the spaces around it: joined again, the words give the same text.
WORD = re.compile(r"\s*\S+\s*")
# Keeps the answer, with its greeting, far below the longest that is allowed.
QUOTED_CHARACTERS_MAX = 2_000


class Echo:
    """Answers every request alike, word by word, with no network and no delay."""

    async def stream(self, request: ModelRequest, arrived: Arrived | None = None) -> AsyncIterator[list[Piece]]:
        for word in WORD.findall(answer_to(request)):
            yield [Text(word)]
            await asyncio.sleep(0)  # So that a process full of echoes stays fair.
        yield [Finish("stop")]

    async def close(self) -> None:
        pass


def answer_to(request: ModelRequest) -> str:
    for message in reversed(request.messages):
        if message["role"] in ("user", "tool"):
            said = "You said" if message["role"] == "user" else "The tool said"
            text = text_of(message.get("content"))
            return f"{GREETING} {said}: {text}" if text.strip() else f"{GREETING} There was no text to repeat."
    return f"{GREETING} Nobody has said anything yet."


def text_of(content: Any) -> str:  # Any: a text, a list of parts, or nothing, as in OpenAI's chat format.
    if isinstance(content, list):
        content = "\n".join(part["text"] for part in content if part.get("type") == "text")
    text = content or ""
    return text if len(text) <= QUOTED_CHARACTERS_MAX else text[:QUOTED_CHARACTERS_MAX] + "…"
