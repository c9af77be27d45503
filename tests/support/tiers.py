"""Which tests `make test-fast` leaves out: those that start a process, a terminal or a server for themselves alone.

What a file or a whole run shares, such as the one server, is no reason: it is started once.
"""

import subprocess
from collections.abc import Iterator
from functools import cache
from inspect import isclass, isfunction, unwrap
from types import CodeType, FunctionType
from typing import Any

import pytest

from support.server import ZYGOTE

# All that the tests start, such as a server or what a terminal shows, comes from one of these.
STARTERS = (subprocess, ZYGOTE)
STARTING_NAMES = {"create_subprocess_exec", "create_subprocess_shell"}
# Whoever asks for it runs commands.
STARTING_FIXTURE = "zygote"


def starts_its_own(item: pytest.Function) -> bool:
    """Tell whether the test, or a fixture that is made for it alone, comes to something that starts a process."""
    return any(
        STARTING_FIXTURE in arguments or comes_to_a_starter(unwrap(function)) for function, arguments in made_for(item)
    )


def made_for(item: pytest.Function) -> Iterator[tuple[Any, tuple[str, ...]]]:
    known = item._fixtureinfo
    yield item.function, known.argnames
    for name in known.names_closure:
        for fixture in known.name2fixturedefs.get(name, ())[-1:]:
            if fixture.scope == "function":
                yield fixture.func, fixture.argnames


@cache
def comes_to_a_starter(function: Any) -> bool:
    seen: set[Any] = set()
    waiting = [function]
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        names = set(names_of(each.__code__))
        used = [each.__globals__[name] for name in names if name in each.__globals__]
        if names & STARTING_NAMES or any(value is starter for value in used for starter in STARTERS):
            return True
        waiting += [found for value in used for found in functions_of(value)]
    return False


def names_of(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_of(constant)


def functions_of(value: Any) -> list[FunctionType]:
    """Return the functions of a function or class that is the tests' own."""
    value = unwrap(value) if callable(value) else value
    if not (getattr(value, "__module__", None) or "").startswith(("test_", "support.", "conftest")):
        return []
    if isclass(value):
        return [unwrap(each) for each in vars(value).values() if isfunction(each)]
    return [value] if isfunction(value) else []
