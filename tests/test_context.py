"""The context: which messages a model gets, within how many tokens, and how they are sent."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.many_threads import CountingPostgres, CountingSqlite
from support.postgres import connected
from support.server import Database
from threadkeep.contract.assistants import Configuration
from threadkeep.contract.messages import (
    FilePart,
    FunctionCall,
    ImagePart,
    MessageCreate,
    MessagesCreate,
    TextPart,
    ToolCall,
)
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database import migrate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.sqlite import apply_migrations
from threadkeep.errors import ThreadNotFound
from threadkeep.operations.messages import appending, wanted_back
from threadkeep.operations.responses import context
from threadkeep.operations.responses.chosen import CANCELLED, CANCELLED_TOKENS, ContextTooLong
from threadkeep.operations.responses.context import Chosen
from threadkeep.operations.responses.estimating import estimate
from threadkeep.operations.threads import threads
from threadkeep.runtime.chat_format import chat_messages
from threadkeep.scope import Credential, Role, make_scope

Counting = CountingSqlite | CountingPostgres

ADMIN = make_scope(1, "O", "uid_admin", Role.ADMIN, Credential.KEY)
MEMBER = make_scope(1, "O", "uid_member", Role.MEMBER, Credential.KEY)
STRANGER = make_scope(2, "P", "uid_admin", Role.ADMIN, Credential.KEY)

THREAD = "thread_talk"
# Counts as 10 tokens, whatever stands before it in one character.
TEN = "x" * 23
LONG = 100_000
SHORT = 20
# Each of the rows that are read at once is passed over several times, in sizes, sums and contents.
ROWS_MAX = 20 * context.ROWS_AT_ONCE


class Watched(ScopedTransaction):
    """A transaction that remembers which messages were read with their content."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.read: list[int] = []

    async def fetch(self, statement: Any, **parameters: Any) -> Sequence[Any]:
        rows = await super().fetch(statement, **parameters)
        if statement in (context.NEWEST, context.FIRST):
            self.read += [row[1] for row in rows]
        return rows


class Talk:
    """A thread in a transaction that is undone, and the context that is chosen of it."""

    def __init__(self, counting: Counting) -> None:
        self.counting = counting
        self.tx = Watched(counting, ADMIN)

    async def has(self, *given: str | MessageCreate) -> None:
        """Make the thread; texts are messages of the user."""
        await threads.create(self.tx, ThreadCreate(id=THREAD))
        if given:
            several = [MessageCreate("user", each) if isinstance(each, str) else each for each in given]
            await appending.append(self.tx, THREAD, MessagesCreate(several))

    async def has_many(self, count: int) -> None:
        """Make the thread with numbers as texts, each of which counts as 6 tokens."""
        await threads.create(self.tx, ThreadCreate(id=THREAD))
        before, after = '[{"type":"text","text":"', '"}]'
        await self.run(f"""
            with recursive n (i) as (select 1 union all select i + 1 from n where i < {count})
            insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, metadata,
                created_ms, updated_ms, revision)
            select 1, t.key, i, 'msg_' || i, 'user', '{before}' || (100000 + i) || '{after}', '', 35, 'completed',
                '{{}}', 1, 1, 1
            from n, threads t where t.organization = 1 and t.id = '{THREAD}'
            """)
        if isinstance(self.counting, CountingPostgres):
            await self.run("analyze messages")

    async def run(self, sql: str) -> None:
        ran = self.counting.connection.execute(sql)
        if isinstance(self.counting, CountingPostgres):
            await ran

    async def choose(
        self,
        mode: Any,
        tokens: int | None = None,
        instructions: str | None = None,
        until: int | None = None,
        kept_from: int | None = None,
        count: int | None = None,
    ) -> Chosen:
        self.counting.counts.clear()
        self.tx.read = []
        return await context.choose(
            self.tx,
            THREAD,
            configuration=Configuration(context_mode=mode, context_tokens=tokens, context_messages=count),
            instructions=instructions,
            until_seq=until,
            kept_from_seq=kept_from,
        )

    async def texts(self, *arguments: Any, **where: int) -> list[str]:
        return texts(await self.choose(*arguments, **where))


