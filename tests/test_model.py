"""A state machine walks at random through what can happen to a thread, beside a model of a dozen lines.

After every step the answers are the model's, and the database holds no thread whose count is wrong (promise P1).
"""

import asyncio
import itertools
from contextlib import AsyncExitStack

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.stored import WRONG_COUNTS, Stored, stored_in

pytestmark = pytest.mark.prove

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20).map(
    lambda text: f"x{text}"
)
PLACE = st.integers(min_value=0, max_value=200)
numbers = itertools.count()


class Walk(RuleBasedStateMachine):
    """`messages` maps the numbers of live messages to their texts; `given` is the highest number ever given."""

    client: httpx.Client
    stored: Stored
    runner: asyncio.Runner

    @initialize()
    def create(self):
        self.thread = f"/v1/threads/thread_model_{next(numbers)}"
        self.be_created()

    def be_created(self):
        self.messages, self.given = {}, 0
        self.title, self.metadata = None, {}
        self.is_locked = self.is_archived = False
        created = self.client.post("/v1/threads", json={"id": self.thread.removeprefix("/v1/threads/")})
        assert created.status_code == 201

    def refusal(self, *, metadata_only=False):
        if self.is_archived:
            return "thread_archived"
        return "thread_locked" if self.is_locked and not metadata_only else None

    def ask(self, method, path, body=None, refusal=None):
        """Send a request; return True when it was done, or check that it was refused as it must be."""
        answer = self.client.request(method, self.thread + path, json=body)
        if refusal is None:
            assert answer.status_code in (200, 201), answer.text
            self.answer = answer.json()
            return True
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, refusal)
        return False

    def pick(self, place):
        seq = sorted(self.messages)[place % len(self.messages)]
        listed = self.client.get(f"{self.thread}/messages", params={"limit": 100}).json()["data"]
        return seq, next(message["id"] for message in listed if message["seq"] == seq)

    @rule(text=TEXT)
    def append(self, text):
        if self.ask("POST", "/messages", {"role": "user", "content": text}, self.refusal()):
            self.given += 1
            self.messages[self.given] = text

    @rule(texts=st.lists(TEXT, min_size=1, max_size=5))
    def append_several(self, texts):
        body = {"messages": [{"role": "user", "content": text} for text in texts]}
        if self.ask("POST", "/messages", body, self.refusal()):
            for text in texts:
                self.given += 1
                self.messages[self.given] = text

    @precondition(lambda self: self.messages)
    @rule(place=PLACE, text=TEXT)
    def edit(self, place, text):
        seq, message = self.pick(place)
        if self.ask("PATCH", f"/messages/{message}", {"content": text}, self.refusal()):
            self.messages[seq] = text

    @precondition(lambda self: self.messages)
    @rule(place=PLACE)
    def delete(self, place):
        seq, message = self.pick(place)
        if self.ask("DELETE", f"/messages/{message}", refusal=self.refusal()):
            del self.messages[seq]

    @rule()
    def delete_all(self):
        if self.ask("DELETE", "/messages", refusal=self.refusal()):
            assert self.answer["deleted"] == len(self.messages)
            self.messages = {}

    @rule(title=st.none() | TEXT)
    def rename(self, title):
        if self.ask("PATCH", "", {"title": title}, self.refusal()):
            self.title = title

    @rule(key=st.sampled_from("abc"), value=st.none() | TEXT | st.integers(-5, 5) | st.booleans())
    def annotate(self, key, value):
        if self.ask("PATCH", "", {"metadata": {key: value}}, self.refusal(metadata_only=True)):
            self.metadata[key] = value
            self.metadata = {name: kept for name, kept in self.metadata.items() if kept is not None}

    @rule(locks=st.booleans())
    def lock_or_unlock(self, locks):
        if self.ask("POST", "/lock" if locks else "/unlock", refusal="thread_archived" if self.is_archived else None):
            self.is_locked = locks

    @rule(archives=st.booleans())
    def archive_or_unarchive(self, archives):
        if self.ask("POST", "/archive" if archives else "/unarchive"):
            self.is_archived = archives

    @precondition(lambda self: self.given > 5)
    @rule()
    def delete_and_begin_again(self):
        assert self.ask("DELETE", "")
        self.be_created()

    @invariant()
    def the_service_says_what_the_model_says(self):
        thread = self.client.get(self.thread).json()
        listed = self.client.get(f"{self.thread}/messages", params={"limit": 100}).json()["data"]
        found = {message["seq"]: message["content"][0]["text"] for message in listed}

        assert found == self.messages
        assert list(found) == sorted(found)
        assert thread["messageCount"] == len(self.messages)
        assert (thread["title"], thread["metadata"]) == (self.title, self.metadata)
        assert list(thread["metadata"]) == list(self.metadata)
        assert thread["state"] == ("archived" if self.is_archived else "locked" if self.is_locked else "open")

    @invariant()
    def no_count_is_wrong_in_the_database(self):
        assert self.runner.run(self.stored.rows(WRONG_COUNTS)) == []


def walk(server, key):
    """Run in a thread of its own: the machine is synchronous, and has its own event loop for the database."""
    with (
        asyncio.Runner() as runner,
        httpx.Client(base_url=server.url, headers={"x-api-key": key}, trust_env=False) as client,
    ):
        Walk.client, Walk.runner = client, runner
        opened = AsyncExitStack()
        try:
            Walk.stored = runner.run(opened.enter_async_context(stored_in(server.database)))
            run_state_machine_as_test(
                Walk,
                settings=settings(
                    max_examples=15,
                    stateful_step_count=30,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(opened.aclose())


async def test_a_random_walk_through_the_life_of_threads_agrees_with_the_model(server, people):
    owner = await people.owner()

    await asyncio.to_thread(walk, server, owner.key)
