"""A pytest plug-in: the framework's own tests of sessions run on a service of ours in place of its database's.

Each service has users and an app's state of its own, as a new database would.
"""

import uuid

from google.adk import sessions

import threadkeep
from threadkeep.integrations.google_adk import ThreadkeepSessionService

# Each with its reason.
TEMPORARY = "wants state with temp: to be gone from memory as well, as it was in 1.4; since 2.x it stays for the run"
LEFT_OUT = {
    "test_session_state[SessionServiceType.DATABASE]": TEMPORARY,
    "test_create_new_session_will_merge_states[SessionServiceType.DATABASE]": TEMPORARY,
}


class DatabaseSessionService(ThreadkeepSessionService):
    """Made as their tests make theirs."""

    def __init__(self, db_url: str) -> None:
        super().__init__(threadkeep.Client())
        self._own = uuid.uuid4().hex

    def _acting(self, user_id):
        return super()._acting(f"{user_id}.{self._own}")

    def _apps_state(self, app_name):
        return super()._apps_state(f"{app_name}.{self._own}")


sessions.DatabaseSessionService = DatabaseSessionService


def pytest_collection_modifyitems(config, items):
    kept = [each for each in items if "IN_MEMORY" not in each.name and each.name not in LEFT_OUT]
    config.hook.pytest_deselected(items=[each for each in items if each not in kept])
    items[:] = kept
