"""`client.user`: who is calling."""

from threadkeep.client.asynchronous.connection import AsyncConnection
from threadkeep.client.calls import path, read
from threadkeep.contract.organizations import User


class AsyncCurrentUser:
    """The user that the credential belongs to."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def retrieve(self) -> User:
        """Read who is calling, and which organizations the credential opens."""
        return await self._connection.call(read(path("user")), User)
