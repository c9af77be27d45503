"""OpenAI's API: its assistants, threads, runs, conversations and responses, over the threads of this service.

Each object has a file of its own: its structs, the mapping there, and the mapping back.
"""

from threadkeep.server.dialects import Dialect
from threadkeep.server.dialects.openai.common import PREFIX, metadata_key
from threadkeep.server.dialects.openai.document import document
from threadkeep.server.dialects.openai.errors import reworded
from threadkeep.server.dialects.openai.routes import ENDPOINTS
from threadkeep.server.speech import Speech

# Clients ask for more than there is; what is there always comes.
IGNORED = frozenset({"include", "include[]", "include_obfuscation"})

# What the JavaScript client says of itself in X-Stainless-….
SAID = ("Arch", "Async", "Custom-Event-Handler", "Custom-Poll-Interval", "Helper-Method", "Lang", "OS",
        "Package-Version", "Poll-Helper", "Read-Timeout", "Retry-Count", "Runtime", "Runtime-Version", "Stream-Helper",
        "Timeout")  # fmt: skip
HEADERS = ("OpenAI-Beta", "OpenAI-Organization", "OpenAI-Project", *(f"X-Stainless-{name}" for name in SAID))

ANSWER_HEADERS = ("X-Should-Retry", "OpenAI-Poll-After-Ms")

DIALECT = Dialect(Speech(PREFIX, IGNORED, HEADERS, ANSWER_HEADERS, metadata_key, reworded), ENDPOINTS, document)
