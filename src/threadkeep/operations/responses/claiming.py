"""The claim: one transaction takes a thread's turn, stores the input and an empty answer. Then the model is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from msgspec import UNSET

from threadkeep import clock
from threadkeep.contract.basis import Raw
from threadkeep.contract.lifecycle import Action
from threadkeep.contract.messages import Message, MessageCreate
from threadkeep.contract.responses import ResponseCreate, ResponseInThreadCreate
from threadkeep.contract.threads import ThreadCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ApiError, InvalidField, RateLimited, ThreadEmpty
from threadkeep.ids import made_ms, new_id
from threadkeep.operations import idempotency, metadata
from threadkeep.operations.idempotency import Concerns, Stored
from threadkeep.operations.messages import lines, messages, placing
from threadkeep.operations.messages.lines import Fork
from threadkeep.operations.messages.placing import AT_ROOT, MessagePosition
from threadkeep.operations.messages.rows import COLUMNS as MESSAGE_COLUMNS
from threadkeep.operations.messages.rows import draft, messages_of, set_times
from threadkeep.operations.responses import configuration, continuing, settling
from threadkeep.operations.responses.chain_rows import Chain
from threadkeep.operations.responses.configuration import Combined
from threadkeep.operations.responses.manner import NATIVE, Asked, Manner, encode
from threadkeep.operations.responses.rows import StoredResponse, find_by_id
from threadkeep.operations.threads import service_made, threads
from threadkeep.operations.threads.rows import HeldThread, hold

# Claims of one organization run one after the other: no other claim comes between counting responses and adding one.
LOCK_COUNTS = scoped(
    "select :organization",
    postgres="select pg_advisory_xact_lock(hashtextextended('threadkeep claims', :organization))",
)

# Cheap: an index alone answers it. It also counts responses whose worker has died, until they are settled.
COUNT = scoped("""
    select count(*), coalesce(sum(case when r.user_id = :user_id then r.is_personal else 0 end), 0) from responses r
    where r.organization = :organization and r.status = 'in_progress'
    """)

COUNT_LIVE = scoped("""
    select count(*), coalesce(sum(case when r.user_id = :user_id then r.is_personal else 0 end), 0) from threads t
    join responses r on r.organization = t.organization and r.id = t.response_id
    where t.organization = :organization and t.response_id is not null and t.lease_until >= lease_clock()
    """, every_user=True)  # fmt: skip

NEWEST_ID = scoped("""
    select r.id from responses r
    where r.organization = :organization and r.thread = :thread
    order by r.id desc limit 1
    """)

INSERT_ANSWER = scoped("""
    insert into messages (organization, thread, seq, id, role, content, preview, size_bytes, status, user_id,
        assistant_id, response_id, metadata, created_ms, updated_ms, revision)
    values (:organization, :thread, :seq, :message_id, 'assistant', '[]', '', 4, 'in_progress', :user_id,
        :assistant_id, :response_id, '{}', :now_ms, :now_ms, :now_ms)
    """)

INSERT_RESPONSE = scoped("""
    insert into responses (organization, id, thread, message_seq, message_id, user_id, assistant_id, model, status,
        input_count, input_message_ids, metadata, input_tokens, output_tokens, is_estimated, created_ms, is_personal,
        first, asked)
    values (:organization, :response_id, :thread, :seq, :message_id, :user_id, :assistant_id, :model, 'in_progress',
        :input_count, :input_message_ids, :metadata, 0, 0, 1, :now_ms, :is_personal, :first, :asked)
    returning key
    """)

TAKE_TURN = scoped("""
    update threads set response_id = :response_id, lease_until = statement_clock() + :lease_ms,
        last_seq = :last_seq, message_count = :message_count, last_message_ms = :now_ms, is_branched = :is_branched,
        expires_ms = coalesce(:now_ms + retention_ms, expires_ms),
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where organization = :organization and key = :thread and user_id = coalesce(:member, user_id)
    """)


@dataclass(frozen=True, slots=True)
class Terms:
    """The server's settings for responses."""

    lease_ms: int
    per_user_max: int
    per_organization_max: int
    models: Sequence[str]
    default_model: str
    context_tokens: int
    takes_any_model: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A thread's turn that was taken: all that its worker needs to know."""

    organization: int
    organization_id: str
    thread: int
    thread_id: str
    response_id: str
    # Its key in the database.
    response: int
    message_seq: int
    input_count: int
    combined: Combined
    claimed_s: float
    row: StoredResponse
    # Whether the model is asked only if there is something to answer.
    needs_question: bool


