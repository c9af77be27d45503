# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.threads.bulk`: the same change of many threads."""

import time
from typing import Any, Unpack

from threadkeep.client.calls import Call, path, post, query, read
from threadkeep.client.fields import body_of
from threadkeep.client.given import BulkFields
from threadkeep.client.synchronous.connection import Connection
from threadkeep.contract.bulk import Bulk, BulkCreate, BulkPreview

LOOKS_EVERY_S = 0.5


class Bulks:
    """The server works a bulk off in the background, even if no client waits for it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self, *, organization_id: str | None = None, idempotency_key: str | None = None, **fields: Unpack[BulkFields]
    ) -> Bulk:
        """Begin to do `action` with the threads that `filter` matches now, or with `ids`.

        `change` says what `update` changes. Each thread is checked as by the call for it: see `refused`.
        """
        return self._connection.call(bulk_call(organization_id, idempotency_key, fields), Bulk)

    def preview(
        self, *, organization_id: str | None = None, idempotency_key: str | None = None, **fields: Unpack[BulkFields]
    ) -> BulkPreview:
        """Say what `create` would do now, and change nothing."""
        call = bulk_call(organization_id, idempotency_key, {**fields, "dry_run": True})
        return self._connection.call(call, BulkPreview)

    def retrieve(self, bulk_id: str) -> Bulk:
        """Read how far a bulk is. Raises BulkNotFound, also when its 24 hours are over."""
        return self._connection.call(read(path("threads", "bulk", bulk_id)), Bulk)

    def wait(self, bulk_id: str) -> Bulk:
        """Return the bulk when it has ended, or was undone."""
        while True:
            bulk = self.retrieve(bulk_id)
            if bulk.status not in ("in_progress", "undoing"):
                return bulk
            time.sleep(LOOKS_EVERY_S)

    def cancel(self, bulk_id: str, *, idempotency_key: str | None = None) -> Bulk:
        """End a bulk where it is; what is done stays. One that has ended is returned unchanged."""
        call = post(path("threads", "bulk", bulk_id, "cancel"), idempotency_key=idempotency_key)
        return self._connection.call(call, Bulk)

    def undo(self, bulk_id: str, *, idempotency_key: str | None = None) -> Bulk:
        """Begin to take back what a bulk has changed, in all threads that have not changed since.

        Raises InvalidField for a deletion.
        """
        call = post(path("threads", "bulk", bulk_id, "undo"), idempotency_key=idempotency_key)
        return self._connection.call(call, Bulk)


def bulk_call(organization_id: str | None, idempotency_key: str | None, fields: Any) -> Call:  # Any: BulkFields.
    body = body_of(BulkCreate, fields)
    return post(path("threads", "bulk"), body, idempotency_key=idempotency_key, parameters=query(organization_id))
