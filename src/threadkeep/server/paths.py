"""Finds the route of a request's path, and checks the format of the path's parameters."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from threadkeep import ids
from threadkeep.errors import (
    ApiError,
    AssistantNotFound,
    BulkNotFound,
    InvalidParameter,
    KeyNotFound,
    MemberNotFound,
    MessageNotFound,
    MethodNotAllowed,
    NotFound,
    ResponseNotFound,
    ThreadNotFound,
)
from threadkeep.server.endpoint import Endpoint

# Whatever has another format is looked for, and not found.
SHORT = re.compile("(?s:.{1,256})")
# An item's letters are its message's; several in one message are numbered.
ITEM = re.compile(r"(msg|fco|fc|rs)_([0-9a-z]{26})(?:_([0-9]{1,4}))?")

# The format of each path parameter, and the error for a value that does not match.
PATH_PARAMETERS: dict[str, tuple[re.Pattern[str], type[ApiError]]] = {
    "threadId": (ids.THREAD, ThreadNotFound),
    "messageId": (ids.made("msg"), MessageNotFound),
    "assistantId": (ids.ASSISTANT, AssistantNotFound),
    "responseId": (ids.made("resp"), ResponseNotFound),
    # Names that another service has for responses, and for what is in them.
    "runId": (ids.made("run"), ResponseNotFound),
    "stepId": (SHORT, NotFound),
    "conversationId": (re.compile("conv_[A-Za-z0-9_-]{1,121}"), ThreadNotFound),
    "itemId": (ITEM, MessageNotFound),
    # A message, by its id or its `externalId`.
    "rowId": (SHORT, MessageNotFound),
    # Ids that a dialect reads itself.
    "graphThreadId": (SHORT, NotFound),
    "graphRunId": (SHORT, NotFound),
    "graphAssistantId": (SHORT, NotFound),
    "keyId": (ids.made("key"), KeyNotFound),
    "userId": (ids.OPAQUE, MemberNotFound),
    "model": (SHORT, NotFound),
    # A thread's id, or its external one.
    "chatId": (re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,255}"), ThreadNotFound),
    "bulkId": (ids.made("bulk"), BulkNotFound),
}


class Route:
    """One path: its methods and the names of its parameters."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.endpoints: dict[str, Endpoint] = {}
        self.names = re.findall(r"\{(\w+)\}", path)
        # No check for the organization: its id is compared with the caller's organizations instead.
        self.checks = [PATH_PARAMETERS[name] for name in self.names if name != "organizationId"]

    def endpoint(self, method: str) -> Endpoint:
        """Return the endpoint of a method. Raises MethodNotAllowed."""
        endpoint = self.endpoints.get(method)
        if endpoint is None:
            raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(self.endpoints))})
        return endpoint


class Junction:
    """A place between two segments of paths. A fixed segment goes before a parameter."""

    __slots__ = ("fixed", "parameter", "route")

    def __init__(self) -> None:
        self.fixed: dict[str, Junction] = {}
        self.parameter: Junction | None = None
        self.route: Route | None = None


class Routes:
    """Every route of an API: those without parameters by their path, the others in a tree."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._whole: dict[str, Route] = {}
        self._root = Junction()
        for endpoint in endpoints:
            junction = self._root
            for segment in endpoint.path.split("/")[1:]:
                if segment.startswith("{"):
                    junction.parameter = junction = junction.parameter or Junction()
                else:
                    junction = junction.fixed.setdefault(segment, Junction())
            route = junction.route = junction.route or Route(endpoint.path)
            route.endpoints[endpoint.method] = endpoint
            if not route.names:
                self._whole[endpoint.path] = route

    def find(self, scope: dict[str, Any]) -> tuple[Route, list[str]]:
        """Return the route of a path and the values of its parameters. Raises NotFound."""
        path: str = scope["path"]
        route = self._whole.get(path)
        if route is not None:
            return route, []
        segments = path.split("/")
        # Not `in`, which tries to make a number of what it looks for.
        if scope["raw_path"].find(b"%") >= 0:
            # An escaped slash is part of its segment.
            segments = [unquote(each) for each in scope["raw_path"].decode("ascii").split("/")]
        junction: Junction | None = self._root
        values: list[str] = []
        for segment in segments[1:]:
            assert junction is not None
            following = junction.fixed.get(segment)
            if following is None:
                following = junction.parameter
                if following is None:
                    raise NotFound()
                values.append(segment)
            junction = following
        assert junction is not None
        if junction.route is None:
            raise NotFound()
        return junction.route, values


def check_path(route: Route, values: list[str], method: str) -> None:
    for (pattern, missing), value in zip(route.checks, values, strict=True):
        if not pattern.fullmatch(value):
            if missing is MemberNotFound and method == "PUT":
                raise InvalidParameter("A user id has 1 to 128 of A-Z a-z 0-9 _ . : @ | -", param="userId")
            raise missing()