async def claim(
    tx: ScopedTransaction,
    thread_id: str | None,
    body: ResponseCreate,
    keyed: idempotency.IdempotentRequest | None,
    terms: Terms,
    manner: Manner = NATIVE,
) -> Claim | str:
    """Take the turn of a thread for one response. With None it is the thread that the body names or describes, or one
    that the service makes.

    Returns the id of the response instead, if an earlier request with the same key began one. Raises ThreadBusy,
    RateLimited, ThreadEmpty, AssistantBound and others; then nothing is stored.
    """
    claimed_s = clock.monotonic_s()
    earlier = await idempotency.find_or_reserve(tx, keyed)
    if earlier is not None:
        return str(earlier.response_id)
    if thread_id is None and manner.hidden is None:
        thread_id = await thread_of_body(tx, body)
    await tx.fetch(LOCK_COUNTS)
    if thread_id is None:
        assert manner.hidden is not None
        # Whoever has too many running must not have lines copied in vain.
        await require_capacity(tx, terms)
        # Locks the thread's row, as what follows does: only after the counts, as every other claim.
        thread_id = await service_made.thread_for(tx, manner.hidden)
    held = await hold_idle(tx, thread_id, body)
    await require_capacity(tx, terms)
    chain = None
    if manner.continues is not None:
        chain = await continuing.waiting(tx, thread_id, manner.continues, body.input)
    elif manner.requires_calls:
        await continuing.require_calls(tx, held, body.input)
    combined = await combine(tx, held, body, terms, manner, chain)
    if body.replaces is not None:
        held = await replace_newest(tx, held, body)
    drafts, params = input_drafts(body)
    begins_at = await asked_place(tx, held, body)
    if not drafts and manner.needs_question:
        require_question(begins_at or await placing.newest(tx, held.key, held.cleared_seq))
    kept = {"first": None if chain is None else chain.first.key, "asked": asked_of(combined, manner)}
    made = await store(tx, held, drafts, params, begins_at, combined, body, terms, kept)
    await idempotency.store(tx, keyed, Stored(200, response_id=made["response_id"]), Concerns(thread_id))
    return await claim_of(tx, held, made, len(drafts), combined, claimed_s, manner)


async def hold_idle(tx: ScopedTransaction, thread_id: str, body: ResponseCreate) -> HeldThread:
    """Lock a thread that takes a response now. Raises ThreadBusy, unless the body says to interrupt what runs there."""
    held = await hold(tx, thread_id)
    held.allow(Action.CREATE_RESPONSE)
    if held.response_id is not None and held.is_leased and body.when_busy == "interrupt":
        await settling.settle(tx, held, settling.CANCELLED)
        held = await hold(tx, thread_id)
    held.require_idle()
    return held


async def claim_of(
    tx: ScopedTransaction, held: HeldThread, made: dict[str, Any], input_count: int, combined: Combined,
    claimed_s: float, manner: Manner,
) -> Claim:  # fmt: skip
    row = await find_by_id(tx, made["response_id"])
    assert row is not None
    return Claim(
        tx.scope.organization,
        tx.scope.organization_id,
        held.key,
        held.id,
        made["response_id"],
        made["response"],
        made["seq"],
        input_count,
        combined,
        claimed_s,
        row,
        manner.needs_question,
    )