def texts(chosen: Chosen) -> list[str]:
    return ["".join(part.get("text", "") for part in json.loads(message.content)) for message in chosen.messages]


def numbers(chosen: Chosen) -> list[int]:
    return [message.seq for message in chosen.messages]


def call(id: str, name: str = "look", arguments: str = "{}") -> ToolCall:
    return ToolCall(id, "function", FunctionCall(name, arguments))


def calls(*ids: str, text: str = "") -> MessageCreate:
    return MessageCreate("assistant", text, [call(id) for id in ids])


def said(text: str) -> MessageCreate:
    return MessageCreate("assistant", text)


def result(id: str | None, text: str) -> MessageCreate:
    return MessageCreate("tool", text, tool_call_id=id)


@pytest.fixture(scope="module")
async def counting(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[], Awaitable[Database]]
) -> AsyncIterator[Counting]:
    organizations = "insert into organizations (id, name, created_ms, updated_ms, revision) values ('O', 'O', 1, 1, 1)"
    if database_kind == "sqlite":
        sqlite = CountingSqlite(Path(tmp_path_factory.mktemp("context")) / "context.db")
        apply_migrations(sqlite.connection)
        sqlite.connection.execute(organizations)
        yield sqlite
        await sqlite.close()
        return
    async with connected((await new_database()).url) as connection:
        for _, sql in migrate.migrations("postgres"):
            await connection.execute(sql)
        await connection.execute(organizations)
        await connection.execute("set plan_cache_mode = force_generic_plan; set jit = off")
        yield CountingPostgres(connection)


@pytest.fixture
async def talk(counting: Counting) -> AsyncIterator[Talk]:
    await counting.begin()
    yield Talk(counting)
    await counting.roll_back()


# --- counting


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 4), ("a", 5), ("abcd", 5), ("abcde", 6), ("é" * 2, 5), ("😀", 5), ("😀a", 6)]
)
def test_a_message_counts_as_a_quarter_of_its_bytes_and_four(text, tokens):
    assert estimate(text) == tokens


async def test_a_messages_calls_and_the_lines_of_its_files_count(talk):
    await talk.has(
        MessageCreate("user", [TextPart("ab"), TextPart("cd"), FilePart("https://f", "a.txt", "text/plain")]),
        MessageCreate("assistant", "é", [call("c", "name", '{"a": 1}')]),
        result("c", "ok"),
    )

    chosen = await talk.choose("full")

    assert [message.tokens for message in chosen.messages] == [
        estimate("abcd[File: a.txt, text/plain, https://f]"),
        estimate('éname{"a": 1}'),
        estimate("ok"),
    ]
    assert chosen.total_tokens == sum(message.tokens for message in chosen.messages)


