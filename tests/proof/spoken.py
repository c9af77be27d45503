"""What the model says in a numbered stream, slowly: words of every kind, by chance but the same each time."""

import json
import random
from functools import cache
from typing import Any

from support.scripted_model import DONE, Call, finish, reasoning, tool_call

WORDS = 80
PAUSE_S = 0.04
# Letters of all widths, what frames of a stream are made of, and what splits lines in some languages.
STRANGE = [
    "ü",
    "语言 ",
    "😀",
    "\n\n",
    "\r\n",
    "data: x\n",
    "id: resp_x:1\n",
    ": ping\n\n",
    "\u2028",
    "\u0085",
    "\t",
    " ",
]
LONG = "long " * 2000


def question(number: int) -> str:
    return json.dumps({"stream": number})


def speak(call: Call) -> list[Any]:
    """The script of the stream that the question names."""
    return script(json.loads(call.last_user_text)["stream"])


def script(number: int) -> list[Any]:
    words, thoughts, arguments = parts(number)
    chance = random.Random(-number)
    steps: list[Any] = []
    for step in [
        *(reasoning(thought) for thought in thoughts),
        *words,
        *(tool_call(0, None if at else "call_1", None if at else "find", each) for at, each in enumerate(arguments)),
    ]:
        steps += [step, chance.uniform(0, PAUSE_S)]
    return [*steps, finish("tool_calls" if arguments else "stop"), DONE]


def spoken(number: int) -> tuple[str, str, str]:
    """Return the whole text, the reasoning, and the arguments of the call in a stream."""
    words, thoughts, arguments = parts(number)
    return "".join(words), "".join(thoughts), "".join(arguments)


@cache
def parts(number: int) -> tuple[list[str], list[str], list[str]]:
    chance = random.Random(number)
    words = [chance.choice(STRANGE) if chance.random() < 0.2 else f"{number}-{at} " for at in range(WORDS)]
    if number % 10 == 0:
        words[chance.randrange(WORDS)] = LONG
    thoughts = [f"Hm {at}. " for at in range(8)] if number % 3 == 0 else []
    arguments = ['{"city": ', '"Kö', 'ln"', "}"] if number % 5 == 0 else []
    return words, thoughts, arguments
