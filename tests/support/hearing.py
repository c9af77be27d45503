"""Listening to a provider: what came of one request, whether it ended well or not."""

from dataclasses import dataclass, field

from support.scripted_model import DONE, event, finish, text
from threadkeep.providers import Finish, FinishReason, ModelError, ModelRequest, Piece, Provider, Text
from threadkeep.providers.openai_chat import Patience

KEY = "sk-canary-4711"
# On a busy machine a word from one to another may take most of a second: nobody is given up who only is late.
PATIENCE = Patience(connect_s=2.0, first_byte_s=2.0, idle_s=2.0, total_s=20.0, line_bytes_max=64 * 1024)
ASK = ModelRequest("scripted", [{"role": "user", "content": "Hello?"}])

# An answer as steps of a script, as bytes, and as pieces.
HELLO_STEPS = ["Hel", "lo", finish(), DONE]
STREAM = b"".join(event(each) for each in (text("Hel"), text("lo"), finish())) + DONE
HELLO = [Text("Hel"), Text("lo")]
CUT_CHARACTER = event(text("gr\u00fcn")).replace(b"\\u00fc", "ü".encode())


@dataclass
class Heard:
    """What came of one request."""

    pieces: list[Piece] = field(default_factory=list)
    error: ModelError | None = None
    # Comes once and last, and is kept apart from the pieces.
    finish: FinishReason | None = None

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Text))

    @property
    def code(self) -> str | None:
        return self.error.code if self.error else None


async def hear(provider: Provider, request: ModelRequest = ASK) -> Heard:
    heard = Heard()
    try:
        async for pieces in provider.stream(request):
            assert pieces
            assert heard.finish is None
            if isinstance(pieces[-1], Finish):
                heard.finish = pieces.pop().reason
            heard.pieces += pieces
    except ModelError as error:
        heard.error = error
    return heard
