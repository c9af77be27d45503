"""Bugs of races: retries, workers that come back from the dead, states that change while somebody writes."""

from proof.bug import Bug, Edit

OPEN_IN_GUARD = """
      and locked_ms is null and archived_ms is null and response_id is null\"\"\""""
OPEN_IN_MANY = """
        where t.locked_ms is null and t.archived_ms is null and t.response_id is null
"""
KEYED_RUN = """        if keyed is not None:
            return await db.write(run_keyed, endpoint, arguments, keyed)
"""

LIVE = 'f"select t.response_id from threads t where {IS_LIVE}",\n    """\n    insert'
NOT_FENCED = (
    '"select r.id from responses r where r.organization = :organization and r.id = :response_id",\n    """\n    insert'
)
LIVE_OF_MANY = """
        select t.organization, t.response_id from threads t
        join (select distinct g.organization, g.thread, g.response_id from given g) g
            on t.organization = g.organization and t.key = g.thread and t.response_id = g.response_id
        where t.lease_until >= lease_clock()
        order by t.organization, t.key
        for share of t
"""
NOT_FENCED_OF_MANY = """
        select distinct g.organization, g.response_id from given g
"""

FIND = """

async def find(tx: ScopedTransaction, request: Request) -> Stored | None:
    row = await tx.fetch_one(READ, **request.row())
    return None if row is None or row[2] is None else Stored(row[1], row[2].encode(), row[3])
"""
STORE_AFTERWARDS = """        if keyed is not None:
            stored = await db.read(idempotency.find, keyed)
            if stored is not None:
                return Result(stored.status, stored.body, stored.revision, replayed=True)
            value = await db.write(operation, *arguments)
            result = result_of(value, endpoint.status)
            await db.write(idempotency.find_or_reserve, keyed)
            answer = Stored(result.status, without_secret(value, result.body), result.revision)
            await db.write(idempotency.store, keyed, answer, concerns_of(value))
            return result
"""

BUGS = [
    Bug(
        # As if each process had a dictionary of its own: others do not know its keys, nor does the next process.
        "de-duplication in the memory of each process and not in the database",
        (
            Edit("operations/idempotency.py", '{"caller": self.caller,', '{"caller": f"{getpid()} {self.caller}",'),
            Edit(
                "operations/idempotency.py",
                "from hashlib import sha256\n",
                "from hashlib import sha256\nfrom os import getpid\n",
            ),
        ),
        ("P4",),
    ),
    Bug(
        "the key is stored after the work, in a transaction of its own",
        (
            Edit("server/pipeline.py", KEYED_RUN, STORE_AFTERWARDS),
            Edit("operations/idempotency.py", "\n\nasync def store(", FIND + "\n\nasync def store("),
        ),
        ("P4",),
    ),
    Bug(
        "no fence: a worker writes without a look at the lease and at whose turn it is",
        (
            Edit("operations/responses/events.py", LIVE, NOT_FENCED),
            Edit("operations/responses/events.py", LIVE_OF_MANY, NOT_FENCED_OF_MANY),
            Edit(
                "operations/responses/settling.py",
                "if held.response_id != response_id or not held.is_leased:",
                "if held.response_id is None:",
            ),
        ),
        ("P5",),
    ),
    Bug(
        "whether a response runs is checked before the transaction that begins one",
        (
            Edit(
                "operations/responses/claiming.py",
                "    held.require_idle()\n    return held\n",
                "    return held\n",
            ),
            Edit(
                "runtime/answering.py",
                "        with self._relay.claiming():\n",
                '        if thread_id is not None and body.when_busy != "interrupt":\n'
                "            await db.read(explain, thread_id, Action.CREATE_RESPONSE)\n"
                "        with self._relay.claiming():\n",
            ),
            Edit(
                "runtime/answering.py",
                "from threadkeep.operations.responses.claiming import Claim, Terms\n",
                "from threadkeep.contract.lifecycle import Action\n"
                "from threadkeep.operations.responses.claiming import Claim, Terms\n"
                "from threadkeep.operations.threads.rows import explain\n",
            ),
        ),
        ("P5",),
    ),
    Bug(
        "the state of a thread is checked before the transaction that appends to it",
        (
            Edit("operations/messages/appending.py", OPEN_IN_GUARD, '\n      and response_id is null"""'),
            Edit("operations/messages/appending.py", OPEN_IN_MANY, "\n        where t.response_id is null\n"),
            Edit(
                "server/pipeline.py",
                KEYED_RUN,
                "        if operation is appending.append:\n"
                "            await db.read(explain, arguments[0], Action.ADD_MESSAGE)\n" + KEYED_RUN,
            ),
            Edit(
                "server/pipeline.py",
                "from threadkeep.operations.responses.expiring import past_expired\n",
                "from threadkeep.contract.lifecycle import Action\n"
                "from threadkeep.operations.messages import appending\n"
                "from threadkeep.operations.responses.expiring import past_expired\n"
                "from threadkeep.operations.threads.rows import explain\n",
            ),
        ),
        ("P7",),
    ),
    Bug(
        "a lock leaves the response that runs in the thread alone",
        (
            Edit(
                "operations/threads/state.py",
                "    if not is_same(held, changed):\n        await settling.settle(tx, held, settling.CANCELLED)\n",
                "    if not is_same(held, changed):\n",
            ),
        ),
        ("P7",),
    ),
]
