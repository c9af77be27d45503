"""What happens between a request and its operation: arguments in, one transaction, an answer out."""

import enum
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from threadkeep.contract.answers import Page
from threadkeep.contract.basis import OrganizationQuery
from threadkeep.contract.messages import Message
from threadkeep.contract.organizations import Key
from threadkeep.contract.strict import strict
from threadkeep.contract.threads import Thread
from threadkeep.database.scoped import ScopedDatabase, ScopedTransaction
from threadkeep.errors import (
    InsufficientPermissions,
    InvalidField,
    InvalidParameter,
    LeaseExpired,
    Unavailable,
    UnknownField,
)
from threadkeep.operations import idempotency
from threadkeep.operations.idempotency import Stored, concerns_of, without_secret
from threadkeep.operations.responses import settling
from threadkeep.operations.revisions import Precondition, Versioned
from threadkeep.operations.threads.rows import ATTEMPTS_MAX
from threadkeep.runtime.answering import Answering
from threadkeep.runtime.frames import Allowed, Answered, Presence, Streamed
from threadkeep.scope import Role
from threadkeep.server.cursors import CursorSeal
from threadkeep.server.query import fields_of

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
INDEX = re.compile(r"\[\d+\]")

encode = msgspec.json.Encoder().encode


class Way(enum.Enum):
    """How an operation reaches the database."""

    READ = enum.auto()
    READ_SLOWLY = enum.auto()
    WRITE = enum.auto()
    WRITE_ONCE = enum.auto()
    # Takes the database itself and uses several transactions.
    STEPS = enum.auto()
    # A method of Answering: takes the database and the retry's key as well, and may answer with a stream.
    ANSWER = enum.auto()
    # Is answered from the credential alone, in whichever organizations it opens.
    CALLER = enum.auto()


@dataclass(slots=True)
class Request:
    """The parts of a request that operations may ask for."""

    path: list[str]
    query: Any  # Any: the endpoint's own query struct.
    body: Any  # Any: the endpoint's own body struct, or None.
    precondition: Precondition | None
    # Where a reader of a stream stands, as its browser remembers it.
    last_event_id: bytes | None = None
    # Raises when the credential does not count any more, for answers that take their time.
    allowed: Allowed | None = None
    presence: Presence = field(default_factory=Presence)


Arguments = Callable[[Request], Sequence[Any]]


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One line of the route table."""

    method: str
    path: str
    operation: Callable[..., Any]
    summary: str
    # What the operation gets after its transaction.
    arguments: Arguments
    answer: Any  # Any: a struct, or a type form such as Page with the kind of its items.
    # Either fixed, or chosen by the arguments.
    way: Way | Callable[[Sequence[Any]], Way] = Way.READ
    role: Role = Role.MEMBER
    body: Any = None  # Any: a struct or a union of structs.
    choose_body: Callable[[dict[str, Any]], Any] | None = None
    query: type[OrganizationQuery] = OrganizationQuery
    status: int = 200
    errors: tuple[str, ...] = ()
    takes_precondition: bool = False
    # Whether it may end the thread's response, whose readers should not have to wait for the next look.
    may_end_response: bool = False
    # Whether it answers with a stream, always or when the body says so.
    streams: bool = False
    more_statuses: tuple[int, ...] = ()
    # What the documentation says besides the summary.
    description: str = ""

    @cached_property
    def query_kinds(self) -> dict[str, type]:
        return fields_of(self.query)

    @cached_property
    def default_query(self) -> OrganizationQuery:
        return self.query()

    def body_for(self, decoded: dict[str, Any]) -> Any:
        """Return which of the endpoint's body structs was sent."""
        return self.body if self.choose_body is None else self.choose_body(decoded)

    def takes_its_time(self, body: Any) -> bool:  # Any: the endpoint's own body struct.
        """Whether the request is a stream or waits for what a model says."""
        return self.streams and (getattr(body, "stream", False) or not getattr(body, "background", False))

    async def run(
        self,
        db: ScopedDatabase,
        request: Request,
        keyed: idempotency.Request | None,
        seal: CursorSeal,
        answering: Answering,
    ) -> "Result | Streamed":
        """Do the work of the request. Raises InsufficientPermissions for a role below the endpoint's."""
        if self.role is not Role.MEMBER and db.scope.role.rank < self.role.rank:
            raise InsufficientPermissions(f"This needs the role {self.role} in the organization.")
        arguments = self.arguments(request)
        for _ in range(ATTEMPTS_MAX):
            try:
                result = await self._run(db, arguments, request, keyed, seal, answering)
            except LeaseExpired as expired:
                # Its worker died: whoever meets it first ends it, and goes on as if it had been ended before.
                await db.write(settling.settle_expired, expired.thread_id)
            else:
                if self.may_end_response:
                    answering.nudge(db.scope.organization, request.path[0])
                return result
        raise Unavailable()

    async def _run(
        self,
        db: ScopedDatabase,
        arguments: Sequence[Any],
        request: Request,
        keyed: idempotency.Request | None,
        seal: CursorSeal,
        answering: Answering,
    ) -> "Result | Streamed":
        way = self.way if isinstance(self.way, Way) else self.way(arguments)
        if way is Way.ANSWER:
            return answer_of(await self.operation(answering, db, keyed, *arguments))
        if keyed is not None:
            return await db.write(run_keyed, self, arguments, request, keyed)
        match way:
            case Way.READ:
                value = await db.read(self.operation, *arguments)
            case Way.WRITE_ONCE:
                value = await db.write_once(self.operation, *arguments)
            case Way.WRITE:
                value = await db.write(self.operation, *arguments)
            case Way.READ_SLOWLY:
                value = await db.read_slowly(self.operation, *arguments)
            case Way.STEPS:
                value = await self.operation(db, *arguments)
        if type(value) is Page and value.next_cursor is not None:
            value.next_cursor = seal.seal(value.next_cursor)
        return result_of(value, self.status)


