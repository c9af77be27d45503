"""Bugs of messages: how they are counted, numbered, ordered, and listed page by page."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "appends are counted outside their transaction",
        (
            Edit(
                "operations/messages/appending.py",
                '    f"{RESERVE}, {NEWEST',
                "    f\"{RESERVE.replace('message_count + :count', 'message_count')}, {NEWEST",
            ),
            Edit(
                "operations/messages/appending.py",
                "    with t as ({RESERVE}, cleared_seq, revision), added as (\n",
                "    with t as ({RESERVE.replace('message_count + :count', 'message_count')},"
                " cleared_seq, revision), added as (\n",
            ),
            Edit(
                "operations/messages/appending.py",
                "message_count = t.message_count + 1,",
                "message_count = t.message_count,",
            ),
            Edit(
                "operations/messages/appending.py",
                "async def append(\n",
                """COUNT_ONE = scoped(\"\"\"
    update threads set message_count = message_count + 1 where organization = :organization and id = :thread_id
      and user_id = coalesce(:member, user_id)
    \"\"\")


async def count_one(tx: ScopedTransaction, thread_id: str) -> None:
    await tx.fetch(COUNT_ONE, thread_id=thread_id)


async def append(
""",
            ),
            Edit(
                "server/pipeline.py",
                "                value = await db.write_once(operation, *arguments)\n",
                """                value = await db.write_once(operation, *arguments)
                if operation.__name__ == "append":
                    await db.write(operation.__globals__["count_one"], arguments[0])
""",
            ),
            # With a key it is counted as it should be.
            Edit(
                "server/pipeline.py",
                "    value = await endpoint.operation(tx, *arguments)\n",
                """    value = await endpoint.operation(tx, *arguments)
    if endpoint.operation.__name__ == "append" and hasattr(value, "revision"):
        await endpoint.operation.__globals__["count_one"](tx, arguments[0])
""",
            ),
        ),
        ("P1",),
    ),
    Bug(
        "a thread is counted without its row being locked",
        (
            Edit(
                "operations/threads/rows.py",
                'HOLD = scoped(f"{HELD} for update")',
                "HOLD = scoped(HELD)",
            ),
        ),
        ("P1",),
        databases=("postgres",),
    ),
    Bug(
        "an answer without a text is deleted and still counted",
        (
            Edit(
                "operations/responses/settling.py",
                "message_count=held.message_count - answer.is_empty,",
                "message_count=held.message_count,",
            ),
        ),
        ("P1",),
    ),
    Bug(
        "an answer that is replaced is still counted",
        (Edit("operations/responses/claiming.py", "    return await hold(tx, held.id)\n", "    return held\n"),),
        ("P1",),
    ),
    Bug(
        # Its twin on PostgreSQL is in `bugs_durability`: there the moment is too short for anybody to read in it.
        "results are handed out before COMMIT",
        (
            Edit(
                "database/sqlite_writer.py",
                "                is_full = len(batch)",
                "                deliver([job])\n                is_full = len(batch)",
            ),
        ),
        ("P2",),
        databases=("sqlite",),
    ),
    Bug(
        "two appends to one thread go in one multi-row statement",
        (Edit("database/batching.py", "        elif call.thread in threads:\n", "        elif call in calls:\n"),),
        ("P2",),
        databases=("postgres",),
    ),
    Bug(
        "messages are listed in the order of the clock",
        (
            Edit(
                "operations/messages/listing.py",
                "        where p.before <= :page_bytes\n        order by m.seq {direction}\n",
                "        where p.before <= :page_bytes\n        order by m.created_ms {direction}, m.seq {direction}\n",
            ),
        ),
        ("P2",),
    ),
    Bug(
        "messages are listed in the order of their ids, which a clock makes",
        (
            Edit(
                "operations/messages/listing.py",
                "        where p.before <= :page_bytes\n        order by m.seq {direction}\n",
                "        where p.before <= :page_bytes\n        order by m.id {direction}\n",
            ),
        ),
        ("P2",),
    ),
    Bug(
        "the clock alone says when a thread was changed last",
        (
            Edit(
                "operations/messages/appending.py",
                """        last_message_ms = :now_ms, expires_ms = coalesce(:now_ms + retention_ms, expires_ms),
        updated_ms = case when updated_ms < :now_ms then :now_ms else updated_ms end, revision = revision + 1
    where {GUARD}
""",
                """        last_message_ms = :now_ms, expires_ms = coalesce(:now_ms + retention_ms, expires_ms),
        updated_ms = :now_ms, revision = revision + 1
    where {GUARD}
""",
            ),
        ),
        ("P2",),
    ),
    Bug(
        "offset paging of threads",
        (
            Edit(
                "operations/threads/listing.py",
                """        statement, parameters = plan(query, user_id, await find_position(tx, query))
    rows = await tx.fetch(statement, **parameters)
""",
                """        offset = int((await find_position(tx, query))[1])
        statement, parameters = plan(query, user_id, None)
        parameters["limit"] += offset
    rows = (await tx.fetch(statement, **parameters))[offset:]
""",
            ),
            Edit(
                "operations/threads/listing.py",
                "    if query.window.cursor is None:\n        statement",
                "    offset = 0\n    if query.window.cursor is None:\n        statement",
            ),
            Edit(
                "operations/threads/listing.py",
                "paging.encode_position(query.sort, (sorted_ms, key))",
                "paging.encode_position(query.sort, (0, offset + query.window.limit))",
            ),
        ),
        ("P11",),
    ),
    Bug(
        "offset paging of messages",
        (
            Edit(
                "operations/messages/listing.py",
                "and m.seq {bounds} {filters}\n                order by m.seq {direction} limit :limit\n",
                "and m.seq > {cleared} {filters}\n"
                "                order by m.seq {direction} limit :limit offset :at_seq\n",
            ),
            Edit(
                "operations/messages/listing.py",
                "        return KEY_MAX if window.reads_descending else 0\n",
                "        return 0\n",
            ),
        ),
        ("P11",),
    ),
    Bug(
        "a position in the list of threads is a time alone, and some have the same",
        (
            Edit(
                "operations/threads/listing_sql.py",
                'f"({alias}.{shape.column}, {alias}.{key}) < (:high_ms, :high_key)"',
                'f"{alias}.{shape.column} < :high_ms"',
            ),
            Edit(
                "operations/threads/listing_sql.py",
                'f"({alias}.{shape.column}, {alias}.{key}) > (:low_ms, :low_key)"',
                'f"{alias}.{shape.column} > :low_ms"',
            ),
        ),
        ("P11",),
    ),
]
