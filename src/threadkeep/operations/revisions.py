"""Revisions: the number in an object's ETag, and the check of If-Match against it."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from threadkeep.errors import PreconditionFailed


class Versioned(NamedTuple):
    """An object and its revision, which the caller gets as ETag."""

    object: Any  # Any: whichever struct the operation answers with.
    revision: int | None
    # The revision of the thread that was changed along with it, if the caller asked by it.
    thread_revision: int | None = None
    # The native object that `object` shows to other services' clients.
    about: Any = None


# Says whether If-Match allows a change, given the object's revision, or None while there is no such object.
Precondition: TypeAlias = Callable[[int | None], bool]


def precondition(header: bytes | None) -> Precondition | None:
    """Return the check for an If-Match header: `*`, or strong tags in quotes. Weak tags never match."""
    if header is None:
        return None
    tags = {tag.strip() for tag in header.decode("latin-1").split(",")}
    if "*" in tags:
        return lambda revision: revision is not None
    return lambda revision: revision is not None and f'"{revision}"' in tags


def match(revision: int | None, precondition: Precondition | None) -> None:
    """Raise PreconditionFailed unless the change is allowed. `revision` is None while there is no such object."""
    if precondition is not None and not precondition(revision):
        raise PreconditionFailed()
