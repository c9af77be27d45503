"""The structs of requests and answers for users of the package: all of `threadkeep.contract` in one module."""

from threadkeep.contract.answers import *  # noqa: F403
from threadkeep.contract.assistants import *  # noqa: F403
from threadkeep.contract.basis import *  # noqa: F403
from threadkeep.contract.bulk import *  # noqa: F403
from threadkeep.contract.events import *  # noqa: F403
from threadkeep.contract.limits import *  # noqa: F403
from threadkeep.contract.messages import *  # noqa: F403
from threadkeep.contract.models import *  # noqa: F403
from threadkeep.contract.names import *  # noqa: F403
from threadkeep.contract.organizations import *  # noqa: F403
from threadkeep.contract.responses import *  # noqa: F403
from threadkeep.contract.threads import *  # noqa: F403
from threadkeep.contract.usage import *  # noqa: F403

# The names that callers know them by.
Page = ListPage  # noqa: F405
Settings = ModelSettings  # noqa: F405
