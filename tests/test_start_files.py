"""What a start leaves beside its database: private files, secrets that are whole, and words about what was meant."""

import os
import stat
from pathlib import Path

import pytest

from support.server import run_forked
from threadkeep.contract.limits import TEXT_CHARACTERS_MAX
from threadkeep.files import write_private
from threadkeep.server.tokens import server_secret
from threadkeep.settings import SettingError, Settings, load, unknown

ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
EVERYBODY = 0o022


@pytest.fixture
def generous_umask():
    before = os.umask(EVERYBODY)
    yield
    os.umask(before)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@ON_SQLITE
async def test_every_file_beside_the_database_is_for_its_owner_alone(start_server, generous_umask):
    server = await start_server(THREADKEEP_SECRET="")

    modes = {path.name: mode_of(path) for path in server.database.folder.iterdir() if not path.name.endswith(".log")}

    assert {"threadkeep.db", "threadkeep.db.lock", "threadkeep.db.secret", "threadkeep-first-run.txt"} <= set(modes)
    assert {name for name, mode in modes.items() if mode != 0o600} == set()


@ON_SQLITE
async def test_a_lock_that_others_could_hold_is_made_private(start_server, new_database):
    database = await new_database()
    lock = database.folder / "threadkeep.db.lock"
    lock.touch(mode=0o644)
    lock.chmod(0o644)

    await start_server(database)

    assert mode_of(lock) == 0o600


@pytest.mark.parametrize("kept", ["", "half", " " * 40])
def test_a_secret_that_is_too_short_is_refused_and_kept(tmp_path, kept):
    file = tmp_path / "threadkeep.db.secret"
    file.write_text(kept)

    with pytest.raises(SettingError, match="holds no secret of 32 characters"):
        server_secret(Settings(), tmp_path / "threadkeep.db")

    assert file.read_text() == kept


def test_a_secret_is_made_once(tmp_path):
    made = server_secret(Settings(), tmp_path / "threadkeep.db")

    assert len(made) == 64
    assert server_secret(Settings(), tmp_path / "threadkeep.db") == made
    assert [path.name for path in tmp_path.iterdir()] == ["threadkeep.db.secret"]


def test_a_private_file_is_synced_before_it_has_its_name(tmp_path, monkeypatch):
    steps = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (steps.append("sync"), fsync(descriptor)))
    monkeypatch.setattr(Path, "replace", lambda *paths: (steps.append("name"), replace(*paths))[1])

    write_private(tmp_path / "secret", "text")

    assert steps == ["sync", "name", "sync"]
    assert (tmp_path / "secret").read_text() == "text"


@ON_SQLITE
async def test_a_token_is_signed_with_the_servers_secret_or_not_at_all(start_server):
    server = await start_server()

    refused = run_forked(
        "admin", "create-token", "--user", "uid_a", database=server.database, settings={"THREADKEEP_SECRET": ""}
    )

    assert (refused.returncode, refused.stdout) == (1, "")
    assert "There is no secret at" in refused.stderr
    assert not (server.database.folder / "threadkeep.db.secret").exists()


async def test_a_token_of_somebody_who_is_no_member_says_so(server, ada, ben):
    stranger, member = [
        run_forked("admin", "create-token", "--user", user, "--json", database=server.database)
        for user in ("uid_nowhere", "uid_ben")
    ]

    assert (stranger.returncode, member.returncode) == (0, 0)
    assert "eyJ" in stranger.stdout
    assert "uid_nowhere is a member of no organization" in stranger.stderr
    assert member.stderr == ""


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("THREADKEEP_DATABSE_URL", "was THREADKEEP_DATABASE_URL meant?"),
        ("THREADKEEP_TOKN", "was THREADKEEP_TOKEN meant?"),
        ("THREADKEEP_ZZZ", "docs/settings.md"),
    ],
)
async def test_a_variable_that_is_no_setting_is_named_with_the_nearest(server, name, hint):
    answered = run_forked("admin", "list", database=server.database, settings={name: "hush"})

    assert answered.returncode == 0
    [warning] = answered.stderr.splitlines()
    assert f"There is no setting {name}" in warning
    assert hint in warning
    assert "hush" not in warning


def test_a_variable_that_is_a_setting_or_another_programs_is_no_matter():
    assert list(unknown({"THREADKEEP_POOL_SIZE": "1", "THREADKEEP_ORGANIZATION": "a", "POOL_SIZE": "1"})) == []


def test_an_answer_longer_than_a_message_may_be_is_refused_at_the_start():
    longest = load({"THREADKEEP_ANSWER_CHARACTERS_MAX": str(TEXT_CHARACTERS_MAX)})

    with pytest.raises(SettingError, match="THREADKEEP_ANSWER_CHARACTERS_MAX is at most 262144"):
        load({"THREADKEEP_ANSWER_CHARACTERS_MAX": str(TEXT_CHARACTERS_MAX + 1)})

    assert longest.answer_characters_max == TEXT_CHARACTERS_MAX
