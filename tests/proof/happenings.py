"""What can happen to a thread before its next question: answers of all kinds, and what people do to messages."""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from proof.record import Record
from support.cast import Answer, Caller
from support.scripted_model import CLOSE, DONE, STALL, Call, chunk, finish, reasoning, text, tool_call, usage
from support.strict_model import FAMILIES, StrictModel
from support.waiting import eventually

TOOLS = [{"type": "function", "function": {"name": "look"}}]
# What models have sent as arguments, ids and names.
ARGUMENTS = ("{}", '{"city": "Oslo"}', "", "[1]", '"Oslo"', "null", '"{\\"city\\": \\"Oslo\\"}"')
NAMES = ("look", "look at it", "functions.look")
WORDS = ("one", "two words", "𝒟 ü", "three\nlines\nof it", "x" * 300)
THE_END = "Are you still there?"
FINE = "Yes."
STALLING_S = 2
# Those that think aloud, and those that sign.
THINKING, SIGNING = ("deepseek", "qwen", "groq"), ("gemini",)


def any_family() -> str:
    """Return a family; oftener one that wants something back."""
    return random.choice([*FAMILIES, "deepseek", "gemini", "deepseek", "gemini"])


class Mouth:
    """Says for a strict server what its models answer; it remembers what they gave."""

    def __init__(self, model: StrictModel, record: Record) -> None:
        self.model = model
        self._record = record
        self._count = 0
        self._stalling: set[str] = set()
        model.script = self.answer_to

    def answer_to(self, call: Call) -> Sequence[Any]:
        if call.last_user_text.endswith(THE_END):
            return [FINE, finish(), DONE]
        if stalling := self._stalling.intersection(call.last_user_text.split()):
            # Only once: whoever asks again is answered. Who is cancelled need not have kept what came with it.
            self._stalling -= stalling
            return [*self._said(call.body["model"], is_owed=False), STALL]
        kind = random.choices(("whole", "cut", "blank", "error"), (12, 3, 1, 1))[0]
        self._record.count(f"answers that are {kind}")
        if kind == "blank":
            return [" \n", finish(), DONE]
        if kind == "error":
            return [text("Hel"), chunk(error={"message": "overloaded"}) | {"choices": []}, DONE]
        said = self._said(call.body["model"], is_owed=True)
        has_calls = any(isinstance(step, dict) and "tool_calls" in step["choices"][0]["delta"] for step in said)
        ending = [finish("tool_calls" if has_calls else "stop"), usage(1, 1), DONE]
        return [*said, *([CLOSE] if kind == "cut" else ending)]

    def stall(self) -> str:
        """Return a question whose answer will never end."""
        question = f"stall-{self._next()}"
        self._stalling.add(question)
        return question

    async def stalling(self) -> set[str]:
        return self._stalling

    def stop_stalling(self, question: str) -> None:
        self._stalling.discard(question)

    def _said(self, family: str, *, is_owed: bool) -> list[Any]:
        """A text, calls or both, with what the family wants back."""
        thought = f"thought {self._next()}"
        steps: list[Any] = []
        if family in THINKING:
            steps.append(reasoning(thought))
            self.model.remember(family, thought)
        if random.random() < 0.6:
            steps.append(random.choice(WORDS))
        for index in range(random.choice((0, 1, 1, 2, 3)) if steps else 1):
            step = tool_call(index, self._call_id(family), random.choice(NAMES), random.choice(ARGUMENTS))
            [call] = step["choices"][0]["delta"]["tool_calls"]
            given = thought if family == "deepseek" else None
            if family in SIGNING and index == 0:
                given = f"signature {self._next()}"
                call["extra_content"] = {"google": {"thought_signature": given}}
            if given is not None:
                self.model.remember(family, given, call["id"] if is_owed else None)
            steps.append(step)
        return steps

    def _call_id(self, family: str) -> str:
        """An id of its own, where something is owed with it; elsewhere also one that comes again and again."""
        if family in (*THINKING, *SIGNING) or random.random() < 0.5:
            return f"{random.choice(('call_', 'functions.look:', 'c' * 60))}{self._next()}"
        return random.choice(("0", "call_0"))

    def _next(self) -> int:
        self._count += 1
        return self._count


