"""JSON into typed objects, from any thread: the one place where msgspec is given a type.

msgspec works out a struct's fields when it first meets the struct. Two threads that do so at once end the process
with a segmentation fault (seen with 0.22.0). So it happens here, for one type at a time.
"""

import threading
from functools import cache
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

working_out = threading.Lock()


@overload
def decoder(kind: type[T]) -> msgspec.json.Decoder[T]: ...
@overload
def decoder(kind: Any) -> msgspec.json.Decoder[Any]: ...
def decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # Any: a union is no type.
    """Return the decoder of a type, the same one each time."""
    return _decoder(kind)


@overload
def decode(data: bytes | bytearray | str, kind: type[T]) -> T: ...
@overload
def decode(data: bytes | bytearray | str, kind: Any) -> Any: ...
def decode(data: bytes | bytearray | str, kind: Any) -> Any:  # Any: as above.
    """Return what a JSON text says. Raises msgspec.DecodeError, or its ValidationError."""
    return _decoder(kind).decode(data)


@overload
def convert(value: object, kind: type[T]) -> T: ...
@overload
def convert(value: object, kind: Any) -> Any: ...
def convert(value: object, kind: Any) -> Any:  # Any: as above.
    """Return decoded JSON as the type. Raises msgspec.ValidationError."""
    _decoder(kind)
    return msgspec.convert(value, kind)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # Any: as above.
    with working_out:
        return msgspec.json.Decoder(kind)