async def thread_of_body(tx: ScopedTransaction, body: ResponseCreate) -> str:
    """Return the id of the thread that the body names, or creates."""
    assert isinstance(body, ResponseInThreadCreate)
    if not isinstance(body.thread, ThreadCreate):
        return body.thread
    try:
        created = await threads.create(tx, body.thread)
    except ApiError as error:
        if error.param is not None:
            error.param = f"thread.{error.param}"
        raise
    return str(created.object.id)


async def require_capacity(tx: ScopedTransaction, terms: Terms) -> None:
    """Raise RateLimited at the limit of running responses. A program with a plain key has no limit of its own."""
    for statement in (COUNT, COUNT_LIVE):
        [[total, own]] = await tx.fetch(statement, user_id=tx.scope.user_id)
        is_full = total >= terms.per_organization_max
        if not is_full and not (tx.scope.is_person and own >= terms.per_user_max):
            return
    limit = terms.per_organization_max if is_full else terms.per_user_max
    whose = "organization" if is_full else "user"
    raise RateLimited(
        f"This {whose} has {limit} responses running, as many as may: wait for one to end, or cancel one.",
        headers={"Retry-After": "1"},
    )


async def combine(
    tx: ScopedTransaction, held: HeldThread, body: ResponseCreate, terms: Terms, manner: Manner, chain: Chain | None
) -> Combined:
    """Return the settings of the response: the assistant's, the request's, the server's; or those of its chain."""
    if chain is not None:
        combined = await continuing.settings_of(tx, chain)
    else:
        assistant = await configuration.resolve(tx, held.assistant_id, body.assistant_id)
        way = configuration.combine
        if manner.overrides:
            way = configuration.override if held.assistant_id is None else configuration.override_bound
        combined = way(assistant, configuration.configuration_of(body), body.instructions)
        if manner.additional_instructions is not None:
            combined = configuration.with_more(combined, manner.additional_instructions)
    defaults = configuration.with_defaults(
        combined.configuration, model=terms.default_model, context_tokens=terms.context_tokens
    )
    configuration.check_model(str(defaults.model), () if terms.takes_any_model else terms.models)
    return replace(combined, configuration=defaults)


def asked_of(combined: Combined, manner: Manner) -> str | None:
    """Return what is kept with the response, if its caller wants it: a chain keeps it with its first one."""
    if manner.asked is None or manner.continues is not None:
        return None
    return encode(Asked(combined.configuration, combined.instructions, own=Raw(manner.asked))).decode()


async def replace_newest(tx: ScopedTransaction, held: HeldThread, body: ResponseCreate) -> HeldThread:
    """Delete the thread's newest message, an assistant's, so that it is answered anew."""
    if body.after is not UNSET:
        raise InvalidField("With replaces the place is known: leave after out.", param="after")
    newest = await placing.newest(tx, held.key, held.cleared_seq)
    if newest is None or (newest.id, newest.role) != (body.replaces, "assistant"):
        raise InvalidField("Only the thread's newest message, an assistant's, can be replaced.", param="replaces")
    await messages.delete(tx, held.id, str(body.replaces))
    return await hold(tx, held.id)


def input_drafts(body: ResponseCreate) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the stored form of the request's input, and its names in errors. Raises InvalidField."""
    if body.input is None:
        return [], []
    if isinstance(body.input, str):
        if not body.input.strip():
            raise InvalidField("The input is blank: send text, or leave it out.", param="input")
        return [draft(MessageCreate("user", body.input), "input.")], ["input."]
    if not body.input:
        raise InvalidField("The input holds no message: send some, or leave it out.", param="input")
    params = [f"input[{position}]." for position in range(len(body.input))]
    for each, param in zip(body.input, params, strict=True):
        if each.parent_id is not UNSET:
            raise InvalidField("The input follows what after says: leave parentId out.", param=f"{param}parentId")
    return [draft(each, param) for each, param in zip(body.input, params, strict=True)], params


