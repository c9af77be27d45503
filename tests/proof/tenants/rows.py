"""What each operation and each reference in it may give to whom: the rows of the tenant matrix.

A reference is whatever in a request can name something of somebody: a parameter, a header, a field of the body. All
others stand in PLAIN. An operation or a name that stands in neither place fails the matrix: whoever adds one says here
what a stranger gets for it.
"""

from dataclasses import dataclass

OK = "ok"
NO_ROLE = "403 insufficient_permissions"
NO_ACCESS = "403 organization_access_denied"


# Compared by identity: two kinds may give the same.
@dataclass(frozen=True, eq=False)
class Kind:
    """A kind of reference, and what a caller gets who names another's.

    The `stranger` owns another organization, the `colleague` is a member of the same one; `member` is for strangers who
    are members, where that differs. Unless it is `shared` with colleagues, the answer is that for an id that never was.
    """

    stranger: str
    colleague: str
    member: str = ""
    shared: bool = False


THREAD = Kind("404 thread_not_found", "404 thread_not_found")
MESSAGE = Kind("404 message_not_found", "404 message_not_found")
RESPONSE = Kind("404 response_not_found", "404 response_not_found")
ASSISTANT = Kind("404 assistant_not_found", OK, shared=True)
KEY = Kind("404 key_not_found", NO_ROLE)
BULK = Kind("404 bulk_not_found", "404 bulk_not_found")
MEMBER = Kind("404 member_not_found", NO_ROLE)
ORGANIZATION = Kind(NO_ACCESS, OK, NO_ACCESS, shared=True)
# Anybody's id may be given to a thread, a key or a member of one's own organization.
USER = Kind(OK, NO_ROLE, NO_ROLE)
# The list of one's own threads is nobody else's.
ONESELF = Kind(NO_ROLE, NO_ROLE, NO_ROLE)
# Unique in an organization: the one admitted disclosure, inside of it.
CHOSEN_ID = Kind(OK, "409 thread_exists", shared=True)
# It is taken for good, so whether a stranger gets it in an organization of his own depends on whether he had it before.
CHOSEN_ASSISTANT_ID = Kind("", "409 assistant_exists", shared=True)
# Kept as it is said, and refused with a question.
OF_AN_ANSWER = Kind("400 invalid_field", "400 invalid_field")
# Changes of the thread stand beside a list of messages only.
BESIDE_SEVERAL = Kind("400 unknown_field", "400 unknown_field")
REPLACED = Kind("400 invalid_field", "400 invalid_field")
THREAD_POSITION = Kind("400 invalid_cursor", "400 invalid_cursor")
MESSAGE_POSITION = Kind("400 invalid_cursor", "400 invalid_cursor")
MODEL_POSITION = Kind("", "")
ASSISTANT_POSITION = Kind("400 invalid_cursor", OK, shared=True)
# Lists in the order of their ids: an id is compared, and never looked up.
ID_POSITION = Kind(OK, OK)
ID_POSITION_OF_ADMINS = Kind(OK, NO_ROLE, NO_ROLE)
STREAM_POSITION = Kind(OK, OK)
FILTER = Kind(OK, OK)
# It says how many match, or would be refused: none of another's, as of what never was.
OF_A_DRY_RUN = Kind(OK, OK)
ASSISTANT_OF_MANY = Kind(OK, OK, shared=True)
FILTER_BY_ASSISTANT = Kind(OK, OK, shared=True)
# In a key's own organization it makes a member of whoever is named; nobody else may send it.
ACTED_FOR = Kind("", "")
RETRY = Kind("", "")


@dataclass(frozen=True)
class Row:
    """Which role an operation needs, its references, and whether only an API key may ask for it."""

    role: str
    references: dict[str, Kind]
    is_for_keys: bool = False


