"""Runs through OpenAI's own client: each is one or several responses of this service."""

import asyncio
import re

import openai
import pytest

from conftest import connect
from support.answering import open_place
from support.cast import Caller
from support.openai_client import PATH, all_of, client_of, refusal
from support.openai_runs import OUTPUTS, billing, calling_first
from support.people import People
from support.scripted_model import DONE, STALL, finish, usage
from support.waiting import SOON_S, eventually

# Its methods for assistants say that OpenAI has them no more.
pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
async def place(new_database, zygote):
    async with open_place(new_database, zygote, THREADKEEP_MODEL="scripted,other") as place:
        yield place


@pytest.fixture
def ada(place):
    return place.cast.ada


@pytest.fixture
def model(place):
    return place.fresh_model()


@pytest.fixture
async def client(ada, model):
    async with client_of(ada) as client:
        yield client


@pytest.fixture
def threads(client):
    return client.beta.threads


@pytest.fixture
async def assistant(client):
    return await billing(client)


@pytest.fixture
async def thread(threads):
    return await threads.create(messages=[{"role": "user", "content": "Where are they?"}])


@pytest.fixture
async def waiting(threads, thread, assistant, model):
    """A run that waits for the outputs of two calls."""
    model.script = calling_first("Both found.")
    run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    assert run.status == "requires_action"
    return run


async def begun(threads, thread, assistant, model, **fields):
    """Begin a run whose model has said something and waits; return it and what lets the model go on."""
    go = asyncio.Event()
    model.script = ["Hel", go, "lo", finish(), DONE]
    run = await threads.runs.create(thread.id, assistant_id=assistant.id, **fields)
    await model.called()
    return run, go


async def texts_of(threads, thread):
    return [each.content[0].text.value for each in await all_of(threads.messages.list(thread.id, order="asc"))]


async def test_a_run_is_made_polled_and_shows_what_it_ran_with(ada, threads, thread, assistant, model):
    run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, metadata={"a": "b"})

    assert (run.object, run.status, run.thread_id, run.assistant_id) == (
        "thread.run", "completed", thread.id, assistant.id,
    )  # fmt: skip
    assert (run.model, run.instructions, run.temperature, run.top_p) == ("scripted", "Be brief.", 0.5, None)
    assert (run.metadata, run.tools[0].function.name, run.tool_choice) == ({"a": "b"}, "find_invoice", "auto")
    assert (run.usage.prompt_tokens, run.usage.completion_tokens, run.usage.total_tokens) == (10, 2, 12)
    assert (run.response_format, run.parallel_tool_calls, run.truncation_strategy.type) == ("auto", True, "auto")
    assert run.created_at <= run.started_at <= run.completed_at
    assert (run.failed_at, run.cancelled_at, run.expires_at, run.last_error, run.required_action) == (None,) * 5
    message = (await threads.messages.list(thread.id, run_id=run.id)).data[0]
    assert (message.content[0].text.value, message.run_id, message.assistant_id) == (
        "Hello world", run.id, assistant.id,
    )  # fmt: skip
    native = (await ada.list_responses(thread.id)).data[0]
    assert (native["id"], native["status"], native["metadata"]) == (f"resp_{run.id[4:]}", "completed", {"a": "b"})


async def test_a_run_says_how_soon_it_should_be_read_again(ada, threads, thread, assistant, model):
    raw = await threads.runs.with_raw_response.create(
        thread.id, assistant_id=assistant.id, include=["step_details.tool_calls[*].file_search.results[*].content"]
    )
    run = raw.parse()

    assert raw.headers["openai-poll-after-ms"] == "250"
    assert run.status in ("in_progress", "completed")
    read = await threads.runs.with_raw_response.retrieve(run.id, thread_id=thread.id)
    assert read.headers["openai-poll-after-ms"] == "250"
    assert "openai-poll-after-ms" not in (await ada.request("GET", f"{PATH}/threads/{thread.id}")).headers


