"""The fixtures that all tests share: a database of each kind, a server on it, and three people who call it."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path

import httpx
import pytest
from xdist.remote import Producer

from support.cast import Caller, Cast
from support.citus_cluster import LEFT_OUT, CitusCluster
from support.document import Document
from support.people import People
from support.postgres import Postgres, start_postgres
from support.quick_client import QuickClient
from support.scheduling import ByDatabaseAndFile
from support.server import ZYGOTE, Database, Server
from support.stored import Stored, stored_in
from support.tiers import starts_its_own
from support.zygote import Zygote
from threadkeep.database import sqlite

LOG_LINES = 40
LOG_BEGIN = pytest.StashKey[int]()


def pytest_configure() -> None:
    """Let SIGTERM end the tests as Ctrl-C does, so that no server outlives them.

    Ctrl-C too: a shell that runs the tests in the background has it ignored, and what they start would inherit that.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sqlite", action="store_true", help="leave out what needs PostgreSQL")
    parser.addoption("--fast", action="store_true", help="that, and what starts processes for itself alone")
    parser.addoption("--cluster", metavar="URLS", help="run what needs PostgreSQL, on these nodes of a Citus cluster")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out PostgreSQL where the database does not matter, and everywhere with --sqlite or --fast.

    With --cluster leave out everything else, and what a cluster cannot be asked.
    """
    left_out = {each for each in items if isinstance(each, pytest.Function) and is_not_asked_for(config, each)}
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [each for each in items if each not in left_out]


def is_not_asked_for(config: pytest.Config, item: pytest.Function) -> bool:
    if config.option.cluster:
        return not is_on_postgres(item) or is_alike(item) or is_left_out(item)
    is_fast = config.option.fast
    return (is_on_postgres(item) and (config.option.sqlite or is_fast or is_alike(item))) or (
        is_fast and starts_its_own(item)
    )


def is_on_postgres(item: pytest.Function) -> bool:
    kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
    return kind == "postgres" or "postgres" in item.fixturenames or item.get_closest_marker("on_postgres") is not None


def is_alike(item: pytest.Item) -> bool:
    return item.get_closest_marker("one_database") is not None


def is_left_out(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    return item.path.name in LEFT_OUT or item.originalname in LEFT_OUT


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByDatabaseAndFile:
    return ByDatabaseAndFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the server logged during a test beside the test's failure."""
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if isinstance(server, Server):
        begin = item.stash.setdefault(LOG_BEGIN, len(server.log_text()))
        if report.failed:
            lines = server.log_text()[begin:].splitlines()
            report.sections.append(("server log", "\n".join(lines[-LOG_LINES:])))
    return report


Server.forks = True


@pytest.fixture(scope="session")
def workspace() -> Iterator[Path]:
    """A folder for everything that the tests write; open to the system user that runs PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="threadkeep-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
async def postgres(workspace: Path, request: pytest.FixtureRequest) -> AsyncIterator[Postgres | CitusCluster]:
    if request.config.option.cluster:
        given = CitusCluster(request.config.option.cluster)
        yield given
        await given.remove()
        return
    cluster = start_postgres(workspace / "postgres")
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def new_database(
    database_kind: str, workspace: Path, request: pytest.FixtureRequest
) -> Callable[[], Awaitable[Database]]:
    """Make an empty database of the kind under test, with a working folder of its own."""

    async def make() -> Database:
        folder = Path(tempfile.mkdtemp(prefix=f"{database_kind}-", dir=workspace))
        if database_kind == "sqlite":
            return Database("sqlite", f"sqlite:///{folder / 'threadkeep.db'}", folder)
        cluster: Postgres | CitusCluster = request.getfixturevalue("postgres")
        return Database("postgres", await cluster.create_database(), folder)

    if database_kind == "postgres":
        request.getfixturevalue("postgres")
    return make


@pytest.fixture(scope="session")
async def database(new_database: Callable[[], Awaitable[Database]]) -> Database:
    """The one database on which most tests run."""
    return await new_database()


@pytest.fixture(scope="session")
async def server(database: Database) -> AsyncIterator[Server]:
    """The one server on which most tests run; it forgets credentials soon, so that few tests need to wait."""
    server = await Server(database, {"THREADKEEP_CREDENTIAL_CACHE_S": "0.2"}).start()
    yield server
    server.stop()


@pytest.fixture
async def start_server(
    new_database: Callable[[], Awaitable[Database]],
) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Start servers with settings of their own, on a new database or a given one; they end with the test."""
    started: list[Server] = []

    async def start(database: Database | None = None, **settings: str) -> Server:
        server = Server(database or await new_database(), settings)
        started.append(server)
        return await server.start()

    yield start
    for server in reversed(started):
        server.stop()


@pytest.fixture
async def stored(server: Server) -> AsyncIterator[Stored]:
    """What the one server's database holds, past the service."""
    async with stored_in(server.database) as stored:
        yield stored


@pytest.fixture(scope="session")
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with connect(server) as client:
        Caller.document = await Document.of(client)
        yield client


def connect(server: Server) -> QuickClient:
    return QuickClient(server.url)


@pytest.fixture(scope="session")
def zygote() -> Zygote:
    return ZYGOTE


@pytest.fixture(scope="session")
def people(server: Server, client: httpx.AsyncClient, zygote: Zygote) -> People:
    return People(server, client, zygote)


@pytest.fixture(scope="session")
async def cast(people: People) -> Cast:
    ada, cleo = await asyncio.gather(
        people.owner("ORG_ACME", "uid_ada"),
        people.owner("ORG_OTHER", "uid_cleo"),
    )
    ben = await people.member(ada, "uid_ben", "member")
    return Cast(ada, ben, cleo)


@pytest.fixture
def ada(cast: Cast) -> Caller:
    """Owner of ORG_ACME, with an API key of role owner; `ada.with_token()` is the person herself."""
    return cast.ada


@pytest.fixture
def ben(cast: Cast) -> Caller:
    """Member of ORG_ACME."""
    return cast.ben


@pytest.fixture
def cleo(cast: Cast) -> Caller:
    """Owner of ORG_OTHER, a stranger to ORG_ACME."""
    return cast.cleo


@pytest.fixture
def nobody(client: httpx.AsyncClient) -> Caller:
    """Somebody without any credential."""
    return Caller(client)


@pytest.fixture
async def fresh_owner(people: People) -> Caller:
    """Owner of an organization that nobody else uses: for tests that list or count."""
    return await people.owner()


@pytest.fixture
def fresh_user(ada: Caller, people: People) -> Caller:
    """A user whom ada's backend acts for and who has no thread yet: lists of one's own cost no organization."""
    return ada.as_user(people.new_user())


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The columns of every table, as the migrations make them."""
    connection = sqlite.connect(Path(tmp_path_factory.mktemp("tables")) / "x.db", create=True)
    sqlite.apply_migrations(connection)
    names = [name for (name,) in connection.execute("select name from sqlite_schema where type = 'table'")]
    return {name: [row[1] for row in connection.execute(f"pragma table_xinfo({name})")] for name in names}
