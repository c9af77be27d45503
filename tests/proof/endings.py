"""The ways in which a response ends: what its model does, what somebody does meanwhile, and what it may end as."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.cast import Answer, Caller
from support.scripted_model import CLOSE, DONE, STALL, Call, Head, answer_of, finish

# What every server of this proof is told.
ANSWER_CHARACTERS_MAX = 2000
SETTINGS = {
    "THREADKEEP_MODEL_FIRST_BYTE_S": "1.5",
    "THREADKEEP_MODEL_IDLE_S": "1.5",
    "THREADKEEP_MODEL_TOTAL_S": "5",
    "THREADKEEP_ANSWER_CHARACTERS_MAX": str(ANSWER_CHARACTERS_MAX),
    "THREADKEEP_DRAIN_S": "1",
    "THREADKEEP_LEASE_S": "5",
}
DRIP_S = 0.1
DRIPS = 300
CANCELLED = ("cancelled", None)
# Some time every model that goes on for ever has talked for too long; whoever meant to end it then came too late.
TIMEOUT = ("failed", "model_timeout")
INTERRUPTED = ("failed", "interrupted")

Outcome = tuple[str, str | None]


@dataclass
class Scene:
    """What somebody who ends a response needs: `who` calls some process, `go` lets the model say the rest."""

    who: Callable[[], Caller]
    thread: Answer
    response_id: str
    go: asyncio.Event
    # Responses that were begun in place of this one.
    others: list[str] = field(default_factory=list)


Act = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Kind:
    name: str
    steps: Callable[[asyncio.Event], Sequence[Any]]
    outcomes: frozenset[Outcome]
    # What is done once the model has said something; afterwards the model comes to its end all the same.
    act: Act | None = None
    # What the request says besides.
    body: dict[str, Any] = field(default_factory=dict)


def fixed(*steps: Any) -> Callable[[asyncio.Event], Sequence[Any]]:
    return lambda go: steps


def until_told(go: asyncio.Event) -> Sequence[Any]:
    """Talk until told to end, and then end at once: whoever took the thread away must have the last word."""

    def steps() -> Any:
        yield "Once "
        for _ in range(DRIPS):
            yield from ("upon ", DRIP_S)
            if go.is_set():
                break
        yield from ("a time.", finish(), DONE)

    return steps()  # type: ignore[no-any-return]  # A generator is as good as a list to the model.


async def cancel(scene: Scene) -> None:
    await scene.who().cancel(scene.thread, scene.response_id)


async def lock(scene: Scene) -> None:
    await scene.who().lock(scene.thread)


async def archive(scene: Scene) -> None:
    await scene.who().archive(scene.thread)


async def delete(scene: Scene) -> None:
    await scene.who().delete(scene.thread)


async def interrupt(scene: Scene) -> None:
    answer = await scene.who().respond(scene.thread, input="Something else.", whenBusy="interrupt")
    scene.others += [answer.id] if answer.status == 200 else []


async def replace(scene: Scene) -> None:
    who = scene.who()
    response = await who.get_response(scene.thread, scene.response_id)
    if response.status != 200 or response.messageId is None:
        return
    answer = await who.respond(scene.thread, whenBusy="interrupt", replaces=response.messageId)
    scene.others += [answer.id] if answer.status == 200 else []


async def race(scene: Scene) -> None:
    """Several at once, from anywhere, while the model comes to its end."""
    enders = random.sample([cancel, lock, archive, delete, interrupt, cancel], 3)
    scene.go.set()
    answers = await asyncio.gather(*(end(scene) for end in enders), return_exceptions=True)
    for error in answers:
        if error is not None:
            raise error


def by(act: Act, *outcomes: Outcome) -> Kind:
    # The model's own end may come first.
    return Kind(act.__name__, until_told, frozenset({*outcomes, TIMEOUT}), act)


def failing(name: str, code: str, *steps: Any, **body: Any) -> Kind:
    return Kind(name, fixed(*steps), frozenset({("failed", code)}), body=body)


KINDS = [
    Kind("completed", fixed("Hel", 0.2, "lo", 0.2, *answer_of(" world")), frozenset({("completed", None)})),
    Kind("empty", fixed(0.1, finish(), DONE), frozenset({("completed", None)})),
    failing("broken off", "model_unavailable", "Hel", 0.2, CLOSE),
    failing("unavailable", "model_unavailable", Head(500, {"content-length": "0"})),
    failing("refused", "model_refused", Head(400, {"content-length": "0"})),
    failing("filtered", "model_refused", "Hel", 0.1, finish("content_filter"), DONE),
    failing("too long", "answer_too_long", *["x" * 500, 0.05] * (ANSWER_CHARACTERS_MAX // 500 + 2), finish(), DONE),
    failing("context too long", "context_too_long", contextTokens=1),
    failing("silent", "model_timeout", STALL),
    failing("stalled", "model_timeout", "Hel", STALL),
    failing("endless", "model_timeout", *["on ", 0.2] * 200),
    by(cancel, CANCELLED),
    by(lock, CANCELLED),
    by(archive, CANCELLED),
    by(delete, ("cancelled", "thread_deleted")),
    by(interrupt, CANCELLED),
    by(replace, CANCELLED),
    by(race, CANCELLED, ("cancelled", "thread_deleted"), ("completed", None)),
]


class Models:
    """The one model behind all scenes: it knows which is which by the question."""

    def __init__(self) -> None:
        self._scripts: dict[str, tuple[Kind, asyncio.Event]] = {}

    def expect(self, question: str, kind: Kind, go: asyncio.Event) -> None:
        self._scripts[question] = (kind, go)

    def script(self, call: Call) -> Sequence[Any]:
        """A question that comes again is one for an answer in place of the first."""
        kind, go = self._scripts.pop(call.last_user_text, (None, None))
        return answer_of("Better.") if kind is None or go is None else kind.steps(go)