async def test_what_a_run_is_given_wins_over_its_assistant(threads, thread, assistant, model):
    run = await threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant.id,
        model="other",
        instructions="Be long.",
        additional_instructions="Be kind.",
        additional_messages=[{"role": "assistant", "content": "Which?"}, {"role": "user", "content": "The last."}],
        tools=[],
        temperature=0.9,
        top_p=0.3,
        max_completion_tokens=100,
        max_prompt_tokens=4000,
        truncation_strategy={"type": "last_messages", "last_messages": 2},
        parallel_tool_calls=False,
        response_format={"type": "json_object"},
        reasoning_effort="low",
    )

    sent = model.calls[0].body
    assert [each["content"] for each in sent["messages"]] == ["Be long.\n\nBe kind.", "Which?", "The last."]
    assert (sent["model"], sent["temperature"], sent["top_p"], "tools" in sent) == ("other", 0.9, 0.3, False)
    assert (run.model, run.instructions, run.tools) == ("other", "Be long.\n\nBe kind.", [])
    assert (run.temperature, run.top_p, run.max_completion_tokens, run.max_prompt_tokens) == (0.9, 0.3, 100, 4000)
    assert (run.truncation_strategy.type, run.truncation_strategy.last_messages) == ("last_messages", 2)
    assert (run.parallel_tool_calls, run.response_format.type, run.reasoning_effort) == (False, "json_object", "low")
    assert await texts_of(threads, thread) == ["Where are they?", "Which?", "The last.", "Hello world"]


async def test_a_run_shows_what_it_ran_with_also_after_its_assistant_changed_and_went(
    client, threads, thread, assistant, model
):
    run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    await client.beta.assistants.update(assistant.id, instructions="Be long.", temperature=1.5, tools=[])

    changed = await threads.runs.retrieve(run.id, thread_id=thread.id)
    await client.beta.assistants.delete(assistant.id)
    deleted = await threads.runs.retrieve(run.id, thread_id=thread.id)

    assert changed == deleted == run
    error = await refusal(openai.NotFoundError, threads.runs.create(thread.id, assistant_id=assistant.id))
    assert (error.code, error.message.find("No assistant found") >= 0) == ("assistant_not_found", True)


async def test_a_thread_and_a_run_are_made_together(threads, assistant, model):
    run = await threads.create_and_run_poll(
        assistant_id=assistant.id,
        thread={"messages": [{"role": "user", "content": "hello"}], "metadata": {"from": "mail"}},
    )

    assert run.status == "completed"
    assert (await threads.retrieve(run.thread_id)).metadata == {"from": "mail"}
    messages = (await threads.messages.list(run.thread_id)).data
    assert [(each.role, each.content[0].text.value) for each in messages] == [
        ("assistant", "Hello world"), ("user", "hello"),
    ]  # fmt: skip


async def test_a_run_that_is_refused_leaves_no_thread(ada, client, threads, model):
    before = (await ada.list_threads(limit=100)).ids

    await refusal(
        openai.NotFoundError,
        threads.create_and_run(assistant_id="asst_unknown", thread={"messages": [{"role": "user", "content": "hi"}]}),
    )

    assert (await ada.list_threads(limit=100)).ids == before


async def test_an_empty_thread_and_one_that_ends_with_an_answer_are_run(threads, assistant, model):
    thread = await threads.create()

    first = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    second = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)

    assert (first.status, second.status) == ("completed", "completed")
    assert await texts_of(threads, thread) == ["Hello world"] * 2


async def test_two_calls_at_once_are_answered_and_the_run_goes_on(ada, threads, thread, waiting, model):
    action = waiting.required_action
    assert (waiting.usage, waiting.expires_at, action.type) == (None, None, "submit_tool_outputs")
    calls = action.submit_tool_outputs.tool_calls
    assert [(each.id, each.function.name, each.function.arguments) for each in calls] == [
        ("call_a", "find_invoice", '{"number": 1}'), ("call_b", "find_invoice", '{"number": 2}'),
    ]  # fmt: skip

    run = await threads.runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS)

    assert (run.id, run.status, run.created_at) == (waiting.id, "completed", waiting.created_at)
    assert (run.usage.prompt_tokens, run.usage.completion_tokens) == (30, 7)
    sent = model.calls[-1].body["messages"]
    assert [(each["role"], each["content"]) for each in sent[-2:]] == [("tool", "two"), ("tool", "one")]
    message = (await threads.messages.list(thread.id, run_id=run.id)).data[0]
    assert (message.content[0].text.value, message.run_id) == ("Both found.", run.id)
    native = await ada.list_responses(thread.id)
    assert [each["usage"]["totalTokens"] for each in native.data] == [25, 12]


