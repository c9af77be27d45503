"""The service inside the caller's own process: the same client, one file, no port."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import threadkeep
from support.either_client import KINDS, Threaded
from support.scripted_model import DONE, ScriptedModel, finish
from support.server import Database, Server, run_threadkeep
from support.waiting import SOON_S
from threadkeep import errors


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


def open_as(kind: str, path: Path, **options: Any) -> Any:
    """Open the file; of both kinds everything is awaited."""
    if kind == "async":
        return threadkeep.open_async(path, **options)
    return Threaded(threadkeep.open(path, **options))


@pytest.fixture
async def client(kind, path) -> AsyncIterator[Any]:
    async with open_as(kind, path) as client:
        yield client


def run_program(text: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, in which every warning is an error."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("THREADKEEP_")},
    )  # fmt: skip


async def test_it_is_the_same_client_and_works_at_once(client):
    thread = await client.threads.create(title="Hello", messages=[{"role": "user", "content": "hi"}])
    response = await client.threads.responses.create(thread.id, input="Are you there?")
    async with client.threads.responses.stream(thread.id, input="And now?") as stream:
        events = [event.type async for event in stream]

    assert "Are you there?" in response.output_text
    assert (events[0], events[-1]) == ("response.created", "response.completed")
    assert [each.text async for each in client.threads.messages.list(thread.id, role="user")] == [
        "hi",
        "Are you there?",
        "And now?",
    ]
    assert isinstance(client, threadkeep.AsyncClient) or isinstance(client.inner, threadkeep.Client)


async def test_opening_again_finds_the_same_owner_and_all_threads(kind, path):
    async with open_as(kind, path) as client:
        first = await client.user.retrieve()
        thread = await client.threads.create(title="kept")
    async with open_as(kind, path) as client:
        second = await client.user.retrieve()

        assert (second, second.organizations[0].role) == (first, "owner")
        assert (await client.threads.retrieve(thread.id)).title == "kept"
        # A person, who may hide threads; and without a limit against herself.
        assert (await client.threads.update(thread.id, visible_in_ui=False)).visible_in_ui is False


async def test_an_answer_comes_piece_by_piece(kind, path):
    model, go = await ScriptedModel.start(), asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    texts = []
    async with (
        open_as(kind, path, model_url=model.url, model="scripted", model_key="sk") as client,
        client.threads.responses.stream_in_new_thread(input="hi") as stream,
    ):
        async for event in stream:
            if isinstance(event, threadkeep.TextDelta):
                texts.append(event.delta)
                go.set()

    assert texts == ["Hel", "lo"]
    await model.stop()


async def test_an_answer_that_nobody_reads_goes_on(kind, path):
    model, go = await ScriptedModel.start(), asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    async with open_as(kind, path, model_url=model.url, model="scripted") as client:
        async with client.threads.responses.stream_in_new_thread(input="hi") as stream:
            thread_id, response_id = stream.response.thread_id, stream.response.id
        go.set()
        async with client.threads.responses.follow(thread_id, response_id) as again:
            assert (await again.wait()).output_text == "Hello"
    await model.stop()


async def test_closing_gives_a_running_answer_its_time(kind, path):
    model = await ScriptedModel.start()
    model.script = ["Hel", 0.2, "lo", finish(), DONE]
    async with open_as(kind, path, model_url=model.url, model="scripted") as client:
        begun = await client.threads.responses.create_in_new_thread(input="hi", background=True)
        await model.called()
    async with open_as(kind, path) as client:
        assert (await client.threads.responses.retrieve(begun.thread_id, begun.id)).output_text == "Hello"
    await model.stop()


async def test_a_file_that_is_open_is_not_opened_by_another(client, path):
    database = Database("sqlite", f"sqlite:///{path}", path.parent)

    other = run_program("import threadkeep; threadkeep.open('threads.db')", path.parent)
    served = run_threadkeep("serve", "--port", "0", database=database)

    with pytest.raises(threadkeep.DatabaseInUse, match="is served already"):
        threadkeep.open(path)
    assert "is served already" in other.stderr
    assert (served.returncode, "is served already" in served.stderr) == (1, True)
    assert (await client.threads.create()).state == "open"


async def test_a_server_and_the_embedded_service_share_a_file_in_turn(kind, path):
    async with open_as(kind, path) as client:
        thread = await client.threads.create(title="from inside")
        organization = thread.organization_id
    server = await Server(Database("sqlite", f"sqlite:///{path}", path.parent)).start()
    server.stop()
    verified = run_threadkeep("verify", database=server.database)

    async with open_as(kind, path, organization_id=organization) as client:
        assert (await client.threads.retrieve(thread.id)).title == "from inside"
    assert verified.returncode == 0, verified.stdout


async def test_assistants_and_models_are_those_of_a_server(client):
    assistant = await client.assistants.create(id="asst_guide", reasoning_effort="low", context_messages=1)

    models = [(each.id, each.is_default) async for each in client.models.list()]
    response = await client.threads.responses.create_in_new_thread(
        thread={"assistant_id": assistant.id}, input="Hello", model="echo"
    )

    assert models == [("echo", True)]
    assert (response.assistant_id, response.model, response.finish_reason) == ("asst_guide", "echo", "stop")


async def test_it_acts_for_users_whom_it_keeps_apart(client):
    ben = client.with_options(user_id="uid_ben")
    thread = await ben.threads.create()

    assert thread.user_id == "uid_ben"
    with pytest.raises(threadkeep.ThreadNotFound):
        await client.with_options(user_id="uid_cleo").threads.retrieve(thread.id)
    assert (await client.threads.retrieve(thread.id)).id == thread.id
    with pytest.raises(threadkeep.PermissionDenied):
        await ben.organizations.keys.list(thread.organization_id).page()


async def test_it_makes_no_tokens_which_nobody_could_use_without_a_port(client):
    for who in (client, client.with_options(user_id="uid_ben")):
        with pytest.raises(threadkeep.PermissionDenied):
            await who.tokens.create(user_id="uid_ben")


async def test_ids_may_be_chosen_when_the_file_is_opened(kind, path):
    async with open_as(kind, path, organization_id="ORG_MINE", user_id="uid_me") as client:
        thread = await client.threads.create()

    assert (thread.organization_id, thread.user_id) == ("ORG_MINE", "uid_me")


async def test_which_of_several_organizations_must_be_said(path):
    threadkeep.open(path).close()
    database = Database("sqlite", f"sqlite:///{path}", path.parent)
    run_threadkeep("admin", "create-organization", "Two", "--id", "ORG_TWO", "--owner", "uid_o", database=database)
    run_threadkeep("admin", "create-organization", "Three", "--id", "ORG_THREE", database=database)

    with pytest.raises(threadkeep.SettingError, match="name one"):
        threadkeep.open(path)
    with pytest.raises(threadkeep.SettingError, match="no such organization"):
        threadkeep.open(path, organization_id="ORG_NONE")
    with pytest.raises(threadkeep.SettingError, match="none with an owner"):
        threadkeep.open(path, organization_id="ORG_THREE")
    with threadkeep.open(path, organization_id="ORG_TWO") as client:
        assert client.user.retrieve().id == "uid_o"


@pytest.mark.parametrize("options", [{"user_id": "a b"}, {"timeout_s": None}])
def test_a_client_that_cannot_be_made_lets_the_file_go(path, options):
    with pytest.raises((TypeError, ValueError)):
        threadkeep.open(path, **options)

    threadkeep.open(path).close()


def test_only_a_file_can_be_opened():
    with pytest.raises(threadkeep.SettingError, match="SQLite"):
        threadkeep.open("postgresql://host/name")


def test_settings_come_from_the_environment_or_are_given(path, monkeypatch):
    monkeypatch.setenv("THREADKEEP_MESSAGES_PER_CALL_MAX", "1")
    # What a client of a server would read is not meant for this one.
    monkeypatch.setenv("THREADKEEP_API_KEY", "tk_of another server")
    monkeypatch.setenv("THREADKEEP_ORGANIZATION", "ORG_ELSEWHERE")
    two = [{"role": "user", "content": "hi"}] * 2

    with threadkeep.open(path) as client, pytest.raises(threadkeep.InvalidRequest):
        client.threads.create(messages=two)
    with threadkeep.open(path, settings=threadkeep.Settings(messages_per_call_max=2)) as client:
        assert client.threads.create(messages=two).message_count == 2


def test_a_closed_client_says_so_and_closes_only_once(path):
    client = threadkeep.open(path)
    stream = client.threads.responses.stream_in_new_thread(input="hi")
    with stream:
        client.close()
    client.close()

    with pytest.raises(RuntimeError, match="closed"):
        client.threads.create()
    threadkeep.open(path).close()


def test_many_threads_use_one_client(path):
    with threadkeep.open(path) as client:
        found: list[str] = []

        def work(n: int) -> None:
            thread = client.threads.create(title=f"{n}")
            found.append(client.threads.responses.create(thread.id, input=f"say {n}").output_text[-len(f"{n}") :])

        workers = [threading.Thread(target=work, args=[n]) for n in range(20)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(SOON_S)

        assert sorted(found, key=int) == [str(n) for n in range(20)]
        assert len(list(client.threads.list())) == 20


async def test_clients_of_several_event_loops_have_a_file_each(tmp_path):
    def talk(n: int) -> str:
        async def inside() -> str:
            async with threadkeep.open_async(tmp_path / f"{n}.db") as client:
                return (await client.threads.responses.create_in_new_thread(input=f"{n}")).output_text

        return asyncio.run(inside())

    said = await asyncio.gather(*(asyncio.to_thread(talk, n) for n in range(3)))

    assert [each[-1] for each in said] == ["0", "1", "2"]


def test_a_program_that_forgets_to_close_ends_and_loses_nothing(path):
    program = """
