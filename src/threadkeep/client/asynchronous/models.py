"""`client.models`: which models a caller may name."""

from typing import Unpack

from threadkeep.client.answers import Page
from threadkeep.client.asynchronous.connection import AsyncConnection
from threadkeep.client.asynchronous.lists import AsyncList
from threadkeep.client.calls import path, query, read
from threadkeep.client.given import ModelFilters
from threadkeep.contract.models import Model


class AsyncModels:
    """Models are configured on the server."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def list(
        self,
        **filters: Unpack[ModelFilters],
    ) -> AsyncList[Model]:
        """List the models that an assistant or a response may name, in the order of the server's configuration."""
        return AsyncList(self._connection, read(path("models"), query(**filters)), Page[Model])