async def test_an_image_counts_as_its_address_but_not_as_all_of_a_long_one(talk):
    await talk.has(
        MessageCreate("user", [ImagePart("https://image")]),
        MessageCreate("user", [TextPart("abcd"), ImagePart("https://image/" + "a" * 8000)]),
    )

    chosen = await talk.choose("recent", 2000)

    assert [message.tokens for message in chosen.messages] == [estimate("https://image"), (4 + 4096) // 4 + 4]


@pytest.mark.parametrize("size", [4, 3_000_000])
async def test_a_data_url_counts_a_thousand_tokens_and_only_an_image_is_sent_with_its_content(talk, size):
    content = "data:image/png;base64," + "A" * size
    await talk.has(
        MessageCreate("user", [TextPart("abcd"), ImagePart(content)]),
        MessageCreate("user", [FilePart(content, "a.png")]),
        MessageCreate("assistant", [ImagePart(content)]),
    )

    chosen = await talk.choose("recent", 8_000)

    assert [message.tokens for message in chosen.messages] == [1005, 1004, 1004]
    assert [message["content"] for message in chat_messages(chosen)] == [
        [{"type": "text", "text": "abcd"}, {"type": "image_url", "image_url": {"url": content}}],
        [{"type": "text", "text": "[File: a.png, data:image/png;base64]"}],
        "[Image: data:image/png;base64]",
    ]


# --- recent


@pytest.mark.parametrize(("tokens", "kept"), [(10, 1), (19, 1), (20, 2), (29, 2), (49, 4), (50, 5), (51, 5), (999, 5)])
async def test_recent_keeps_the_newest_messages_that_fit_in_order(talk, tokens, kept):
    await talk.has(*(f"{number}{TEN}" for number in range(5)))

    chosen = await talk.choose("recent", tokens)

    assert texts(chosen) == [f"{number}{TEN}" for number in range(5)][-kept:]
    assert chosen.total_tokens == 10 * kept


async def test_recent_stops_at_the_first_message_that_does_not_fit(talk):
    await talk.has("small", "large" * 100, "new")

    assert await talk.texts("recent", 50) == ["new"]


@pytest.mark.parametrize("mode", ["recent", "smart"])
async def test_instructions_always_stay_and_count(talk, mode):
    await talk.has(*(f"{number}{TEN}" for number in range(2)))

    assert await talk.texts(mode, 30, f"i{TEN}") == [f"i{TEN}", f"0{TEN}", f"1{TEN}"]
    if mode == "recent":
        assert await talk.texts(mode, 29, f"i{TEN}") == [f"i{TEN}", f"1{TEN}"]
    with pytest.raises(ContextTooLong):
        await talk.choose(mode, 19, f"i{TEN}")


async def test_instructions_come_first_and_are_no_stored_message(talk):
    await talk.has("hello")

    chosen = await talk.choose("recent", 100, "Be brief.")

    assert [(message.id is None, message.role) for message in chosen.messages] == [(True, "system"), (False, "user")]
    assert chosen.total_tokens == estimate("Be brief.") + estimate("hello")


async def test_the_newest_message_stays_or_the_context_is_too_long(talk):
    await talk.has("old", f"n{TEN}")

    assert await talk.texts("recent", 10) == [f"n{TEN}"]
    with pytest.raises(ContextTooLong):
        await talk.choose("recent", 9)


async def test_all_of_the_newest_input_stays_or_the_context_is_too_long(talk):
    await talk.has(*(f"{number}{TEN}" for number in range(4)))

    assert numbers(await talk.choose("recent", 30, kept_from=3)) == [2, 3, 4]
    assert numbers(await talk.choose("recent", 20, kept_from=3)) == [3, 4]
    with pytest.raises(ContextTooLong):
        await talk.choose("recent", 19, kept_from=3)


@pytest.mark.parametrize("mode", ["recent", "smart", "full"])
async def test_only_messages_before_the_answer_are_chosen(talk, mode):
    await talk.has(*(f"{number}{TEN}" for number in range(6)))

    assert numbers(await talk.choose(mode, 1000, until=5, kept_from=4)) == [1, 2, 3, 4]


@pytest.mark.parametrize("mode", ["recent", "smart", "full"])
async def test_an_answer_that_is_being_generated_is_left_out_and_a_cut_one_counts_as_any_other(talk, mode):
    await talk.has("a", said("cut"), "b", said("part"))
    await talk.run("update messages set status = 'incomplete' where seq = 2")
    await talk.run("update messages set status = 'in_progress' where seq = 4")

    assert await talk.texts(mode, 1000) == ["a", "cut", "b"]


@pytest.mark.parametrize("mode", ["recent", "smart", "full"])
async def test_an_answer_with_nothing_in_it_is_left_out(talk, mode):
    await talk.has("a", said(""), "b", MessageCreate("assistant", [TextPart("")]))

    assert await talk.texts(mode, 1000) == ["a", "b"]


@pytest.mark.parametrize("mode", ["recent", "smart", "full"])
async def test_a_thread_without_messages_has_its_instructions_alone(talk, mode):
    await talk.has()

    assert await talk.texts(mode, 100) == []
    assert await talk.texts(mode, 100, "Be brief.") == ["Be brief."]
    if mode != "full":
        with pytest.raises(ContextTooLong):
            await talk.choose(mode, 3, "Be brief.")


async def test_messages_that_were_deleted_leave_no_gap_in_the_context(talk):
    await talk.has("a", "b", "c", "d")
    await talk.run("delete from messages where seq = 3")

    assert numbers(await talk.choose("recent", 1000, kept_from=3)) == [1, 2, 4]


async def test_messages_that_were_deleted_all_at_once_are_out_of_every_context(talk):
    await talk.has("a", "b", "c", "d")
    await talk.run("update threads set cleared_seq = 3")

    for mode in ("recent", "smart", "full"):
        assert await talk.texts(mode, 1000) == ["d"]


# --- smart and full


async def test_smart_keeps_the_first_3_and_the_last_7(talk):
    await talk.has(*(f"{number:02}" for number in range(1, 21)))

    assert numbers(await talk.choose("smart", 1000)) == [1, 2, 3, *range(14, 21)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 10, 11])
