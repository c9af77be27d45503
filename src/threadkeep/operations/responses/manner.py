"""How a response is begun, for doors of the service other than the native API: each of its rules that may differ."""

from dataclasses import dataclass

import msgspec

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.basis import Raw
from threadkeep.decoding import decoder

NULL = Raw(b"null")


@dataclass(frozen=True, slots=True)
class Hidden:
    """A response in a thread that the service makes, and that nobody is shown."""

    # The id of a response: what was said up to its answer goes on.
    follows: str | None = None
    # Otherwise the thread is deleted when the answer is out.
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class Manner:
    """How a response is begun. Each default is the native API's rule."""

    # The request's settings and instructions take the place of those of an assistant that the request names. One that
    # the thread is bound to keeps its own.
    overrides: bool = False
    # Stands behind the instructions, whoever gave them.
    additional_instructions: str | None = None
    # Without it an empty thread may be answered, and one whose last message is an assistant's.
    needs_question: bool = True
    # The id of a chain's first response: this one gives it the results of the calls that it waits for, and takes its
    # settings. Of the body only the input counts.
    continues: str | None = None
    # A result in the input must answer a call that is in the input or, not too far back, in the thread's line.
    requires_calls: bool = False
    # JSON that the caller wants to read back with the response; with it, the settings are kept too.
    asked: bytes | None = None
    # Where the caller has no thread.
    hidden: Hidden | None = None


NATIVE = Manner()


class Asked(msgspec.Struct, rename="camel", omit_defaults=True):
    """What is kept with a chain's first response: the settings with which all of it runs, and the caller's own."""

    configuration: Configuration | None = None
    instructions: str | None = None
    # When the chain was cancelled while it waited for results.
    cancelled_ms: int | None = None
    # What the caller wants to read back, as it came.
    own: Raw = NULL


encode = msgspec.json.Encoder().encode
decode = decoder(Asked).decode
