"""`threadkeep export`: an import of what it writes gives the same threads, and what is missing is seen."""

import asyncio
import gzip
import itertools
import json
import re
import signal
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import connect
from support.answering import begin_talk
from support.answering import texts as texts_of
from support.cast import identifier
from support.people import People
from support.scripted_model import ScriptedModel
from support.server import environment

EXAMPLES = 12
THREADS_MAX = 6
MEGABYTE = 1024 * 1024
ENDED_S = 60
numbers = itertools.count(1)


OF_THE_COMMAND = pytest.mark.one_database("what the command does with files and words, whatever database answers")


@pytest.fixture
def run(server, zygote, tmp_path):
    """Run a command as somebody; return the finished command."""

    async def run_one(who, *arguments, token=False):
        credential = {"THREADKEEP_TOKEN": who.token} if token else {"THREADKEEP_API_KEY": who.key}
        return await asyncio.to_thread(
            zygote.run,
            *arguments,
            cwd=tmp_path,
            environment=environment(server.database.url, {"THREADKEEP_URL": server.url, **credential}),
        )

    return run_one


@pytest.fixture
def exported(run):
    """Export as somebody; return the lines."""

    async def export(who, *arguments, token=False):
        finished = await run(who, *(arguments or ("export",)), token=token)
        assert (finished["returncode"], finished["stderr"]) == (0, ""), finished
        return [json.loads(line) for line in finished["stdout"].splitlines()]

    return export


@pytest.fixture
def imported(run, tmp_path):
    """Import lines as somebody; return the finished command."""

    async def import_lines(who, lines, *options, token=False):
        file = tmp_path / "lines.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        # As an export has them: the marks are known by their first bytes.
        file.write_text(file.read_text().replace('{"object": "threadkeep', '{"object":"threadkeep'))
        return await run(who, "import", str(file), *options, token=token)

    return import_lines


async def content_of(who, thread):
    """Return what an import must not change, as JSON text: 1 and 1.0 and true differ, and so does the order of keys.

    That is everything but where it is and who brought it, and ids, numbers and times of changes, which the server
    gives anew.
    """
    found = (await who.get(thread)).body
    messages = await who.walk(f"/v1/threads/{identifier(thread)}/messages", limit=100, include="payload")
    places = {each["id"]: place for place, each in enumerate(messages)}
    kept = {name: value for name, value in found.items() if name not in ("organizationId", "updatedAt")}
    parts = [
        {name: value for name, value in each.items() if name not in ("id", "seq", "updatedAt", "responseId", "userId")}
        | {"parentId": places.get(each["parentId"])}
        for each in messages
    ]
    return json.dumps([kept, parts])


def counts(finished):
    return {name.strip(): int(number) for name, number in re.findall(r"([a-z ]+): (\d+)", finished["stdout"])}


