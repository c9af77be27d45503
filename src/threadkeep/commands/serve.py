"""`threadkeep serve`: the server, and what it shows on its first start."""

import os
import socket
import sys
from functools import partial
from pathlib import Path

from threadkeep.commands import logs
from threadkeep.commands.workers import supervise
from threadkeep.database import is_sqlite, open_database, sqlite_path
from threadkeep.database.driver import Database
from threadkeep.ids import new_id
from threadkeep.operations import administration
from threadkeep.operations.administration import FirstRun
from threadkeep.server import serve as server
from threadkeep.server.tokens import make_token, server_secret
from threadkeep.settings import SettingError, Settings

TOKEN_VALID_S = 30 * 24 * 3600
FIRST_RUN_FILE = "threadkeep-first-run.txt"


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM. Raises SettingError, DatabaseInUse, SchemaMismatch, Unavailable or OSError."""
    if workers > 1 and is_sqlite(settings):
        raise SettingError("SQLite is served by one worker: leave --workers out, or use PostgreSQL.")
    listener = server.listen(host, port)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    if workers == 1:
        server.run(settings, [listener], partial(welcome, settings, url))
    elif server.run_until_signal(prepare(settings, url)):
        supervise(partial(run_worker, settings), listener, workers)


async def prepare(settings: Settings, url: str) -> None:
    """Migrate and welcome once, before the workers start."""
    server.StopSignals()
    database = await open_database(settings, serving=True)
    try:
        await welcome(settings, url, database, server_secret(settings, None))
    finally:
        await database.close()


def run_worker(settings: Settings, listener: socket.socket) -> None:
    logs.configure()
    server.run(settings, [listener])


async def welcome(settings: Settings, url: str, database: Database, secret: str) -> None:
    """Print where the server is, and on an empty database what is needed to use it, once."""
    created = await database.write(administration.first_run, new_id("ORG"), new_id("uid"))
    if created is not None:
        token = make_token(secret, created.user_id, TOKEN_VALID_S)
        show(first_run_text(url, created, token), settings)
    print(f"threadkeep serves {url} (stop with Ctrl-C)", flush=True)


def first_run_text(url: str, created: FirstRun, token: str) -> str:
    return f"""\
The database is new. It has an organization and an owner now; their credentials are shown this once:

  organization  {created.organization_id}
  owner         {created.user_id}
  API key       {created.key}
  user token    {token}

Create your first thread:

  curl -X POST {url}/v1/threads \\
    -H 'X-API-Key: {created.key}' \\
    -H 'Content-Type: application/json' \\
    -d '{{"title": "Hello"}}'

More organizations, members, keys and tokens: {program()} admin --help
"""


def program() -> str:
    """Return how this program was called, so that the commands that it prints work as printed."""
    return sys.argv[0] if Path(sys.argv[0]).name == "threadkeep" else "python -m threadkeep"


def show(text: str, settings: Settings) -> None:
    """Print secrets to a terminal; otherwise write them to a file that only its owner can read."""
    if sys.stdout.isatty():
        print(text, flush=True)
        return
    folder = sqlite_path(settings).parent if is_sqlite(settings) else Path()
    path = (folder / FIRST_RUN_FILE).absolute()
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    print(f"The database is new. Its first credentials are in {path}; read them, then delete the file.", flush=True)