async def test_smart_has_no_message_twice_in_a_short_thread(talk, count):
    await talk.has(*(f"{number:02}" for number in range(1, count + 1)))

    every = list(range(1, count + 1))
    assert numbers(await talk.choose("smart", 1000)) == (every if count <= 10 else [1, 2, 3, *every[-7:]])


async def test_smart_drops_the_oldest_of_the_last_7_when_not_all_fit(talk):
    await talk.has(*(f"{chr(97 + number)}{TEN}" for number in range(12)))

    assert numbers(await talk.choose("smart", 100)) == [1, 2, 3, *range(6, 13)]
    assert numbers(await talk.choose("smart", 99)) == [1, 2, 3, *range(7, 13)]
    assert numbers(await talk.choose("smart", 40)) == [1, 2, 3, 12]
    with pytest.raises(ContextTooLong):
        await talk.choose("smart", 39)


async def test_smart_keeps_all_of_a_long_input(talk):
    await talk.has(*(f"{number:02}" for number in range(1, 31)))

    assert numbers(await talk.choose("smart", 1000, kept_from=15)) == [1, 2, 3, *range(15, 31)]
    assert numbers(await talk.choose("smart", 1000, kept_from=2)) == list(range(1, 31))
    with pytest.raises(ContextTooLong):
        await talk.choose("smart", (3 + 16) * 5 - 1, kept_from=15)


async def test_full_keeps_everything_whatever_the_tokens(talk):
    await talk.has(*("x" * 1000 for _ in range(100)))
    await appending.append(talk.tx, THREAD, MessagesCreate([MessageCreate("user", "y" * 200_000)] * 50))
    await appending.append(talk.tx, THREAD, MessagesCreate([MessageCreate("user", "z")] * 100))

    assert numbers(await talk.choose("full", 1)) == list(range(1, 251))


# --- calls of tools


async def test_a_call_is_followed_by_its_results(talk):
    await talk.has("q", calls("a", "b"), result("b", "B"), result("a", "A"), "next")

    assert await talk.texts("recent", 1000) == ["q", "", "B", "A", "next"]


async def test_results_that_were_never_given_are_filled_in_as_cancelled(talk):
    await talk.has("q", calls("a", "b", "c"), result("b", "B"), "next", calls("d"))

    chosen = await talk.choose("full")

    assert texts(chosen) == ["q", "", "B", CANCELLED, CANCELLED, "next", "", CANCELLED]
    assert [message.tool_call_id for message in chosen.messages] == [None, None, "b", "a", "c", None, None, "d"]
    assert [message.id is None for message in chosen.messages] == [False] * 3 + [True] * 2 + [False] * 2 + [True]


async def test_results_that_are_filled_in_count(talk):
    await talk.has(f"q{TEN}", calls("a"), f"n{TEN}")
    call_tokens = estimate("look{}")
    all_tokens = 20 + call_tokens + CANCELLED_TOKENS

    assert (await talk.choose("recent", all_tokens)).total_tokens == all_tokens
    assert numbers(await talk.choose("recent", all_tokens - 1)) == [2, 2, 3]
    assert numbers(await talk.choose("recent", all_tokens - 11)) == [3]
    assert (await talk.choose("smart", all_tokens)).total_tokens == all_tokens
    with pytest.raises(ContextTooLong):
        await talk.choose("smart", all_tokens - 1)


@pytest.mark.parametrize("mode", ["recent", "full"])
async def test_a_result_whose_call_is_not_in_the_context_is_left_out(talk, mode):
    await talk.has(result("never", "R"), "q", result(None, "S"), calls("a"), result("a", "A"), result("a", "B"), "next")

    assert await talk.texts(mode, 1000) == ["q", "", "A", "next"]


