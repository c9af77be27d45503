"""The id of each request: the caller's own if it is valid, else one of ours."""

import itertools
import re
import secrets

VALID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
# A random part for each process and a count: unique, and cheaper than randomness for each request.
PREFIX = b"req_" + secrets.token_hex(6).encode() + b"_"
counter = itertools.count(1)


def request_id_of(headers: dict[bytes, bytes]) -> bytes:
    given = headers.get(b"x-request-id")
    if given is not None and VALID.fullmatch(given):
        return given
    return PREFIX + b"%x" % next(counter)
