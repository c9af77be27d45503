"""The messages that are chosen for a context: which fit, and the results that calls among them must have."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from threadkeep.contract.messages import TextPart, ToolCall
from threadkeep.database.driver import Row
from threadkeep.decoding import decoder
from threadkeep.operations.messages.rows import decode_parts
from threadkeep.operations.responses.estimating import TOKENS_PER_MESSAGE, estimate, text_of, tokens_of

LAST_MAX = 7
CANCELLED = "cancelled: no result was given"
CANCELLED_TOKENS = estimate(CANCELLED)

decode_calls = decoder(list[ToolCall]).decode


class ContextTooLong(Exception):
    """The messages that must be in the context exceed its tokens."""

    def __init__(self) -> None:
        super().__init__(
            "The instructions, the newest input and (in smart) the first 3 messages need more tokens than "
            "contextTokens allows: raise it, or send less."
        )


@dataclass(frozen=True, slots=True)
class ChosenMessage:
    """A message as it is sent: a stored one, the instructions, or a stand-in for a missing tool result."""

    id: str | None
    seq: int
    role: str
    # Parts and calls, as JSON.
    content: str
    tool_calls: str | None
    tool_call_id: str | None
    call_ids: tuple[str, ...]
    tokens: int
    # Whether it has neither text nor calls; models refuse such a message.
    is_empty: bool = False


class HistoryWalk:
    """Takes messages from the newest backwards, as long as they must stay or fit, down to `above_seq`.

    Results of tools that must stay keep the message that called for them: without it they could not be sent.
    """

    def __init__(self, above_seq: int, tokens_max: float, count_max: float, kept_from_seq: float) -> None:
        # The newest first.
        self.taken: list[ChosenMessage] = []
        # How many of them must stay.
        self.required_count = 0
        self.above_seq = above_seq
        self.count_max = count_max
        self.tokens_left = tokens_max
        self._kept_from_seq = kept_from_seq
        self._misses_call = False
        # Calls whose results were taken while the calls themselves were not yet.
        self._answered: Counter[str] = Counter()

    def take(self, message: ChosenMessage) -> bool:
        """Take the message, or return False: then it and all older ones stay out. Raises ContextTooLong."""
        if message.is_empty:
            return True
        if not self.taken:
            self._kept_from_seq = min(self._kept_from_seq, message.seq)
        called = self._misses_call and message.role in ("assistant", "tool")
        must_stay = called or message.seq >= self._kept_from_seq
        if not must_stay and len(self.taken) >= self.count_max:
            return False
        self.tokens_left -= cost(message, self._answered)
        if self.tokens_left < 0:
            if must_stay:
                raise ContextTooLong
            return False
        self._misses_call = must_stay and message.role == "tool"
        self.taken.append(message)
        self.required_count += must_stay
        return True

    def count_wanted(self, below_seq: int) -> float:
        """Return how many messages below `below_seq` to read next: as many as it can take or must, if that is known."""
        count = max(self.count_max - len(self.taken), below_seq - self._kept_from_seq)
        return count if count > 0 else LAST_MAX

    @property
    def is_done(self) -> bool:
        """Whether nothing older can be taken."""
        may_stop = bool(self.taken) and not self._misses_call and self.taken[-1].seq <= self._kept_from_seq
        return may_stop and (len(self.taken) >= self.count_max or self.tokens_left < TOKENS_PER_MESSAGE)


def cost(message: ChosenMessage, answered: Counter[str]) -> int:
    """Return the tokens that a message adds: its own, and those of stand-ins for missing results of its calls.

    `answered` counts results by call id, from newer messages. It is updated: the message's result is added, its calls
    are removed.
    """
    if message.tool_call_id is not None:
        answered[message.tool_call_id] += 1
    missing = Counter(message.call_ids) - answered
    for call_id in message.call_ids:
        del answered[call_id]
    return message.tokens + missing.total() * CANCELLED_TOKENS


def with_results(stored: Sequence[ChosenMessage]) -> list[ChosenMessage]:
    """Return messages so that each call is followed by its result, as models require.

    A result belongs to the newest call with its id before it. A late result moves up to its call, a result without a
    call is left out, and a missing result is made up. Calls of one message may share an id.
    """
    results: dict[int, list[ChosenMessage]] = {}
    # For each call id without a result: the position of the newest message with it, once for each such call.
    waiting: dict[str, list[int]] = {}
    for message in stored:
        for call_id, count in Counter(message.call_ids).items():
            waiting[call_id] = [message.seq] * count
        if message.role == "tool" and waiting.get(message.tool_call_id or ""):
            results.setdefault(waiting[message.tool_call_id or ""].pop(), []).append(message)
    complete: list[ChosenMessage] = []
    for message in stored:
        if message.role == "tool":
            continue
        complete.append(message)
        given = results.get(message.seq, [])
        complete.extend(given)
        missing = Counter(message.call_ids) - Counter(result.tool_call_id or "" for result in given)
        complete.extend(made_up(message.seq, "tool", CANCELLED, call_id) for call_id in missing.elements())
    return complete


def made_up(seq: int, role: str, text: str, tool_call_id: str | None = None) -> ChosenMessage:
    """Return a message that is not stored."""
    content = msgspec.json.encode([TextPart(text)]).decode()
    return ChosenMessage(None, seq, role, content, None, tool_call_id, (), estimate(text))


def chosen_of(row: Row) -> ChosenMessage:
    """Make a message of a row of COLUMNS."""
    id, seq, role, content, tool_calls, tool_call_id = row
    calls = [] if tool_calls is None else decode_calls(tool_calls)
    parts = decode_parts(content)
    tokens = tokens_of(role, parts, calls)
    is_empty = role != "tool" and not calls and not any(text_of(part).strip() for part in parts)
    call_ids = tuple(call.id for call in calls)
    return ChosenMessage(id, seq, role, content, tool_calls, tool_call_id, call_ids, tokens, is_empty)
