"""Bodies of which only what is known is read."""

from typing import ClassVar

import msgspec


class Lenient(msgspec.Struct):
    """Unknown fields are ignored: these clients send more with each release."""

    is_lenient: ClassVar[bool] = True