async def asked_place(tx: ScopedTransaction, held: HeldThread, body: ResponseCreate) -> MessagePosition | None:
    """Return the message that `after` names, or the root; None without it. Raises MessageNotFound."""
    if body.after is UNSET:
        return None
    return AT_ROOT if body.after is None else await placing.find(tx, held, body.after, "after")


def require_question(last: MessagePosition | None) -> None:
    """Raise ThreadEmpty without a message before the answer, InvalidField unless it is a user's or a tool's."""
    if last is None or last.role is None:
        raise ThreadEmpty(param="input")
    if last.role not in ("user", "tool"):
        raise InvalidField("The last message is no user's and no tool's: send input to answer.", param="input")


async def store(
    tx: ScopedTransaction, held: HeldThread, drafts: list[dict[str, Any]], params: Sequence[str],
    begins_at: MessagePosition | None, combined: Combined, body: ResponseCreate, terms: Terms, kept: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Store input, the empty answer and the response, and take the turn. Return the answer's and response's ids."""
    now_ms = clock.now_ms()
    made = {
        "response_id": await next_id(tx, held, kept),
        "message_id": new_id("msg"),
        "seq": held.last_seq + len(drafts) + 1,
        "thread": held.key,
        "user_id": tx.scope.user_id,
        "assistant_id": combined.assistant_id,
        "now_ms": now_ms,
    }
    set_times(tx.scope, drafts, now_ms, params)
    # The answer is placed like one more message.
    answer = {"id": made["message_id"], "parent": UNSET, "external_id": None}
    forks: list[Fork] = []
    if begins_at is not None or any(each["external_id"] is not None for each in drafts):
        forks = (await placing.place(tx, held, [*drafts, answer], [*params, ""], begins_at)).forks
    await messages.insert(tx, held.key, held.last_seq + 1, drafts, now_ms)
    await placing.store(tx, held.key, forks)
    await tx.fetch(INSERT_ANSWER, **made)
    [[made["response"]]] = await tx.fetch(
        INSERT_RESPONSE,
        model=combined.configuration.model,
        input_count=len(drafts),
        is_personal=int(tx.scope.is_person),
        input_message_ids=msgspec.json.encode([each["id"] for each in drafts]).decode(),
        metadata=metadata.merge(metadata.EMPTY, body.metadata or {}),
        **kept,
        **made,
    )
    await tx.fetch(
        TAKE_TURN,
        thread=held.key,
        response_id=made["response_id"],
        lease_ms=terms.lease_ms,
        last_seq=made["seq"],
        message_count=held.message_count + len(drafts) + 1,
        is_branched=int(bool(held.is_branched or forks)),
        now_ms=now_ms,
    )
    return made


async def next_id(tx: ScopedTransaction, held: HeldThread, kept: dict[str, Any]) -> str:
    """Return the id of a new response. Where chains are kept it sorts behind the thread's others, whatever the clock
    of the process that began those: the newest one decides whether a chain still waits.
    """
    response_id = new_id("resp")
    if kept["asked"] is None and kept["first"] is None:
        return response_id
    for (newest_id,) in await tx.fetch(NEWEST_ID, thread=held.key):
        if response_id <= newest_id:
            return new_id("resp", made_ms(newest_id) + 1)
    return response_id


INPUT_MESSAGES = scoped(f"""
    select {MESSAGE_COLUMNS}, {lines.PARENT_ID.format(cleared=":cleared_seq")} from messages m
    where m.organization = :organization and m.thread = :thread and m.seq > :after_seq and m.seq < :message_seq
    order by m.seq
    """)


async def input_messages(
    tx: ScopedTransaction, thread: int, thread_id: str, cleared_seq: int, message_seq: int, count: int
) -> list[Message]:
    """Return the messages that a request stored, without those that were deleted since."""
    rows = await tx.fetch(
        INPUT_MESSAGES,
        thread=thread,
        cleared_seq=cleared_seq,
        after_seq=max(cleared_seq, message_seq - count - 1),
        message_seq=message_seq,
    )
    return messages_of([columns for *columns, _ in rows], thread_id, [parent_id for *_, parent_id in rows])
