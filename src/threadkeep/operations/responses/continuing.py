"""Going on with a chain of responses: its model gets the results of the calls with which it ended."""

from collections import Counter
from collections.abc import Sequence

from threadkeep.contract.assistants import Configuration
from threadkeep.contract.messages import MessageCreate
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.errors import InvalidField, ResponseNotFound
from threadkeep.operations.assistants import rows as assistant_rows
from threadkeep.operations.responses import chain_rows, configuration
from threadkeep.operations.responses.chain_rows import Chain
from threadkeep.operations.responses.configuration import Combined


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
    for position, each in enumerate([] if given is None or isinstance(given, str) else given):
        param = f"input[{position}]"
        if each.role != "tool" or not missing[each.tool_call_id or ""]:
            raise InvalidField(
                "This is no result of a call that waits for one, or its second: give each call one.", param=param
            )
        missing[each.tool_call_id or ""] -= 1
    for call_id in missing.elements():
        raise InvalidField(f"The result of the call {call_id} is missing: give each call one.", param="input")
    return chain


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
