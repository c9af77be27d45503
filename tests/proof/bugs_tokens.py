"""Bugs of tokens for a product's own users: what they open, and what takes them away."""

from proof.bug import Bug, Edit

CREDENTIALS = "operations/organizations/credentials.py"
FOUND = "organization, organization_id, name, user_id, Role.MEMBER, key_id, retention_days, generation\n"
COUNTS = "        if may_make_tokens(Role(role)) and await tokens.counts(inside, user_id, generation):\n"

BUGS = [
    Bug(
        "a product user's token has the role of its key",
        (
            Edit(
                CREDENTIALS,
                FOUND,
                "organization, organization_id, name, user_id, Role(role), key_id, retention_days, generation\n",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a product user's token has the rights of a member with that user id",
        (
            Edit(
                "server/auth.py",
                '        return f"{found.organization_id}/{said.user_id}", [found]\n',
                "        own = await self._database.read(find_memberships, said.user_id)\n"
                "        own = [each for each in own if each.organization == found.organization]\n"
                '        return f"{found.organization_id}/{said.user_id}", own or [found]\n',
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a product user's token opens the other organizations of a person with that user id",
        (
            Edit(
                "server/auth.py",
                '        return f"{found.organization_id}/{said.user_id}", [found]\n',
                "        own = await self._database.read(find_memberships, said.user_id)\n"
                "        own = [each for each in own if each.organization != found.organization]\n"
                '        return f"{found.organization_id}/{said.user_id}", [found, *own]\n',
            ),
            Edit(
                "server/auth.py",
                "            if len(self.memberships) != 1:\n",
                "            if not self.memberships:\n",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a person's token makes tokens as the person's role would allow",
        (
            Edit(
                "operations/organizations/tokens.py",
                "    if not tx.scope.key_id:\n        raise InsufficientPermissions(",
                "    if not tx.scope.user_id:\n        raise InsufficientPermissions(",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "a revoked key takes its tokens along, but not one that was lowered",
        (Edit(CREDENTIALS, "    return role.rank >= Role.ADMIN.rank\n", "    return role.rank >= Role.MEMBER.rank\n"),),
        ("P12", "P20", "P27"),
    ),
    Bug(
        "a token counts as long as its key does, whether its user was removed or not",
        (Edit(CREDENTIALS, COUNTS, "        if may_make_tokens(Role(role)) and inside:\n"),),
        ("P12", "P20"),
    ),
    Bug(
        "a token made before its user was removed counts again when another is made",
        (
            Edit(
                "operations/organizations/tokens.py",
                "    return [kept for (kept,) in await tx.fetch(READ, user_id=user_id)] == [generation]\n",
                "    return bool(await tx.fetch(READ, user_id=user_id))\n",
            ),
        ),
        ("P12",),
    ),
    Bug(
        "removing a user who is no member leaves the user's tokens",
        (
            Edit(
                "operations/organizations/members.py",
                "    had_tokens = await tokens.revoke(tx, user_id)\n",
                "    had_tokens = member is not None and await tokens.revoke(tx, user_id)\n",
            ),
        ),
        ("P20",),
    ),
    Bug(
        "a product's user is judged again by the key alone",
        (
            Edit(
                CREDENTIALS,
                "        if not await tokens.counts(tx, membership.user_id, membership.generation):\n"
                "            raise InvalidCredentials()\n",
                "",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "a product's user is not judged again before a write",
        (
            Edit(
                CREDENTIALS,
                "    if membership.generation:\n        maker",
                "    if membership.generation:\n        return\n        maker",
            ),
        ),
        ("P27",),
    ),
    Bug(
        "the answer that shows a token is stored for retries",
        (
            Edit(
                "server/endpoint.py",
                '        return self.method == "POST" and self.mode not in KEYLESS\n',
                '        return self.method == "POST"\n',
            ),
            Edit(
                "server/pipeline.py",
                "        if keyed is not None:\n            return await",
                "        if keyed is not None:\n            if mode is ExecutionMode.SIGN:\n"
                "                arguments = [self._authenticator.sign, *arguments]\n"
                "            return await",
            ),
        ),
        ("P19",),
    ),
    Bug(
        "a claim of our own tokens is believed to be of its type",
        (
            Edit(
                "server/tokens.py",
                "    if not isinstance(value, str) or not ids.made(name).fullmatch(value):\n",
                "    if value is None:\n",
            ),
        ),
        ("P13",),
        scale=0.1,
    ),
]
