"""LangGraph's API over the threads of this service: a graph that is a list of messages, and runs that are responses."""

from threadkeep.server.auth import KEY_PREFIX
from threadkeep.server.dialects import Dialect
from threadkeep.server.dialects.document import describing
from threadkeep.server.dialects.langgraph.errors import LangGraphError, reworded, written
from threadkeep.server.dialects.langgraph.routes import ENDPOINTS, PREFIX
from threadkeep.server.speech import Speech

DESCRIPTION = """LangGraph's API over threadkeep's threads: set a client's base URL to /langgraph.

What is refused and why stands in docs/langgraph.md."""


def heard(headers: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the headers with a user token where it belongs: these clients have one field for it."""
    token = headers.get(b"x-api-key")
    if token is None or token.startswith(KEY_PREFIX):
        return headers
    others = {name: value for name, value in headers.items() if name != b"x-api-key"}
    return others if not token or b"authorization" in others else others | {b"authorization": b"Bearer " + token}


DIALECT = Dialect(
    Speech(PREFIX, None, ("X-Auth-Scheme",), error=reworded, written=written, heard=heard),
    ENDPOINTS,
    describing("LangGraph's API", DESCRIPTION, ENDPOINTS, error=LangGraphError, statuses={400: 422}),
)
