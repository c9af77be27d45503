"""`threadkeep chat`: a conversation at a real terminal, and between pipes."""

import asyncio
import os
import re
import signal
import sys

import pytest

from support.answering import begin_talk, open_place, texts
from support.scripted_model import DONE, answer_of, finish, reasoning, tool_call
from support.server import environment
from support.terminal import CTRL_C, CTRL_D, UP, Terminal

pytestmark = pytest.mark.one_database("the terminal's side of a conversation: it is the server's caller")

PROMPT = "you> "
ENDED_S = 30


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote) as place:
        yield place


@pytest.fixture
def server(place):
    return place.server


@pytest.fixture
def ada(place, server):
    return place.cast.ada


@pytest.fixture
async def user(place, server):
    """A member with a key, who has no thread yet."""
    return await place.people.member(place.cast.ada)


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def chat(place, user, tmp_path):
    """Start chats of `user` at terminals of their own."""
    terminals = []

    def start(*arguments, **options):
        terminals.append(Terminal("chat", *arguments, environment=variables(place, user), cwd=tmp_path, **options))
        return terminals[-1]

    yield start
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def pipe(place, user, tmp_path):
    """Run a chat of `user` between pipes; return its status, its output and its complaints."""

    async def run(text, *arguments):
        process = await start_pipe(place, user, tmp_path, *arguments)
        output, complaints = await asyncio.wait_for(process.communicate(text.encode()), ENDED_S)
        return process.returncode, output.decode(), complaints.decode()

    return run


async def start_pipe(place, user, folder, *arguments, output=asyncio.subprocess.PIPE):
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "threadkeep", "chat", *arguments),
        cwd=folder,
        env=variables(place, user),
        stdin=asyncio.subprocess.PIPE,
        stdout=output,
        stderr=asyncio.subprocess.PIPE,
    )


def variables(place, user):
    return environment("sqlite:///unused.db", {"THREADKEEP_URL": place.server.url, "THREADKEEP_API_KEY": user.key})


async def only_thread(user):
    [thread] = (await user.list_threads(state="all")).data
    return thread


async def said_in(user, thread):
    return texts((await user.list_messages(thread, limit=100)).data)


# At a terminal


async def test_what_is_typed_is_answered_and_kept(chat, user, model):
    model.answer("Rain is **wet**", " water.")
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("What is rain?\n")
    await terminal.shows("Rain is wet water.")
    await terminal.shows(PROMPT)
    await terminal.presses(CTRL_D)

    assert await terminal.ends() == 0
    thread = await only_thread(user)
    assert await said_in(user, thread) == ["What is rain?", "Rain is **wet** water."]
    await terminal.shows(f"\nTo go on: threadkeep chat {thread['id']}")


async def test_an_answer_is_shown_while_it_is_written(chat, model):
    go = asyncio.Event()
    model.script = ["It begins", go, " and ends.", finish(), DONE]
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Tell me.\n")
    await terminal.shows("It begins")
    go.set()

    await terminal.shows("It begins and ends.")
    await terminal.shows(PROMPT)


async def test_ctrl_c_ends_the_answer_and_not_the_chat(chat, user, model):
    model.when("long", "This much", asyncio.Event())
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("A long story\n")
    await terminal.shows("This much")
    await terminal.presses(CTRL_C)
    await terminal.shows("Stopped. What came of the answer so far is kept.")
    await terminal.shows(PROMPT)
    terminal.types("Then a short one\n")
    await terminal.shows("Hello world")
    await terminal.shows(PROMPT)

    thread = await only_thread(user)
    assert await said_in(user, thread) == ["A long story", "This much", "Then a short one", "Hello world"]
    responses = (await user.list_responses(thread, order="asc")).data
    assert [each["status"] for each in responses] == ["cancelled", "completed"]


