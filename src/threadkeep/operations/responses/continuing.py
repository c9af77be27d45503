"""Going on with a chain of responses: its model gets the results of the calls with which it ended."""

from collections import Counter
from collections.abc import Sequence

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.messages import MessageCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidField, ResponseNotFound
from threadkeep.operations.assistants import rows as assistant_rows
from threadkeep.operations.messages import lines
from threadkeep.operations.responses import chain_rows, configuration
from threadkeep.operations.responses.chain_rows import Chain
from threadkeep.operations.responses.chosen import decode_calls
from threadkeep.operations.responses.configuration import Combined
from threadkeep.operations.threads.rows import HeldThread

# How many messages back the call of a result is looked for, and how many at a time.
LOOKED_BACK, LOOKED_AT_ONCE = 10_000, 500

CALLS = lines.within("select m.tool_calls from {runs} and m.tool_calls is not null")


class NotWaiting(InvalidField):
    """The chain waits for no results: it runs, has ended, was cancelled, or another response came after it."""

    default = "This response waits for no results of calls."


async def waiting(
    tx: ScopedTransaction, thread_id: str, first_id: str, given: str | Sequence[MessageCreate] | None
) -> Chain:
    """Return the chain whose calls have the results `given`. Its thread is locked, and idle.

    Raises ResponseNotFound, NotWaiting, or InvalidField unless these are the results of its calls, each of them once.
    """
    chain = await chain_rows.find(tx, thread_id, first_id)
    if chain is None:
        raise ResponseNotFound()
    if not chain.is_waiting:
        raise NotWaiting()
    missing = Counter(call.id for call in chain.last.calls)
    for position, each in enumerate(messages_in(given)):
        param = f"input[{position}]"
        if each.role != "tool" or not missing[each.tool_call_id or ""]:
            raise InvalidField(
                "This is no result of a call that waits for one, or its second: give each call one.", param=param
            )
        missing[each.tool_call_id or ""] -= 1
    for call_id in missing.elements():
        raise InvalidField(f"The result of the call {call_id} is missing: give each call one.", param="input")
    return chain


async def require_calls(tx: ScopedTransaction, held: HeldThread, given: str | Sequence[MessageCreate] | None) -> None:
    """Raise InvalidField for a result whose call is neither before it in `given` nor in the thread's current line.

    Beyond LOOKED_BACK messages nobody looks: a result may be one of an older call.
    """
    unknown = without_call(messages_in(given))
    forks = await lines.forks_of(tx, held.key, held.cleared_seq) if unknown and held.is_branched else []
    spans = lines.line_to(forks, held.cleared_seq, held.last_seq)
    lowest_seq = max(held.cleared_seq, held.last_seq - LOOKED_BACK)
    for high_seq in range(held.last_seq, lowest_seq, -LOOKED_AT_ONCE):
        if not unknown:
            return
        part = lines.clip(spans, high_seq - LOOKED_AT_ONCE + 1, high_seq)
        for (stored,) in await tx.fetch(CALLS, thread=held.key, spans=lines.encoded(part)):
            for call in decode_calls(stored):
                unknown.pop(call.id, None)
    if unknown and lowest_seq == held.cleared_seq:
        position = min(unknown.values())
        raise InvalidField("This is the result of no call in this thread.", param=f"input[{position}].toolCallId")


def without_call(given: Sequence[MessageCreate]) -> dict[str | None, int]:
    """Return the ids of calls whose results are given and that are not among what is given before, with the places."""
    called: set[str | None] = set()
    unknown: dict[str | None, int] = {}
    for position, each in enumerate(given):
        called.update(call.id for call in each.tool_calls or ())
        if each.role == "tool" and each.tool_call_id not in called:
            unknown.setdefault(each.tool_call_id, position)
    return unknown


def messages_in(given: str | Sequence[MessageCreate] | None) -> Sequence[MessageCreate]:
    """Return the messages of an input that has no text in their place."""
    return [] if given is None or isinstance(given, str) else given


async def settings_of(tx: ScopedTransaction, chain: Chain) -> Combined:
    """Return the settings that a chain goes on with: those it began with, whatever became of its assistant.

    Of one that the native API began, only assistant and model are known.
    """
    asked, first = chain.asked, chain.first.row
    if asked is not None and asked.configuration is not None:
        return Combined(asked.configuration, asked.instructions, first.assistant_id)
    assistant = None if first.assistant_id is None else await assistant_rows.find(tx, first.assistant_id)
    combined = configuration.override(assistant, Configuration(model=first.model), None)
    return Combined(combined.configuration, combined.instructions, first.assistant_id)
