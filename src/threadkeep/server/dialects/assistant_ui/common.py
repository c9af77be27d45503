"""What all objects of this dialect share: times, errors, whose workspace it is, and what is not there."""

import time

import msgspec

from threadkeep.errors import ApiError, InsufficientPermissions, MethodNotAllowed, NotFound
from threadkeep.scope import Scope
from threadkeep.server.answers import JSON

PREFIX = "/assistant-ui/v1"
USER, WORKSPACE = b"aui-user-id", b"aui-workspace-id"
ANONYMOUS = ("/auth/tokens/anonymous", "/auth/tokens/refresh")
# What begins like this is not there, and why.
ABSENT = {
    "/threads/claim": "No threads are claimed here, since nobody is anonymous: give each person a token.",
    "/projects": "There are no projects here: the credential opens one organization.",
    "/scores": "No scores are kept here: what people think of a message goes to its feedback.",
    "/files": "threadkeep keeps no files: give the runtime an attachment adapter of your own.",
}


class CloudError(msgspec.Struct):
    """What is wrong: `error` is for programs, `message` for people."""

    error: str
    message: str


class Nothing(msgspec.Struct):
    """An answer without a body."""


def time_text(seconds: int) -> str:
    """Return a time exactly as JavaScript's toISOString() prints it: the client drops answers with any other."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def written(error: ApiError, _request_id: str) -> tuple[bytes, bytes]:
    return JSON, msgspec.json.encode(CloudError(error.code, error.message))


def reworded(error: ApiError, path: str) -> ApiError:
    """Return the error as it is worded here: one for what is not there says why."""
    rest = path.removeprefix(PREFIX)
    if rest in ANONYMOUS:
        return InsufficientPermissions("Nobody is anonymous here: give AssistantCloud an authToken, or an apiKey.")
    if isinstance(error, NotFound | MethodNotAllowed) and error.code in ("not_found", "method_not_allowed"):
        for beginning, why in ABSENT.items():
            if rest.startswith(beginning):
                return NotFound(why)
    return error


def heard(headers: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return the headers with the user whom a key acts for under its native name."""
    user_id = headers.get(USER)
    if user_id is None:
        return headers
    if headers.get(b"x-user-id", user_id) != user_id:
        raise InsufficientPermissions(
            "Aui-User-Id and X-User-Id name two users: send one of them.", param="Aui-User-Id"
        )
    return {**headers, b"x-user-id": user_id}


def check_workspace(headers: dict[bytes, bytes], scope: Scope) -> None:
    """Raise InsufficientPermissions for a workspace that several users share."""
    named = headers.get(WORKSPACE)
    if named is not None and named.decode("latin-1") not in (scope.user_id, scope.organization_id):
        raise InsufficientPermissions(
            "Workspaces shared by users are not kept here: let the workspace be the user's id.",
            param="Aui-Workspace-Id",
        )
