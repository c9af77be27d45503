"""What the OpenAPI document says in words: of each resource, call, parameter and field.

Limits, types and defaults are not here: they are in the structs. A field is looked up as `Struct.field`, then by
its name alone. A test demands a text for each.
"""

RESOURCES = {
    "Threads": "A conversation that belongs to a user of an organization. It is open, locked or archived.",
    "Messages": "What was said in a thread, in an order that is never ambiguous.",
    "Responses": "Answers of a model in a thread: waited for, streamed or in the background. One at a time in each "
    "thread. A response belongs to the server and is written to its end whoever listens.",
    "Assistants": "Named configurations for the responses of threads. Members read them, admins and owners write them.",
    "Organizations": "Tenants: everything belongs to exactly one. They are created on the command line.",
    "Members": "Who belongs to an organization, and as what.",
    "Keys": "API keys: what programs call with. Each belongs to one organization and has one user id and one role.",
    "Usage": "Tokens of an organization's responses, also of what was deleted since.",
    "Users": "Who is calling.",
}

OPERATIONS = {
    "POST /v1/threads": "Creates a thread with its first messages, all or nothing. No body is needed.",
    "GET /v1/threads": "Lists the threads that the caller may see: a member's own, for admins and owners all of the "
    "organization. Archived ones only with `state`. All filters given must match.",
    "GET /v1/user": "Says who is calling, with what, and which organizations that opens.",
    "GET /v1/user/threads": "Lists the caller's own threads, whatever the caller's role.",
    "GET /v1/threads/{threadId}": "The `ETag` is the thread's revision, for `If-Match`.",
    "PATCH /v1/threads/{threadId}": "Changes what the body names; what is absent stays. Metadata merges: a pair that "
    "is null is removed. A locked thread takes metadata only, an archived one nothing.",
    "DELETE /v1/threads/{threadId}": "Deletes for good, with all messages and responses. A running response ends. "
    "In every state.",
    "POST /v1/threads/{threadId}/lock": "A locked thread takes no messages; its metadata may be changed. A running "
    "response ends, its text stays. What an admin locked, an admin unlocks.",
    "POST /v1/threads/{threadId}/unlock": "Lifts the lock.",
    "POST /v1/threads/{threadId}/archive": "Freezes the thread and takes it out of the default lists. A running "
    "response ends, its text stays.",
    "POST /v1/threads/{threadId}/unarchive": "Takes the thread out of the archive; one that was locked before is "
    "locked still.",
    "POST /v1/threads/{threadId}/messages": "Adds one message, or with `messages` up to 100, all or nothing.",
    "GET /v1/threads/{threadId}/messages": "Lists messages, the oldest first.",
    "DELETE /v1/threads/{threadId}/messages": "Deletes all messages at once. Their numbers are not given again.",
    "GET /v1/threads/{threadId}/messages/{messageId}": "While it is being generated, `content` is what is stored so "
    "far.",
    "PATCH /v1/threads/{threadId}/messages/{messageId}": "Changes content or metadata. Metadata merges.",
    "DELETE /v1/threads/{threadId}/messages/{messageId}": "Deletes for good. The response that wrote it, if any, "
    "stays without its text.",
    "POST /v1/threads/{threadId}/responses": "Asks a model for an answer. Waits for its end and answers with the "
    "response, a failed one too; with `stream` as a stream; with `background` with 202 at once. Input and the empty "
    "answer are stored before the model is called. Going away cancels nothing.",
    "POST /v1/responses": "The same, for a thread that is named or described in `thread`.",
    "GET /v1/threads/{threadId}/responses": "Lists the thread's responses in the order in which they began.",
    "GET /v1/threads/{threadId}/responses/{responseId}": "Of a running response, `outputText` is what is stored so "
    "far.",
    "POST /v1/threads/{threadId}/responses/{responseId}/cancel": "Ends a running response; its text stays. One that "
    "has ended stays as it is.",
    "GET /v1/threads/{threadId}/responses/{responseId}/events": "Follows a response as a stream, from its start or "
    "from a position, without a gap or a repeat. 204 for whoever has its last event.",
    "GET /v1/threads/{threadId}/stream": "Follows whatever runs in the thread; 204 when nothing does.",
    "GET /v1/threads/{threadId}/context": "Shows what a response would send to the model now.",
    "POST /v1/threads/{threadId}/generateName": "Makes a title of 2 to 5 words from what was said, and saves it unless "
    "somebody changes the title meanwhile. Without a model it is made of the user's own words.",
    "POST /v1/assistants": "What an assistant leaves null, each request may say.",
    "GET /v1/assistants": "Lists assistants, the oldest first.",
    "GET /v1/assistants/{assistantId}": "The `ETag` is the assistant's revision, for `If-Match`.",
    "PATCH /v1/assistants/{assistantId}": "Changes what the body names, null clears, metadata merges. Responses that "
    "run keep what they began with.",
    "DELETE /v1/assistants/{assistantId}": "Deletes for good. Threads that have it keep its id, and need another one "
    "for their next response.",
    "GET /v1/organizations/{organizationId}": "For all of its members.",
    "PATCH /v1/organizations/{organizationId}": "Renames it.",
    "DELETE /v1/organizations/{organizationId}": "Deletes for good, with everything in it.",
    "GET /v1/organizations/{organizationId}/members": "Lists members by user id, which is also what `after` and "
    "`before` take.",
    "PUT /v1/organizations/{organizationId}/members/{userId}": "Makes the user a member, or changes the role. The last "
    "owner stays one.",
    "DELETE /v1/organizations/{organizationId}/members/{userId}": "Removes the member and revokes the keys with that "
    "user id; with `threads=delete` the user's threads go too.",
    "POST /v1/organizations/{organizationId}/keys": "The answer is the only place where the secret is ever shown.",
    "GET /v1/organizations/{organizationId}/keys": "Lists keys without their secrets, the oldest first.",
    "DELETE /v1/organizations/{organizationId}/keys/{keyId}": "Revokes the key: every process refuses it within 10 "
    "seconds.",
    "GET /v1/organizations/{organizationId}/usage": "Adds up the tokens of responses by the day on which they ended, "
    "cancelled and failed ones too.",
}

