"""Bugs of what must survive: a commit that nobody waited for, a sync left out, an end that nobody writes."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "SQLite's results are handed out before their commit",
        (
            Edit(
                "database/sqlite_writer.py",
                '            self._connection.execute("commit")\n        except TransactionLost:',
                '            deliver(batch)\n            self._connection.execute("commit")\n'
                "        except TransactionLost:",
            ),
        ),
        ("P3",),
        ("sqlite",),
    ),
    Bug(
        "a transaction on PostgreSQL is answered while its commit is under way",
        (
            Edit(
                "database/postgres.py",
                "            await connection.execute(begin)\n",
                "            committing = None\n            await connection.execute(begin)\n",
            ),
            Edit(
                "database/postgres.py",
                '            await connection.execute("commit")\n',
                '            committing = asyncio.ensure_future(connection.execute("commit"))\n'
                "            self._writes.add(committing)\n",
            ),
            Edit(
                "database/postgres.py",
                "            if not connection.is_closed() and connection.is_in_transaction():\n"
                "                connection.terminate()\n"
                "            self._connections.give(connection)\n",
                "            if committing is not None:\n"
                "                committing.add_done_callback(lambda _: self._connections.give(connection))\n"
                "            else:\n"
                "                if not connection.is_closed() and connection.is_in_transaction():\n"
                "                    connection.terminate()\n"
                "                self._connections.give(connection)\n",
            ),
        ),
        ("P3",),
        ("postgres",),
    ),
    Bug(
        "synchronous=NORMAL: SQLite syncs its log at checkpoints only",
        (Edit("database/sqlite.py", '"synchronous = full"', '"synchronous = normal"'),),
        ("P3",),
        ("sqlite",),
    ),
    Bug(
        "synchronous_commit=off: PostgreSQL answers before its log is on the disk",
        (Edit("database/postgres_session.py", '"synchronous_commit": "on"', '"synchronous_commit": "off"'),),
        ("P3",),
        ("postgres",),
    ),
    Bug(
        "no sweeper: nobody ends the responses of a process that died",
        (
            Edit("operations/upkeep/sweeping.py", "    settling.settle_one_expired,\n", ""),
            Edit("runtime/runtime.py", "            await settle_all_expired(self._database)\n", ""),
            # Nor does whoever reads one see that it was left.
            Edit(
                "operations/responses/rows.py",
                "t.lease_until < lease_clock() - {LEFT_MS} then",
                "t.lease_until < 0 then",
            ),
        ),
        ("P6",),
    ),
    Bug(
        "streaming is a flag that is cleared at the end, and not the lease of who streams",
        (
            Edit(
                "operations/threads/rows.py",
                "t.visible_in_ui, t.message_count, {IS_LEASED}, t.locked_ms, t.archived_ms",
                "t.visible_in_ui, t.message_count, t.response_id is not null, t.locked_ms, t.archived_ms",
            ),
        ),
        ("P6",),
        # On SQLite the next start clears it.
        ("postgres",),
    ),
    Bug(
        "a lease is renewed for a minute",
        (
            Edit(
                "runtime/journal.py",
                "        lease_ms = int(self._lease_s * 1000)\n",
                "        lease_ms = 60_000\n",
            ),
        ),
        ("P6",),
        # On SQLite the next start knows that all leases are dead.
        ("postgres",),
    ),
    Bug(
        "SIGTERM waits for what runs and does not end it",
        (
            Edit(
                "runtime/relay.py",
                "            for worker in list(self._workers) if now_s >= until_s else ():\n"
                "                self._end_early(worker, STOPPED)\n",
                "",
            ),
            Edit("runtime/relay.py", "(now_s := clock.monotonic_s()) < until_s", "clock.monotonic_s() < until_s"),
        ),
        ("P15",),
    ),
    Bug(
        "SIGTERM gives what runs no time",
        (Edit("runtime/runtime.py", "self.relay.drain(self._drain_s)", "self.relay.drain(0)"),),
        ("P15",),
    ),
    Bug(
        "SIGTERM closes the streams before their answers have ended",
        (
            Edit(
                "runtime/runtime.py",
                "        await self.relay.drain(self._drain_s)\n",
                "        self.channels.close()\n        await self.relay.drain(self._drain_s)\n",
            ),
        ),
        ("P15",),
    ),
]
