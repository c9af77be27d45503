"""Chains as one: read, list, cancel. A response that stands alone is a chain of one."""

from dataclasses import replace

import msgspec
from msgspec import structs

from threadkeep import clock
from threadkeep.contract.answers import ListPage
from threadkeep.contract.basis import MetadataChange
from threadkeep.contract.lifecycle import Action
from threadkeep.database.scoped import ScopedTransaction
from threadkeep.database.statement import scoped
from threadkeep.errors import ResponseNotFound
from threadkeep.operations import metadata, paging
from threadkeep.operations.paging import Window
from threadkeep.operations.responses import chain_rows, responses, settling
from threadkeep.operations.responses.chain_rows import CHAINS_TEXT, Chain
from threadkeep.operations.responses.manner import Asked
from threadkeep.operations.responses.rows import COLUMNS
from threadkeep.operations.threads.rows import explain, hold

# So many chains are read at a time.
PART = 25

# Without the answers' texts, which nobody wants of many chains at once.
LIST_TEXT = CHAINS_TEXT.replace(COLUMNS, COLUMNS.replace("m.content", "null"))
LISTS = {
    descending: scoped(
        LIST_TEXT.format(picked=f"s.id {compare} :at_id order by s.id {direction} limit :limit", direction=direction)
    )
    for descending, compare, direction in ((False, ">", "asc"), (True, "<", "desc"))
}

FIRST_OF = scoped("""
    select t.id, coalesce(f.id, r.id) from responses r
    join threads t on t.organization = r.organization and t.key = r.thread and t.user_id = coalesce(:member, t.user_id)
    left join responses f on f.organization = :organization and f.key = r.first
    where r.organization = :organization and r.id = :response_id
    """)

SET_METADATA = scoped("""
    update responses set metadata = :metadata where organization = :organization and id = :response_id
    """)


async def find(tx: ScopedTransaction, thread_id: str, first_id: str, *, with_results: bool = True) -> Chain:
    """Return the chain that begins with a response, with the results of its calls if they are wanted.

    Raises ThreadNotFound, or ResponseNotFound, also for a later response of a chain.
    """
    chain = await chain_rows.find(tx, thread_id, first_id)
    if chain is None:
        await explain(tx, thread_id, Action.READ)
        raise ResponseNotFound()
    chain = await as_it_is(tx, chain)
    return await chain_rows.with_results(tx, chain) if with_results else chain


async def of(tx: ScopedTransaction, response_id: str) -> Chain:
    """Return the chain that a response belongs to, wherever it is. Raises ResponseNotFound."""
    row = await tx.fetch_one(FIRST_OF, response_id=response_id)
    if row is None:
        raise ResponseNotFound()
    thread_id, first_id = row
    return await find(tx, thread_id, first_id)


async def as_it_is(tx: ScopedTransaction, chain: Chain) -> Chain:
    """Return the chain; its last response is shown as ended if its worker has died."""
    last = chain.last
    if last.row.left_ms is None:
        return chain
    shown = replace(last, row=await responses.as_it_is(tx, last.row))
    return replace(chain, responses=[*chain.responses[:-1], shown])


async def list_chains(tx: ScopedTransaction, thread_id: str, window: Window) -> ListPage:
    """Return one page of the thread's chains, in the order in which they began.

    Without their texts and the results of their calls. The page's ids are those of first responses.
    """
    at_id = paging.text_position(window, responses.SORT, "resp")
    found: list[Chain] = []
    wanted, bytes_left = window.limit + 1, paging.PAGE_BYTES_MAX
    while len(found) < wanted and bytes_left >= 0:
        # What one was asked may be long: no more are held in memory than a page and a part have.
        limit = min(PART, wanted - len(found))
        some = await chain_rows.read(tx, LISTS[window.reads_descending], thread_id=thread_id, at_id=at_id, limit=limit)
        found += some
        bytes_left -= sum(map(size_of, some))
        if len(some) < limit:
            break
        at_id = some[-1].id
    if not found:
        await explain(tx, thread_id, Action.READ)
    chains = [await as_it_is(tx, chain) for chain in found]
    return paging.page(chains, window, responses.SORT, lambda each: (each.id,), size_of=size_of)


def size_of(chain: Chain) -> int:
    """Return about how many bytes a chain takes of a page."""
    texts = [call.name + call.arguments for each in chain.responses for call in each.calls]
    asked = 0 if chain.asked is None else len(msgspec.json.encode(chain.asked))
    return asked + sum(len(each.row.metadata) for each in chain.responses) + sum(map(len, texts))


async def cancel(tx: ScopedTransaction, thread_id: str, first_id: str) -> tuple[Chain, bool]:
    """End a chain that runs, and keep its text, or one that waits for results. One that has ended stays as it is.

    Returns the chain, and whether this call ended it.
    """
    held = await hold(tx, thread_id)
    chain = await find(tx, thread_id, first_id)
    if held.response_id == chain.last.row.id:
        await settling.settle(tx, held, settling.CANCELLED)
        return await find(tx, thread_id, first_id), bool(held.is_leased)
    if not chain.is_waiting:
        return chain, False
    asked = chain.asked or Asked()
    return await chain_rows.keep_asked(tx, chain, structs.replace(asked, cancelled_ms=clock.now_ms())), True


async def update_metadata(tx: ScopedTransaction, thread_id: str, first_id: str, change: MetadataChange | None) -> Chain:
    """Merge a change into the metadata of a chain's first response; None clears it.

    Raises ThreadArchived, ThreadNotFound, ResponseNotFound, or one of the Metadata… errors.
    """
    held = await hold(tx, thread_id)
    chain = await find(tx, thread_id, first_id)
    held.allow(Action.SET_METADATA)
    merged = metadata.merge(chain.first.row.metadata, change)
    await tx.fetch(SET_METADATA, response_id=first_id, metadata=merged)
    first = replace(chain.first, row=chain.first.row._replace(metadata=merged))
    return replace(chain, responses=[first, *chain.responses[1:]])
