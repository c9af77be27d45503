"""Which process runs which tests, when several do: a file's tests on one database stay together."""

import re

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

DATABASE = re.compile(r"[\[-](sqlite|postgres)\b")


class ByDatabaseAndFile(LoadScopeScheduling):
    """Hands out units in the order of collection: first all on SQLite, then all on PostgreSQL.

    So a process changes its database once. Each change costs a server, its organizations and its people.
    """

    def __init__(self, config: pytest.Config, log: Producer | None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        file, _, name = nodeid.partition("::")
        database = DATABASE.search(name)
        return f"{file} {database[1] if database else ''}"
