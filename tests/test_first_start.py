"""The first start on an empty database: the tour that it prints works as printed, and so does its link."""

import asyncio
import json
import re
from itertools import groupby

from conftest import connect
from support.cast import Caller
from support.server import Database

FIRST_RUN = "threadkeep-first-run.txt"


async def test_the_printed_tour_makes_an_assistant_streams_an_answer_and_names_the_thread(start_server):
    server = await start_server()
    text = (server.database.folder / FIRST_RUN).read_text()
    tour = text[text.index("  ASSISTANT=") :].splitlines()

    printed = await run_in_shell("\n".join(line for line in tour if line.startswith("  ")))

    events = [line for line in printed.splitlines() if line.startswith("event:")]
    # Into how many pieces an answer is cut depends on the moment.
    assert [kind for kind, _ in groupby(events)] == [
        "event: response.created",
        "event: response.output_text.delta",
        "event: response.completed",
    ]
    named, listed = (json.loads(each) for each in re.findall(r"^\{.*\}$", printed, re.M))
    [thread] = listed["data"]
    assert named["success"] is True
    assert (thread["id"], thread["messageCount"], thread["title"]) == ("thread_hello", 2, named["name"])
    assert thread["assistantId"].startswith("asst_")


async def test_the_printed_link_carries_a_token_of_the_owner_in_its_fragment(start_server):
    server = await start_server()
    text = (server.database.folder / FIRST_RUN).read_text()
    link, token = re.search(r"(http://\S+/)#token=(\S+)", text).groups()

    async with connect(server) as client:
        page = await client.get(link)
        user = await Caller(client).with_token(token).request("GET", "/v1/user")

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (user.credential, [each["role"] for each in user.organizations]) == ("token", ["owner"])


async def test_the_first_credentials_of_another_service_in_the_same_folder_are_left_alone(start_server, new_database):
    first = await start_server()
    folder = first.database.folder
    kept = (folder / FIRST_RUN).read_text()
    url = f"sqlite:///{folder / 'two.db'}" if first.kind == "sqlite" else (await new_database()).url

    second = await start_server(Database(first.kind, url, folder))

    [its_own] = [path for path in folder.glob("threadkeep-first-run*.txt") if path.name != FIRST_RUN]
    key = re.search(r"tk_\w+", its_own.read_text())[0]
    async with connect(second) as client:
        assert (await Caller(client, key=key).list_threads()).status == 200
    assert (folder / FIRST_RUN).read_text() == kept
    assert f"Its first credentials are in {its_own};" in second.log_text()


async def run_in_shell(commands):
    process = await asyncio.create_subprocess_exec(
        "sh", "-ec", commands, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    # The answers of curl end without a line break.
    return output.decode().replace("}{", "}\n{")