# The same threads on the other side

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from(
    "\x01\n\r\t\"\\/'%_ \u00a0\u0085\u0301\u2028\ufeff\U0010ffffßİΣς😀"
)
texts = st.text(characters, max_size=40)
solid_texts = texts.filter(str.strip)
numbers_of_metadata = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
scalars = texts | numbers_of_metadata | st.booleans()
metadata = st.dictionaries(
    st.text(characters, min_size=1, max_size=64), scalars | st.lists(scalars, max_size=3), max_size=8
)
text_parts = st.builds(lambda text: {"type": "text", "text": text}, texts)
urls = st.builds("https://{}".format, st.text(characters, max_size=40))
image_parts = st.builds(lambda url: {"type": "image", "url": url}, urls)
file_parts = st.builds(
    lambda url, name, kind: {"type": "file", "url": url, "name": name, "mimeType": kind},
    urls,
    st.none() | texts,
    st.none() | texts,
)
attachments = st.lists(text_parts | image_parts | file_parts, max_size=3)
tool_calls = st.lists(
    st.builds(
        lambda id, name, arguments: {
            "id": id,
            "type": "function",
            "function": {"name": name, "arguments": json.dumps(arguments)},
        },
        *(st.text(characters, min_size=1, max_size=20), st.text(characters, min_size=1, max_size=20), texts),
    ),
    max_size=2,
)
times = st.integers(0, 1_700_000_000)
payloads = st.fixed_dictionaries({"format": st.sampled_from(["x", "acme/state+json"]), "data": texts})
# What any message may have besides. `follows` is the place of its parent, or -1 for the root.
besides = st.fixed_dictionaries(
    {}, optional={"metadata": metadata, "createdAt": times, "payload": payloads, "follows": st.integers(-1, 3)}
)
said = st.one_of(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": solid_texts}),
    st.fixed_dictionaries(
        {"role": st.just("user"), "content": st.builds(lambda parts, last: [*parts, last], attachments, image_parts)}
    ),
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": texts | attachments},
        optional={
            "toolCalls": tool_calls, "status": st.just("incomplete"), "assistantId": st.just("asst_of_elsewhere"),
        },
    ),
    st.fixed_dictionaries(
        {"role": st.just("tool"), "content": texts | attachments},
        optional={"toolCallId": st.text(characters, min_size=1, max_size=20)},
    ),
)  # fmt: skip
messages = st.builds(lambda what, more: what | more, said, besides)
threads = st.fixed_dictionaries(
    {"messages": st.lists(messages, max_size=5), "states": st.sampled_from([(), ("lock",), ("archive",)])},
    optional={
        "title": st.none() | texts | st.just("😀" * 200), "metadata": metadata, "visibleInUi": st.booleans(),
        "createdAt": times, "payload": payloads, "expiresAt": st.none() | st.just(4_000_000_000),
    },
)  # fmt: skip


def as_a_tree(several):
    """Return messages that follow the place that they name, if that is before theirs."""
    made = []
    for place, each in enumerate(several):
        follows = each.get("follows")
        message = {name: value for name, value in each.items() if name != "follows"} | {"externalId": f"own-{place}"}
        if follows is not None and follows < place:
            message["parentId"] = None if follows < 0 else f"own-{follows}"
        made.append(message)
    return made


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(several=st.lists(threads, min_size=1, max_size=THREADS_MAX))
async def test_threads_imported_elsewhere_equal_those_exported(exported, imported, ada, cleo, several):
    here, there = ada.with_token(), cleo.with_token()
    user = f"uid_export_{next(numbers)}"
    ids = []
    for wanted in several:
        fields = {name: value for name, value in wanted.items() if name != "states"}
        fields["messages"] = as_a_tree(wanted["messages"])
        thread = await here.create_thread(userId=user, externalId=f"own-{next(numbers)}", **fields)
        assert thread.status == 201, thread
        ids.append(thread.id)
        for action in wanted["states"]:
            await here.act(thread, action)

    lines = await exported(ada, "export", "--user", user, token=True)
    first = await imported(cleo, lines, token=True)
    again = await imported(cleo, lines, token=True)

    assert sorted(line["id"] for line in lines[1:-1]) == sorted(ids)
    assert (first["returncode"], first["stderr"]) == (0, "")
    assert counts(again)["already there"] == len(ids)
    for thread_id in ids:
        assert await content_of(there, thread_id) == await content_of(here, thread_id)


async def test_a_thread_that_is_archived_and_locked_becomes_both(imported, fresh_owner):
    line = {"id": "thread_both", "object": "thread", "state": "archived", "locked": True, "messages": []}

    finished = await imported(fresh_owner, [line])

    assert finished["returncode"] == 0, finished
    assert (await fresh_owner.get("thread_both")).state == "archived"
    assert (await fresh_owner.unarchive("thread_both")).state == "locked"


