"""How an assistant is stored and read: its columns, its row, and the object that callers get."""

from typing import Any, NamedTuple

import msgspec

from threadkeep.contract.assistants import Assistant, Configuration
from threadkeep.contract.basis import Raw
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.decoding import decoder
from threadkeep.errors import AssistantNotFound
from threadkeep.operations.revisions import Versioned
from threadkeep.scope import Scope

decode_configuration = decoder(Configuration).decode


class StoredAssistant(NamedTuple):
    """An assistant's row."""

    id: str
    name: str | None
    description: str | None
    instructions: str | None
    configuration: Configuration
    metadata: str
    created_ms: int
    updated_ms: int
    revision: int

    def columns(self) -> dict[str, Any]:
        """Return the row as statements take it."""
        configuration = msgspec.json.encode(self.configuration).decode()
        return {**self._asdict(), "assistant_id": self.id, "configuration": configuration}


# The columns are the fields, in their order.
COLUMNS = ", ".join(f"a.{name}" for name in StoredAssistant._fields)

# The row of a deleted assistant stays, so that its id is taken.
THIS_ONE = "a.organization = :organization and a.id = :assistant_id and a.deleted_ms is null"

READ = scoped(f"select {COLUMNS} from assistants a where {THIS_ONE}")

HOLD = scoped(f"select {COLUMNS} from assistants a where {THIS_ONE} for update")

IS_THERE = scoped(f"select 1 from assistants a where {THIS_ONE}")


async def find(tx: ScopedTransaction, assistant_id: str) -> StoredAssistant | None:
    row = await tx.fetch_one(READ, assistant_id=assistant_id)
    return None if row is None else stored_of(row)


async def hold(tx: ScopedTransaction, assistant_id: str) -> StoredAssistant:
    """Lock the assistant's row until the transaction ends. Raises AssistantNotFound."""
    row = await tx.fetch_one(HOLD, assistant_id=assistant_id)
    if row is None:
        raise AssistantNotFound()
    return stored_of(row)


async def is_there(tx: ScopedTransaction, assistant_id: str) -> bool:
    return bool(await tx.fetch(IS_THERE, assistant_id=assistant_id))


def stored_of(row: Row) -> StoredAssistant:
    """Read a row of COLUMNS."""
    id, name, description, instructions, configuration, *rest = row
    return StoredAssistant(id, name, description, instructions, decode_configuration(configuration), *rest)


def assistant_of(stored: StoredAssistant, scope: Scope) -> Assistant:
    return Assistant(
        id=stored.id,
        object="assistant",
        created_at=stored.created_ms // 1000,
        updated_at=stored.updated_ms // 1000,
        organization_id=scope.organization_id,
        name=stored.name,
        description=stored.description,
        instructions=stored.instructions,
        metadata=Raw(stored.metadata),
        **msgspec.structs.asdict(stored.configuration),
    )


def versioned(stored: StoredAssistant, scope: Scope) -> Versioned:
    return Versioned(assistant_of(stored, scope), stored.revision)
