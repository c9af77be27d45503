"""Whoever reads a model may let what has come lie until a better moment; then all of it is taken together."""

import asyncio
import datetime
import ssl
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.hearing import ASK, HELLO, KEY, PATIENCE
from support.scripted_model import CLOSE, DONE, RESET, STALL, ScriptedModel, finish
from support.waiting import eventually
from threadkeep.providers import Finish, ModelError, Piece, Text
from threadkeep.providers.openai_chat import OpenAiChat, Patience

BETWEEN_S = 0.05


class Pace:
    """Lets what comes wait until `take`, once `holds` is set."""

    def __init__(self) -> None:
        self.holds = False
        self.held: Callable[[], None] | None = None

    def arrived(self, take: Callable[[], None]) -> bool:
        self.held = take if self.holds else None
        return not self.holds

    async def take(self) -> None:
        """Wait until something lies there, then a little, and take it."""
        await eventually(self._is_held, bool, 5)
        await asyncio.sleep(4 * BETWEEN_S)
        assert self.held is not None
        self.held()

    async def _is_held(self) -> bool:
        return self.held is not None


@pytest.fixture(params=["plain", "TLS"])
async def model(request, tmp_path, monkeypatch):
    context = None
    if request.param == "TLS":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate_in(tmp_path))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    model = await ScriptedModel.start(context)
    yield model
    await model.stop()


@pytest.fixture
async def provider(model):
    provider = OpenAiChat(model.url, KEY, PATIENCE)
    yield provider
    await provider.close()


def certificate_in(folder: Path) -> Path:
    """Make a certificate for loopback that vouches for itself; return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a model's server")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    form = serialization.PrivateFormat.PKCS8
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


async def listen(provider: OpenAiChat, pace: Pace) -> tuple[list[Piece], str | None]:
    """Return the pieces, all held but the first, and the code of what went wrong."""
    heard: list[Piece] = []
    try:
        async with aclosing(provider.stream(ASK, pace.arrived)) as stream:
            async for pieces in stream:
                heard += pieces
                pace.holds = True
    except ModelError as error:
        return heard, error.code
    return heard, None


async def test_what_comes_while_nobody_takes_it_is_taken_together(model, provider):
    model.script = ["Hel", BETWEEN_S, "l", BETWEEN_S, "o", BETWEEN_S, "!", STALL]
    pace = Pace()

    async with aclosing(provider.stream(ASK, pace.arrived)) as stream:
        first = await anext(stream)
        pace.holds = True
        second = asyncio.ensure_future(anext(stream))
        await pace.take()

        assert (first, await second) == ([Text("Hel")], [Text("l"), Text("o"), Text("!")])


async def test_an_end_that_is_taken_late_is_an_end(model, provider):
    model.script = ["Hel", BETWEEN_S, "lo", BETWEEN_S, finish(), DONE]
    for _ in range(2):
        pace = Pace()
        listening = asyncio.ensure_future(listen(provider, pace))
        await pace.take()

        assert await listening == ([*HELLO, Finish("stop")], None)
    # The connection was given back in order: it is used again, and its end is noticed.
    assert model.connections_count == 1


@pytest.mark.parametrize("how", [CLOSE, RESET])
async def test_a_server_that_goes_away_before_its_words_are_taken_has_broken_off(model, provider, how):
    model.script = ["Hel", BETWEEN_S, "lo", BETWEEN_S, how]
    pace = Pace()
    listening = asyncio.ensure_future(listen(provider, pace))
    await pace.take()

    heard, code = await listening
    assert code == "model_unavailable"
    # A reset throws away what was not read, as it does for whoever reads at once.
    assert heard == HELLO or how is RESET


async def test_words_that_lie_there_are_no_silence(model):
    model.script = ["Hel", BETWEEN_S, "lo", 0.6, finish(), DONE]
    provider = OpenAiChat(model.url, KEY, Patience(idle_s=0.5, total_s=20.0))

    assert await listen(provider, Pace()) == ([*HELLO, Finish("stop")], None)
    await provider.close()


async def test_a_long_answer_that_nobody_takes_holds_the_server_up(model, provider):
    """A hundred times more than fits into all buffers."""
    model.script = ["Hel", BETWEEN_S, *["x" * 60_000] * 1_000, finish(), DONE]
    pace = Pace()
    listening = asyncio.ensure_future(listen(provider, pace))

    async def take_for_ever() -> None:
        while True:
            await asyncio.sleep(0.001)
            if pace.held is not None:
                pace.held()

    taking = asyncio.ensure_future(take_for_ever())
    pieces, code = await listening
    taking.cancel()

    assert (sum(len(piece.text) for piece in pieces if isinstance(piece, Text)), code) == (60_000_003, None)
