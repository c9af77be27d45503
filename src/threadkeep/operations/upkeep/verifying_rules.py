"""The rules of `threadkeep verify` for each stored row: a rule takes a row and gives what is broken in it."""

from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import msgspec

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.basis import MessageRole, Value
from threadkeep.contract.limits import PARTS_MAX, TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, TOOL_CALLS_MAX
from threadkeep.contract.messages import Part, ToolCall
from threadkeep.contract.strict import strict
from threadkeep.database.driver import Row
from threadkeep.decoding import decoder
from threadkeep.errors import InvalidRequest
from threadkeep.operations import metadata
from threadkeep.operations.messages import wanted_back
from threadkeep.operations.messages.rows import check_blank, size_bytes, stored_content
from threadkeep.operations.responses import manner
from threadkeep.operations.threads.rows import fold
from threadkeep.scope import Role

MESSAGE_ROLES = get_args(get_args(MessageRole)[0])
MESSAGE_STATUSES = ("completed", "in_progress", "incomplete")
RESPONSE_STATUSES = ("in_progress", "completed", "cancelled", "failed")
ROLES = tuple(Role)
CONFIGURATION = decoder(strict(Configuration))
PARTS = decoder(strict(list[Part]))
TOOL_CALLS = decoder(strict(list[ToolCall]))
METADATA = decoder(dict[str, Value])


class ThreadFacts(NamedTuple):
    """A thread and the counts of its messages, all of one moment."""

    organization: int
    id: str
    organization_id: str | None
    key: int
    user_id: str
    title: str | None
    title_folded: str | None
    metadata: str
    visible_in_ui: int
    locked_ms: int | None
    locked_by_role: str | None
    message_count: int
    last_seq: int
    cleared_seq: int
    last_message_ms: int | None
    created_ms: int
    updated_ms: int
    revision: int
    response_id: str | None
    lease_until: int | None
    shelf: int
    expires_ms: int | None
    retention_ms: int | None
    payload_format: str | None
    is_branched: int
    # Null without a payload, else 0 if its size is stored as it is.
    payload_difference: int | None
    forks_count: int
    lost_forks_count: int
    response_status: str | None
    live_count: int
    repeated_count: int
    lowest_seq: int | None
    highest_seq: int | None
    newest_ms: int | None


class MessageFacts(NamedTuple):
    """A message and what is known of its thread, all of one moment."""

    organization: int
    thread: int
    seq: int
    organization_id: str | None
    thread_id: str | None
    cleared_seq: int | None
    is_purged: int | bool
    id: str
    role: str
    content: str
    preview: str
    size_bytes: int
    status: str
    tool_calls: str | None
    tool_call_id: str | None
    metadata: str
    created_ms: int
    updated_ms: int
    revision: int
    payload_format: str | None
    payload_difference: int | None
    parent_seq: int | None
    parents_count: int
    response_status: str | None
    wanted_back: str | None


class ResponseFacts(NamedTuple):
    """A response and what is known of its thread, its answer and its events, all of one moment."""

    organization: int
    id: str
    organization_id: str | None
    thread_id: str | None
    is_purged: int | bool
    running_id: str | None
    status: str
    finish_reason: str | None
    error_code: str | None
    created_ms: int
    ended_ms: int | None
    last_n: int | None
    asked: str | None
    first: int | None
    firsts_count: int
    events_count: int
    lowest_n: int | None
    highest_n: int | None


class PairFacts(NamedTuple):
    """A metadata pair and the thread that it stands for, both of one moment."""

    organization: int
    pair: bytes
    shelf: int
    created_ms: int
    thread: int
    user_id: str
    organization_id: str | None
    thread_id: str | None
    thread_shelf: int | None
    thread_created_ms: int | None
    thread_user_id: str | None
    metadata: str | None


