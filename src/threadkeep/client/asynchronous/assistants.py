"""`client.assistants`: configurations for responses, kept under an id."""

from typing import Unpack

from msgspec import UNSET

from threadkeep.client.answers import Page
from threadkeep.client.asynchronous.connection import AsyncConnection
from threadkeep.client.asynchronous.lists import AsyncList
from threadkeep.client.calls import delete, path, post, query, read
from threadkeep.client.fields import Tag, body_of
from threadkeep.client.given import AssistantChanges, AssistantFields, AssistantFilters
from threadkeep.contract.answers import Deleted
from threadkeep.contract.assistants import Assistant, AssistantCreate, AssistantUpdate


class AsyncAssistants:
    """Members read assistants, admins change them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def create(
        self,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[AssistantFields],
    ) -> Assistant:
        """Create an assistant. Each request may give the settings that are left out or None.

        Raises AssistantExists for an `id` that another assistant of the organization has, or had.
        """
        parameters = query(fields.pop("organization_id", None))
        body = body_of(AssistantCreate, fields)
        call = post(path("assistants"), body, idempotency_key=idempotency_key, parameters=parameters)
        return await self._connection.call(call, Assistant)

    def list(
        self,
        **filters: Unpack[AssistantFilters],
    ) -> AsyncList[Assistant]:
        """List the organization's assistants, the oldest first unless `order` says otherwise."""
        parameters = query(**filters)
        return AsyncList(self._connection, read(path("assistants"), parameters), Page[Assistant])

    async def retrieve(self, assistant_id: str) -> Assistant:
        """Read an assistant. Raises AssistantNotFound."""
        return await self._connection.call(read(path("assistants", assistant_id)), Assistant)

    async def update(
        self,
        assistant_id: str,
        *,
        if_match: Tag = UNSET,
        idempotency_key: str | None = None,
        **fields: Unpack[AssistantChanges],
    ) -> Assistant:
        """Change the given fields only; None leaves a setting to each request. Raises PreconditionFailed."""
        body = body_of(AssistantUpdate, fields)
        call = post(path("assistants", assistant_id), body, idempotency_key=idempotency_key, if_match=if_match)
        return await self._connection.call(call, Assistant)

    async def delete(self, assistant_id: str, *, if_match: Tag = UNSET) -> Deleted:
        """Delete an assistant. Its threads keep its id, and their next responses raise AssistantDeleted."""
        receipt = {"id": assistant_id, "object": "assistant.deleted", "deleted": True}
        call = delete(path("assistants", assistant_id), receipt=receipt, if_match=if_match)
        return await self._connection.call(call, Deleted)
