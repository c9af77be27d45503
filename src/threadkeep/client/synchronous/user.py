# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.user`: who is calling."""

from threadkeep.client.calls import path, read
from threadkeep.client.synchronous.connection import Connection
from threadkeep.contract.organizations import User


class CurrentUser:
    """The user that the credential belongs to."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def retrieve(self) -> User:
        """Read who is calling, and which organizations the credential opens."""
        return self._connection.call(read(path("user")), User)
