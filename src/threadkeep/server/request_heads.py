"""Reads request headers: request ids, headers that are sent more than once, and idempotency keys."""

import itertools
import re
import secrets
from typing import Any

from threadkeep.errors import InvalidParameter
from threadkeep.operations import idempotency

VALID_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# A random part for each process, then a count: unique, and cheaper than random bytes for each request.
ID_PREFIX = b"req_" + secrets.token_hex(6).encode() + b"_"
counter = itertools.count(1)

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
LISTS = (b"if-match", b"if-none-match")
SINGLE = {
    b"x-user-id": "X-User-Id",
    b"idempotency-key": "Idempotency-Key",
    b"authorization": "Authorization",
    b"x-api-key": "X-API-Key",
    b"api-key": "api-key",
    b"content-type": "Content-Type",
    b"last-event-id": "Last-Event-ID",
}


def request_id_of(headers: dict[bytes, bytes]) -> bytes:
    """Return the caller's own id of the request if it is valid, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and VALID_ID.fullmatch(given):
        return given
    return ID_PREFIX + b"%x" % next(counter)


def join_repeated(raw_headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers, repeated lists joined. Raises InvalidParameter if another one has two different values."""
    headers: dict[bytes, bytes] = {}
    for name, value in raw_headers:
        if name in LISTS and name in headers:
            value = headers[name] + b"," + value
        elif name in SINGLE and headers.get(name, value) != value:
            raise InvalidParameter("This header stands twice with different values: send it once.", param=SINGLE[name])
        headers[name] = value
    return headers


def idempotency_request(
    header: bytes, user_id: str, scope: dict[str, Any], decoded: dict[str, Any]
) -> idempotency.IdempotentRequest:
    """Return the key and what a retry must repeat. Raises InvalidParameter if the header is not a valid key."""
    key = header.decode("latin-1")
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
        raise InvalidParameter("An Idempotency-Key has 1 to 255 printable ASCII characters.", param="Idempotency-Key")
    request = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}"
    return idempotency.IdempotentRequest(user_id, request, key, idempotency.fingerprint(decoded))