async def test_a_result_is_left_out_when_its_call_does_not_fit(talk):
    await talk.has(calls("a", text="long" * 100), result("a", "A"), "next")

    assert await talk.texts("recent", 50) == ["next"]


async def test_a_result_is_left_out_when_its_call_is_in_the_gap(talk):
    await talk.has("1", "2", "3", "4", calls("a"), result("a", "A"), *"bcdefg")

    assert await talk.texts("smart", 1000) == ["1", "2", "3", *"bcdefg"]


async def test_the_first_3_get_a_result_that_stands_behind_them(talk):
    await talk.has("1", "2", calls("a"), result("a", "A"), "next")
    exactly = 3 * estimate("1") + estimate("look{}") + estimate("A")

    assert await talk.texts("smart", exactly + estimate("next") - estimate("1")) == ["1", "2", "", "A", "next"]


async def test_a_result_as_newest_input_keeps_its_call(talk):
    await talk.has("q", calls("a", "b", text="long" * 100), result("a", "A"), result("b", "B"))
    needed = estimate("long" * 100 + "look{}" * 2) + estimate("A") + estimate("B")

    assert numbers(await talk.choose("recent", needed, kept_from=4)) == [2, 3, 4]
    assert numbers(await talk.choose("recent", needed)) == [2, 3, 4]
    with pytest.raises(ContextTooLong):
        await talk.choose("recent", needed - 1, kept_from=4)


async def test_a_late_result_moves_up_to_its_call(talk):
    await talk.has("q", calls("a"), "wait", result("a", "A"))

    assert await talk.texts("recent", 1000) == ["q", "", "A", "wait"]


async def test_call_ids_may_come_again(talk):
    await talk.has("q", calls("0"), result("0", "A"), calls("0"), result("0", "B"), calls("0"), "next")

    assert await talk.texts("full") == ["q", "", "A", "", "B", "", CANCELLED, "next"]


@pytest.mark.parametrize("mode", ["recent", "smart"])
async def test_a_context_never_exceeds_its_tokens_and_every_call_has_one_result(talk, mode):
    given = []
    for number in range(12):
        given += [f"q{number}", calls("x", f"{number}"), result("x", "r" * number), said("done" * number)]
        given += [result(f"{number - 1}", "late")] if number % 3 else []
    await talk.has(*given)

    for tokens in range(60, 400, 7):
        try:
            chosen = await talk.choose(mode, tokens)
        except ContextTooLong:
            continue
        assert chosen.total_tokens == sum(message.tokens for message in chosen.messages) <= tokens
        open_calls: list[str] = []
        for message in chosen.messages:
            if message.role == "tool":
                open_calls.remove(str(message.tool_call_id))
            else:
                assert open_calls == []
                open_calls = list(message.call_ids)
        assert open_calls == []


# --- what is read