def broken_in_thread(row: Row) -> Iterator[str]:
    thread = ThreadFacts(*row)
    if thread.organization_id is None:
        yield "its organization does not exist"
    yield from broken_in_counts(thread)
    if thread.title is not None and len(thread.title) > TITLE_CHARACTERS_MAX:
        yield f"its title has {len(thread.title)} characters"
    if thread.title_folded != (None if thread.title is None else fold(thread.title)):
        yield "its title is indexed as another text than it is"
    yield from broken_in_metadata(thread.metadata)
    if thread.visible_in_ui not in (0, 1):
        yield "visibleInUi is neither true nor false"
    if (thread.locked_ms is None) != (thread.locked_by_role is None):
        yield "it is locked by nobody, or somebody's lock is left although it is open"
    if thread.locked_by_role is not None and thread.locked_by_role not in ROLES:
        yield "it is locked by a role that does not exist"
    if (thread.response_id is None) != (thread.lease_until is None):
        yield "it has a lease without a response, or a response without a lease"
    if thread.response_id is not None and thread.response_status != "in_progress":
        yield "a response holds it that is not running"
    if thread.retention_ms is not None and thread.expires_ms is None:
        yield "it has a retention and never expires"
    if thread.forks_count and not thread.is_branched:
        yield "it has branches and is stored as a single line"
    if thread.lost_forks_count:
        yield f"{thread.lost_forks_count} branches begin with messages that do not exist"
    yield from broken_in_payload(thread.payload_format, thread.payload_difference)
    yield from broken_in_times(thread.created_ms, thread.updated_ms, thread.revision)


def broken_in_counts(thread: ThreadFacts) -> Iterator[str]:
    if thread.message_count != thread.live_count:
        yield f"messageCount is {thread.message_count}, but it has {thread.live_count} messages"
    if thread.repeated_count:
        yield f"{thread.repeated_count} numbers of messages were given twice"
    if thread.lowest_seq is not None and thread.lowest_seq < 1:
        yield f"a message has the number {thread.lowest_seq}"
    if thread.highest_seq is not None and thread.highest_seq > thread.last_seq:
        yield f"a message has the number {thread.highest_seq}, but only {thread.last_seq} were given"
    if not 0 <= thread.cleared_seq <= thread.last_seq:
        yield f"it was cleared up to {thread.cleared_seq}, but only {thread.last_seq} numbers were given"
    if thread.last_message_ms != thread.newest_ms:
        yield "lastMessageAt is not the time of its newest message"


def broken_in_message(row: Row) -> Iterator[str]:
    message = MessageFacts(*row)
    if message.thread_id is None and not message.is_purged:
        yield "its thread does not exist"
    if message.cleared_seq is not None and message.seq <= message.cleared_seq and not message.is_purged:
        yield "it was deleted with all messages of its thread, and nothing will remove it"
    if message.role not in MESSAGE_ROLES:
        yield "its role does not exist"
    if message.status not in MESSAGE_STATUSES:
        yield "its status does not exist"
    if message.status == "in_progress" and message.response_status != "in_progress":
        yield "it is being generated, but its response does not run"
    if message.parent_seq is not None and message.parent_seq >= message.seq:
        yield "it follows a message that came later"
    if message.parent_seq and message.cleared_seq is not None and not message.parents_count and not message.is_purged:
        yield "it follows a message that does not exist"
    yield from broken_in_payload(message.payload_format, message.payload_difference)
    yield from broken_in_content(message)
    yield from broken_in_tools(message)
    yield from broken_in_wanted_back(message)
    yield from broken_in_metadata(message.metadata)
    yield from broken_in_times(message.created_ms, message.updated_ms, message.revision)


def broken_in_payload(format: str | None, difference: int | None) -> Iterator[str]:
    if (format is None) != (difference is None):
        yield "it has a format without a payload, or a payload without a format"
    if difference:
        yield "the size of its payload is stored as another than it is"