async def test_the_steps_of_a_run_are_its_texts_and_calls(threads, thread, assistant, waiting, model):
    [step] = (await threads.runs.steps.list(waiting.id, thread_id=thread.id)).data
    assert (step.type, step.status, step.usage) == ("tool_calls", "in_progress", None)
    assert [each.function.output for each in step.step_details.tool_calls] == [None, None]

    await threads.runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS)
    steps = await all_of(threads.runs.steps.list(waiting.id, thread_id=thread.id, order="asc", limit=1))

    assert [(each.type, each.status, each.run_id) for each in steps] == [
        ("tool_calls", "completed", waiting.id), ("message_creation", "completed", waiting.id),
    ]  # fmt: skip
    assert [each.usage.total_tokens for each in steps] == [25, 12]
    assert [(each.id, each.function.output) for each in steps[0].step_details.tool_calls] == [
        ("call_a", "one"), ("call_b", "two"),
    ]  # fmt: skip
    written = steps[1].step_details.message_creation.message_id
    assert (await threads.messages.retrieve(written, thread_id=thread.id)).run_id == waiting.id
    assert await threads.runs.steps.retrieve(steps[0].id, thread_id=thread.id, run_id=waiting.id) == steps[0]
    newest = await threads.runs.steps.list(waiting.id, thread_id=thread.id)
    assert [each.id for each in newest.data] == [steps[1].id, steps[0].id]
    before = await threads.runs.steps.list(waiting.id, thread_id=thread.id, before=steps[0].id)
    assert [each.id for each in before.data] == [steps[1].id]
    for id in (f"{steps[0].id[:-1]}1", "step_x", "nothing"):
        error = await refusal(
            openai.NotFoundError, threads.runs.steps.retrieve(id, thread_id=thread.id, run_id=waiting.id)
        )
        assert error.code == "step_not_found"


async def test_outputs_must_be_those_of_all_calls_once_each(threads, thread, waiting):
    call_a, call_b = OUTPUTS
    for outputs, param in [
        ([call_a], "tool_outputs"),
        ([call_a, call_a], "tool_outputs[1]"),
        ([call_a, call_b, {"tool_call_id": "call_c", "output": "x"}], "tool_outputs[2]"),
        ([], "tool_outputs"),
    ]:
        error = await refusal(
            openai.BadRequestError,
            threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=outputs),
        )
        assert error.param == param
    assert await threads.runs.retrieve(waiting.id, thread_id=thread.id) == waiting

    empty = [{**each, "output": ""} for each in OUTPUTS]
    run = await threads.runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=empty)

    assert run.status == "completed"
    error = await refusal(
        openai.BadRequestError,
        threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS),
    )
    assert error.body["message"] == 'Runs in status "completed" do not accept tool outputs.'


async def test_a_run_goes_on_as_it_began_though_its_assistant_is_gone(
    client, threads, thread, assistant, waiting, model
):
    await client.beta.assistants.delete(assistant.id)

    run = await threads.runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS)

    assert (run.status, run.assistant_id) == ("completed", assistant.id)
    assert (model.calls[-1].body["temperature"], model.calls[-1].body["messages"][0]["content"]) == (0.5, "Be brief.")


async def test_a_new_run_makes_one_that_waits_expired(threads, thread, assistant, waiting, model):
    model.answer("Never mind.")

    await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    left = await threads.runs.retrieve(waiting.id, thread_id=thread.id)

    assert (left.status, left.required_action, left.usage.total_tokens) == ("expired", None, 25)
    [step] = (await threads.runs.steps.list(waiting.id, thread_id=thread.id)).data
    assert step.status == "expired"
    for call, text in [
        (
            threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS),
            'Runs in status "expired" do not accept tool outputs.',
        ),
        (threads.runs.cancel(waiting.id, thread_id=thread.id), "Cannot cancel run with status 'expired'."),
    ]:
        error = await refusal(openai.BadRequestError, call)
        assert (error.body["message"], error.code, error.param) == (text, None, None)