async def test_ctrl_c_ends_an_answer_of_which_nothing_came_yet(chat, user, model):
    model.script = [asyncio.Event()]
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Hello?\n")
    await model.called()
    await terminal.presses(CTRL_C)
    await terminal.shows("Stopped.")
    await terminal.shows(PROMPT)

    assert await said_in(user, await only_thread(user)) == ["Hello?"]


@pytest.mark.prove
async def test_a_second_ctrl_c_ends_the_waiting_for_a_server_that_is_silent(chat, place, user, model):
    model.script = ["Not all", asyncio.Event()]
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Hello?\n")
    await terminal.shows("Not all")
    place.server.process.send_signal(signal.SIGSTOP)
    try:
        await terminal.presses(CTRL_C)
        await terminal.shows("The server does not answer yet. Ctrl-C once more ends the waiting.")
        await terminal.presses(CTRL_C)
        await terminal.shows("No longer waiting.")
        await terminal.shows(PROMPT)
    finally:
        place.server.process.send_signal(signal.SIGCONT)
    await terminal.presses(CTRL_D)

    assert await terminal.ends() == 0
    await user.archive(await only_thread(user))


async def test_ctrl_c_discards_a_line_and_at_an_empty_prompt_twice_ends_the_chat(chat, user, model):
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("not sent")
    await terminal.shows("not sent")
    await terminal.presses(CTRL_C)
    await terminal.shows(PROMPT)
    await terminal.presses(CTRL_C)
    await terminal.shows("Ctrl-C once more, or Ctrl-D, ends the chat.")
    await terminal.shows(PROMPT)
    await terminal.presses(CTRL_C)

    assert await terminal.ends() == 130
    assert (await user.list_threads()).data == []
    assert "Traceback" not in terminal.text


async def test_continue_shows_the_last_thread_and_follows_the_answer_that_runs_in_it(chat, user, model):
    thread = await user.create_thread(title="Earlier")
    await user.create_thread(title="Newer, and older in its changes")
    talk = await begin_talk(user, model, "It is being", " written.", thread=thread, input="What happens?")

    terminal = chat("--continue")
    await terminal.shows("What happens?")
    await terminal.shows(f"Earlier, {thread.id}")
    await terminal.shows("It is being")
    talk.go.set()
    await terminal.shows("It is being written.")
    await terminal.shows(PROMPT)
    terminal.types(UP)

    await terminal.shows("What happens?")


async def test_a_thread_that_is_named_shows_its_last_messages(chat, user, model):
    thread = await user.create_thread(messages=[{"role": "user", "content": f"number {n}"} for n in range(20)])

    terminal = chat(thread.id)
    shown = await terminal.shows(PROMPT)
    terminal.types("one more\n")
    await terminal.shows("Hello world")
    await terminal.shows(PROMPT)

    assert re.findall(r"number (\d+)", shown) == ["14", "15", "16", "17", "18", "19"]
    assert (await said_in(user, thread))[-2:] == ["one more", "Hello world"]


async def test_what_is_refused_or_fails_is_told_and_the_chat_goes_on(chat, user, model):
    thread = await user.create_thread()
    model.when("fail", b"nonsense", DONE)
    terminal = chat(thread.id)

    await terminal.shows(PROMPT)
    await user.lock(thread)
    terminal.types("Hello?\n")
    told = await terminal.shows(PROMPT)
    terminal.types("/unlock\n")
    await terminal.shows("The thread is open.")
    terminal.types("fail please\n")
    failed = await terminal.shows("model_unavailable: ")
    await terminal.shows(PROMPT)
    terminal.types("Hello again\n")
    await terminal.shows("Hello world")

    assert re.search(r"thread_locked: .+ \(request req_\w+\)", told)
    assert "Traceback" not in told + failed


