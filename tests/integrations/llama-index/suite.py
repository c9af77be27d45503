"""A pytest plug-in: the framework's own tests of chat stores run on stores of ours. Each test has a user of its own."""

import itertools

from llama_index.core.storage import chat_store
from llama_index.core.storage.chat_store import simple_chat_store, sql

import threadkeep
from threadkeep.integrations.llama_index import ThreadkeepAsyncChatStore, ThreadkeepChatStore

# Each with its reason.
LEFT_OUT = {
    "test_delete_message": "looks into SQL's table for the id of a row",
    "test_persist_non_ascii_unescaped": "writes a file of its own",
}
USERS = (f"uid_suite_{number}" for number in itertools.count())


class Blocking(ThreadkeepChatStore):
    def __init__(self):
        super().__init__(threadkeep.Client(), user_id=next(USERS))


class Asynchronous(ThreadkeepAsyncChatStore):
    def __init__(self, table_name, async_database_uri):
        super().__init__(threadkeep.Client(), user_id=next(USERS))


chat_store.SimpleChatStore = simple_chat_store.SimpleChatStore = Blocking
sql.SQLAlchemyChatStore = Asynchronous


def pytest_collection_modifyitems(config, items):
    left_out = [each for each in items if each.name in LEFT_OUT]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]