async def test_a_run_that_waits_is_cancelled(threads, thread, waiting):
    run = await threads.runs.cancel(waiting.id, thread_id=thread.id)

    assert (run.status, run.required_action, run.cancelled_at is None) == ("cancelled", None, False)
    assert await threads.runs.retrieve(waiting.id, thread_id=thread.id) == run
    [step] = (await threads.runs.steps.list(waiting.id, thread_id=thread.id)).data
    assert (step.status, step.cancelled_at) == ("cancelled", run.cancelled_at)
    error = await refusal(openai.BadRequestError, threads.runs.cancel(waiting.id, thread_id=thread.id))
    assert error.body["message"] == "Cannot cancel run with status 'cancelled'."


async def test_a_thread_with_an_active_run_says_which_and_it_can_be_cancelled(threads, thread, assistant, model):
    run, _ = await begun(threads, thread, assistant, model)

    again = await refusal(openai.BadRequestError, threads.runs.create(thread.id, assistant_id=assistant.id))
    more = await refusal(openai.BadRequestError, threads.messages.create(thread.id, role="user", content="and?"))

    assert again.body["message"] == f"Thread {thread.id} already has an active run {run.id}."
    assert more.body["message"] == f"Can't add messages to {thread.id} while a run {run.id} is active."
    assert (again.code, again.param) == (None, None)
    found = re.search(r"run_\w+", again.body["message"]).group()
    cancelled = await threads.runs.cancel(found, thread_id=thread.id)
    assert cancelled.status == "cancelled"
    assert (await threads.messages.create(thread.id, role="user", content="and?")).id


async def test_a_run_that_went_on_is_named_by_its_first_response(threads, thread, assistant, waiting, model):
    model.script = ["Hel", asyncio.Event()]
    run = await threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS)
    await model.called(2)

    assert (run.id, run.status, run.usage) == (waiting.id, "in_progress", None)
    for call in (
        threads.runs.create(thread.id, assistant_id=assistant.id),
        threads.messages.create(thread.id, role="user", content="and?"),
        threads.messages.delete((await threads.messages.list(thread.id, order="asc")).data[0].id, thread_id=thread.id),
    ):
        error = await refusal(openai.BadRequestError, call)
        assert f"run {waiting.id}" in error.body["message"]
    error = await refusal(
        openai.BadRequestError,
        threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS),
    )
    assert error.body["message"] == 'Runs in status "in_progress" do not accept tool outputs.'
    assert (await threads.runs.cancel(waiting.id, thread_id=thread.id)).status == "cancelled"


async def test_a_running_answer_is_cancelled_and_keeps_its_text(threads, thread, assistant, model):
    run, _ = await begun(threads, thread, assistant, model)

    async def steps():
        return (await threads.runs.steps.list(run.id, thread_id=thread.id)).data

    [step] = await eventually(steps, bool, SOON_S)
    assert (step.type, step.status, step.usage) == ("message_creation", "in_progress", None)
    assert run.expires_at == run.created_at + 600
    cancelled = await threads.runs.cancel(run.id, thread_id=thread.id)

    assert (cancelled.status, cancelled.cancelled_at is None, cancelled.expires_at) == ("cancelled", False, None)
    message = (await threads.messages.list(thread.id)).data[0]
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "run_cancelled")
    assert message.content[0].text.value == "Hel"
    assert (await steps())[0].status == "cancelled"


async def test_an_answer_that_the_models_length_cut_is_incomplete(threads, thread, assistant, model):
    model.script = ["Hel", finish("length"), usage(10, 1), DONE]

    run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)

    assert (run.status, run.incomplete_details.reason) == ("incomplete", "max_completion_tokens")
    message = (await threads.messages.list(thread.id)).data[0]
    assert (message.status, message.incomplete_details.reason) == ("incomplete", "max_tokens")
    assert (await threads.runs.steps.list(run.id, thread_id=thread.id)).data[0].status == "completed"


