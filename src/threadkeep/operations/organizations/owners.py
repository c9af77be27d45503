"""The owners of organizations, for programs that open a database without a credential."""

from threadkeep.database.driver import Transaction
from threadkeep.database.statement import everywhere

FIND_OWNERS = everywhere("""
    select o.id, (
        select m.user_id from members m
        where m.organization = o.key and m.role = 'owner'
        order by m.created_ms, m.user_id limit 1
    )
    from organizations o
    where o.deleted_ms is null and o.id = coalesce(:id, o.id)
    order by o.key limit 2
    """)


async def find_owners(tx: Transaction, organization_id: str | None) -> list[tuple[str, str | None]]:
    """Return the named organization, or the first two of all if none is named; each with its first owner or None."""
    return [(id, user_id) for id, user_id in await tx.fetch(FIND_OWNERS, {"id": organization_id})]