PARAMETERS = {
    "organizationId": "Which organization, for callers with several.",
    "organizationId in path": "The organization's id.",
    "threadId": "The thread's id.",
    "messageId": "The message's id.",
    "responseId": "The response's id.",
    "assistantId in path": "The assistant's id.",
    "keyId": "The key's id.",
    "userId in path": "The user's id.",
    "limit": "How many objects a page has at most.",
    "UsageQuery.limit": "How many groups at most.",
    "order": "From the first to the last, or the other way.",
    "after": "Objects behind this position, in the order asked for: an object's id or a `nextCursor`.",
    "before": "Objects before this position, in the order asked for: an object's id or a `nextCursor`.",
    "EventsQuery.after": "The whole id of the last event that was read; from the start if left out.",
    "role": "Messages with this role.",
    "userId": "Threads of this user. Members have only their own.",
    "assistantId": "Threads with this assistant.",
    "visibleInUi": "Threads that user interfaces show, or those that they do not.",
    "state": "Threads in this state, or `all`. Left out: open and locked ones.",
    "status": "Threads in which a response is being generated, or in which none is.",
    "titleContains": "Threads whose title has this text; upper and lower case do not matter.",
    "createdAfter": "Threads created after this second.",
    "createdBefore": "Threads created before this second.",
    "sort": "By which time.",
    "include": "Adds a preview of the newest message, so that one call draws a sidebar.",
    "includeTotal": "Adds `total`, which has to count all that match.",
    "contextMode": "As a response would say it.",
    "contextTokens": "As a response would say it.",
    "stream": "Answer with a stream.",
    "threads": "What becomes of the user's threads.",
    "from": "The first day, UTC, at most 366 days with the last. Left out: 29 days before `to`.",
    "to": "The last day, UTC. Left out: today.",
    "groupBy": "What each group is: `day` in the order of days, the others the largest first.",
}

HEADERS = {
    "X-User-Id": "Act as a member with this user id; keys of admins and owners only.",
    "If-Match": 'Do it only if the object still has this ETag, for example "1764000000000".',
    "If-None-Match": '304 without content if that still has this weak ETag; `W/"0"` asks for the first one.',
    "Idempotency-Key": "Do the work once, however often the request is sent; kept for 24 hours.",
    "Last-Event-ID": "The id of the last event that was read; it counts before `after`.",
}

ANSWER_HEADERS = {
    "X-Request-Id": "The request's id: the caller's own, if it sent one.",
    "ETag": "The object's revision, for `If-Match`; a weak one of the content, if `If-None-Match` came with one.",
    "Idempotent-Replayed": "`true` when the work was done by an earlier request with the same key.",
}

