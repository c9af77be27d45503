"""Names: which messages a thread is named from, and the transaction that saves a name unless a person set a title."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from threadkeep import clock
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.limits import NAME_MESSAGES_MAX
from threadkeep.contract.messages import Part, TextPart
from threadkeep.contract.names import NameCreate, NameGenerated
from threadkeep.database.driver import Row
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ThreadEmpty, ThreadNotFound
from threadkeep.operations import idempotency
from threadkeep.operations.idempotency import Concerns, Stored
from threadkeep.operations.messages import lines
from threadkeep.operations.responses.rows import text_of
from threadkeep.operations.threads.rows import HeldThread, fold, hold

PERSON_WON = "The title was changed while a name was being made; it stays as it was set."
KEPT = "The thread has a title already; it stays."

READ_TITLE_REVISION = scoped("""
    select t.title_revision from threads t
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
    """)

LAST_MESSAGES = scoped("""
    select m.role, m.content from threads t
    join messages m on m.organization = t.organization and m.thread = t.key and m.seq > t.cleared_seq
    where t.organization = :organization and t.key = :thread and t.user_id = coalesce(:member, t.user_id)
      and m.status <> 'in_progress' and m.is_blank = 0
    order by m.seq desc limit :limit
    """)

LAST_ON_LINE = lines.within("""
    select m.seq, m.role, m.content from {runs}
    and m.status <> 'in_progress' and m.is_blank = 0
    order by m.seq desc limit :limit
    """)

SET_TITLE = scoped("""
    update threads set title = :title, title_folded = :title_folded,
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)

EARLIER_ANSWER = scoped("""
    select 1 from responses r
    where r.organization = :organization and r.thread = :thread and r.id < :response_id and r.status = 'completed'
    limit 1
    """)


class Question(NamedTuple):
    """What a name is made from: texts with their roles, oldest first, and the title to replace."""

    texts: Sequence[tuple[str, str]]
    # The thread's key: its id may belong to a new thread by the time the name is made.
    thread: int
    title_revision: int
    # The user whose usage counts the tokens.
    user_id: str
    # Whether the service names the thread by itself; the name is saved only if the title is still null then.
    is_automatic: bool = False


async def begin(
    tx: ScopedTransaction,
    thread_id: str,
    body: NameCreate,
    keyed: idempotency.IdempotentRequest | None,
    *,
    keeps_title: bool = False,
) -> Question | Stored:
    """Reserve the idempotency key and return what to make a name from; or return the stored answer of an earlier try.

    With `keeps_title` a title that is there is the answer. Raises ThreadEmpty when there is nothing to name,
    RequestInProgress for a key whose work goes on.
    """
    stored = await idempotency.find_or_reserve(tx, keyed, idempotency.RESERVED_MS)
    if stored is not None:
        return stored
    held = await hold(tx, thread_id)
    held.allow(Action.GENERATE_NAME)
    if keeps_title and held.title:
        kept = Stored(200, msgspec.json.encode(NameGenerated(True, thread_id, held.title, KEPT)))
        await idempotency.store(tx, keyed, kept, Concerns(thread_id))
        return kept
    question = await read(tx, held, body, tx.scope.user_id)
    if not any(text.strip() for _, text in question.texts):
        raise ThreadEmpty()
    return question


async def read(tx: ScopedTransaction, held: HeldThread, body: NameCreate, user_id: str) -> Question:
    [[title_revision]] = await tx.fetch(READ_TITLE_REVISION, thread=held.key)
    if body.messages is not None:
        texts = [(each.role, plain_text(each.content)) for each in body.messages]
    else:
        rows = await last_messages(tx, held)
        texts = [(role, text_of(content)) for role, content in reversed(rows)]
    return Question(texts, held.key, title_revision, user_id)


async def last_messages(tx: ScopedTransaction, held: HeldThread) -> Sequence[Row]:
    """Return role and content of the newest messages of the current line, the newest first."""
    if not held.is_branched:
        return await tx.fetch(LAST_MESSAGES, thread=held.key, limit=NAME_MESSAGES_MAX)
    spans = lines.line_to(await lines.forks_of(tx, held.key, held.cleared_seq), held.cleared_seq)
    found = await lines.newest_on(tx, held.key, spans, LAST_ON_LINE, NAME_MESSAGES_MAX)
    return [(role, content) for _, role, content in found]


def plain_text(content: str | list[Part]) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.text for part in content if isinstance(part, TextPart))


async def save(
    tx: ScopedTransaction,
    thread_id: str,
    question: Question,
    name: str,
    message: str,
    keyed: idempotency.IdempotentRequest | None,
) -> NameGenerated:
    """Make `name` the thread's title unless a person changed the title since; keep the answer for retries.

    Raises ThreadNotFound, ThreadLocked or ThreadArchived if that happened to the thread meanwhile.
    """
    held = await hold(tx, thread_id)
    if held.key != question.thread:
        raise ThreadNotFound()
    held.allow(Action.GENERATE_NAME)
    [[title_revision]] = await tx.fetch(READ_TITLE_REVISION, thread=held.key)
    if title_revision != question.title_revision or (question.is_automatic and held.title is not None):
        generated = NameGenerated(True, thread_id, held.title, PERSON_WON)
    else:
        if name != held.title:
            await tx.fetch(SET_TITLE, thread=held.key, title=name, title_folded=fold(name), now_ms=clock.now_ms())
        generated = NameGenerated(True, thread_id, name, message)
    await idempotency.store(tx, keyed, Stored(200, msgspec.json.encode(generated)), Concerns(thread_id))
    return generated


async def begin_automatic(tx: ScopedTransaction, thread_id: str, response_id: str) -> Question | None:
    """Return what to name the thread from, or None if it has a title or the response is not its first answer."""
    held = await hold(tx, thread_id)
    if (
        held.title is not None
        or not held.visible_in_ui
        or await tx.fetch(EARLIER_ANSWER, thread=held.key, response_id=response_id)
    ):
        return None
    question = await read(tx, held, NameCreate(), held.user_id)
    return question._replace(is_automatic=True) if any(text.strip() for _, text in question.texts) else None
