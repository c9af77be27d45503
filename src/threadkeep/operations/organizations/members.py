"""Members: who belongs to an organization, with which role."""

from typing import NamedTuple

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.organizations import Member, MemberDeleted, MemberPut
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import LastOwner, MemberNotFound
from threadkeep.operations import paging
from threadkeep.operations.organizations import organizations, tokens
from threadkeep.operations.paging import Window
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.operations.threads import threads
from threadkeep.scope import Role, Scope

SORT = "userId"
ERASED_AT_ONCE = 100


class StoredMember(NamedTuple):
    """A member's row."""

    user_id: str
    role: str
    created_ms: int
    updated_ms: int
    revision: int


# The columns are the fields, in their order.
COLUMNS = ", ".join(f"m.{name}" for name in StoredMember._fields)

READ = scoped(f"select {COLUMNS} from members m where m.organization = :organization and m.user_id = :user_id")

LISTS = paging.both_ways(f"""
    select {COLUMNS} from members m
    where m.organization = :organization and m.user_id {{compare}} :at_user
    order by m.user_id {{direction}} limit :limit
    """)

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

COUNT_THREADS = scoped("""
    select count(*), coalesce(max(t.key), 0) from threads t
    where t.organization = :organization and t.user_id = :user_id
    """, every_user=True)  # fmt: skip

BEGIN_ERASURE = scoped("""
    insert into erasures (organization, user_id, last_thread) values (:organization, :user_id, :last_thread)
    on conflict (organization, user_id) do update set last_thread = excluded.last_thread
    """)

FIND_ERASED = scoped("""
    select t.key, t.id from erasures e
    join threads t on t.organization = e.organization and t.user_id = e.user_id and t.key <= e.last_thread
    where e.organization = :organization and e.user_id = :user_id
    limit :limit
    """, every_user=True)  # fmt: skip

END_ERASURE = scoped("delete from erasures where organization = :organization and user_id = :user_id")


async def list_members(tx: ScopedTransaction, window: Window) -> ListPage:
    """Return one page, in the order of user ids. `after` and `before` take a user id or a nextCursor."""
    at_user = paging.text_position(window, SORT)
    rows = await tx.fetch(LISTS[window.reads_descending], at_user=at_user, limit=window.limit + 1)
    found = [member_of(StoredMember(*row), tx.scope) for row in rows]
    return paging.page(found, window, SORT, lambda each: (each.user_id,), id_of=lambda each: each.user_id)


async def find(tx: ScopedTransaction, user_id: str) -> StoredMember | None:
    row = await tx.fetch_one(READ, user_id=user_id)
    return None if row is None else StoredMember(*row)


async def put(
    tx: ScopedTransaction, user_id: str, body: MemberPut, precondition: Precondition | None = None
) -> Versioned:
    """Make the user a member, or change the member's role. Raises LastOwner when no owner would be left.

    The user's keys get no more than the role: lowering it lowers them, raising it leaves them as they are.
    """
    await organizations.hold(tx)
    member = await find(tx, user_id)
    changes = member is None or member.role != body.role
    if changes:
        await require_owner_besides(tx, member)
    match(None if member is None else member.revision, precondition)
    if changes:
        await tx.fetch(PUT, user_id=user_id, role=body.role.value, now_ms=clock.now_ms())
        member = await find(tx, user_id)
    await tx.fetch(LOWER_KEYS, user_id=user_id, role=body.role.value)
    assert member is not None
    return Versioned(member_of(member, tx.scope), member.revision)


async def remove(
    db: ScopedDatabase, user_id: str, erases_threads: bool, precondition: Precondition | None = None
) -> MemberDeleted:
    """Remove the member and revoke the user's keys and tokens; `erases_threads` deletes the user's threads too.

    The user need not be a member, as long as there are tokens for that user id or, with `erases_threads`, threads.
    Erasing takes many transactions of bounded size. It is recorded with the removal, so that the sweeper can finish it
    after a crash. When this returns, all of the threads are gone.
    """
    deleted_count = await db.write(remove_membership, user_id, erases_threads, precondition)
    # The service erases, not the caller: callers who removed themselves have no rights any more.
    service = db.as_service()
    while erases_threads and (await service.write(erase_some, user_id)) > 0:
        pass
    return MemberDeleted(user_id, "organization.member.deleted", True, deleted_count)


async def remove_membership(
    tx: ScopedTransaction, user_id: str, erases_threads: bool, precondition: Precondition | None
) -> int:
    """Return how many threads are to be erased: the sweeper may take some of them before the caller does."""
    await organizations.hold(tx)
    member = await find(tx, user_id)
    had_tokens = await tokens.revoke(tx, user_id)
    [[owned_count, last_thread]] = await tx.fetch(COUNT_THREADS, user_id=user_id) if erases_threads else [(0, 0)]
    if member is None and not had_tokens and not owned_count:
        raise MemberNotFound()
    await require_owner_besides(tx, member)
    match(None if member is None else member.revision, precondition)
    await tx.fetch(DELETE, user_id=user_id)
    await tx.fetch(REVOKE_KEYS, user_id=user_id)
    if erases_threads:
        await tx.fetch(BEGIN_ERASURE, user_id=user_id, last_thread=last_thread)
    return int(owned_count)


async def erase_some(tx: ScopedTransaction, user_id: str) -> int:
    """Delete some of the threads to be erased and return how many; 0 when none are left."""
    rows = await tx.fetch(FIND_ERASED, user_id=user_id, limit=ERASED_AT_ONCE)
    # In the order of their keys, as everywhere that several threads are locked: so there is no deadlock.
    await threads.erase_if_there(tx, [thread_id for _, thread_id in sorted((key, id) for key, id in rows)])
    if not rows:
        await tx.fetch(END_ERASURE, user_id=user_id)
    return len(rows)


async def require_owner_besides(tx: ScopedTransaction, member: StoredMember | None) -> None:
    """Raise LastOwner if the member is the organization's only owner."""
    if member is not None and member.role == Role.OWNER:
        [[owners_count]] = await tx.fetch(COUNT_OWNERS)
        if owners_count < 2:
            raise LastOwner()


def member_of(stored: StoredMember, scope: Scope) -> Member:
    return Member(
        "organization.member",
        scope.organization_id,
        stored.user_id,
        Role(stored.role),
        stored.created_ms // 1000,
        stored.updated_ms // 1000,
    )
