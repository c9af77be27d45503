"""What every stream that a client has read must be."""

from collections.abc import Sequence
from typing import Any

import threadkeep
from threadkeep.client import ResponseEvent


def check_whole(events: Sequence[ResponseEvent]) -> None:
    """Nothing lost, nothing repeated, one terminal event, and that the last."""
    assert [int(event.position.rpartition(":")[2]) for event in events] == list(range(1, len(events) + 1))
    assert len({event.position.rpartition(":")[0] for event in events}) == 1
    ends = threadkeep.ResponseCompleted | threadkeep.ResponseCancelled | threadkeep.ResponseFailed
    assert [isinstance(event, ends) for event in events] == [False] * (len(events) - 1) + [True]


def joined(events: list[Any], kind: type) -> str:
    return "".join(event.delta for event in events if isinstance(event, kind))
