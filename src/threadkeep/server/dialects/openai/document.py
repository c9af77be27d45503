"""The OpenAPI document of this dialect."""

from threadkeep.server.dialects.document import describing
from threadkeep.server.dialects.openai import errors
from threadkeep.server.dialects.openai.common import Page
from threadkeep.server.dialects.openai.routes import ENDPOINTS

DESCRIPTION = """OpenAI's API over threadkeep's threads: set a client's base URL to /openai/v1.

Fields mean what OpenAI's reference says of them. What is refused and why stands in docs/openai.md."""

document = describing("OpenAI's API", DESCRIPTION, ENDPOINTS, errors.__name__, page=Page)
