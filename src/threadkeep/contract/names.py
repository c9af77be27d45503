"""Generated names."""

from typing import Annotated, Literal

from msgspec import Meta

from threadkeep.contract.basis import Body, MessageRole, Object, OrganizationQuery
from threadkeep.contract.limits import NAME_MESSAGES_MAX
from threadkeep.contract.messages import QUESTION, Content


class NameMessage(Body):
    """A message from which a name is made; it is not stored."""

    role: MessageRole
    content: Content


class NameCreate(Body):
    """What a name is made from; without messages, the thread's last ones."""

    messages: (
        Annotated[
            list[NameMessage],
            Meta(min_length=1, max_length=NAME_MESSAGES_MAX, examples=[[{"role": "user", "content": QUESTION}]]),
        ]
        | None
    ) = None
    """The messages that the name is made from; they are not stored. By default the thread's last 10."""


class NameGenerated(Object):
    """The title that the thread has now, and how it came about."""

    success: Literal[True]
    """Always true."""
    thread_id: str
    """The thread that was named."""
    name: Annotated[str, Meta(examples=["Invoice without VAT number"])] | None
    """The title that the thread has now; null if somebody cleared it meanwhile."""
    message: Annotated[str, Meta(examples=["Named by the model."])]
    """How it came about."""


class NameQuery(OrganizationQuery, frozen=True):
    """How a generated name is answered."""

    stream: bool = False
    """Answer with a stream."""
