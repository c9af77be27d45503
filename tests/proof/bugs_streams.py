"""Bugs of streams, of how responses end, and of what a model's faults do."""

from proof.bug import Bug, Edit

BUGS = [
    Bug(
        "what a model says is shown as it comes, and stored with the next flush",
        (
            Edit(
                "runtime/journal.py",
                """        if generation not in self._waiting:
            self._add(generation)
        elif""",
                """        known = len(generation.rows)
        if shown := generation.take_rows()[known:]:
            data = b"".join(frame(generation.response_id, *row) for row in shown)
            generation.channel.publish(shown[0][0], shown[-1][0], data)
        if generation not in self._waiting:
            self._add(generation)
        elif""",
            ),
        ),
        ("P8",),
    ),
    Bug(
        "a reader that comes back gets the event that it has once more",
        (Edit("operations/responses/responses.py", "if n > after_n]", "if n >= after_n]"),),
        ("P8",),
    ),
    Bug(
        "the position of a reader that comes back is taken for the next event, which it never gets",
        (Edit("runtime/following.py", "else position.n\n", "else position.n + (position.n > 1)\n"),),
        ("P8",),
    ),
    Bug(
        "the AI SDK is told text behind reasoning before its part has begun",
        (
            Edit(
                "server/dialects/ai_sdk/streams.py",
                'if type == TEXT and self._open == "text":',
                "if type == TEXT and self._open:",
            ),
        ),
        ("P8",),
    ),
    Bug(
        "AG-UI is shown what is written of an answer, and told it from its start as well",
        (Edit("server/dialects/ag_ui/runs.py", "snapshot_of(line, running)", "snapshot_of(line, None)"),),
        ("P8",),
    ),
    Bug(
        "the AI SDK is told the answer from where it is, and not from its start",
        (
            Edit(
                "server/dialects/ai_sdk/chats.py",
                "answering.follow(db, None, thread_id, response_id, None, None)",
                'answering.follow(db, None, thread_id, response_id, f"{response_id}:2", None)',
            ),
        ),
        ("P8",),
    ),
    Bug(
        "a lock takes the thread's turn away and leaves the response as it is",
        (
            Edit(
                "operations/threads/state.py",
                """        await settling.settle(tx, held, settling.CANCELLED)
        return await set_state(tx, held, changed)""",
                """        await tx.fetch(
            scoped(
                "update threads set response_id = null, lease_until = null where organization = :organization "
                "and key = :thread and user_id = coalesce(:member, user_id)"
            ),
            thread=held.key,
        )
        return await set_state(tx, held, changed)""",
            ),
        ),
        ("P9",),
    ),
    Bug(
        "a worker ends its response without a look at whether somebody else has ended it",
        (
            Edit(
                "operations/responses/settling.py",
                """    if held.response_id != response_id or not held.is_leased:
        raise FencedOff
    await end(tx, held, finished, is_worker=True)""",
                """    await end(tx, held._replace(response_id=response_id), finished)""",
            ),
        ),
        ("P9",),
    ),
    Bug(
        "AG-UI is not told that an answer was cancelled",
        (
            Edit(
                "server/dialects/ag_ui/stream.py",
                'yield self._run.finish(outcome={"type": "cancelled"})',
                'yield b""',
            ),
        ),
        ("P9",),
    ),
    Bug(
        "a reader of a cancelled response is told so by its last event, and then once more as it leaves",
        (
            Edit(
                "runtime/following.py",
                """                except (Unavailable, StorageFull):  # The reader keeps its place.
                    await asyncio.sleep(RETRY_S)
""",
                """                except (Unavailable, StorageFull):  # The reader keeps its place.
                    await asyncio.sleep(RETRY_S)
            if self._row.status == "cancelled":
                await self._end(emit)
""",
            ),
        ),
        ("P9",),
    ),
    Bug(
        "readers in another process are not woken when a response has ended",
        (
            Edit(
                "runtime/channels.py",
                "            if response_id not in running:\n",
                "            if response_id not in running and channel.is_local:\n",
            ),
        ),
        ("P9",),
        databases=("postgres",),
    ),
    Bug(
        "a process that is asked to end lets its readers go before its answers have ended",
        (
            Edit(
                "runtime/runtime.py",
                "        await self.relay.drain(self._drain_s)\n",
                "        self.channels.close()\n        await self.relay.drain(self._drain_s)\n",
            ),
        ),
        ("P9",),
    ),
    Bug(
        "a line of a model that is no JSON ends the loop that reads it, and nobody ends the response",
        (
            Edit(
                "providers/answer.py",
                "UnreadableChunk:\n            self.error = faults.unreadable()\n        except TooLong:",
                "TooLong:",
            ),
            Edit(
                "runtime/relay.py",
                """        except Exception:  # Where a task ends: the response must end too.
            logger.exception("Response %s failed.", worker.claim.response_id)
            ending = INTERNAL
""",
                "",
            ),
        ),
        ("P14",),
    ),
    Bug(
        "what a model's server says of its error is passed on",
        (
            Edit(
                "providers/faults.py",
                '"The model\'s server reported an error: try again later."',
                'f"The model\'s server reported an error: {detail}"',
            ),
        ),
        ("P14",),
    ),
    Bug(
        "only an answer that came to its end is stored in its message",
        (
            Edit(
                "runtime/relay.py",
                'return Answer("".join(self.texts), ',
                'return Answer("" if self.ending and self.ending.was_cut else "".join(self.texts), ',
            ),
        ),
        ("P14",),
    ),
    Bug(
        "the length of a model's line is looked at when the line has ended",
        (
            Edit(
                "providers/events.py",
                """        if self._begun_bytes > self._line_bytes_max:
            raise TooLong
""",
                "",
            ),
        ),
        ("P14",),
    ),
    Bug(
        "a stream of a model that just ends counts as complete",
        (
            Edit(
                "providers/answer.py",
                "if not self.has_finish:",
                "if not self.has_finish and not self._has_begun:",
            ),
        ),
        ("P14",),
    ),
]