def broken_in_payloads_place(row: Row) -> Iterator[str]:
    _, thread, seq, _, thread_id, has_message, is_purged = row
    if not (has_message or is_purged or (seq == 0 and thread_id is not None)):
        yield f"a payload is left of something that does not exist (number {thread})"


def broken_in_content(message: MessageFacts) -> Iterator[str]:
    try:
        parts = PARTS.decode(message.content)
        _, preview, is_blank = stored_content(parts)
        check_blank(message.role, message.payload_format is not None or not is_blank)
    except (msgspec.MsgspecError, UnicodeError):
        yield "its content is not a list of parts"
        return
    except InvalidRequest:
        yield f"its content is blank, or its text has more than {TEXT_CHARACTERS_MAX} characters"
        return
    if len(parts) > PARTS_MAX:
        yield f"its content has {len(parts)} parts"
    if message.preview != preview:
        yield "its preview is not the beginning of its text"
    size = size_bytes(message.content, message.tool_calls, message.metadata)
    if message.size_bytes != size:
        yield f"its size is stored as {message.size_bytes} bytes, but it is {size}"


def broken_in_tools(message: MessageFacts) -> Iterator[str]:
    if message.tool_calls is not None:
        if message.role != "assistant":
            yield f"a message of role {message.role} has tool calls"
        try:
            if len(TOOL_CALLS.decode(message.tool_calls)) > TOOL_CALLS_MAX:
                yield f"it has more than {TOOL_CALLS_MAX} tool calls"
        except (msgspec.MsgspecError, UnicodeError):
            yield "its tool calls are not in the stored form"
    if message.tool_call_id is not None and message.role != "tool":
        yield f"a message of role {message.role} answers a tool call"


def broken_in_wanted_back(message: MessageFacts) -> Iterator[str]:
    if message.wanted_back is None:
        return
    if message.role != "assistant" or message.status == "in_progress":
        yield "something is kept for its model that no model has said"
    if len(message.wanted_back) > wanted_back.CHARACTERS_MAX:
        yield f"{len(message.wanted_back)} characters are kept for its model"
    try:
        wanted_back.decode(message.wanted_back)
    except (msgspec.MsgspecError, UnicodeError):
        yield "what is kept for its model is not in the stored form"


def broken_in_metadata(stored: str) -> Iterator[str]:
    try:
        metadata.check_limits(METADATA.decode(stored))
    except (msgspec.MsgspecError, UnicodeError):
        yield "its metadata is not an object of texts, numbers, booleans and arrays of those"
    except InvalidRequest as error:
        yield f"its metadata is beyond its limits ({error.code})"


def broken_in_times(created_ms: int, updated_ms: int, revision: int) -> Iterator[str]:
    if updated_ms < created_ms:
        yield "it was changed before it was created"
    if revision < created_ms:
        yield "its revision is from before its creation"


def broken_in_response(row: Row) -> Iterator[str]:
    response = ResponseFacts(*row)
    if response.thread_id is None and not response.is_purged:
        yield "a response is left of a thread that does not exist"
    if response.status not in RESPONSE_STATUSES:
        yield "the status of a response does not exist"
    if response.status == "in_progress":
        if response.running_id != response.id and not response.is_purged:
            yield "a response runs that does not hold its thread"
        if response.ended_ms is not None or response.last_n is not None:
            yield "a response runs that has ended"
    elif response.ended_ms is None or response.last_n is None:
        yield "a response has ended without a time or a last event"
    elif response.highest_n is not None and response.highest_n >= response.last_n:
        yield "a response has events behind its last one"
    if (response.status == "failed") and response.error_code is None:
        yield "a response has failed without a reason"
    if response.finish_reason is not None and response.status != "completed":
        yield "a response says why it is whole, and is not"
    if response.first is not None and (not response.firsts_count or response.asked is not None):
        yield "it goes on with a response that does not exist, is in another thread, or goes on with one itself"
    if response.asked is not None:
        yield from broken_in_asked(response.asked)
    if response.events_count and (response.lowest_n, response.highest_n) != (2, response.events_count + 1):
        yield "the events of a response have gaps"


