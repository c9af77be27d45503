"""`threadkeep serve`: one server process, or several workers on PostgreSQL."""

import socket
import sys
from functools import partial

from threadkeep.commands import logs
from threadkeep.commands import welcome as first_run
from threadkeep.commands.workers import supervise
from threadkeep.database import is_sqlite, open_database
from threadkeep.database.driver import Database, Transaction
from threadkeep.ids import new_id
from threadkeep.operations.organizations import administration
from threadkeep.providers import echo
from threadkeep.providers.catalogue import Catalogue
from threadkeep.runtime.tally import SharedTally
from threadkeep.server import serve as server
from threadkeep.server.tokens import make_token, server_secret
from threadkeep.server.transport.server import StopSignals
from threadkeep.settings import SettingError, Settings

TOKEN_VALID_S = 30 * 24 * 3600
# Addresses that mean all interfaces, each with one to connect to.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
NOT_PRIVATE = (
    "Whoever reaches this machine reaches the server now, and over plain HTTP others can read along: "
    "put a proxy with HTTPS in front of it (docs/deployment.md)."
)


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM. Raises SettingError, DatabaseInUse, SchemaMismatch, Unavailable or OSError."""
    if workers > 1 and is_sqlite(settings):
        raise SettingError("SQLite is served by one worker: leave --workers out, or use PostgreSQL.")
    listener = server.listen(host, port)
    url = url_of(host, listener.getsockname()[1])
    if host in EVERYWHERE:
        print(NOT_PRIVATE, file=sys.stderr)
    if workers == 1:
        server.run(settings, [listener], partial(welcome, settings, url))
    elif server.run_until_signal(prepare(settings, url)):
        supervise(partial(run_worker, settings), listener, workers)


def url_of(host: str, port: int) -> str:
    """Return a URL that works on this machine, even if the server listens on all interfaces."""
    shown = EVERYWHERE.get(host, host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


async def prepare(settings: Settings, url: str) -> None:
    """Migrate and welcome once, before the workers start."""
    StopSignals()
    # Checked first: a model that cannot be used ends the program before anything is created or printed.
    Catalogue(settings)
    secret = server_secret(settings, None)
    database = await open_database(settings, serving=True)
    try:
        await welcome(settings, url, database, secret)
    finally:
        await database.close()


def run_worker(settings: Settings, listener: socket.socket, tally: SharedTally) -> None:
    logs.configure()
    server.run(settings, [listener], tally=tally)


async def welcome(settings: Settings, url: str, database: Database, secret: str) -> None:
    """Print the server's address; on an empty database also the first credentials, once."""
    await database.write(create_and_show, settings, url, secret)
    model = Catalogue(settings).default
    answering = "echo answers, until THREADKEEP_MODEL_URL names a model" if model == echo.NAME else f"{model} answers"
    print(f"threadkeep serves {url} (stop with Ctrl-C); {answering}.", flush=True)


async def create_and_show(tx: Transaction, settings: Settings, url: str, secret: str) -> None:
    """Create the first organization in an empty database, and show its credentials before the commit.

    If showing them fails, nothing is created. After a commit, there would be an owner whose key nobody has.
    """
    created = await administration.first_run(tx, new_id("ORG"), new_id("uid"))
    if created is not None:
        token = make_token(secret, created.user_id, TOKEN_VALID_S)
        first_run.show(first_run.text(url, created, token), created.organization_id, settings)