async def test_an_import_that_was_cut_off_locks_archives_and_hides_when_it_goes_on(imported, fresh_owner):
    said = [{"role": "user", "content": f"message {n}"} for n in range(3)]
    lines = [
        {"id": f"thread_{state}", "object": "thread", "state": state, "visibleInUi": False, "messages": said}
        for state in ("open", "locked", "archived")
    ]
    for line in lines:
        await fresh_owner.create_thread(id=line["id"], messages=said[:1])

    first = await imported(fresh_owner, lines, token=True)
    again = await imported(fresh_owner, lines, token=True)

    for line in lines:
        thread = await fresh_owner.get(line["id"])
        assert (thread.state, thread.visibleInUi, thread.messageCount) == (line["state"], False, 3)
    assert (counts(first)["continued"], counts(again)["already there"]) == (3, 3)


async def test_a_thread_with_more_messages_than_the_file_keeps_its_state(imported, fresh_owner):
    await fresh_owner.create_thread(id="thread_more", messages=[{"role": "user", "content": "hello"}])

    finished = await imported(
        fresh_owner, [{"id": "thread_more", "object": "thread", "state": "locked", "messages": []}]
    )

    assert counts(finished)["with more messages than the file"] == 1
    assert (await fresh_owner.get("thread_more")).state == "open"


@OF_THE_COMMAND
async def test_an_api_key_imports_hidden_threads_as_shown_and_says_so(imported, fresh_owner):
    lines = [{"id": "thread_hidden", "object": "thread", "visibleInUi": False, "state": "open", "messages": []}]

    by_key = await imported(fresh_owner, lines)
    shown = await fresh_owner.get("thread_hidden")
    by_token = await imported(fresh_owner, lines, token=True)

    note = "threads hidden in the file and shown here, because only a user token hides: 1"
    assert (by_key["returncode"], note in by_key["stdout"]) == (0, True)
    assert shown.visibleInUi is True
    assert note not in by_token["stdout"]
    assert (await fresh_owner.get("thread_hidden")).visibleInUi is False


async def test_threads_keep_their_users_where_an_admin_imports_and_become_a_members_own(imported, people, fresh_owner):
    member = await people.member(fresh_owner)
    line = {"object": "thread", "userId": "uid_somebody", "state": "open", "messages": []}

    await imported(fresh_owner, [{"id": "thread_kept", **line}])
    await imported(member, [{"id": "thread_own", **line}])
    await imported(fresh_owner, [{"id": "thread_named", **line}], "--user", "uid_named")

    assert (await fresh_owner.get("thread_kept")).userId == "uid_somebody"
    assert (await fresh_owner.get("thread_own")).userId == member.user
    assert (await fresh_owner.get("thread_named")).userId == "uid_named"


async def test_an_assistant_is_found_again_by_its_name(exported, imported, people, fresh_owner):
    other = await people.owner()
    guide, gone, only_here = [await fresh_owner.create_assistant(name=name) for name in ("Guide", "Gone", "Only here")]
    namesake = await other.create_assistant(name="Guide")
    threads = [await fresh_owner.create_thread(assistantId=each.id) for each in (guide, gone, only_here)]
    await fresh_owner.delete_assistant(gone)

    lines = await exported(fresh_owner)
    finished = await imported(other, lines)
    back = await imported(fresh_owner, lines)

    assert [line["assistantName"] for line in lines[1:-1]] == ["Guide", None, "Only here"]
    bound = [(await other.get(each)).assistantId for each in threads]
    assert bound == [namesake.id, None, None]
    assert counts(finished)["because none or several here have its name"] == 2
    assert (await fresh_owner.get(threads[1])).assistantId == gone.id
    assert counts(back)["already there"] == 3


