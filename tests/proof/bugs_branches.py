"""Bugs of branches, conditional writes and copies."""

from proof.bug import Bug, Edit

LINES = "operations/messages/lines.py"
APPENDING = "operations/messages/appending.py"
COPYING = "operations/threads/copying.py"

BUGS = [
    Bug(
        "the deletion of a message leaves its children where they were",
        (Edit(LINES, "    await tx.fetch(MOVE_CHILDREN, thread=held.key, seq=seq, parent_seq=parent_seq)\n", ""),),
        ("P22",),
    ),
    Bug(
        "what follows the deleted first message of a branch falls back to the line before",
        (Edit(LINES, "    if next_seq is None or next_fork is not None:\n", "    if True:\n"),),
        ("P22",),
    ),
    Bug(
        "what is replaced takes along what follows it, and leaves its branches",
        (
            Edit(
                LINES,
                "        if first > seq and at >= 0 and spans[at][0]",
                "        if first < seq and at >= 0 and spans[at][0]",
            ),
        ),
        ("P22",),
    ),
    Bug(
        "a message that stands beside another one is not counted",
        (
            Edit(
                APPENDING,
                "        message_count=held.message_count + len(drafts),\n",
                "        message_count=held.message_count + len(drafts) - len(placed.forks),\n",
            ),
        ),
        ("P22",),
    ),
    Bug(
        "a message follows the newest one of the line that its caller has seen last",
        (
            Edit(
                APPENDING,
                "order by p.seq desc limit 1\n        )",
                "order by p.created_ms, p.seq limit 1\n        )",
            ),
        ),
        ("P22",),
    ),
    Bug(
        "an own id is looked for in its call alone",
        (
            Edit(
                "operations/messages/placing.py", "    if taken is not None:\n", "    if taken is None and not names:\n"
            ),
        ),
        ("P22",),
    ),
    Bug(
        "a copy takes the messages of all lines",
        (
            Edit(
                COPYING,
                "source.cleared_seq) if source.is_branched else []\n",
                "source.cleared_seq) if not source.is_branched else []\n",
            ),
        ),
        ("P22",),
    ),
    Bug(
        "a member copies any thread of the organization",
        (
            Edit(
                COPYING,
                "await store(tx, await hold(tx, thread_id), body, user_id)",
                "await store(tx, await hold(ScopedTransaction(tx._transaction, system_scope(tx.scope.organization)), "
                "thread_id), body, user_id)",
            ),
            Edit(
                COPYING,
                "from threadkeep.ids import",
                "from threadkeep.scope import system_scope\nfrom threadkeep.ids import",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "If-Match is not looked at where messages come with a change of the thread",
        (
            Edit(
                APPENDING,
                "    match(held.revision, precondition)\n",
                "    if body.thread is UNSET:\n        match(held.revision, precondition)\n",
            ),
        ),
        ("P23",),
    ),
    Bug(
        "If-Match is compared before the thread's row is held",
        (
            Edit(
                APPENDING,
                "    held = await hold(tx, thread_id)\n    held.allow(Action.ADD_MESSAGE)\n",
                "    seen = await threads.read_without_payload(tx, thread_id)\n"
                "    held = await hold(tx, thread_id)\n    held.allow(Action.ADD_MESSAGE)\n",
            ),
            Edit(APPENDING, "    match(held.revision, precondition)\n", "    match(seen.revision, precondition)\n"),
        ),
        ("P23",),
        databases=("postgres",),
    ),
    Bug(
        "all messages are replaced in two transactions",
        (
            Edit(
                "server/pipeline.py",
                "            case ExecutionMode.WRITE:\n",
                "            case ExecutionMode.WRITE:\n"
                '                if getattr(arguments[-2:-1] and arguments[-2], "replaces", 0) == "all":\n'
                '                    await db.write(operation.__globals__["messages"].delete_all, arguments[0])\n',
            ),
        ),
        ("P23",),
    ),
]
