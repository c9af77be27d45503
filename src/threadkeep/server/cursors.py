"""Encrypts the positions in cursors: they hold internal keys, which would tell how many threads all tenants have."""

import base64
import binascii
from hashlib import blake2b
from typing import Any

import msgspec

from threadkeep.errors import InvalidCursor
from threadkeep.operations import paging

SEAL_BYTES = 8
BLOCK_BYTES = 64
PREFIX = "cur_"


class CursorSeal:
    """Encrypts positions with a key that is the same in every process, and refuses what it did not seal.

    The tag is computed from the position itself and starts the key stream (a synthetic initialisation vector, as in
    RFC 5297), so equal positions give equal cursors and a changed one is noticed.
    """

    def __init__(self, secret: str) -> None:
        key = blake2b(secret.encode(), digest_size=32, person=b"cursors").digest()
        # Keyed once: each tag and each block begins with a copy, which is faster.
        self._tag_hash = blake2b(digest_size=SEAL_BYTES, key=key, person=b"tag")
        self._stream_hash = blake2b(digest_size=BLOCK_BYTES, key=key, person=b"stream")

    def seal(self, position: str) -> str:
        plain = position.encode()
        tag = self._tag(plain)
        return PREFIX + base64.urlsafe_b64encode(tag + self._cover(plain, tag)).decode().rstrip("=")

    def open(self, cursor: str) -> str | None:
        """Return the position, or None for anything that was not sealed here."""
        encoded = cursor.removeprefix(PREFIX)
        try:
            sealed = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        tag, covered = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        plain = self._cover(covered, tag)
        return plain.decode() if self._tag(plain) == tag else None

    def open_in(self, query: Any) -> Any:  # Any: an endpoint's own query struct.
        """Return the query with its cursors decrypted. Raises InvalidCursor."""
        for param in ("after", "before"):
            cursor = getattr(query, param, None)
            if cursor is not None and (cursor.startswith(PREFIX) or paging.is_position(cursor)):
                position = self.open(cursor)
                if position is None:
                    raise InvalidCursor(param=param)
                query = msgspec.structs.replace(query, **{param: position})
        return query

    def _tag(self, plain: bytes) -> bytes:
        tag = self._tag_hash.copy()
        tag.update(plain)
        return tag.digest()

    def _cover(self, text: bytes, tag: bytes) -> bytes:
        stream = b""
        while len(stream) < len(text):
            block = self._stream_hash.copy()
            block.update(tag + bytes([len(stream) // BLOCK_BYTES]))
            stream += block.digest()
        covered = int.from_bytes(text) ^ int.from_bytes(stream[: len(text)])
        return covered.to_bytes(len(text))
