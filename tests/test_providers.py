"""Every fault that a model's server can have, over real sockets on loopback: it ends cleanly, and with its code."""

from collections.abc import AsyncIterator

import pytest

from support.hearing import KEY, PATIENCE, hear
from support.model_faults import FAULTS, SECRET_WORDS, refusal
from support.ports import free_port
from support.scripted_model import RESET, Head, ScriptedModel, finish, text
from threadkeep.providers import TokenCounts
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


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_models_server_ends_with_its_code_and_keeps_the_text_so_far(name, model, provider):
    script, pieces, code = FAULTS[name]
    model.script = script

    heard = await hear(provider)

    assert (heard.pieces, heard.code) == (pieces, code)
    assert len(model.calls) == 1
    assert not any(word in heard.error.message for word in (KEY, SECRET_WORDS, "127.0.0.1", str(model.port)))


async def test_a_server_that_does_not_listen_is_unavailable():
    provider = OpenAiChat(f"http://127.0.0.1:{free_port()}/v1", KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.code == "model_unavailable"


async def test_a_host_that_does_not_exist_is_unavailable():
    provider = OpenAiChat("http://model.invalid/v1", KEY, Patience(connect_s=30))

    heard = await hear(provider)

    assert heard.code == "model_unavailable"
    assert "invalid" not in heard.error.message


async def test_a_server_that_does_not_speak_tls_is_unavailable(model):
    provider = OpenAiChat(model.url.replace("http:", "https:"), KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.code in ("model_unavailable", "model_timeout")
    assert model.calls == []


async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(model, provider):
    elsewhere = await ScriptedModel.start()
    for status in (301, 302, 303, 307, 308):
        model.script = [Head(status, {"location": f"{elsewhere.url}/chat/completions", "content-length": "0"})]

        heard = await hear(provider)

        assert (heard.pieces, heard.code) == ([], "model_unavailable")
    assert elsewhere.connections_count == 0
    await elsewhere.stop()


async def test_proxies_in_the_environment_are_ignored(model, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    provider = OpenAiChat(model.url, KEY, PATIENCE)

    heard = await hear(provider)

    assert heard.text == "Hello world"
    assert model.calls[0].path == "/v1/chat/completions"
    await provider.close()


async def test_a_hundred_thousand_deltas_of_a_byte_arrive_as_they_were_sent(model):
    deltas = [chr(97 + n % 26) for n in range(100_000)]
    model.answer(*deltas)
    provider = OpenAiChat(model.url, KEY, Patience())

    heard = await hear(provider)

    assert heard.text == "".join(deltas)
    assert heard.pieces[-1] == TokenCounts(10, 2)
    await provider.close()


async def test_a_server_that_never_ends_is_ended_after_the_total_time(model):
    model.script = [text("x")] * 1_000_000
    provider = OpenAiChat(model.url, KEY, Patience(total_s=0.2))

    heard = await hear(provider)

    assert heard.code == "model_timeout"
    assert set(heard.text) == {"x"}


async def test_a_slow_answer_may_take_longer_than_its_longest_silence(model):
    model.script = [step for _ in range(12) for step in ("x", 0.1)] + [finish()]
    provider = OpenAiChat(model.url, KEY, Patience(first_byte_s=1.0, idle_s=1.0))

    heard = await hear(provider)

    assert (heard.text, heard.code) == ("x" * 12, None)
    await provider.close()


async def test_neither_the_key_nor_what_the_server_said_is_logged(model, provider, caplog):
    caplog.set_level(0)
    for script in (refusal(401), refusal(500), ["x", {"error": {"message": SECRET_WORDS}}], [RESET]):
        model.script = script
        await hear(provider)

    assert KEY not in caplog.text
    assert SECRET_WORDS not in caplog.text
