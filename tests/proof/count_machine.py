"""A Hypothesis state machine: whatever is done to threads, in whatever order, all counts are right after each step."""

import random
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from proof.count_world import ENDED_AT_ONCE, NEVER_ENDED, Thread, World
from support.cast import Answer, Caller
from support.stored import WRONG_COUNTS

EXAMPLES, STEPS = 80, 30
numbers = st.integers(0, 7)


class Broken(Exception):
    """A step after which something was wrong; it is in the record."""


def run_machine(world: World) -> None:
    """Let Hypothesis try; the first step after which something is wrong is a violation, told with those before it."""
    try:
        run_state_machine_as_test(
            lambda: CountMachine(world),
            settings=settings(
                max_examples=world.record.size(EXAMPLES, 10),
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                # To shrink what failed takes longer than to read its steps.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                verbosity=Verbosity.quiet,
            ),
        )
    except Exception:
        # Hypothesis tries what failed once more, and is not content when it succeeds then.
        if not world.record.violations:
            raise


class CountMachine(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.threads: list[Thread] = []
        self.steps: list[str] = []

    # What is done

    @rule(count=st.integers(0, 4))
    def create(self, count: int) -> None:
        drafts = [{"role": "user", "content": f"first {number}"} for number in range(count)]
        made = self.do(f"create with {count}", lambda who: who.create_thread(messages=drafts), 201)
        self.threads.append(Thread(made.id))
        self.read_anew(self.threads[-1], count)

    @precondition(lambda self: self.threads)
    @rule(number=numbers, key=st.sampled_from([None, "once", "twice"]))
    def append(self, number: int, key: str | None) -> None:
        """Append one message. A key that was used in this thread brings the answer again, 404 once that is gone."""
        thread = self.pick(number)
        replayed = thread.keys.get(key)
        wanted = 201 if thread.takes_messages else None
        answer = self.do(
            f"append one, key {key}",
            lambda who: (who.retrying(key) if key else who).post_message(thread.id),
            wanted if replayed is None else 201 if replayed in thread.messages else 404,
        )
        if answer.status == 201 and replayed is None:
            thread.messages.append(answer.id)
            if key:
                thread.keys[key] = answer.id

    @precondition(lambda self: self.threads)
    @rule(number=numbers, count=st.integers(1, 5), has_bad_one=st.booleans())
    def append_several(self, number: int, count: int, has_bad_one: bool) -> None:
        """Append all or nothing."""
        thread = self.pick(number)
        drafts = [{"role": "user", "content": "one of several"}] * count
        bad = [{"role": "user", "content": " "}] if has_bad_one else []
        wanted = 201 if thread.takes_messages else None
        answer = self.do(
            f"append {count}{' and a bad one' if bad else ''}",
            lambda who: who.post_messages(thread.id, drafts + bad),
            400 if bad else wanted,
        )
        if answer.status == 201:
            thread.messages += answer.ids

    @precondition(lambda self: self.threads)
    @rule(number=numbers, place=numbers)
    def edit(self, number: int, place: int) -> None:
        thread = self.pick(number)
        if thread.messages:
            id = thread.messages[place % len(thread.messages)]
            wanted = 200 if thread.takes_messages else None
            self.do("edit", lambda who: who.update_message(thread.id, id, content="edited"), wanted)

    @precondition(lambda self: self.threads)
    @rule(number=numbers, place=numbers, times=st.integers(1, 2))
    def delete(self, number: int, place: int, times: int) -> None:
        """Delete a message, perhaps twice: the second time it is not there."""
        thread = self.pick(number)
        if not thread.messages:
            return
        id = thread.messages[place % len(thread.messages)]
        answer = self.do(
            "delete", lambda who: who.delete_message(thread.id, id), 200 if thread.takes_messages else None
        )
        if answer.status == 200:
            thread.messages.remove(id)
            if times == 2:
                self.do("delete it again", lambda who: who.delete_message(thread.id, id), 404)

    @precondition(lambda self: self.threads)
    @rule(number=numbers)
    def delete_all(self, number: int) -> None:
        thread = self.pick(number)
        wanted = 200 if thread.takes_messages else None
        answer = self.do("delete all", lambda who: who.delete_messages(thread.id), wanted)
        if answer.status == 200:
            self.expect(answer.deleted == len(thread.messages), f"{answer.deleted} of {len(thread.messages)} deleted")
            thread.messages.clear()

    @precondition(lambda self: self.threads)
    @rule(number=numbers, question=st.sampled_from(ENDED_AT_ONCE), more=st.integers(0, 2))
    def respond(self, number: int, question: str, more: int) -> None:
        """Let the model answer; an answer without a text leaves no message."""
        thread = self.pick(number)
        drafts = [{"role": "user", "content": text} for text in (*["before"] * more, question)]
        wanted = 200 if thread.takes_messages else None
        answer = self.do(f"respond to {more + 1}, {question}", lambda who: who.respond(thread.id, input=drafts), wanted)
        if answer.status == 200:
            self.read_anew(thread, len(thread.messages) + len(drafts) + (question == "answer"))

    @precondition(lambda self: self.threads)
    @rule(number=numbers)
    def regenerate(self, number: int) -> None:
        """Let the newest message be answered anew, if it is an answer."""
        thread = self.pick(number)
        newest = self.call(lambda who: who.list_messages(thread.id, order="desc", limit=1)).data
        if newest and newest[0]["role"] == "assistant":
            wanted = 200 if thread.takes_messages else None
            self.do("regenerate", lambda who: who.respond(thread.id, input="answer", replaces=newest[0]["id"]), wanted)
            self.read_anew(thread, len(thread.messages) + (wanted == 200))

    @precondition(lambda self: self.threads)
    @rule(number=numbers, question=st.sampled_from(NEVER_ENDED), interrupts=st.booleans())
    def begin_response(self, number: int, question: str, interrupts: bool) -> None:
        thread = self.pick(number)
        may = thread.takes_messages or (interrupts and not (thread.is_locked or thread.is_archived))
        more = {"whenBusy": "interrupt"} if interrupts else {}
        answer = self.do(
            f"begin a response, {question} {more}",
            lambda who: who.respond(thread.id, input=question, background=True, **more),
            202 if may else None,
        )
        if may:
            thread.running = answer.id
            self.read_anew(thread)

    @precondition(lambda self: self.threads)
    @rule(number=numbers)
    def cancel(self, number: int) -> None:
        thread = self.pick(number)
        if thread.running:
            id = thread.running
            self.do("cancel", lambda who: who.cancel(thread.id, id), 200)
            self.note_end(thread)

    @precondition(lambda self: self.threads)
    @rule(number=numbers, action=st.sampled_from(["lock", "unlock", "archive", "unarchive"]))
    def set_state(self, number: int, action: str) -> None:
        """Lock, archive, or lift that. Locking and archiving end a response that runs."""
        thread = self.pick(number)
        answer = self.do(action, lambda who: who.act(thread.id, action), None)
        if answer.status == 200:
            thread.is_locked = {"lock": True, "unlock": False}.get(action, thread.is_locked)
            thread.is_archived = {"archive": True, "unarchive": False}.get(action, thread.is_archived)
            if action in ("lock", "archive"):
                self.note_end(thread)

    @precondition(lambda self: len(self.threads) > 1)
    @rule(number=numbers)
    def delete_thread(self, number: int) -> None:
        thread = self.pick(number)
        self.do("delete the thread", lambda who: who.delete(thread.id), 200)
        self.threads.remove(thread)

    def teardown(self) -> None:
        for thread in self.threads:
            self.call(lambda who, id=thread.id: who.delete(id))

    # What must hold

    @invariant()
    def counts_are_right(self) -> None:
        wrong = self.world.run(self.world.stored.rows(WRONG_COUNTS))
        self.expect(not wrong, f"stored (thread, count, last number) is wrong: {wrong}")
        for thread in self.threads:
            read = self.call(lambda who, id=thread.id: who.get(id))
            known = len(thread.messages)
            self.expect(read.messageCount == known, f"{thread.id} says {read.messageCount}, and has {known}")
        self.world.record.count("counts compared", len(self.threads))

    # How

    def pick(self, number: int) -> Thread:
        return self.threads[number % len(self.threads)]

    def call(self, ask: Callable[[Caller], Coroutine[Any, Any, Answer]]) -> Answer:
        return self.world.run(ask(random.choice(self.world.callers)))

    def do(self, what: str, ask: Callable[[Caller], Coroutine[Any, Any, Answer]], status: int | None) -> Answer:
        """Do a step, which is answered with this status; None: with whatever the thread's state lets it."""
        self.steps.append(what)
        self.world.record.count("steps")
        answer = self.call(ask)
        is_expected = answer.status == status if status is not None else answer.status in (200, 201, 409)
        self.expect(is_expected, f"the answer is not {status}: {answer}")
        return answer

    def note_end(self, thread: Thread) -> None:
        """What had been said when a response was ended stays; an answer without a text leaves no message."""
        thread.running = None
        self.read_anew(thread)

    def read_anew(self, thread: Thread, count: int | None = None) -> None:
        """Learn which messages a thread has; where it is known, there are so many."""
        page = self.call(lambda who: who.list_messages(thread.id, limit=100))
        self.expect(page.status == 200 and not page.hasMore, f"the list is not whole: {page}")
        thread.messages = page.ids
        self.expect(count in (None, len(page.ids)), f"{thread.id} lists {len(page.ids)} messages, and should {count}")

    def expect(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.world.record.violation(f"{sentence}; the last steps: {', '.join(self.steps[-6:])}")
            raise Broken
