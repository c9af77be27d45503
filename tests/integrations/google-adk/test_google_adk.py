"""Google ADK's session service: what goes in comes out equal, and reads well for a person."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events import Event, EventActions
from google.adk.sessions.base_session_service import GetSessionConfig
from google.genai import types

import threadkeep
from threadkeep.integrations.google_adk import ThreadkeepSessionService

APP = {"app_name": "invoices", "user_id": "uid_lea"}
HERE = {**APP, "session_id": "s1"}


def said(text, author="user", **more):
    role = "user" if author == "user" else "model"
    return Event(author=author, invocation_id="i1", content=types.Content(role=role, parts=[{"text": text}]), **more)


def changing(**delta):
    return Event(author="bot", invocation_id="i1", actions=EventActions(state_delta=delta))


ODD = [
    said("What is\0 on it?", timestamp=1000.123456),
    Event(
        author="bot",
        invocation_id="i1",
        content=types.Content(
            role="model",
            parts=[
                types.Part(text="Hm.", thought=True, thought_signature=b"\xff\x00" * 9000),
                types.Part(text="I look."),
                types.Part(inline_data=types.Blob(data=b"\x00\xff", mime_type="image/png")),
                types.Part(function_call=types.FunctionCall(id="call_1", name="find", args={"number": 2**70})),
            ],
        ),
        actions=EventActions(artifact_delta={"a.txt": 1}, transfer_to_agent="other"),
        long_running_tool_ids={"call_1"},
        branch="root.bot",
        grounding_metadata=types.GroundingMetadata(web_search_queries=["a"]),
        custom_metadata={"deep": [1.5, None]},
        partial=False,
        turn_complete=True,
        timestamp=1001.5,
    ),
    Event(
        author="bot",
        invocation_id="i1",
        content=types.Content(
            role="user",
            parts=[
                types.Part(
                    function_response=types.FunctionResponse(id="call_1", name="find", response={"result": "40 EUR"})
                )
            ],
        ),
        timestamp=1002.0,
    ),
    Event(author="bot", invocation_id="i1", error_code="SAFETY", error_message="No.", timestamp=1003.0),
]


@pytest.fixture
def sessions(either):
    return ThreadkeepSessionService(either)


@pytest.fixture
async def session(sessions):
    return await sessions.create_session(**HERE)


async def texts(sessions, **asked):
    found = await sessions.get_session(**HERE, **asked)
    return [event.content.parts[0].text for event in found.events]


async def test_sessions_and_events_come_out_as_they_went_in(sessions, service):
    state = {
        "a": {"big": 2**70, "odd": "\0\ud83d"},
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "user:name": "Lea",
        "app:v": 1,
        "temp:x": 2,
    }
    created = await sessions.create_session(**HERE, state=state)
    for event in ODD:
        await sessions.append_event(created, event)

    other = ThreadkeepSessionService(service)
    again = await other.get_session(**HERE)

    assert again.events == ODD == created.events
    assert again.state == created.state
    assert again.state == {"a": state["a"], "at": "2026-01-01T00:00:00Z", "user:name": "Lea", "app:v": 1}
    assert again.last_update_time == 1003.0
    assert await other.get_user_state(**APP) == {"name": "Lea"}
    assert await other.get_user_state(app_name="invoices", user_id="uid_tom") == {}


async def test_a_person_reads_texts_calls_and_results_and_no_thread_of_state(sessions, session, service):
    for event in ODD:
        await sessions.append_event(session, event)
    await sessions.append_event(session, changing(**{"app:a": 1, "user:b": 2}))

    [thread] = service.threads.list(visible_in_ui=True)
    shown = list(service.threads.messages.list(thread.id))

    assert (thread.user_id, thread.external_id) == ("uid_lea", "invoices/s1")
    assert [(each.role, each.text) for each in shown] == [
        ("user", "What is on it?"),
        ("assistant", "I look."),
        ("tool", "40 EUR"),
        ("assistant", ""),
        ("assistant", ""),
    ]
    assert json.loads(shown[1].tool_calls[0].function.arguments) == {"number": 2**70}
    assert shown[2].tool_call_id == "call_1"
    assert len(list(service.threads.list())) == 3


async def test_state_has_three_scopes_and_what_is_temporary_stays_in_memory(sessions, session):
    await sessions.append_event(session, changing(**{"a": 1, "user:b": 2, "app:c": 3, "temp:d": 4}))
    second = await sessions.create_session(**APP, session_id="s2")
    toms = await sessions.create_session(app_name="invoices", user_id="uid_tom")
    elsewhere = await sessions.create_session(app_name="other", user_id="uid_lea")

    assert session.state == {"a": 1, "user:b": 2, "app:c": 3, "temp:d": 4}
    assert (await sessions.get_session(**HERE)).state == {"a": 1, "user:b": 2, "app:c": 3}
    assert [each.state for each in (second, toms, elsewhere)] == [{"user:b": 2, "app:c": 3}, {"app:c": 3}, {}]


async def test_changes_of_shared_state_at_once_lose_nothing(sessions):
    created = [await sessions.create_session(**APP, session_id=f"s{number}") for number in range(6)]
    await asyncio.gather(
        *(sessions.append_event(each, changing(**{f"user:k{n}": n, f"app:k{n}": n})) for n, each in enumerate(created))
    )

    assert await sessions.get_user_state(**APP) == {f"k{number}": number for number in range(6)}
    assert len((await sessions.get_session(**HERE)).state) == 12


async def test_of_copies_of_one_revision_one_may_write(sessions, session):
    copies = [await sessions.get_session(**HERE) for _ in range(6)]
    outcomes = await asyncio.gather(
        *(sessions.append_event(each, said(str(n))) for n, each in enumerate(copies)), return_exceptions=True
    )

    assert sorted(type(each).__name__ for each in outcomes) == ["Event", *["StaleSessionError"] * 5]
    assert len(await texts(sessions)) == 1


async def test_a_stale_copy_changes_nothing_and_one_that_is_read_again_may_write(sessions, session):
    old = await sessions.get_session(**HERE)
    await sessions.append_event(session, said("a"))

    with pytest.raises(StaleSessionError):
        await sessions.append_event(
            old, Event(author="bot", invocation_id="i1", actions=EventActions(state_delta={"k": 1, "user:k": 1}))
        )
    assert (await sessions.get_session(**HERE)).state == {}
    await sessions.append_event(await sessions.get_session(**HERE), said("b"))
    assert await texts(sessions) == ["a", "b"]


async def test_an_event_that_is_sent_again_is_stored_once(sessions, session):
    before = await sessions.get_session(**HERE)
    event = said("a")
    await sessions.append_event(session, event)
    await sessions.append_event(session, event)
    await sessions.append_event(before, event)

    assert await texts(sessions) == ["a"]
    assert len(session.events) == 1


async def test_a_person_who_renames_the_thread_makes_no_copy_stale(sessions, session, service):
    thread = service.with_options(user_id="uid_lea").threads.find("invoices/s1")
    for number in range(3):
        service.threads.update(thread.id, title=str(number))
        await sessions.append_event(session, said(str(number)))

    assert await texts(sessions) == ["0", "1", "2"]
    assert service.threads.retrieve(thread.id).title == "2"


async def test_what_others_write_is_read_and_makes_older_copies_stale(sessions, session, service):
    await sessions.append_event(session, said("Hi."))
    lea = service.with_options(user_id="uid_lea")
    thread = lea.threads.find("invoices/s1")
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    lea.threads.messages.create_many(
        thread.id,
        [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "content": "42", "tool_call_id": "call_1"},
        ],
    )

    with pytest.raises(StaleSessionError):
        await sessions.append_event(session, said("b"))
    found = await sessions.get_session(**HERE)
    await sessions.append_event(found, said("It is 42.", "bot"))

    assert found.events[1].get_function_calls()[0].args == {"a": 1}
    assert found.events[2].get_function_responses()[0].response == {"result": "42"}
    assert len((await sessions.get_session(**HERE)).events) == 4


async def test_a_thread_that_was_begun_on_the_page_goes_on(sessions, service):
    thread = service.with_options(user_id="uid_lea").threads.create(messages=[{"role": "user", "content": "Hi."}])
    found = await sessions.get_session(**APP, session_id=thread.id)
    await sessions.append_event(found, said("Hello.", "bot", actions=EventActions(state_delta={"a": 1})))

    again = await sessions.get_session(**APP, session_id=thread.id)
    assert [each.content.parts[0].text for each in again.events] == ["Hi.", "Hello."]
    assert (again.id, again.state) == (thread.id, {"a": 1})


async def test_a_native_edit_counts(sessions, session, service):
    await sessions.append_event(session, said("a"))
    lea = service.with_options(user_id="uid_lea")
    [message] = lea.threads.messages.list(lea.threads.find("invoices/s1").id)
    lea.threads.messages.update(message.thread_id, message.id, content="b")

    assert await texts(sessions) == ["b"]


async def test_events_are_asked_for_by_number_and_time(sessions, session):
    for number in range(120):
        await sessions.append_event(session, said(str(number), timestamp=float(number)))

    assert len(await texts(sessions)) == 120
    assert await texts(sessions, config=GetSessionConfig(num_recent_events=0)) == []
    assert await texts(sessions, config=GetSessionConfig(num_recent_events=2)) == ["118", "119"]
    assert await texts(sessions, config=GetSessionConfig(after_timestamp=118.0)) == ["118", "119"]
    assert await texts(sessions, config=GetSessionConfig(after_timestamp=100.0, num_recent_events=1)) == ["119"]


async def test_the_same_id_of_two_users_and_apps_is_another_session(sessions):
    await sessions.create_session(**HERE)
    await sessions.create_session(app_name="invoices", user_id="Tom Ö / é", session_id="s1")
    await sessions.create_session(app_name="a/b", user_id="uid_lea", session_id="c")
    await sessions.create_session(app_name="a", user_id="uid_lea", session_id="b/c")

    with pytest.raises(AlreadyExistsError):
        await sessions.create_session(**APP, session_id=" s1 ", state={"app:a": 1})
    assert (await sessions.get_session(**APP, session_id=" s1")).state == {}
    listed = (await sessions.list_sessions(app_name="invoices")).sessions
    assert [(each.user_id, each.id) for each in listed] == [("uid_lea", "s1"), ("Tom Ö / é", "s1")]
    assert [each.id for each in (await sessions.list_sessions(app_name="a", user_id="uid_lea")).sessions] == ["b/c"]


async def test_sessions_are_listed_by_their_last_event_with_their_state(sessions):
    for number in range(3):
        await sessions.create_session(**APP, session_id=f"s{number}", state={"n": number, "user:all": 1})
    first = await sessions.get_session(**APP, session_id="s0")
    await sessions.append_event(first, said("later", timestamp=4e9))

    listed = (await sessions.list_sessions(**APP)).sessions
    assert [(each.id, each.events, each.state) for each in listed] == [
        (f"s{number}", [], {"n": number, "user:all": 1}) for number in (1, 2, 0)
    ]


async def test_what_is_not_there_is_said_as_adk_says_it(sessions, session):
    await sessions.append_event(session, said("a"))
    await sessions.delete_session(**HERE)
    await sessions.delete_session(**HERE)

    assert await sessions.get_session(**HERE) is None
    with pytest.raises(SessionNotFoundError):
        await sessions.append_event(session, said("b"))
    await sessions.create_session(**HERE)
    assert await texts(sessions) == []


async def test_pieces_of_a_stream_are_not_stored(sessions, session):
    assert (await sessions.append_event(session, said("a", "bot", partial=True))).partial
    assert await texts(sessions) == []


async def test_a_locked_thread_refuses_and_can_be_read(sessions, session, service):
    await sessions.append_event(session, said("a"))
    [thread] = service.threads.list(visible_in_ui=True)
    service.threads.lock(thread.id)
    with pytest.raises(threadkeep.ThreadLocked):
        await sessions.append_event(session, said("b"))
    service.threads.archive(thread.id)
    with pytest.raises(threadkeep.ThreadArchived):
        await sessions.append_event(session, said("b"))

    assert await texts(sessions) == ["a"]


# Each run is a process of its own: a turn of a model that calls a tool.
PROGRAM = """
import asyncio, sys, threadkeep
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmResponse
from google.adk.runners import Runner
from google.genai import types
from threadkeep.integrations.google_adk import ThreadkeepSessionService

