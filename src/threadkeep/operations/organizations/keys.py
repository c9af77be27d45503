"""API keys: made once, shown once, stored as a hash."""

import secrets
import zlib
from hashlib import sha256

from threadkeep import clock
from threadkeep.contract.answers import Deleted, ListPage
from threadkeep.contract.organizations import Key, KeyCreate, KeyCreated
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import InvalidField, KeyNotFound
from threadkeep.ids import ALPHABET, new_id
from threadkeep.operations import paging
from threadkeep.operations.organizations import members, organizations
from threadkeep.operations.paging import Window
from threadkeep.operations.revisions import Precondition, Versioned, match
from threadkeep.scope import Role, Scope

SORT = "id"
PREFIX = "tk_"
RANDOM_BITS = 200
CHECKSUM_CHARACTERS = 6
KEY_CHARACTERS = len(PREFIX) + RANDOM_BITS // 5 + CHECKSUM_CHARACTERS

COLUMNS = "k.id, k.created_ms, k.user_id, k.role, k.name, k.revision"

INSERT = scoped("""
    insert into api_keys (organization, id, user_id, role, name, secret_hash, created_ms, revision)
    values (:organization, :key_id, :user_id, :role, :name, :secret_hash, :now_ms, :now_ms)
    """)

READ = scoped(f"select {COLUMNS} from api_keys k where k.organization = :organization and k.id = :key_id")

LISTS = paging.both_ways(f"""
    select {COLUMNS} from api_keys k
    where k.organization = :organization and k.id {{compare}} :at_id
    order by k.id {{direction}} limit :limit
    """)

DELETE = scoped("delete from api_keys where organization = :organization and id = :key_id")


def new_secret() -> str:
    """Return a new key: 200 random bits and a checksum, which reveals a mistyped key without asking the database."""
    characters = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_BITS // 5))
    return PREFIX + characters + checksum(characters)


def checksum(characters: str) -> str:
    value = zlib.crc32(characters.encode())
    return "".join(ALPHABET[value >> 5 * place & 31] for place in range(CHECKSUM_CHARACTERS))


def is_well_formed(secret: str) -> bool:
    characters = secret[len(PREFIX) : -CHECKSUM_CHARACTERS]
    return (
        len(secret) == KEY_CHARACTERS
        and secret.isascii()
        and secret.startswith(PREFIX)
        and checksum(characters) == secret[-CHECKSUM_CHARACTERS:]
    )


def hash_secret(secret: str) -> bytes:
    """Return the hash that is stored of a key. A plain one is enough: 200 random bits cannot be guessed."""
    return sha256(secret.encode()).digest()


async def create(tx: ScopedTransaction, body: KeyCreate) -> Versioned:
    """Make a key for a user id with a role. Only this answer ever shows the secret.

    Raises InvalidField for a role above the user's own as a member. A user id without a member stands for a program.
    """
    await organizations.hold(tx)
    holder = await members.find(tx, body.user_id)
    if holder is not None and Role(holder.role).rank < body.role.rank:
        raise InvalidField(f"This user's role is {holder.role}: a key has at most the role of its user.", param="role")
    secret = new_secret()
    key_id, now_ms = new_id("key"), clock.now_ms()
    await tx.fetch(
        INSERT,
        key_id=key_id,
        user_id=body.user_id,
        role=body.role.value,
        name=body.name,
        secret_hash=hash_secret(secret),
        now_ms=now_ms,
    )
    created = KeyCreated(
        key_id, "organization.key", now_ms // 1000, tx.scope.organization_id, body.user_id, body.role, body.name, secret
    )
    return Versioned(created, now_ms)


async def list_keys(tx: ScopedTransaction, window: Window) -> ListPage:
    """Return one page, in the order of ids, which is the order of creation."""
    at_id = paging.text_position(window, SORT, "key")
    rows = await tx.fetch(LISTS[window.reads_descending], at_id=at_id, limit=window.limit + 1)
    return paging.page([key_of(row, tx.scope) for row in rows], window, SORT, lambda each: (each.id,))


async def delete(tx: ScopedTransaction, key_id: str, precondition: Precondition | None = None) -> Deleted:
    """Revoke the key: every process refuses it within 10 seconds."""
    row = await tx.fetch_one(READ, key_id=key_id)
    if row is None:
        raise KeyNotFound()
    *_, revision = row
    match(revision, precondition)
    await tx.fetch(DELETE, key_id=key_id)
    return Deleted(key_id, "organization.key.deleted", True)


def key_of(row: Row, scope: Scope) -> Key:
    id, created_ms, user_id, role, name, _ = row
    return Key(id, "organization.key", created_ms // 1000, scope.organization_id, user_id, Role(role), name)
