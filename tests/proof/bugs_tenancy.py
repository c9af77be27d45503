"""Bugs of tenancy, of credentials and of what is said to whom.

A statement without the organization is refused at import: what is planted here gets past that check.
"""

from proof.bug import Bug, Edit

MINE = "t.organization = :organization and t.id = :thread_id and t.user_id = coalesce(:member, t.user_id)"

BUGS = [
    Bug(
        "the organization is missing on the stream route: an `or` without parentheses",
        (
            Edit(
                "operations/responses/responses.py",
                f'FIND_RUNNING = scoped("""\n    select t.response_id from threads t\n    where {MINE}\n',
                'FIND_RUNNING = scoped("""\n    select t.response_id from threads t\n'
                f"    where {MINE}\n      or t.id = :thread_id\n",
            ),
            Edit(
                "operations/responses/responses.py",
                f'    where {MINE}\n      and r.id = :response_id\n    """)\n\nFIND_RUNNING',
                f'    where ({MINE} or t.id = :thread_id)\n      and r.id = :response_id\n    """)\n\nFIND_RUNNING',
            ),
        ),
        ("P12",),
    ),
    Bug(
        "the organization is missing on the cursor look-up of threads: an `or` without parentheses",
        (
            Edit(
                "operations/threads/listing.py",
                f"    select t.created_ms, t.key from threads t\n    where {MINE}\n",
                f"    select t.created_ms, t.key from threads t\n    where {MINE} or t.id = :thread_id\n",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a JWT is accepted whatever its audience",
        (
            Edit(
                "server/tokens.py",
                'options={"require": REQUIRED}',
                'options={"require": REQUIRED, "verify_aud": False}',
            ),
        ),
        ("P12",),
    ),
    Bug(
        "an Idempotency-Key counts for the whole organization",
        (
            Edit(
                "server/api.py",
                'idempotency_request(headers[b"idempotency-key"], acting.user_id, scope, decoded)',
                'idempotency_request(headers[b"idempotency-key"], acting.organization_id, scope, decoded)',
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a scope is remembered without the user whom a backend acts for",
        (
            Edit(
                "server/auth.py",
                "self.scopes.get((organization_id, acting_for))",
                "self.scopes.get((organization_id, None))",
            ),
            Edit(
                "server/auth.py",
                "self.scopes[organization_id, acting_for] = scope",
                "self.scopes[organization_id, None] = scope",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a colleague's thread is told apart from one that never was",
        (
            Edit(
                "operations/threads/listing.py",
                "        raise InvalidCursor(param=query.window.param)\n    return list(row)",
                "        raise InvalidCursor('There is no such thread, or it is not yours.' * (cursor[-1] < 'c'),\n"
                "                            param=query.window.param)\n    return list(row)",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a pooled connection goes back in the middle of a transaction when its request is cancelled",
        (
            Edit("database/postgres.py", "return await asyncio.shield(task)", "return await task"),
            Edit(
                "database/postgres.py",
                "            if not connection.is_closed() and connection.is_in_transaction():\n"
                "                connection.terminate()\n",
                "",
            ),
        ),
        ("P12",),
        databases=("postgres",),
    ),
    Bug(
        "results go, in order, to whoever still waits",
        (
            Edit(
                "database/sqlite_writer.py",
                "    for job in jobs:\n        if job.future.done():\n            continue\n"
                "        if job.error is not None:\n            job.future.set_exception(job.error)\n"
                "        else:\n            job.future.set_result(job.result)\n",
                "    waiting = [job for job in jobs if not job.future.done()]\n"
                "    for job, done in zip(waiting, jobs):\n"
                "        if done.error is not None:\n            job.future.set_exception(done.error)\n"
                "        else:\n            job.future.set_result(done.result)\n",
            ),
        ),
        ("P12",),
        databases=("sqlite",),
    ),
    Bug(
        "a verified credential is remembered anew each time it is used",
        (
            Edit(
                "server/auth.py",
                "        caller = self._callers.get(credential)\n",
                "        caller = self._callers.get(credential)\n        if caller is not None:\n"
                "            caller.fresh_until_s = clock.monotonic_s() + self._cache_s\n",
            ),
        ),
        ("P20",),
    ),
    Bug(
        "an open stream never asks again whether its credential counts",
        (
            Edit(
                "runtime/following.py",
                "            await allowed()\n            self._looked_s",
                "            self._looked_s",
            ),
        ),
        ("P20",),
    ),
    Bug(
        "a removed member's keys stay",
        (Edit("operations/organizations/members.py", "    await tx.fetch(REVOKE_KEYS, user_id=user_id)\n", ""),),
        ("P20",),
    ),
    Bug(
        "a credential that is refused is written into the log",
        (
            Edit(
                "server/auth.py",
                "            if found is None:\n                raise InvalidCredentials()\n",
                "            if found is None:\n                import logging\n\n"
                "                logging.getLogger(__name__).warning('Refused the key %s.', text)\n"
                "                raise InvalidCredentials()\n",
            ),
        ),
        ("P19",),
    ),
    Bug(
        "the answer that shows a new key is stored for retries as it is",
        (
            Edit(
                "operations/idempotency.py", "if isinstance(shown, KeyCreated) else body", "if shown is None else body"
            ),
        ),
        ("P19",),
    ),
    Bug(
        "a response's error says what the model's server said",
        (Edit("providers/faults.py", "({status}): check the settings and messages.", "({status}): {detail}"),),
        ("P19",),
    ),
    Bug(
        "an error repeats what was sent",
        (
            Edit(
                "server/query.py",
                'raise InvalidParameter("This parameter is an integer.", param=name)',
                'raise InvalidParameter(f"This parameter is an integer, and not {text}.", param=name)',
            ),
        ),
        ("P13",),
        scale=0.1,
    ),
    Bug(
        "a body that is nested too deep for the decoder is not foreseen",
        (Edit("server/body.py", "    except RecursionError:\n", "    except ZeroDivisionError:\n"),),
        ("P13",),
        scale=0.1,
    ),
    Bug(
        "a lone surrogate in a body is let through to the storage",
        (
            Edit(
                "server/body.py",
                'REFUSED_CHARACTER = re.compile("[\\0\\ud800-\\udfff]")',
                'REFUSED_CHARACTER = re.compile("[\\0]")',
            ),
        ),
        ("P13",),
        scale=0.1,
    ),
]
