"""Usage."""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from threadkeep.contract.basis import Count, Object, OrganizationQuery

GroupBy: TypeAlias = Literal["day", "user", "assistant", "model"]
Day: TypeAlias = Annotated[str, Meta(examples=["2026-11-23"])]
DayAsked: TypeAlias = Annotated[str, Meta(extra_json_schema={"format": "date"})]


TOTAL = {
    "key": None, "responses": 2, "inputTokens": 86, "outputTokens": 44, "totalTokens": 130, "estimatedTokens": 0
}  # fmt: skip


class UsageGroup(Object):
    """Tokens of one day, user, assistant or model, those of names among them; `key` is null without an assistant."""

    key: Day | None
    """The day, user, assistant or model; null for responses without an assistant."""
    responses: Annotated[int, Meta(ge=0, examples=[2])]
    """How many responses ended."""
    input_tokens: Annotated[int, Meta(ge=0, examples=[86])]
    """Tokens that the model was sent."""
    output_tokens: Annotated[int, Meta(ge=0, examples=[44])]
    """Tokens that it wrote."""
    total_tokens: Annotated[int, Meta(ge=0, examples=[130])]
    """Both together."""
    estimated_tokens: Count
    """Of `totalTokens`, those that threadkeep estimated."""


class Usage(Object):
    """What an organization's responses used from one day to another, both included (UTC)."""

    object: Literal["organization.usage"]
    organization_id: str
    from_: Day = msgspec.field(name="from")
    """The first day, UTC."""
    to: Day
    """The last day, UTC."""
    group_by: GroupBy
    """What each group is."""
    data: list[UsageGroup]
    """The groups."""
    has_more: bool
    """Whether there are more groups than `limit`."""
    total: Annotated[UsageGroup, Meta(examples=[TOTAL])]
    """All groups together, also those beyond `limit`."""


class UsageQuery(OrganizationQuery, frozen=True):
    """Which days of usage, and by what they are added up."""

    from_: DayAsked | None = msgspec.field(name="from", default=None)
    """The first day, UTC, at most 366 days with the last. Left out: 29 days before `to`."""
    to: DayAsked | None = None
    """The last day, UTC. Left out: today."""
    group_by: GroupBy = "day"
    """What each group is: `day` in the order of days, the others the largest first."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    """How many groups at most."""