@pytest.mark.parametrize(("mode", "tokens"), [("recent", 60), ("recent", 8000), ("smart", 8000)])
async def test_a_long_thread_costs_what_a_short_one_costs(talk, mode, tokens):
    await talk.has_many(LONG)

    chosen = await talk.choose(mode, tokens)

    assert len(chosen.messages) == {"recent": tokens // 6, "smart": 10}[mode]
    assert len(talk.tx.read) <= len(chosen.messages) + 2
    per_statement = [count for count, _ in talk.counting.counts]
    assert max(per_statement) <= ROWS_MAX
    assert len(per_statement) <= 2 + tokens // 6 // 100


async def test_a_short_thread_takes_one_statement(talk):
    await talk.has_many(SHORT)

    assert len((await talk.choose("recent", 8000)).messages) == SHORT
    assert len(talk.counting.counts) == 1


async def test_no_large_message_is_read_that_cannot_be_needed(talk):
    await talk.has(*("large" * 1000 for _ in range(20)), "new")

    assert len((await talk.choose("recent", 3000)).messages) == 3
    assert len(talk.tx.read) <= 4


@pytest.mark.parametrize("mode", ["recent", "smart", "full"])
async def test_of_a_long_thread_no_more_is_read_than_the_number_of_messages_says(talk, mode):
    await talk.has_many(LONG)

    chosen = await talk.choose(mode, 8000, count=5)

    assert len(chosen.messages) == 5
    assert len(talk.tx.read) <= 5
    assert len(talk.counting.counts) <= 2


async def test_what_a_model_wants_back_costs_as_little_as_the_context(talk):
    await talk.has_many(LONG)
    await talk.run("update messages set role = 'assistant', wanted_back = '{\"by\":\"x\"}' where seq % 2 = 0")
    await talk.run('update messages set wanted_back = \'{"by":"y"}\' where seq = 99998')
    talk.counting.counts.clear()

    chosen, wanted = await wanted_back.choose(
        talk.tx, THREAD, "x", configuration=Configuration(context_mode="smart", context_tokens=8000),
        instructions=None, until_seq=None, kept_from_seq=None,
    )  # fmt: skip

    assert numbers(chosen) == [1, 2, 3, *range(LONG - 6, LONG + 1)]
    assert list(wanted) == [100_000, 99_996, 99_994, 2]
    assert max(count for count, _ in talk.counting.counts) <= ROWS_MAX


# --- showing and sending


async def test_a_preview_shows_what_would_be_sent(talk):
    await talk.has("q", calls("a"))
    configuration = Configuration(context_mode="recent", context_tokens=100)

    preview = await context.preview(talk.tx, THREAD, configuration, "Be brief.")

    assert (preview.object, preview.thread_id, preview.context_mode, preview.context_tokens) == (
        "thread.context", THREAD, "recent", 100,
    )  # fmt: skip
    assert [(message.id is None, message.role) for message in preview.messages] == [
        (True, "system"), (False, "user"), (False, "assistant"), (True, "tool"),
    ]  # fmt: skip
    assert preview.total_tokens == sum(message.tokens for message in preview.messages)
    assert json.loads(bytes(preview.messages[1].content)) == [{"type": "text", "text": "q"}]
    assert json.loads(bytes(preview.messages[1].tool_calls)) is None
    assert json.loads(bytes(preview.messages[2].tool_calls))[0]["id"] == "a"


async def test_a_preview_of_full_has_no_limit(talk):
    await talk.has("q")

    assert (await context.preview(talk.tx, THREAD, Configuration(context_mode="full"), None)).context_tokens is None


@pytest.mark.parametrize("scope", [MEMBER, STRANGER], ids=["another member", "another organization"])
async def test_nobody_else_previews_or_chooses(talk, scope):
    await talk.has("secret")
    tx = ScopedTransaction(talk.counting, scope)
    configuration = Configuration(context_mode="full")

    with pytest.raises(ThreadNotFound):
        await context.preview(tx, THREAD, configuration, None)
    chosen = await context.choose(
        tx, THREAD, configuration=configuration, instructions=None, until_seq=None, kept_from_seq=None
    )
    assert chosen.messages == []


async def test_messages_are_sent_in_the_chat_format(talk):
    await talk.has(
        MessageCreate("user", [TextPart("one "), TextPart("two")]),
        MessageCreate("user", [TextPart("see"), ImagePart("https://i"), FilePart("https://f", "a.txt")]),
        MessageCreate("assistant", "", [call("c", "look", '{"a":1}')]),
        MessageCreate("tool", [TextPart("seen"), FilePart("https://g")], tool_call_id="c"),
        MessageCreate("assistant", "done", [call("d")]),
        MessageCreate("tool", "", tool_call_id="d"),
        MessageCreate("system", "Note"),
    )

    sent = chat_messages(await talk.choose("full", None, "Be brief."))

    def sent_call(id: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}

    assert sent == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one two"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "https://i"}},
                {"type": "text", "text": "[File: a.txt, https://f]"},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [sent_call("c", "look", '{"a":1}')]},
        {"role": "tool", "content": "seen\n[File: https://g]", "tool_call_id": "c"},
        {"role": "assistant", "content": "done", "tool_calls": [sent_call("d", "look", "{}")]},
        {"role": "tool", "content": "", "tool_call_id": "d"},
        {"role": "system", "content": "Note"},
    ]


async def test_what_only_users_may_show_is_named_in_messages_of_others(talk):
    await talk.has(MessageCreate("assistant", [TextPart("Look:"), ImagePart("https://i")]))

    assert chat_messages(await talk.choose("full")) == [{"role": "assistant", "content": "Look:\n[Image: https://i]"}]