def broken_in_asked(stored: str) -> Iterator[str]:
    try:
        manner.decode(stored)
    except (msgspec.MsgspecError, UnicodeError):
        yield "what a response was asked for is not in the stored form"


def broken_in_assistant(row: Row) -> Iterator[str]:
    _, assistant_id, organization_id, configuration, stored_metadata, deleted_ms, has_texts = row
    if organization_id is None:
        yield f"{assistant_id} is an assistant of an organization that does not exist"
    try:
        CONFIGURATION.decode(configuration)
    except (msgspec.MsgspecError, UnicodeError):
        yield f"the settings of {assistant_id} are not in the stored form"
    for problem in broken_in_metadata(stored_metadata):
        yield f"{assistant_id}: {problem}"
    if deleted_ms is not None and (has_texts or (configuration, stored_metadata) != ("{}", "{}")):
        yield f"{assistant_id} was deleted, and more of it is left than its id"


def broken_in_usage(row: Row) -> Iterator[str]:
    _, day, *_, responses, input_tokens, output_tokens, estimated_tokens = row
    if min(responses, input_tokens, output_tokens, estimated_tokens) < 0:
        yield f"the usage of {day} is below zero"
    if estimated_tokens > input_tokens + output_tokens:
        yield f"of the usage of {day} more is estimated than there is"


def broken_in_pair(row: Row) -> Iterator[str]:
    pair = PairFacts(*row)
    if pair.thread_id is None or pair.metadata is None:
        yield f"a metadata pair is left of a thread that does not exist (number {pair.thread})"
        return
    if (pair.shelf, pair.created_ms, pair.user_id) != (
        pair.thread_shelf,
        pair.thread_created_ms,
        pair.thread_user_id,
    ):
        yield "a metadata pair stands under another state, time or user than its thread"
    if bytes(pair.pair) not in pairs_or_nothing(pair.metadata):
        yield "it can be found by a metadata pair that it does not have"


def pairs_or_nothing(stored: str) -> set[bytes]:
    """Return the pairs of metadata; none if it is broken, which another rule reports."""
    try:
        METADATA.decode(stored)
    except (msgspec.MsgspecError, UnicodeError):
        return set()
    return metadata.pairs_of(stored)


def broken_in_organization(row: Row) -> Iterator[str]:
    _, _, deleted_ms, members_count, owners_count = row
    # Without members there is nothing to check: the command line can create an organization without an owner.
    if deleted_ms is None and members_count and not owners_count:
        yield "none of its members is an owner: `threadkeep admin create-member --role owner` makes one"


def broken_in_member(row: Row) -> Iterator[str]:
    _, user_id, organization_id, role = row
    if organization_id is None:
        yield f"{user_id} is a member of an organization that does not exist"
    if role not in ROLES:
        yield f"{user_id} is a member with a role that does not exist"


def broken_in_key(row: Row) -> Iterator[str]:
    _, key_id, organization_id, role, holders_role = row
    if organization_id is None:
        yield f"{key_id} is a key of an organization that does not exist"
    if role not in ROLES:
        yield f"{key_id} is a key with a role that does not exist"
    elif holders_role in ROLES and Role(holders_role).rank < Role(role).rank:
        yield f"{key_id} is a key of role {role}, and its user is {holders_role}"


def broken_in_answer(row: Row) -> Iterator[str]:
    *_, status = row
    # 0: the key is reserved while a name is being made.
    if status != 0 and not 200 <= status <= 299:
        yield f"an answer with status {status} is stored for retries; only successes may be"


def wanted_pairs(thread: ThreadFacts) -> list[list[Any]]:  # Any: rows of JSON.
    """Return the pairs that must be stored for the thread, as rows for the statement that looks them up."""
    return [[thread.key, thread.revision, pair.hex()] for pair in sorted(pairs_or_nothing(thread.metadata))]