async def test_slash_commands_change_the_thread(chat, user, model):
    terminal = chat("--title", "First")

    async def do(line):
        terminal.types(f"{line}\n")
        return await terminal.shows(PROMPT)

    await terminal.shows(PROMPT)
    assert "/title [TITLE]" in await do("/help")
    assert "There is no /nonsense" in await do("/nonsense")
    await do("How do I bake bread?")
    first = await only_thread(user)
    assert first["title"] == "First"
    assert "Title: Bread" in await do("/title Bread")
    assert "The thread is locked." in await do("/lock")
    assert "thread_locked" in await do("Hello?")
    assert "The thread is open." in await do("/unlock")
    model.answer("Another answer")
    assert "Another answer" in await do("/retry")
    await do("//slashed")
    assert "How do I bake bread?" in await do("/messages")
    assert first["id"] in await do("/thread")
    await do("/new Second")
    await do("Hello")
    assert "The thread is archived." in await do("/archive")
    assert "Bread" in await do(f"/open {first['id']}")
    terminal.types("/quit\n")

    assert await terminal.ends() == 0
    archived = (await user.list_threads(state="archived")).data
    assert [each["title"] for each in archived] == ["Second"]
    assert (await user.get(first["id"])).title == "Bread"
    said = await said_in(user, first["id"])
    assert said == ["How do I bake bread?", "Another answer", "/slashed", "Another answer"]


async def test_models_are_listed_and_another_one_answers_from_now_on(chat, user, model):
    terminal = chat()

    async def do(line):
        terminal.types(f"{line}\n")
        return await terminal.shows(PROMPT)

    await terminal.shows(PROMPT)
    listed = await do("/model")
    before = await do("Hello?")
    told = await do("/model echo")
    after = await do("Hello?")

    assert "scripted (the default)" in listed
    assert "echo" in listed
    assert "Hello world" in before
    assert "From now on echo answers." in told
    assert "This is echo" in after


