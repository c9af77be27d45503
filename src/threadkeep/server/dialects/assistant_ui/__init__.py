"""assistant-ui's cloud: threads, messages and titles of its front end, over the threads of this service.

The model is asked elsewhere, best at /ai-sdk/chat: its runtime takes the id of the cloud's thread for that of the chat.
"""

from threadkeep.server.dialects import Dialect
from threadkeep.server.dialects.assistant_ui.common import PREFIX, CloudError, check_workspace, heard, reworded, written
from threadkeep.server.dialects.assistant_ui.routes import ENDPOINTS
from threadkeep.server.dialects.document import describing
from threadkeep.server.speech import Speech

DESCRIPTION = """assistant-ui's cloud over threadkeep's threads: give AssistantCloud the base URL …/assistant-ui.

Fields mean what assistant-ui's own client says of them. What is refused and why stands in docs/assistant-ui.md."""

SPEECH = Speech(
    PREFIX,
    ignored_parameters=None,
    headers=("Aui-Sdk", "Aui-User-Id", "Aui-Workspace-Id"),
    error=reworded,
    written=written,
    heard=heard,
    check=check_workspace,
)

DIALECT = Dialect(SPEECH, ENDPOINTS, describing("assistant-ui's cloud", DESCRIPTION, ENDPOINTS, error=CloudError))