import threadkeep
client = threadkeep.open("threads.db")
thread = client.threads.create(title="kept")
response = client.threads.responses.create(thread.id, input="hi", background=True)
print(thread.id, response.id)
"""
    finished = run_program(program, path.parent)

    assert (finished.returncode, finished.stderr) == (0, "")
    thread_id, response_id = finished.stdout.split()
    with threadkeep.open(path) as client:
        assert client.threads.retrieve(thread_id).title == "kept"
        assert client.threads.responses.retrieve(thread_id, response_id).status == "completed"
    # The log was folded into the file.
    assert not path.with_name("threads.db-wal").exists()


def test_a_process_that_dies_leaves_what_was_answered(path):
    program = """
import os, threadkeep
client = threadkeep.open("threads.db")
print(client.threads.create(title="kept").id, flush=True)
os._exit(9)
"""
    finished = run_program(program, path.parent)

    with threadkeep.open(path) as client:
        assert client.threads.retrieve(finished.stdout.strip()).title == "kept"


def test_a_forked_process_is_told_that_the_client_is_its_parents(path):
    program = """
import os, sys, warnings, threadkeep
warnings.simplefilter("ignore", DeprecationWarning)
client = threadkeep.open("threads.db")
child = os.fork()
if child == 0:
    try:
        client.threads.create()
    except RuntimeError as error:
        print(error, flush=True)
    client.close()
    sys.exit(0)
