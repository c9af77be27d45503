"""P19: secrets are in no log, error, database, or process title."""

import re
import stat

from proof.place import Place
from proof.record import Record, proof
from proof.secrecy.looking import Search, look_at_tables
from proof.secrecy.provoking import SHORT, fail_to_start, let_models_echo, put_in_wrong_places
from support.cast import Caller
from support.server import SECRET, Server, run_threadkeep
from support.waiting import eventually

PASSWORD = "Pa55word-of-the-database"
FIRST_RUN = "threadkeep-first-run.txt"
SECRETS = re.compile(r"tk_[0-9A-Za-z]{30,}|eyJ[\w-]+\.[\w-]+\.[\w-]+")
PUBLIC = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/")
AWAY_S = 20


@proof("P19", "Secrets are in no log, error, database, or process title")
async def attack(place: Place, record: Record) -> None:
    # The tests' own PostgreSQL trusts everybody on this machine, with any password.
    place.database.url = place.database.url.replace("postgres@", f"postgres:{PASSWORD}@")
    place.secrets |= {PASSWORD, SHORT}
    # The tests' own key would be short enough to be part of other words.
    model_key = "sk-a-key-that-only-the-model-may-see"
    place.secrets.add(model_key)
    servers = await place.serve(2, THREADKEEP_MODEL_KEY=model_key)
    place.secrets |= read_first_run(place, record)
    owner, made = await use_credentials(place, servers[0], record)
    said = await put_in_wrong_places(place, owner, [made, str(owner.token), SECRET, PASSWORD], record)
    said += await let_models_echo(place, owner, record)
    for path in PUBLIC:
        said.append((await owner.client.get(path)).text)
    for server in servers:
        await suffer(place, server, owner, record)
    said += await fail_to_start(place, {"model key": model_key, "password": PASSWORD}, record)
    for arguments in (("admin", "list"), ("verify",), ("admin", "revoke-key", "key_01h455vb4pex5vsknk084sn02q")):
        ended = run_threadkeep(*arguments, database=place.database, settings=servers[0].settings)
        said.append(ended.stdout + ended.stderr)
    await look_everywhere(place, servers, said, record)


async def look_everywhere(place: Place, servers: list[Server], said: list[str], record: Record) -> None:
    search = Search(place.secrets, record)
    for each in said:
        search.look("an answer", each)
    if place.kind == "postgres":
        servers[0].stop()
        servers[0].spawn("--workers", "2")
        await servers[0].wait_until_ready()
    search.processes(place)
    await look_at_tables(place, search)
    for server in servers:
        server.stop()
    search.files(place.folder)
    if place.postgres is not None:
        search.files(place.postgres.folder)


def read_first_run(place: Place, record: Record) -> set[str]:
    """Return the credentials that a new database gets: in a file that only its owner may read."""
    path = place.folder / FIRST_RUN
    mode = stat.S_IMODE(path.stat().st_mode)
    record.check(mode == 0o600, f"{path.name} may be read by others: {mode:o}")
    found = set(SECRETS.findall(path.read_text()))
    record.need(len(found), "credentials of the first run", 2)
    return found


async def use_credentials(place: Place, server: Server, record: Record) -> tuple[Caller, str]:
    """Make, use, retry and revoke keys; use tokens, good and spoilt. Return the owner, and a key that counts."""
    people = place.people(server)
    owner = await people.owner()
    kept = await owner.retrying("make a key").create_key(userId="uid_bot", role="member")
    again = await owner.retrying("make a key").create_key(userId="uid_bot", role="member")
    record.check(kept.key not in again.text, "a retry was given a key that is shown once")
    revoked = await owner.create_key(userId="uid_bot", role="owner")
    place.secrets |= {kept.key, revoked.key, str(owner.token)}
    await owner.with_key(revoked.key).create_thread()
    await owner.delete_key(revoked)
    refused = [
        owner.with_key(revoked.key),
        owner.with_token(f"{owner.token}x"),
        owner.with_token(str(owner.token)[:-9]),
    ]
    for who in refused:
        answer = await who.list_threads()
        record.check(answer.status == 401, f"a credential that does not count was answered {answer!r}")
    await owner.with_key(kept.key).create_thread()
    await owner.with_token().create_thread()
    user = await place.people(server).product_user(owner.retrying("make a token"))
    await user.create_thread()
    await owner.delete_member(user.user)
    record.check((await user.list_threads()).status == 401, "a token of a removed user counts")
    return owner, kept.key


async def suffer(place: Place, server: Server, owner: Caller, record: Record) -> None:
    """Let the storage go away and the process die: what it writes then is written in a hurry."""
    who = place.at(owner, server)
    if place.postgres is not None:
        place.postgres.stop("immediate")
        answer = await who.request("GET", "/v1/threads")
        record.check(answer.status == 503, f"without its database it answered {answer!r}")
        place.postgres.start()
        record.fault("databases that went away")
        await eventually(who.list_threads, lambda answer: answer.status == 200, AWAY_S)
    server.kill()
    record.fault("processes killed")
    await server.start()