class Model(BaseLlm):
    async def generate_content_async(self, request, stream=False):
        last = request.contents[-1].parts[-1]
        if last.function_response:
            found = last.function_response.response["result"]
            parts = [types.Part(text=f"It is {found}, after {len(request.contents)}.")]
        else:
            parts = [types.Part(function_call=types.FunctionCall(name="add", args={"a": 1, "b": 2}))]
        yield LlmResponse(content=types.Content(role="model", parts=parts))

def add(a: int, b: int) -> int:
    "Adds."
    return a + b

async def turn(number):
    sessions = ThreadkeepSessionService(threadkeep.Client())
    agent = LlmAgent(name="bot", model=Model(model="scripted"), tools=[add], output_key="last")
    runner = Runner(app_name="sums", agent=agent, session_service=sessions, auto_create_session=True)
    message = types.Content(role="user", parts=[types.Part(text=f"What is 1 + 2? {number}")])
    try:
        async for event in runner.run_async(user_id="uid_lea", session_id="calculator", new_message=message):
            if event.is_final_response():
                print(event.content.parts[0].text)
    except threadkeep.ThreadLocked:
        print("locked")
    session = await sessions.get_session(app_name="sums", user_id="uid_lea", session_id="calculator")
    print(len(session.events), session.state["last"])