async def test_an_assistant_whose_name_several_have_is_found_by_its_id_alone(exported, imported, people, fresh_owner):
    other = await people.owner()
    twins = [await fresh_owner.create_assistant(name="Guide", **id) for id in ({"id": "asst_guide"}, {})]
    nameless = await fresh_owner.create_assistant()
    for name in ("Guide", "Guide"):
        await other.create_assistant(name=name)
    chosen = await other.create_assistant(id="asst_guide")
    threads = [await fresh_owner.create_thread(assistantId=each.id) for each in (*twins, nameless)]

    finished = await imported(other, await exported(fresh_owner))

    bound = [(await other.get(each)).assistantId for each in threads]
    assert bound == [chosen.id, None, None]
    assert counts(finished)["because none or several here have its name"] == 2


# What is exported


async def test_an_export_has_every_thread_the_oldest_first_between_its_two_marks(exported, fresh_owner):
    made = [await fresh_owner.create_thread(title=f"number {n}") for n in range(25)]
    await fresh_owner.post_message(made[3], "hello")
    await fresh_owner.archive(made[7])

    lines = await exported(fresh_owner, "export", "--concurrency", "5")

    assert lines[0] == {"object": "threadkeep.export", "version": 1}
    assert lines[-1] == {"object": "threadkeep.export.end", "threadCount": 25, "messageCount": 1}
    assert [line["id"] for line in lines[1:-1]] == [each.id for each in made]
    thread = (await fresh_owner.get(made[3])).body
    [message] = (await fresh_owner.list_messages(made[3])).data
    assert lines[4] == {**thread, "assistantName": None, "messages": [message]}


async def test_two_exports_of_unchanged_threads_are_equal_to_the_byte(run, fresh_owner, tmp_path):
    for n in range(12):
        await fresh_owner.create_thread(messages=[{"role": "user", "content": f"message {n}"}] * n)

    for name in ("one.jsonl.gz", "two.jsonl.gz"):
        finished = await run(fresh_owner, "export", "--out", name)
        assert finished["returncode"] == 0, finished

    one, two = [(tmp_path / name).read_bytes() for name in ("one.jsonl.gz", "two.jsonl.gz")]
    assert one == two
    assert len(gzip.decompress(one).splitlines()) == 14


@OF_THE_COMMAND
@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], "ABCD"),
        (["--state", "open"], "AC"),
        (["--state", "archived"], "D"),
        (["--title", "Ä"], "A"),
        (["--metadata", "kind=x"], "AB"),
        (["--metadata", "kind=x", "--metadata", "tags=b"], "B"),
        (["--hidden"], "C"),
        (["--visible", "--user", "uid_lea"], "D"),
        (["--created-after", "2020-01-01", "--created-before", "2021-01-01T10:00:00"], ""),
    ],
)
async def test_filters_choose_what_is_exported(exported, filtered, options, found):
    lines = await exported(filtered, "export", *options)

    assert "".join(line["id"].removeprefix("thread_") for line in lines[1:-1]) == found


@pytest.fixture(scope="module")
async def filtered(people):
    """An owner with four threads that differ."""
    owner = await people.owner()
    person = owner.with_token()
    await person.create_thread(id="thread_A", title="än", metadata={"kind": "x"})
    await person.create_thread(id="thread_B", metadata={"kind": "x", "tags": ["a", "b"]})
    await person.create_thread(id="thread_C", visibleInUi=False)
    await person.create_thread(id="thread_D", userId="uid_lea")
    await owner.lock("thread_B")
    await owner.archive("thread_D")
    return owner


@OF_THE_COMMAND
async def test_threads_are_exported_by_id_in_the_order_given(run, exported, filtered):
    lines = await exported(filtered, "threads", "export", "thread_D", "thread_A", "thread_D")
    missing = await run(filtered, "threads", "export", "thread_A", "thread_none", "thread_B")

    assert [line["id"] for line in lines[1:-1]] == ["thread_D", "thread_A"]
    assert missing["returncode"] == 1
    assert re.fullmatch(r"thread_none: thread_not_found: .+ \(request \w+\)\n", missing["stderr"])
    assert [json.loads(line).get("id") for line in missing["stdout"].splitlines()][1:-1] == ["thread_A", "thread_B"]


