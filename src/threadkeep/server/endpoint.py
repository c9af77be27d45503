"""The types of a line of the route table, and of the request that its operation's arguments are taken from."""

import enum
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from threadkeep.contract.basis import OrganizationQuery
from threadkeep.operations import idempotency
from threadkeep.operations.revisions import Precondition
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Allowed, Presence
from threadkeep.scope import Role
from threadkeep.server.query import fields_of


class ExecutionMode(enum.Enum):
    """How an operation reaches the database."""

    READ = enum.auto()
    # Several statements that must see the same commit.
    READ_ONE_COMMIT = enum.auto()
    READ_SLOWLY = enum.auto()
    WRITE = enum.auto()
    # Refuses, if it does, before its first change.
    WRITE_CHECKED = enum.auto()
    WRITE_ONCE = enum.auto()
    # First reads by `prepare`, which takes the database itself; then writes, with what that found as the last argument.
    PREPARED = enum.auto()
    # Takes the database itself and uses several transactions.
    STEPS = enum.auto()
    # A method of Answering: also takes the database and the Idempotency-Key, and may answer with a stream.
    ANSWER = enum.auto()
    # Also takes what signs tokens. Its answer is a secret, and is kept for no retry.
    SIGN = enum.auto()
    # Takes only the caller, not the database.
    CALLER = enum.auto()


# A secret is kept for no retry, and what only reads may be done again.
KEYLESS = (ExecutionMode.SIGN, ExecutionMode.READ, ExecutionMode.READ_SLOWLY)


class Request:
    """One request while it is on its way through the pipeline: each step adds what it found out."""

    __slots__ = (
        "allowed", "answer_headers", "answering", "body", "headers", "keyed", "last_event_id", "path", "precondition",
        "presence", "query", "route",
    )  # fmt: skip

    def __init__(self, headers: dict[bytes, bytes], answering: Answering) -> None:
        self.headers = headers
        self.answering = answering
        # The path of its endpoint, as the route table writes it.
        self.route = "unknown"
        # What its endpoint adds to the headers of an answer.
        self.answer_headers: Sequence[tuple[bytes, bytes]] = ()
        # The values of the path's parameters, without the organization's.
        self.path: list[str] = []
        self.query: Any = None  # Any: the endpoint's own query struct.
        self.body: Any = None  # Any: the endpoint's own body struct, or None.
        self.precondition: Precondition | None = None
        self.keyed: idempotency.IdempotentRequest | None = None
        # The last event that the reader of a stream has received, as its browser remembers it.
        self.last_event_id: bytes | None = None
        # Set only for endpoints that stream. `allowed` raises when the credential has lost its access.
        self.allowed: Allowed
        self.presence: Presence


Arguments = Callable[[Request], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One line of the route table."""

    method: str
    path: str
    operation: Callable[..., Any]
    summary: str
    # Returns the operation's arguments, which follow its transaction.
    arguments: Arguments
    answer: Any  # Any: a struct, or a type form such as ListPage with the kind of its items.
    # Either fixed, or chosen by the arguments.
    mode: ExecutionMode | Callable[[Sequence[Any]], ExecutionMode] = ExecutionMode.READ
    role: Role = Role.MEMBER
    body: Any = None  # Any: a struct or a union of structs.
    choose_body: Callable[[dict[str, Any]], Any] | None = None
    # Where the body may name the organization, and where it may hold lists of messages.
    organization_at: tuple[str, ...] = ("organizationId",)
    messages_at: tuple[str, ...] = ()
    # Where it may hold payloads: paths of an object, or of a list of them. Such a body may be larger.
    payloads_at: tuple[str, ...] = ()
    query: type[OrganizationQuery] = OrganizationQuery
    status: int = 200
    errors: tuple[str, ...] = ()
    takes_precondition: bool = False
    # Whether it may end a response: its readers are then told at once. The path begins with its id, or its thread's.
    may_end_response: bool = False
    # Whether it may stream or wait for a model, unless `wants_neither` says that the body, or without one the query,
    # asks for neither.
    streams: bool = False
    wants_neither: Callable[[Any], bool] = lambda body: False
    more_statuses: tuple[int, ...] = ()
    # Only of PREPARED: returns what was found, and the status of the answer.
    prepare: Callable[..., Coroutine[Any, Any, tuple[Any, int]]] | None = None
    # Headers of its whole answers, besides those that all have.
    headers: Sequence[tuple[bytes, bytes]] = ()
    # What the documentation says besides the summary.
    description: str = ""

    @cached_property
    def query_kinds(self) -> dict[str, type]:
        return fields_of(self.query)

    @cached_property
    def default_query(self) -> OrganizationQuery:
        return self.query()

    @cached_property
    def names_organization(self) -> bool:
        return "{organizationId}" in self.path

    @cached_property
    def takes_idempotency_key(self) -> bool:
        return self.method == "POST" and self.mode not in KEYLESS

    @cached_property
    def changes_credentials(self) -> bool:
        """Whether it may revoke a key, a role or a membership: every write to an organization may."""
        return self.names_organization and self.method != "GET"

    @cached_property
    def only_reads(self) -> bool:
        """Whether it does nothing but read: then no response can be in its way, and nobody must hear of it."""
        return self.method == "GET" and self.mode is not ExecutionMode.ANSWER

    @cached_property
    def is_for_members(self) -> bool:
        return self.role is Role.MEMBER

    def body_for(self, decoded: dict[str, Any]) -> Any:
        """Return the struct of this body: the endpoint may take several."""
        return self.body if self.choose_body is None else self.choose_body(decoded)