async def test_a_run_whose_model_fails_has_failed(threads, thread, assistant, model):
    model.script = ["Hel", finish("content_filter"), DONE]
    refused = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    model.script = [b"data: {broken\n\n"]
    broken = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)

    assert (refused.status, refused.last_error.code) == ("failed", "invalid_prompt")
    assert (broken.status, broken.last_error.code) == ("failed", "server_error")
    assert broken.failed_at is not None and broken.last_error.message
    message = (await threads.messages.list(thread.id, run_id=refused.id)).data[0]
    assert message.incomplete_details.reason == "run_failed"
    [step] = (await threads.runs.steps.list(refused.id, thread_id=thread.id)).data
    assert (step.status, step.last_error.code) == ("failed", "server_error")


async def test_an_unknown_model_is_refused_by_its_own_code(threads, thread, assistant):
    error = await refusal(
        openai.BadRequestError, threads.runs.create(thread.id, assistant_id=assistant.id, model="gpt-4o")
    )

    assert (error.code, error.param) == ("model_not_found", "model")
    assert "THREADKEEP_MODEL" in error.body["message"] and "*" in error.body["message"]


async def test_what_is_not_there_is_refused(threads, thread, assistant):
    for fields, param in [
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tool_choice": {"type": "code_interpreter"}}, "tool_choice.type"),
        ({"additional_messages": [{"role": "user", "content": "x", "attachments": [{"file_id": "f"}]}]},
         "additional_messages[0].attachments"),
        ({"truncation_strategy": {"type": "last_messages"}}, "truncation_strategy.last_messages"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
    ]:  # fmt: skip
        error = await refusal(
            openai.BadRequestError, threads.runs.create(thread.id, assistant_id=assistant.id, **fields)
        )
        assert error.param == param


async def test_the_one_function_that_must_be_called_is_sent_and_shown(threads, thread, assistant, model):
    choice = {"type": "function", "function": {"name": "find_invoice"}}

    run = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id, tool_choice=choice)

    assert model.calls[0].body["tool_choice"] == choice
    assert run.tool_choice.function.name == "find_invoice"


async def test_runs_are_listed_in_pages_both_ways(ada, threads, thread, assistant, model):
    made = [(await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)).id for _ in range(4)]
    native = await ada.respond(thread, input="And natively?")
    made.append(f"run_{native.id[5:]}")

    newest = await all_of(threads.runs.list(thread.id, limit=2))
    oldest = await all_of(threads.runs.list(thread.id, limit=2, order="asc"))
    page = await threads.runs.list(thread.id, limit=2, order="asc", before=made[3])

    assert [each.id for each in newest] == made[::-1]
    assert [each.id for each in oldest] == made
    assert ([each.id for each in page.data], page.has_more, page.first_id) == (made[1:3], True, made[1])
    assert (newest[0].assistant_id, newest[0].status, newest[0].instructions) == (None, "completed", "")
    error = await refusal(openai.BadRequestError, threads.runs.list(thread.id, after="run_x"))
    assert error.param == "after"


async def test_metadata_of_a_run_merges_also_in_a_locked_thread(ada, threads, thread, assistant, model):
    run = await threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant.id, metadata={"a": "1", "b": "2"}
    )
    await ada.lock(thread)

    changed = await threads.runs.update(run.id, thread_id=thread.id, metadata={"b": None, "c": "3"})

    assert changed.metadata == {"a": "1", "c": "3"}
    assert (await ada.list_responses(thread)).data[0]["metadata"] == {"a": "1", "c": "3"}
    assert (await threads.runs.update(run.id, thread_id=thread.id)).metadata == {"a": "1", "c": "3"}
    assert (await threads.runs.update(run.id, thread_id=thread.id, metadata=None)).metadata == {}


async def test_a_locked_thread_takes_no_run_and_no_outputs(ada, threads, thread, assistant, waiting):
    await ada.lock(thread)

    for call in (
        threads.runs.create(thread.id, assistant_id=assistant.id),
        threads.runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS),
    ):
        error = await refusal(openai.ConflictError, call)
        assert (error.code, error.response.headers["x-should-retry"]) == ("thread_locked", "false")