async def test_a_member_exports_what_a_member_sees(exported, people, filtered):
    member = await people.member(filtered, "uid_lea")

    assert [line["id"] for line in (await exported(member))[1:-1]] == ["thread_D"]


async def test_half_an_answer_is_left_to_the_next_export(start_server, zygote, tmp_path):
    model = await ScriptedModel.start()
    server = await start_server(**model.settings)
    async with connect(server) as client:
        people = People(server, client, zygote)
        owner, other = await people.owner(), await people.owner()
        talk = await begin_talk(owner, model, "Hel", "lo", input="Hi")

        for expected in (["Hi"], ["Hi", "Hello"]):
            settings_of = {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": owner.key}
            for arguments, key in ((["export", "-o", "all"], owner.key), (["import", "all"], other.key)):
                variables = environment("sqlite:///unused.db", settings_of | {"THREADKEEP_API_KEY": key})
                finished = await asyncio.to_thread(zygote.run, *arguments, cwd=tmp_path, environment=variables)
                assert finished["returncode"] == 0, finished
            assert texts_of((await other.list_messages(talk.thread)).data) == expected
            await talk.ended(owner)
    await model.stop()


async def test_long_threads_go_through_files_of_the_system(exported, imported, people, fresh_owner):
    """Beyond what waits in memory, and beyond one page and one body."""
    heavy = [{"role": "user", "content": f"{n}" * 250_000} for n in range(8)]
    thread = await fresh_owner.create_thread(messages=heavy)
    await fresh_owner.post_messages(thread, heavy)
    other = await people.owner()

    lines = await exported(fresh_owner)
    finished = await imported(other, lines)

    assert finished["returncode"] == 0, finished
    assert (await other.get(thread)).messageCount == 16
    assert json.loads(await content_of(other, thread))[1] == json.loads(await content_of(fresh_owner, thread))[1]


# What is not whole is seen


@OF_THE_COMMAND
async def test_a_file_gets_its_name_when_it_is_complete(run, fresh_owner, tmp_path):
    await fresh_owner.create_thread()

    finished = await run(fresh_owner, "export", "--out", "all.jsonl")
    refused = await run(fresh_owner.with_key("tk_none"), "export", "--out", "none.jsonl")

    assert (finished["returncode"], finished["stderr"]) == (0, "threads exported: 1\nmessages: 0\n")
    assert refused["returncode"] == 1
    assert "invalid_credentials: " in refused["stderr"]
    assert "none.jsonl.part" in refused["stderr"]
    assert {path.name for path in tmp_path.iterdir()} == {"all.jsonl", "none.jsonl.part"}


@OF_THE_COMMAND
@pytest.mark.parametrize(
    ("out", "told"),
    [("nowhere/x.jsonl", "There is no folder nowhere."), (".", "The export cannot be written to .: Is a directory.")],
)
async def test_a_place_where_nothing_can_be_written_is_named_and_nothing_else_is_said(run, fresh_owner, out, told):
    finished = await run(fresh_owner, "export", "--out", out)

    assert (finished["returncode"], finished["stderr"]) == (1, told + "\n")


@OF_THE_COMMAND
async def test_a_file_that_is_there_is_replaced_by_a_whole_export_alone(run, fresh_owner, tmp_path):
    (tmp_path / "x.jsonl").write_text("before")

    await run(fresh_owner.with_key("tk_none"), "export", "--out", "x.jsonl")
    kept = (tmp_path / "x.jsonl").read_text()
    await run(fresh_owner, "export", "--out", "x.jsonl")

    assert kept == "before"
    assert '"threadkeep.export.end"' in (tmp_path / "x.jsonl").read_text()


@OF_THE_COMMAND
async def test_an_import_tells_when_the_end_of_an_export_is_missing(exported, imported, people, fresh_owner):
    for _ in range(3):
        await fresh_owner.create_thread()
    lines = await exported(fresh_owner)
    other = await people.owner()

    cut = await imported(other, lines[:-2])
    fewer = await imported(other, [*lines[:2], *lines[3:]])
    chosen = await imported(other, lines[1:-1])
    twice = await imported(other, [*lines, *lines])

    assert (cut["returncode"], cut["stderr"]) == (1, "line 4: the export was cut off here: its last line is missing\n")
    assert (fewer["returncode"], fewer["stderr"]) == (1, "line 4: the export had 3 threads, and 2 are here\n")
    assert (counts(fewer)["threads created"], counts(fewer)["already there"]) == (1, 1)
    assert (chosen["returncode"], chosen["stderr"]) == (0, "")
    assert (twice["returncode"], counts(twice)["already there"]) == (0, 6)


@OF_THE_COMMAND
async def test_an_export_of_a_later_version_is_not_guessed_at(imported, fresh_owner):
    lines = [{"object": "threadkeep.export", "version": 2}, {"id": "thread_x", "object": "thread", "messages": []}]

    finished = await imported(fresh_owner, lines)

    assert finished["returncode"] == 1
    assert "line 1: this export is of another version" in finished["stderr"]
    assert (await fresh_owner.list_threads()).data == []


@OF_THE_COMMAND
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"id": "4711"}, "its id is not one of a thread"),
        ({"id": "thread_a b"}, "its id is not one of a thread"),
        ({"id": "thread_x", "state": "closed"}, "its state is not one of open, locked, archived"),
        ({"id": "thread_x", "userId": 7}, "are not all texts"),
        ({"id": "thread_x", "messages": None}, "neither messages nor turns"),
    ],
)
async def test_a_line_that_only_looks_like_a_thread_is_refused(imported, fresh_owner, line, reason):
    finished = await imported(fresh_owner, [{"object": "thread", "messages": [], **line}])

    assert finished["returncode"] == 1
    assert reason in finished["stderr"]


