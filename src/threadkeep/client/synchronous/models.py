# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.models`: which models a caller may name."""

from typing import Unpack

from threadkeep.client.answers import Page
from threadkeep.client.calls import path, query, read
from threadkeep.client.given import ModelFilters
from threadkeep.client.synchronous.connection import Connection
from threadkeep.client.synchronous.lists import List
from threadkeep.contract.models import Model


class Models:
    """Models are configured on the server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        **filters: Unpack[ModelFilters],
    ) -> List[Model]:
        """List the models that an assistant or a response may name, in the order of the server's configuration."""
        return List(self._connection, read(path("models"), query(**filters)), Page[Model])