@pytest.mark.parametrize("columns", [100, 24])
@pytest.mark.parametrize(
    "moment", ["after the first piece", "while it thinks", "before the first piece", "full width", "wide characters"]
)
async def test_what_ctrl_c_ends_stands_once(chat, model, moment, columns):
    text = {
        "after the first piece": "First line\n\nand **more**",
        "while it thinks": "",
        "before the first piece": "",
        "full width": "First line " + "x" * (columns - 11),
        "wide characters": "First line 雨" + "雨" * ((columns - 13) // 2),
    }[moment]
    thought = [reasoning("Thinking")] if moment == "while it thinks" else []
    model.script = [*thought, *([text] if text else []), asyncio.Event()]
    terminal = chat(columns=columns, lines=20)

    await terminal.shows(PROMPT)
    terminal.types("Tell me\n")
    await model.called(1)
    if text:
        await terminal.shows("First line")
    terminal.types("typed meanwhile")
    await terminal.presses(CTRL_C)
    await terminal.shows("Stopped.")
    await terminal.shows(PROMPT)

    shown = "\n".join(terminal.screen)
    assert shown.count("First line") == bool(text)
    assert "^C" not in shown
    assert "typed meanwhile" not in shown.partition("Stopped.")[0]


FORMULAS = r"""So \(a_1^2\) and $b_1*c_1*d$:

\[
\frac{a}{b} \\
- c
\]

$$e = m$$ costs $5 or $6."""


async def test_formulas_stay_as_they_were_written(chat, model):
    model.answer(FORMULAS)
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Calculate\n")
    shown = await terminal.shows("costs $5 or $6.")

    for line in FORMULAS.split("\n"):
        assert line in [each.strip() for each in shown.split("\n")]


async def test_characters_that_markdown_names_by_number_do_not_steer_the_terminal(chat, user, model):
    named = "a&#x202E;b&#x2028;c&#x9b;31md <https://x.y/%E2%80%AE> [e&#8238;](https://x.y/&#x202e;) ![f&#x202e;](g)"
    model.answer(named)
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Hello\n")
    await terminal.shows(PROMPT)
    terminal.types("/messages\n")
    await terminal.shows(PROMPT)

    for hostile in "\u202e\u2028\x9b":
        assert hostile not in terminal.raw
    assert "a\ufffdb\ufffdc\ufffd31md" in terminal.text


async def test_nothing_that_a_model_says_steers_the_terminal(chat, model):
    model.answer("a\x1b]0;owned\x07b\x1b[2Jc\u202ed\x9b31me")
    terminal = chat("--title", "\x1b[31mred\u202e")

    await terminal.shows(PROMPT)
    terminal.types("Hello\n")
    await terminal.shows(PROMPT)

    for hostile in ("\x1b]0;owned", "\x1b[2J", "\u202e", "\x9b"):
        assert hostile not in terminal.raw
    assert "a␛]0;owned␇b␛[2Jc\ufffdd\ufffd31me" in terminal.text


async def test_a_call_of_a_tool_is_told(chat, model):
    model.script = [tool_call(0, "call_1", "look", '{"where": "here"}'), finish("tool_calls"), DONE]
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("Look!\n")

    await terminal.shows('The model wants look({"where": "here"}).')
    await terminal.shows(PROMPT)


async def test_an_answer_that_reached_its_greatest_length_is_told(chat, model):
    model.script = ["Once upon a", finish("length"), DONE]
    terminal = chat()

    await terminal.shows(PROMPT)
    terminal.types("A tale!\n")

    await terminal.shows("The answer reached its greatest length and was cut off.")
    await terminal.shows(PROMPT)


async def test_a_chat_fits_a_narrow_terminal(chat, user, model):
    thread = await user.create_thread(title="A title that is much longer than the terminal is wide")
    model.answer("word " * 60)
    terminal = chat(thread.id, columns=30, lines=10)

    await terminal.shows(PROMPT)
    terminal.types("Hi\n")
    shown = await terminal.shows(PROMPT)

    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 30


# Between pipes


async def test_each_line_of_standard_input_is_answered_in_one_thread(pipe, user, model):
    model.script = lambda call: answer_of(f"You said {call.last_user_text}.")

    status, output, complaints = await pipe("first\n\nsecond, /new\n/lock\n", "--title", "Piped")

    assert (status, output, complaints) == (0, "You said first.\nYou said second, /new.\nYou said /lock.\n", "")
    thread = await only_thread(user)
    assert (thread["title"], thread["messageCount"]) == ("Piped", 6)


async def test_questions_from_a_pipe_and_answers_on_a_terminal_do_not_steer_it(place, user, model, tmp_path):
    model.answer("Red \x1b[31m and a title \x1b]0;owned\x07", " \x9b2J and so on.\r\nEnd.")
    ours, theirs = os.openpty()
    process = await start_pipe(place, user, tmp_path, output=theirs)
    os.close(theirs)

    await asyncio.wait_for(process.communicate(b"Show me red.\n"), ENDED_S)

    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert process.returncode == 0
    assert shown == "Red ␛[31m and a title ␛]0;owned␇ \N{REPLACEMENT CHARACTER}2J and so on.\r\nEnd.\r\n"


async def test_a_failed_answer_ends_it_with_1(pipe, user, model):
    model.script = ["Half", b"nonsense", DONE]

    status, output, complaints = await pipe("first\nsecond\n")

    assert (status, output) == (1, "Half\n")
    assert re.fullmatch(r"model_unavailable: .+ \(resp_\w+\)\n", complaints)
    assert (await only_thread(user))["messageCount"] == 2


async def test_a_refused_message_ends_it_with_one_sentence(pipe, user, model):
    thread = await user.create_thread()
    await user.lock(thread)

    status, output, complaints = await pipe("first\nsecond\n", thread.id)

    assert (status, output) == (1, "")
    assert re.fullmatch(r"thread_locked: .+ \(request req_\w+\)\n", complaints)


async def test_a_signal_ends_the_answer_and_the_chat(place, user, model, tmp_path):
    model.script = ["This much", asyncio.Event()]
    process = await start_pipe(place, user, tmp_path)

    process.stdin.write(b"first\nsecond\n")
    await process.stdout.readexactly(len("This much"))
    process.send_signal(signal.SIGINT)
    _, complaints = await asyncio.wait_for(process.communicate(), ENDED_S)

    assert process.returncode == 130
    assert complaints.decode() == "Stopped. What came of the answer so far is kept.\n"
    [response] = (await user.list_responses(await only_thread(user))).data
    assert (response["status"], response["outputText"]) == ("cancelled", "This much")


async def test_text_that_is_no_utf_8_is_sent_all_the_same(place, user, model, tmp_path):
    process = await start_pipe(place, user, tmp_path)

    output, complaints = await asyncio.wait_for(process.communicate(b"caf\xe9\n"), ENDED_S)

    assert (process.returncode, output, complaints) == (0, b"Hello world\n", b"")
    assert (await said_in(user, await only_thread(user)))[0] == "caf\ufffd"


# Which thread, which assistant


async def test_new_with_an_id_makes_the_thread_of_that_id(pipe, user, model):
    chosen = f"thread_chosen-{user.user}"

    made = await pipe("Hello\n", chosen, "--new", "--title", "Chosen")
    again = await pipe("Hello\n", chosen, "--new")

    assert made[0] == 0
    assert (await user.get(chosen)).title == "Chosen"
    assert again[0] == 1
    assert again[2].startswith("thread_exists: ")


async def test_an_assistant_is_found_by_name_or_id_and_bound(pipe, ada, user, model):
    assistant = await ada.create_assistant(name=f"Guide of {user.user}", model="scripted", instructions="Be kind.")

    by_name = await pipe("Hello\n", "--assistant", assistant.name)
    by_id = await pipe("Hello\n", "--assistant", assistant.id)
    unknown = await pipe("Hello\n", "--assistant", "Nobody")

    assert (by_name[0], by_id[0], unknown[0]) == (0, 0, 1)
    assert unknown[2] == "There is no assistant with this name or id.\n"
    assert [each["assistantId"] for each in (await user.list_threads()).data] == [assistant.id] * 2
    assert [call.body["messages"][0]["content"] for call in model.calls] == ["Be kind."] * 2


async def test_of_several_assistants_of_one_name_the_id_says_which(pipe, ada, user, model):
    twins = [await ada.create_assistant(name=f"Twin of {user.user}", model="scripted") for _ in range(2)]

    refused = await pipe("Hello\n", "--assistant", twins[0].name)
    answered = await pipe("Hello\n", "--assistant", twins[1].id)

    assert (refused[0], answered[0]) == (1, 0)
    assert refused[2] == f"2 assistants have this name: give the id of one, such as {twins[0].id}.\n"
    assert [each["assistantId"] for each in (await user.list_threads()).data] == [twins[1].id]


async def test_a_model_that_is_named_answers(pipe, user, model):
    refused = await pipe("Hello\n", "--model", "nonsense")
    answered = await pipe("Hello\n", "--model", "echo")

    assert refused[0] == 1
    assert re.fullmatch(r"invalid_field: .+\n", refused[2])
    assert (answered[0], answered[1][:12]) == (0, "This is echo")


async def test_continue_without_a_thread_says_so(pipe, model):
    assert await pipe("Hello\n", "--continue") == (1, "", "You have no thread to go on in yet: leave --continue out.\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["thread_x", "--continue"],
        ["--continue", "--new"],
        ["--continue", "--title", "x"],
        ["thread_x", "--title", "x"],
        ["nonsense"],
    ],
)
async def test_options_that_contradict_each_other_are_refused(pipe, arguments):
    status, output, complaints = await pipe("Hello\n", *arguments)

    assert (status, output) == (2, "")
    assert "Usage: " in complaints


async def test_a_credential_that_is_none_is_refused_before_the_first_message(place, user, tmp_path, chat, model):
    user = user.with_key("tk_nonsense")
    terminal = Terminal("chat", environment=variables(place, user), cwd=tmp_path)
    try:
        await terminal.shows("invalid_credentials: ")

        assert await terminal.ends() == 1
        assert PROMPT not in terminal.text
    finally:
        terminal.close()
