"""Connections to a model's server: when they are closed, when they are used again, and that nothing is sent twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from support.hearing import ASK, KEY, PATIENCE, STREAM, hear
from support.scripted_model import CLOSE, DONE, STALL, Raw, ScriptedModel, finish
from threadkeep.providers import Finish, Text
from threadkeep.providers import connection as connections
from threadkeep.providers.openai_chat import OpenAiChat, Patience


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    model = await ScriptedModel.start()
    yield model
    await model.stop()


@pytest.fixture
async def provider(model: ScriptedModel) -> AsyncIterator[OpenAiChat]:
    provider = OpenAiChat(model.url, KEY, PATIENCE)
    yield provider
    await provider.close()


async def test_pieces_come_as_soon_as_they_are_sent(model, provider):
    go_on = asyncio.Event()
    model.script = ["Hel", go_on, "lo", finish(), DONE]
    stream = provider.stream(ASK)

    first = await anext(stream)
    go_on.set()
    rest = [piece async for pieces in stream for piece in pieces]

    assert (first, rest) == ([Text("Hel")], [Text("lo"), Finish("stop")])


async def test_closing_the_iterator_closes_the_connection_at_once(model, provider):
    model.script = ["Hel", STALL]

    async with aclosing(provider.stream(ASK)) as stream:
        await anext(stream)

    async with asyncio.timeout(1):
        await model.calls[0].gone.wait()


@pytest.mark.parametrize("script", [[STALL], ["Hel", STALL]], ids=["before the head", "in the middle"])
async def test_cancelling_the_task_closes_the_connection_at_once(script, model):
    model.script = script
    provider = OpenAiChat(model.url, KEY, Patience())
    task = asyncio.create_task(hear(provider))
    await model.called()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(1):
        await model.calls[0].gone.wait()


async def test_a_reader_that_does_not_read_holds_the_server_up_and_no_memory(model):
    megabyte = b": " + b"x" * 65_000 + b"\n"
    sent = 0

    def endless(_: Any) -> Any:
        nonlocal sent
        yield "Hel"
        while True:
            sent += len(megabyte)
            yield megabyte

    model.script = endless
    provider = OpenAiChat(model.url, KEY, Patience())
    stream = provider.stream(ASK)
    await anext(stream)

    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.1)

    assert sent < 16 * 1024 * 1024
    await stream.aclose()


async def test_the_next_request_uses_the_same_connection(model, provider):
    for _ in range(3):
        assert (await hear(provider)).text == "Hello world"

    assert len(model.calls) == 3
    assert model.connections_count == 1


async def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_used_again(model, provider):
    model.script = ["Hel", CLOSE]
    await hear(provider)
    model.answer("Hello")

    heard = await hear(provider)

    assert heard.text == "Hello"
    assert model.connections_count == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(model, provider):
    await hear(provider)
    for connection in list(model._open):
        connection.transport.close()
    await asyncio.sleep(0.05)

    heard = await hear(provider)

    assert (heard.text, heard.code) == ("Hello world", None)
    assert len(model.calls) == 2


async def test_bytes_that_nobody_asked_for_are_not_taken_for_the_next_answer(model, provider):
    model.script = [
        Raw(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(STREAM), STREAM + b"HTTP/1.1 200 OK"))
    ]
    await hear(provider)
    model.answer("Hello")

    heard = await hear(provider)

    assert heard.text == "Hello"
    assert model.connections_count == 2


async def test_an_idle_connection_is_closed_before_common_servers_close_it(model, provider, monkeypatch):
    monkeypatch.setattr(connections, "IDLE_S", 0.05)
    await hear(provider)

    await asyncio.wait_for(next(iter(model._open)).lost.wait(), 1)

    assert model._open == set()


async def test_a_request_that_may_have_arrived_is_never_sent_again(model, provider):
    await hear(provider)
    model.script = [CLOSE]

    heard = await hear(provider)

    assert heard.code == "model_unavailable"
    assert (len(model.calls), model.connections_count) == (2, 1)


async def test_a_thousand_answers_run_at_the_same_time(model):
    go_on = asyncio.Event()
    model.script = ["Hel", go_on, "lo", finish(), DONE]
    provider = OpenAiChat(model.url, KEY, Patience())
    tasks = [asyncio.create_task(hear(provider)) for _ in range(1_000)]
    await model.called(1_000)

    go_on.set()
    answers = await asyncio.gather(*tasks)

    assert {answer.text for answer in answers} == {"Hello"}
    await provider.close()
