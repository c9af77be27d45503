"""The form of ShareGPT, in which data sets come: a list of who said what, without ids of messages or times."""

from contextlib import suppress

import msgspec

from threadkeep.commands.kinds.parts import Value, text_of
from threadkeep.commands.kinds.talks import ROLES, Block, CallBlock, Talk, Turn, digest, encode, in_a_line


class Said(msgspec.Struct, rename={"sender": "from"}):
    sender: str = ""
    value: Value = None


class Record(msgspec.Struct):
    conversations: list[Said]
    id: str | int | None = None
    system: str | None = None
    title: str | None = None
    model: str | None = None


def talk_of(record: Record) -> Talk:
    # Without an id, what was said tells the conversation: it is the same one in the next import.
    own_id = str(record.id) if record.id is not None else digest(encode(record.conversations).decode())
    system = [Said("system", record.system)] if record.system else []
    turns: list[Turn] = []
    for place, each in enumerate(system + record.conversations):
        is_call = each.sender == "function_call"
        blocks: list[Block] = [called(f"call_{place}", text_of(each.value)) if is_call else text_of(each.value)]
        turn = Turn(str(place), None, "assistant" if is_call else ROLES.get(each.sender, ""), blocks)
        turn.model = record.model
        # What a tool gave answers the call before it.
        turn.call_id = f"call_{place}" if is_call else turns[-1].call_id if turns and turn.role == "tool" else None
        turns.append(turn)
    in_a_line(turns)
    return Talk(own_id, turns, {"source": "sharegpt", "model": record.model}, record.title)


def called(own_id: str, text: str) -> CallBlock:
    """Return a call, whose text is an object with name and arguments."""
    found = None
    with suppress(msgspec.MsgspecError):
        found = msgspec.json.decode(text)
    if isinstance(found, dict):
        return CallBlock(own_id, str(found.get("name") or "function"), found.get("arguments"))
    return CallBlock(own_id, "function", text)
