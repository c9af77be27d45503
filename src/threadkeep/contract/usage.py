"""Usage."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from threadkeep.contract.basis import Object


class UsageGroup(Object):
    """Tokens of one day, user, assistant or model, those of names among them; `key` is null without an assistant."""

    key: str | None
    responses: Annotated[int, Meta(ge=0)]
    input_tokens: Annotated[int, Meta(ge=0)]
    output_tokens: Annotated[int, Meta(ge=0)]
    total_tokens: Annotated[int, Meta(ge=0)]
    estimated_tokens: Annotated[int, Meta(ge=0)]


class Usage(Object):
    """What an organization's responses used from one day to another, both included (UTC)."""

    object: Literal["organization.usage"]
    organization_id: str
    from_: str = msgspec.field(name="from")
    to: str
    group_by: Literal["day", "user", "assistant", "model"]
    data: list[UsageGroup]
    has_more: bool
    total: UsageGroup
