"""Checks the promises on the stored data: reads every table in batches, also while servers write.

Each rule gets facts that one statement read, so that they are of one moment. A row that looks broken is read again
before it is reported. Nothing is locked or changed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from threadkeep.database.driver import Database, Row, Transaction
from threadkeep.database.statement import Statement, everywhere
from threadkeep.operations.upkeep import verifying_bulks
from threadkeep.operations.upkeep import verifying_rules as rules
from threadkeep.operations.upkeep.verifying_rules import MessageFacts, PairFacts, ThreadFacts
from threadkeep.operations.upkeep.walks import TableWalk, walk

PROBLEMS_SHOWN_MAX = 100
ROWS_AT_ONCE = 1000
# One statement counts about this many messages; a thread with more is counted alone.
COUNTED_AT_ONCE = 100_000
# One statement reads about this many bytes of messages; a longer message is read alone.
BYTES_AT_ONCE = 8 * 1024 * 1024
# A thread that changes between two reads is read again, at most this often.
LOOKS_MAX = 5


class Problem(NamedTuple):
    """Something that does not hold."""

    organization_id: str | None
    thread_id: str | None
    message_id: str | None
    what: str


@dataclass(slots=True)
class Report:
    """What was checked, and the first of the problems found."""

    checked: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    problems_count: int = 0

    def add(self, problem: Problem) -> None:
        self.problems_count += 1
        if len(self.problems) < PROBLEMS_SHOWN_MAX:
            self.problems.append(problem)


ITS_MESSAGES = "from messages m where m.organization = t.organization and m.thread = t.key"

THREADS = walk(
    "threads",
    {"organization": 0, "id": ""},
    "select {columns} from threads t {batch} left join organizations o on o.key = t.organization",
    f"""o.id, t.key, t.user_id, t.title, t.title_folded, t.metadata, t.visible_in_ui, t.locked_ms, t.locked_by_role,
        t.message_count, t.last_seq, t.cleared_seq, t.last_message_ms, t.created_ms, t.updated_ms, t.revision,
        t.response_id, t.lease_until, t.shelf, t.expires_ms, t.retention_ms, t.payload_format, t.is_branched,
        (select p.size_bytes - octet_length(p.data) from payloads p
            where p.organization = t.organization and p.thread = t.key and p.seq = 0),
        (select count(*) from forks f
            where f.organization = t.organization and f.thread = t.key and f.seq > t.cleared_seq),
        (select count(*) from forks f
            where f.organization = t.organization and f.thread = t.key and f.seq > t.cleared_seq and not exists (
                select 1 from messages q
                where q.organization = f.organization and q.thread = f.thread and q.seq = f.seq)),
        (select r.status from responses r where r.organization = t.organization and r.id = t.response_id),
        (select count(*) {ITS_MESSAGES} and m.seq > t.cleared_seq),
        (select count(*) - count(distinct m.seq) {ITS_MESSAGES}),
        (select min(m.seq) {ITS_MESSAGES}),
        (select max(m.seq) {ITS_MESSAGES}),
        (select m.created_ms {ITS_MESSAGES} and m.seq > t.cleared_seq order by m.seq desc limit 1)""",
    rules.broken_in_thread,
    lambda _, id, organization_id, *rest: (organization_id, id, None),
    size="t.last_seq",
)

MESSAGES = walk(
    "messages",
    {"organization": 0, "thread": 0, "seq": -(2**62)},
    """select {columns} from messages m {batch}
    left join threads t on t.organization = m.organization and t.key = m.thread
    left join organizations o on o.key = m.organization""",
    """o.id, t.id, t.cleared_seq,
        exists (select 1 from purges p
            where p.organization = m.organization and p.thread = m.thread and p.last_seq >= m.seq),
        m.id, m.role, m.content, m.preview, m.size_bytes, m.status, m.tool_calls, m.tool_call_id, m.metadata,
        m.created_ms, m.updated_ms, m.revision, m.payload_format,
        (select p.size_bytes - octet_length(p.data) from payloads p
            where p.organization = m.organization and p.thread = m.thread and p.seq = m.seq),
        (select f.parent_seq from forks f
            where f.organization = m.organization and f.thread = m.thread and f.seq = m.seq),
        (select count(*) from forks f
            join messages q on q.organization = f.organization and q.thread = f.thread and q.seq = f.parent_seq
            where f.organization = m.organization and f.thread = m.thread and f.seq = m.seq and q.seq > t.cleared_seq),
        (select r.status from responses r where r.organization = m.organization and r.id = m.response_id),
        m.wanted_back""",
    rules.broken_in_message,
    lambda *row: (MessageFacts(*row).organization_id, MessageFacts(*row).thread_id, MessageFacts(*row).id),
    size="(octet_length(m.content) + coalesce(octet_length(m.tool_calls), 0)"
    " + coalesce(octet_length(m.wanted_back), 0) + 1000)",
)

ITS_EVENTS = "from response_events e where e.organization = r.organization and e.response = r.key"

RESPONSES = walk(
    "responses",
    {"organization": 0, "id": ""},
    """select {columns} from responses r {batch}
    left join threads t on t.organization = r.organization and t.key = r.thread
    left join organizations o on o.key = r.organization""",
    f"""o.id, t.id,
        exists (select 1 from purges p where p.organization = r.organization and p.thread = r.thread),
        t.response_id, r.status, r.finish_reason, r.error_code, r.created_ms, r.ended_ms, r.last_n, r.asked,
        r.first, (select count(*) from responses f
            where f.organization = r.organization and f.key = r.first and f.thread = r.thread and f.first is null),
        (select count(*) {ITS_EVENTS}), (select min(e.n) {ITS_EVENTS}), (select max(e.n) {ITS_EVENTS})""",
    rules.broken_in_response,
    lambda _, id, organization_id, thread_id, *rest: (organization_id, thread_id, None),
)

ASSISTANTS = walk(
    "assistants",
    {"organization": 0, "id": ""},
    """select {columns} from assistants a {batch}
    left join organizations o on o.key = a.organization""",
    """o.id, a.configuration, a.metadata, a.deleted_ms,
        coalesce(a.name, a.description, a.instructions) is not null""",
    rules.broken_in_assistant,
    lambda _, id, organization_id, *rest: (organization_id, None, None),
)

USAGE = walk(
    "usage_days",
    {"organization": 0, "day": "", "user_id": "", "assistant_id": "", "model": ""},
    "select {columns} from usage_days u {batch} left join organizations o on o.key = u.organization",
    "o.id, u.responses, u.input_tokens, u.output_tokens, u.estimated_tokens",
    rules.broken_in_usage,
    lambda _, day, user_id, assistant_id, model, organization_id, *rest: (organization_id, None, None),
)

PAIRS = walk(
    "thread_metadata",
    {"organization": 0, "pair": b"", "shelf": -1, "created_ms": 0, "thread": 0},
    """select {columns} from thread_metadata t {batch}
    left join threads s on s.organization = t.organization and s.key = t.thread
    left join organizations o on o.key = t.organization""",
    "t.user_id, o.id, s.id, s.shelf, s.created_ms, s.user_id, s.metadata",
    rules.broken_in_pair,
    lambda *row: (PairFacts(*row).organization_id, PairFacts(*row).thread_id, None),
)

PAYLOADS = walk(
    "payloads",
    {"organization": 0, "thread": 0, "seq": -1},
    """select {columns} from payloads p {batch}
    left join threads t on t.organization = p.organization and t.key = p.thread
    left join organizations o on o.key = p.organization""",
    """o.id, t.id,
        exists (select 1 from messages m
            where m.organization = p.organization and m.thread = p.thread and m.seq = p.seq),
        exists (select 1 from purges q
            where q.organization = p.organization and q.thread = p.thread and q.last_seq >= p.seq)""",
    rules.broken_in_payloads_place,
    lambda _, thread, seq, organization_id, thread_id, *rest: (organization_id, thread_id, None),
)

ORGANIZATIONS = walk(
    "organizations",
    {"key": 0},
    "select {columns} from organizations o {batch}",
    """o.id, o.deleted_ms,
        (select count(*) from members m where m.organization = o.key),
        (select count(*) from members m where m.organization = o.key and m.role = 'owner')""",
    rules.broken_in_organization,
    lambda key, organization_id, *rest: (organization_id, None, None),
)

MEMBERS = walk(
    "members",
    {"organization": 0, "user_id": ""},
    """select {columns} from members m {batch}
    left join organizations o on o.key = m.organization and o.deleted_ms is null""",
    "o.id, m.role",
    rules.broken_in_member,
    lambda _, user_id, organization_id, *rest: (organization_id, None, None),
)

KEYS = walk(
    "api_keys",
    {"organization": 0, "id": ""},
    """select {columns} from api_keys a {batch}
    left join members m on m.organization = a.organization and m.user_id = a.user_id
    left join organizations o on o.key = a.organization and o.deleted_ms is null""",
    "o.id, a.role, m.role",
    rules.broken_in_key,
    lambda _, id, organization_id, *rest: (organization_id, None, None),
)

ANSWERS = walk(
    "idempotency",
    {"organization": 0, "caller": "", "request": "", "key": ""},
    "select {columns} from idempotency i {batch} left join organizations o on o.key = i.organization",
    "o.id, i.status",
    rules.broken_in_answer,
    lambda _, caller, request, key, organization_id, *rest: (organization_id, None, None),
)

WALKS = [
    ORGANIZATIONS,
    MEMBERS,
    KEYS,
    ASSISTANTS,
    ANSWERS,
    THREADS,
    MESSAGES,
    PAYLOADS,
    RESPONSES,
    USAGE,
    PAIRS,
    *verifying_bulks.WALKS,
]

# Which threads of one organization lack a pair, or have changed since their pairs were computed (`changed`).
MISSING_PAIRS_TEXT = """
    select distinct w.thread, t.key is null as changed from (
        select cast(j.value ->> 0 as bigint) as thread, cast(j.value ->> 1 as bigint) as revision, {unhex} as pair
        from {source} j
    ) w
    left join threads t on t.organization = :organization and t.key = w.thread and t.revision = w.revision
    where t.key is null or (
        select count(*) from thread_metadata m
        where m.organization = :organization and m.pair = w.pair and m.shelf = t.shelf
          and m.created_ms = t.created_ms and m.thread = t.key and m.user_id = t.user_id
    ) = 0
    """

MISSING_PAIRS = everywhere(
    MISSING_PAIRS_TEXT.format(unhex="unhex(j.value ->> 2)", source="json_each(:wanted)"),
    postgres=MISSING_PAIRS_TEXT.format(
        unhex="decode(j.value ->> 2, 'hex')", source="json_array_elements(cast(:wanted as json))"
    ),
)


async def verify(database: Database, report: Report, show: Callable[[], None]) -> None:
    """Check everything into `report`; `show` is called after each batch. Raises Unavailable."""
    for each in WALKS:
        report.checked[each.name] = 0
        place = each.keys
        while rows := await database.read(fetch, each.batch, batch_parameters(each, place)):
            for row in rows:
                await check(database, each, row, report)
            if each is THREADS:
                await check_pairs(database, [ThreadFacts(*row) for row in rows], report)
            report.checked[each.name] += len(rows)
            place = each.place(rows[-1])
            show()


async def fetch(tx: Transaction, statement: Statement, parameters: dict[str, Any]) -> Sequence[Row]:
    return await tx.fetch(statement, parameters)


def batch_parameters(each: TableWalk, place: dict[str, Any]) -> dict[str, Any]:
    bound = {"threads": COUNTED_AT_ONCE, "messages": BYTES_AT_ONCE}.get(each.name, ROWS_AT_ONCE)
    return {**place, "limit": ROWS_AT_ONCE, "bound": bound}


async def check(database: Database, each: TableWalk, row: Row, report: Report) -> None:
    """Check a row. If it looks broken, read it again, and report it if it still is."""
    if next(each.broken(row), None) is None:
        return
    for again in await database.read(fetch, each.single, each.place(row)):
        for what in each.broken(again):
            report.add(Problem(*each.describe(*again), what))


async def check_pairs(database: Database, threads: Sequence[ThreadFacts], report: Report) -> None:
    """Check that every pair of the threads' metadata is stored. Surplus pairs are found by reading the pairs' table."""
    by_key = {(thread.organization, thread.key): thread for thread in threads}
    suspects = [(organization, key) for organization, key, _ in await missing_pairs(database, threads)]
    for _ in range(LOOKS_MAX):
        if not suspects:
            return
        found: list[ThreadFacts] = []
        for each in suspects:
            rows = await database.read(fetch, THREADS.single, THREADS.place(by_key[each]))
            found += [ThreadFacts(*row) for row in rows]
        by_key = {(thread.organization, thread.key): thread for thread in found}
        suspects = []
        for organization, key, changed in await missing_pairs(database, found):
            if changed:
                suspects.append((organization, key))
            else:
                where = THREADS.describe(*by_key[organization, key])
                report.add(Problem(*where, "it cannot be found by a metadata pair that it has"))


async def missing_pairs(database: Database, threads: Sequence[ThreadFacts]) -> list[tuple[int, int, bool]]:
    """Return (organization, key, changed) of the threads that lack a pair or have changed."""
    wanted: dict[int, list[list[Any]]] = {}  # Any: rows of JSON.
    for thread in threads:
        if pairs := rules.wanted_pairs(thread):
            wanted.setdefault(thread.organization, []).extend(pairs)
    missing = []
    for organization, pairs in wanted.items():
        given = {"organization": organization, "wanted": msgspec.json.encode(pairs).decode()}
        for key, changed in await database.read(fetch, MISSING_PAIRS, given):
            missing.append((organization, key, bool(changed)))
    return missing
