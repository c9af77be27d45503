"""Runs a module where everything takes many times as long, as under valgrind: `python -m benchmarks.slowed MODULE …`.

Whatever is limited in time is no more: otherwise each append would be a commit of its own, and its caller's key would
be verified again and again. Checkpoints would come at another pace as well; they are left out, whoever does them.
"""

import runpy
import sys

from benchmarks import sqlite_loop
from threadkeep.database import sqlite_writer
from threadkeep.database.driver import Database
from threadkeep.server import app, auth
from threadkeep.server.tokens import TokenVerifier

NEVER_S = 1e6


class Authenticator(auth.Authenticator):
    def __init__(self, database: Database, tokens: TokenVerifier, _cache_s: float) -> None:
        super().__init__(database, tokens, NEVER_S)


if __name__ == "__main__":
    sqlite_writer.BATCH_S = sqlite_writer.CHECKPOINT_INTERVAL_S = sqlite_loop.CHECKPOINT_INTERVAL_S = NEVER_S
    app.Authenticator = Authenticator  # type: ignore[attr-defined, assignment]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
