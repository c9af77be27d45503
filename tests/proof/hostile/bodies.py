"""Bodies and parameters that are nearly what an operation takes."""

import json
from typing import Any

from proof.hostile.raw import ECHO

DEEP = 100_000


def spoilt(good: dict[str, Any]) -> dict[str, bytes]:
    """Return the good body with fields that are not what they must be."""
    values = (ECHO, 0, -1, 1.5, True, None, [], {}, [ECHO], {ECHO: ECHO}, [[]], 2**53, "x" * 300_000)
    return {
        f"{name}: {str(value)[:20]}": json.dumps(good | {name: value}).encode() for value in values for name in FIELDS
    }


def bodies(good: dict[str, Any]) -> dict[str, bytes]:
    """Return hostile bodies by what is wrong with them."""
    quoted = json.dumps(ECHO)
    texts = {
        "an array": f"[{quoted}]",
        "a string": quoted,
        "a number": "1",
        "null": "null",
        "cut off": f'{{"title": {quoted}',
        "no JSON": ECHO,
        "two values": "{} {}",
        "a name twice": f'{{"metadata": {{}}, "metadata": {quoted}}}',
        "NaN": '{"metadata": {"a": NaN}}',
        "infinity": '{"metadata": {"a": -Infinity}}',
        "a huge integer": f'{{"metadata": {{"a": {"9" * 5_000}}}}}',
        "a huge exponent": '{"metadata": {"a": 1e999999999}}',
        "a tiny number": '{"metadata": {"a": 1e-999999999}}',
        "2^53 and one": '{"metadata": {"a": 9007199254740993}}',
        "deep objects": '{"metadata":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        "deep arrays": '{"metadata": {"a":' + "[" * DEEP + "]" * DEEP + "}}",
        "deep and cut off": "[" * DEEP,
        "a name with NUL": '{"\\u0000": 1}',
        "an unknown name": f"{{{quoted}: 1}}",
        "a long name": '{"%s": 1}' % ("é" * 5_000),
        "many values": '{"metadata": {"a": [' + "1," * 200_000 + "1]}}",
        "comments": '{/* */ "title": "x"}',
        "blanks": " \n\t " * 1_000 + "{}",
    }
    raw = {name: text.encode() for name, text in texts.items()}
    raw |= {
        "a byte order mark": b"\xef\xbb\xbf{}",
        "UTF-16": '{"title": "x"}'.encode("utf-16"),
        "Latin-1": b'{"title": "\xe9"}',
        "overlong UTF-8": b'{"title": "\xc0\xaf"}',
        "a surrogate in UTF-8": b'{"title": "\xed\xa0\x80"}',
        "nothing": b"",
        "zeros": b"\0" * 100,
    }
    # Good in all but one text, which no storage takes.
    for name in TEXTS:
        raw[f"a lone surrogate in {name}"] = json.dumps(good | {name: "\ud800"}).encode()
        raw[f"NUL in {name}"] = json.dumps(good | {name: "a\0b"}).encode()
    return raw


TEXTS = ("title", "input", "content", "instructions")
FIELDS = (
    "title", "metadata", "messages", "input", "content", "role", "id", "userId", "organizationId", "assistantId",
    "thread", "tools", "toolChoice", "toolCalls", "responseFormat", "stop", "temperature", "replaces", "stream", "name",
    "model",
)  # fmt: skip

VALUES = (
    ECHO, "", " ", "\0", "é", "\U0010ffff", "-1", "0", "1e3", "9" * 30, "true", "null", "[]", "%", "cur_", "cur_AAAA",
    "cur_" + "A" * 400, '["createdAt",[1,2]]', '["x"', "thread_" + "a" * 121,
    "resp_01h455vb4pex5vsknk084sn02q:999999999",
    "x" * 600, "2026-02-30", "0000-00-00", "' or 1=1 --", "$1", ":organization", "../", "thread_%", "_", "\\",
)  # fmt: skip
