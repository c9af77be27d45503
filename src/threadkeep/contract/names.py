"""Generated names."""

from typing import Annotated, Literal

from msgspec import Meta

from threadkeep.contract.basis import Body, Object
from threadkeep.contract.limits import NAME_MESSAGES_MAX, PARTS_MAX
from threadkeep.contract.messages import Part


class NameMessage(Body):
    """A message from which a name is made; it is not stored."""

    role: Literal["user", "assistant", "system", "tool"]
    content: str | Annotated[list[Part], Meta(max_length=PARTS_MAX)]


class NameCreate(Body):
    """From what a name is made; without messages, from the thread's last ones."""

    messages: Annotated[list[NameMessage], Meta(min_length=1, max_length=NAME_MESSAGES_MAX)] | None = None


class NameGenerated(Object):
    """The title that the thread has now, and how it came about."""

    success: Literal[True]
    thread_id: str
    # null only where a person cleared the title meanwhile.
    name: str | None
    message: str