EVERY = {"query organizationId": ORGANIZATION, "header X-User-Id": ACTED_FOR}
IN_PATH = {"path organizationId": ORGANIZATION, "header X-User-Id": ACTED_FOR}
IN_THREAD = EVERY | {"path threadId": THREAD}
IN_MESSAGE = IN_THREAD | {"path messageId": MESSAGE}
IN_RESPONSE = IN_THREAD | {"path responseId": RESPONSE}
OF_BULK = EVERY | {"path bulkId": BULK}
OF_ASSISTANT = EVERY | {"path assistantId": ASSISTANT}
RETRIED = {"header Idempotency-Key": RETRY}
LIST_OF_THREADS = EVERY | {
    "query after": THREAD_POSITION,
    "query before": THREAD_POSITION,
    "query userId": USER,
    "query assistantId": FILTER_BY_ASSISTANT,
    "query titleContains": FILTER,
    "query metadata": FILTER,
}
NEW_RESPONSE = RETRIED | {"body assistantId": ASSISTANT, "body replaces": REPLACED, "body after": MESSAGE}
OF_MESSAGES = {"query after": MESSAGE_POSITION, "query before": MESSAGE_POSITION}
BY_ID = {"query after": ID_POSITION, "query before": ID_POSITION}
# Models are of the server: there is none of somebody to name.
OF_MODELS = {"query after": MODEL_POSITION, "query before": MODEL_POSITION}
OF_ASSISTANTS = {"query after": ASSISTANT_POSITION, "query before": ASSISTANT_POSITION}
BY_ID_FOR_ADMINS = {"query after": ID_POSITION_OF_ADMINS, "query before": ID_POSITION_OF_ADMINS}
OF_STREAM = {"query after": STREAM_POSITION, "header Last-Event-ID": STREAM_POSITION}

T = "/v1/threads/{threadId}"
M = f"{T}/messages/{{messageId}}"
R = f"{T}/responses/{{responseId}}"
A = "/v1/assistants/{assistantId}"
O = "/v1/organizations/{organizationId}"  # noqa: E741 - one letter for each resource.

ROWS = {
    "POST /v1/threads": Row("member", EVERY | RETRIED | {
        "body id": CHOSEN_ID, "body assistantId": ASSISTANT, "body organizationId": ORGANIZATION, "body userId": USER}),
    "GET /v1/threads": Row("member", LIST_OF_THREADS),
    "GET /v1/user": Row("member", EVERY),
    "GET /v1/user/threads": Row("member", LIST_OF_THREADS | {"query userId": ONESELF}),
    f"GET {T}": Row("member", IN_THREAD),
    f"PATCH {T}": Row("member", IN_THREAD | {"body assistantId": ASSISTANT}),
    f"POST {T}": Row("member", IN_THREAD | RETRIED | {"body assistantId": ASSISTANT}),
    f"DELETE {T}": Row("member", IN_THREAD),
    f"POST {T}/copy": Row("member", IN_THREAD | RETRIED | {"body messageId": MESSAGE, "body userId": USER}),
    f"POST {T}/lock": Row("member", IN_THREAD | RETRIED),
    f"POST {T}/unlock": Row("member", IN_THREAD | RETRIED),
    f"POST {T}/archive": Row("member", IN_THREAD | RETRIED),
    f"POST {T}/unarchive": Row("member", IN_THREAD | RETRIED),
    "POST /v1/threads/bulk": Row("member", EVERY | RETRIED | {
        "body organizationId": ORGANIZATION, "body filter.organizationId": ORGANIZATION, "body filter.userId": USER,
        "body filter.assistantId": FILTER_BY_ASSISTANT, "body filter.titleContains": OF_A_DRY_RUN,
        "body filter.metadata": OF_A_DRY_RUN, "body ids": OF_A_DRY_RUN, "body change.assistantId": ASSISTANT_OF_MANY}),
    "GET /v1/threads/bulk/{bulkId}": Row("member", OF_BULK),
    "POST /v1/threads/bulk/{bulkId}/cancel": Row("member", OF_BULK | RETRIED),
    "POST /v1/threads/bulk/{bulkId}/undo": Row("member", OF_BULK | RETRIED),
    f"POST {T}/messages": Row("member", IN_THREAD | RETRIED | {
        "body parentId": MESSAGE, "body replaces": MESSAGE, "body assistantId": OF_AN_ANSWER,
        "body thread": BESIDE_SEVERAL}),
    f"GET {T}/messages": Row("member", IN_THREAD | OF_MESSAGES | {"query branch": MESSAGE, "query through": MESSAGE}),
    f"DELETE {T}/messages": Row("member", IN_THREAD),
    f"GET {M}": Row("member", IN_MESSAGE),
    f"PATCH {M}": Row("member", IN_MESSAGE),
    f"POST {M}": Row("member", IN_MESSAGE | RETRIED),
    f"DELETE {M}": Row("member", IN_MESSAGE),
    f"POST {T}/responses": Row("member", IN_THREAD | NEW_RESPONSE),
    "POST /v1/responses": Row("member", EVERY | NEW_RESPONSE | {
        "body thread": THREAD, "body organizationId": ORGANIZATION, "body thread.id": CHOSEN_ID,
        "body thread.assistantId": ASSISTANT, "body thread.organizationId": ORGANIZATION, "body thread.userId": USER}),
    f"GET {T}/responses": Row("member", IN_THREAD | BY_ID),
    f"GET {R}": Row("member", IN_RESPONSE),
    f"POST {R}/cancel": Row("member", IN_RESPONSE | RETRIED),
    f"GET {R}/events": Row("member", IN_RESPONSE | OF_STREAM),
    f"GET {T}/stream": Row("member", IN_THREAD | OF_STREAM),
    f"GET {T}/context": Row("member", IN_THREAD),
    f"POST {T}/generateName": Row("member", IN_THREAD | RETRIED),
    "POST /v1/assistants": Row("admin", EVERY | RETRIED | {
        "body id": CHOSEN_ASSISTANT_ID, "body organizationId": ORGANIZATION}),
    "GET /v1/assistants": Row("member", EVERY | OF_ASSISTANTS),
    f"GET {A}": Row("member", OF_ASSISTANT),
    f"PATCH {A}": Row("admin", OF_ASSISTANT),
    f"POST {A}": Row("admin", OF_ASSISTANT | RETRIED),
    f"DELETE {A}": Row("admin", OF_ASSISTANT),
    "GET /v1/models": Row("member", EVERY | OF_MODELS),
    f"GET {O}": Row("member", IN_PATH),
    f"PATCH {O}": Row("owner", IN_PATH),
    f"POST {O}": Row("owner", IN_PATH | RETRIED),
    f"DELETE {O}": Row("owner", IN_PATH),
    f"GET {O}/members": Row("admin", IN_PATH | BY_ID_FOR_ADMINS),
    f"PUT {O}/members/{{userId}}": Row("owner", IN_PATH | {"path userId": USER}),
    f"DELETE {O}/members/{{userId}}": Row("owner", IN_PATH | {"path userId": MEMBER}),
    f"GET {O}/keys": Row("admin", IN_PATH | BY_ID_FOR_ADMINS),
    f"POST {O}/keys": Row("owner", IN_PATH | RETRIED | {"body userId": USER}),
    f"DELETE {O}/keys/{{keyId}}": Row("owner", IN_PATH | {"path keyId": KEY}),
    f"GET {O}/usage": Row("admin", IN_PATH),
    "POST /v1/tokens": Row("admin", EVERY | {"body organizationId": ORGANIZATION, "body userId": USER}, True),
}  # fmt: skip

