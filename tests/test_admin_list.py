"""Getting in again, and starting where something is in the way: sentences that say what to do."""

import json
import re
import socket

import pytest

from support.server import run_forked


@pytest.fixture
async def acme(start_server, zygote):
    """A server's database with a second organization, its member and a key."""
    server = await start_server()
    options = {"database": server.database}
    run_forked("admin", "create-organization", "Acme\x1b[2J", "--id", "ORG_LIST", "--owner", "uid_one", **options)
    run_forked(
        "admin", "create-member", "--organization", "ORG_LIST", "--user", "uid_two", "--role", "member", **options
    )
    made = run_forked(
        "admin", "create-key", "--organization", "ORG_LIST", "--user", "uid_one", "--role", "admin", "--name", "bot",
        "--json", **options,
    )  # fmt: skip
    return server.database, json.loads(made.stdout)


async def test_the_list_shows_organizations_members_and_keys_without_their_secrets(acme):
    database, key = acme

    listed = run_forked("admin", "list", "--json", database=database)
    shown = run_forked("admin", "list", "--organization", "ORG_LIST", database=database)

    organizations = {each["id"]: each for each in map(json.loads, listed.stdout.splitlines())}
    assert len(organizations) == 2
    assert organizations["ORG_LIST"]["members"] == [
        {"userId": "uid_one", "role": "owner"},
        {"userId": "uid_two", "role": "member"},
    ]
    assert organizations["ORG_LIST"]["keys"] == [{"id": key["id"], "userId": "uid_one", "role": "admin", "name": "bot"}]
    assert key["key"] not in listed.stdout + shown.stdout
    assert "\x1b" not in shown.stdout
    assert [word for word in ("ORG_LIST", "uid_one", "uid_two", key["id"]) if word not in shown.stdout] == []


async def test_an_organization_that_is_not_there_is_said_to_be_missing(acme):
    database, _ = acme

    missing = run_forked("admin", "list", "--organization", "ORG_NEVER", database=database)

    assert (missing.returncode, missing.stdout) == (1, "")
    assert "There is no organization with this id." in missing.stderr


async def test_a_token_says_how_it_opens_the_page(acme):
    database, _ = acme

    made = run_forked("admin", "create-token", "--user", "uid_two", database=database)

    token = made.stdout.split()[1]
    assert f"#token={token}" in made.stdout


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_what_is_in_the_way_of_a_start_is_named(new_database, tmp_path):
    database = await new_database()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        refused = [
            (run_forked("serve", *options, database=database), sentence)
            for options, sentence in (
                (("--port", port), f"127.0.0.1:{port} cannot be listened on: another program"),
                (("--port", port), "make serve PORT=8001"),
                (("--host", "203.0.113.5", "--port", "0"), "an address of this machine"),
                (("--host", "no-such-name.invalid", "--port", "0"), "an address of this machine"),
                (("--port", "0", "--database", f"sqlite:///{tmp_path}"), "is a folder"),
                (("--port", "0", "--database", f"sqlite:///{tmp_path}/none/x.db"), "There is no folder"),
            )
        ]

    for finished, sentence in refused:
        assert finished.returncode == 1
        assert sentence in finished.stderr
        assert "Traceback" not in finished.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
async def test_a_file_may_name_the_database_and_a_password_in_an_option_is_warned_of(server, new_database, tmp_path):
    database = server.database
    named = tmp_path / "database"
    named.write_text(f"{database.url}\n")
    (tmp_path / "empty").write_text("\n")
    secret = "postgresql://me:pass-canary@127.0.0.1:1/none"

    made = run_forked("admin", "create-organization", "A", "--database", f"@{named}", database=await new_database())
    there = run_forked("admin", "list", database=database)
    empty = run_forked("verify", "--database", f"@{tmp_path / 'empty'}", database=database)
    absent = run_forked("verify", "--database", f"@{tmp_path / 'none'}", database=database)
    warned = run_forked("verify", "--database", secret, database=database)

    assert (made.returncode, made.stderr) == (0, "")
    assert re.findall(r"ORG_\w+", made.stdout)[0] in there.stdout
    assert (empty.returncode, "should hold one line" in empty.stderr) == (1, True)
    assert (absent.returncode, "Traceback" in absent.stderr, len(absent.stderr.splitlines())) == (1, False, 1)
    assert warned.stderr.startswith("Everybody on this machine can read the password in --database")
    assert "pass-canary" not in warned.stderr + warned.stdout
