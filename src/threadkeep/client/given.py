"""What a caller gives, with the fields of `threadkeep.objects`. One that is left out is not sent.

Made from ../contract by tests/support/client_fields.py: change it there.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypeAlias, TypedDict

from msgspec import UnsetType

from threadkeep.contract.assistants import NamedToolChoice, ResponseFormat, Tool
from threadkeep.contract.basis import Payload, Scalar
from threadkeep.contract.bulk import BulkFilter
from threadkeep.contract.messages import FunctionCall, MessageCreate, Part, ToolCall
from threadkeep.contract.threads import ThreadUpdate
from threadkeep.scope import Role

MetadataFields: TypeAlias = Mapping[str, Scalar | Sequence[Scalar] | None]
PartFields: TypeAlias = Part | Mapping[str, object]


class FunctionCallFields(TypedDict, total=False):
    """The function that a model wants called; `arguments` is the text of JSON."""

    name: Required[str]
    arguments: Required[str]


class ToolCallFields(TypedDict, total=False):
    """A tool call as OpenAI's chat format has it."""

    id: Required[str]
    type: Required[Literal["function"]]
    function: Required[FunctionCall | FunctionCallFields]


class PayloadFields(TypedDict, total=False):
    """Data of your own, kept word for word and never read by the service; at most 4 MiB of UTF-8."""

    format: Required[str]
    data: Required[str]


class MessageFields(TypedDict, total=False):
    """A message to add to a thread."""

    role: Required[Literal["user", "assistant", "system", "tool"]]
    content: str | Sequence[PartFields]
    tool_calls: Sequence[ToolCall | ToolCallFields] | None
    tool_call_id: str | None
    metadata: MetadataFields | None
    external_id: str | None
    parent_id: str | None
    payload: Payload | PayloadFields | None
    created_at: int | None
    status: Literal["completed", "incomplete"]
    assistant_id: str | None


class MessageChanges(TypedDict, total=False):
    """What may change in a message."""

    content: str | Sequence[PartFields] | UnsetType
    metadata: MetadataFields | UnsetType | None
    payload: Payload | PayloadFields | UnsetType | None


class ThreadMoreChanges(TypedDict, total=False):
    """What may change in a thread together with its messages; an absent field stays as it is."""

    title: str | UnsetType | None
    metadata: MetadataFields | UnsetType | None
    expires_at: int | UnsetType | None
    payload: Payload | PayloadFields | UnsetType | None


class NameMessageFields(TypedDict, total=False):
    """A message from which a name is made; it is not stored."""

    role: Required[Literal["user", "assistant", "system", "tool"]]
    content: Required[str | Sequence[PartFields]]


class ThreadFields(TypedDict, total=False):
    """A new thread; everything is optional."""

    id: str | None
    external_id: str | None
    title: str | None
    metadata: MetadataFields | None
    assistant_id: str | None
    visible_in_ui: bool
    expires_at: int | None
    payload: Payload | PayloadFields | None
    created_at: int | None
    organization_id: str | None
    user_id: str | None
    messages: Sequence[MessageCreate | MessageFields]


class ThreadChanges(TypedDict, total=False):
    """What may change in a thread; an absent field stays as it is."""

    title: str | UnsetType | None
    metadata: MetadataFields | UnsetType | None
    assistant_id: str | UnsetType | None
    visible_in_ui: bool | UnsetType
    expires_at: int | UnsetType | None
    payload: Payload | PayloadFields | UnsetType | None


class ThreadCopyFields(TypedDict, total=False):
    """What a copy has of its own; everything else is the source's."""

    message_id: str | None
    title: str | None
    metadata: MetadataFields | None
    user_id: str | None


class BulkFilterFields(TypedDict, total=False):
    """Which threads: the filters of the list of threads. All must match; none at all means every thread it shows."""

    user_id: str | None
    external_id: str | None
    assistant_id: str | None
    visible_in_ui: bool | None
    state: Literal["open", "locked", "archived", "all"] | None
    status: Literal["streaming", "inactive"] | None
    title_contains: str | None
    created_after: int | None
    created_before: int | None
    metadata: MetadataFields | None
    organization_id: str | None


class BulkFields(TypedDict, total=False):
    """What is to be done with which threads: either `filter` or `ids`."""

    action: Required[Literal["archive", "unarchive", "lock", "unlock", "delete", "update"]]
    filter: BulkFilter | BulkFilterFields | None
    ids: Sequence[str] | None
    change: ThreadUpdate | ThreadChanges | None


