"""How a response is read: its columns, and the object made of them."""

from typing import Any, NamedTuple

from threadkeep import clock
from threadkeep.contract.basis import Raw
from threadkeep.contract.messages import Message, Part, TextPart
from threadkeep.contract.responses import Response, ResponseError, ResponseUsage
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.decoding import decoder
from threadkeep.operations import metadata
from threadkeep.operations.messages.rows import NULL
from threadkeep.operations.responses.events import LEFT_MS
from threadkeep.scope import Scope

# The answer's message is joined through the thread, so that a deleted or cleared message is not shown.
COLUMNS = f"""r.id, r.created_ms, r.ended_ms, t.id, r.user_id, r.assistant_id, r.model, r.status, r.finish_reason,
    r.error_code, r.error_message, r.input_message_ids, r.metadata, r.input_tokens, r.output_tokens, r.is_estimated,
    r.last_n, r.message_seq, r.message_id, r.input_count, r.events_until_ms, t.key, t.cleared_seq, m.id, m.content,
    case when r.status = 'in_progress' and t.lease_until < lease_clock() - {LEFT_MS} then t.lease_until end"""

ANSWER = """left join messages m on m.organization = t.organization and m.thread = t.key and m.seq = r.message_seq
        and m.seq > t.cleared_seq"""

READ_BY_ID = scoped(f"""
    select {COLUMNS} from responses r
    join threads t on t.organization = r.organization and t.key = r.thread
    {ANSWER}
    where r.organization = :organization and r.id = :response_id and t.user_id = coalesce(:member, t.user_id)
    """)

decode_ids: Any = decoder(list[str]).decode
decode_parts: Any = decoder(list[Part]).decode


class StoredResponse(NamedTuple):
    """A row of COLUMNS."""

    id: str
    created_ms: int
    ended_ms: int | None
    thread_id: str
    user_id: str
    assistant_id: str | None
    model: str
    status: str
    finish_reason: str | None
    error_code: str | None
    error_message: str | None
    input_message_ids: str
    metadata: str
    input_tokens: int
    output_tokens: int
    is_estimated: int
    last_n: int | None
    message_seq: int
    message_id: str
    input_count: int
    events_until_ms: int | None
    thread: int
    cleared_seq: int
    stored_message_id: str | None
    content: str | None
    # When the lease ran out of a response whose worker has died, until its end is stored.
    left_ms: int | None

    @property
    def has_ended(self) -> bool:
        return self.status != "in_progress"

    @property
    def has_events(self) -> bool:
        """Whether what was streamed can still be read."""
        is_kept = not self.has_ended or self.events_until_ms is not None
        return is_kept and self.message_seq > self.cleared_seq


async def find_by_id(tx: ScopedTransaction, response_id: str) -> StoredResponse | None:
    row = await tx.fetch_one(READ_BY_ID, response_id=response_id)
    return None if row is None else StoredResponse(*row)


def text_of(content: str) -> str:
    """Return the text in a message's stored parts."""
    return "".join(part.text for part in decode_parts(content) if isinstance(part, TextPart))


def response_of(row: StoredResponse, scope: Scope, text_so_far: str | None = None) -> Response:
    """Make the object. `text_so_far` is the text of an answer that is still being generated."""
    text = text_of(row.content or "[]") if text_so_far is None else text_so_far
    error = ResponseError(row.error_code, row.error_message or "") if row.error_code is not None else None  # type: ignore[arg-type]  # What settles a response gives one of the codes.
    return Response(
        row.id,
        "response",
        row.created_ms // 1000,
        None if row.ended_ms is None else row.ended_ms // 1000,
        row.thread_id,
        scope.organization_id,
        row.user_id,
        row.assistant_id,
        row.model,
        row.status,  # type: ignore[arg-type]  # What settles a response gives one of the statuses.
        row.finish_reason,  # type: ignore[arg-type]  # And one of the reasons.
        decode_ids(row.input_message_ids),
        row.stored_message_id,
        text,
        ResponseUsage(
            row.input_tokens, row.output_tokens, row.input_tokens + row.output_tokens, bool(row.is_estimated)
        ),
        error,
        Raw(row.metadata.encode()),
    )


def as_created(row: StoredResponse, scope: Scope, parent_id: str | None) -> tuple[Response, Message]:
    """Return the response and its answer as they were when the response began."""
    begun = row._replace(
        status="in_progress", finish_reason=None, ended_ms=None, error_code=None, input_tokens=0, output_tokens=0,
        is_estimated=1, stored_message_id=row.message_id,
    )  # fmt: skip
    message = Message(
        row.message_id,
        "thread.message",
        row.created_ms // 1000,
        row.created_ms // 1000,
        row.thread_id,
        row.message_seq,
        parent_id,
        None,
        "assistant",
        Raw(b"[]"),
        "in_progress",
        row.user_id,
        row.assistant_id,
        row.id,
        NULL,
        None,
        None,
        Raw(metadata.EMPTY.encode()),
    )
    return response_of(begun, scope, ""), message


def as_deleted(row: StoredResponse) -> StoredResponse:
    """Return the response as its readers see it when its thread is deleted while they read."""
    return row._replace(
        status="cancelled", finish_reason=None, error_code="thread_deleted", error_message="The thread was deleted.",
        ended_ms=row.ended_ms or clock.now_ms(), stored_message_id=None, content=None,
    )  # fmt: skip
