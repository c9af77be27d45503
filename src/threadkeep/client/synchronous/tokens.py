# Made from ../asynchronous by tests/support/sync_client.py: change it there.
"""`client.tokens`: tokens with which a product's own users call from their browsers."""

from typing import Unpack

from threadkeep.client.calls import Call, path, query
from threadkeep.client.fields import body_of
from threadkeep.client.given import TokenFields
from threadkeep.client.synchronous.connection import Connection
from threadkeep.contract.organizations import TokenCreate, TokenCreated


class Tokens:
    """For API keys of admins and owners, by a client without `user_id`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, **fields: Unpack[TokenFields]) -> TokenCreated:
        """Make a token with which a browser speaks for one of your users; `expires_in` is in seconds.

        If the answer is lost, another token is made: the first counts until it expires. Raises
        InsufficientPermissions.
        """
        parameters = query(fields.pop("organization_id", None))
        call = Call("POST", path("tokens"), parameters, body_of(TokenCreate, fields))
        return self._connection.call(call, TokenCreated)