@OF_THE_COMMAND
async def test_a_signal_leaves_no_half_line_and_is_told(fresh_owner, server, tmp_path):
    for _ in range(3):
        thread = await fresh_owner.create_thread()
        for _ in range(4):
            await fresh_owner.post_messages(thread, [{"role": "user", "content": "x" * 250_000}] * 3)

    process = start(fresh_owner, server, "export", cwd=tmp_path)
    # More than a pipe holds of a line that is being copied, and nobody reads on.
    begun = await asyncio.to_thread(process.stdout.read, MEGABYTE)
    process.send_signal(signal.SIGINT)
    rest, complaints = await asyncio.to_thread(process.communicate, timeout=ENDED_S)

    assert process.returncode == 130
    assert b"Traceback" not in complaints
    assert (begun + rest).count(b"threadkeep.export.end") == 0


@OF_THE_COMMAND
async def test_a_reader_that_goes_away_ends_it(fresh_owner, server, tmp_path):
    thread = await fresh_owner.create_thread()
    await fresh_owner.post_messages(thread, [{"role": "user", "content": "x" * 250_000}] * 10)

    process = start(fresh_owner, server, "export", cwd=tmp_path)
    await asyncio.to_thread(process.stdout.readline)
    process.stdout.close()
    status = await asyncio.to_thread(process.wait, ENDED_S)

    assert status == 1
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()


def start(who, server, *arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "threadkeep", *arguments],
        cwd=cwd,
        env=environment("sqlite:///unused.db", {"THREADKEEP_URL": server.url, "THREADKEEP_API_KEY": who.key}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@OF_THE_COMMAND
async def test_a_full_disk_is_told_and_leaves_the_name_free(run, fresh_owner):
    finished = await run(fresh_owner, "export", "--out", "/dev/full")

    assert finished["returncode"] == 1
    assert "No space left on device" in finished["stderr"]