FIELDS = {
    # All objects.
    "id": "Its id.",
    "object": "What kind of object this is.",
    "createdAt": "When it was created, in Unix seconds, UTC.",
    "updatedAt": "When it last changed, in Unix seconds, UTC.",
    "deleted": "Always true.",
    "ListDeleted.deleted": "How many were deleted.",
    "Deleted.id": "The id of what was deleted.",
    "Deleted.object": "What kind of object it was, with `.deleted`.",
    "organizationId": "The organization that it belongs to.",
    "userId": "The user whose it is.",
    "name": "Its name, for people.",
    "metadata": "Pairs of your own.",
    # Threads.
    "Thread.assistantId": "The assistant that answers in it. May be set while null; bound once there are messages.",
    "Thread.updatedAt": "Moves with title, metadata, assistant, visibility, state and messages, not with `status`.",
    "Thread.userId": "Who created it, and may see it besides admins and owners.",
    "title": "Its title, stored as given.",
    "visibleInUi": "Whether user interfaces show it. Only a user token may change it.",
    "Thread.messageCount": "How many messages it has now.",
    "Thread.status": "`streaming` while a response is being generated.",
    "Thread.state": "What it takes: everything, no messages, or no change at all.",
    "Thread.lastMessageAt": "When its newest message was created.",
    "Thread.lastMessage": "Only with `include=lastMessage`.",
    "LastMessage.role": "Who said it.",
    "LastMessage.preview": "The beginning of its text.",
    "ThreadCreate.id": "An id of your own, unique in the organization.",
    "ThreadCreate.userId": "Whose it becomes; another user than the caller needs an admin or owner.",
    "ThreadCreate.organizationId": "Where it is created, for callers with several organizations.",
    "ThreadCreate.messages": "Its first messages, at most 100.",
    "ThreadCreate.assistantId": "The assistant that answers in it.",
    "ThreadUpdate.assistantId": "Another assistant, while there are no messages or the present one was deleted.",
    # Messages.
    "role": "Who said it.",
    "Message.seq": "Its number in the thread: 1, 2, 3 … in the order in which messages were stored.",
    "Message.status": "`in_progress` while it is being generated; `incomplete` if it was cut off.",
    "Message.userId": "Who added it or asked for it.",
    "Message.assistantId": "As which assistant it was written.",
    "Message.responseId": "The response that wrote it; null if it was added.",
    "content": "A string, or parts. A user's or system message needs content that is not blank.",
    "Message.content": "Always parts.",
    "ContextMessage.content": "Always parts.",
    "toolCalls": "Functions that the model wants called, as in OpenAI's chat format.",
    "toolCallId": "In a tool's message: which call this is the result of.",
    "threadId": "The thread that it is in.",
    "MessagesCreate.messages": "At most 100.",
    "type": "Which kind it is.",
    "TextPart.text": "The text.",
    "url": "Where it is; it is neither fetched nor stored.",
    "FilePart.name": "The file's name.",
    "FilePart.mimeType": "Its media type.",
    "ToolCall.id": "The call's id, chosen by the model.",
    "ToolCall.function": "What is to be called.",
    "FunctionCall.name": "The function's name.",
    "FunctionCall.arguments": "Its arguments as the model wrote them, usually JSON.",
    # Assistants, and the settings of a response.
    "Assistant.name": "Unique in the organization, not blank.",
    "AssistantCreate.name": "Unique in the organization, not blank.",
    "AssistantUpdate.name": "Unique in the organization, not blank.",
    "AssistantCreate.organizationId": "Where it is created, for callers with several organizations.",
    "model": "The model that answers, by its name in this server's configuration. What an assistant fixes, no request "
    "changes.",
    "instructions": "What the model is told before everything else.",
    "temperature": "How freely the model chooses.",
    "topP": "From which share of likely words the model chooses.",
    "maxOutputTokens": "How long an answer may be.",
    "stop": "Texts at which the answer ends.",
    "responseFormat": "What the answer must be, as in OpenAI's chat format.",
    "toolChoice": "Whether the model may or must call functions, or which one of the tools.",
    "tools": "Functions that the model may call; an empty list fixes that there are none.",
    "contextMode": "`recent`: the newest messages that fit; `smart`: the first 3 and of the last 7 what fits; `full`: "
    "everything.",
    "contextTokens": "How much context the model gets.",
    "ResponseFormat.type": "Text, any JSON, or JSON after a schema.",
    "ResponseFormat.json_schema": "With the type `json_schema`, and only then: the schema with its name.",
    "Tool.function": "The function.",
    "NamedToolChoice.function": "The function.",
    "FunctionName.name": "Its name.",
    "FunctionDefinition.name": "Its name.",
    "FunctionDefinition.description": "What it does, for the model.",
    "FunctionDefinition.parameters": "Its parameters as JSON Schema.",
    "FunctionDefinition.strict": "Whether the model must keep to the schema.",
    # Responses.
    "Response.createdAt": "When it began, in Unix seconds, UTC.",
    "Response.completedAt": "When it ended; null while it runs.",
    "Response.userId": "Who asked.",
    "Response.assistantId": "The assistant that answers, if any.",
    "Response.model": "The model that answers.",
    "Response.status": "How it stands, or ended.",
    "Response.inputMessageIds": "The messages that the request stored.",
    "Response.messageId": "The message with the answer; null if it ended empty, or the message was deleted.",
    "Response.outputText": "The answer's text.",
    "Response.usage": "Its tokens.",
    "Response.error": "Why it failed or was ended.",
    "ResponseError.code": "For programs.",
    "ResponseError.message": "For people.",
    "inputTokens": "Tokens that the model was sent.",
    "outputTokens": "Tokens that it wrote.",
    "totalTokens": "Both together.",
    "ResponseUsage.estimated": "Whether threadkeep estimated them, because the model did not count.",
    "input": "A string, which is a user's message, or at most 100 messages. May be left out when the last message is "
    "a user's or a tool's.",
    "ResponseCreate.assistantId": "The assistant of this response, where the thread has none.",
    "ResponseInThreadCreate.assistantId": "The assistant of this response, where the thread has none.",
    "ResponseCreate.instructions": "Appended to the assistant's.",
    "ResponseInThreadCreate.instructions": "Appended to the assistant's.",
    "stream": "Answer with a stream of events.",
    "background": "Answer 202 at once; `stream` counts before it.",
    "whenBusy": "What to do when a response runs already: refuse with 409, or cancel that one first.",
    "replaces": "The id of the thread's newest message, an assistant's: it is deleted, and what is before it is "
    "answered anew.",
    "ResponseInThreadCreate.thread": "The id of a thread, or a new thread.",
    "ResponseInThreadCreate.organizationId": "Which organization, for callers with several.",
    # Context.
    "Context.contextMode": "How it was chosen.",
    "Context.contextTokens": "Its limit; null for `full`.",
    "Context.totalTokens": "How many tokens it has, as threadkeep estimates them.",
    "Context.messages": "The oldest first.",
    "ContextMessage.id": "Null where it is no stored message.",
    "ContextMessage.tokens": "How many tokens it counts as.",
    # Names.
    "NameCreate.messages": "From these the name is made; they are not stored. Left out: the thread's last 10 messages.",
    "NameGenerated.success": "Always true.",
    "NameGenerated.threadId": "The thread that was named.",
    "NameGenerated.name": "The title that the thread has now; null if somebody cleared it meanwhile.",
    "NameGenerated.message": "How it came about.",
    # Usage.
    "from": "The first day, UTC.",
    "to": "The last day, UTC.",
    "groupBy": "What each group is.",
    "Usage.data": "The groups.",
    "Usage.hasMore": "Whether there are more groups than `limit`.",
    "Usage.total": "All groups together, also those beyond `limit`.",
    "UsageGroup.key": "The day, user, assistant or model; null for responses without an assistant.",
    "UsageGroup.responses": "How many responses ended.",
    "UsageGroup.estimatedTokens": "Of `totalTokens`, those that threadkeep estimated.",
    # Organizations, members, keys.
    "Member.role": "What the user may do.",
    "MemberPut.role": "What the user may do.",
    "Member.userId": "The member.",
    "MemberDeleted.userId": "Who was removed.",
    "MemberDeleted.threadsDeleted": "How many threads were deleted.",
    "Key.role": "What the key may do.",
    "KeyCreated.role": "What the key may do.",
    "KeyCreate.role": "What the key may do.",
    "Key.userId": "As whom the key acts.",
    "KeyCreated.userId": "As whom the key acts.",
    "KeyCreate.userId": "As whom the key acts.",
    "KeyCreated.key": "The secret. Shown this once; null in a replayed answer.",
    "User.id": "The caller's user id.",
    "User.credential": "With what: an API key, or the token of a signed-in person.",
    "User.organizations": "What the credential opens.",
    "UserOrganization.role": "As what.",
    # Lists and errors.
    "data": "The objects, in the order asked for.",
    "firstId": "The id of the first; null if there is none.",
    "lastId": "The id of the last; null if there is none.",
    "hasMore": "Whether there are more in this direction.",
    "nextCursor": "The position for the next page: send it as `after`, or as `before` if that was sent.",
    "total": "How many match. Only with `includeTotal=true`.",
    "Error.error": "What is wrong.",
    "ErrorDetail.message": "For people: what is wrong and what would be right.",
    "ErrorDetail.type": "The kind of error.",
    "ErrorDetail.code": "For programs.",
    "ErrorDetail.param": "Which field or parameter, where one is to blame.",
    "ErrorDetail.requestId": "The request's id, as in `X-Request-Id`.",
}

SCHEMAS = {
    "Role": "What a member or key may do: `member` has its own threads, `admin` all of the organization, `owner` also "
    "members, keys and the organization itself.",
    "State": "What may be done with a thread. Locked ones take no messages, archived ones no changes.",
    "Credential": "An API key, or the token of a signed-in person.",
    "Part": "Text, an image or a file.",
}
