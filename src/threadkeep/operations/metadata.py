"""Metadata: how it merges, its limits, and the hashed pairs by which threads are found."""

from hashlib import blake2b
from typing import Any

import msgspec

from threadkeep.contract.basis import Scalar, Value
from threadkeep.contract.limits import METADATA_KEY_CHARACTERS_MAX, METADATA_PAIRS_MAX, METADATA_VALUE_CHARACTERS_MAX
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.decoding import decoder
from threadkeep.errors import MetadataKeyTooLong, MetadataTooMany, MetadataValueTooLong, member_path

EMPTY = "{}"
PAIR_BYTES = 16

decode: Any = decoder(dict[str, Any]).decode  # Any: values were checked when they came in.

INSERT_PAIR = scoped("""
    insert into thread_metadata (organization, pair, shelf, created_ms, thread, user_id)
    values (:organization, :pair, :shelf, :created_ms, :thread, :user_id)
    """)

DELETE_PAIR = scoped("""
    delete from thread_metadata
    where organization = :organization and pair = :pair and shelf = :shelf
      and created_ms = :created_ms and thread = :thread
    """)

MOVE_PAIR = scoped("""
    update thread_metadata set shelf = :new_shelf
    where organization = :organization and pair = :pair and shelf = :shelf
      and created_ms = :created_ms and thread = :thread
    """)


def merge(current: str, change: dict[str, Value | None] | None, param: str = "metadata") -> str:
    """Return the stored form of `current` with `change` merged in; None clears it.

    A null value removes its key. `param` names the field in errors. The limits apply to the merged result: beyond
    them it raises MetadataTooMany, MetadataKeyTooLong or MetadataValueTooLong.
    """
    if change is None:
        return EMPTY
    if not change:
        return current
    merged: dict[str, Value] = decode(current)
    for key, value in change.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    check_limits(merged, param)
    return encode(merged)


def encode(metadata: dict[str, Value]) -> str:
    return msgspec.json.encode(metadata).decode()


def check_limits(metadata: dict[str, Value], param: str = "metadata") -> None:
    if len(metadata) > METADATA_PAIRS_MAX:
        raise MetadataTooMany(param=param)
    for key, value in metadata.items():
        if not 1 <= len(key) <= METADATA_KEY_CHARACTERS_MAX:
            raise MetadataKeyTooLong(param=param)
        if isinstance(value, str):
            characters = len(value)
        elif isinstance(value, list):
            # No need to build the text of so many elements: each takes at least two characters.
            if len(value) > METADATA_VALUE_CHARACTERS_MAX // 2:
                raise MetadataValueTooLong(param=member_path(param, key))
            characters = len(msgspec.json.encode(value).decode())
        else:
            continue
        if characters > METADATA_VALUE_CHARACTERS_MAX:
            raise MetadataValueTooLong(param=member_path(param, key))


def pairs_of(stored: str) -> set[bytes]:
    """Return a hash for each distinct pair of key and value; an array gives one pair for each element."""
    if stored == EMPTY:
        return set()
    pairs = set()
    metadata: dict[str, Value] = decode(stored)
    for key, value in metadata.items():
        for element in value if isinstance(value, list) else [value]:
            pairs.add(pair_hash(key, value_text(element)))
    return pairs


def value_text(value: Scalar) -> str:
    """Return the text that a filter is compared with: a string as it is, a number or boolean as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def pair_hash(key: str, text: str) -> bytes:
    # No text may hold U+0000, so it can separate. 128 bits: no two pairs collide, by chance or on purpose.
    return blake2b(f"{key}\0{text}".encode(), digest_size=PAIR_BYTES).digest()


async def index(
    tx: ScopedTransaction,
    row: dict[str, Any],
    pairs: set[bytes],
    old_pairs: frozenset[bytes] | set[bytes] = frozenset(),
) -> None:
    """Bring the pairs of the thread in `row` (shelf, created_ms, thread, user_id) from `old_pairs` to `pairs`."""
    gone = sorted(old_pairs - pairs)
    new = sorted(pairs - old_pairs)
    if gone:
        await tx.execute_many(DELETE_PAIR, [row | {"pair": pair} for pair in gone])
    if new:
        await tx.execute_many(INSERT_PAIR, [row | {"pair": pair} for pair in new])


async def move(tx: ScopedTransaction, row: dict[str, Any], pairs: set[bytes], new_shelf: int) -> None:
    """Put the pairs of the thread in `row` on another shelf: its state or visibility has changed."""
    if pairs and new_shelf != row["shelf"]:
        await tx.execute_many(MOVE_PAIR, moves(row, pairs, new_shelf))


def moves(row: dict[str, Any], pairs: set[bytes], new_shelf: int) -> list[dict[str, Any]]:
    """Return the parameters of MOVE_PAIR for the pairs of one thread."""
    return [row | {"pair": pair, "new_shelf": new_shelf} for pair in sorted(pairs)]