# Names that refer to nothing of anybody, wherever they stand.
PLAIN = frozenset(
    """
    limit order visibleInUi state status createdAfter createdBefore sort include includeTotal role contextMode
    contextTokens contextMessages stream background whenBusy threads from to groupBy If-Match If-None-Match
    title metadata name instructions input messages content text url mimeType type toolCalls toolCallId
    model temperature topP maxOutputTokens stop responseFormat toolChoice parallelToolCalls reasoningEffort
    tools function description parameters strict
    image_url detail image_file attachments tool_resources file_search top_p response_format reasoning_effort
    additional_instructions additional_messages max_completion_tokens max_prompt_tokens truncation_strategy
    last_messages tool_choice parallel_tool_calls tool_outputs tool_call_id output
    background_options context_management include moderation prompt prompt_cache_key prompt_cache_options
    prompt_cache_retention max_output_tokens max_tool_calls reasoning safety_identifier service_tier store
    stream_options top_logprobs truncation user verbosity items starting_after
    json_schema schema arguments expiresIn createdAt expiresAt retentionDays payload format data
    action filter dryRun change message system trigger
    upsert is_archived open_run lease_id comment
    graph_id offset if_exists ttl supersteps extract select sort_by sort_order values as_node stream_mode wait
    cancel_on_disconnect after_seconds command interrupt_after interrupt_before webhook multitask_strategy
    on_disconnect if_not_exists checkpoint tool_calls args
    """.split()  # noqa: SIM905 - a list of fifty strings takes as many lines.
)
# `id` is a reference everywhere but here: the model's own name of a call, looked for nowhere but in its thread.
# In a list a parent is what it is alone, and ids of the caller's own are looked for nowhere but in the user's threads.
PLAIN_PATHS = (
    "toolCalls.id",
    "tool_calls.id",
    "messages.parentId",
    "input.parentId",
    "externalId",
    "external_id",
    "messages.assistantId",
    "input.assistantId",
    # A front end's own names of a message and of a run, of which only those in the thread are looked for.
    "messages.id",
    "runId",
    # It is refused.
    "resume",
)
