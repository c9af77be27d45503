"""Bugs of deletion: what is left of messages and threads, and threads that delete themselves."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "the deletion of a thread forgets its payloads",
        (
            Edit(
                "operations/upkeep/purging.py",
                'for table in ("messages", "payloads", "forks", "deleted_messages")',
                'for table in ("messages", "forks", "deleted_messages")',
            ),
        ),
        ("P18",),
    ),
    Bug(
        "the deletion of a message forgets its payload",
        (
            Edit(
                "operations/messages/messages.py",
                "    await tx.fetch(payloads.DELETE, thread=held.key, seq=seq, last_seq=seq)\n",
                "",
            ),
        ),
        ("P18",),
    ),
    Bug(
        "what a thread was before a bulk outlives the thread",
        (
            Edit(
                "operations/threads/threads.py",
                '    await tx.execute_many(FORGET, [{"thread": each.key} for each in gone])\n',
                "",
            ),
        ),
        ("P18",),
    ),
    Bug(
        "nobody deletes what has expired",
        (Edit("operations/upkeep/sweeping.py", "    expiring.expire_threads,\n", ""),),
        ("P26",),
        databases=("sqlite",),
    ),
    Bug(
        "an expired thread is deleted without another look at its expiry",
        (
            Edit(
                "operations/upkeep/expiring.py",
                "        where t.expires_ms <= g.now_ms and t.response_id is null\n",
                "        where t.response_id is null\n",
            ),
        ),
        ("P26",),
        databases=("postgres",),
    ),
]
