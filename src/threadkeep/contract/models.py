"""Models that answer."""

from typing import Annotated, Literal

from msgspec import Meta

from threadkeep.contract.basis import Object


class Model(Object):
    """A model that an assistant or a request may name."""

    id: Annotated[str, Meta(examples=["large"])]
    """Its name in this server's configuration."""
    object: Literal["model"]
    is_default: Annotated[bool, Meta(examples=[True])]
    """Whether it answers where none is named."""