class History:
    """A thread to which things happen, one after the other."""

    def __init__(self, who: Caller, thread: Answer, mouth: Mouth, record: Record) -> None:
        self.who = who
        self.thread = thread
        self.mouth = mouth
        self.record = record
        self.family = any_family()

    async def go_on(self) -> None:
        """Let one thing happen."""
        steps = {
            self.ask: 6,
            self.give_results: 5,
            self.post: 4,
            self.edit: 2,
            self.delete: 2,
            self.answer_anew: 1,
            self.cancel: 1,
            self.interrupt: 1,
            self.change_model: 1,
        }
        step = random.choices(list(steps), list(steps.values()))[0]
        await step()
        self.record.fault(step.__name__.replace("_", " "))

    def settings(self) -> dict[str, Any]:
        """How the next answer is asked for; a context may be cut anywhere."""
        given: dict[str, Any] = {"model": self.family, "contextMode": random.choice(("recent", "smart", "full"))}
        if given["contextMode"] != "full" and random.random() < 0.4:
            given["contextTokens"] = random.randint(40, 400)
        if random.random() < 0.6:
            given["tools"] = TOOLS
        if random.random() < 0.3:
            given["instructions"] = "Be brief."
        return given

    async def messages(self) -> list[dict[str, Any]]:
        return await self.who.walk(f"/v1/threads/{self.thread.id}/messages", limit=100)

    async def ask(self) -> None:
        await self._respond(input=random.choice(WORDS))

    async def _respond(self, **body: Any) -> Answer:
        answer = await self.who.respond(self.thread, **self.settings(), **body)
        assert answer.status == 200, answer
        error = answer["error"]
        self.record.count(f"{answer['status']} responses" + (f" ({error['code']})" if error else ""))
        return answer

    async def give_results(self) -> None:
        """Answer some of the last calls, all or none, some twice, and one that nobody asked for."""
        calls = [call for message in (await self.messages())[-4:] for call in message["toolCalls"] or ()]
        ids = [call["id"] for call in calls]
        given = (
            ids if ids and random.random() < 0.6 else random.sample([*ids, "nobody's"], random.randint(1, len(ids) + 1))
        )
        results = [{"role": "tool", "toolCallId": id, "content": random.choice(("", *WORDS))} for id in given]
        if random.random() < 0.7:
            await self._respond(input=results)
        else:
            await self.who.post_messages(self.thread, results)

    async def post(self) -> None:
        """Put in what an application may: anything, anywhere."""
        image = {"type": "image", "url": "https://a.example/i.png"}
        function = {"name": "elsewhere.look", "arguments": '["x"]'}
        calls = [{"id": random.choice(("0", "toolu_1")), "type": "function", "function": function}] * 2
        given: dict[str, Any] = random.choice(
            (
                {"role": "system", "content": random.choice(WORDS)},
                {"role": "assistant", "content": random.choice((" ", *WORDS))},
                {"role": "assistant", "content": "", "toolCalls": calls},
                {"role": "user", "content": [{"type": "text", "text": " "}, image]},
                {"role": "user", "content": random.choice(WORDS)},
            )
        )
        await self.who.post_messages(self.thread, [given])

    async def edit(self) -> None:
        if messages := await self.messages():
            message = random.choice(messages)
            await self.who.update_message(self.thread, message, content="edited")
            for call in message["toolCalls"] or ():
                self.mouth.model.forget(call["id"])

    async def delete(self) -> None:
        if messages := await self.messages():
            await self.who.delete_message(self.thread, random.choice(messages))

    async def answer_anew(self) -> None:
        messages = await self.messages()
        if len(messages) > 1 and messages[-1]["role"] == "assistant" and messages[-2]["role"] in ("user", "tool"):
            await self._respond(replaces=messages[-1]["id"])

    async def cancel(self) -> None:
        running = await self._respond_stalling()
        await self.who.cancel(self.thread, running)

    async def interrupt(self) -> None:
        await self._respond_stalling()
        await self._respond(input=random.choice(WORDS), whenBusy="interrupt")

    async def _respond_stalling(self) -> Answer:
        question = self.mouth.stall()
        running = await self.who.respond(self.thread, input=question, background=True, **self.settings())
        assert running.status == 202, running
        # One that fails before its model is called, or that is busy elsewhere, is not waited for.
        with suppress(AssertionError):
            await eventually(self.mouth.stalling, lambda questions: question not in questions, STALLING_S)
        self.mouth.stop_stalling(question)
        return running

    async def change_model(self) -> None:
        self.family = any_family()

    async def end(self, family: str) -> None:
        """Ask once more, whatever has happened: the question must be answered."""
        self.family = family
        settings = self.settings() | {"contextTokens": None}
        answer = await self.who.respond(self.thread, input=THE_END, **settings)
        is_answered = answer.status == 200 and answer.outputText == FINE
        self.record.check(is_answered, f"{family}: a thread is unusable: {answer.body['error']}")
