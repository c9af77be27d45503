"""Bugs of who may: what is taken from memory, what is not looked at again, and what a key has beyond its holder."""

from proof.bug import Bug, Edit

LATE = (
    "    if not standing.is_strict and clock.monotonic_s() > standing.counts_until_s:\n"
    "        await standing.judge(tx)\n"
)

BUGS = [
    Bug(
        "a caller counts for a request as he did when it began",
        (
            Edit(
                "server/auth.py",
                "        return self._caller.fresh_until_s\n",
                "        return math.inf\n",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "what waited for a lock is not judged again before its commit",
        (Edit("database/scoped.py", LATE, ""),),
        ("P27",),
        databases=("postgres",),
    ),
    Bug(
        "a write of one statement is not judged however late it begins",
        (Edit("database/scoped.py", "        raise Late\n", "        until_s = math.inf\n"),),
        ("P27",),
    ),
    Bug(
        "calls that change credentials take their caller from memory",
        (
            Edit(
                "server/pipeline.py",
                "caller.standing(organization_id, is_strict=endpoint.changes_credentials)",
                "caller.standing(organization_id, is_strict=False)",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "a caller who is judged again is looked for, but not for his role",
        (
            Edit(
                "operations/organizations/credentials.py",
                "    if role.rank < membership.role.rank:\n",
                "    if role.rank < 0:\n",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "a token is judged again by its signature alone, and not by its user's membership",
        (
            Edit(
                "operations/organizations/credentials.py",
                '            raise OrganizationAccessDenied(param="organizationId")\n',
                "            return\n",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "lowering a member leaves the member's keys as they are",
        (
            Edit(
                "operations/organizations/members.py",
                "    await tx.fetch(LOWER_KEYS, user_id=user_id, role=body.role.value)\n",
                "",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "a name is saved for whoever asked, whatever became of him",
        (
            Edit(
                "runtime/namer.py",
                "            return await db.write(names.save,",
                "            return await db.as_service().write(names.save,",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "who waits for an answer waits for it without another look",
        (
            Edit(
                "runtime/answering.py",
                "                with suppress(Unavailable, StorageFull):\n                    await allowed()\n",
                "",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "what one user has open is counted and not limited",
        (Edit("runtime/places.py", "self._taken[own] >= self._per_user_max", "self._taken[own] < 0"),),
        ("P27",),
    ),
]