asyncio.run(turn(sys.argv[1]))
"""


@pytest.mark.parametrize("way", ["http"], indirect=True)
async def test_a_runner_goes_on_in_the_next_process(service, run):
    for number in range(1, 4):
        answer = f"It is 3, after {4 * number - 1}."
        assert run(PROGRAM, str(number)) == f"{answer}\n{4 * number} {answer}\n"

    [thread] = service.threads.list(visible_in_ui=True)
    renamed = service.threads.update(thread.id, title="Sums")
    service.threads.lock(thread.id)
    refused = run(PROGRAM, "4")
    service.threads.unlock(thread.id)
    shown = [(each.role, each.text) for each in service.threads.messages.list(thread.id)]

    assert refused == "locked\n12 It is 3, after 11.\n"
    assert (renamed.title, thread.message_count) == ("Sums", 12)
    assert shown[:4] == [
        ("user", "What is 1 + 2? 1"),
        ("assistant", ""),
        ("tool", "3"),
        ("assistant", "It is 3, after 3."),
    ]
    exported = run("from threadkeep.__main__ import main; main()", "export")
    assert exported.count('"format":"google-adk/1"') == 13
    service.threads.delete(thread.id)
    sessions = ThreadkeepSessionService(service)
    assert await sessions.get_session(app_name="sums", user_id="uid_lea", session_id="calculator") is None


def test_the_page_about_frameworks_shows_what_works(documented, run):
    program, printed = documented("Google ADK")

    assert run(program) == printed
