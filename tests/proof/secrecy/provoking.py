"""Brings secrets to where they might be repeated: wrong places of requests, models that echo, starts that fail."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from proof.place import Place
from proof.record import Record
from support.cast import Caller
from support.scripted_model import DONE, Call, Head, event, text
from support.server import run_threadkeep

SHORT = "sh0rt-s3cret"
HOW = ("refused", "wrong", "broken", "moved", "in an event", "in a line")


def requests_with(secret: str, thread: str) -> list[tuple[str, str, dict[str, str], bytes | None]]:
    """Return requests that hold a secret where it does not belong: method, address, headers, body.

    None has it as the name of a parameter or field: a plain one that is unknown stands in the answer's `param`.
    """
    json_type = {"content-type": "application/json"}
    return [
        ("GET", "/v1/threads", {"authorization": f"Basic {secret}"}, None),
        ("GET", "/v1/threads", {"authorization": secret}, None),
        ("GET", "/v1/threads", {"x-api-key": f"{secret}x"}, None),
        ("GET", "/v1/threads", {"x-api-key": f"Bearer {secret}"}, None),
        ("GET", "/v1/threads", {"authorization": f"Bearer {secret[:-1]}"}, None),
        ("GET", f"/v1/threads/{secret}", {}, None),
        ("GET", f"/v1/{secret}", {}, None),
        ("GET", f"/{secret}", {}, None),
        ("GET", f"/v1/threads?api_key={secret}", {}, None),
        ("GET", f"/v1/threads?after={secret}", {}, None),
        ("GET", f"/v1/threads?limit={secret}", {}, None),
        ("GET", f"/v1/threads/{thread}/stream", {"last-event-id": secret}, None),
        ("GET", "/v1/threads", {"x-user-id": f"{secret}/"}, None),
        ("POST", "/v1/threads", {"idempotency-key": secret * 20}, b"{}"),
        ("POST", "/v1/threads", {"content-type": secret}, b"{}"),
        ("POST", "/v1/threads", json_type, f'{{"title": {{"a": "{secret}"}}}}'.encode()),
        ("POST", "/v1/threads", json_type, f'{{"metadata": {{"{secret}": {{}}}}}}'.encode()),
        ("POST", "/v1/threads", json_type, f'{{"assistantId": "{secret[:100]}"}}'.encode()),
        ("POST", "/v1/threads", json_type, f'{{"title": "{secret}'.encode()),
        (secret[:20].replace("-", "").replace(".", ""), "/v1/threads", {}, None),
    ]


async def put_in_wrong_places(place: Place, who: Caller, secrets: Sequence[str], record: Record) -> list[str]:
    """Return what was answered."""
    thread = await who.create_thread()
    answers = []
    for secret in secrets:
        for method, address, headers, body in requests_with(secret, thread.id):
            sent = headers if {"authorization", "x-api-key"} & headers.keys() else {**who.credential, **headers}
            answer = await who.client.request(method, address, headers=sent, content=body)
            record.count("requests with a secret in a wrong place")
            record.check(400 <= answer.status_code < 500, f"{method} with a secret: {answer.status_code}")
            answers.append(f"{dict(answer.headers)}{answer.text}")
    return answers


def echoing(call: Call) -> list[Any]:
    """Say back whatever the server sent, as broken servers and debugging proxies do."""
    said = json.dumps({"error": {"message": f"headers were {call.headers}", "code": call.headers.get("authorization")}})
    how = next(each for each in HOW if each in call.last_user_text)
    if how == "in an event":
        return [text("Hel"), event(json.loads(said))]
    if how == "in a line":
        return [text("Hel"), f"data: {call.headers}\n\n".encode(), DONE]
    status = {"refused": 401, "wrong": 400, "broken": 500, "moved": 302}[how]
    headers = {"content-type": "application/json", "location": f"/{call.headers.get('authorization')}"}
    return [Head(status, headers), said.encode()]


async def let_models_echo(place: Place, who: Caller, record: Record) -> list[str]:
    """Return what was answered by way of a model that repeats its key."""
    place.model.script = echoing
    answers = []
    for how in HOW:
        thread = await who.create_thread(messages=[{"role": "user", "content": how}])
        for answer in (
            await who.respond(thread),
            await who.generate_name(thread),
            await who.list_responses(thread),
            await who.list_messages(thread),
            await who.respond(thread, input=how, stream=True),
        ):
            answers.append(answer.text)
        record.fault("models that said their key back")
    return answers


async def fail_to_start(place: Place, secrets: dict[str, str], record: Record) -> list[str]:
    """Start with settings that cannot work, beside good ones that are secret; return what was printed."""
    models = place.folder / "models.toml"
    models.write_text(f'[servers.x]\nurl = 5\nkey = "{secrets["model key"]}"\n')
    password = secrets["password"]
    tries: list[tuple[list[str], dict[str, str]]] = [
        (["serve", "--port", "0"], {"THREADKEEP_DATABASE_URL": f"postgresql://p:{password}@127.0.0.1:1/none"}),
        (["serve", "--port", "0"], {"THREADKEEP_DATABASE_URL": f"postgresql://p:{password}@no.such.host.invalid/x"}),
        (["serve", "--port", "0"], {"THREADKEEP_DATABASE_URL": f"mysql://p:{password}@127.0.0.1/x"}),
        (["serve", "--port", "0"], {"THREADKEEP_DATABASE_URL": f"postgresql://p:{password}@[::1/x"}),
        (["serve", "--port", "0"], {"THREADKEEP_DATABASE_URL": f"postgresql://p:{password}@127.0.0.1:port/x"}),
        (["serve", "--port", "0"], {"THREADKEEP_SECRET": SHORT}),
        (["serve", "--port", "0"], {"THREADKEEP_POOL_SIZE": "many"}),
        (["serve", "--port", "0"], {"THREADKEEP_MODELS_FILE": str(models)}),
        (["serve", "--port", "0"], {"THREADKEEP_MODEL_URL": f"ftp://{password}@127.0.0.1/v1"}),
        (["serve", "--port", "0"], {"THREADKEEP_JWT_ISSUER": "https://issuer.invalid"}),
        (["admin", "create-key", "--organization", "ORG_NONE", "--user", "u", "--role", "member"], {}),
        (["verify"], {"THREADKEEP_DATABASE_URL": f"postgresql://p:{password}@127.0.0.1:1/none"}),
    ]
    keys = {"THREADKEEP_MODEL_KEY": secrets["model key"], "THREADKEEP_MODEL_URL": place.model.url}

    async def one(arguments: list[str], settings: dict[str, str]) -> str:
        settings = {**keys, "THREADKEEP_MODEL": "scripted", **settings}
        ended = await asyncio.to_thread(run_threadkeep, *arguments, database=place.database, settings=settings)
        record.check(ended.returncode != 0, f"{arguments} with {sorted(settings)} did not fail")
        record.fault("commands that failed")
        return ended.stdout + ended.stderr

    try:
        return await asyncio.gather(*(one(arguments, settings) for arguments, settings in tries))
    finally:
        models.unlink()
