"""Other services' APIs, over the same threads: each in a folder or module of its own, loaded where it is wanted."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from threadkeep.server.endpoint import Endpoint
from threadkeep.server.speech import Speech


class Dialect(NamedTuple):
    """An API of another service's shapes."""

    speech: Speech
    endpoints: Sequence[Endpoint]
    # Returns its OpenAPI document as JSON.
    document: Callable[[], bytes]


def load(name: str) -> Dialect:
    """Return a dialect by its name in THREADKEEP_DIALECTS. One that is not named there is never imported."""
    dialect: Dialect = import_module(f"{__name__}.{name.replace('-', '_')}").DIALECT
    return dialect
