"""How an API speaks: what the pipeline does otherwise for another service's clients than natively."""

from collections.abc import Callable
from dataclasses import dataclass

from threadkeep.errors import ApiError
from threadkeep.scope import Scope
from threadkeep.server.answers import Written, native_written

METADATA_PREFIX = "metadata."


def native_metadata_key(name: str) -> str | None:
    """Return the key in `metadata.<key>`; None for another parameter."""
    return name[len(METADATA_PREFIX) :] if name.startswith(METADATA_PREFIX) else None


def native_error(error: ApiError, _path: str) -> ApiError:
    return error


@dataclass(frozen=True)
class Speech:
    """A way of speaking. Who may see or do what, and what is stored, is the same in all."""

    # What the paths begin with; its OpenAPI document is there too.
    prefix: str = "/v1"
    # Parameters that clients send and that change nothing here; None: all that are unknown.
    ignored_parameters: frozenset[str] | None = frozenset()
    # Headers that its clients send from browsers, besides the native ones.
    headers: tuple[str, ...] = ()
    # Headers of its own in answers, which such clients read.
    answer_headers: tuple[str, ...] = ()
    # Returns the key that a parameter's name filters by, or None.
    metadata_key: Callable[[str], str | None] = native_metadata_key
    # Returns the error as it is worded here, given also the request's path.
    error: Callable[[ApiError, str], ApiError] = native_error
    # Returns the media type and the body of an error, given also the request's id.
    written: Written = native_written
    # Returns the headers of a request under their native names, where clients have others for them.
    heard: Callable[[dict[bytes, bytes]], dict[bytes, bytes]] | None = None
    # Raises what refuses a request whose headers ask for something that is not there, given who is calling.
    check: Callable[[dict[bytes, bytes], Scope], None] | None = None


NATIVE = Speech()
