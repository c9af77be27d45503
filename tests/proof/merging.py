"""Random merges of metadata, held against a dictionary that is merged alike: limits hold for what comes of it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proof.edges import METADATA_PAIRS_MAX
from proof.record import Record
from support.alike import metadata, scalars
from support.cast import Caller


def examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


def try_merges(loop: asyncio.AbstractEventLoop, who: Caller, record: Record) -> None:
    """Merge random changes, and do the same with a dictionary: the limits hold for what comes of it."""
    keys = st.sampled_from([f"k{number}" for number in range(20)])
    changes = st.none() | st.dictionaries(keys, st.none() | scalars, max_size=18) | metadata

    @given(st.lists(changes, min_size=2, max_size=8))
    @examples(record.size(150, 30))
    def run(given_changes: list[Any]) -> None:
        asyncio.run_coroutine_threadsafe(merge(who, given_changes, record), loop).result(120)

    # One more than there is room for, and then room for it; chance alone may never come to that.
    fixed = [{"more": 1}, {"k0": None, "more": 1}]
    asyncio.run_coroutine_threadsafe(merge(who, fixed, record), loop).result(120)
    run()
    record.need(record.counts["merges taken"], "merges taken", 20)
    record.need(record.faults["merges beyond a limit"], "merges beyond a limit", 5)


async def merge(who: Caller, changes: list[Any], record: Record) -> None:
    # One that is full takes a change that makes room, and none that needs more.
    expected: dict[str, Any] = {f"k{number}": number for number in range(METADATA_PAIRS_MAX)}
    thread = await who.create_thread(metadata=expected)
    for change in changes:
        before = await who.get(thread)
        answer = await who.request("PATCH", f"/v1/threads/{thread.id}", {"metadata": change})
        merged = merged_with(expected, change)
        if answer.status == 200:
            record.count("merges taken")
            assert is_within(merged), f"a merge beyond the limits was taken: {change!a} into {expected!a}"
            assert json.dumps(answer.metadata) == json.dumps(merged), f"{change!a} into {expected!a} gave {answer}"
            expected = merged
        else:
            record.fault("merges beyond a limit")
            assert not is_within(merged) or not is_plain(change), f"a merge within limits is refused: {answer}"
            after = await who.get(thread)
            assert (after.text, after.etag) == (before.text, before.etag), f"a refused merge changed {after}"
    await who.delete(thread)


def merged_with(current: dict[str, Any], change: dict[str, Any] | None) -> dict[str, Any]:
    if change is None:
        return {}
    merged = {key: value for key, value in current.items() if key not in change or change[key] is not None}
    return {**merged, **{key: value for key, value in change.items() if value is not None}}


def is_within(merged: dict[str, Any]) -> bool:
    """Return whether metadata is within its limits, as the contract has them."""
    lengths = [
        len(value) if isinstance(value, str) else len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
        for value in merged.values()
        if isinstance(value, str | list)
    ]
    return (
        len(merged) <= METADATA_PAIRS_MAX
        and all(1 <= len(key) <= 64 for key in merged)
        and all(length <= 512 for length in lengths)
    )


def is_plain(change: Any) -> bool:
    """Return whether nothing in it is refused for what it is: NUL, a number beyond 2^53, NaN."""
    text = json.dumps(change)
    numbers = [
        each
        for value in (change or {}).values()
        for each in (value if isinstance(value, list) else [value])
        if isinstance(each, int | float)
    ]
    return "\\u0000" not in text and all(each == each and abs(each) <= 2**53 for each in numbers)