@dataclass(slots=True)
class Result:
    """An answer, encoded."""

    status: int
    body: bytes
    revision: int | None
    replayed: bool = False


def result_of(value: Any, status: int) -> Result:
    if type(value) is Versioned:
        return Result(status, encode(value.object), value.revision)
    return Result(status, encode(value), None)


def answer_of(answered: Answered | Streamed) -> Result | Streamed:
    if isinstance(answered, Streamed):
        return answered
    body = b"" if answered.value is None else encode(answered.value)
    return Result(answered.status, body, None, answered.was_replayed)


async def run_keyed(
    tx: ScopedTransaction, endpoint: Endpoint, arguments: Sequence[Any], request: Request, keyed: idempotency.Request
) -> Result:
    """Run the endpoint's operation once per Idempotency-Key: the answer is stored in the same transaction."""
    stored = await idempotency.find_or_reserve(tx, keyed)
    if stored is not None:
        return Result(stored.status, stored.body, stored.revision, replayed=True)
    value = await endpoint.operation(tx, *arguments)
    result = result_of(value, endpoint.status)
    await idempotency.store(
        tx, keyed, Stored(result.status, without_secret(value, result.body), result.revision), concerns_of(value)
    )
    return result


def convert(value: dict[str, Any], kind: Any) -> Any:
    """Make the endpoint's struct of a decoded body. Raises UnknownField or InvalidField with the field's path."""
    try:
        return msgspec.convert(value, strict(kind))
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        path = path.rstrip("`").removeprefix(".").replace("[...]", "")
    if problem.startswith("Object contains unknown field"):
        name = problem.split("`")[1]
        param = f"{path}.{name}" if path else name
        if name in READ_ONLY:
            raise InvalidField("This field is read-only: leave it out.", param=param)
        shown = name if name.isascii() and name.replace("_", "").isalnum() and len(name) <= 64 else "…"
        raise UnknownField("This field is unknown here: leave it out.", param=f"{path}.{shown}" if path else shown)
    if problem.startswith("Object missing required field"):
        name = problem.split("`")[1]
        raise InvalidField("This field is required.", param=f"{path}.{name}" if path else name)
    if problem.startswith("Invalid"):
        # Imported when first needed: it costs memory, and most processes never refuse such a field.
        from threadkeep.server.choices import choices

        listed = ", ".join(choices(kind, INDEX.sub("", path))) or "its listed values"
        raise InvalidField(f"This field must be one of {listed}.", param=path or "body")
    expected = problem.replace("`", "")
    raise InvalidField(f"This field is not what it must be: {expected}.", param=path or "body")


# Fields that every answer shows and no request may send.
READ_ONLY = frozenset(
    [field.encode_name for kind in (Thread, Message, Key) for field in msgspec.structs.fields(kind)]
    + ["completedAt", "finishReason", "inputMessageIds", "messageId", "outputText", "usage", "error"]
)


def check_idempotency_key(key: str) -> None:
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX or not (key.isascii() and key.isprintable()):
        raise InvalidParameter("An Idempotency-Key has 1 to 255 printable ASCII characters.", param="Idempotency-Key")
