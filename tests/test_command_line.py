"""The command line: the first start on an empty database, and `threadkeep admin`."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from conftest import connect
from support.cast import Caller
from support.ports import free_port
from support.server import Server, run_forked
from threadkeep.cli import app

FIRST_RUN = "threadkeep-first-run.txt"


async def test_the_first_start_writes_credentials_that_work_into_a_private_file(start_server):
    server = await start_server()

    file = server.database.folder / FIRST_RUN
    text = file.read_text()

    assert file.stat().st_mode & 0o777 == 0o600
    assert str(file) in server.log_text() or FIRST_RUN in server.log_text()
    organization = re.search(r"ORG_[A-Za-z0-9_.:@|-]+", text)[0]
    key = re.search(r"tk_[\w-]+", text)[0]
    token = re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text)[0]
    assert key not in server.log_text()
    assert token not in server.log_text()
    async with connect(server) as client:
        owner = Caller(client, organization=organization, key=key, token=token)
        for who in (owner, owner.with_token()):
            assert (await who.create_thread()).organizationId == organization
            assert [member["role"] for member in (await who.list_members()).data] == ["owner"]
            assert (await who.put_member("uid_new", "member")).status in (200, 201)
            await who.delete_member("uid_new")


async def test_a_second_start_makes_nothing_new(start_server):
    server = await start_server()
    file = server.database.folder / FIRST_RUN
    before = file.read_text()
    key = re.search(r"tk_[\w-]+", before)[0]
    server.stop()
    file.unlink()

    await server.start()

    assert not file.exists()
    async with connect(server) as client:
        assert (await Caller(client, key=key).list_threads()).status == 200


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_the_servers_own_secret_lies_beside_sqlite_for_its_owner_alone(start_server):
    server = await start_server(THREADKEEP_SECRET="")
    token = re.search(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", (server.database.folder / FIRST_RUN).read_text())[0]

    private = private_files(server.database.folder)
    server.stop()
    await server.start()

    assert set(private) > {FIRST_RUN}
    async with connect(server) as client:
        assert (await Caller(client).with_token(token).list_threads()).status == 200


def private_files(folder):
    return [path.name for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077 == 0]


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True, scope="session")
async def test_postgresql_needs_a_secret(new_database):
    database = await new_database()

    refused = run_forked("serve", "--port", str(free_port()), database=database, settings={"THREADKEEP_SECRET": ""})

    assert refused.returncode != 0
    assert "THREADKEEP_SECRET" in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"THREADKEEP_SECRET": "short"},
        {"THREADKEEP_CORS_ORIGINS": "*"},
        {"THREADKEEP_JWT_ISSUER": "https://login.example.com"},
        {"THREADKEEP_RATE_KEY_PER_MINUTE": "many"},
    ],
)
async def test_a_setting_that_cannot_be_used_is_refused_by_name(new_database, settings):
    database = await new_database()

    refused = run_forked("serve", "--port", str(free_port()), database=database, settings=settings)

    assert refused.returncode != 0
    assert next(iter(settings)) in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "url",
    [
        "mysql://localhost/x",
        "postgresql://postgres@127.0.0.1:1/none",
        "sqlite:////dev/null/threadkeep.db",
        "sqlite:///{folder}/no-database.db",
    ],
)
async def test_a_database_that_cannot_be_used_is_refused_with_a_clear_sentence(new_database, url):
    database = await new_database()
    write_nonsense(database.folder / "no-database.db")
    url = url.format(folder=database.folder)

    refused = run_forked("serve", "--port", str(free_port()), "--database", url, database=database)

    assert refused.returncode != 0
    assert len((refused.stdout + refused.stderr).strip()) > 20
    assert "Traceback" not in refused.stderr


def write_nonsense(path):
    path.write_bytes(b"This is no database. " * 100)


async def test_admin_answers_with_one_json_object(people, server):
    organization = await people.admin("create-organization", "My organization")
    named = await people.admin("create-organization", "Other", "--id", "ORG_named", "--owner", "uid_boss")
    member = await people.admin("create-member", "--organization", "ORG_named", "--user", "uid_m", "--role", "admin")
    key = await people.admin(
        "create-key", "--organization", "ORG_named", "--user", "uid_m", "--role", "admin", "--name", "bot"
    )
    token = await people.admin("create-token", "--user", "uid_m", "--hours", "1")
    revoked = await people.admin("revoke-key", key["id"])

    assert set(organization) == {"id"}
    assert organization["id"].startswith("ORG_")
    assert named == {"id": "ORG_named"}
    assert member == {"organizationId": "ORG_named", "userId": "uid_m", "role": "admin"}
    assert set(key) == {"id", "key"}
    assert (key["id"][:4], key["key"][:3]) == ("key_", "tk_")
    assert set(token) == {"token"}
    assert revoked["id"] == key["id"]


async def test_what_admin_made_is_what_http_shows(people, client, ada):
    key = await people.key("ORG_ACME", "uid_ada", "admin")

    listed = await ada.walk("/v1/organizations/ORG_ACME/keys", limit=100)

    shown = next(each for each in listed if each["id"] == key["id"])
    assert (shown["userId"], shown["role"]) == ("uid_ada", "admin")


@pytest.mark.parametrize(
    "arguments",
    [
        ["create-organization", "Again", "--id", "ORG_ACME"],
        ["create-organization", "Bad id", "--id", "a b"],
        ["create-organization", "", "--id", "ORG_empty_name"],
        ["create-organization", "Bad owner", "--id", "ORG_bad_owner", "--owner", "a b"],
        ["create-member", "--organization", "ORG_NEVER_WAS", "--user", "uid_m", "--role", "member"],
        ["create-member", "--organization", "ORG_ACME", "--user", "uid_m", "--role", "boss"],
        ["create-member", "--organization", "ORG_ACME", "--user", "a b", "--role", "member"],
        ["create-key", "--organization", "ORG_NEVER_WAS", "--user", "uid_m", "--role", "member"],
        ["create-key", "--organization", "ORG_ACME", "--user", "uid_m", "--role", "boss"],
        ["create-token", "--user", "a b"],
        ["create-token", "--user", "uid_m", "--hours", "0"],
        ["create-token", "--user", "uid_m", "--hours", "-1"],
        ["revoke-key", "key_01h455vb4pex5vsknk084sn02q"],
        ["revoke-key", "nonsense"],
        ["unknown-command"],
    ],
)
async def test_admin_refuses_with_a_sentence_and_a_status(people, server, ada, arguments):
    with pytest.raises(RuntimeError, match="failed") as refused:
        await people.admin(*arguments)

    assert len(str(refused.value).splitlines()) >= 2
    assert "Traceback" not in str(refused.value)


async def test_a_refused_organization_with_a_bad_owner_leaves_nothing(people, ada):
    with pytest.raises(RuntimeError):
        await people.admin("create-organization", "Half", "--id", "ORG_half", "--owner", "a b")

    assert (await people.owner("ORG_half")).organization == "ORG_half"


async def test_an_hour_of_a_token_is_an_hour(people):
    import jwt

    short, default = [
        jwt.decode(
            (await people.admin("create-token", "--user", "uid_hours", *more))["token"],
            options={"verify_signature": False},
        )
        for more in (("--hours", "1"), ())
    ]

    assert short["exp"] - short["iat"] == 3600
    assert default["exp"] > short["iat"]


async def test_admin_takes_the_database_as_an_option_too(server, new_database, ada):
    elsewhere = await new_database()

    finished = run_forked(
        "admin", "create-token", "--user", "uid_ada", "--database", server.database.url, "--json", database=elsewhere
    )

    assert finished.returncode == 0, finished.stderr
    assert (await ada.with_token(json.loads(finished.stdout)["token"]).list_threads(limit=1)).status == 200


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["verify", "--database", "@{}/missing"], "should hold one line that names a database"),
        (["verify", "--database", "@{}"], "should hold one line that names a database"),
        (["export", "--api-key", "tk_a", "--out", "{}/missing/a.jsonl"], "There is no folder"),
        (["export", "--api-key", "tk_a", "--out", "{}"], "The export cannot be written to"),
    ],
)
def test_a_file_that_cannot_be_opened_is_told_with_what_is_right(zygote, tmp_path, arguments, sentence):
    given = [each.format(tmp_path) for each in arguments]

    finished = zygote.run(*given, cwd=tmp_path, environment=dict(os.environ))

    assert (finished["returncode"], finished["stdout"]) == (1, "")
    assert sentence in finished["stderr"]
    assert len(finished["stderr"].splitlines()) == 1


async def test_admin_speaks_to_people_without_json(server, ada):
    finished = run_forked("admin", "create-token", "--user", "uid_ada", database=server.database)

    assert finished.returncode == 0
    assert "eyJ" in finished.stdout


def commands() -> Iterator[tuple[str, Any]]:
    """Give every command with its words."""
    waiting: list[tuple[str, Any]] = [("", typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop()
        children = getattr(command, "commands", None)
        if children is None:
            yield words, command
        else:
            waiting += [(f"{words} {name}".strip(), child) for name, child in children.items()]


def test_help_names_the_commands(server):
    finished = run_forked("--help", database=server.database)

    assert finished.returncode == 0
    for command in ("serve", "chat", "threads", "export", "import", "admin", "verify"):
        assert command in finished.stdout


@pytest.mark.parametrize(("words", "command"), list(commands()), ids=lambda each: each if isinstance(each, str) else "")
def test_every_command_says_what_it_does_what_its_options_mean_and_how_to_call_it(words, command):
    unexplained = [each.name for each in command.params if not getattr(each, "help", None)]

    assert command.help
    assert unexplained == []
    assert command.epilog.startswith(f"Example: threadkeep {words}")


def test_help_imports_neither_the_server_nor_the_client_nor_a_driver():
    heavy = ("httpx", "asyncpg", "apsw", "uvicorn", "starlette", "msgspec", "threadkeep.operations")
    program = "import sys, threadkeep.cli; print(*sys.modules)"

    imported = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()

    assert [name for name in heavy if name in imported] == []


@pytest.mark.parametrize("loading", ["typer", "threadkeep.settings", "threadkeep.commands.chat"])
def test_ctrl_c_while_a_command_is_loaded_ends_it_without_a_word(loading):
    program = f"""
import sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {loading!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupting())
from threadkeep.__main__ import main
main()
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert (finished.returncode, finished.stdout, finished.stderr) == (130, "", "")


async def test_verify_finds_nothing_wrong_after_all_that(start_server, new_database, server, ada):
    finished = run_forked("verify", database=server.database)

    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_an_unknown_command_is_refused(server):
    finished = run_forked("nonsense", database=server.database)

    assert finished.returncode != 0
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_serve_makes_the_database_file_where_it_is_told(start_server):
    server: Server = await start_server()

    assert "threadkeep.db" in [path.name for path in server.database.folder.iterdir()]