_, status = os.waitpid(child, 0)
print(status, client.threads.create(title="the parent goes on").title)
"""
    finished = run_program(program, path.parent)

    assert finished.stderr == ""
    assert finished.stdout.splitlines() == [
        "This client cannot be used here: This client was opened before the process was forked: use it in the parent "
        "alone.",
        "0 the parent goes on",
    ]


def test_a_service_that_says_nothing_times_out(path):
    with threadkeep.open(path, timeout_s=0.05) as client:
        writer = apsw.Connection(str(path))
        writer.execute("begin immediate")
        with pytest.raises(threadkeep.TimedOut):
            client.with_options(retries_max=0).threads.create()
        writer.execute("rollback")

        assert client.with_options(timeout_s=SOON_S).threads.create().state == "open"


def test_importing_the_package_imports_neither_client_nor_server(tmp_path):
    program = """
import json, sys
import threadkeep
bare = [name for name in sys.modules if name.startswith("threadkeep.")]
import threadkeep.commands.serve, threadkeep.cli
serving = [name for name in sys.modules if name.startswith(("threadkeep.client", "threadkeep.embedded"))]
threadkeep.Client
calling = [name for name in sys.modules if name.startswith("threadkeep.embedded")]
print(json.dumps([bare, serving, calling]))
"""
    finished = run_program(program, tmp_path)

    assert json.loads(finished.stdout) == [[], [], []], finished.stderr


def test_everything_that_the_package_names_is_there():
    assert all(hasattr(threadkeep, name) for name in threadkeep.__all__)
    assert set(threadkeep.__all__) <= set(dir(threadkeep))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = threadkeep.Nothing
    assert threadkeep.ThreadBusy is errors.ThreadBusy


def test_a_forked_child_does_not_keep_the_file_from_being_opened_again(tmp_path):
    program = """
import os, sys, warnings
import threadkeep

warnings.simplefilter("ignore")
path, hold = sys.argv[1], os.pipe()
client = threadkeep.open(path)
child = os.fork()
if child == 0:
    os.close(hold[1])
    os.read(hold[0], 1)
    os._exit(0)
client.close()
with threadkeep.open(path) as again:
    print(len(again.threads.list().page().data))
os.write(hold[1], b".")
os.waitpid(child, 0)
"""
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "threads.db")], capture_output=True, text=True, timeout=60
    )

    assert (finished.stdout, finished.returncode) == ("0\n", 0), finished.stderr