class AssistantFields(TypedDict, total=False):
    """A new assistant. A setting left out, or null, may be given by each request."""

    id: str | None
    name: str | None
    description: str | None
    instructions: str | None
    metadata: MetadataFields | None
    organization_id: str | None
    model: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: str | Sequence[str] | None
    response_format: ResponseFormat | Mapping[str, object] | None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Mapping[str, object] | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    tools: Sequence[Tool | Mapping[str, object]] | None
    context_mode: Literal["recent", "smart", "full"] | None
    context_tokens: int | None
    context_messages: int | None


class AssistantChanges(TypedDict, total=False):
    """What may change in an assistant; an absent field stays as it is."""

    name: str | UnsetType | None
    description: str | UnsetType | None
    instructions: str | UnsetType | None
    model: str | UnsetType | None
    temperature: float | UnsetType | None
    top_p: float | UnsetType | None
    max_output_tokens: int | UnsetType | None
    stop: str | Sequence[str] | UnsetType | None
    response_format: ResponseFormat | Mapping[str, object] | UnsetType | None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Mapping[str, object] | UnsetType | None
    parallel_tool_calls: bool | UnsetType | None
    reasoning_effort: str | UnsetType | None
    tools: Sequence[Tool | Mapping[str, object]] | UnsetType | None
    context_mode: Literal["recent", "smart", "full"] | UnsetType | None
    context_tokens: int | UnsetType | None
    context_messages: int | UnsetType | None
    metadata: MetadataFields | UnsetType | None


class ResponseFields(TypedDict, total=False):
    """A request for an answer in a thread."""

    input: str | Sequence[MessageCreate | MessageFields] | None
    assistant_id: str | None
    instructions: str | None
    when_busy: Literal["reject", "interrupt"]
    replaces: str | None
    after: str | None
    metadata: MetadataFields | None
    model: str | None
    temperature: float | None
    top_p: float | None
    max_output_tokens: int | None
    stop: str | Sequence[str] | None
    response_format: ResponseFormat | Mapping[str, object] | None
    tool_choice: Literal["none", "auto", "required"] | NamedToolChoice | Mapping[str, object] | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    tools: Sequence[Tool | Mapping[str, object]] | None
    context_mode: Literal["recent", "smart", "full"] | None
    context_tokens: int | None
    context_messages: int | None


class OrganizationChanges(TypedDict, total=False):
    """What may change in an organization."""

    name: str | UnsetType
    retention_days: int | UnsetType | None


class KeyFields(TypedDict, total=False):
    """A new API key: for which user id, with which role."""

    user_id: Required[str]
    role: Required[Role | Literal["member", "admin", "owner"]]
    name: str | None


class TokenFields(TypedDict, total=False):
    """A new token for one of a product's own users."""

    user_id: Required[str]
    expires_in: int
    organization_id: str | None


class ThreadFilters(TypedDict, total=False):
    """What the list of threads takes, besides `metadata.<key>=<value>`."""

    organization_id: str | None
    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None
    user_id: str | None
    external_id: str | None
    assistant_id: str | None
    visible_in_ui: bool | None
    state: Literal["open", "locked", "archived", "all"] | None
    status: Literal["streaming", "inactive"] | None
    title_contains: str | None
    created_after: int | None
    created_before: int | None
    sort: Literal["createdAt", "updatedAt"] | None
    include: Literal["lastMessage", "payload"] | Sequence[Literal["lastMessage", "payload"]] | None
    include_total: bool | None


class AssistantFilters(TypedDict, total=False):
    """What every list takes."""

    organization_id: str | None
    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None


class ModelFilters(TypedDict, total=False):
    """What every list takes."""

    organization_id: str | None
    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None


class ListFilters(TypedDict, total=False):
    """What every list takes."""

    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None


class MessageFilters(TypedDict, total=False):
    """What the list of messages takes."""

    limit: int | None
    order: Literal["asc", "desc"] | None
    after: str | None
    before: str | None
    role: Literal["user", "assistant", "system", "tool"] | None
    external_id: str | None
    branch: str | None
    through: str | None
    include: Literal["payload", "siblings"] | Sequence[Literal["payload", "siblings"]] | None


class ContextFields(TypedDict, total=False):
    """How the context is chosen, as in a request for a response."""

    context_mode: Literal["recent", "smart", "full"] | None
    context_tokens: int | None
    context_messages: int | None


class UsageFilters(TypedDict, total=False):
    """Which days of usage, and by what they are added up."""

    from_: str | None
    to: str | None
    group_by: Literal["day", "user", "assistant", "model"] | None
    limit: int | None
