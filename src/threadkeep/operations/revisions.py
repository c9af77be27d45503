"""Revisions of objects, and what a caller demands of them with If-Match."""

from threadkeep.operations.threads.rows import Precondition, Versioned

__all__ = ["Precondition", "Versioned", "precondition"]


def precondition(header: bytes | None) -> Precondition | None:
    """Return what an If-Match header allows: `*`, or strong tags in quotes; weak ones never match."""
    if header is None:
        return None
    tags = {tag.strip() for tag in header.decode("latin-1").split(",")}
    if "*" in tags:
        return lambda revision: revision is not None
    return lambda revision: revision is not None and f'"{revision}"' in tags
