"""What a reader of a stream must have seen: what P8, P9 and P14 hold every reader against."""

from collections.abc import Sequence

from support.streams import CREATED, REASONING, RESET, TOOL_CALL, Event


def broken(events: Sequence[Event], *, is_over: bool, may_be_reset: bool = False) -> str:
    """Say what is wrong with what one reader has seen, from the first event on; nothing if all is well.

    `is_over`: nothing cut the reader off, so its stream must have come to its end. `may_be_reset`: what was streamed
    was deleted meanwhile, so that a reader is given what is left of it.
    """
    ends = [place for place, event in enumerate(events) if event.is_terminal]
    if len(ends) > 1:
        return f"had {len(ends)} terminal events: {[events[place].id for place in ends]}"
    if ends and ends[0] < len(events) - 1:
        return f"had {events[ends[0] + 1].type} after the terminal event"
    if found := out_of_order(events, may_be_reset):
        return found
    if is_over and not ends:
        return f"had no terminal event after {events[-1].id if events else 'nothing'}"
    return ""


def out_of_order(events: Sequence[Event], may_be_reset: bool) -> str:
    n = 0
    for event in events:
        n += 1
        if event.type == RESET:
            if not may_be_reset:
                return f"was reset at {event.id} after it had seen {n - 1} events: what it had seen was not stored"
            n = event.n
        if event.response_id != events[0].response_id:
            return f"had {event.id} in the stream of {events[0].response_id}"
        if event.n < n:
            return f"had event {event.n} again after event {n - 1}"
        if event.n > n:
            return f"lost event {n}: after {n - 1} came {event.n}"
        # Whoever comes at the moment in which a thread is deleted is told just that.
        is_deleted = event.is_terminal and (event.data["response"]["error"] or {}).get("code") == "thread_deleted"
        if event.type != RESET and not is_deleted and (event.type == CREATED) != (n == 1):
            return f"had {event.type} as event {n}"
    return ""


def difference(seen: Sequence[Event], others: Sequence[Event]) -> str:
    """Say where two readers of one response differ; nothing if they saw the same."""
    for one, other in zip(seen, others, strict=False):
        if one != other:
            return f"{str(one)[:150]} and {str(other)[:150]}"
    return "" if len(seen) == len(others) else f"{len(seen)} and {len(others)} events"


def reasoning_of(events: Sequence[Event]) -> str:
    return "".join(event.data["delta"] for event in events if event.type == REASONING)


def arguments_of(events: Sequence[Event]) -> str:
    """Return the arguments of the one call in a stream."""
    return "".join(event.data["arguments"] for event in events if event.type == TOOL_CALL)