async def test_an_assistant_that_a_thread_is_bound_to_keeps_what_it_fixes(ada, client, threads, assistant, model):
    other = await client.beta.assistants.create(model="scripted")
    thread = await ada.create_thread(assistantId=assistant.id, messages=[{"role": "user", "content": "hello"}])

    for fields, param in [
        ({"assistant_id": other.id}, "assistant_id"),
        ({"assistant_id": assistant.id, "temperature": 1.5}, "temperature"),
        ({"assistant_id": assistant.id, "instructions": "Be long."}, "instructions"),
    ]:
        error = await refusal(openai.ConflictError, threads.runs.create(thread.id, **fields))
        assert (error.code, error.param) == ("assistant_bound", param)
    assert (await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)).status == "completed"


async def test_a_retry_with_a_key_begins_no_second_run(threads, thread, assistant, waiting, model):
    headers = {"Idempotency-Key": "again"}
    outputs = {"thread_id": thread.id, "tool_outputs": OUTPUTS, "extra_headers": headers}

    went_on = [await threads.runs.submit_tool_outputs(waiting.id, **outputs) for _ in range(2)]
    await threads.runs.poll(waiting.id, thread_id=thread.id)
    made = [await threads.runs.create(thread.id, assistant_id=assistant.id, extra_headers=headers) for _ in range(2)]
    await threads.runs.poll(made[0].id, thread_id=thread.id)
    together = [await threads.create_and_run(assistant_id=assistant.id, extra_headers=headers) for _ in range(2)]
    cancelled = await threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    cancels = [
        await threads.runs.cancel(cancelled.id, thread_id=thread.id, extra_headers=headers)
        for _ in range(2)
        if cancelled.status == "requires_action"
    ]

    assert {each.id for each in went_on} == {waiting.id}
    assert made[0].id == made[1].id
    assert together[0].id == together[1].id
    assert cancels == [] or cancels[0] == cancels[1]
    assert len((await threads.runs.list(thread.id)).data) == 3


async def test_usage_is_counted_once(ada, threads, thread, waiting):
    async def total():
        return (await ada.read_usage()).total["totalTokens"]

    before = await total()
    await threads.runs.submit_tool_outputs_and_poll(run_id=waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS)

    assert await total() == before + 12


async def test_nobody_reaches_anothers_run(place, ada, threads, thread, waiting):
    unknown = f"run_{'0' * 26}"
    async with client_of(place.cast.ben) as ben, client_of(place.cast.cleo) as cleo:
        for runs in (ben.beta.threads.runs, cleo.beta.threads.runs):
            for call in (
                runs.retrieve(waiting.id, thread_id=thread.id),
                runs.list(thread.id),
                runs.cancel(waiting.id, thread_id=thread.id),
                runs.update(waiting.id, thread_id=thread.id, metadata={"a": "b"}),
                runs.submit_tool_outputs(waiting.id, thread_id=thread.id, tool_outputs=OUTPUTS),
                runs.steps.list(waiting.id, thread_id=thread.id),
                runs.create(thread.id, assistant_id=waiting.assistant_id),
            ):
                await refusal(openai.NotFoundError, call)
    for id in (unknown, "run_x"):
        error = await refusal(openai.NotFoundError, threads.runs.retrieve(id, thread_id=thread.id))
        assert (error.code, error.message.find("No run found") >= 0) == ("run_not_found", True)
    assert (await threads.runs.retrieve(waiting.id, thread_id=thread.id)).status == "requires_action"


@pytest.mark.prove
async def test_a_poll_ends_though_the_process_died(start_server, model, zygote):
    """The client asks again until another process answers, and that one finds the end of what was left."""
    settings = {**model.settings, "THREADKEEP_LEASE_S": "2"}
    first = await start_server(**settings)
    model.script = ["Hel", STALL]
    async with connect(first) as http:
        ada = await People(first, http, zygote).owner()
        async with client_of(ada) as client:
            thread = await client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
            run = await client.beta.threads.runs.create(thread.id, assistant_id=(await billing(client)).id)
            await model.called()
        first.kill()
    second = await start_server(first.database, **settings)
    async with connect(second) as http:
        there = Caller(http, organization=ada.organization, user=ada.user, key=ada.key)
        async with client_of(there) as client:
            ended = await client.beta.threads.runs.poll(run.id, thread_id=thread.id)
            model.answer("back")
            again = await client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=run.assistant_id)

    assert (ended.status, ended.last_error.code) == ("failed", "server_error")
    assert again.status == "completed"
