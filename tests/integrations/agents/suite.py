"""A plug-in for the SDK's own tests: `agents.SQLiteSession` is a ThreadkeepSession; each file a user of its own."""

import hashlib
import uuid
from pathlib import Path

import agents
import agents.memory
from agents import SessionSettings

import threadkeep
from threadkeep.integrations.openai_agents import ThreadkeepSession


class SQLiteSession(ThreadkeepSession):
    """Made as their tests make theirs."""

    def __init__(
        self,
        session_id: str,
        db_path: str | Path = ":memory:",
        session_settings: SessionSettings | dict | None = None,
    ) -> None:
        self.db_path = str(db_path) if str(db_path) != ":memory:" else uuid.uuid4().hex
        user_id = f"uid_{hashlib.sha256(self.db_path.encode()).hexdigest()[:16]}"
        super().__init__(session_id, threadkeep.Client(), user_id=user_id, session_settings=session_settings)

    def close(self) -> None:
        """Leave the client to the collector: runs may still hold it."""


agents.SQLiteSession = agents.memory.SQLiteSession = SQLiteSession
