"""Usage: tokens of ended responses and of generated names, by day, user, assistant and model.

Each response or name adds a row, and the sweeper sums rows up by day. A read adds both, so sweeping changes no total.
Users, assistants and models are stored as text, so that usage outlives them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal, TypeAlias

from threadkeep import clock
from threadkeep.contract.usage import Usage, UsageGroup
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InvalidParameter

GroupBy: TypeAlias = Literal["day", "user", "assistant", "model"]

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAYS_MAX = 366
DAYS_DEFAULT = 30

INSERT = scoped("""
    insert into usage_rows (organization, day, user_id, assistant_id, model, input_tokens, output_tokens,
        estimated_tokens, responses)
    values (:organization, :day, :user_id, :assistant_id, :model, :input_tokens, :output_tokens, :estimated_tokens,
        :responses)
    """)

COLUMNS = {"day": "day", "user": "user_id", "assistant": "assistant_id", "model": "model"}
COUNTS = ("responses", "input_tokens", "output_tokens", "estimated_tokens")

# One statement reads both tables: between two statements the sweeper could move rows.
READS = {
    group_by: scoped(f"""
        select g.name, {", ".join(f"g.{name}" for name in COUNTS)},
            {", ".join(f"cast(sum(g.{name}) over () as bigint)" for name in COUNTS)}
        from (
            select u.name, {", ".join(f"cast(sum(u.{name}) as bigint) as {name}" for name in COUNTS)}
            from (
                select d.{column} as name, d.responses, d.input_tokens, d.output_tokens, d.estimated_tokens
                from usage_days d
                where d.organization = :organization and d.day >= :from_day and d.day <= :to_day
                union all
                select r.{column}, r.responses, r.input_tokens, r.output_tokens, r.estimated_tokens
                from usage_rows r
                where r.organization = :organization and r.day >= :from_day and r.day <= :to_day
            ) u
            group by u.name
        ) g
        order by {"g.name" if group_by == "day" else "g.input_tokens + g.output_tokens desc, g.name"} limit :limit
        """)
    for group_by, column in COLUMNS.items()
}


@dataclass(frozen=True, slots=True)
class Days:
    """From one day to another, both included, as YYYY-MM-DD."""

    first: str
    last: str


async def record(
    tx: ScopedTransaction,
    *,
    user_id: str,
    assistant_id: str | None,
    model: str,
    input_tokens: int,
    output_tokens: int,
    is_estimated: int,
    responses: int = 1,
) -> None:
    """Record used tokens, in the transaction that ends a response, however it ends. A name counts no response."""
    await tx.fetch(
        INSERT,
        day=today().isoformat(),
        user_id=user_id,
        assistant_id=assistant_id or "",
        model=model,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        estimated_tokens=input_tokens + output_tokens if is_estimated else 0,
        responses=responses,
    )


async def read(tx: ScopedTransaction, days: Days, group_by: GroupBy, limit: int) -> Usage:
    """Return what the organization used: days in order, any other grouping with the largest first."""
    rows = await tx.fetch(READS[group_by], from_day=days.first, to_day=days.last, limit=limit + 1)
    groups: list[UsageGroup] = []
    total = group(None, 0, 0, 0, 0)
    for name, responses, input_tokens, output_tokens, estimated_tokens, *totals in rows:
        groups.append(group(name or None, responses, input_tokens, output_tokens, estimated_tokens))
        total = group(None, *totals)
    return Usage(
        "organization.usage",
        tx.scope.organization_id,
        days.first,
        days.last,
        group_by,
        groups[:limit],
        len(rows) > limit,
        total,
    )


def days_between(first: str | None, last: str | None) -> Days:
    """Return the days asked for. `last` defaults to today, `first` to 29 days before `last`.

    Raises InvalidParameter.
    """
    last_day = today() if last is None else parse_day(last, "to")
    if first is None:
        first_day = date.fromordinal(max(1, last_day.toordinal() - DAYS_DEFAULT + 1))
    else:
        first_day = parse_day(first, "from")
    if first_day > last_day:
        raise InvalidParameter("from must not be later than to.", param="from")
    if (last_day - first_day).days >= DAYS_MAX:
        raise InvalidParameter(f"The days from one to the other are at most {DAYS_MAX}: ask for fewer.", param="from")
    return Days(first_day.isoformat(), last_day.isoformat())


def parse_day(text: str, param: str) -> date:
    try:
        if not DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidParameter("There is no such day: send one as YYYY-MM-DD.", param=param) from None


def today() -> date:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()


def group(key: str | None, responses: int, input_tokens: int, output_tokens: int, estimated_tokens: int) -> UsageGroup:
    return UsageGroup(key, responses, input_tokens, output_tokens, input_tokens + output_tokens, estimated_tokens)
