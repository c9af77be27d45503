"""Members: who belongs to an organization, with which role."""

from threadkeep import clock
from threadkeep.contract.answers import Page
from threadkeep.contract.organizations import Member, MemberDeleted, MemberPut
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import LastOwner, MemberNotFound
from threadkeep.operations import paging
from threadkeep.operations.organizations import organizations
from threadkeep.operations.organizations.organizations import match
from threadkeep.operations.paging import Window
from threadkeep.operations.threads import threads
from threadkeep.operations.threads.rows import Precondition, Versioned
from threadkeep.scope import Role, Scope

SORT = "userId"
ERASED_AT_ONCE = 100

COLUMNS = "m.user_id, m.role, m.created_ms, m.updated_ms, m.revision"

READ = scoped(f"select {COLUMNS} from members m where m.organization = :organization and m.user_id = :user_id")

LISTS = {
    descending: scoped(f"""
        select {COLUMNS} from members m
        where m.organization = :organization and m.user_id {"<" if descending else ">"} :at_user
        order by m.user_id {"desc" if descending else "asc"} limit :limit
        """)
    for descending in (False, True)
}

PUT = scoped("""
    insert into members (organization, user_id, role, created_ms, updated_ms, revision)
    values (:organization, :user_id, :role, :now_ms, :now_ms, :now_ms)
    on conflict (organization, user_id) do update set role = excluded.role, revision = members.revision + 1,
        updated_ms = case when members.updated_ms < :now_ms then :now_ms else members.updated_ms end
    """)

COUNT_OWNERS = scoped("select count(*) from members m where m.organization = :organization and m.role = 'owner'")

DELETE = scoped("delete from members where organization = :organization and user_id = :user_id")

REVOKE_KEYS = scoped("delete from api_keys where organization = :organization and user_id = :user_id")

LOWER_KEYS = scoped("""
    update api_keys set role = :role, revision = revision + 1
    where organization = :organization and user_id = :user_id
      and role <> :role and :role <> 'owner' and (role = 'owner' or :role = 'member')
    """)

BEGIN_ERASURE = scoped("""
    insert into erasures (organization, user_id, last_thread)
    select :organization, :user_id, coalesce(max(t.key), 0) from threads t
    where t.organization = :organization and t.user_id = :user_id
    on conflict (organization, user_id) do update set last_thread = excluded.last_thread
    """, every_user=True)  # fmt: skip

FIND_ERASED = scoped("""
    select t.key, t.id from erasures e
    join threads t on t.organization = e.organization and t.user_id = e.user_id and t.key <= e.last_thread
    where e.organization = :organization and e.user_id = :user_id
    limit :limit
    """, every_user=True)  # fmt: skip

OWNS_THREADS = scoped("""
    select 1 from threads t where t.organization = :organization and t.user_id = :user_id limit 1
    """, every_user=True)  # fmt: skip

END_ERASURE = scoped("delete from erasures where organization = :organization and user_id = :user_id")


async def list_members(tx: ScopedTransaction, window: Window) -> Page:
    """Return one page, in the order of user ids. `after` and `before` take a user id or a nextCursor."""
    at_user = paging.text_position(window, SORT)
    rows = await tx.fetch(LISTS[window.reads_descending], at_user=at_user, limit=window.limit + 1)
    return paging.page(
        rows,
        window,
        SORT,
        lambda row: member_of(row, tx.scope),
        lambda row: (row[0],),
        id_of=lambda member: str(member.user_id),
    )


async def put(
    tx: ScopedTransaction, user_id: str, body: MemberPut, precondition: Precondition | None = None
) -> Versioned:
    """Make the user a member, or change the member's role. Raises LastOwner when no owner would be left.

    The user's keys get no more than the role: lowering it lowers them, raising it leaves them as they are.
    """
    await organizations.hold(tx)
    row = await tx.fetch_one(READ, user_id=user_id)
    changes = row is None or row[1] != body.role
    if changes and row is not None and row[1] == Role.OWNER:
        await require_another_owner(tx)
    match(None if row is None else row[4], precondition)
    if changes:
        await tx.fetch(PUT, user_id=user_id, role=body.role.value, now_ms=clock.now_ms())
        row = await tx.fetch_one(READ, user_id=user_id)
    await tx.fetch(LOWER_KEYS, user_id=user_id, role=body.role.value)
    assert row is not None
    return Versioned(member_of(row, tx.scope), row[4])


async def remove(
    db: ScopedDatabase, user_id: str, erases_threads: bool, precondition: Precondition | None = None
) -> MemberDeleted:
    """Remove the member and revoke the keys with that user id; `erases_threads` deletes the user's threads too.

    With it, a user who is no member any more, or never was, is accepted as long as threads have that user id.
    Erasing goes in steps of bounded size. It is recorded with the removal, so that the sweeper finishes what a
    crash interrupts; when this returns, all of the threads are gone.
    """
    await db.write(remove_membership, user_id, erases_threads, precondition)
    deleted_count = 0
    # What is recorded is the service's to finish: somebody may have removed himself.
    service = db.as_service()
    while erases_threads:
        erased_count = await service.write(erase_some, user_id)
        if not erased_count:
            break
        deleted_count += erased_count
    return MemberDeleted(user_id, "organization.member.deleted", True, deleted_count)


async def remove_membership(
    tx: ScopedTransaction, user_id: str, erases_threads: bool, precondition: Precondition | None
) -> None:
    await organizations.hold(tx)
    row = await tx.fetch_one(READ, user_id=user_id)
    if row is None and not (erases_threads and await tx.fetch(OWNS_THREADS, user_id=user_id)):
        raise MemberNotFound()
    if row is not None and row[1] == Role.OWNER:
        await require_another_owner(tx)
    match(None if row is None else row[4], precondition)
    await tx.fetch(DELETE, user_id=user_id)
    await tx.fetch(REVOKE_KEYS, user_id=user_id)
    if erases_threads:
        await tx.fetch(BEGIN_ERASURE, user_id=user_id)


async def erase_some(tx: ScopedTransaction, user_id: str) -> int:
    """Delete some of the threads that are to be erased and return how many; 0 when it is done."""
    rows = await tx.fetch(FIND_ERASED, user_id=user_id, limit=ERASED_AT_ONCE)
    # In the order of their keys, as all that lock several threads do.
    await threads.erase_if_there(tx, [thread_id for _, thread_id in sorted(tuple(row) for row in rows)])
    if not rows:
        await tx.fetch(END_ERASURE, user_id=user_id)
    return len(rows)


async def require_another_owner(tx: ScopedTransaction) -> None:
    [[owners_count]] = await tx.fetch(COUNT_OWNERS)
    if owners_count < 2:
        raise LastOwner()


def member_of(row: Row, scope: Scope) -> Member:
    user_id, role, created_ms, updated_ms, _ = row
    return Member(
        "organization.member", scope.organization_id, user_id, Role(role), created_ms // 1000, updated_ms // 1000
    )
